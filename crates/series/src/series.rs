//! A grid with a value, or none, for each row.

use std::sync::Arc;

use crate::grid::{Grid, GridError};

/// The rows of one data source: averages, and unknowns where nobody knows.
///
/// A copy has the same memory. Values are finite: what is infinite says no more than an unknown, and has no form in JSON either.
#[derive(Clone, Debug)]
pub struct Series {
    grid: Grid,
    /// NaN, and no other than [`f64::NAN`], for unknown rows: half as large as what says so beside the value.
    values: Arc<Vec<f64>>,
}

impl Series {
    /// A value, or none, for each row of a grid.
    pub fn new(grid: Grid, values: &[Option<f64>]) -> Result<Self, GridError> {
        Self::from_nan(grid, values.iter().map(|value| value.unwrap_or(f64::NAN)).collect())
    }

    /// The same where NaN stands for what is unknown, as librrd and rrdcached give it.
    pub fn from_nan(grid: Grid, mut values: Vec<f64>) -> Result<Self, GridError> {
        if values.len() != grid.rows() {
            return Err(GridError::Values { values: values.len(), rows: grid.rows() });
        }
        // Written in any case, so that many are looked at at a time.
        for value in &mut values {
            *value = if value.is_finite() { *value } else { f64::NAN };
        }
        Ok(Self { grid, values: Arc::new(values) })
    }

    /// Where the rows lie.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// The values of all rows, in the order of time.
    pub fn values(&self) -> impl ExactSizeIterator<Item = Option<f64>> {
        self.values.iter().map(|value| Some(*value).filter(|value| !value.is_nan()))
    }

    /// The same as numbers, where NaN stands for what is unknown.
    pub fn nan_values(&self) -> &[f64] {
        &self.values
    }

    /// The rows that are known: the time at which each ends, and its value.
    pub fn known(&self) -> impl DoubleEndedIterator<Item = (i64, f64)> {
        self.grid.ends().zip(self.values.iter().copied()).filter(|(_, value)| !value.is_nan())
    }

    /// When the last row ends that is known.
    pub fn last_known(&self) -> Option<i64> {
        self.known().next_back().map(|(end, _)| end)
    }

    /// Whether a row is unknown that ends at this time or before it.
    ///
    /// A node writes rows late, so those behind the last one that it knows are no gap while that is young:
    ///
    /// ```
    /// use series::grid::{Grid, Step};
    /// use series::series::Series;
    ///
    /// let grid = Grid::new(0, Step::new(10).unwrap(), 4)?;
    /// let series = Series::new(grid, &[Some(1.0), Some(2.0), None, None])?;
    /// let (now, settle) = (45, 30);
    /// let young = series.last_known().filter(|last| now - last < settle);
    /// assert_eq!(young, Some(20));
    /// assert!(!series.has_gap_until(young.unwrap_or(now)));
    /// assert!(series.has_gap_until(now));
    /// # Ok::<(), series::grid::GridError>(())
    /// ```
    pub fn has_gap_until(&self, time: i64) -> bool {
        let rows = time.saturating_sub(self.grid.start()).div_euclid(self.grid.step().get().into()).max(0);
        let rows = usize::try_from(rows).unwrap_or(usize::MAX).min(self.values.len());
        self.values[..rows].chunks(64).any(|values| values.iter().filter(|value| value.is_nan()).count() > 0)
    }
}

/// Unknown rows are alike.
impl PartialEq for Series {
    fn eq(&self, other: &Self) -> bool {
        self.grid == other.grid && self.values().eq(other.values())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grid::Step;

    #[test]
    fn what_is_not_finite_is_unknown() {
        let grid = Grid::new(0, Step::new(10).unwrap(), 5).unwrap();
        let values = vec![1.0, f64::INFINITY, -f64::NAN, f64::NEG_INFINITY, -0.0];
        let series = Series::from_nan(grid, values).unwrap();
        let expected = [Some(1.0), None, None, None, Some(-0.0)];
        assert_eq!(series.values().collect::<Vec<_>>(), expected);
        assert_eq!(series, Series::new(grid, &expected).unwrap());
        assert_eq!(series.known().collect::<Vec<_>>(), [(10, 1.0), (50, -0.0)]);
        assert_eq!(series.last_known(), Some(50));
    }

    #[test]
    fn there_is_a_value_for_each_row() {
        let grid = Grid::new(0, Step::new(10).unwrap(), 2).unwrap();
        assert_eq!(Series::new(grid, &[None]), Err(GridError::Values { values: 1, rows: 2 }));
    }
}
