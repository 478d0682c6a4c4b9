//! The loop that works through uploads, and fills vectors when a model arrives.

use std::sync::Arc;
use std::time::Duration;

use cairn_ingest::{IngestError, IngestEvent};
use cairn_types::{ErrorKind, HasKind as _, Job, JobState, SystemPurpose, SystemScope};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::auth;
use crate::following::following;

/// A job that failed so often for a passing reason is given up.
const MAX_ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

impl App {
    /// Works through uploads, one job after the other, until `cancel` is cancelled; a job at hand goes back to the queue then.
    /// Run once for each process that serves.
    pub async fn run_jobs(&self, cancel: CancellationToken) {
        let mut pause = FIRST_PAUSE;
        while !cancel.is_cancelled() {
            if self.take_fill_wanted() {
                self.fill(&cancel).await;
            }
            let system = SystemScope::new(self.tenant(), SystemPurpose::Ingest);
            let is_stuck = match self.catalog().claim_job(system).await {
                Ok(Some(job)) => self
                    .run_one(job, &cancel)
                    .await
                    .is_err_and(|kind| kind.is_retryable()),
                Ok(None) => {
                    tokio::select! {
                        () = self.wake().notified() => {}
                        () = cancel.cancelled() => {}
                    }
                    false
                }
                Err(error) => {
                    tracing::error!(%error, "no job could be taken");
                    true
                }
            };
            if !is_stuck {
                pause = FIRST_PAUSE;
                continue;
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = cancel.cancelled() => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Works through one job.
    async fn run_one(&self, job: Job, cancel: &CancellationToken) -> Result<(), ErrorKind> {
        let (id, attempts) = (job.id, job.attempts);
        let app = self.clone();
        let stop = cancel.clone();
        // In a task of its own: a job that panics fails alone.
        let run = self.tasks().spawn(async move {
            let published = Arc::new(Notify::new());
            let scope = auth::owner_scope(app.tenant());
            let pipeline = app.core().pipeline.clone();
            let emit = |event: IngestEvent| {
                if matches!(event, IngestEvent::Published { .. }) {
                    published.notify_one();
                }
            };
            let run = pipeline.run_job(&scope, &job, &stop, emit);
            following(&app, published.clone(), run).await.0
        });
        let give_up = match run.await {
            Ok(Ok(summary)) => {
                let n_documents = summary.n_added + summary.n_updated + summary.n_unchanged;
                tracing::info!(job.id = %id, document.count = n_documents, "job done");
                return Ok(());
            }
            Ok(Err(IngestError::Cancelled)) => return Ok(()),
            Ok(Err(error)) if error.kind().is_retryable() && attempts < MAX_ATTEMPTS => {
                tracing::warn!(job.id = %id, %error, "job goes back to the queue");
                return Err(error.kind());
            }
            Ok(Err(error)) => {
                tracing::error!(job.id = %id, %error, "job failed");
                format!("given up after {attempts} attempts: {error}")
            }
            Err(error) => {
                tracing::error!(job.id = %id, %error, "job ended unexpectedly");
                "the job ended unexpectedly".to_owned()
            }
        };
        let system = SystemScope::new(self.tenant(), SystemPurpose::Ingest);
        let failed = self
            .catalog()
            .set_job_state(system, id, JobState::Failed, Some(give_up))
            .await;
        failed.map_err(|error| {
            tracing::error!(job.id = %id, %error, "the state of a job was not written");
            error.kind()
        })
    }

    /// Embeds chunks that were published before there was a model.
    async fn fill(&self, cancel: &CancellationToken) {
        let Ok(_turn) = self.ingest_gate().acquire().await else {
            return;
        };
        let published = Arc::new(Notify::new());
        let pipeline = self.core().pipeline.clone();
        let run = pipeline.fill_vectors(cancel, |_| published.notify_one());
        match following(self, published.clone(), run).await.0 {
            Ok(summary) if summary.n_embedded > 0 => {
                tracing::info!(chunk.count = summary.n_embedded, "vectors filled in");
            }
            Ok(_) | Err(IngestError::Cancelled) => {}
            Err(error) => tracing::error!(%error, "vectors could not be filled in"),
        }
    }
}
