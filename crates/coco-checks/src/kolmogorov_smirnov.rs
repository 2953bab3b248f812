//! The two-sample Kolmogorov-Smirnov test: were two samples drawn from one distribution?

use statrs::stats_tests::NaNPolicy;
use statrs::stats_tests::ks_test::{KSTwoSampleAlternativeMethod, ks_twosample};

/// What the test says of two samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct KolmogorovSmirnov {
    /// The statistic D: the largest distance between the two empirical distribution functions, from 0 to 1.
    pub deviation: f64,
    /// How probable a D at least so large is, if both samples are of one distribution, from 0 to 1.
    pub p_value: f64,
}

/// The largest product of sizes for which statrs counts paths; beyond it the limit distribution is as good.
const EXACT: usize = 10_000;

/// Below it, Kolmogorov's limit distribution is 0 but for 5e-13. Its series does not converge at 0, and statrs 0.19
/// goes on to sum it up.
const ALWAYS_EXCEEDED: f64 = 0.2;

impl KolmogorovSmirnov {
    /// Tests two samples of finite numbers, both sides; none if one of them is empty.
    ///
    /// The p-value is exact for up to 100 points in each (Schröer and Trenkler 1995), and that of Kolmogorov's limit
    /// distribution above. It takes points for independent and for different: those of a rate that drifts, or that
    /// is 0 most of the time, are not. One more reason not to rely on it alone.
    #[must_use]
    pub fn test(first: &[f64], second: &[f64]) -> Option<Self> {
        use KSTwoSampleAlternativeMethod::{
            GreaterAsymptotic, LessAsymptotic, TwoSidedAsymptotic, TwoSidedExact,
        };
        let test = |method| ks_twosample(first.to_vec(), second.to_vec(), method, NaNPolicy::Error).ok();
        let (n, m) = (first.len() as f64, second.len() as f64);
        let (deviation, p_value) = if first.len().saturating_mul(second.len()) <= EXACT {
            test(TwoSidedExact)?
        } else {
            let deviation = test(LessAsymptotic)?.0.max(test(GreaterAsymptotic)?.0);
            let always = deviation * (n * m / (n + m)).sqrt() < ALWAYS_EXCEEDED;
            (deviation, if always { 1.0 } else { test(TwoSidedAsymptotic)?.1 })
        };
        // Sums of fractions: 1.0000000000000002, or a probability a little below 0.
        Some(Self { deviation: deviation.clamp(0.0, 1.0), p_value: p_value.clamp(0.0, 1.0) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn test(first: &[f64], second: &[f64]) -> KolmogorovSmirnov {
        KolmogorovSmirnov::test(first, second).unwrap()
    }

    fn sequence(factor: u32, modulus: u32, offset: u32, length: u32) -> Vec<f64> {
        (1..=length).map(|i| f64::from(i * factor % modulus + offset)).collect()
    }

    fn assert_near(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-9 * expected.abs().max(1e-3), "{found} is not {expected}");
    }

    /// Hodges, "The significance probability of the Smirnov two-sample test" (1958), works the first one out: 97/105.
    /// The others are what SciPy 1.17.1 computes: `scipy.stats.ks_2samp(first, second, method="exact")`.
    #[test]
    fn published_values() {
        let count = |from: u32| (from..from + 10).map(f64::from).collect::<Vec<_>>();
        for (first, second, deviation, p_value) in [
            (vec![1.0, 3.0, 5.0, 6.0, 9.0, 10.0], vec![2.0, 4.0, 7.0, 8.0], 1.0 / 3.0, 97.0 / 105.0),
            (
                vec![1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 3.0],
                vec![1.0, 2.0, 2.0, 3.0, 4.0, 4.0],
                0.333_333_333_333_333_3,
                0.780_303_030_303_030_4,
            ),
            (vec![5.0; 10], vec![5.0; 10], 0.0, 1.0),
            (count(0), count(10), 1.0, 1.082_508_822_446_902_6e-5),
            (sequence(37, 101, 0, 30), sequence(53, 101, 10, 30), 0.1, 0.998_839_375_636_276_3),
            (sequence(37, 101, 0, 40), sequence(53, 89, 0, 25), 0.125, 0.943_633_751_687_412_8),
            (sequence(37, 101, 0, 100), sequence(53, 101, 15, 100), 0.15, 0.211_170_086_251_275_76),
        ] {
            let found = test(&first, &second);
            assert_near(found.deviation, deviation);
            assert_near(found.p_value, p_value);
        }
    }

    /// SciPy 1.17.1: `scipy.special.kolmogorov(sqrt(500 * 400 / 900) * D)`; exact is 0.0954.
    #[test]
    fn many_points_have_the_p_value_of_the_limit_distribution() {
        let found = test(&sequence(37, 1009, 0, 500), &sequence(53, 1009, 60, 400));
        assert_near(found.deviation, 0.082);
        assert_near(found.p_value, 0.100_718_575_246_105_54);
    }

    /// What a steady rate is like; the series of the limit distribution would never end.
    #[test]
    fn equal_points_do_not_differ_however_many_they_are() {
        for (first, second) in [(10, 11), (100, 100), (101, 102), (1000, 1001)] {
            let found = test(&vec![0.1; first], &vec![0.1; second]);
            assert!(found.deviation < 1e-12, "{found:?}");
            assert_eq!(found.p_value, 1.0, "{found:?}");
        }
    }

    #[test]
    fn an_empty_sample_has_no_distribution() {
        assert_eq!(KolmogorovSmirnov::test(&[], &[1.0]), None);
        assert_eq!(KolmogorovSmirnov::test(&[1.0], &[]), None);
    }

    /// D by its definition: the distance at every point at which one of the two functions has a step.
    fn by_definition(first: &[f64], second: &[f64]) -> f64 {
        let share = |sample: &[f64], x: f64| {
            sample.iter().filter(|value| **value <= x).count() as f64 / sample.len() as f64
        };
        let distances = first.iter().chain(second).map(|x| (share(first, *x) - share(second, *x)).abs());
        distances.fold(0.0, f64::max)
    }

    /// Few values and long samples, so that ties and both methods occur.
    fn sample() -> impl Strategy<Value = Vec<f64>> {
        let rates = (0i32..=40).prop_map(f64::from);
        prop_oneof![vec(rates.clone(), 1..40), vec(rates, 90..140)]
    }

    proptest! {
        #[test]
        fn the_deviation_is_what_its_definition_says(first in sample(), second in sample()) {
            let found = test(&first, &second);
            prop_assert!((found.deviation - by_definition(&first, &second)).abs() < 1e-12);
            prop_assert!((0.0..=1.0).contains(&found.deviation) && (0.0..=1.0).contains(&found.p_value));
        }

        #[test]
        fn neither_sample_comes_first(first in sample(), second in sample()) {
            let (found, turned) = (test(&first, &second), test(&second, &first));
            prop_assert!((found.deviation - turned.deviation).abs() < 1e-12);
            prop_assert!((found.p_value - turned.p_value).abs() < 1e-9);
        }

        /// Only order matters: not the unit, not the scale.
        #[test]
        fn monotone_transforms_change_nothing(first in sample(), second in sample()) {
            let found = test(&first, &second);
            for transform in [|x: f64| 2.0 * x + 1.0, |x: f64| x * x * x, f64::exp] {
                let map = |sample: &[f64]| sample.iter().map(|x| transform(*x)).collect::<Vec<_>>();
                prop_assert_eq!(test(&map(&first), &map(&second)), found);
            }
        }

        #[test]
        fn neither_does_the_order_of_a_sample(first in sample(), second in sample(), by in 0usize..40) {
            let mut turned = first.clone();
            turned.rotate_left(by % first.len());
            turned.reverse();
            prop_assert_eq!(test(&turned, &second), test(&first, &second));
        }
    }
}
