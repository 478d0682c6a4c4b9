//! A catalog that can be made to fail or to wait at a call of the indexes.

use std::collections::{BTreeSet, HashMap};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use cairn_types::ports::{
    Catalog, CatalogError, Change, DocumentPage, FetchState, IdempotentBegin, IdempotentReply,
    IndexChunk, IndexDocument, KeyRecord, KnownItem, NewKey, Original, PublishBatch,
    PublishVersion, Published, PublishedBatch, StoredElements,
};
use cairn_types::{
    AccessList, CharSpan, ChunkNo, Collection, DocumentFilter, DocumentId, DocumentSummary,
    EmbeddingSpace, InputHash, Job, JobId, JobItem, JobState, KeyId, NewJob, Passage, Scope, Seq,
    Source, SystemScope, TenantId, VersionNo,
};
use tokio::sync::Notify;

/// What happens at a call.
#[derive(Clone)]
pub(crate) enum Hook {
    /// It fails, each time.
    Fail,
    /// It waits once.
    Wait(Arc<Gate>),
}

/// Where a call waits.
#[derive(Default)]
pub(crate) struct Gate {
    /// The call has come.
    pub(crate) reached: Notify,
    /// It may go on.
    pub(crate) open: Notify,
}

/// Passes everything on, with a hook at one call.
pub(crate) struct HookedCatalog {
    inner: Arc<dyn Catalog>,
    hook: Mutex<Option<(&'static str, Hook)>>,
}

impl HookedCatalog {
    pub(crate) fn new(inner: Arc<dyn Catalog>) -> Self {
        Self {
            inner,
            hook: Mutex::default(),
        }
    }

    /// Sets the hook at `changes_after`, `index_documents` or `index_chunks`.
    pub(crate) fn hook(&self, call: &'static str, hook: Hook) {
        *self.hook.lock().expect("not poisoned") = Some((call, hook));
    }

    pub(crate) fn unhook(&self) {
        *self.hook.lock().expect("not poisoned") = None;
    }

    async fn pass(&self, call: &str) -> Result<(), CatalogError> {
        let gate = {
            let mut hook = self.hook.lock().expect("not poisoned");
            match &*hook {
                Some((at, Hook::Fail)) if *at == call => {
                    return Err(CatalogError::Unavailable("hooked".to_owned()));
                }
                Some((at, Hook::Wait(gate))) if *at == call => {
                    let gate = gate.clone();
                    *hook = None;
                    gate
                }
                _ => return Ok(()),
            }
        };
        gate.reached.notify_one();
        gate.open.notified().await;
        Ok(())
    }
}

#[async_trait]
impl Catalog for HookedCatalog {
    async fn ensure_tenant(&self, name: &str) -> Result<TenantId, CatalogError> {
        self.inner.ensure_tenant(name).await
    }

    async fn accept(&self, job: NewJob) -> Result<JobId, CatalogError> {
        self.inner.accept(job).await
    }

    async fn claim_job(&self, system: SystemScope) -> Result<Option<Job>, CatalogError> {
        self.inner.claim_job(system).await
    }

    async fn record_item(
        &self,
        system: SystemScope,
        job: JobId,
        item: JobItem,
    ) -> Result<(), CatalogError> {
        self.inner.record_item(system, job, item).await
    }

    async fn set_job_state(
        &self,
        system: SystemScope,
        job: JobId,
        state: JobState,
        message: Option<String>,
    ) -> Result<(), CatalogError> {
        self.inner.set_job_state(system, job, state, message).await
    }

    async fn return_job(
        &self,
        system: SystemScope,
        job: JobId,
        message: Option<String>,
    ) -> Result<(), CatalogError> {
        self.inner.return_job(system, job, message).await
    }

    async fn recover_jobs(&self, system: SystemScope) -> Result<u64, CatalogError> {
        self.inner.recover_jobs(system).await
    }

    async fn known_items(
        &self,
        system: SystemScope,
        collection: &str,
        source: &Source,
        prefix: &str,
    ) -> Result<Vec<KnownItem>, CatalogError> {
        self.inner
            .known_items(system, collection, source, prefix)
            .await
    }

    async fn fetch_states(
        &self,
        system: SystemScope,
        collection: &str,
        source: &Source,
    ) -> Result<Vec<(DocumentId, FetchState)>, CatalogError> {
        self.inner.fetch_states(system, collection, source).await
    }

    async fn put_fetch_state(
        &self,
        system: SystemScope,
        document: DocumentId,
        state: FetchState,
    ) -> Result<(), CatalogError> {
        self.inner.put_fetch_state(system, document, state).await
    }

    async fn publish_version(
        &self,
        system: SystemScope,
        version: PublishVersion,
    ) -> Result<Published, CatalogError> {
        self.inner.publish_version(system, version).await
    }

    async fn publish_batch(
        &self,
        system: SystemScope,
        batch: PublishBatch,
    ) -> Result<PublishedBatch, CatalogError> {
        self.inner.publish_batch(system, batch).await
    }

    async fn set_metadata(
        &self,
        scope: &Scope,
        document: DocumentId,
        tags: Option<BTreeSet<String>>,
        access: Option<AccessList>,
    ) -> Result<Seq, CatalogError> {
        self.inner.set_metadata(scope, document, tags, access).await
    }

    async fn move_document(
        &self,
        system: SystemScope,
        document: DocumentId,
        key: &str,
        uri: &str,
    ) -> Result<Seq, CatalogError> {
        self.inner.move_document(system, document, key, uri).await
    }

