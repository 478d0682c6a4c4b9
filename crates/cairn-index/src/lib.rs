//! Dense and lexical search engines.
//!
//! Two arms that know chunk numbers and nothing of documents or permissions: [`DenseIndex`] scans
//! vectors in flat segments, [`LexicalIndex`] ranks by BM25. Both take the chunk numbers that a reader
//! may see as one bitmap and apply it inside the scan, both carry the last applied sequence number,
//! and both can be deleted and rebuilt from the catalog with the same results.

mod analyse;
mod dense;
mod error;
mod lexical;
mod rows;

pub use analyse::{analyse_words, detect_lang};
#[doc(hidden)]
pub use dense::testing::{dense_paths, dense_search_on_path};
pub use dense::{DenseIndex, DenseSnapshot, Recall, SearchCost};
pub use error::IndexError;
pub use lexical::{LexicalDoc, LexicalIndex, LexicalQuery, LexicalSnapshot};
