//! The catalog: the truth about documents, versions, text, vectors, permissions, jobs and keys.
//!
//! Every method is one whole transaction. Methods that return document content take a [`Scope`]; those of the
//! write path and of the indexes take a [`SystemScope`], and nothing they return reaches a caller's answer
//! without passing [`Catalog::hydrate`] or another scoped read.

use std::collections::{BTreeSet, HashMap};
use std::ops::RangeInclusive;

use async_trait::async_trait;

use crate::chunk::{EmbeddingSpace, NewChunk, Passage};
use crate::clock::Timestamp;
use crate::document::{
    BlobHash, Collection, DocumentFilter, DocumentStatus, DocumentSummary, Fingerprint, InputHash,
    Source,
};
use crate::element::Element;
use crate::error::{ErrorKind, HasKind};
use crate::ids::{ChunkNo, DocumentId, JobId, KeyId, Seq, TenantId, VersionNo};
use crate::job::{Job, JobItem, JobState, NewJob};
use crate::report::ParseReport;
use crate::scope::{AccessList, Principal, Scope, SystemScope};
use crate::text::CharSpan;

/// Why a catalog call failed.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// It is not there, or the scope may not know that it is: the two read the same.
    #[error("{what} `{id}` not found")]
    NotFound {
        /// `document`, `job`, `collection`, `key`.
        what: &'static str,
        /// As the caller gave it.
        id: String,
    },
    /// The request contradicts what is stored.
    #[error("{0}")]
    Conflict(String),
    /// The request cannot be stored as it is.
    #[error("{0}")]
    Invalid(String),
    /// The store does not answer: locked, full, read-only, gone.
    #[error("the catalog is unavailable: {0}")]
    Unavailable(String),
    /// Stored data is damaged.
    #[error("the catalog is damaged: {0}")]
    Corrupt(String),
}

impl HasKind for CatalogError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Conflict(_) => ErrorKind::Conflict,
            Self::Invalid(_) => ErrorKind::InvalidInput,
            Self::Unavailable(_) => ErrorKind::Unavailable,
            Self::Corrupt(_) => ErrorKind::Corrupt,
        }
    }
}

/// A version of a document, ready to be seen.
#[derive(Debug, Clone)]
pub struct PublishVersion {
    /// Name of the collection; made where it is new.
    pub collection: String,
    /// Where the document comes from.
    pub source: Source,
    /// What identifies it there.
    pub key: String,
    /// The document that has moved to `key` with equal content and keeps its id.
    pub moved_from: Option<DocumentId>,
    /// Where a person finds it.
    pub uri: String,
    /// Its title, or else its file name.
    pub title: String,
    /// Decided from the content.
    pub media_type: String,
    /// Tags to set; `None` leaves a known document's tags and gives a new one none.
    pub tags: Option<BTreeSet<String>>,
    /// Access list to set; `None` leaves a known document's list and gives a new one everyone in the tenant.
    pub access: Option<AccessList>,
    /// When the content was last changed at the source.
    pub modified_at: Option<Timestamp>,
    /// The original.
    pub blob: BlobHash,
    /// Its size.
    pub size_bytes: u64,
    /// What made the rendition.
    pub fingerprint: Fingerprint,
    /// The rendition's text.
    pub text: String,
    /// The rendition's elements with their spans, in order.
    pub elements: Vec<(Element, CharSpan)>,
    /// What was seen and kept.
    pub report: ParseReport,
    /// How well it was understood.
    pub status: DocumentStatus,
    /// In order of `ordinal`.
    pub chunks: Vec<NewChunk>,
}

/// A vector (f16, little endian) by the hash of its input.
pub type VectorRow = (InputHash, Vec<u8>);

/// Versions that are published together, with vectors of their chunks.
#[derive(Debug, Clone)]
pub struct PublishBatch {
    /// Vectors to store first, as in [`Catalog::put_vectors`], with their space.
    pub vectors: Option<(EmbeddingSpace, Vec<VectorRow>)>,
    /// In the order in which they take their positions.
    pub versions: Vec<PublishVersion>,
}

