//! The search indexes of one tenant, kept in step with the catalog.
//!
//! The catalog is the truth; both indexes hold only chunk numbers with words and vectors. Opening compares what each
//! index holds with the chunks that are live in the catalog and adds or removes the difference, whatever happened
//! before: a crash between two commits, a deleted folder, a damaged file (the index is dropped and made again).
//! [`Engine::refresh`] does the same for the documents that changed since. Chunk numbers are never reused and a chunk
//! never changes, so a set difference is all there is to it, and doing it twice changes nothing.
//!
//! Readers take one [`State`]: documents and both indexes as of one position, swapped whole. A reader sees a version
//! of a document whole or not at all, and never waits for the writer.

use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use cairn_index::{
    DenseIndex, DenseSnapshot, IndexError, LexicalDoc, LexicalIndex, LexicalSnapshot,
};
use cairn_types::ports::{Catalog, Embedder, IndexChunk};
use cairn_types::{ChunkNo, DocumentId, EmbeddingSpace, Seq, SystemPurpose, SystemScope, TenantId};
use roaring::RoaringBitmap;
use tracing::Instrument as _;

use crate::error::RetrieveError;
use crate::table::DocTable;

/// Chunks that are read from the catalog and handed to the indexes at once: bounds memory.
const CHUNKS_PER_STEP: u32 = 4_096;
/// Change records that are read at once.
const CHANGES_PER_STEP: usize = 2_000;

/// The read path of one tenant.
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

/// What searches and the task of a refresh share.
pub(crate) struct Inner {
    pub(crate) catalog: Arc<dyn Catalog>,
    pub(crate) embedder: Option<Arc<dyn Embedder>>,
    tenant: TenantId,
    dir: PathBuf,
    /// `None` after a failure: operations that were not committed are not to be trusted, so the next refresh opens
    /// the indexes again.
    writer: tokio::sync::Mutex<Option<Arms>>,
    state: RwLock<Arc<State>>,
}

/// Both indexes, with their one writer.
struct Arms {
    dense: Option<DenseIndex>,
    lexical: LexicalIndex,
}

/// What the indexes are to hold.
struct Target {
    seq: Seq,
    table: DocTable,
    /// Chunks to compare; `None`: all.
    only: Option<RoaringBitmap>,
}

/// What one search sees.
pub(crate) struct State {
    pub(crate) seq: Seq,
    pub(crate) documents: Arc<DocTable>,
    pub(crate) dense: Option<DenseSnapshot>,
    pub(crate) lexical: LexicalSnapshot,
}

/// How complete the indexes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineStatus {
    /// The position that searches see.
    pub seq: Seq,
    /// Documents that can be found.
    pub n_documents: u64,
    /// Chunks that can be found by words.
    pub n_chunks: u64,
    /// Chunks that can be found by meaning.
    pub n_vectors: u64,
    /// Whether there is a model: without one every search is lexical.
    pub has_model: bool,
}

