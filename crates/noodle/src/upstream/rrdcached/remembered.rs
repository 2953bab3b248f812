//! What targets said a moment ago: rows, since a wall of dashboards asks for the same again and again and rrdcached 1.7.2
//! loses 32 bytes with each answer, and lists of files.
//!
//! What all targets said has one place, and takes no more than a part of the budget together, of which it is lent; what is
//! too old is given back, whether its target is asked again or not.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::rows::{Cached, Rows};
use super::shelf::Shelf;
use super::tree::{File, Listed, Name};
use crate::budget::{Budget, Reservation};

/// What part of the budget all of it takes at most.
const PART: usize = 8;

/// What is remembered of all targets.
#[derive(Debug, Default)]
pub struct Remembered {
    /// By target, file and length of the window.
    pub(super) rows: Shelf<(u64, Cached), Rows>,
    /// By target and host.
    pub(super) files: Shelf<(u64, Name), Arc<Listed<File>>>,
    part: Part,
    targets: AtomicU64,
}

/// The part of the budget, which shelves share.
#[derive(Debug)]
pub(super) struct Part(Budget);

impl Default for Part {
    fn default() -> Self {
        Self(Budget::new(0))
    }
}

impl Remembered {
    /// A number for a target, which no other has.
    pub(super) fn target(&self) -> u64 {
        self.targets.fetch_add(1, Ordering::Relaxed)
    }

    /// So many bytes of the part, if there is room: what is too old goes first.
    pub(super) fn part(&self, bytes: usize, budget: &Budget) -> Option<Reservation> {
        let part = self.part.0.with_limit(budget.limit() / PART);
        if let Ok(lent) = part.reserve(bytes) {
            return Some(lent);
        }
        self.rows.tidy();
        self.files.tidy();
        part.reserve(bytes).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::shelf::EACH;
    use super::*;

    fn listed() -> Arc<Listed<File>> {
        Arc::new(Listed::nothing(Instant::now(), Budget::new(0).nothing()))
    }

    /// Each was given a part of its own, and what was too old stayed as long as its target was not asked.
    #[test]
    fn all_targets_together_take_one_part_and_what_is_too_old_is_given_back() {
        let (remembered, budget) = (Remembered::default(), Budget::new(PART * 10 * EACH));
        let (first, second) = (remembered.target(), remembered.target());
        let now = Instant::now();
        let put = |target: u64, name: u8, until: Instant| {
            let part = remembered.part(EACH, &budget)?;
            remembered.files.put(
                (target, [name].into()),
                listed(),
                until,
                [part, budget.reserve(EACH).ok()?],
            );
            Some(())
        };
        let later = now + Duration::from_secs(60);
        let kept = (0..20).filter(|name| put(first, *name, later).is_some()).count();
        assert_eq!((kept, budget.lent()), (10, 10 * EACH));
        assert!(put(second, 0, later).is_none(), "it is the same part");
        assert!(remembered.files.get(&(first, [9].into())).is_some());
        assert!(remembered.files.get(&(second, [9].into())).is_none());
        remembered.files.grow_old();
        assert!(put(second, 0, later).is_some(), "there is room again");
        assert_eq!(budget.lent(), EACH);
        assert!(remembered.files.get(&(first, [9].into())).is_none());
        drop(remembered);
        assert_eq!(budget.lent(), 0);
    }
}