/// What became of a batch.
#[derive(Debug)]
pub struct PublishedBatch {
    /// What was published or why not, one for each version in their order. Versions behind an error that is fatal
    /// ([`ErrorKind::is_fatal`]) were not tried and are missing here.
    pub outcomes: Vec<Result<Published, CatalogError>>,
}

/// What a publication made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The document.
    pub document: DocumentId,
    /// Its new current version.
    pub version: VersionNo,
    /// Whether the document was new.
    pub is_new: bool,
    /// Position of this write: a read at this `seq` or later sees it.
    pub seq: Seq,
}

/// What the catalog knows of an item of a source, for deciding whether there is anything to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownItem {
    /// The document.
    pub document: DocumentId,
    /// What identifies it in the source.
    pub key: String,
    /// Content of the current version.
    pub blob: BlobHash,
    /// Pipeline of the current rendition.
    pub fingerprint: Fingerprint,
    /// Size of the original.
    pub size_bytes: u64,
    /// As the source said when the version was published.
    pub modified_at: Option<Timestamp>,
    /// Tags at present.
    pub tags: BTreeSet<String>,
    /// Access list at present.
    pub access: AccessList,
    /// Whether it is soft-deleted.
    pub is_deleted: bool,
}

/// When a document was last fetched from another machine, and how to ask there whether it has changed since (RFC 9110, section
/// 8.8: validators, kept as they were sent).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchState {
    /// The address that answered; the document's key may be another one that the page named.
    pub address: String,
    /// `ETag` of the answer.
    pub etag: Option<String>,
    /// `Last-Modified` of the answer.
    pub last_modified: Option<String>,
    /// When it was asked last.
    pub checked_at: Timestamp,
}

/// A document changed at this position: its versions, permissions, tags, deletion or vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Position in the order of all writes.
    pub seq: Seq,
    /// The document to look at again.
    pub document: DocumentId,
}

/// A document as the indexes see it: what filters need, and its live chunks.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexDocument {
    /// The document.
    pub id: DocumentId,
    /// Name of its collection.
    pub collection: String,
    /// Its source.
    pub source: Source,
    /// What identifies it there.
    pub key: String,
    /// Where a person finds it.
    pub uri: String,
    /// Its media type.
    pub media_type: String,
    /// Its tags.
    pub tags: BTreeSet<String>,
    /// Who may read it.
    pub access: AccessList,
    /// Modified at the source, or else published here.
    pub changed_at: Timestamp,
    /// Chunks of the current version: consecutive numbers; `None` where it is deleted or has no chunk.
    pub chunks: Option<RangeInclusive<u32>>,
}

/// A chunk as the indexes take it in.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexChunk {
    /// Its number.
    pub chunk_no: ChunkNo,
    /// Title of its document.
    pub title: String,
    /// Headings above it.
    pub heading_path: String,
    /// Its text.
    pub text: String,
    /// ISO 639-1 code of its language.
    pub lang: Option<String>,
    /// The key of its vector.
    pub input_hash: InputHash,
    /// Its vector in the asked space as little-endian f16, where there is one.
    pub vector: Option<Vec<u8>>,
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentPage {
    /// In order of id.
    pub documents: Vec<DocumentSummary>,
    /// Pass it back as `after` for the next page; `None` on the last.
    pub next: Option<DocumentId>,
}

/// The elements of a version's rendition.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredElements {
    /// Length of the rendition's text in code points.
    pub n_chars: usize,
    /// In reading order, with their spans.
    pub elements: Vec<(Element, CharSpan)>,
}

/// The bytes that a version was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    /// Their hash, by which the blob store knows them.
    pub blob: BlobHash,
    /// How many they are.
    pub size_bytes: u64,
    /// Media type of the document.
    pub media_type: String,
    /// What identifies the document in its source: a path or name.
    pub key: String,
}

