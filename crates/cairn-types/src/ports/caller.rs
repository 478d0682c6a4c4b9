//! Who waits for a computation: how urgent it is, and whether anybody still waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a computation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// A person waits.
    Query,
    /// Nobody does: it stands back behind queries.
    Bulk,
}

/// The caller of a computation. Clones are the same caller.
#[derive(Debug, Clone)]
pub struct Caller {
    urgency: Urgency,
    gone: Arc<AtomicBool>,
}

impl Caller {
    /// A caller that waits.
    #[must_use]
    pub fn new(urgency: Urgency) -> Self {
        Self {
            urgency,
            gone: Arc::new(AtomicBool::new(false)),
        }
    }

    /// What it asked for.
    #[must_use]
    pub fn urgency(&self) -> Urgency {
        self.urgency
    }

    /// Whether nobody waits any more: what is not begun need not be.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    /// Kept by the one who waits, beside the work: when it is dropped (with a future, say), the caller is gone.
    #[must_use]
    pub fn waiting(&self) -> Waiting {
        Waiting(self.gone.clone())
    }
}

/// See [`Caller::waiting`].
#[derive(Debug)]
pub struct Waiting(Arc<AtomicBool>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_gone_when_nobody_waits() {
        let caller = Caller::new(Urgency::Bulk);
        let same = caller.clone();
        let waiting = caller.waiting();
        assert!(!same.is_gone());
        drop(waiting);
        assert!(same.is_gone());
        assert_eq!(same.urgency(), Urgency::Bulk);
    }
}
