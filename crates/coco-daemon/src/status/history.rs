//! The last minutes of a few counters, for rates and curves.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The time from one sample to the next, at least.
pub const APART: Duration = Duration::from_secs(5);

/// Samples that are kept: five minutes.
const SAMPLES: usize = 61;

/// Counters of a sample. What is beyond has no curve; so all samples together take 256 KiB, and their names.
const SERIES: usize = 512;

/// Samples of counters, the oldest first.
#[derive(Debug, Default)]
pub struct History(Mutex<VecDeque<Sample>>);

#[derive(Debug)]
struct Sample {
    at: Instant,
    /// Shared by samples that follow one another, as long as nothing is configured anew.
    names: Arc<[String]>,
    values: Box<[u64]>,
}

impl History {
    /// Takes a sample of what `counters` tells, if the last is old enough.
    pub fn sample<C: IntoIterator<Item = (String, u64)>>(&self, at: Instant, counters: impl FnOnce() -> C) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = samples.back();
        // A timer may be a little early.
        if last.is_some_and(|last| at.saturating_duration_since(last.at) < APART * 9 / 10) {
            return;
        }
        let (names, values): (Vec<_>, Vec<_>) = counters().into_iter().take(SERIES).unzip();
        let known = last.filter(|last| *last.names == *names).map(|last| Arc::clone(&last.names));
        let names = known.unwrap_or_else(|| names.into());
        if samples.len() == SAMPLES {
            samples.pop_front();
        }
        samples.push_back(Sample { at, names, values: values.into() });
    }

    /// The rates of a counter from each sample to the next, per second, the oldest first; none where it was not there,
    /// or began anew.
    pub fn rates(&self, name: &str) -> Vec<Option<f64>> {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut place: Option<(&Arc<[String]>, Option<usize>)> = None;
        let mut before: Option<(Instant, Option<u64>)> = None;
        let mut rates = Vec::with_capacity(samples.len());
        for sample in samples.iter() {
            let index = match place {
                Some((names, index)) if Arc::ptr_eq(names, &sample.names) => index,
                _ => sample.names.iter().position(|known| known == name),
            };
            place = Some((&sample.names, index));
            let value = index.and_then(|index| sample.values.get(index)).copied();
            if let Some((at, earlier)) = before {
                let seconds = sample.at.saturating_duration_since(at).as_secs_f64();
                let grown = value.zip(earlier).and_then(|(now, earlier)| now.checked_sub(earlier));
                rates.push(grown.filter(|_| seconds > 0.0).map(|grown| grown as f64 / seconds));
            }
            before = Some((sample.at, value));
        }
        rates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(values: &[(&str, u64)]) -> Vec<(String, u64)> {
        values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
    }

    #[test]
    fn rates_are_those_between_samples() {
        let (history, start) = (History::default(), Instant::now());
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        history.sample(at(0), || counters(&[("a", 0), ("b", 7)]));
        assert_eq!(history.rates("a"), []);
        // Too soon.
        history.sample(at(1), || counters(&[("a", 1_000)]));
        history.sample(at(5), || counters(&[("a", 50), ("b", 7)]));
        history.sample(at(15), || counters(&[("b", 9), ("a", 50)]));
        history.sample(at(20), || counters(&[("a", 20)]));
        history.sample(at(25), || counters(&[("a", 30)]));
        assert_eq!(history.rates("a"), [Some(10.0), Some(0.0), None, Some(2.0)]);
        assert_eq!(history.rates("b"), [Some(0.0), Some(0.2), None, None]);
        assert_eq!(history.rates("c"), [None; 4]);
    }

    #[test]
    fn it_is_bounded_in_samples_and_in_series() {
        let (history, start) = (History::default(), Instant::now());
        for number in 0..3 * SAMPLES as u64 {
            let all = || (0..2 * SERIES).map(|series| (series.to_string(), number));
            history.sample(start + APART * number as u32, all);
        }
        assert_eq!(history.rates(&(SERIES - 1).to_string()), vec![Some(0.2); SAMPLES - 1]);
        assert_eq!(history.rates(&SERIES.to_string()), vec![None; SAMPLES - 1]);
        let samples = history.0.lock().unwrap();
        assert!(samples.iter().all(|sample| Arc::ptr_eq(&sample.names, &samples[0].names)));
        assert!(samples.iter().all(|sample| sample.values.len() == SERIES));
    }
}
