//! Making values fewer: several rows become one.

use crate::aggregate::known;
use crate::error::Error;

/// How several values become one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consolidation {
    /// The mean of the known ones.
    Average,
    /// The mean, where an unknown one is 0.
    AverageZero,
    /// The sum.
    Sum,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// The first known one.
    First,
    /// The last known one.
    Last,
    /// A name that means nothing, which matters only if there is something to consolidate.
    Unknown(String),
}

impl Consolidation {
    /// The names that are known.
    pub const NAMES: [&str; 8] = ["sum", "average", "avg", "avg_zero", "min", "max", "first", "last"];

    /// By the name that `consolidateBy` is given.
    pub fn named(name: &str) -> Self {
        match name {
            "average" | "avg" => Self::Average,
            "avg_zero" => Self::AverageZero,
            "sum" => Self::Sum,
            "min" => Self::Min,
            "max" => Self::Max,
            "first" => Self::First,
            "last" => Self::Last,
            unknown => Self::Unknown(unknown.to_owned()),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Average => "average",
            Self::AverageZero => "avg_zero",
            Self::Sum => "sum",
            Self::Min => "min",
            Self::Max => "max",
            Self::First => "first",
            Self::Last => "last",
            Self::Unknown(name) => name,
        }
    }

    fn of(&self, group: &[f64]) -> f64 {
        let mut values = known(group);
        match self {
            Self::Average => {
                let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
                sum / count
            }
            Self::AverageZero => values.sum::<f64>() / group.len() as f64,
            Self::Sum => values.sum(),
            Self::Min => values.fold(f64::NAN, f64::min),
            Self::Max => values.fold(f64::NAN, f64::max),
            Self::First => values.next().unwrap_or(f64::NAN),
            Self::Last => values.last().unwrap_or(f64::NAN),
            Self::Unknown(_) => f64::NAN,
        }
    }
}

/// `values` in groups of `rows`, counted from the first, a value each: unknown if none is known, or a smaller share of
/// `rows` than `x_files_factor`. The last group may be short.
pub(crate) fn consolidate(
    values: &[f64],
    rows: usize,
    by: &Consolidation,
    x_files_factor: f64,
) -> Result<Vec<f64>, Error> {
    if rows <= 1 {
        return Ok(values.to_vec());
    }
    if let Consolidation::Unknown(name) = by {
        return Err(Error::Unsupported { what: "consolidation function", name: name.clone() });
    }
    let one = |group: &[f64]| {
        let count = known(group).count();
        if count > 0 && count as f64 / rows as f64 >= x_files_factor { by.of(group) } else { f64::NAN }
    };
    Ok(values.chunks(rows).map(one).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_last_group_is_held_against_all_its_rows() {
        let values = [1.0, f64::NAN, 3.0, 4.0];
        let by = |name| Consolidation::named(name);
        assert_eq!(consolidate(&values, 3, &by("sum"), 0.0), Ok(vec![4.0, 4.0]));
        assert_eq!(consolidate(&values, 3, &by("avg_zero"), 0.0), Ok(vec![4.0 / 3.0, 4.0]));
        assert!(consolidate(&values, 3, &by("max"), 0.5).unwrap()[1].is_nan());
        assert!(consolidate(&values, 3, &by("nosuch"), 0.0).is_err());
        assert!(consolidate(&values, 1, &by("nosuch"), 0.0).is_ok());
        assert!(Consolidation::NAMES.iter().all(|name| !matches!(by(name), Consolidation::Unknown(_))));
    }
}
