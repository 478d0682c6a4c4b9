//! Searches that follow while documents are published.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::app::App;

/// A refresh waits so many times as long as the one before it took: indexing small pieces takes at most this share of a long run.
const PAUSE_PER_REFRESH: u32 = 4;

/// Runs `run` and brings the indexes up to what it publishes: at once for the first of it, then at most once in `refresh_every`
/// (more rarely where that takes long) while it goes, and once at its end.
/// `published` is notified for each publication. Returns the time that the indexes took, too.
pub(crate) async fn following<T>(
    app: &App,
    published: Arc<Notify>,
    run: impl Future<Output = T>,
) -> (T, Duration) {
    let every = app.settings().refresh_every;
    let ended = CancellationToken::new();
    // Dropped with this future: the follower must not outlive the run.
    let guard = ended.clone().drop_guard();
    let follower = app.tasks().spawn({
        let app = app.clone();
        async move {
            let mut spent = Duration::ZERO;
            loop {
                tokio::select! {
                    () = ended.cancelled() => break,
                    () = published.notified() => {}
                }
                let took = refresh(&app).await;
                spent += took;
                let pause = every.max(took * PAUSE_PER_REFRESH);
                tokio::select! {
                    () = ended.cancelled() => break,
                    () = tokio::time::sleep(pause) => {}
                }
            }
            spent + refresh(&app).await
        }
    });
    let result = run.await;
    drop(guard);
    (result, follower.await.unwrap_or_default())
}

async fn refresh(app: &App) -> Duration {
    let started = Instant::now();
    if let Err(error) = app.refresh().await {
        tracing::warn!(%error, "the search indexes did not follow");
    }
    started.elapsed()
}
