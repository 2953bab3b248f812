//! The counts of a target of a tier. They outlive the target: a reload may take one away and bring it back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::counters::OutletCells;
use crate::share::LaneId;

/// The counts of all lanes of one target of one tier.
#[derive(Debug)]
pub struct OutletCounts {
    /// The tier's name.
    pub tier: Arc<str>,
    /// The target as configured.
    pub target: Arc<str>,
    lanes: Box<[OutletCells]>,
    dial_errors: AtomicU64,
}

impl OutletCounts {
    /// Nothing counted yet.
    pub fn new(tier: &str, target: &str, lanes: usize) -> Self {
        Self {
            tier: tier.into(),
            target: target.into(),
            lanes: (0..lanes).map(|_| OutletCells::default()).collect(),
            dial_errors: AtomicU64::new(0),
        }
    }

    /// Whether it is of this target of this tier.
    pub fn is_of(&self, tier: &str, target: &str) -> bool {
        *self.tier == *tier && *self.target == *target
    }

    /// Where a lane counts.
    #[inline]
    pub fn lane(&self, lane: LaneId) -> &OutletCells {
        &self.lanes[lane.number()]
    }

    /// The counts of all lanes.
    pub fn lanes(&self) -> &[OutletCells] {
        &self.lanes
    }

    /// Counts an attempt to resolve or to connect that failed.
    pub fn dial_failed(&self) {
        self.dial_errors.fetch_add(1, Ordering::Relaxed);
    }

    /// Attempts to resolve or to connect that have failed.
    pub fn dial_errors(&self) -> u64 {
        self.dial_errors.load(Ordering::Relaxed)
    }
}
