//! Catalog, blobs and the lock of the data directory.
//!
//! [`DataDir`] takes the lock, [`SqliteCatalog`] is the embedded implementation of the
//! [`Catalog`](cairn_types::ports::Catalog) port, [`BlobStore`] keeps the originals. An engine of the lowest
//! floor: it knows the words of `cairn-types` and no other engine.

mod blob;
mod catalog;
mod data_dir;
mod error;
mod format;

pub use blob::{BlobLimits, BlobStore, BlobWriter, StoredBlob};
pub use catalog::SqliteCatalog;
pub use data_dir::{DataDir, LockState};
pub use error::StoreError;
pub use format::FORMAT_VERSION;
