//! What is counted of a tier as a whole. It outlives the tier: a reload may take one away and bring it back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Value lists that a tier got beyond the first target of their host, lane by lane: sent or lost, they were to be sent.
#[derive(Debug)]
pub struct Copies {
    /// The tier's name.
    pub tier: Arc<str>,
    lanes: Box<[Cell]>,
}

/// What one lane writes, in cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Cell(AtomicU64);

impl Copies {
    /// Nothing counted yet.
    pub fn new(tier: &str, lanes: usize) -> Self {
        Self { tier: tier.into(), lanes: (0..lanes).map(|_| Cell::default()).collect() }
    }

    /// Counts for a lane.
    pub fn add(&self, lane: usize, value_lists: u64) {
        self.lanes[lane].0.fetch_add(value_lists, Ordering::Release);
    }

    /// What all lanes have counted.
    pub fn count(&self) -> u64 {
        self.lanes.iter().map(|cell| cell.0.load(Ordering::Acquire)).sum()
    }
}