    async fn delete_documents(
        &self,
        scope: &Scope,
        documents: &[DocumentId],
    ) -> Result<Seq, CatalogError> {
        self.inner.delete_documents(scope, documents).await
    }

    async fn restore_document(
        &self,
        scope: &Scope,
        document: DocumentId,
    ) -> Result<Seq, CatalogError> {
        self.inner.restore_document(scope, document).await
    }

    async fn missing_vectors(
        &self,
        system: SystemScope,
        space: &EmbeddingSpace,
        inputs: &[InputHash],
    ) -> Result<Vec<InputHash>, CatalogError> {
        self.inner.missing_vectors(system, space, inputs).await
    }

    async fn put_vectors(
        &self,
        system: SystemScope,
        space: &EmbeddingSpace,
        vectors: Vec<(InputHash, Vec<u8>)>,
    ) -> Result<(), CatalogError> {
        self.inner.put_vectors(system, space, vectors).await
    }

    async fn chunks_without_vector(
        &self,
        system: SystemScope,
        space: &EmbeddingSpace,
        limit: usize,
    ) -> Result<Vec<IndexChunk>, CatalogError> {
        self.inner.chunks_without_vector(system, space, limit).await
    }

    async fn head(&self, system: SystemScope) -> Result<Seq, CatalogError> {
        self.inner.head(system).await
    }

    async fn changes_after(
        &self,
        system: SystemScope,
        after: Seq,
        limit: usize,
    ) -> Result<Vec<Change>, CatalogError> {
        self.pass("changes_after").await?;
        self.inner.changes_after(system, after, limit).await
    }

    async fn index_documents(
        &self,
        system: SystemScope,
        documents: Option<&[DocumentId]>,
    ) -> Result<(Seq, Vec<IndexDocument>), CatalogError> {
        self.pass("index_documents").await?;
        self.inner.index_documents(system, documents).await
    }

    async fn index_chunks(
        &self,
        system: SystemScope,
        space: Option<&EmbeddingSpace>,
        chunks: RangeInclusive<u32>,
    ) -> Result<Vec<IndexChunk>, CatalogError> {
        self.pass("index_chunks").await?;
        self.inner.index_chunks(system, space, chunks).await
    }

    async fn hydrate(
        &self,
        scope: &Scope,
        chunks: &[ChunkNo],
    ) -> Result<HashMap<ChunkNo, Passage>, CatalogError> {
        self.inner.hydrate(scope, chunks).await
    }

    async fn document(
        &self,
        scope: &Scope,
        id: DocumentId,
    ) -> Result<DocumentSummary, CatalogError> {
        self.inner.document(scope, id).await
    }

    async fn documents(
        &self,
        scope: &Scope,
        filter: &DocumentFilter,
        deleted: bool,
        after: Option<DocumentId>,
        limit: usize,
    ) -> Result<DocumentPage, CatalogError> {
        self.inner
            .documents(scope, filter, deleted, after, limit)
            .await
    }

    async fn chunks(
        &self,
        scope: &Scope,
        document: DocumentId,
        after: Option<u32>,
        limit: usize,
    ) -> Result<Vec<Passage>, CatalogError> {
        self.inner.chunks(scope, document, after, limit).await
    }

    async fn text(
        &self,
        scope: &Scope,
        document: DocumentId,
        version: VersionNo,
        span: CharSpan,
    ) -> Result<String, CatalogError> {
        self.inner.text(scope, document, version, span).await
    }

    async fn elements(
        &self,
        scope: &Scope,
        document: DocumentId,
        version: VersionNo,
    ) -> Result<StoredElements, CatalogError> {
        self.inner.elements(scope, document, version).await
    }

    async fn original(
        &self,
        scope: &Scope,
        document: DocumentId,
        version: VersionNo,
    ) -> Result<Original, CatalogError> {
        self.inner.original(scope, document, version).await
    }

    async fn collections(&self, scope: &Scope) -> Result<Vec<Collection>, CatalogError> {
        self.inner.collections(scope).await
    }

    async fn job(&self, scope: &Scope, id: JobId) -> Result<Job, CatalogError> {
        self.inner.job(scope, id).await
    }

    async fn jobs(&self, scope: &Scope, limit: usize) -> Result<Vec<Job>, CatalogError> {
        self.inner.jobs(scope, limit).await
    }

    async fn create_key(&self, tenant: TenantId, key: NewKey) -> Result<KeyRecord, CatalogError> {
        self.inner.create_key(tenant, key).await
    }

    async fn key(&self, id: KeyId) -> Result<Option<KeyRecord>, CatalogError> {
        self.inner.key(id).await
    }

    async fn keys(&self, tenant: TenantId) -> Result<Vec<KeyRecord>, CatalogError> {
        self.inner.keys(tenant).await
    }

    async fn revoke_key(&self, tenant: TenantId, id: KeyId) -> Result<(), CatalogError> {
        self.inner.revoke_key(tenant, id).await
    }

    async fn touch_key(&self, id: KeyId) -> Result<(), CatalogError> {
        self.inner.touch_key(id).await
    }

    async fn has_keys(&self) -> Result<bool, CatalogError> {
        self.inner.has_keys().await
    }

    async fn begin_idempotent(
        &self,
        scope: &Scope,
        key: &str,
        request: [u8; 32],
    ) -> Result<IdempotentBegin, CatalogError> {
        self.inner.begin_idempotent(scope, key, request).await
    }

    async fn finish_idempotent(
        &self,
        scope: &Scope,
        key: &str,
        reply: Option<IdempotentReply>,
    ) -> Result<(), CatalogError> {
        self.inner.finish_idempotent(scope, key, reply).await
    }
}
