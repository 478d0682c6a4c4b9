//! A job of uploads: originals that are stored already, so the job can be taken up again after a crash.
//!
//! Each item is read, published and recorded before the next one is begun; an item whose outcome is recorded is not
//! done twice, and one that was published but not recorded is found unchanged and recorded then.

use cairn_types::ports::KnownItem;
use cairn_types::{HasKind as _, Job, JobItem, JobState, Outcome, Scope, Source};
use tokio_util::sync::CancellationToken;

use crate::error::IngestError;
use crate::files::job_item;
use crate::pipeline::{Item, Pipeline, Target, is_fatal, refused};
use crate::report::{DocumentReport, IngestEvent, Summary};

impl Pipeline {
    /// Works through a claimed upload job and moves it to its final state. `scope` is the owner's: it brings
    /// documents back that were deleted.
    ///
    /// # Errors
    /// Where the catalog, the model or the start of a parser process fails (the job goes back to the queue, unless not even that can be written: the caller
    /// sets the state again), or `cancel` is cancelled (the attempt is not counted).
    pub async fn run_job(
        &self,
        scope: &Scope,
        job: &Job,
        cancel: &CancellationToken,
        mut emit: impl FnMut(IngestEvent) + Send,
    ) -> Result<Summary, IngestError> {
        let result = self.run_items(scope, job, cancel, &mut emit).await;
        let (state, message) = match &result {
            Ok(_) => (JobState::Done, None),
            Err(IngestError::Cancelled) => {
                let message = Some("waits for the next start".to_owned());
                self.catalog
                    .return_job(self.system(), job.id, message)
                    .await?;
                return result;
            }
            Err(error) if error.kind().is_retryable() => {
                (JobState::Queued, Some(error.to_string()))
            }
            Err(error) => (JobState::Failed, Some(error.to_string())),
        };
        let written = self
            .catalog
            .set_job_state(self.system(), job.id, state, message)
            .await;
        result.and_then(|summary| Ok(written.map(|()| summary)?))
    }

    async fn run_items(
        &self,
        scope: &Scope,
        job: &Job,
        cancel: &CancellationToken,
        emit: &mut (dyn FnMut(IngestEvent) + Send + '_),
    ) -> Result<Summary, IngestError> {
        let request = &job.request;
        let target = Target {
            collection: request.collection.clone(),
            source: Source::upload(),
            tags: Some(request.tags.clone()).filter(|tags| !tags.is_empty()),
            access: request.document_access.clone(),
        };
        let mut summary = Summary {
            has_vectors: self.embedder.is_some(),
            ..Summary::default()
        };
        for item in request
            .items
            .iter()
            .filter(|item| item.outcome == Outcome::Pending)
        {
            if cancel.is_cancelled() {
                return Err(IngestError::Cancelled);
            }
            let report = self
                .run_item(scope, item, &target, cancel, &mut summary, emit)
                .await?;
            let done = JobItem {
                blob: item.blob,
                ..job_item(&report)
            };
            self.catalog
                .record_item(self.system(), job.id, done)
                .await?;
        }
        Ok(summary)
    }

    async fn run_item(
        &self,
        scope: &Scope,
        stored: &JobItem,
        target: &Target,
        cancel: &CancellationToken,
        summary: &mut Summary,
        emit: &mut (dyn FnMut(IngestEvent) + Send + '_),
    ) -> Result<DocumentReport, IngestError> {
        let Some(blob) = stored.blob else {
            let reason = "the original was not stored; send it again".to_owned();
            return Ok(refused(
                &stored.key,
                stored.size_bytes,
                Outcome::Failed,
                reason,
            ));
        };
        let known: Option<KnownItem> = self
            .catalog
            .known_items(
                self.system(),
                &target.collection,
                &target.source,
                &stored.key,
            )
            .await?
            .into_iter()
            .find(|known| known.key == stored.key);
        let item = Item {
            key: stored.key.clone(),
            uri: format!("upload:{}", stored.key),
            name: stored.key.clone(),
            modified_at: None,
            blob,
            size_bytes: stored.size_bytes,
            origin: cairn_extract::Origin::File,
            known,
            moved_from: None,
        };
        let same = item
            .known
            .as_ref()
            .filter(|known| known.blob == blob && known.fingerprint == self.fingerprint());
        if let Some(known) = same {
            return self
                .settle_upload(scope, known, target, summary, &item)
                .await;
        }
        let pipeline = self.clone();
        let read = tokio::task::spawn_blocking(move || {
            let bytes = pipeline.blobs.read_verified(pipeline.tenant, blob)?;
            pipeline.read(item, &bytes)
        })
        .await
        .map_err(|error| IngestError::Bug(error.to_string()))?;
        let ready = match read {
            Ok(Ok(ready)) => ready,
            Ok(Err(report)) => {
                summary.count(&report);
                emit(IngestEvent::Document((*report).clone()));
                return Ok(*report);
            }
            Err(error) if is_fatal(error.kind()) => return Err(error),
            Err(error) => {
                return Ok(refused(
                    &stored.key,
                    stored.size_bytes,
                    Outcome::Failed,
                    error.to_string(),
                ));
            }
        };
        let mut published = None;
        self.publish(vec![ready], target, cancel, summary, |event| {
            if let IngestEvent::Document(report) = &event {
                published = Some(report.clone());
            }
            emit(event);
        })
        .await?;
        published.ok_or_else(|| IngestError::Bug("a published document left no report".to_owned()))
    }

    async fn settle_upload(
        &self,
        scope: &Scope,
        known: &KnownItem,
        target: &Target,
        summary: &mut Summary,
        item: &Item,
    ) -> Result<DocumentReport, IngestError> {
        let mut report = refused(
            &item.key,
            item.size_bytes,
            Outcome::Unchanged,
            String::new(),
        );
        report.reason = None;
        report.document = Some(known.document);
        if let Some(seq) = self.settle_metadata(scope, known, target).await? {
            summary.seq = Some(seq);
            report.outcome = Outcome::Updated;
        }
        if known.is_deleted {
            summary.seq = Some(self.catalog.restore_document(scope, known.document).await?);
            report.outcome = Outcome::Updated;
            report.reason = Some("restored".to_owned());
        }
        summary.count(&report);
        Ok(report)
    }
}
