//! The catalog in one `SQLite` file: the embedded implementation of the [`Catalog`] port.
//!
//! Each method of the port packs its arguments into a closure that one of the catalog's own threads runs
//! inside a transaction ([`threads`]); what the closures do stands in the modules below by subject.
//!
//! What is true after a kill at any moment:
//! 1. A write that was acknowledged is there whole: the write-ahead log was synced before the answer.
//! 2. A write that was not acknowledged is there whole or not at all.
//! 3. The file opens again without a repair; the log is read by the next process that opens it.

mod change;
mod failure;
mod fetches;
mod filter;
mod index;
mod jobs;
mod keys;
#[cfg(test)]
mod plans;
mod publish;
mod read;
mod renditions;
mod rows;
mod schema;
mod threads;

use std::collections::{BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use cairn_types::ports::{
    Catalog, CatalogError, Change, DocumentPage, FetchState, IdempotentBegin, IdempotentReply,
    IndexChunk, IndexDocument, KeyRecord, KnownItem, NewKey, Original, PublishBatch,
    PublishVersion, Published, PublishedBatch, StoredElements,
};
use cairn_types::{
    AccessList, CharSpan, ChunkNo, Clock, Collection, DocumentFilter, DocumentId, DocumentSummary,
    EmbeddingSpace, InputHash, Job, JobId, JobItem, JobKind, JobState, KeyId, NewJob, Passage,
    Scope, Seq, Source, SystemScope, TenantId, VersionNo,
};

use crate::error::StoreError;
use threads::{Shared, Threads};

/// Reading connections. A guess: two for each core of a small machine; each keeps up to 8 MiB of pages.
const READERS: usize = 4;

/// The catalog in one `SQLite` file.
pub struct SqliteCatalog {
    threads: Threads,
}

impl std::fmt::Debug for SqliteCatalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteCatalog").finish_non_exhaustive()
    }
}

impl SqliteCatalog {
    /// Opens the catalog at `path`; makes it where it is new, and brings one of an older format up to date.
    ///
    /// Fails, before anything is written, where the file is not a catalog, was written by a newer version or
    /// cannot be written to. The caller holds the lock of the data directory.
    pub fn open(path: impl AsRef<Path>, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let (writer, data_id) = schema::open_writer(path, clock.now().0)?;
        let readers = (0..READERS)
            .map(|_| schema::open_reader(path))
            .collect::<Result<_, _>>()?;
        let shared = Arc::new(Shared {
            clock,
            data_id,
            acls: Mutex::default(),
            embedded_below: Mutex::default(),
        });
        let threads = Threads::start(writer, readers, &shared).map_err(StoreError::Io)?;
        Ok(Self { threads })
    }
}

#[async_trait]
impl Catalog for SqliteCatalog {
    async fn ensure_tenant(&self, name: &str) -> Result<TenantId, CatalogError> {
        let name = name.to_owned();
        let read = name.clone();
        let known = self.threads.read(move |db| keys::find_tenant(db, &read));
        match known.await? {
            Some(known) => Ok(known),
            None => {
                let write = move |db: &threads::Db<'_>| keys::ensure_tenant(db, &name);
                self.threads.write(write).await
            }
        }
    }

    async fn accept(&self, job: NewJob) -> Result<JobId, CatalogError> {
        let kind = job.kind;
        let write = move |db: &threads::Db<'_>| jobs::accept(db, &job);
        // A run that nobody can take up again promises nothing.
        if kind == JobKind::Upload {
            self.threads.write(write).await
        } else {
            self.threads.write_lazily(write).await
        }
    }

    async fn claim_job(&self, system: SystemScope) -> Result<Option<Job>, CatalogError> {
        self.threads
            .write_lazily(move |db| jobs::claim(db, system))
            .await
    }

    async fn record_item(
        &self,
        system: SystemScope,
        job: JobId,
        item: JobItem,
    ) -> Result<(), CatalogError> {
        // What is lost of it is done again, and found done.
        let write = move |db: &threads::Db<'_>| jobs::record_item(db, system, job, &item);
        self.threads.write_lazily(write).await
    }

    async fn set_job_state(
        &self,
        system: SystemScope,
        job: JobId,
        state: JobState,
        message: Option<String>,
    ) -> Result<(), CatalogError> {
        let write =
            move |db: &threads::Db<'_>| jobs::set_state(db, system, job, state, message.as_deref());
        // The documents stand by themselves: a job whose end is lost is done again, and finds them.
        self.threads.write_lazily(write).await
    }

    async fn return_job(
        &self,
        system: SystemScope,
        job: JobId,
        message: Option<String>,
    ) -> Result<(), CatalogError> {
        self.threads
            .write(move |db| jobs::return_job(db, system, job, message.as_deref()))
            .await
    }

    async fn recover_jobs(&self, system: SystemScope) -> Result<u64, CatalogError> {
        self.threads
            .write(move |db| jobs::recover(db, system))
            .await
    }

