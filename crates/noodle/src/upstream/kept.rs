//! Connections that are kept for the next request.
//!
//! A connection is kept only by who has found the answer that came by it to be the answer to what was asked: see
//! [`Used::keep`]. There are so many of all targets together, each for so long.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connection::Connection;

/// An unused connection is closed after this.
const IDLE: Duration = Duration::from_secs(30);

/// How many are kept of all targets together: each may have a full buffer.
const MOST: usize = 256;

/// The right to keep connections, which all targets share.
#[derive(Debug, Clone)]
pub struct Room(Arc<Semaphore>);

/// Those of one target, the longest unused first.
#[derive(Debug)]
pub(in crate::upstream) struct Kept {
    room: Room,
    connections: Mutex<Shelf>,
}

#[derive(Debug, Default)]
struct Shelf {
    idle: Vec<Idle>,
    /// Whether a task looks after those that nobody uses.
    is_looked_after: bool,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
    _room: OwnedSemaphorePermit,
}

/// A connection behind an answer.
#[derive(Debug)]
pub(in crate::upstream) struct Used {
    connection: Option<(Connection, Arc<Kept>)>,
    /// Whether another answer had come by it.
    pub(in crate::upstream) is_again: bool,
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

impl Kept {
    /// None yet.
    pub(in crate::upstream) fn new(room: Room) -> Arc<Self> {
        Arc::new(Self { room, connections: Mutex::default() })
    }

    /// The one that was used last, of those that have not ended.
    pub(in crate::upstream) fn take(&self) -> Option<Connection> {
        let mut shelf = self.shelf();
        while let Some(idle) = shelf.idle.pop() {
            if !idle.connection.has_ended() && idle.since.elapsed() < IDLE {
                return Some(idle.connection);
            }
        }
        None
    }

    fn put(self: &Arc<Self>, connection: Connection) {
        let Ok(room) = Arc::clone(&self.room.0).try_acquire_owned() else { return };
        if connection.has_ended() {
            return;
        }
        let mut shelf = self.shelf();
        shelf.idle.push(Idle { connection, since: Instant::now(), _room: room });
        if !shelf.is_looked_after {
            shelf.is_looked_after = true;
            tokio::spawn(look_after(Arc::downgrade(self)));
        }
    }

    /// Closes what nobody uses. Returns whether something is left.
    fn tidy(&self) -> bool {
        let mut shelf = self.shelf();
        shelf.idle.retain(|idle| !idle.connection.has_ended() && idle.since.elapsed() < IDLE);
        shelf.is_looked_after = !shelf.idle.is_empty();
        shelf.is_looked_after
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn look_after(kept: Weak<Kept>) {
    loop {
        tokio::time::sleep(IDLE / 4).await;
        if !kept.upgrade().is_some_and(|kept| kept.tidy()) {
            return;
        }
    }
}

impl Used {
    /// A connection that may be kept here, or is closed in any case.
    pub(in crate::upstream) fn new(connection: Connection, kept: Option<&Arc<Kept>>, is_again: bool) -> Self {
        Self { connection: kept.map(|kept| (connection, Arc::clone(kept))), is_again }
    }

    /// What came by it was the answer to what was asked, all of it: it may be asked again. Otherwise it is closed.
    pub(in crate::upstream) fn keep(self) {
        if let Some((connection, kept)) = self.connection {
            kept.put(connection);
        }
    }
}
