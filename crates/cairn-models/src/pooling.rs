//! The vectors of a sequence's tokens as one vector of length 1.

use crate::manifest::Pooling;

/// One vector per sequence: `x` holds a row of `d` components per token, sequence after sequence, none of them empty.
pub(crate) fn pool(
    pooling: Pooling,
    lengths: impl Iterator<Item = usize>,
    x: &[f32],
    d: usize,
) -> Vec<Vec<f32>> {
    let mut rows = x.chunks_exact(d);
    let mut vectors = Vec::new();
    for n in lengths {
        let mut vector = rows.next().expect("one row per token").to_vec();
        for row in rows.by_ref().take(n - 1) {
            match pooling {
                Pooling::Cls => {}
                Pooling::Last => vector.copy_from_slice(row),
                Pooling::Mean => {
                    for (v, x) in vector.iter_mut().zip(row) {
                        *v += x;
                    }
                }
            }
        }
        // The division by the number of tokens cancels out here.
        let norm = vector.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-12);
        for v in &mut vector {
            *v /= norm;
        }
        vectors.push(vector);
    }
    vectors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_takes_its_rows() {
        let x = [3.0, 0.0, 0.0, 4.0, 0.0, 2.0, 5.0, 0.0];
        let pooled = |pooling| pool(pooling, [3, 1].into_iter(), &x, 2);
        assert_eq!(pooled(Pooling::Cls), [[1.0, 0.0], [1.0, 0.0]]);
        assert_eq!(pooled(Pooling::Last), [[0.0, 1.0], [1.0, 0.0]]);
        let mean = pooled(Pooling::Mean);
        let norm = (9f32 + 36.0).sqrt();
        assert!((mean[0][0] - 3.0 / norm).abs() < 1e-6 && (mean[0][1] - 6.0 / norm).abs() < 1e-6);
        assert_eq!(mean[1], [1.0, 0.0]);
    }
}
