//! What the stages of a lane share with each other and with whoever looks at them.

use crate::counters::{LaneCounts, Queue};
use crate::routes::Routes;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
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
    /// Bytes that `routes` may take.
    memory: AtomicUsize,
    routes: Mutex<Routes>,
    /// How much it remembers.
    pub remembered: Remembered,
}

/// How much a lane remembered when its routes were let go the last time: nobody waits for whoever holds them.
#[derive(Debug, Default)]
pub struct Remembered {
    /// Bytes that it takes.
    pub bytes: AtomicU64,
    /// How many hosts.
    pub hosts: AtomicU64,
    /// How many metrics of them all.
    pub metrics: AtomicU64,
}

impl Lane {
    /// A lane that has seen nothing yet. `memory` bounds what it remembers, in bytes.
    pub fn new(number: usize, memory: usize) -> Self {
        Self {
            number,
            counts: LaneCounts::default(),
            raw: Queue::default(),
            filtered: Queue::default(),
            memory: memory.into(),
            routes: Mutex::new(Routes::new(memory)),
            remembered: Remembered::default(),
        }
    }

    /// What it remembers. The filter holds this for a batch, a reader for some thousand metrics.
    pub fn routes(&self) -> RoutesGuard<'_> {
        // A panic leaves the tables usable: at worst a metric is forgotten.
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        routes.set_limit(self.memory.load(Ordering::Relaxed));
        RoutesGuard { routes, remembered: &self.remembered }
    }

    /// Bounds what it remembers from its next batch on, in bytes. What is there stays until it expires. Waits for no one.
    pub fn set_memory(&self, memory: usize) {
        self.memory.store(memory, Ordering::Relaxed);
    }
}

/// The routes of a lane, held.
#[derive(Debug)]
pub struct RoutesGuard<'a> {
    routes: MutexGuard<'a, Routes>,
    remembered: &'a Remembered,
}

impl Deref for RoutesGuard<'_> {
    type Target = Routes;

    fn deref(&self) -> &Routes {
        &self.routes
    }
}

impl DerefMut for RoutesGuard<'_> {
    fn deref_mut(&mut self) -> &mut Routes {
        &mut self.routes
    }
}

impl Drop for RoutesGuard<'_> {
    fn drop(&mut self) {
        let Remembered { bytes, hosts, metrics } = self.remembered;
        bytes.store(self.routes.used() as u64, Ordering::Relaxed);
        hosts.store(self.routes.hosts() as u64, Ordering::Relaxed);
        metrics.store(self.routes.metrics() as u64, Ordering::Relaxed);
    }
}
