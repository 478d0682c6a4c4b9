//! A run over files of this machine: what is new, what moved, what is gone.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cairn_extract::Origin;
use cairn_types::ports::KnownItem;
use cairn_types::{
    AccessList, BlobHash, DocumentId, JobId, JobItem, JobKind, JobState, NewJob, Outcome, Scope,
    Seq, Source,
};
use futures::StreamExt as _;
use tokio_util::sync::CancellationToken;

use crate::budget::{Budget, Share};
use crate::discover::{Discovered, DiscoveredFile, key_of};
use crate::error::IngestError;
use crate::known::{Known, is_below};
use crate::pipeline::{Bytes, Item, Pipeline, Target, refused};
use crate::report::{DocumentReport, IngestEvent, Summary};
use crate::stages::{Course, Seen};

/// A sync that would delete a larger share of the known documents stops.
const MAX_DELETED_SHARE: f64 = 0.2;
/// A run of so many files asks the catalog for each of them; a larger one for all that is known.
const FEW_FILES: usize = 32;

/// Whether anything is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunMode {
    /// Do the work.
    Write,
    /// Only say what would be done.
    DryRun,
}

/// What a sync does with documents whose file is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeletionGuard {
    /// No sync: they stay.
    Keep,
    /// They are soft-deleted, unless the folder is empty or more than a fifth would go.
    Careful,
    /// They are soft-deleted however many they are.
    Confirmed,
}

/// A run over files.
#[derive(Debug, Clone)]
pub struct FilesRequest {
    /// What was found.
    pub discovered: Discovered,
    /// Collection for new documents.
    pub collection: String,
    /// Tags to set; with none given, known documents keep theirs.
    pub tags: BTreeSet<String>,
    /// Access list to set; `None` keeps that of known documents and opens new ones to the tenant.
    pub access: Option<AccessList>,
    /// Whether anything is written.
    pub mode: RunMode,
    /// What happens to documents whose file is gone.
    pub deletions: DeletionGuard,
}

/// A file whose bytes are at hand.
pub(crate) struct Loaded {
    pub(crate) item: Item,
    pub(crate) bytes: Vec<u8>,
    pub(crate) elapsed: Duration,
    /// Whether the catalog may know the content.
    pub(crate) is_stored: bool,
    /// What it takes of the run's memory, where that is counted.
    pub(crate) share: Option<Share>,
}

impl Pipeline {
    /// Reads files into the catalog. `emit` is called in order of the files.
    ///
    /// # Errors
    /// Where the catalog, the model or the start of a parser process fails, a sync would delete too much, or `cancel` is
    /// cancelled. What was published before stays.
    pub async fn ingest_files(
        &self,
        scope: &Scope,
        request: FilesRequest,
        cancel: &CancellationToken,
        mut emit: impl FnMut(IngestEvent) + Send,
    ) -> Result<Summary, IngestError> {
        if request.mode == RunMode::DryRun {
            return self
                .run_files(scope, request, None, cancel, &mut emit)
                .await;
        }
        let job = self
            .catalog
            .accept(NewJob {
                tenant: self.tenant,
                kind: JobKind::Files,
                access: AccessList::owner_only(),
                collection: request.collection.clone(),
                tags: request.tags.clone(),
                document_access: request.access.clone(),
                items: Vec::new(),
            })
            .await?;
        self.catalog
            .set_job_state(self.system(), job, JobState::Running, None)
            .await?;
        let mut failures = Vec::new();
        let result = self
            .run_files(scope, request, None, cancel, &mut |event| {
                if let IngestEvent::Document(report) = &event
                    && report.outcome == Outcome::Failed
                {
                    failures.push(job_item(report));
                }
                emit(event);
            })
            .await;
        self.finish_job(job, failures, result).await
    }

    /// Records how a run went: its failures, its end.
    pub(crate) async fn finish_job(
        &self,
        job: JobId,
        failures: Vec<JobItem>,
        result: Result<Summary, IngestError>,
    ) -> Result<Summary, IngestError> {
        // Failures that cannot be recorded are no reason to hide how the run went, nor to leave the job running.
        let mut unrecorded = None;
        for item in failures.into_iter().take(1000) {
            let recorded = self.catalog.record_item(self.system(), job, item).await;
            unrecorded = unrecorded.or(recorded.err());
        }
        let (state, mut message) = match &result {
            Ok(summary) => (JobState::Done, summary_text(summary)),
            Err(IngestError::Cancelled) => {
                (JobState::Interrupted, IngestError::Cancelled.to_string())
            }
            Err(error) => (JobState::Failed, error.to_string()),
        };
        if let Some(error) = unrecorded {
            message = format!("{message}; not every failure could be recorded: {error}");
        }
        let written = self
            .catalog
            .set_job_state(self.system(), job, state, Some(message))
            .await;
        result.and_then(|summary| Ok(written.map(|()| summary)?))
    }

