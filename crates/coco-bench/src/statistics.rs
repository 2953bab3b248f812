//! What is made of several figures.

/// The middle of some figures, the mean of the two in the middle if their number is even. NaN of none.
pub(crate) fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.as_slice() {
        [] => f64::NAN,
        sorted if sorted.len() % 2 == 1 => sorted[middle],
        sorted => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// Least and largest figure. `None` of none.
pub(crate) fn range(figures: &[f64]) -> Option<(f64, f64)> {
    let least = figures.iter().copied().reduce(f64::min)?;
    Some((least, figures.iter().copied().reduce(f64::max)?))
}

/// The figure that `share` of all sorted figures do not exceed (the nearest rank). NaN of none.
pub(crate) fn percentile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied().unwrap_or(f64::NAN)
}

/// Looks for the highest rate that holds: doubles as long as the rate tried does, then halves the gap a few times.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Search {
    /// The highest rate that held.
    low: u64,
    /// The lowest that did not, or the next to be tried.
    high: u64,
    limit: u64,
    doubling: bool,
    halvings: u32,
}

impl Search {
    /// Starts at `start`, doubles to at most `limit`.
    pub(crate) fn new(start: u64, limit: u64, halvings: u32) -> Self {
        Self { low: 0, high: start, limit, doubling: start <= limit, halvings }
    }

    /// The rate to try next, `None` at the end.
    pub(crate) fn next(&self) -> Option<u64> {
        if self.doubling {
            return Some(self.high);
        }
        (self.halvings > 0).then(|| u64::midpoint(self.low, self.high))
    }

    /// Takes in whether that rate holds.
    pub(crate) fn record(&mut self, holds: bool) {
        let Some(tried) = self.next() else { return };
        match (self.doubling, holds) {
            (true, true) => (self.low, self.high) = (tried, 2 * tried),
            (false, true) => self.low = tried,
            (_, false) => self.high = tried,
        }
        if self.doubling {
            self.doubling = holds && self.high <= self.limit;
        } else {
            self.halvings -= 1;
        }
    }

    /// The highest rate that held; 0 if none did.
    pub(crate) fn found(&self) -> u64 {
        self.low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(capacity: u64, tried: &mut Vec<u64>) -> u64 {
        let mut search = Search::new(8_000, 256_000, 5);
        while let Some(rate) = search.next() {
            tried.push(rate);
            search.record(rate <= capacity);
        }
        search.found()
    }

    #[test]
    fn the_highest_rate_is_found_to_a_32nd_of_its_octave() {
        for capacity in [8_000, 8_001, 30_000, 77_777, 124_000, 250_000] {
            let mut tried = Vec::new();
            let found = search(capacity, &mut tried);
            assert!(found <= capacity && tried.contains(&found), "{capacity}: {found}");
            assert!(capacity - found <= capacity / 32 + 1, "{capacity}: {found}");
            assert!(tried.len() <= 11, "{capacity}: {tried:?}");
        }
    }

    #[test]
    fn a_rate_below_the_start_is_found_too() {
        let found = search(3_000, &mut Vec::new());
        assert!((2_750..=3_000).contains(&found), "{found}");
        assert_eq!(search(0, &mut Vec::new()), 0);
    }

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn percentiles_are_figures_that_were_measured() {
        let figures: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&figures, 0.5), 50.0);
        assert_eq!(percentile(&figures, 0.99), 99.0);
        assert_eq!(percentile(&figures, 1.0), 100.0);
        assert_eq!(percentile(&figures, 0.0), 1.0);
        assert_eq!(percentile(&[7.0], 0.99), 7.0);
        assert!(percentile(&[], 0.5).is_nan());
    }

    #[test]
    fn a_range_needs_a_figure() {
        assert_eq!(range(&[2.0, 3.0, 1.0]), Some((1.0, 3.0)));
        assert_eq!(range(&[]), None);
    }
}
