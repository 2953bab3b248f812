//! How long a turn takes, to say at once when a queue is too long.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How much a turn weighs against all before: one in eight.
const WEIGHT: u64 = 8;

/// The mean of the last turns.
#[derive(Debug, Default)]
pub struct Pace(AtomicU64);

impl Pace {
    /// A turn that began then is over.
    pub fn note_turn(&self, since: Instant) {
        let took = u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1);
        let mean = self.0.load(Ordering::Relaxed);
        // Turns that end at the same time may overlook each other, which a mean survives.
        let mean = if mean == 0 { took } else { mean - mean / WEIGHT + took / WEIGHT };
        self.0.store(mean, Ordering::Relaxed);
    }

    /// How long the last of `waiting` waits where `at_once` have their turns at the same time. No time as long as
    /// nothing is known.
    pub fn wait(&self, waiting: usize, at_once: usize) -> Duration {
        let mean = u128::from(self.0.load(Ordering::Relaxed));
        let nanoseconds = mean * waiting as u128 / at_once.max(1) as u128;
        Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_waits_for_all_before_it() {
        let pace = Pace::default();
        assert_eq!(pace.wait(1_000_000, 1), Duration::ZERO);
        let second = Instant::now() - Duration::from_secs(1);
        pace.note_turn(second);
        let about = |wait: Duration, seconds: f64| (wait.as_secs_f64() / seconds - 1.0).abs() < 0.2;
        assert!(about(pace.wait(64, 64), 1.0) && about(pace.wait(320, 64), 5.0));
        for _ in 0..100 {
            pace.note_turn(second - Duration::from_secs(1));
        }
        assert!(about(pace.wait(1, 1), 2.0));
    }
}