/// An API key to be stored. The secret itself is never stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKey {
    /// Its id, part of the secret's text so that a key can be named.
    pub id: KeyId,
    /// SHA-256 of the secret (128 random bits or more, so a slow hash adds nothing).
    pub secret_hash: [u8; 32],
    /// User on whose behalf it reads.
    pub user: String,
    /// Groups of that user.
    pub groups: BTreeSet<String>,
    /// Whether it may also upload, share and delete.
    pub can_write: bool,
    /// After this it is refused.
    pub expires_at: Option<Timestamp>,
}

/// An API key as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// What was stored.
    pub key: NewKey,
    /// Its tenant.
    pub tenant: TenantId,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl KeyRecord {
    /// The principals that this key reads as.
    #[must_use]
    pub fn principals(&self) -> BTreeSet<Principal> {
        let groups = self.key.groups.iter().cloned().map(Principal::Group);
        groups
            .chain([Principal::User(self.key.user.clone())])
            .collect()
    }
}

/// A reply kept for an `Idempotency-Key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotentReply {
    /// HTTP status.
    pub status: u16,
    /// Body as it was sent.
    pub body: Vec<u8>,
}

/// What an `Idempotency-Key` says about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdempotentBegin {
    /// Never seen: do the work, then call [`Catalog::finish_idempotent`].
    Fresh,
    /// The same request is being worked on.
    InProgress,
    /// The same request was answered so.
    Replay(IdempotentReply),
    /// The key was used for another request.
    Mismatch,
}

/// The catalog port. See the module for the rules; every method is one transaction and is cancel-safe.
#[async_trait]
pub trait Catalog: Send + Sync {
    // --- tenants -------------------------------------------------------------------------------------

    /// The tenant of this name; made where it is new.
    async fn ensure_tenant(&self, name: &str) -> Result<TenantId, CatalogError>;

    // --- write path ----------------------------------------------------------------------------------

    /// Stores a job: after this returns, a kill loses nothing of it, and of an upload a power cut neither.
    async fn accept(&self, job: NewJob) -> Result<JobId, CatalogError>;

    /// Takes the oldest queued job of kind `Upload` and marks it running.
    async fn claim_job(&self, system: SystemScope) -> Result<Option<Job>, CatalogError>;

    /// Records what became of an item: replaces the item with the same key, or adds it. A power cut may undo it.
    async fn record_item(
        &self,
        system: SystemScope,
        job: JobId,
        item: JobItem,
    ) -> Result<(), CatalogError>;

    /// Moves a job to a state. A power cut may undo it.
    async fn set_job_state(
        &self,
        system: SystemScope,
        job: JobId,
        state: JobState,
        message: Option<String>,
    ) -> Result<(), CatalogError>;

    /// Puts a running job back as if it had not been begun: a process that shuts down in good order is no failed attempt.
    async fn return_job(
        &self,
        system: SystemScope,
        job: JobId,
        message: Option<String>,
    ) -> Result<(), CatalogError>;

    /// Jobs left `running` by a process that ended: uploads are queued again (failed after 5 attempts),
    /// files are marked interrupted. Called once at start, under the lock of the data directory.
    async fn recover_jobs(&self, system: SystemScope) -> Result<u64, CatalogError>;

    /// What is known of a source's items (all collections' where `collection` is `None`), deleted ones too,
    /// whose key is `prefix` or stands below it (`prefix` + `/`); an empty prefix takes all.
    async fn known_items(
        &self,
        system: SystemScope,
        collection: &str,
        source: &Source,
        prefix: &str,
    ) -> Result<Vec<KnownItem>, CatalogError>;

    /// How the documents of a source were fetched, as far as that was noted, in order of document; deleted ones too.
    async fn fetch_states(
        &self,
        system: SystemScope,
        collection: &str,
        source: &Source,
    ) -> Result<Vec<(DocumentId, FetchState)>, CatalogError>;