impl Engine {
    /// Opens the indexes below `dir` and brings them up to the catalog.
    ///
    /// # Errors
    /// Where the catalog fails or the folder cannot be used. A damaged index is no error: it is made again.
    pub async fn open(
        catalog: Arc<dyn Catalog>,
        embedder: Option<Arc<dyn Embedder>>,
        tenant: TenantId,
        dir: PathBuf,
    ) -> Result<Self, RetrieveError> {
        let (arms, state) = build(&catalog, embedder.as_ref(), tenant, &dir).await?;
        let inner = Inner {
            catalog,
            embedder,
            tenant,
            dir,
            writer: tokio::sync::Mutex::new(Some(arms)),
            state: RwLock::new(Arc::new(state)),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Brings the indexes up to the catalog's newest change; returns the position that searches now see. Goes on to
    /// its end in a task of its own where the caller stops waiting. After a failure the next call opens the indexes
    /// again and compares all of them with the catalog.
    ///
    /// # Errors
    /// Where the catalog or an index fails; searches go on with what they saw before.
    pub async fn refresh(&self) -> Result<Seq, RetrieveError> {
        let inner = Arc::clone(&self.inner);
        // A caller that goes away must not cut it in half: a commit would go on in its thread and hold the lock of
        // the index against the one that opens it next.
        let refreshing = async move { inner.refresh().await }.in_current_span();
        tokio::spawn(refreshing)
            .await
            .map_err(|error| RetrieveError::Bug(error.to_string()))?
    }

    /// How complete the indexes are.
    #[must_use]
    pub fn status(&self) -> EngineStatus {
        let state = self.current();
        EngineStatus {
            seq: state.seq,
            n_documents: state.documents.n_documents() as u64,
            n_chunks: state.lexical.n_chunks(),
            n_vectors: state.dense.as_ref().map_or(0, DenseSnapshot::n_vectors),
            has_model: self.inner.embedder.is_some(),
        }
    }

    /// What a search that starts now sees.
    pub(crate) fn current(&self) -> Arc<State> {
        self.inner.current()
    }
}

impl Inner {
    async fn refresh(&self) -> Result<Seq, RetrieveError> {
        // Held to the end: a later refresh must not be overtaken by this one's state.
        let mut writer = self.writer.lock().await;
        let embedder = self.embedder.as_ref();
        let (arms, state) = if writer.is_some() {
            let Some(target) = self.changes().await? else {
                return Ok(self.current().seq);
            };
            // From here on the arms come back committed or not at all.
            let Some(arms) = writer.take() else {
                return Err(RetrieveError::Bug("the index writer is gone".to_owned()));
            };
            bring_up(&self.catalog, embedder, self.tenant, arms, target).await?
        } else {
            tracing::warn!("the search indexes are opened again after a failure");
            build(&self.catalog, embedder, self.tenant, &self.dir).await?
        };
        let seq = state.seq;
        *self
            .state
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::new(state);
        *writer = Some(arms);
        Ok(seq)
    }

    /// What changed since the state that searches see.
    async fn changes(&self) -> Result<Option<Target>, RetrieveError> {
        let system = SystemScope::new(self.tenant, SystemPurpose::Index);
        let current = self.current();
        let mut seq = current.seq;
        let mut changed: Vec<DocumentId> = Vec::new();
        loop {
            let changes = self
                .catalog
                .changes_after(system, seq, CHANGES_PER_STEP)
                .await?;
            let Some(last) = changes.last() else { break };
            seq = last.seq;
            changed.extend(changes.iter().map(|change| change.document));
        }
        if changed.is_empty() {
            return Ok(None);
        }
        changed.sort_unstable();
        changed.dedup();
        // The rows may be newer than `seq`. The position stays at `seq` all the same: other documents that changed
        // meanwhile were not asked for, and those that were are looked at again next time, which changes nothing.
        let (_, documents) = self.catalog.index_documents(system, Some(&changed)).await?;
        let mut table = DocTable::clone(&current.documents);
        let mut touched = RoaringBitmap::new();
        for document in documents {
            if let Some(range) = table.get(document.id).map(|old| old.chunks()) {
                touched.insert_range(range);
            }
            if let Some(range) = document.chunks.clone() {
                touched.insert_range(range);
            }
            table.put(document);
        }
        Ok(Some(Target {
            seq,
            table,
            only: Some(touched),
        }))
    }

    fn current(&self) -> Arc<State> {
        self.state
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }
}

/// Opens both indexes and brings them up to the whole catalog.
async fn build(
    catalog: &Arc<dyn Catalog>,
    embedder: Option<&Arc<dyn Embedder>>,
    tenant: TenantId,
    dir: &Path,
) -> Result<(Arms, State), RetrieveError> {
    let space = embedder.map(|embedder| embedder.space().clone());
    let dir = dir.to_owned();
    let arms = run(move || open_arms(&dir, space.as_ref())).await??;
    let system = SystemScope::new(tenant, SystemPurpose::Index);
    let (seq, documents) = catalog.index_documents(system, None).await?;
    let target = Target {
        seq,
        table: DocTable::new(documents),
        only: None,
    };
    bring_up(catalog, embedder, tenant, arms, target).await
}

/// Makes the indexes hold what the target says and commits. On an error the arms are closed: what they hold beyond
/// the last commit is not known to anybody.
async fn bring_up(
    catalog: &Arc<dyn Catalog>,
    embedder: Option<&Arc<dyn Embedder>>,
    tenant: TenantId,
    mut arms: Arms,
    target: Target,
) -> Result<(Arms, State), RetrieveError> {
    let system = SystemScope::new(tenant, SystemPurpose::Index);
    let space = embedder.map(|embedder| embedder.space());
    let Target { seq, table, only } = target;
    let live = table.live();
    let reconciled = reconcile(catalog, system, space, &mut arms, &live, only.as_ref()).await;
    let changes = match reconciled {
        Ok(changes) => changes,
        Err(error) => {
            // Closing waits for threads of the index.
            run(move || drop(arms)).await?;
            return Err(error);
        }
    };
    Ok(run(move || commit(arms, seq, Arc::new(table), changes)).await??)
}

/// Runs blocking work off the async workers.
pub(crate) async fn run<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, RetrieveError> {
    start(work)
        .await
        .map_err(|error| RetrieveError::Bug(error.to_string()))
}

/// Begins blocking work off the async workers.
pub(crate) fn start<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    let span = tracing::Span::current();
    tokio::task::spawn_blocking(move || span.in_scope(work))
}

fn open_arms(dir: &Path, space: Option<&EmbeddingSpace>) -> Result<Arms, IndexError> {
    let lexical_dir = dir.join("lexical");
    let lexical = reopen(&lexical_dir, || LexicalIndex::open(&lexical_dir))?;
    let dense = match space {
        Some(space) => {
            let dense_dir = dir.join("dense");
            let (dim, key) = (space.dim as usize, space.key());
            Some(reopen(&dense_dir, || {
                DenseIndex::open(&dense_dir, dim, &key)
            })?)
        }
        None => None,
    };
    Ok(Arms { dense, lexical })
}

/// Opens an index; a damaged one, or one of another space, is dropped and begun anew: the catalog has it all.
fn reopen<T>(dir: &Path, open: impl Fn() -> Result<T, IndexError>) -> Result<T, IndexError> {
    match open() {
        Err(error @ (IndexError::Corrupt { .. } | IndexError::Invalid { .. })) => {
            tracing::warn!(%error, "index dropped, to be rebuilt from the catalog");
            fs_err::remove_dir_all(dir).map_err(|io| IndexError::Unavailable {
                path: dir.to_owned(),
                reason: io.to_string(),
            })?;
            open()
        }
        other => other,
    }
}

/// Whether an index differs from its last commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Changes {
    None,
    Some,
}

