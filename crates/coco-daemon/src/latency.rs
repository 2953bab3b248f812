//! Histograms of durations and of sizes, whose bounds are such that the error of a quantile is known beforehand.
//!
//! Bounds of durations are log-linear, from 10 µs to 100 s: two significant digits, and halves between those below 2
//! (1.0, 1.05, 1.1, ... 1.95, 2.0, 2.1, ... 9.9, 10, 10.5, ...), which makes 100 a decade. No two that follow one another
//! are more than 5 % apart. A quantile is interpolated between the two bounds around it as Prometheus does
//! (`histogram_quantile`), so both views say the same, and it is at most 5 % off, whatever was measured.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value as Json, json};

/// Bounds from one power of ten to the next.
const PER_DECADE: usize = 100;

/// Of them, those below 2, in steps of 0.05; the others are in steps of 0.1.
const HALVES: usize = 20;

/// From 10 µs to 100 s, both included.
const BOUNDS: usize = 7 * PER_DECADE + 1;

/// A bound in nanoseconds.
const fn bound(index: usize) -> u64 {
    let place = index % PER_DECADE;
    let hundredths = if place < HALVES { 100 + 5 * place } else { 10 * place };
    hundredths as u64 * 100 * 10_u64.pow((index / PER_DECADE) as u32)
}

const NANOSECONDS: [u64; BOUNDS] = {
    let mut bounds = [0; BOUNDS];
    let mut index = 0;
    while index < BOUNDS {
        bounds[index] = bound(index);
        index += 1;
    }
    bounds
};

/// The bounds and the unit of a histogram.
#[derive(Debug, PartialEq, Eq)]
pub struct Scale {
    /// The finite bounds, in order.
    bounds: &'static [u64],
    /// The number of recorded units in one that is shown.
    unit: u64,
}

/// Durations, shown in seconds.
pub static DURATIONS: Scale = Scale { bounds: &NANOSECONDS, unit: 1_000_000_000 };

/// Numbers of things, by powers of two.
pub static NUMBERS: Scale = Scale { bounds: &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024], unit: 1 };

/// A histogram, in cells that anyone may count in.
#[derive(Debug)]
pub struct Histogram {
    scale: &'static Scale,
    /// By bound; the last is for what is above all bounds.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Default for Histogram {
    /// Of [`DURATIONS`].
    fn default() -> Self {
        Self::by(&DURATIONS)
    }
}

