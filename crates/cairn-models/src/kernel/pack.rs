//! Keys and values of one attention head in the panels that the products read, in plain Rust for any number.

use super::NR;

/// Keys `[n][size]` at a row stride into panels `[n/32][size/G][32][G]`; columns beyond `n` are 0.
pub(crate) fn keys<T: Copy + Default, const G: usize>(
    from: &[T],
    stride: usize,
    n: usize,
    size: usize,
    to: &mut [T],
) {
    for (p, panel) in to.chunks_exact_mut(size * NR).enumerate() {
        for j in 0..NR {
            let key = p * NR + j;
            if key < n {
                let row = &from[key * stride..key * stride + size];
                for (group, from) in panel.chunks_exact_mut(NR * G).zip(row.chunks_exact(G)) {
                    group[j * G..(j + 1) * G].copy_from_slice(from);
                }
            } else {
                for group in panel.chunks_exact_mut(NR * G) {
                    group[j * G..(j + 1) * G].fill(T::default());
                }
            }
        }
    }
}

/// Values `[n][size]` at a row stride into panels `[size/32][n/G][32][G]`; rows beyond `n` are 0.
pub(crate) fn values<T: Copy + Default, const G: usize>(
    from: &[T],
    stride: usize,
    n: usize,
    size: usize,
    to: &mut [T],
) {
    for (p, panel) in to
        .chunks_exact_mut(n.next_multiple_of(2) * NR)
        .take(size / NR)
        .enumerate()
    {
        for (g, group) in panel.chunks_exact_mut(NR * G).enumerate() {
            for e in 0..G {
                let row = g * G + e;
                if row < n {
                    let row = &from[row * stride + p * NR..row * stride + (p + 1) * NR];
                    for (to, from) in group[e..].iter_mut().step_by(G).zip(row) {
                        *to = *from;
                    }
                } else {
                    group[e..]
                        .iter_mut()
                        .step_by(G)
                        .for_each(|to| *to = T::default());
                }
            }
        }
    }
}