/// Adds to both indexes what is live and missing, removes what is there and not live; within `only`, where given.
async fn reconcile(
    catalog: &Arc<dyn Catalog>,
    system: SystemScope,
    space: Option<&EmbeddingSpace>,
    arms: &mut Arms,
    live: &RoaringBitmap,
    only: Option<&RoaringBitmap>,
) -> Result<Changes, RetrieveError> {
    let within = |set: RoaringBitmap| only.map_or_else(|| set.clone(), |only| &set & only);
    let in_lexical = within(arms.lexical.snapshot().chunk_nos());
    let wanted = within(live.clone());
    let mut surplus = &in_lexical - &wanted;
    arms.lexical.remove(&surplus)?;
    let mut missing = &wanted - &in_lexical;
    let mut dense_missing = RoaringBitmap::new();
    if let Some(dense) = &mut arms.dense {
        let in_dense = within(dense.snapshot().chunk_nos());
        let in_dense_only = &in_dense - &wanted;
        dense.remove(&in_dense_only);
        surplus |= in_dense_only;
        dense_missing = &wanted - &in_dense;
    }
    let lexical_missing = missing.clone();
    missing |= &dense_missing;
    let mut changes = if surplus.is_empty() {
        Changes::None
    } else {
        Changes::Some
    };
    while let Some(first) = missing.min() {
        // The next stretch of numbers; gaps inside it cost nothing but a look-up in the catalog.
        let last = first
            .saturating_add(CHUNKS_PER_STEP - 1)
            .min(missing.max().unwrap_or(first));
        missing.remove_range(first..=last);
        let chunks = catalog.index_chunks(system, space, first..=last).await?;
        // A chunk without a vector stays missing in the dense index: looking for it changes nothing.
        if add_chunks(arms, &chunks, &lexical_missing, &dense_missing)? > 0 {
            changes = Changes::Some;
        }
    }
    Ok(changes)
}

/// Returns how many rows were added to either.
fn add_chunks(
    arms: &mut Arms,
    chunks: &[IndexChunk],
    to_lexical: &RoaringBitmap,
    to_dense: &RoaringBitmap,
) -> Result<usize, IndexError> {
    let mut n_added = 0;
    for chunk in chunks
        .iter()
        .filter(|chunk| to_lexical.contains(chunk.chunk_no.0))
    {
        arms.lexical.add(&LexicalDoc {
            chunk_no: chunk.chunk_no,
            title: &chunk.title,
            heading_path: &chunk.heading_path,
            text: &chunk.text,
            lang: chunk.lang.as_deref(),
        })?;
        n_added += 1;
    }
    if let Some(dense) = &mut arms.dense {
        let rows: Vec<(ChunkNo, &[u8])> = chunks
            .iter()
            .filter(|chunk| to_dense.contains(chunk.chunk_no.0))
            .filter_map(|chunk| {
                chunk
                    .vector
                    .as_deref()
                    .map(|vector| (chunk.chunk_no, vector))
            })
            .collect();
        n_added += rows.len();
        dense.append(&rows)?;
    }
    Ok(n_added)
}

/// Makes the changes durable and builds what searches see from now on. Writes nothing where an index is as it was
/// committed: most starts of a program find nothing to do.
fn commit(
    mut arms: Arms,
    seq: Seq,
    documents: Arc<DocTable>,
    changes: Changes,
) -> Result<(Arms, State), IndexError> {
    let is_due = |applied: Seq| changes == Changes::Some || applied != seq;
    if let Some(dense) = &mut arms.dense
        && is_due(dense.applied())
    {
        dense.commit(seq)?;
    }
    if is_due(arms.lexical.applied()) {
        arms.lexical.commit(seq)?;
    }
    let state = State {
        seq,
        documents,
        dense: arms.dense.as_ref().map(DenseIndex::snapshot),
        lexical: arms.lexical.snapshot(),
    };
    Ok((arms, state))
}
