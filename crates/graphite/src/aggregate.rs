//! Aggregations: many values become one, be they one row of many series or all values of one.

use crate::error::Error;

/// The known ones.
pub(crate) fn known(values: &[f64]) -> impl DoubleEndedIterator<Item = f64> + Clone {
    values.iter().copied().filter(|value| !value.is_nan())
}

/// Whether enough is known: something, and at least this share.
pub(crate) fn is_enough(known: usize, total: f64, x_files_factor: f64) -> bool {
    known > 0 && total != 0.0 && known as f64 / total >= x_files_factor
}

/// A function of many values. Unknown ones are left out, but for `AverageZero` and `Multiply`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aggregation {
    Average,
    AverageZero,
    Median,
    Sum,
    Min,
    Max,
    /// The first known one less the others.
    Diff,
    /// The standard deviation of the population.
    Deviation,
    Count,
    /// The greatest less the least.
    Range,
    Multiply,
    Last,
}

impl Aggregation {
    /// Every name, and what it means.
    pub(crate) const NAMES: [(&str, Self); 16] = [
        ("average", Self::Average),
        ("avg_zero", Self::AverageZero),
        ("median", Self::Median),
        ("sum", Self::Sum),
        ("min", Self::Min),
        ("max", Self::Max),
        ("diff", Self::Diff),
        ("stddev", Self::Deviation),
        ("count", Self::Count),
        ("range", Self::Range),
        ("multiply", Self::Multiply),
        ("last", Self::Last),
        ("rangeOf", Self::Range),
        ("avg", Self::Average),
        ("total", Self::Sum),
        ("current", Self::Last),
    ];

    pub(crate) fn named(name: &str) -> Result<Self, Error> {
        let found = Self::NAMES.iter().find(|(known, _)| *known == name);
        let unsupported = || Error::Unsupported { what: "aggregation function", name: name.to_owned() };
        found.map(|(_, aggregation)| *aggregation).ok_or_else(unsupported)
    }

    /// Of these values; NaN if there is none.
    pub(crate) fn of(self, values: &[f64]) -> f64 {
        let mut some = known(values);
        match self {
            Self::Average => mean(values),
            Self::AverageZero if values.is_empty() => f64::NAN,
            Self::AverageZero => some.sum::<f64>() / values.len() as f64,
            Self::Median => median(&mut some.collect::<Vec<_>>()),
            Self::Sum => sum(values),
            Self::Min => some.fold(f64::NAN, f64::min),
            Self::Max => some.fold(f64::NAN, f64::max),
            Self::Diff => match some.next() {
                None => f64::NAN,
                Some(first) => some.fold(first, |difference, value| difference - value),
            },
            Self::Deviation => deviation(values),
            Self::Count => some.count() as f64,
            Self::Range => Self::Max.of(values) - Self::Min.of(values),
            // NaN times anything is NaN. Nothing has no product.
            Self::Multiply if values.is_empty() => f64::NAN,
            Self::Multiply => values.iter().product(),
            Self::Last => some.next_back().unwrap_or(f64::NAN),
        }
    }

    /// Of values that are all known, and need not stay in their order.
    pub(crate) fn of_known(self, values: &mut [f64]) -> f64 {
        if self == Self::Median { median(values) } else { self.of(values) }
    }

    /// Whether that of integers is one, to Python.
    pub(crate) fn keeps_integers(self) -> bool {
        matches!(self, Self::Sum | Self::Min | Self::Max | Self::Diff | Self::Count | Self::Last)
    }

    /// Whether the value of a window can be had from those of its parts.
    pub(crate) fn is_of_parts(self) -> bool {
        matches!(
            self,
            Self::Sum | Self::Average | Self::Min | Self::Max | Self::Count | Self::Range | Self::Last
        )
    }
}

fn sum(values: &[f64]) -> f64 {
    let mut some = known(values);
    some.next().map_or(f64::NAN, |first| some.fold(first, |sum, value| sum + value))
}

/// The mean of the known ones.
pub(crate) fn mean(values: &[f64]) -> f64 {
    sum(values) / known(values).count() as f64
}

/// Of values that are all known; it puts them in another order.
fn median(some: &mut [f64]) -> f64 {
    if some.is_empty() {
        return f64::NAN;
    }
    let (middle, is_odd) = (some.len() / 2, some.len() % 2 == 1);
    let (below, upper, _) = some.select_nth_unstable_by(middle, f64::total_cmp);
    let upper = *upper;
    if is_odd {
        return upper;
    }
    let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (lower + upper) / 2.0
}

fn deviation(values: &[f64]) -> f64 {
    let average = mean(values);
    let squares = known(values).map(|value| (value - average) * (value - average));
    (squares.sum::<f64>() / known(values).count() as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_values_are_left_out() {
        let values = [4.0, f64::NAN, 1.0, 2.0];
        for (name, expected) in [
            ("average", 7.0 / 3.0),
            ("avg_zero", 1.75),
            ("median", 2.0),
            ("sum", 7.0),
            ("min", 1.0),
            ("max", 4.0),
            ("diff", 1.0),
            ("count", 3.0),
            ("range", 3.0),
            ("last", 2.0),
        ] {
            assert_eq!(Aggregation::named(name).unwrap().of(&values), expected, "{name}");
        }
        assert!(Aggregation::Multiply.of(&values).is_nan());
        assert_eq!(Aggregation::Median.of(&[1.0, 4.0, f64::NAN, 2.0, 3.0]), 2.5);
        assert!(Aggregation::named("nosuch").is_err());
    }

    #[test]
    fn of_nothing_there_is_nothing_but_a_count() {
        for values in [&[][..], &[f64::NAN]] {
            for (name, aggregation) in Aggregation::NAMES {
                let of_nothing = aggregation.of(values);
                let expected = match (aggregation, values.len()) {
                    (Aggregation::Count, _) | (Aggregation::AverageZero, 1) => 0.0,
                    _ => f64::NAN,
                };
                assert!(of_nothing == expected || of_nothing.is_nan() && expected.is_nan(), "{name}");
            }
        }
    }
}