    async fn run_files(
        &self,
        scope: &Scope,
        request: FilesRequest,
        source: Option<Source>,
        cancel: &CancellationToken,
        emit: &mut (dyn FnMut(IngestEvent) + Send + '_),
    ) -> Result<Summary, IngestError> {
        let started = Instant::now();
        let FilesRequest {
            discovered,
            collection,
            tags,
            access,
            mode,
            deletions,
        } = request;
        let target = Target {
            collection,
            source: source.unwrap_or_else(Source::files),
            tags: Some(tags).filter(|tags| !tags.is_empty()),
            access,
        };
        let roots = discovered.roots.clone();
        let present: HashSet<String> = discovered
            .files
            .iter()
            .map(|file| file.key.clone())
            .collect();
        let present = Arc::new(present);
        let known = if deletions == DeletionGuard::Keep && discovered.files.len() <= FEW_FILES {
            self.known_at_keys(&target, &discovered.files).await?
        } else {
            let items = self.items_of(&target).await?;
            guard_empty_roots(&roots, &discovered, &items, deletions)?;
            let present = Arc::clone(&present);
            blocking(move || Known::new(items, &present)).await?
        };
        let known = Arc::new(tokio::sync::Mutex::new(known));
        let mut summary = Summary {
            has_vectors: self.embedder.is_some(),
            ..Summary::default()
        };
        emit(IngestEvent::Discovered {
            n_files: discovered.files.len() as u64,
            n_bytes: discovered.files.iter().map(|file| file.size_bytes).sum(),
        });
        let unreadable = discovered.unreadable;
        for failure in &unreadable {
            let reason = failure.reason.clone();
            let report = refused(&key_of(&failure.path), 0, Outcome::Failed, reason);
            summary.count(&report);
            emit(IngestEvent::Document(report));
        }
        for passed in discovered.passed_over {
            let report = refused(&key_of(&passed.path), 0, Outcome::Skipped, passed.reason);
            summary.count(&report);
            emit(IngestEvent::Document(report));
        }
        let budget = Budget::new(self.options.max_held_bytes);
        let seen = futures::stream::iter(discovered.files)
            .take_while(|_| std::future::ready(!cancel.is_cancelled()))
            .then(|file| {
                let n_bytes = file.size_bytes.min(self.options.max_file_bytes);
                let share = Arc::clone(&budget).take(n_bytes);
                async move { (file, share.await) }
            })
            .map(|(file, share)| {
                let pipeline = self.clone();
                async move { blocking(move || pipeline.load(&file, share)).await }
            })
            .buffered(self.options.n_parsers.max(1))
            // Between the two: in order of the files, so that which file is taken for a moved one does not depend on the
            // pace of the threads.
            .then(|loaded| {
                let (pipeline, target) = (self.clone(), target.clone());
                let (known, present) = (Arc::clone(&known), Arc::clone(&present));
                async move { pipeline.recognised(loaded, &known, &target, &present).await }
            })
            .map(|loaded| {
                let pipeline = self.clone();
                async move {
                    match loaded {
                        Ok(loaded) => blocking(move || pipeline.look_at(loaded, mode))
                            .await
                            .unwrap_or_else(Seen::Fatal),
                        Err(seen) => *seen,
                    }
                }
            })
            .buffered(self.options.n_parsers.max(1) * 2);
        let course = Course {
            scope: Some(scope),
            target: &target,
            mode,
            job: None,
        };
        self.carry(course, seen, cancel, &mut summary, &mut *emit)
            .await?;
        summary.most_held_bytes = budget.most();
        if cancel.is_cancelled() {
            return Err(IngestError::Cancelled);
        }
        if deletions != DeletionGuard::Keep {
            let below = roots.clone();
            let (gone, n_known) = blocking(move || {
                let known = known.blocking_lock();
                let gone = known.gone(&below, &present, &unreadable);
                (gone, known.n_below(&below))
            })
            .await?;
            self.delete_gone(
                scope,
                &names(&roots),
                gone,
                n_known,
                deletions,
                mode,
                &mut summary,
            )
            .await?;
        }
        summary.elapsed = started.elapsed();
        Ok(summary)
    }

    async fn items_of(&self, target: &Target) -> Result<Vec<KnownItem>, IngestError> {
        let items = self
            .catalog
            .known_items(self.system(), &target.collection, &target.source, "")
            .await?;
        Ok(items)
    }

    /// What stands at the keys of some files.
    async fn known_at_keys(
        &self,
        target: &Target,
        files: &[DiscoveredFile],
    ) -> Result<Known, IngestError> {
        let mut known = Vec::new();
        for file in files {
            let (collection, source) = (&target.collection, &target.source);
            let items = self
                .catalog
                .known_items(self.system(), collection, source, &file.key)
                .await?;
            known.extend(items.into_iter().find(|item| item.key == file.key));
        }
        Ok(Known::at_keys(known))
    }

    /// Between the halves of stage one: whether the file is known, or one that is known has moved to its place.
    async fn recognised(
        &self,
        loaded: Result<Result<Loaded, Box<DocumentReport>>, IngestError>,
        known: &tokio::sync::Mutex<Known>,
        target: &Target,
        present: &Arc<HashSet<String>>,
    ) -> Result<Loaded, Box<Seen>> {
        let fatal = |error| Box::new(Seen::Fatal(error));
        let mut loaded = match loaded {
            Ok(Ok(loaded)) => loaded,
            Ok(Err(report)) => return Err(Box::new(Seen::Report(report))),
            Err(error) => return Err(fatal(error)),
        };
        let mut known = known.lock().await;
        let is_new = loaded.is_stored && !known.by_key.contains_key(&loaded.item.key);
        if is_new && !known.is_whole {
            // Its content was there before, perhaps at another place.
            let items = self.items_of(target).await.map_err(fatal)?;
            let present = Arc::clone(present);
            *known = blocking(move || Known::new(items, &present))
                .await
                .map_err(fatal)?;
        }
        recognise(&mut loaded.item, &mut known);
        Ok(loaded)
    }

    /// Stage one for one file, first half: its bytes and their hash. Blocking.
    fn load(&self, file: &DiscoveredFile, share: Share) -> Result<Loaded, Box<DocumentReport>> {
        let started = Instant::now();
        if file.size_bytes > self.options.max_file_bytes {
            let limit = self.options.max_file_bytes;
            let reason = format!(
                "the file has {} bytes, the limit is {limit}; raise `ingest.max_file_bytes` to read it",
                file.size_bytes
            );
            return Err(Box::new(refused(
                &file.key,
                file.size_bytes,
                Outcome::Skipped,
                reason,
            )));
        }
        let bytes = match fs_err::read(&file.path) {
            Ok(bytes) => bytes,
            Err(error) => {
                let reason = error.to_string();
                return Err(Box::new(refused(
                    &file.key,
                    file.size_bytes,
                    Outcome::Failed,
                    reason,
                )));
            }
        };
        let item = Item {
            key: file.key.clone(),
            uri: file_uri(&file.path),
            name: file.path.file_name().map_or_else(
                || file.key.clone(),
                |name| name.to_string_lossy().into_owned(),
            ),
            modified_at: file.modified_at,
            blob: BlobHash::of(&bytes),
            size_bytes: bytes.len() as u64,
            origin: Origin::File,
            known: None,
            moved_from: None,
        };
        Ok(Loaded {
            // Where that cannot be asked, storing it fails too, and says why.
            is_stored: self.blobs.exists(self.tenant, item.blob).unwrap_or(true),
            item,
            bytes,
            elapsed: started.elapsed(),
            share: Some(share),
        })
    }

    /// Stage one for one file, second half: parse, cut, begin to store the original. Blocking.
    pub(crate) fn look_at(&self, loaded: Loaded, mode: RunMode) -> Seen {
        let Loaded {
            item,
            bytes,
            elapsed,
            share,
            is_stored: _,
        } = loaded;
        let same = item.known.as_ref().or(item.moved_from.as_ref());
        if same.is_some_and(|same| self.is_same(&item, same)) {
            return Seen::Same(item, elapsed);
        }
        if mode == RunMode::DryRun {
            return Seen::WouldRead(item);
        }
        match self.read(item, Bytes::New(bytes), share) {
            Ok(Ok(ready)) => Seen::Ready(Box::new(ready), elapsed),
            Ok(Err(report)) => Seen::Report(report),
            Err(error) => Seen::Fatal(error),
        }
    }

    /// Content and pipeline are the same: sets what else was asked (place, tags, access, being there at all).
    pub(crate) async fn settle_same(
        &self,
        course: Course<'_>,
        item: Item,
        summary: &mut Summary,
    ) -> Result<DocumentReport, IngestError> {
        let scope = course.scope.ok_or_else(|| {
            IngestError::Bug(format!("nobody is there to settle `{}` for", item.key))
        })?;
        let moved = item.moved_from.is_some();
        let known = item.known.or(item.moved_from);
        let mut report = refused(
            &item.key,
            item.size_bytes,
            Outcome::Unchanged,
            String::new(),
        );
        report.reason = None;
        let Some(known) = known else {
            return Ok(report);
        };
        report.document = Some(known.document);
        if course.mode == RunMode::DryRun {
            report.outcome = if moved {
                Outcome::Moved
            } else {
                Outcome::Unchanged
            };
            return Ok(report);
        }
        let mut seq = None;
        if let Some(set) = self.settle_metadata(scope, &known, course.target).await? {
            seq = Some(set);
            report.outcome = Outcome::Updated;
            report.reason = Some("tags or access changed".to_owned());
        }
        if moved {
            report.reason = None;
            seq = Some(
                self.catalog
                    .move_document(self.system(), known.document, &item.key, &item.uri)
                    .await?,
            );
            report.outcome = Outcome::Moved;
        }
        if known.is_deleted {
            let restored = self.catalog.restore_document(scope, known.document);
            seq = Some(restored.await?);
            if !moved {
                report.outcome = Outcome::Updated;
                report.reason = Some("restored".to_owned());
            }
        }
        summary.seq = seq.or(summary.seq);
        Ok(report)
    }

    /// Sets tags and access where they were given and differ. A deleted document is brought back only after this: its former
    /// readers must not see it in between.
    async fn settle_metadata(
        &self,
        scope: &Scope,
        known: &KnownItem,
        target: &Target,
    ) -> Result<Option<Seq>, IngestError> {
        let tags = target.tags.clone().filter(|tags| *tags != known.tags);
        let access = target
            .access
            .clone()
            .filter(|access| *access != known.access);
        if tags.is_none() && access.is_none() {
            return Ok(None);
        }
        let set = self
            .catalog
            .set_metadata(scope, known.document, tags, access);
        Ok(Some(set.await?))
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one step of one run, called once"
    )]
    pub(crate) async fn delete_gone(
        &self,
        scope: &Scope,
        place: &str,
        gone: Vec<DocumentId>,
        n_known: usize,
        guard: DeletionGuard,
        mode: RunMode,
        summary: &mut Summary,
    ) -> Result<(), IngestError> {
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let share = gone.len() as f64 / n_known.max(1) as f64;
        if guard == DeletionGuard::Careful && share > MAX_DELETED_SHARE {
            return Err(IngestError::SyncDeletesTooMuch {
                path: place.to_owned(),
                n_gone: gone.len(),
                n_known,
            });
        }
        summary.n_deleted = gone.len() as u64;
        if mode == RunMode::Write && !gone.is_empty() {
            summary.seq = Some(self.catalog.delete_documents(scope, &gone).await?);
        }
        Ok(())
    }
}

