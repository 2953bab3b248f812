//! The cells that lanes count in: what is counted of a lane, of an outlet, of a queue.

use std::sync::atomic::{AtomicU64, Ordering};

use coco_core::wire::{ListRefusal, Malformed, NotificationRefusal};

use super::{ByReason, Count, OutletCount, Unwelcome};

/// Cells that one stage writes and anyone reads.
#[derive(Debug)]
struct Cells<const N: usize>([AtomicU64; N]);

impl<const N: usize> Default for Cells<N> {
    fn default() -> Self {
        Self([const { AtomicU64::new(0) }; N])
    }
}

impl<const N: usize> Cells<N> {
    fn add(&self, cell: usize, count: u64) {
        if count > 0 {
            self.0[cell].fetch_add(count, Ordering::Release);
        }
    }

    fn get(&self, cell: usize) -> u64 {
        self.0[cell].load(Ordering::Acquire)
    }
}

/// The counts of one lane.
#[derive(Debug, Default)]
pub struct LaneCounts {
    counts: Cells<{ Count::ALL.len() }>,
    malformed: Cells<{ Malformed::ALL.len() }>,
    incomplete: Cells<{ ListRefusal::ALL.len() }>,
    refused_notifications: Cells<{ NotificationRefusal::ALL.len() }>,
    refused: Cells<{ Unwelcome::ALL.len() }>,
}

impl LaneCounts {
    /// Counts.
    pub fn add(&self, count: Count, by: u64) {
        self.counts.add(count as usize, by);
    }

    /// The count so far.
    pub fn get(&self, count: Count) -> u64 {
        self.counts.get(count as usize)
    }

    /// Counts one by its reason.
    pub fn add_reason(&self, reason: ByReason) {
        self.by_reason(reason).fetch_add(1, Ordering::Release);
    }

    /// The count of a reason so far.
    pub fn get_reason(&self, reason: ByReason) -> u64 {
        self.by_reason(reason).load(Ordering::Acquire)
    }

    fn by_reason(&self, reason: ByReason) -> &AtomicU64 {
        match reason {
            ByReason::Malformed(reason) => &self.malformed.0[reason as usize],
            ByReason::Incomplete(reason) => &self.incomplete.0[reason as usize],
            ByReason::RefusedNotification(reason) => &self.refused_notifications.0[reason as usize],
            ByReason::Refused(reason) => &self.refused.0[reason as usize],
        }
    }
}

/// The counts of one lane for one target of one tier. Those of several lanes stand side by side, so each has cache
/// lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct OutletCells(Cells<{ OutletCount::ALL.len() }>);

impl OutletCells {
    /// Counts.
    pub fn add(&self, count: OutletCount, by: u64) {
        self.0.add(count as usize, by);
    }

    /// The count so far.
    pub fn get(&self, count: OutletCount) -> u64 {
        self.0.get(count as usize)
    }
}

/// Value lists in a queue, as what went in less what came out.
#[derive(Debug, Default)]
pub struct Queue {
    entered: AtomicU64,
    left: AtomicU64,
}

impl Queue {
    /// Counts value lists put in.
    pub fn enter(&self, value_lists: u64) {
        self.entered.fetch_add(value_lists, Ordering::Relaxed);
    }

    /// Counts value lists taken out.
    pub fn leave(&self, value_lists: u64) {
        self.left.fetch_add(value_lists, Ordering::Release);
    }

    /// Value lists that wait.
    pub fn waiting(&self) -> u64 {
        // Leavings are read first: each has entered before.
        let left = self.left.load(Ordering::Acquire);
        self.entered.load(Ordering::Relaxed).saturating_sub(left)
    }
}
