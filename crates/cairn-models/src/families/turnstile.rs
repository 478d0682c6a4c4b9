//! First come, first served: who waits for the processor gets it in the order of asking.
//!
//! A plain mutex lets the one that has just left in again; a question would wait for the whole of a long ingest.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
struct Numbers {
    /// The next number to be drawn.
    next: u64,
    /// The number whose turn it is.
    now: u64,
}

/// Lets one through at a time.
#[derive(Debug, Default)]
pub(super) struct Turnstile {
    numbers: Mutex<Numbers>,
    turned: Condvar,
}

impl Turnstile {
    /// Runs `work` when it is its turn. A panic in it gives the turn on.
    pub(super) fn pass<T>(&self, work: impl FnOnce() -> T) -> T {
        let mut numbers = self.lock();
        let mine = numbers.next;
        numbers.next += 1;
        while numbers.now != mine {
            numbers = self
                .turned
                .wait(numbers)
                .unwrap_or_else(PoisonError::into_inner);
        }
        drop(numbers);
        let _turn = Turn(self);
        work()
    }

    fn lock(&self) -> MutexGuard<'_, Numbers> {
        // Two numbers that are only counted up: a panic elsewhere leaves them whole.
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Turn<'a>(&'a Turnstile);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.lock().now += 1;
        self.0.turned.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn one_at_a_time_and_never_stuck() {
        let (turnstile, inside, passed) = (
            Turnstile::default(),
            AtomicUsize::new(0),
            AtomicUsize::new(0),
        );
        std::thread::scope(|scope| {
            for i in 0..8 {
                let (turnstile, inside, passed) = (&turnstile, &inside, &passed);
                scope.spawn(move || {
                    for _ in 0..50 {
                        turnstile.pass(|| {
                            assert_eq!(
                                inside.fetch_add(1, Ordering::SeqCst),
                                0,
                                "{i} is not alone"
                            );
                            inside.fetch_sub(1, Ordering::SeqCst);
                            passed.fetch_add(1, Ordering::SeqCst);
                        });
                    }
                });
            }
        });
        assert_eq!(passed.into_inner(), 400);
        let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            turnstile.pass(|| assert_eq!(1, 2, "on purpose"));
        }));
        assert!(failed.is_err());
        assert_eq!(turnstile.pass(|| 7), 7);
    }
}