/// Whether the file is known, or one that is known has moved to its place.
fn recognise(item: &mut Item, known: &mut Known) {
    item.known = known.by_key.get(&item.key).cloned();
    if item.known.is_none() && item.size_bytes > 0 {
        item.moved_from = known.take_moved(item.blob);
    }
}

/// Runs work that blocks on a thread for it.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, IngestError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| IngestError::Bug(error.to_string()))
}

fn guard_empty_roots(
    roots: &[PathBuf],
    discovered: &Discovered,
    known: &[KnownItem],
    guard: DeletionGuard,
) -> Result<(), IngestError> {
    if guard != DeletionGuard::Careful {
        return Ok(());
    }
    for root in roots {
        let is_empty = !discovered
            .files
            .iter()
            .any(|file| file.path.starts_with(root));
        let only = std::slice::from_ref(root);
        let n_known = known.iter().filter(|item| is_below(item, only)).count();
        if is_empty && n_known > 0 {
            return Err(IngestError::SyncOfNothing {
                path: root.display().to_string(),
                n_known,
            });
        }
    }
    Ok(())
}

fn names(roots: &[PathBuf]) -> String {
    roots
        .iter()
        .map(|root| root.display().to_string())
        .collect::<Vec<_>>()
        .join(", ")
}

pub(crate) fn job_item(report: &DocumentReport) -> JobItem {
    JobItem {
        key: report.path.clone(),
        blob: None,
        size_bytes: report.size_bytes,
        outcome: report.outcome,
        reason: report.reason.clone(),
        document: report.document,
    }
}

fn summary_text(summary: &Summary) -> String {
    let Summary {
        n_added,
        n_updated,
        n_moved,
        n_unchanged,
        n_failed,
        n_skipped,
        n_deleted,
        ..
    } = summary;
    format!(
        "{n_added} added, {n_updated} updated, {n_moved} moved, {n_unchanged} unchanged, {n_failed} failed, \
         {n_skipped} skipped, {n_deleted} deleted"
    )
}

/// `file://` with everything but unreserved characters and `/` percent-encoded (RFC 3986, RFC 8089).
fn file_uri(path: &Path) -> String {
    use std::fmt::Write as _;
    let mut uri = "file://".to_owned();
    for &byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(byte as char)
            }
            other => {
                let _ = write!(uri, "%{other:02X}");
            }
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_percent_encoded() {
        assert_eq!(file_uri(Path::new("/a b/ü.md")), "file:///a%20b/%C3%BC.md");
    }
}
