//! The counts of a tier as a whole. They outlive the tier: a reload may take one away and bring it back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::share::LaneId;

/// Value lists that were written to the targets of a tier: sent or lost, they were to be sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// To those that own their host, or will once it has come there.
    pub owners: u64,
    /// To those that own it no longer once it has left.
    pub former: u64,
}

/// Value lists for the targets of a tier, lane by lane, and how many of them are further copies.
#[derive(Debug)]
pub struct Copies {
    /// The tier's name.
    pub tier: Arc<str>,
    lanes: Box<[Cells]>,
}

/// The counts of one lane, in cache lines of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Cells {
    beyond_first: AtomicU64,
    owners: AtomicU64,
    former: AtomicU64,
}

impl Copies {
    /// Nothing counted yet.
    pub fn new(tier: &str, lanes: usize) -> Self {
        Self { tier: tier.into(), lanes: (0..lanes).map(|_| Cells::default()).collect() }
    }

    /// Counts for a lane what was written of so many value lists.
    pub fn add(&self, lane: LaneId, accepted: u64, written: Written) {
        let add = |cell: &AtomicU64, value_lists: u64| {
            if value_lists > 0 {
                cell.fetch_add(value_lists, Ordering::Release);
            }
        };
        let Cells { beyond_first, owners, former } = &self.lanes[lane.number()];
        add(beyond_first, (written.owners + written.former).saturating_sub(accepted));
        add(owners, written.owners);
        add(former, written.former);
    }

    /// Value lists beyond the first target of each host, of all lanes.
    pub fn count(&self) -> u64 {
        self.sum(|cells| &cells.beyond_first)
    }

    /// Value lists by capacity of the target, of all lanes.
    pub fn written(&self) -> Written {
        Written { owners: self.sum(|cells| &cells.owners), former: self.sum(|cells| &cells.former) }
    }

    fn sum(&self, of: impl Fn(&Cells) -> &AtomicU64) -> u64 {
        self.lanes.iter().map(|cells| of(cells).load(Ordering::Acquire)).sum()
    }
}
