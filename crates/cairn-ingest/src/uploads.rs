//! A job of uploads: originals that are stored already, so the job can be taken up again after a crash.
//!
//! An item is recorded after it was published; one whose outcome is recorded is not done twice, and one that was published but
//! not recorded is found unchanged and recorded then.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cairn_types::{HasKind as _, Job, JobItem, JobState, Outcome, Scope, Source};
use futures::StreamExt as _;
use tokio_util::sync::CancellationToken;

use crate::budget::{Budget, Share};
use crate::error::IngestError;
use crate::files::{RunMode, blocking};
use crate::pipeline::{Bytes, Item, Pipeline, Target, refused};
use crate::report::{IngestEvent, Summary};
use crate::stages::{Course, Seen};

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
        let pending = request.items.iter();
        let pending: Vec<JobItem> = pending
            .filter(|item| item.outcome == Outcome::Pending)
            .cloned()
            .collect();
        let n_pending = pending.len();
        let budget = Budget::new(self.options.max_held_bytes);
        let seen = futures::stream::iter(pending)
            .take_while(|_| std::future::ready(!cancel.is_cancelled()))
            .then(|item| {
                let share = Arc::clone(&budget).take(item.size_bytes);
                async move { (item, share.await) }
            })
            .map(|(item, share)| self.see_upload(item, &target, share))
            .buffered(self.options.n_parsers.max(1) * 2);
        let course = Course {
            scope: Some(scope),
            target: &target,
            mode: RunMode::Write,
            job: Some(job),
        };
        let mut n_told = 0;
        self.carry(course, seen, cancel, &mut summary, &mut |event| {
            n_told += usize::from(matches!(event, IngestEvent::Document(_)));
            emit(event);
        })
        .await?;
        summary.most_held_bytes = budget.most();
        if n_told < n_pending && cancel.is_cancelled() {
            return Err(IngestError::Cancelled);
        }
        Ok(summary)
    }

    /// The first stage for an original that is stored.
    async fn see_upload(&self, stored: JobItem, target: &Target, share: Share) -> Seen {
        let JobItem {
            key,
            blob,
            size_bytes,
            ..
        } = stored;
        let Some(blob) = blob else {
            let reason = "the original was not stored; send it again".to_owned();
            let report = refused(&key, size_bytes, Outcome::Failed, reason);
            return Seen::Report(Box::new(report));
        };
        let known = self
            .catalog
            .known_items(self.system(), &target.collection, &target.source, &key)
            .await;
        let known = match known {
            Ok(known) => known.into_iter().find(|known| known.key == key),
            Err(error) => return Seen::Fatal(error.into()),
        };
        let item = Item {
            uri: format!("upload:{key}"),
            name: key.clone(),
            key,
            modified_at: None,
            blob,
            size_bytes,
            origin: cairn_extract::Origin::File,
            known,
            moved_from: None,
        };
        if let Some(known) = &item.known
            && self.is_same(&item, known)
        {
            return Seen::Same(item, Duration::ZERO);
        }
        let pipeline = self.clone();
        let read = blocking(move || {
            let started = Instant::now();
            let bytes = match pipeline.blobs.read_verified(pipeline.tenant, blob) {
                Ok(bytes) => bytes,
                Err(error) if error.kind().is_fatal() => return Seen::Fatal(error.into()),
                Err(error) => {
                    let reason = error.to_string();
                    let report = refused(&item.key, size_bytes, Outcome::Failed, reason);
                    return Seen::Report(Box::new(report));
                }
            };
            let elapsed = started.elapsed();
            match pipeline.read(item, Bytes::Stored(bytes), Some(share)) {
                Ok(Ok(ready)) => Seen::Ready(Box::new(ready), elapsed),
                Ok(Err(report)) => Seen::Report(report),
                Err(error) => Seen::Fatal(error),
            }
        });
        read.await.unwrap_or_else(Seen::Fatal)
    }
}
