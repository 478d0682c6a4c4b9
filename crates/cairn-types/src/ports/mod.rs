//! The narrow interfaces behind which parts with several implementations stand.

mod caller;
mod catalog;
mod embedder;

pub use caller::{Caller, Urgency, Waiting};
pub use catalog::{
    Catalog, CatalogError, Change, DocumentPage, FetchState, IdempotentBegin, IdempotentReply,
    IndexChunk, IndexDocument, KeyRecord, KnownItem, NewKey, Original, PublishBatch,
    PublishVersion, Published, PublishedBatch, StoredElements, VectorRow,
};
pub use embedder::{EmbedError, Embedder};
