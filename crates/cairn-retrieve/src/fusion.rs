//! Joining the rankings of two retrievers into one.
//!
//! Convex combination of normalised scores (Bruch, Gai, Ingber, "An Analysis of Fusion Functions for Hybrid
//! Retrieval", ACM TOIS 2023): BM25 divided by its best score, cosine as it is. Reciprocal rank fusion (Cormack,
//! Clarke, Büttcher, SIGIR 2009): Σ 1 / (k + rank).

use std::collections::BTreeMap;

use cairn_types::ChunkNo;

/// How rankings are joined.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fusion {
    /// `alpha · dense + (1 - alpha) · lexical`, both normalised.
    Convex {
        /// Weight of the dense score, 0 to 1.
        alpha: f32,
    },
    /// Ranks only.
    Rrf {
        /// Damps the first ranks.
        k: f32,
    },
}

/// Settings of fusion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FusionOptions {
    /// How rankings are joined.
    pub fusion: Fusion,
}

impl Default for FusionOptions {
    fn default() -> Self {
        Self {
            fusion: Fusion::Convex { alpha: 0.6 },
        }
    }
}

/// A chunk with its joined score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fused {
    /// The chunk.
    pub chunk_no: ChunkNo,
    /// The joined score.
    pub score: f32,
    /// BM25, where known.
    pub lexical: Option<f32>,
    /// Cosine, where known.
    pub dense: Option<f32>,
}

/// Joins two rankings, best first; ties break by chunk number. The order of the inputs does not matter.
#[must_use]
pub fn fuse(
    lexical: &[(ChunkNo, f32)],
    dense: &[(ChunkNo, f32)],
    options: &FusionOptions,
) -> Vec<Fused> {
    let mut joined: BTreeMap<ChunkNo, (Option<f32>, Option<f32>)> = BTreeMap::new();
    for &(no, score) in lexical {
        joined.entry(no).or_default().0 = Some(score);
    }
    for &(no, score) in dense {
        joined.entry(no).or_default().1 = Some(score);
    }
    let best = lexical
        .iter()
        .map(|(_, score)| *score)
        .fold(f32::MIN_POSITIVE, f32::max);
    let ranks = |list: &[(ChunkNo, f32)]| -> BTreeMap<ChunkNo, f32> {
        let mut sorted = list.to_vec();
        sorted.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        sorted
            .into_iter()
            .zip(1_u16..)
            .map(|((no, _), rank)| (no, f32::from(rank)))
            .collect()
    };
    let (lexical_rank, dense_rank) = (ranks(lexical), ranks(dense));
    let mut fused: Vec<Fused> = joined
        .into_iter()
        .map(|(chunk_no, (lexical, dense))| {
            let score = match options.fusion {
                Fusion::Convex { alpha } => {
                    alpha * dense.unwrap_or(0.0) + (1.0 - alpha) * lexical.unwrap_or(0.0) / best
                }
                Fusion::Rrf { k } => [lexical_rank.get(&chunk_no), dense_rank.get(&chunk_no)]
                    .into_iter()
                    .flatten()
                    .map(|rank| 1.0 / (k + rank))
                    .sum(),
            };
            Fused {
                chunk_no,
                score,
                lexical,
                dense,
            }
        })
        .collect();
    fused.sort_by(|a, b| {
        b.score
            .total_cmp(&a.score)
            .then(a.chunk_no.cmp(&b.chunk_no))
    });
    fused
}