    /// Notes how a document was fetched; replaces what was noted before. Written after the version that it belongs to: where
    /// a process ends between the two, the next run fetches once more than it had to.
    async fn put_fetch_state(
        &self,
        system: SystemScope,
        document: DocumentId,
        state: FetchState,
    ) -> Result<(), CatalogError>;

    /// Publishes a version: rendition, chunks, permissions and change record in one transaction. The same
    /// content and fingerprint as the current version adds no version (metadata is still set, a deleted
    /// document is restored). Equal content with another fingerprint makes a new rendition and a new version.
    async fn publish_version(
        &self,
        system: SystemScope,
        version: PublishVersion,
    ) -> Result<Published, CatalogError>;

    /// Publishes versions one after the other, each as [`Self::publish_version`] does and whole or not at all, and before them
    /// stores vectors. All share one transaction and so one sync: nothing of it is acknowledged before all of it is durable.
    /// A version that is refused leaves nothing behind, and the others are published all the same; a failure that is not the
    /// version's own ([`ErrorKind::is_fatal`]) ends the batch after those before it.
    async fn publish_batch(
        &self,
        system: SystemScope,
        batch: PublishBatch,
    ) -> Result<PublishedBatch, CatalogError>;

    /// Sets tags, access list or both on a known document without a new version.
    async fn set_metadata(
        &self,
        scope: &Scope,
        document: DocumentId,
        tags: Option<BTreeSet<String>>,
        access: Option<AccessList>,
    ) -> Result<Seq, CatalogError>;

    /// Moves a document to another key of its source; content and id stay.
    async fn move_document(
        &self,
        system: SystemScope,
        document: DocumentId,
        key: &str,
        uri: &str,
    ) -> Result<Seq, CatalogError>;

    /// Soft-deletes documents that the scope may read; any that it may not is `NotFound` and nothing is
    /// deleted. Deleting a deleted document is no error.
    async fn delete_documents(
        &self,
        scope: &Scope,
        documents: &[DocumentId],
    ) -> Result<Seq, CatalogError>;

    /// Brings a soft-deleted document back at its last version.
    async fn restore_document(
        &self,
        scope: &Scope,
        document: DocumentId,
    ) -> Result<Seq, CatalogError>;

    // --- vectors -------------------------------------------------------------------------------------

    /// Which of these inputs have no vector in the space yet.
    async fn missing_vectors(
        &self,
        system: SystemScope,
        space: &EmbeddingSpace,
        inputs: &[InputHash],
    ) -> Result<Vec<InputHash>, CatalogError>;

    /// Stores vectors as little-endian f16; one that is there already stays. Every living document with a chunk whose vector is
    /// new gets a change record in the same transaction, so that the indexes learn of it.
    async fn put_vectors(
        &self,
        system: SystemScope,
        space: &EmbeddingSpace,
        vectors: Vec<(InputHash, Vec<u8>)>,
    ) -> Result<(), CatalogError>;

    /// Live chunks without a vector in the space, lowest numbers first, at most `limit`.
    async fn chunks_without_vector(
        &self,
        system: SystemScope,
        space: &EmbeddingSpace,
        limit: usize,
    ) -> Result<Vec<IndexChunk>, CatalogError>;

    // --- indexes -------------------------------------------------------------------------------------

    /// The newest position.
    async fn head(&self, system: SystemScope) -> Result<Seq, CatalogError>;

