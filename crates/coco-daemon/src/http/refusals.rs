//! Clients that are told to come again before anybody has looked at what they ask for.

use std::sync::atomic::{AtomicU64, Ordering};

use coco_core::config::Program;

use crate::counters::{Definition, Snapshot};

static COCO: Definition = Definition::counter(&["coco", "errors", "api.refused"], REFUSED);
static NOODLE: Definition = Definition::counter(&["noodle", "errors", "api.refused"], REFUSED);
const REFUSED: &str = "Clients answered with 503 whatever they asked for: too many waited for a place, or too many sent more than 16 KiB at a time.";

/// The row of a program's table that counts them.
pub fn definition(program: Program) -> &'static Definition {
    match program {
        Program::Coco => &COCO,
        Program::Noodle => &NOODLE,
    }
}

/// Their number.
#[derive(Debug, Default)]
pub struct Refusals(AtomicU64);

impl Refusals {
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// So far.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Adds what was counted.
    pub fn add_to(&self, snapshot: &mut Snapshot, program: Program) {
        snapshot.add(definition(program), &[], self.count());
    }
}
