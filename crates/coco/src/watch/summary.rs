//! Summary statistics of how many metrics each host has.

use std::collections::BTreeMap;

/// The figures of `hash.metrics_per_host`, by the definitions of the deployed implementation.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Summary {
    /// Mean number of metrics a host, 0 without hosts.
    pub average: f64,
    /// Fewest.
    pub minimum: u64,
    /// Most.
    pub maximum: u64,
    /// The value at index ⌊n · 0.95⌋ of the sorted numbers.
    pub percentile_95: u64,
    /// Number of hosts.
    pub length: u64,
    /// Number of metrics.
    pub sum: u64,
}

/// Numbers of metrics, and of hosts that have so many.
#[derive(Debug, Clone, Default)]
pub struct Sizes(BTreeMap<u32, u64>);

impl Sizes {
    /// Takes note of a host of so many metrics.
    pub fn add(&mut self, metrics: u32) {
        *self.0.entry(metrics).or_default() += 1;
    }

    /// Takes note of the hosts of others.
    pub fn add_all(&mut self, others: &Self) {
        for (metrics, hosts) in &others.0 {
            *self.0.entry(*metrics).or_default() += hosts;
        }
    }
}

impl Summary {
    /// Of hosts of these sizes.
    pub fn of(sizes: &Sizes) -> Self {
        let (Some((&minimum, _)), Some((&maximum, _))) =
            (sizes.0.first_key_value(), sizes.0.last_key_value())
        else {
            return Self::default();
        };
        let length = sizes.0.values().sum::<u64>();
        let sum = sizes.0.iter().map(|(&metrics, &hosts)| u64::from(metrics) * hosts).sum::<u64>();
        let mut behind = 0;
        let percentile = sizes.0.iter().find(|&(_, &hosts)| {
            behind += hosts;
            behind > length * 95 / 100
        });
        Self {
            average: sum as f64 / length as f64,
            minimum: minimum.into(),
            maximum: maximum.into(),
            percentile_95: percentile.map_or(maximum, |(&metrics, _)| metrics).into(),
            length,
            sum,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Sizes, Summary};

    fn of(hosts: &[u32]) -> Summary {
        let mut sizes = [Sizes::default(), Sizes::default()];
        hosts.iter().enumerate().for_each(|(number, &metrics)| sizes[number % 2].add(metrics));
        let [mut all, others] = sizes;
        all.add_all(&others);
        Summary::of(&all)
    }

    #[test]
    fn nothing_is_all_zeros() {
        assert_eq!(of(&[]), Summary::default());
    }

    #[test]
    fn one_host_is_everything() {
        let expected = Summary { average: 7.0, minimum: 7, maximum: 7, percentile_95: 7, length: 1, sum: 7 };
        assert_eq!(of(&[7]), expected);
    }

    #[test]
    fn the_percentile_is_an_element() {
        let sizes: Vec<u32> = (1..=100).rev().collect();
        let summary = of(&sizes);
        assert_eq!(
            (summary.percentile_95, summary.minimum, summary.maximum, summary.sum),
            (96, 1, 100, 5050)
        );
        assert_eq!(summary.average, 50.5);
        assert_eq!(of(&[1, 2, 3]).percentile_95, 3);
    }
}