    /// Changes after a position in order, at most `limit`.
    async fn changes_after(
        &self,
        system: SystemScope,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Change>, CatalogError>;

    /// Documents for the indexes with the position they were read at: all of them (`None`) or those named
    /// (one that is gone comes with `chunks: None`).
    async fn index_documents(
        &self,
        system: SystemScope,
        documents: Option<&[DocumentId]>,
    ) -> Result<(Seq, Vec<IndexDocument>), CatalogError>;

    /// Chunks for the indexes, in order of number; numbers that are not live are left out.
    async fn index_chunks(
        &self,
        system: SystemScope,
        space: Option<&EmbeddingSpace>,
        chunks: RangeInclusive<u32>,
    ) -> Result<Vec<IndexChunk>, CatalogError>;

    // --- scoped reads --------------------------------------------------------------------------------

    /// Passages for chunk numbers: only those of current versions of documents that are not deleted and that
    /// the scope may read at this moment. In no particular order.
    async fn hydrate(
        &self,
        scope: &Scope,
        chunks: &[ChunkNo],
    ) -> Result<HashMap<ChunkNo, Passage>, CatalogError>;

    /// One document. A deleted one is found too (its summary says so).
    async fn document(
        &self,
        scope: &Scope,
        id: DocumentId,
    ) -> Result<DocumentSummary, CatalogError>;

    /// Documents that the scope may read, in order of id; deleted ones only where asked.
    async fn documents(
        &self,
        scope: &Scope,
        filter: &DocumentFilter,
        deleted: bool,
        after: Option<DocumentId>,
        limit: usize,
    ) -> Result<DocumentPage, CatalogError>;

    /// Chunks of a document's current version from `after` (an ordinal) on.
    async fn chunks(
        &self,
        scope: &Scope,
        document: DocumentId,
        after: Option<u32>,
        limit: usize,
    ) -> Result<Vec<Passage>, CatalogError>;

    /// The text of a version at a span: what citations are checked against. `NotFound` where the document is
    /// deleted or not readable, or the version does not exist; `Invalid` where the span reaches past the end.
    async fn text(
        &self,
        scope: &Scope,
        document: DocumentId,
        version: VersionNo,
        span: CharSpan,
    ) -> Result<String, CatalogError>;

    /// The elements of a version with their pages and boxes.
    async fn elements(
        &self,
        scope: &Scope,
        document: DocumentId,
        version: VersionNo,
    ) -> Result<StoredElements, CatalogError>;

    /// The original of a version; errors as in [`Self::text`].
    async fn original(
        &self,
        scope: &Scope,
        document: DocumentId,
        version: VersionNo,
    ) -> Result<Original, CatalogError>;

    /// Collections with what the scope may read in each; a scope that is not the owner's does not see a
    /// collection in which it may read nothing.
    async fn collections(&self, scope: &Scope) -> Result<Vec<Collection>, CatalogError>;

    /// One job that the scope may see.
    async fn job(&self, scope: &Scope, id: JobId) -> Result<Job, CatalogError>;

    /// Jobs that the scope may see, newest first.
    async fn jobs(&self, scope: &Scope, limit: usize) -> Result<Vec<Job>, CatalogError>;

    // --- keys and requests ---------------------------------------------------------------------------

    /// Stores a key.
    async fn create_key(&self, tenant: TenantId, key: NewKey) -> Result<KeyRecord, CatalogError>;

    /// The key with this id, whatever its tenant: the caller compares the secret.
    async fn key(&self, id: KeyId) -> Result<Option<KeyRecord>, CatalogError>;

    /// All keys of a tenant.
    async fn keys(&self, tenant: TenantId) -> Result<Vec<KeyRecord>, CatalogError>;

    /// Revokes a key; revoking twice is no error.
    async fn revoke_key(&self, tenant: TenantId, id: KeyId) -> Result<(), CatalogError>;

    /// Notes that a key was used.
    async fn touch_key(&self, id: KeyId) -> Result<(), CatalogError>;

    /// Whether any usable key exists in any tenant.
    async fn has_keys(&self) -> Result<bool, CatalogError>;

    /// Looks up or reserves an idempotency key of this scope; `request` is a hash of the request.
    async fn begin_idempotent(
        &self,
        scope: &Scope,
        key: &str,
        request: [u8; 32],
    ) -> Result<IdempotentBegin, CatalogError>;

    /// Keeps the reply (for 24 hours), or gives the key free where there is none to keep.
    async fn finish_idempotent(
        &self,
        scope: &Scope,
        key: &str,
        reply: Option<IdempotentReply>,
    ) -> Result<(), CatalogError>;
}
