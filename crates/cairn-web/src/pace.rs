//! One request at a time to a host, with a pause between two of them.
//!
//! The pause counts from the end of one request to the start of the next: a slow server is not hurried. What waits longer
//! than [`LONGEST_WAIT`] is told so instead of holding up a run.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use crate::error::WebError;

/// Longest wait for a host that asked for one.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Hosts that are remembered; beyond it those at rest are forgotten.
const MAX_HOSTS: usize = 1_000;

/// When each host may be asked again.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    hosts: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Next>>>>,
}

/// When the next request may begin; `None` at once.
type Next = Option<Instant>;

/// The right to ask a host. Dropping it lets the next one wait its turn.
pub(crate) struct Turn(OwnedMutexGuard<Next>);

impl Pace {
    /// Waits for the host's turn and its pause.
    pub(crate) async fn turn(&self, host: &str) -> Result<Turn, WebError> {
        let slot = {
            let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
            if hosts.len() >= MAX_HOSTS {
                let now = Instant::now();
                hosts.retain(|_, slot| {
                    // Somebody is about to wait for it.
                    Arc::strong_count(slot) > 1
                        || slot
                            .try_lock()
                            .map_or(true, |next| next.is_some_and(|next| next > now))
                });
            }
            hosts.entry(host.to_owned()).or_default().clone()
        };
        let next = slot.lock_owned().await;
        if let Some(at) = *next {
            wait_for(at.saturating_duration_since(Instant::now()))?;
            tokio::time::sleep_until(at).await;
        }
        Ok(Turn(next))
    }
}

impl Turn {
    /// Ends the turn; the next one begins after `pause`.
    pub(crate) fn end(mut self, pause: Duration) {
        *self.0 = Instant::now().checked_add(pause);
    }
}

/// Whether a run waits for so long.
pub(crate) fn wait_for(wait: Duration) -> Result<(), WebError> {
    if wait > LONGEST_WAIT {
        return Err(WebError::Wait {
            seconds: wait.as_secs(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn hosts_rest_between_requests_and_do_not_wait_for_each_other() {
        let pace = Arc::new(Pace::default());
        let begin = Instant::now();
        pace.turn("a").await.unwrap().end(Duration::from_secs(5));
        pace.turn("b").await.unwrap().end(Duration::from_secs(1));
        assert_eq!(begin.elapsed(), Duration::ZERO);
        let turn = pace.turn("a").await.unwrap();
        assert_eq!(begin.elapsed(), Duration::from_secs(5));
        let other = Arc::clone(&pace);
        let waiting = tokio::spawn(async move { other.turn("a").await.is_ok() });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "one at a time");
        turn.end(Duration::from_secs(7));
        assert!(waiting.await.unwrap());
        assert_eq!(begin.elapsed(), Duration::from_secs(12));
        pace.turn("a")
            .await
            .unwrap()
            .end(Duration::from_secs(3_600));
        assert!(matches!(pace.turn("a").await, Err(WebError::Wait { .. })));
        // A turn that is dropped (a run that was stopped) shuts nobody out.
        drop(pace.turn("c").await.unwrap());
        assert!(pace.turn("c").await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn hosts_at_rest_are_forgotten() {
        let pace = Pace::default();
        for n in 0..MAX_HOSTS + 10 {
            pace.turn(&n.to_string()).await.unwrap().end(Duration::ZERO);
        }
        assert!(pace.hosts.lock().unwrap().len() <= MAX_HOSTS);
    }
}
