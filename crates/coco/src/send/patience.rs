//! The time that a lane waits for a target whose socket's buffer is full.
//!
//! A burst may fill a buffer that is empty again a moment later, so it is worth to wait a little. While a lane waits,
//! it sends to nobody else. So a target that goes on being full has its wait used up soon: then it is tried once a
//! batch, and what it does not take is lost to it alone.

use std::time::{Duration, Instant};

/// The longest wait at a time.
const AT_ONCE: Duration = Duration::from_millis(10);

/// A lane waits for a target no more than one part in so many of its time.
const SHARE: u32 = 100;

/// The time that a lane may still wait for one target. Whoever asks says what time it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Time waited and not yet made up for, as of `since`.
    debt: Duration,
    since: Instant,
}

impl Patience {
    /// Nothing was waited yet.
    pub(super) fn new(now: Instant) -> Self {
        Self { debt: Duration::ZERO, since: now }
    }

    /// The wait that is allowed now.
    pub(super) fn left(&mut self, now: Instant) -> Duration {
        self.debt = self.debt.saturating_sub(now.saturating_duration_since(self.since) / SHARE);
        self.since = now;
        AT_ONCE.saturating_sub(self.debt)
    }

    /// So much was waited, be it more than was left.
    pub(super) fn spend(&mut self, waited: Duration) {
        self.debt += waited;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_buffer_that_is_full_now_and_then_gets_all_of_it_each_time() {
        let mut now = Instant::now();
        let mut patience = Patience::new(now);
        for _ in 0..100 {
            assert_eq!(patience.left(now), AT_ONCE);
            patience.spend(AT_ONCE);
            assert_eq!(patience.left(now), Duration::ZERO);
            now += SHARE * AT_ONCE;
        }
    }

    proptest! {
        /// Whenever and however long a lane waits, late as it may wake up: behind any moment it has waited 10 ms and a
        /// hundredth of the time since, and its last wake-up.
        #[test]
        fn a_target_costs_a_hundredth_of_the_time(steps in proptest::collection::vec((0..5_000_u64, 0..400_u64), 1..300)) {
            let mut now = Instant::now();
            let mut patience = Patience::new(now);
            let mut waits = Vec::new();
            for (busy, late) in steps {
                now += Duration::from_micros(busy);
                let left = patience.left(now);
                if left > Duration::ZERO {
                    let waited = left / 2 + Duration::from_micros(late);
                    patience.spend(waited);
                    waits.push((now, waited));
                    now += waited;
                }
            }
            let latest = Duration::from_micros(400);
            for (index, (start, _)) in waits.iter().enumerate() {
                let waited: Duration = waits[index..].iter().map(|(_, waited)| *waited).sum();
                prop_assert!(waited <= AT_ONCE + latest + (now - *start) / SHARE + Duration::from_micros(1));
            }
        }
    }
}
