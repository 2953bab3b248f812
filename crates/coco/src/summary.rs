//! Summary statistics of how many metrics each host has.

/// What `hash.metrics_per_host` shows, by the definitions of the deployed implementation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Summary {
    /// Mean number of metrics a host, 0 without hosts.
    pub average: f64,
    /// Fewest.
    pub minimum: u64,
    /// Most.
    pub maximum: u64,
    /// The value at index ⌊n · 0.95⌋ of the sorted numbers.
    pub percentile_95: u64,
    /// How many hosts.
    pub length: u64,
    /// How many metrics.
    pub sum: u64,
}

impl Summary {
    /// Of the number of metrics of each host. Sorts them.
    pub fn of(sizes: &mut [u32]) -> Self {
        sizes.sort_unstable();
        let (Some(&minimum), Some(&maximum)) = (sizes.first(), sizes.last()) else { return Self::default() };
        let sum = sizes.iter().copied().map(u64::from).sum();
        Self {
            average: sum as f64 / sizes.len() as f64,
            minimum: minimum.into(),
            maximum: maximum.into(),
            percentile_95: sizes[sizes.len() * 95 / 100].into(),
            length: sizes.len() as u64,
            sum,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Summary;

    #[test]
    fn nothing_is_all_zeros() {
        assert_eq!(Summary::of(&mut []), Summary::default());
    }

    #[test]
    fn one_host_is_everything() {
        let expected = Summary { average: 7.0, minimum: 7, maximum: 7, percentile_95: 7, length: 1, sum: 7 };
        assert_eq!(Summary::of(&mut [7]), expected);
    }

    #[test]
    fn the_percentile_is_an_element() {
        let mut sizes: Vec<u32> = (1..=100).rev().collect();
        let summary = Summary::of(&mut sizes);
        assert_eq!(
            (summary.percentile_95, summary.minimum, summary.maximum, summary.sum),
            (96, 1, 100, 5050)
        );
        assert_eq!(summary.average, 50.5);
        assert_eq!(Summary::of(&mut [1, 2, 3]).percentile_95, 3);
    }
}
