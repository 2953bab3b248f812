//! What is lent, who waits for more, and who holds what for a client.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use coco_daemon::http::HangUp;
use tokio::sync::Notify;

/// Who holds memory for a client keeps it so long, whoever needs it: enough for an answer of any size in a network
/// that is not slow.
const GRACE: Duration = Duration::from_secs(1);

/// Of one budget.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    lent: usize,
    /// In the order in which they came.
    waiting: VecDeque<Arc<Waiter>>,
    /// In the order in which they began to hold.
    holders: BTreeMap<u64, Holder>,
    next_holder: u64,
    /// Bytes of holders that were told to go, and have not yet.
    leaving: usize,
}

/// Somebody who waits for bytes.
#[derive(Debug)]
pub(super) struct Waiter {
    bytes: usize,
    limit: usize,
    pub(super) is_served: Notify,
}

/// Who holds bytes until a client has taken them.
#[derive(Debug)]
struct Holder {
    bytes: usize,
    since: Instant,
    hang_up: HangUp,
}

impl Ledger {
    pub(super) fn lent(&self) -> usize {
        self.lent
    }

    /// Lends bytes at once. False where there are not enough.
    pub(super) fn lend(&mut self, bytes: usize, limit: usize) -> bool {
        let lent = self.lent.checked_add(bytes).filter(|lent| *lent <= limit);
        self.lent = lent.unwrap_or(self.lent);
        lent.is_some()
    }

    /// Lends bytes at once where nobody waits for some. False where somebody does, or there are not enough.
    pub(super) fn lend_to_first(&mut self, bytes: usize, limit: usize) -> bool {
        self.waiting.is_empty() && self.lend(bytes, limit)
    }

    /// Lends bytes at once, or in turn; then the waiter is told.
    pub(super) fn lend_in_turn(&mut self, bytes: usize, limit: usize) -> Option<Arc<Waiter>> {
        if self.lend_to_first(bytes, limit) {
            return None;
        }
        let waiter = Arc::new(Waiter { bytes, limit, is_served: Notify::new() });
        self.waiting.push_back(Arc::clone(&waiter));
        Some(waiter)
    }

    /// Takes bytes back, and serves who waits for them.
    pub(super) fn take_back(&mut self, bytes: usize) {
        self.lent -= bytes;
        self.serve();
    }

    /// Whoever does not wait any more. Returns whether it was served.
    pub(super) fn leave(&mut self, waiter: &Arc<Waiter>) -> bool {
        let place = self.waiting.iter().position(|waiting| Arc::ptr_eq(waiting, waiter));
        if let Some(place) = place {
            self.waiting.remove(place);
            // It may have stood before others who want less.
            self.serve();
        }
        place.is_none()
    }

    fn serve(&mut self) {
        while let Some(first) = self.waiting.front() {
            let (bytes, limit) = (first.bytes, first.limit);
            if !self.lend(bytes, limit) {
                return;
            }
            if let Some(served) = self.waiting.pop_front() {
                served.is_served.notify_one();
            }
        }
    }

    /// From now on these bytes, which are lent, are held for a client.
    pub(super) fn hold(&mut self, bytes: usize, hang_up: HangUp) -> u64 {
        self.next_holder += 1;
        self.holders.insert(self.next_holder, Holder { bytes, since: Instant::now(), hang_up });
        self.next_holder
    }

    /// The client has taken it, or is gone.
    pub(super) fn let_go(&mut self, holder: u64, bytes: usize) {
        if self.holders.remove(&holder).is_none() {
            self.leaving = self.leaving.saturating_sub(bytes);
        }
    }

    /// Lets go who holds longest, as many as those who wait need; returns when the next may be told to.
    pub(super) fn make_room(&mut self, now: Instant) -> Option<Instant> {
        let limit = self.waiting.front()?.limit;
        let wanted: usize = self.waiting.iter().map(|waiter| waiter.bytes).sum();
        while self.lent + wanted > limit + self.leaving {
            let first = self.holders.first_entry()?;
            let due = first.get().since + GRACE;
            if due > now {
                return Some(due);
            }
            let holder = first.remove();
            self.leaving += holder.bytes;
            holder.hang_up.now();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 100;

    #[test]
    fn who_waits_is_served_in_turn_and_nobody_overtakes() {
        let mut ledger = Ledger::default();
        assert!(ledger.lend_in_turn(90, LIMIT).is_none());
        let large = ledger.lend_in_turn(50, LIMIT).unwrap();
        let small = ledger.lend_in_turn(5, LIMIT).unwrap();
        ledger.take_back(30);
        assert_eq!(ledger.lent(), 60, "the large one is first");
        ledger.take_back(10);
        assert_eq!(ledger.lent(), 100);
        assert!(ledger.leave(&large), "served");
        assert!(!ledger.leave(&small));
        assert_eq!(ledger.waiting.len(), 0);
    }

    #[test]
    fn who_leaves_makes_room_for_those_behind() {
        let mut ledger = Ledger::default();
        assert!(ledger.lend(90, LIMIT));
        let large = ledger.lend_in_turn(50, LIMIT).unwrap();
        let small = ledger.lend_in_turn(5, LIMIT).unwrap();
        assert!(!ledger.leave(&large));
        assert!(ledger.leave(&small));
        assert_eq!(ledger.lent(), 95);
    }

    #[test]
    fn who_holds_longest_goes_as_far_as_others_need_it_and_not_at_once() {
        let mut ledger = Ledger::default();
        let hang_ups: Vec<_> = (0..3).map(|_| HangUp::default()).collect();
        for hang_up in &hang_ups {
            assert!(ledger.lend(30, LIMIT));
            ledger.hold(30, hang_up.clone());
        }
        let now = Instant::now();
        assert_eq!(ledger.make_room(now + GRACE), None, "nobody needs it");
        let waiter = ledger.lend_in_turn(50, LIMIT).unwrap();
        let due = ledger.make_room(now).expect("not at once");
        assert!(due <= now + GRACE);
        assert_eq!(ledger.make_room(now + 2 * GRACE), None);
        assert_eq!(ledger.leaving, 60, "two of them");
        assert_eq!(ledger.holders.len(), 1);
        assert_eq!(ledger.make_room(now + 2 * GRACE), None, "enough are on their way");
        for holder in 1..=2 {
            ledger.let_go(holder, 30);
            ledger.take_back(30);
        }
        assert!(ledger.leave(&waiter));
        assert_eq!((ledger.lent(), ledger.leaving), (80, 0));
    }
}
