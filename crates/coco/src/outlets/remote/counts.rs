//! The counts of an engine.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use coco_daemon::latency::Histogram;
use remote_write::queue::{SampleDrop, Tally};
use remote_write::sample::ListDrop;

/// Cells that the thread of an engine writes, and lanes where they drop. In value lists, all that were to be sent are
/// queued, dropped by reason, or handed over and not looked at yet. In samples, all that were queued are delivered, dropped
/// by reason, or wait.
#[derive(Debug)]
pub struct RemoteCounts {
    queued_lists: AtomicU64,
    dropped_lists: [AtomicU64; ListDrop::ALL.len()],
    queued: AtomicU64,
    delivered: AtomicU64,
    dropped: [AtomicU64; SampleDrop::ALL.len()],
    notifications: AtomicU64,
    requests: AtomicU64,
    retries: AtomicU64,
    panics: AtomicU64,
    waiting: AtomicU64,
    oldest_age: AtomicU64,
    bytes: AtomicU64,
    series: AtomicU64,
    blocked: AtomicBool,
    /// Durations of requests.
    pub latency: Histogram,
    problem: std::sync::Mutex<Option<&'static str>>,
}

/// The samples that wait, with their age and memory.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Waiting {
    pub(super) samples: usize,
    pub(super) oldest_age: Duration,
    pub(super) bytes: usize,
    pub(super) series: usize,
}

impl Default for RemoteCounts {
    fn default() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            queued_lists: zero(),
            dropped_lists: std::array::from_fn(|_| zero()),
            queued: zero(),
            delivered: zero(),
            dropped: std::array::from_fn(|_| zero()),
            notifications: zero(),
            requests: zero(),
            retries: zero(),
            panics: zero(),
            waiting: zero(),
            oldest_age: zero(),
            bytes: zero(),
            series: zero(),
            blocked: AtomicBool::new(false),
            latency: Histogram::default(),
            problem: std::sync::Mutex::default(),
        }
    }
}

fn get(cell: &AtomicU64) -> u64 {
    cell.load(Ordering::Acquire)
}

fn add(cell: &AtomicU64, by: u64) {
    if by > 0 {
        cell.fetch_add(by, Ordering::Release);
    }
}

impl RemoteCounts {
    pub(super) fn drop_lists(&self, lists: u64) {
        add(&self.dropped_lists[ListDrop::Full as usize], lists);
    }

    pub(super) fn drop_notifications(&self, notifications: u64) {
        add(&self.notifications, notifications);
    }

    pub(super) fn asked(&self, again: bool) {
        add(&self.requests, 1);
        add(&self.retries, u64::from(again));
    }

    /// Takes over what a queue has counted, and what waits in it.
    pub(super) fn publish(&self, tally: &Tally, waiting: Waiting) {
        // What is queued first, so that no more is seen done than was queued.
        add(&self.queued, tally.queued);
        add(&self.delivered, tally.delivered);
        self.dropped.iter().zip(tally.dropped).for_each(|(cell, by)| add(cell, by));
        add(&self.queued_lists, tally.queued_lists);
        self.dropped_lists.iter().zip(tally.dropped_lists).for_each(|(cell, by)| add(cell, by));
        self.waiting.store(waiting.samples as u64, Ordering::Release);
        self.oldest_age.store(waiting.oldest_age.as_secs(), Ordering::Release);
        self.bytes.store(waiting.bytes as u64, Ordering::Release);
        self.series.store(waiting.series as u64, Ordering::Release);
    }

    /// The thread of the engine has panicked: all that waited is lost, and so many value lists that it had in hand.
    pub(super) fn panicked(&self, lists: u64) {
        add(&self.panics, 1);
        add(&self.dropped_lists[ListDrop::Panic as usize], lists);
        let done = get(&self.delivered) + self.dropped.iter().map(get).sum::<u64>();
        add(&self.dropped[SampleDrop::Panic as usize], get(&self.queued).saturating_sub(done));
        let gauges = [&self.waiting, &self.oldest_age, &self.bytes, &self.series];
        gauges.iter().for_each(|cell| cell.store(0, Ordering::Release));
    }

    /// Takes note of how it is: what is wrong with it, and whether an operator has to mend it. Whether that is news.
    pub(super) fn set_problem(&self, problem: Option<&'static str>, blocked: bool) -> bool {
        self.blocked.store(blocked, Ordering::Release);
        let mut known = self.problem.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        std::mem::replace(&mut *known, problem) != problem
    }

    /// The problem that keeps samples from the engine, if there is one.
    pub fn problem(&self) -> Option<&'static str> {
        *self.problem.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Value lists that became samples.
    pub fn queued_lists(&self) -> u64 {
        get(&self.queued_lists)
    }

    /// Value lists that did not, by reason.
    pub fn dropped_lists(&self, why: ListDrop) -> u64 {
        get(&self.dropped_lists[why as usize])
    }

    /// Samples that value lists became.
    pub fn queued(&self) -> u64 {
        get(&self.queued)
    }

    /// Samples that the engine has.
    pub fn delivered(&self) -> u64 {
        get(&self.delivered)
    }

    /// Samples that it will not have, by reason.
    pub fn dropped(&self, why: SampleDrop) -> u64 {
        get(&self.dropped[why as usize])
    }

    /// Notifications, which engines don't take.
    pub fn notifications(&self) -> u64 {
        get(&self.notifications)
    }

    /// Requests.
    pub fn requests(&self) -> u64 {
        get(&self.requests)
    }

    /// Requests for what was sent before.
    pub fn retries(&self) -> u64 {
        get(&self.retries)
    }

    /// Panics of its thread, each of which cost what waited.
    pub fn panics(&self) -> u64 {
        get(&self.panics)
    }

    /// Samples that wait.
    pub fn waiting(&self) -> u64 {
        get(&self.waiting)
    }

    /// For how many seconds the oldest of them has.
    pub fn oldest_age(&self) -> u64 {
        get(&self.oldest_age)
    }

    /// Bytes of what waits and of what is known of series.
    pub fn bytes(&self) -> u64 {
        get(&self.bytes)
    }

    /// Series that are known.
    pub fn series(&self) -> u64 {
        get(&self.series)
    }

    /// Whether an operator has to mend something.
    pub fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Acquire)
    }
}
