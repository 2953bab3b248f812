//! What the stages of a lane share with each other and with whoever looks at them.

use crate::counters::{LaneCounts, OutletCounts, Queue};
use crate::routes::Routes;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// One lane: listen, filter and send, which share nothing with other lanes on the hot path.
#[derive(Debug)]
pub struct Lane {
    /// What it counts.
    pub counts: LaneCounts,
    /// What it counts for each outlet, in the order of [`Outlets`](crate::outlets::Outlets).
    pub outlets: Box<[Outlet]>,
    /// Value lists between listen and filter.
    pub raw: Queue,
    /// Value lists between filter and send.
    pub filtered: Queue,
    routes: Mutex<Routes>,
}

/// A lane's side of a target of a tier.
#[derive(Debug, Default)]
pub struct Outlet {
    /// What is counted.
    pub counts: OutletCounts,
}

impl Lane {
    /// A lane that has seen nothing yet. `memory` bounds what it remembers, in bytes.
    pub fn new(outlets: usize, memory: usize) -> Self {
        Self {
            counts: LaneCounts::default(),
            outlets: (0..outlets).map(|_| Outlet::default()).collect(),
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
