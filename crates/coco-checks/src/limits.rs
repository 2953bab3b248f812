//! How much is too much.

use crate::halves::Difference;
use crate::question::Limits;

impl Limits {
    /// Whether the difference is beyond all of them.
    #[must_use]
    pub fn are_exceeded_by(&self, difference: &Difference) -> bool {
        difference.test.deviation > self.maximum_deviation
            && difference.test.p_value < self.significance
            && difference.change().abs() > self.minimum_change
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::halves::Halves;

    const LIMITS: Limits = Limits { maximum_deviation: 0.5, significance: 0.01, minimum_change: 0.05 };

    fn exceeded(before: impl IntoIterator<Item = f64>, after: impl IntoIterator<Item = f64>) -> bool {
        let points: Vec<_> = before.into_iter().chain(after).map(Some).collect();
        LIMITS.are_exceeded_by(&Halves::of(&points, Duration::from_secs(60)).unwrap().difference())
    }

    fn around(rate: f64) -> impl Iterator<Item = f64> {
        (0..15).map(move |i| rate + f64::from(i * 7 % 15 - 7) * rate / 1000.0)
    }

    #[test]
    fn a_changed_rate_exceeds_all() {
        assert!(exceeded(around(1000.0), around(500.0)));
        assert!(exceeded(around(1000.0), around(1100.0)));
        assert!(exceeded(vec![0.0; 10], vec![0.1; 10]), "from nothing to something");
        assert!(exceeded(vec![0.1; 10], vec![0.0; 10]));
    }

    #[test]
    fn a_steady_rate_may_differ_in_rank() {
        // D is 1, and that is no chance; but it is 2 %.
        assert!(!exceeded(around(1000.0), around(1020.0)));
        assert!(!exceeded(around(1000.0), around(1000.0)));
        assert!(!exceeded(vec![0.0; 10], vec![0.0; 10]));
    }

    #[test]
    fn a_single_outlier_is_not_a_change() {
        let outlier = around(1000.0).map(|rate| if rate == 1000.0 { 20_000.0 } else { rate });
        assert!(!exceeded(around(1000.0), outlier));
    }

    #[test]
    fn each_limit_holds_by_itself() {
        let points: Vec<_> = around(1000.0).chain(around(500.0)).map(Some).collect();
        let difference = Halves::of(&points, Duration::from_secs(60)).unwrap().difference();
        assert!(LIMITS.are_exceeded_by(&difference));
        for limits in [
            Limits { maximum_deviation: 1.0, ..LIMITS },
            Limits { significance: 0.0, ..LIMITS },
            Limits { minimum_change: 0.5, ..LIMITS },
        ] {
            assert!(!limits.are_exceeded_by(&difference), "{limits:?}");
        }
    }
}
