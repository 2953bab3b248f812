//! Connections that are kept for the next request, whatever is spoken there.
//!
//! A connection is kept only by who has found the answer that came by it to be the answer to what was asked. There are so
//! many of all targets together, each for so long.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// An unused connection is closed after this.
const IDLE: Duration = Duration::from_secs(30);

/// How many are kept of all targets together: each may have a full buffer.
const MOST: usize = 256;

/// The right to keep connections, which all targets share.
#[derive(Debug, Clone)]
pub struct Room(Arc<Semaphore>);

/// A connection that may be used again.
pub(super) trait Reusable: Send + 'static {
    /// Whether it has not ended, and nothing came that nobody asked for.
    fn is_fit(&mut self) -> bool;
}

/// Those of one target, the longest unused first.
#[derive(Debug)]
pub(super) struct Kept<C> {
    room: Room,
    most: usize,
    connections: Mutex<Shelf<C>>,
}

#[derive(Debug)]
struct Shelf<C> {
    idle: Vec<Idle<C>>,
    /// Whether a task looks after those that nobody uses.
    is_looked_after: bool,
}

#[derive(Debug)]
struct Idle<C> {
    connection: C,
    since: Instant,
    _room: OwnedSemaphorePermit,
}

impl Room {
    /// For so many as Noodle keeps at most.
    pub fn new() -> Self {
        Self(Arc::new(Semaphore::new(MOST)))
    }
}

impl Default for Room {
    fn default() -> Self {
        Self::new()
    }
}

impl<C: Reusable> Kept<C> {
    /// None yet, and so many at most.
    pub(super) fn new(room: Room, most: usize) -> Arc<Self> {
        let shelf = Shelf { idle: Vec::new(), is_looked_after: false };
        Arc::new(Self { room, most, connections: Mutex::new(shelf) })
    }

    /// The one that was used last, of those that are fit.
    pub(super) fn take(&self) -> Option<C> {
        let mut shelf = self.shelf();
        while let Some(mut idle) = shelf.idle.pop() {
            if idle.is_fit() {
                return Some(idle.connection);
            }
        }
        None
    }

    /// What came by it was the answer to what was asked, all of it: it may be asked again, if there is room for it.
    pub(super) fn put(self: &Arc<Self>, mut connection: C) {
        if self.most == 0 || !connection.is_fit() {
            return;
        }
        let Ok(room) = Arc::clone(&self.room.0).try_acquire_owned() else { return };
        let mut shelf = self.shelf();
        if shelf.idle.len() >= self.most {
            return;
        }
        shelf.idle.push(Idle { connection, since: Instant::now(), _room: room });
        if !shelf.is_looked_after {
            shelf.is_looked_after = true;
            tokio::spawn(look_after(Arc::downgrade(self)));
        }
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.shelf().idle.len()
    }

    /// Closes what nobody uses. Returns whether something is left.
    fn tidy(&self) -> bool {
        let mut shelf = self.shelf();
        shelf.idle.retain_mut(Idle::is_fit);
        shelf.is_looked_after = !shelf.idle.is_empty();
        shelf.is_looked_after
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf<C>> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Reusable> Idle<C> {
    fn is_fit(&mut self) -> bool {
        self.since.elapsed() < IDLE && self.connection.is_fit()
    }
}

async fn look_after<C: Reusable>(kept: Weak<Kept<C>>) {
    loop {
        tokio::time::sleep(IDLE / 4).await;
        if !kept.upgrade().is_some_and(|kept| kept.tidy()) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Fake {
        is_fit: bool,
    }

    impl Reusable for Fake {
        fn is_fit(&mut self) -> bool {
            self.is_fit
        }
    }

    #[tokio::test]
    async fn connections_are_kept_within_the_room_of_all_targets_and_not_for_long() {
        let room = Room::new();
        let kept = [1, MOST].map(|most| Kept::new(room.clone(), most));
        for _ in 0..MOST {
            kept.iter().for_each(|kept| kept.put(Fake { is_fit: true }));
        }
        assert_eq!(kept.each_ref().map(|kept| kept.count()), [1, MOST - 1]);
        kept[0].put(Fake { is_fit: false });
        assert!(kept[0].take().is_some() && kept[0].take().is_none());
        for kept in &kept {
            kept.shelf().idle.iter_mut().for_each(|idle| idle.since -= IDLE);
        }
        assert!(kept.iter().all(|kept| !kept.tidy()));
        assert_eq!(kept.each_ref().map(|kept| kept.count()), [0, 0]);
        assert_eq!(room.0.available_permits(), MOST);
    }
}
