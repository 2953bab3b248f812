//! So many requests to one target at a time; others wait for their turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::budget::pace::Pace;

/// The turns of one target.
#[derive(Debug)]
pub(super) struct Turns {
    turns: Arc<Semaphore>,
    most: usize,
    /// Requests that wait for a turn.
    waiting: AtomicUsize,
    pace: Arc<Pace>,
}

/// The right to ask a target once.
#[derive(Debug)]
pub struct Turn {
    since: Instant,
    pace: Arc<Pace>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.pace.note_turn(self.since);
    }
}

impl Turns {
    /// So many at a time.
    pub(super) fn new(most: usize) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(most)),
            most,
            waiting: AtomicUsize::new(0),
            pace: Arc::default(),
        }
    }

    /// A turn within so long; none at once where so many wait that it would be longer.
    pub(super) async fn turn(&self, patience: Duration) -> Option<Turn> {
        let turn = |permit| Turn { since: Instant::now(), pace: Arc::clone(&self.pace), _permit: permit };
        if let Ok(permit) = Arc::clone(&self.turns).try_acquire_owned() {
            return Some(turn(permit));
        }
        let waits = Waits::new(&self.waiting);
        if self.pace.wait(waits.number, self.most) > patience {
            return None;
        }
        let permit = tokio::time::timeout(patience, Arc::clone(&self.turns).acquire_owned()).await;
        // Nothing closes the semaphore.
        permit.ok()?.ok().map(turn)
    }
}

/// One of those who wait for a turn.
struct Waits<'a> {
    all: &'a AtomicUsize,
    /// How many there were with it when it came.
    number: usize,
}

impl<'a> Waits<'a> {
    fn new(all: &'a AtomicUsize) -> Self {
        Self { all, number: all.fetch_add(1, Ordering::Relaxed) + 1 }
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(1, Ordering::Relaxed);
    }
}
