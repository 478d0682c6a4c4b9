//! The narrow interfaces behind which parts with several implementations stand.

mod catalog;
mod embedder;

pub use catalog::{
    Catalog, CatalogError, Change, DocumentPage, FetchState, IdempotentBegin, IdempotentReply,
    IndexChunk, IndexDocument, KeyRecord, KnownItem, NewKey, Original, PublishVersion, Published,
    StoredElements,
};
pub use embedder::{EmbedError, Embedder};
