//! The loop that works through uploads, and fills vectors when a model arrives.

use std::sync::Arc;
use std::time::Duration;

use cairn_ingest::{IngestError, IngestEvent};
use cairn_types::ports::CatalogError;
use cairn_types::{ErrorKind, HasKind as _, Job, JobId, JobState, SystemPurpose, SystemScope};
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
                // The run itself may have failed to say so (a full disk): a job that nobody works on must not stay `running`.
                let message = Some(error.to_string());
                self.settle(id, JobState::Queued, message, cancel).await;
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
        self.settle(id, JobState::Failed, Some(give_up), cancel)
            .await;
        Ok(())
    }

    /// Writes the state of a job, again and again while the catalog cannot be written to. At a shutdown it is left to the next
    /// start, which finds the job `running`.
    async fn settle(
        &self,
        id: JobId,
        state: JobState,
        message: Option<String>,
        cancel: &CancellationToken,
    ) {
        let system = SystemScope::new(self.tenant(), SystemPurpose::Ingest);
        let write = || {
            self.catalog()
                .set_job_state(system, id, state, message.clone())
        };
        if let Err(error) = insist(FIRST_PAUSE, cancel, write).await {
            tracing::error!(job.id = %id, %error, "the state of a job was not written");
        }
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

/// Writes until it is written, the failure is one that lasts, or `cancel` is cancelled; the pauses between become longer.
async fn insist<W>(
    mut pause: Duration,
    cancel: &CancellationToken,
    mut write: impl FnMut() -> W,
) -> Result<(), CatalogError>
where
    W: Future<Output = Result<(), CatalogError>>,
{
    loop {
        match write().await {
            Err(error) if error.kind().is_retryable() && !cancel.is_cancelled() => {
                tracing::warn!(%error, "the state of a job is written again later");
            }
            settled => return settled,
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = cancel.cancelled() => {}
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_state_is_written_until_it_is_written() {
        for (failures, is_lasting, is_cancelled, expected) in [
            (0, false, false, (1, true)),
            (3, false, false, (4, true)),
            (3, true, false, (1, false)),
            (3, false, true, (1, false)),
        ] {
            let cancel = CancellationToken::new();
            if is_cancelled {
                cancel.cancel();
            }
            let mut n_writes = 0;
            let written = insist(Duration::ZERO, &cancel, || {
                n_writes += 1;
                std::future::ready(match (n_writes > failures, is_lasting) {
                    (true, _) => Ok(()),
                    (false, true) => Err(CatalogError::Conflict("taken".to_owned())),
                    (false, false) => Err(CatalogError::Unavailable("the disk is full".to_owned())),
                })
            })
            .await;
            assert_eq!((n_writes, written.is_ok()), expected, "{failures} failures");
        }
    }
}