    async fn known_items(
        &self,
        system: SystemScope,
        collection: &str,
        source: &Source,
        prefix: &str,
    ) -> Result<Vec<KnownItem>, CatalogError> {
        let (collection, source, prefix) =
            (collection.to_owned(), source.clone(), prefix.to_owned());
        self.threads
            .read(move |db| index::known_items(db, system, &collection, &source, &prefix))
            .await
    }

    async fn fetch_states(
        &self,
        system: SystemScope,
        collection: &str,
        source: &Source,
    ) -> Result<Vec<(DocumentId, FetchState)>, CatalogError> {
        let (collection, source) = (collection.to_owned(), source.clone());
        self.threads
            .read(move |db| fetches::fetch_states(db, system, &collection, &source))
            .await
    }

    async fn put_fetch_state(
        &self,
        system: SystemScope,
        document: DocumentId,
        state: FetchState,
    ) -> Result<(), CatalogError> {
        self.threads
            .write(move |db| fetches::put_fetch_state(db, system, document, &state))
            .await
    }

    async fn publish_version(
        &self,
        system: SystemScope,
        version: PublishVersion,
    ) -> Result<Published, CatalogError> {
        self.threads
            .write(move |db| publish::publish_version(db, system, &version))
            .await
    }

    async fn publish_batch(
        &self,
        system: SystemScope,
        batch: PublishBatch,
    ) -> Result<PublishedBatch, CatalogError> {
        self.threads
            .write(move |db| publish::publish_batch(db, system, &batch))
            .await
    }

    async fn set_metadata(
        &self,
        scope: &Scope,
        document: DocumentId,
        tags: Option<BTreeSet<String>>,
        access: Option<AccessList>,
    ) -> Result<Seq, CatalogError> {
        let scope = scope.clone();
        self.threads
            .write(move |db| {
                change::set_metadata(db, &scope, document, tags.as_ref(), access.as_ref())
            })
            .await
    }

    async fn move_document(
        &self,
        system: SystemScope,
        document: DocumentId,
        key: &str,
        uri: &str,
    ) -> Result<Seq, CatalogError> {
        let (key, uri) = (key.to_owned(), uri.to_owned());
        self.threads
            .write(move |db| change::move_document(db, system, document, &key, &uri))
            .await
    }

    async fn delete_documents(
        &self,
        scope: &Scope,
        documents: &[DocumentId],
    ) -> Result<Seq, CatalogError> {
        let (scope, documents) = (scope.clone(), documents.to_vec());
        self.threads
            .write(move |db| change::delete_documents(db, &scope, &documents))
            .await
    }

    async fn restore_document(
        &self,
        scope: &Scope,
        document: DocumentId,
    ) -> Result<Seq, CatalogError> {
        let scope = scope.clone();
        self.threads
            .write(move |db| change::restore_document(db, &scope, document))
            .await
    }

    async fn missing_vectors(
        &self,
        system: SystemScope,
        space: &EmbeddingSpace,
        inputs: &[InputHash],
    ) -> Result<Vec<InputHash>, CatalogError> {
        let (space, inputs) = (space.clone(), inputs.to_vec());
        self.threads
            .read(move |db| index::missing_vectors(db, system, &space, &inputs))
            .await
    }

    async fn put_vectors(
        &self,
        system: SystemScope,
        space: &EmbeddingSpace,
        vectors: Vec<(InputHash, Vec<u8>)>,
    ) -> Result<(), CatalogError> {
        let space = space.clone();
        self.threads
            .write(move |db| index::put_vectors(db, system, &space, &vectors))
            .await
    }

    async fn chunks_without_vector(
        &self,
        system: SystemScope,
        space: &EmbeddingSpace,
        limit: usize,
    ) -> Result<Vec<IndexChunk>, CatalogError> {
        let space = space.clone();
        self.threads
            .read(move |db| index::chunks_without_vector(db, system, &space, limit))
            .await
    }

    async fn head(&self, system: SystemScope) -> Result<Seq, CatalogError> {
        self.threads.read(move |db| db.head(system.tenant)).await
    }

