//! A budget of bytes for the documents that a run holds in memory at once.
//!
//! A document takes its share before its bytes are read and gives it back when it is published. It is let in when its share
//! fits, or when nothing else is held: so one document larger than the whole budget goes through alone. What a document turns
//! out to need is known after it was parsed; its share then changes without waiting (what came behind it may be waiting for
//! it), and the next ones wait until the sum is back within the limit. What is over the limit is thus bounded by what the
//! documents that are parsed at once unpack to.
//!
//! Shares are asked for one after the other, in the order of the documents: a later one that overtook an earlier one could
//! wait for it while it keeps it out.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Bytes that may be held.
#[derive(Debug)]
pub(crate) struct Budget {
    max_bytes: u64,
    held: Mutex<Held>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Held {
    now: u64,
    most: u64,
}

/// A share of a [`Budget`], given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    n_bytes: u64,
}

impl Budget {
    pub(crate) fn new(max_bytes: u64) -> Arc<Self> {
        Arc::new(Self {
            max_bytes,
            held: Mutex::default(),
            freed: Notify::new(),
        })
    }

    /// Waits until so many bytes fit. Not to be called again before it has answered.
    pub(crate) async fn take(self: Arc<Self>, n_bytes: u64) -> Share {
        while !self.try_hold(n_bytes) {
            self.freed.notified().await;
        }
        Share {
            budget: self,
            n_bytes,
        }
    }

    /// The most that was held at any time.
    pub(crate) fn most(&self) -> u64 {
        self.lock().most
    }

    fn try_hold(&self, n_bytes: u64) -> bool {
        let mut held = self.lock();
        let sum = held.now.saturating_add(n_bytes);
        let fits = held.now == 0 || sum <= self.max_bytes;
        if fits {
            held.now = sum;
            held.most = held.most.max(sum);
        }
        fits
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// Makes the share another size, at once.
    pub(crate) fn resize(&mut self, n_bytes: u64) {
        let mut held = self.budget.lock();
        held.now = (held.now - self.n_bytes).saturating_add(n_bytes);
        held.most = held.most.max(held.now);
        drop(held);
        self.n_bytes = n_bytes;
        self.budget.freed.notify_one();
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.resize(0);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn shares_wait_for_each_other_and_one_always_goes_through() {
        let budget = Budget::new(100);
        let take = |n| Box::pin(Arc::clone(&budget).take(n));
        let mut first = take(60).now_or_never().unwrap();
        let second = take(40).now_or_never().unwrap();
        let mut third = take(1);
        assert!((&mut third).now_or_never().is_none());
        // It grows past the limit without waiting.
        first.resize(500);
        drop(second);
        assert!((&mut third).now_or_never().is_none());
        drop(first);
        let third = third.now_or_never().unwrap();
        let mut huge = take(1_000);
        assert!((&mut huge).now_or_never().is_none());
        drop(third);
        drop(huge.now_or_never().unwrap());
        assert_eq!(budget.lock().now, 0);
        assert_eq!(budget.most(), 1_000);
    }
}
