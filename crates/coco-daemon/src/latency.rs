//! How long something takes, so that the error of a quantile is known beforehand.
//!
//! Bounds are log-linear: two significant digits, 90 bounds a decade, from 1 ms to 10 s (1.0, 1.1, ... 9.9, 10, 11,
//! ... 99, 100, 110, ...). A quantile is the bound above it, so it is never too low and at most a tenth too high.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value as Json, json};

/// Bounds from one power of ten to the next.
const PER_DECADE: usize = 90;

/// From 1 ms to 10 s, both included.
const BOUNDS: usize = 4 * PER_DECADE + 1;

/// A bound in microseconds.
const fn bound(index: usize) -> u64 {
    (10 + index % PER_DECADE) as u64 * 100 * 10_u64.pow((index / PER_DECADE) as u32)
}

const MICROSECONDS: [u64; BOUNDS] = {
    let mut bounds = [0; BOUNDS];
    let mut index = 0;
    while index < BOUNDS {
        bounds[index] = bound(index);
        index += 1;
    }
    bounds
};

/// What is measured, in cells that anyone may count in.
#[derive(Debug)]
pub struct Histogram {
    /// By bound; the last is for what is above all bounds.
    counts: [AtomicU64; BOUNDS + 1],
    microseconds: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [const { AtomicU64::new(0) }; BOUNDS + 1], microseconds: AtomicU64::new(0) }
    }
}

impl Histogram {
    /// Counts one duration.
    pub fn record(&self, duration: Duration) {
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let index = MICROSECONDS.partition_point(|bound| *bound < microseconds);
        self.counts[index].fetch_add(1, Ordering::Relaxed);
        self.microseconds.fetch_add(microseconds, Ordering::Relaxed);
    }

    /// What has been counted.
    pub fn distribution(&self) -> Distribution {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        Distribution { counts, microseconds: self.microseconds.load(Ordering::Relaxed) }
    }
}

/// A [`Histogram`] at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    counts: Box<[u64]>,
    microseconds: u64,
}

impl Distribution {
    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All of them together, in seconds.
    pub fn sum(&self) -> f64 {
        seconds(self.microseconds)
    }

    /// The bound, in seconds, that at least this share of the durations stay below; infinite for what is above
    /// all bounds, none when nothing was counted.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let count = self.count();
        let rank = ((share * count as f64).ceil() as u64).max(1);
        let (bound, _) = self.buckets().find(|(_, below)| *below >= rank)?;
        (count > 0).then_some(bound)
    }

    /// Each bound in seconds, the infinite one last, with the number of durations up to it.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        let bounds = MICROSECONDS.iter().map(|bound| seconds(*bound)).chain([f64::INFINITY]);
        bounds.zip(self.counts.iter()).scan(0, |below, (bound, count)| {
            *below += count;
            Some((bound, *below))
        })
    }

    /// The object of `/debug/vars`: `count`, `sum` and quantiles in seconds, null where there is none.
    pub(crate) fn json(&self) -> Json {
        let quantile = |share| self.quantile(share).filter(|bound| bound.is_finite());
        json!({
            "count": self.count(), "sum": self.sum(),
            "50e": quantile(0.5), "95e": quantile(0.95), "99e": quantile(0.99),
        })
    }
}

fn seconds(microseconds: u64) -> f64 {
    microseconds as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(milliseconds: &[f64]) -> Distribution {
        let histogram = Histogram::default();
        for milliseconds in milliseconds {
            histogram.record(Duration::from_secs_f64(milliseconds / 1e3));
        }
        histogram.distribution()
    }

    #[test]
    fn bounds_have_two_significant_digits_from_1_ms_to_10_s() {
        let bounds: Vec<_> = of(&[]).buckets().map(|(bound, _)| bound).collect();
        assert_eq!(bounds.len(), 362);
        assert_eq!(bounds[..3], [0.001, 0.0011, 0.0012]);
        assert_eq!(bounds[89..92], [0.0099, 0.01, 0.011]);
        assert_eq!(bounds[359..], [9.9, 10.0, f64::INFINITY]);
        assert!(bounds.is_sorted());
    }

    #[test]
    fn a_quantile_is_never_too_low_and_at_most_a_tenth_too_high() {
        for tenths in 10..100_000_u32 {
            let exact = f64::from(tenths) / 1e4;
            let found = of(&[exact * 1e3]).quantile(0.5).unwrap();
            assert!(found >= exact - 1e-9 && found <= exact * 1.1 + 1e-9, "{exact} as {found}");
        }
    }

    #[test]
    fn quantiles_count_from_the_smallest() {
        let distribution = of(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 12_000.0]);
        assert_eq!((distribution.count(), distribution.sum()), (10, 12.045));
        assert_eq!(distribution.quantile(0.5), Some(0.005));
        assert_eq!(distribution.quantile(0.9), Some(0.009));
        assert_eq!(distribution.quantile(0.91), Some(f64::INFINITY));
        assert_eq!(of(&[]).quantile(0.5), None);
        assert_eq!(of(&[0.0]).quantile(0.99), Some(0.001));
    }
}