    async fn changes_after(
        &self,
        system: SystemScope,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Change>, CatalogError> {
        self.threads
            .read(move |db| index::changes_after(db, system, after, limit))
            .await
    }

    async fn index_documents(
        &self,
        system: SystemScope,
        documents: Option<&[DocumentId]>,
    ) -> Result<(Seq, Vec<IndexDocument>), CatalogError> {
        let documents = documents.map(<[_]>::to_vec);
        self.threads
            .read(move |db| index::index_documents(db, system, documents.as_deref()))
            .await
    }

    async fn index_chunks(
        &self,
        system: SystemScope,
        space: Option<&EmbeddingSpace>,
        chunks: RangeInclusive<u32>,
    ) -> Result<Vec<IndexChunk>, CatalogError> {
        let space = space.cloned();
        self.threads
            .read(move |db| index::index_chunks(db, system, space.as_ref(), &chunks))
            .await
    }

    async fn hydrate(
        &self,
        scope: &Scope,
        chunks: &[ChunkNo],
    ) -> Result<HashMap<ChunkNo, Passage>, CatalogError> {
        let (scope, chunks) = (scope.clone(), chunks.to_vec());
        self.threads
            .read(move |db| read::hydrate(db, &scope, &chunks))
            .await
    }

    async fn document(
        &self,
        scope: &Scope,
        id: DocumentId,
    ) -> Result<DocumentSummary, CatalogError> {
        let scope = scope.clone();
        self.threads
            .read(move |db| read::document(db, &scope, id))
            .await
    }

    async fn documents(
        &self,
        scope: &Scope,
        filter: &DocumentFilter,
        deleted: bool,
        after: Option<DocumentId>,
        limit: usize,
    ) -> Result<DocumentPage, CatalogError> {
        let (scope, filter) = (scope.clone(), filter.clone());
        self.threads
            .read(move |db| read::documents(db, &scope, &filter, deleted, after, limit))
            .await
    }

    async fn chunks(
        &self,
        scope: &Scope,
        document: DocumentId,
        after: Option<u32>,
        limit: usize,
    ) -> Result<Vec<Passage>, CatalogError> {
        let scope = scope.clone();
        self.threads
            .read(move |db| read::chunks(db, &scope, document, after, limit))
            .await
    }

    async fn text(
        &self,
        scope: &Scope,
        document: DocumentId,
        version: VersionNo,
        span: CharSpan,
    ) -> Result<String, CatalogError> {
        let scope = scope.clone();
        self.threads
            .read(move |db| read::text(db, &scope, document, version, span))
            .await
    }

    async fn elements(
        &self,
        scope: &Scope,
        document: DocumentId,
        version: VersionNo,
    ) -> Result<StoredElements, CatalogError> {
        let scope = scope.clone();
        self.threads
            .read(move |db| read::elements(db, &scope, document, version))
            .await
    }

    async fn original(
        &self,
        scope: &Scope,
        document: DocumentId,
        version: VersionNo,
    ) -> Result<Original, CatalogError> {
        let scope = scope.clone();
        self.threads
            .read(move |db| read::original(db, &scope, document, version))
            .await
    }

    async fn collections(&self, scope: &Scope) -> Result<Vec<Collection>, CatalogError> {
        let scope = scope.clone();
        self.threads
            .read(move |db| read::collections(db, &scope))
            .await
    }

    async fn job(&self, scope: &Scope, id: JobId) -> Result<Job, CatalogError> {
        let scope = scope.clone();
        self.threads.read(move |db| jobs::job(db, &scope, id)).await
    }

    async fn jobs(&self, scope: &Scope, limit: usize) -> Result<Vec<Job>, CatalogError> {
        let scope = scope.clone();
        self.threads
            .read(move |db| jobs::jobs(db, &scope, limit))
            .await
    }

    async fn create_key(&self, tenant: TenantId, key: NewKey) -> Result<KeyRecord, CatalogError> {
        self.threads
            .write(move |db| keys::create_key(db, tenant, key))
            .await
    }

    async fn key(&self, id: KeyId) -> Result<Option<KeyRecord>, CatalogError> {
        self.threads.read(move |db| keys::find_key(db, id)).await
    }

    async fn keys(&self, tenant: TenantId) -> Result<Vec<KeyRecord>, CatalogError> {
        self.threads.read(move |db| keys::keys(db, tenant)).await
    }

    async fn revoke_key(&self, tenant: TenantId, id: KeyId) -> Result<(), CatalogError> {
        self.threads
            .write(move |db| keys::revoke_key(db, tenant, id))
            .await
    }

    async fn touch_key(&self, id: KeyId) -> Result<(), CatalogError> {
        // Most requests fall into a minute that is noted already: those do not disturb the writer.
        if !self
            .threads
            .read(move |db| keys::is_touch_due(db, id))
            .await?
        {
            return Ok(());
        }
        self.threads.write(move |db| keys::touch_key(db, id)).await
    }

    async fn has_keys(&self) -> Result<bool, CatalogError> {
        self.threads.read(keys::has_keys).await
    }

    async fn begin_idempotent(
        &self,
        scope: &Scope,
        key: &str,
        request: [u8; 32],
    ) -> Result<IdempotentBegin, CatalogError> {
        let (scope, key) = (scope.clone(), key.to_owned());
        self.threads
            .write(move |db| keys::begin_idempotent(db, &scope, &key, request))
            .await
    }

    async fn finish_idempotent(
        &self,
        scope: &Scope,
        key: &str,
        reply: Option<IdempotentReply>,
    ) -> Result<(), CatalogError> {
        let (scope, key) = (scope.clone(), key.to_owned());
        self.threads
            .write(move |db| keys::finish_idempotent(db, &scope, &key, reply.as_ref()))
            .await
    }
}
