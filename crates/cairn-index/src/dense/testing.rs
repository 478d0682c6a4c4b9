//! For benches: one search on each set of instructions that this CPU has.

use cairn_types::ChunkNo;
use roaring::RoaringBitmap;

use super::kernel::Kernel;
use super::{DenseSnapshot, Recall};
use crate::IndexError;

/// Names of the paths that this CPU can run, fastest first.
#[must_use]
pub fn dense_paths() -> Vec<String> {
    let name = |kernel| format!("{kernel:?}").to_lowercase();
    Kernel::available().into_iter().map(name).collect()
}

/// A search on the path at this position of [`dense_paths`], the last one beyond its end.
///
/// # Errors
/// As for [`DenseSnapshot::search`].
pub fn dense_search_on_path(
    path: usize,
    snapshot: &DenseSnapshot,
    query: &[f32],
    allowed: &RoaringBitmap,
    recall: Recall,
) -> Result<Vec<(ChunkNo, f32)>, IndexError> {
    let kernel = Kernel::available()
        .get(path)
        .copied()
        .unwrap_or(Kernel::Portable);
    Ok(snapshot.search_on(kernel, query, allowed, 10, recall)?.0)
}
