//! What the stages of a lane share with each other and with whoever looks at them.

use crate::counters::{LaneCounts, Queue};
use crate::routes::Routes;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One lane: listen, filter and send, which share nothing with other lanes on the hot path.
#[derive(Debug)]
pub struct Lane {
    /// Its number, from 0: where it counts what it does at an [`Outlet`](crate::outlet::Outlet).
    pub number: usize,
    /// What it counts.
    pub counts: LaneCounts,
    /// Value lists between listen and filter.
    pub raw: Queue,
    /// Value lists between filter and send.
    pub filtered: Queue,
    routes: Mutex<Routes>,
}

impl Lane {
    /// A lane that has seen nothing yet. `memory` bounds what it remembers, in bytes.
    pub fn new(number: usize, memory: usize) -> Self {
        Self {
            number,
            counts: LaneCounts::default(),
            raw: Queue::default(),
            filtered: Queue::default(),
            routes: Mutex::new(Routes::new(memory)),
        }
    }

    /// What it remembers. The filter holds this for a batch, a reader for a thousand metrics or so.
    pub fn routes(&self) -> MutexGuard<'_, Routes> {
        // A panic leaves the tables usable: at worst a metric is forgotten.
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
