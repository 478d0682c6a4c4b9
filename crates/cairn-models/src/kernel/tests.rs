//! All paths of this CPU, also those that cannot be chosen from outside, against the plain one and against sums in `f64`.

use super::*;

/// Numbers between -1 and 1.
fn numbers(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

fn each_path(check: impl Fn(Kernel)) {
    let kernels = Kernel::available();
    assert_eq!(kernels.last(), Some(&Kernel::Portable));
    kernels.into_iter().for_each(check);
}

/// Row `i` of `f32 [n/32][k][32]` panels, by index.
fn column(panels: &[f32], k: usize, j: usize) -> Vec<f64> {
    (0..k)
        .map(|e| f64::from(panels[(j / NR) * k * NR + e * NR + j % NR]))
        .collect()
}

#[test]
fn f32_products_of_every_height() {
    // 770 crosses two blocks of k; strides are wider than the rows.
    for (m, k, n) in [
        (1, 32, 32),
        (5, 64, 64),
        (12, 384, 32),
        (13, 770, 64),
        (29, 34, 96),
    ] {
        let (a, panels) = (numbers(m * (k + 3), 1), numbers(n * k, 2));
        let bias = numbers(n, 3);
        each_path(|kernel| {
            let mut y = vec![f32::NAN; m * (n + 5)];
            let mut out = Out {
                data: &mut y,
                stride: n + 5,
            };
            let rows = Rows {
                data: &a,
                stride: k + 3,
                m,
            };
            kernel.matmul_f32(rows, k, &panels, Some(&bias), &mut out);
            for i in 0..m {
                for j in 0..n {
                    let x = &a[i * (k + 3)..][..k];
                    let exact: f64 = x
                        .iter()
                        .zip(column(&panels, k, j))
                        .map(|(x, w)| f64::from(*x) * w)
                        .sum();
                    let got = f64::from(y[i * (n + 5) + j]);
                    let error = (got - exact - f64::from(bias[j])).abs();
                    assert!(
                        error < 1e-4,
                        "{kernel:?} {m}x{k}x{n} at {i},{j}: off by {error}"
                    );
                }
            }
        });
    }
}

#[test]
fn byte_products_are_exact() {
    for (m, k, n) in [(1, 32, 32), (7, 64, 64), (13, 1536, 32), (25, 36, 96)] {
        let a: Vec<u8> = numbers(m * k, 1)
            .iter()
            .map(|x| ((x + 1.0) * 127.9) as u8)
            .collect();
        let w: Vec<i8> = numbers(n * k, 2)
            .iter()
            .map(|x| (x * 127.4) as i8)
            .collect();
        // The extremes, where narrower sums would overflow.
        let (a, w) = if k == 1536 {
            (vec![255; m * k], vec![-127; n * k])
        } else {
            (a, w)
        };
        let rows: Vec<RowScale> = (0..m)
            .map(|i| RowScale {
                scale: 1.0,
                zero: i as i32 * 9,
            })
            .collect();
        let sums: Vec<i32> = (0..n)
            .map(|j| w[j * k..(j + 1) * k].iter().map(|w| i32::from(*w)).sum())
            .collect();
        let (columns, bias) = (vec![1.0; n], vec![0.0; n]);
        let scales = Scales {
            rows: &rows,
            columns: &columns,
            sums: &sums,
            bias: &bias,
        };
        let place = |j: usize, e: usize, g: usize| {
            (j / NR) * k * NR + (e / g) * g * NR + (j % NR) * g + e % g
        };
        let (mut narrow, mut wide) = (vec![0i8; n * k], vec![0i16; n * k]);
        for j in 0..n {
            for e in 0..k {
                narrow[place(j, e, 4)] = w[j * k + e];
                wide[place(j, e, 2)] = i16::from(w[j * k + e]);
            }
        }
        let a16: Vec<i16> = a.iter().map(|a| i16::from(*a)).collect();
        each_path(|kernel| {
            let mut y = vec![f32::NAN; m * n];
            let mut out = Out {
                data: &mut y,
                stride: n,
            };
            if kernel.has_int8() {
                let rows = Rows {
                    data: &a,
                    stride: k,
                    m,
                };
                kernel.matmul_i8(rows, k, &narrow, scales, Finish::Plain, &mut out);
            } else {
                let rows = Rows {
                    data: &a16,
                    stride: k,
                    m,
                };
                kernel.matmul_i16(rows, k, &wide, scales, &mut out);
            }
            for i in 0..m {
                for j in 0..n {
                    let pairs = a[i * k..(i + 1) * k].iter().zip(&w[j * k..(j + 1) * k]);
                    let exact: i32 = pairs
                        .map(|(a, w)| (i32::from(*a) - rows[i].zero) * i32::from(*w))
                        .sum();
                    assert_eq!(
                        y[i * n + j],
                        exact as f32,
                        "{kernel:?} {m}x{k}x{n} at {i},{j}"
                    );
                }
            }
        });
    }
}

#[test]
fn bfloat16_instructions_and_rounded_f32_give_the_same_bits() {
    let (m, k, n) = (13, 1536, 64);
    let (a, w) = (numbers(m * k, 5), numbers(n * k, 6));
    let (mut a32, mut w32) = (vec![0.0; m * k], vec![0.0; n * k]);
    Kernel::Portable.round_bf16(&a, &mut a32);
    Kernel::Portable.round_bf16(&w, &mut w32);
    let mut results = Vec::new();
    for kernel in Kernel::available() {
        let mut y = vec![f32::NAN; m * n];
        let mut out = Out {
            data: &mut y,
            stride: n,
        };
        if kernel.has_bf16() {
            let (mut a16, mut w16) = (vec![0; m * k], vec![0; n * k]);
            kernel.to_bf16(&a32, &mut a16);
            for (at, w) in w32.iter().enumerate() {
                let (p, e, j) = (at / (k * NR), at % (k * NR) / NR, at % NR);
                w16[p * k * NR + (e / 2) * 2 * NR + j * 2 + e % 2] = (w.to_bits() >> 16) as u16;
            }
            let rows = Rows {
                data: &a16,
                stride: k,
                m,
            };
            kernel.matmul_bf16(rows, k, &w16, None, &mut out);
        } else {
            let rows = Rows {
                data: &a32,
                stride: k,
                m,
            };
            kernel.matmul_f32(rows, k, &w32, None, &mut out);
        }
        results.push((kernel, y));
    }
    for (kernel, y) in &results {
        assert_eq!(
            y, &results[0].1,
            "{kernel:?} differs from {:?}",
            results[0].0
        );
    }
}

#[test]
fn elementwise_steps_give_the_same_bits() {
    let x: Vec<f32> = numbers(384, 7).iter().map(|x| x * 8.0).collect();
    let (gain, shift, r) = (numbers(384, 8), numbers(384, 9), numbers(384, 10));
    let steps = |kernel: Kernel| {
        let mut bits: Vec<u32> = Vec::new();
        let mut keep = |values: &[f32]| bits.extend(values.iter().map(|v| v.to_bits()));
        let mut y = x.clone();
        kernel.gelu(&mut y);
        keep(&y);
        y.copy_from_slice(&x);
        kernel.add(&mut y, &r);
        kernel.layer_norm(&mut y, (&gain, &shift), 1e-12);
        keep(&y);
        for n in [1, 15, 16, 17, 100, 384] {
            y.copy_from_slice(&x);
            let sum = kernel.softmax_exp(&mut y, n, 0.3);
            keep(&y);
            keep(&[sum]);
        }
        let mut q = vec![0; 384];
        let scale = kernel.quantise(&x, &mut q);
        let mut rest = vec![0.0; 384];
        kernel.residual(&x, &q, scale, &mut rest);
        keep(&rest);
        assert!(
            rest.iter().all(|rest| rest.abs() <= scale.scale * 0.501),
            "half a step at most"
        );
        assert!((0..=255).contains(&scale.zero));
        bits
    };
    let plain = steps(Kernel::Portable);
    each_path(|kernel| assert!(steps(kernel) == plain, "{kernel:?}"));
}

#[test]
fn softmax_and_gelu_are_close_to_the_real_ones() {
    let x: Vec<f32> = (0..160).map(|i| (i as f32 - 80.0) * 0.1).collect();
    let mut y = x.clone();
    let sum = Kernel::Portable.softmax_exp(&mut y, 160, 1.0);
    let exact: f64 = x.iter().map(|x| f64::from(x - 7.9).exp()).sum();
    assert!((f64::from(sum) - exact).abs() < 1e-5 * exact);
    for (x, y) in x.iter().zip(&y) {
        let exact = f64::from(x - 7.9).exp();
        assert!(
            (f64::from(*y) - exact).abs() < 1e-6 * exact + 1e-9,
            "{x}: {y}, {exact}"
        );
    }
    let mut y = [1.0f32, -1.0, 3.0, 0.0];
    Kernel::Portable.gelu(&mut y);
    for (y, exact) in y.iter().zip([0.841_344_7, -0.158_655_3, 2.995_950_2, 0.0]) {
        assert!((y - exact).abs() < 5e-7, "{y}, {exact}");
    }
}

#[test]
#[should_panic(expected = "rows of k elements")]
fn shapes_that_do_not_fit_are_refused() {
    let (a, panels) = ([0.0; 32], [0.0; 32 * 32]);
    let rows = Rows {
        data: &a,
        stride: 32,
        m: 2,
    };
    let mut y = [0.0; 64];
    let mut out = Out {
        data: &mut y,
        stride: 32,
    };
    Kernel::Portable.matmul_f32(rows, 32, &panels, None, &mut out);
}
