//! The aggregation of a window that slides over values, row by row.
//!
//! A window of many rows would cost its length again for each row. Sums, least and greatest ones can be had from those
//! of two parts: the older rows, for which the value of every end is known, and the newer ones, which are only added to.
//! Nothing is ever subtracted, so no error adds up.

use crate::aggregate::{Aggregation, known};

/// What is known of some rows.
#[derive(Debug, Clone, Copy)]
struct Part {
    count: usize,
    sum: f64,
    min: f64,
    max: f64,
    last: f64,
}

impl Part {
    const EMPTY: Self = Self { count: 0, sum: 0.0, min: f64::NAN, max: f64::NAN, last: f64::NAN };

    fn of(value: f64) -> Self {
        match value.is_nan() {
            true => Self::EMPTY,
            false => Self { count: 1, sum: value, min: value, max: value, last: value },
        }
    }

    /// With newer rows behind it.
    fn and(self, newer: Self) -> Self {
        Self {
            count: self.count + newer.count,
            sum: self.sum + newer.sum,
            min: self.min.min(newer.min),
            max: self.max.max(newer.max),
            last: if newer.last.is_nan() { self.last } else { newer.last },
        }
    }

    fn aggregate(self, aggregation: Aggregation) -> f64 {
        match aggregation {
            _ if self.count == 0 => f64::NAN,
            Aggregation::Sum => self.sum,
            Aggregation::Average => self.sum / self.count as f64,
            Aggregation::Min => self.min,
            Aggregation::Max => self.max,
            Aggregation::Range => self.max - self.min,
            Aggregation::Last => self.last,
            // What is_of_parts allows besides these.
            _ => self.count as f64,
        }
    }
}

/// For each row from `window` on, how many of it and the `window` - 1 rows before it are known, and their aggregation.
/// The row before that has a window too, but nobody wants it.
pub(crate) fn windows(values: &[f64], window: usize, aggregation: Aggregation) -> Vec<(usize, f64)> {
    if window >= values.len() {
        return Vec::new();
    }
    if !aggregation.is_of_parts() {
        let mut rows = Vec::with_capacity(window);
        let each = values[1..].windows(window).map(|window| {
            rows.clear();
            rows.extend(known(window));
            (rows.len(), aggregation.of_known(&mut rows))
        });
        return each.collect();
    }
    let mut made = Vec::with_capacity(values.len() - window);
    // `older` has the parts from each of its rows to its end, the oldest last.
    let (mut older, mut newer) = (Vec::with_capacity(window), Part::EMPTY);
    for end in window..values.len() {
        if older.is_empty() {
            let first = end + 1 - window;
            let mut part = Part::EMPTY;
            older.extend(values[first..=end].iter().rev().map(|value| {
                part = Part::of(*value).and(part);
                part
            }));
            newer = Part::EMPTY;
        } else {
            newer = newer.and(Part::of(values[end]));
        }
        let whole = older.last().copied().unwrap_or(Part::EMPTY).and(newer);
        made.push((whole.count, whole.aggregate(aggregation)));
        older.pop();
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_aggregated_as_if_each_was_by_itself() {
        let values: Vec<_> = (0..57_u32)
            .map(|row| if row % 5 == 3 { f64::NAN } else { f64::from(row * 7919 % 101) })
            .collect();
        for (name, aggregation) in Aggregation::NAMES {
            for window in 1..=58 {
                let each = windows(&values, window, aggregation);
                assert_eq!(each.len(), values.len().saturating_sub(window));
                for (place, (count, found)) in each.into_iter().enumerate() {
                    let rows = &values[place + 1..=place + window];
                    let known: Vec<_> = rows.iter().copied().filter(|value| !value.is_nan()).collect();
                    assert_eq!(count, known.len());
                    let expected = aggregation.of(&known);
                    assert!(
                        count == 0 || (found - expected).abs() < 1e-9,
                        "{name} {window}: {found} {expected}"
                    );
                }
            }
        }
    }
}
