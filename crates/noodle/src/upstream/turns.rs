//! So many requests to one target at a time; others wait for their turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::budget::pace::Pace;

/// The places of one target.
#[derive(Debug)]
pub(super) struct Turns {
    places: Arc<Semaphore>,
    most: usize,
    /// Requests that wait for a place.
    waiting: AtomicUsize,
    pace: Arc<Pace>,
}

/// The right to ask a target once.
#[derive(Debug)]
pub struct Place {
    since: Instant,
    pace: Arc<Pace>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.pace.note(self.since);
    }
}

impl Turns {
    /// So many at a time.
    pub(super) fn new(most: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(most)),
            most,
            waiting: AtomicUsize::new(0),
            pace: Arc::default(),
        }
    }

    /// A place within so long; none at once where so many wait that it would be longer.
    pub(super) async fn place(&self, patience: Duration) -> Option<Place> {
        let place = |permit| Place { since: Instant::now(), pace: Arc::clone(&self.pace), _permit: permit };
        if let Ok(permit) = Arc::clone(&self.places).try_acquire_owned() {
            return Some(place(permit));
        }
        let waits = Waits::new(&self.waiting);
        if self.pace.wait(waits.number, self.most) > patience {
            return None;
        }
        let permit = tokio::time::timeout(patience, Arc::clone(&self.places).acquire_owned()).await;
        // Nothing closes the semaphore.
        permit.ok()?.ok().map(place)
    }
}

/// One of those who wait for a place.
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
