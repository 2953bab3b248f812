//! The order in which connections have to go: the longest idle; where none is idle, those that do not take what we
//! send, and then those that take too long over an answer.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Nothing panics while it holds one of the locks, so what they guard is whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The time that others wait for a place that somebody holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// With who does nothing.
    pub(super) idle: Duration,
    /// With who takes nothing of what we send.
    pub(super) stalled: Duration,
    /// With who is busy for any reason.
    pub(super) busy: Duration,
}

#[derive(Default)]
pub(super) struct Table {
    /// Connections that count against the limit.
    pub(super) open: usize,
    /// Those without a request in progress, in the order in which they became idle, and when that was.
    pub(super) idle: BTreeMap<u64, (Instant, Arc<Ticket>)>,
    /// Those with one, in the order in which it began, and when that was.
    pub(super) busy: BTreeMap<u64, (Instant, Arc<Ticket>)>,
    /// Becoming idle or busy is what orders connections; a clock would not order two of one moment.
    next_turn: u64,
}

/// The words between the table and a connection.
#[derive(Default)]
pub(super) struct Ticket {
    pub(super) evicted: Arc<Notify>,
    /// Since when the client takes nothing of what we send.
    pub(super) stalled: Mutex<Option<Instant>>,
}

impl Table {
    pub(super) fn become_idle(&mut self, ticket: &Arc<Ticket>) -> u64 {
        let turn = self.turn();
        self.idle.insert(turn, (Instant::now(), Arc::clone(ticket)));
        turn
    }

    pub(super) fn become_busy(&mut self, ticket: &Arc<Ticket>) -> u64 {
        let turn = self.turn();
        self.busy.insert(turn, (Instant::now(), Arc::clone(ticket)));
        turn
    }

    fn turn(&mut self) -> u64 {
        self.next_turn += 1;
        self.next_turn
    }

    fn stalled_longest(&self) -> Option<(Instant, u64)> {
        let stalled =
            |(&turn, (_, ticket)): (&u64, &(Instant, Arc<Ticket>))| Some(((*lock(&ticket.stalled))?, turn));
        self.busy.iter().filter_map(stalled).min()
    }

    /// When somebody may have been idle or busy, or have stalled, for too long.
    pub(super) fn next_look(&self, patience: Patience, now: Instant) -> Instant {
        let idle = self.idle.values().next().map(|(since, _)| *since + patience.idle);
        let stalled = self.stalled_longest().map(|(since, _)| since + patience.stalled);
        let busy = self.busy.values().next().map(|(since, _)| *since + patience.busy);
        // Whoever stalls from now on tells nobody.
        let others = now + patience.stalled;
        [idle, stalled, busy].into_iter().flatten().fold(others, Instant::min)
    }

    /// Has one leave who has tried this patience; false where nobody has.
    pub(super) fn evict(&mut self, patience: Patience, now: Instant) -> bool {
        self.evict_longest_idle(patience.idle, now)
            || self.evict_longest_stalled(patience.stalled, now)
            || self.evict_longest_busy(patience.busy, now)
    }

    pub(super) fn evict_longest_idle(&mut self, patience: Duration, now: Instant) -> bool {
        let Some(longest) = self.idle.first_entry().filter(|entry| entry.get().0 + patience <= now) else {
            return false;
        };
        longest.remove().1.evicted.notify_one();
        self.open -= 1;
        true
    }

    fn evict_longest_stalled(&mut self, patience: Duration, now: Instant) -> bool {
        match self.stalled_longest() {
            Some((since, turn)) if since + patience <= now => self.evict_busy(turn),
            _ => false,
        }
    }

    fn evict_longest_busy(&mut self, patience: Duration, now: Instant) -> bool {
        match self.busy.first_key_value() {
            Some((&turn, &(since, _))) if since + patience <= now => self.evict_busy(turn),
            _ => false,
        }
    }

    fn evict_busy(&mut self, turn: u64) -> bool {
        let Some((_, ticket)) = self.busy.remove(&turn) else {
            return false;
        };
        self.open -= 1;
        ticket.evicted.notify_one();
        true
    }
}