impl Histogram {
    /// Nothing counted yet.
    pub fn by(scale: &'static Scale) -> Self {
        let counts = (0..=scale.bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { scale, counts, sum: AtomicU64::new(0) }
    }

    /// Counts one duration.
    pub fn record(&self, duration: Duration) {
        self.count(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    /// Counts one number, or a duration of so many nanoseconds.
    pub fn count(&self, value: u64) {
        let index = self.scale.bounds.partition_point(|bound| *bound < value);
        self.counts[index].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// The counts so far.
    pub fn distribution(&self) -> Distribution {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        Distribution { scale: self.scale, counts, sum: self.sum.load(Ordering::Relaxed) }
    }
}

/// A [`Histogram`] at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    scale: &'static Scale,
    counts: Box<[u64]>,
    sum: u64,
}

impl Distribution {
    /// This and what others of the same scale counted.
    #[must_use]
    pub fn with(mut self, others: impl IntoIterator<Item = Self>) -> Self {
        for other in others {
            self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
            self.sum = self.sum.saturating_add(other.sum);
        }
        self
    }

    /// The number of counts.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All of them together: of durations, in seconds.
    pub fn sum(&self) -> f64 {
        self.shown(self.sum)
    }

    /// The value that this share of all that was counted stays below, as `histogram_quantile` of Prometheus has it: by
    /// linear interpolation between two bounds, the lowest being 0; the highest bound for what is above it. None when
    /// nothing was counted.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let rank = share * self.count() as f64;
        let (mut lower, mut before) = (0.0, 0);
        for (upper, below) in self.buckets() {
            if below > before && below as f64 >= rank {
                let into = (rank - before as f64).max(0.0) / (below - before) as f64;
                return Some(if upper.is_finite() { lower + (upper - lower) * into } else { lower });
            }
            (lower, before) = (upper, below);
        }
        None
    }

    /// Each bound, the infinite one last, with how many were counted up to it.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        let bounds = self.scale.bounds.iter().map(|bound| self.shown(*bound)).chain([f64::INFINITY]);
        bounds.zip(self.counts.iter()).scan(0, |below, (bound, count)| {
            *below += count;
            Some((bound, *below))
        })
    }

    /// The object of `/debug/vars`: `count`, `sum` and quantiles, null where there is none.
    pub(crate) fn json(&self) -> Json {
        json!({
            "count": self.count(), "sum": self.sum(),
            "50e": self.quantile(0.5), "95e": self.quantile(0.95), "99e": self.quantile(0.99),
        })
    }

    fn shown(&self, value: u64) -> f64 {
        value as f64 / self.scale.unit as f64
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn of(seconds: &[f64]) -> Distribution {
        let histogram = Histogram::default();
        seconds.iter().for_each(|seconds| histogram.record(Duration::from_secs_f64(*seconds)));
        histogram.distribution()
    }

    /// The smallest that at least this share of the sample is not above.
    fn exact(sample: &mut [f64], share: f64) -> f64 {
        sample.sort_by(f64::total_cmp);
        sample[((share * sample.len() as f64).ceil() as usize).max(1) - 1]
    }

    #[test]
    fn bounds_go_from_10_microseconds_to_100_seconds_and_are_at_most_5_percent_apart() {
        let bounds: Vec<_> = of(&[]).buckets().map(|(bound, _)| bound).collect();
        assert_eq!(bounds.len(), 702);
        assert_eq!(bounds[..3], [0.00001, 0.0000105, 0.000011]);
        assert_eq!(bounds[19..22], [0.0000195, 0.00002, 0.000021]);
        assert_eq!(bounds[99..102], [0.000099, 0.0001, 0.000105]);
        assert_eq!(bounds[699..], [99.0, 100.0, f64::INFINITY]);
        assert!(bounds[..701].windows(2).all(|pair| pair[1] > pair[0] && pair[1] <= pair[0] * (1.05 + 1e-9)));
    }

    proptest! {
        #[test]
        fn no_quantile_of_any_sample_is_more_than_5_percent_off(
            mut sample in vec((-5.0..2.0).prop_map(|power: f64| 10_f64.powf(power).max(1.000_1e-5)), 1..200),
            share in 0.01..1.0,
        ) {
            let (found, exact) = (of(&sample).quantile(share).unwrap(), exact(&mut sample, share));
            prop_assert!((found - exact).abs() <= exact * 0.050_01, "{exact} as {found}");
        }
    }

    #[test]
    fn quantiles_of_a_log_normal_sample_are_less_than_1_percent_off() {
        // Box and Muller, of a linear congruential generator (Knuth's MMIX): about a median of 5 ms.
        let mut state = 1_u64;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
        };
        let mut normal = || (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos();
        let mut sample: Vec<_> = (0..100_000).map(|_| 0.005 * normal().exp()).collect();
        let distribution = of(&sample);
        for share in [0.5, 0.9, 0.95, 0.99, 0.999] {
            let (found, exact) = (distribution.quantile(share).unwrap(), exact(&mut sample, share));
            assert!((found - exact).abs() < exact * 0.01, "{share}: {exact} as {found}");
        }
    }

    #[test]
    fn quantiles_are_interpolated_as_prometheus_does() {
        // By hand: `histogram_quantile` of buckets le="0.001" 0, le="0.00105" 4, le="2" 9, le="2.1" 10.
        let distribution = of(&[0.00101, 0.00102, 0.00103, 0.00104, 1.96, 1.97, 1.98, 1.99, 2.0, 2.05]);
        let close = |share, expected: f64| {
            let found = distribution.quantile(share).unwrap();
            assert!((found - expected).abs() < 1e-12, "{share}: {found}, not {expected}");
        };
        close(0.2, 0.001 + 0.00005 * 2.0 / 4.0);
        close(0.4, 0.00105);
        close(0.5, 1.95 + 0.05 / 5.0);
        close(0.95, 2.0 + 0.1 * 0.5);
        close(1.0, 2.1);
        assert_eq!(distribution.count(), 10);
    }

    #[test]
    fn what_is_beyond_the_bounds_is_shown_by_them() {
        assert_eq!(of(&[]).quantile(0.5), None);
        assert_eq!(of(&[200.0]).quantile(0.5), Some(100.0));
        assert_eq!(of(&[0.0]).quantile(0.5), Some(0.000005));
        // These were 1 ms and null when the bounds went from 1 ms to 10 s.
        for seconds in [44e-6, 12.0] {
            let found = of(&[seconds]).quantile(0.5).unwrap();
            assert!((found - seconds).abs() < seconds * 0.05, "{found}");
        }
    }

    #[test]
    fn numbers_are_counted_by_powers_of_two_and_lanes_added_up() {
        let [one, other] = [[1, 3], [64, 5000]].map(|numbers| {
            let histogram = Histogram::by(&NUMBERS);
            numbers.into_iter().for_each(|number| histogram.count(number));
            histogram.distribution()
        });
        let both = one.with([other]);
        assert_eq!((both.count(), both.sum()), (4, 5068.0));
        let buckets: Vec<_> = both.buckets().collect();
        assert_eq!(buckets[..3], [(1.0, 1), (2.0, 1), (4.0, 2)]);
        assert_eq!(buckets[10..], [(1024.0, 3), (f64::INFINITY, 4)]);
    }
}
