//! Passages and a small executor for tests.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;

use cairn_types::{
    AccessList, BlobHash, CharSpan, ChunkId, ChunkMeta, ChunkNo, DocumentId, DocumentStatus,
    DocumentSummary, ParseReport, Passage, Source, Timestamp, VersionNo,
};

use crate::evidence::RankedPassage;

/// A passage of document `id` that begins at code point `start` of its rendition.
pub(crate) fn passage(id: u64, title: &str, start: usize, text: &str) -> RankedPassage {
    let document = DocumentSummary {
        id: DocumentId(id),
        collection: "default".into(),
        source: Source::files(),
        key: title.into(),
        uri: format!("file:///{title}"),
        title: title.into(),
        media_type: "text/plain".into(),
        tags: BTreeSet::new(),
        access: AccessList::everyone(),
        version: VersionNo(1),
        size_bytes: 0,
        blob: BlobHash::of(b""),
        n_chunks: 1,
        status: DocumentStatus::Ok,
        report: ParseReport::default(),
        modified_at: None,
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
        deleted_at: None,
    };
    let passage = Passage {
        chunk_no: ChunkNo(u32::try_from(id).unwrap()),
        id: ChunkId {
            document: DocumentId(id),
            version: VersionNo(1),
            ordinal: 0,
        },
        meta: ChunkMeta {
            ordinal: 0,
            span: CharSpan::new(start, start + text.chars().count()),
            page: Some(2),
            heading_path: String::new(),
            lang: None,
            n_tokens: 0,
        },
        text: text.into(),
        document: Arc::new(document),
    };
    RankedPassage {
        passage,
        score: 1.0,
        dense: None,
        lexical: Some(1.0),
    }
}

/// Runs a future to its end.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}
