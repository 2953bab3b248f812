//! Fewer values of many, and percentiles: `downsample_array` and `percentile_of_array` of Visage.
//!
//! Unknown values are NaN. They are left out of a mean; where all are, so is the mean.

use std::borrow::Cow;

/// Of more values Visage makes fewer.
pub const MOST_SHOWN: usize = 2000;

/// About so many values are left of more than [`MOST_SHOWN`].
const ABOUT: usize = 1000;

/// Percentiles are those of means over so many seconds.
const PERCENTILE_STEP: i64 = 300;

/// The values as they are shown: all, or where there are more than 2,000, means of neighbours.
#[must_use]
pub fn shown(values: &[f64]) -> Cow<'_, [f64]> {
    if values.len() <= MOST_SHOWN {
        return values.into();
    }
    means(values, values.len() / (values.len() / ABOUT)).into()
}

/// The means of so many groups of neighbours, of which the first have one more where they are not alike
/// (`Array#in_groups` of Rails).
fn means(values: &[f64], groups: usize) -> Vec<f64> {
    let (size, larger) = (values.len() / groups, values.len() % groups);
    let mut rest = values;
    let groups = (0..groups).map(|group| {
        let (first, others) = rest.split_at(size + usize::from(group < larger));
        rest = others;
        mean(first)
    });
    groups.collect()
}

fn mean(values: &[f64]) -> f64 {
    let known = values.iter().filter(|value| !value.is_nan());
    let (sum, count) = known.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    if count == 0 { f64::NAN } else { sum / f64::from(count) }
}

/// The 95th, 50th and 5th percentile of values that cover `window` seconds, rounded; none where nothing is known.
///
/// Of values that are less than 300 seconds apart they are those of means over 300 seconds. Where 300 is no multiple,
/// Visage refuses; here, the means are over as many values as fit into 300 seconds. Of fewer than 20 values, the 5th is
/// the largest one, as Ruby counts -1 from the end.
#[must_use]
pub fn percentiles(values: &[f64], window: i64) -> Option<[f64; 3]> {
    if values.is_empty() {
        return None;
    }
    let interval = (window as f64 / values.len() as f64).round() as i64;
    let groups = values.len() / usize::try_from(PERCENTILE_STEP / interval.max(1)).unwrap_or(1).max(1);
    let is_finer = interval < PERCENTILE_STEP && groups > 0;
    let means = if is_finer { means(values, groups) } else { values.to_vec() };
    let mut known: Vec<f64> = means.into_iter().filter(|value| !value.is_nan()).collect();
    known.sort_unstable_by(f64::total_cmp);
    let last = known.len().checked_sub(1)?;
    Some([95.0, 50.0, 5.0].map(|percent| {
        let place = (known.len() as f64 * (percent / 100.0)) as usize;
        known[place.checked_sub(1).unwrap_or(last)].round()
    }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_hour_of_seconds_becomes_means_of_three() {
        let values: Vec<f64> = (0..3600).map(f64::from).collect();
        let shown = shown(&values);
        assert_eq!(shown.len(), 1200);
        assert_eq!(shown[..2], [1.0, 4.0]);
        assert_eq!(super::shown(&values[..2000]).len(), 2000);
        // Of 2,001 values: by two, so a thousand groups, the first of which has three.
        let uneven = super::shown(&values[..2001]);
        assert_eq!((uneven.len(), uneven[0], uneven[1]), (1000, 1.0, 3.5));
    }

    #[test]
    fn unknown_values_are_left_out_of_a_mean() {
        assert_eq!(mean(&[1.0, f64::NAN, 3.0]), 2.0);
        assert!(mean(&[f64::NAN]).is_nan());
    }

    #[test]
    fn percentiles_are_those_of_visage() {
        // One mean over 300 seconds is all three.
        let ramp: Vec<f64> = (0..30).map(|value| f64::from(value) / 10.0).collect();
        assert_eq!(percentiles(&ramp, 300), Some([1.0; 3]));
        // Too few values to make one of.
        let seconds: Vec<f64> = (6901..=6920).map(f64::from).collect();
        assert_eq!(percentiles(&seconds, 20), Some([6919.0, 6910.0, 6901.0]));
        assert_eq!(percentiles(&[10.77], 10), Some([11.0; 3]));
        assert_eq!(percentiles(&[f64::NAN, f64::NAN], 20), None);
        assert_eq!(percentiles(&[], 0), None);
        assert_eq!(percentiles(&[-0.5, -0.5], 7200), Some([-1.0; 3]), "half away from zero");
    }

    proptest! {
        #[test]
        fn means_are_within_their_values(values in proptest::collection::vec(-1e9..1e9, 2001..5000)) {
            let shown = shown(&values);
            prop_assert!((1000..=2000).contains(&shown.len()));
            let least = values.iter().copied().fold(f64::INFINITY, f64::min);
            let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            prop_assert!(shown.iter().all(|mean| (least - 1.0..=most + 1.0).contains(mean)));
        }

        #[test]
        fn percentiles_are_within_their_values(values in proptest::collection::vec(-1e9..1e9, 1..900_usize), window in 0..100_000_i64) {
            let least = values.iter().copied().fold(f64::INFINITY, f64::min) - 1.0;
            let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max) + 1.0;
            let found = percentiles(&values, window).expect("all are known");
            prop_assert!(found.iter().all(|value| (least..=most).contains(value)));
        }
    }
}
