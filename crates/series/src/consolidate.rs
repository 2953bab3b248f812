//! Longer rows of short ones.

use crate::grid::{Grid, GridError, Step};
use crate::series::Series;

/// A row that is known: the end of its time, and its value.
pub(crate) type Row = (i64, f64);

/// The mean of what is known in the row that ends at `end` and is `longer` long, of rows of `step`, which come in the
/// order of time. Each counts by how much of its time lies within. None where nothing does.
pub(crate) fn mean(
    rows: impl Iterator<Item = Row> + Clone,
    step: Step,
    end: i64,
    longer: Step,
) -> Option<f64> {
    let (start, seconds) = (end - i64::from(longer.get()), i64::from(step.get()));
    let within = rows
        .map(|(last, value)| (last.min(end) - (last - seconds).max(start), value))
        .filter(|(overlap, _)| *overlap > 0);
    let known: i64 = within.clone().map(|(overlap, _)| overlap).sum();
    if known == 0 {
        return None;
    }
    let sum: f64 = within.clone().map(|(overlap, value)| value * overlap as f64).sum();
    let mean = if sum.is_finite() {
        sum / known as f64
    } else {
        // The largest numbers have no sum, but their shares have one.
        within.clone().map(|(overlap, value)| value * (overlap as f64 / known as f64)).sum()
    };
    // Rounding must not lead out of the values: a level that does not change stays what it is.
    let values = || within.clone().map(|(_, value)| value);
    Some(mean.clamp(values().fold(f64::MAX, f64::min), values().fold(f64::MIN, f64::max)))
}

impl Series {
    /// The same time in longer rows, each the mean of what is known in it; a row is unknown if nothing is. Steps need
    /// not divide each other: a row that lies in two counts in each by the part that is in it.
    ///
    /// ```
    /// use series::grid::{Grid, Step};
    /// use series::series::Series;
    ///
    /// let grid = Grid::new(0, Step::new(10).unwrap(), 4)?;
    /// let series = Series::new(grid, &[Some(2.0), Some(5.0), None, None])?;
    /// let longer = series.consolidated(Step::new(15).unwrap())?;
    /// assert_eq!(longer.values().collect::<Vec<_>>(), [Some(3.0), Some(5.0), None]);
    /// # Ok::<(), series::grid::GridError>(())
    /// ```
    ///
    /// # Errors
    /// [`GridError::Far`] where a longer row would end too far from 1970.
    pub fn consolidated(&self, longer: Step) -> Result<Self, GridError> {
        let step = self.grid().step();
        if longer <= step {
            return Ok(self.clone());
        }
        // The end of the last row belongs to it, so that there is no row for what is behind it.
        let finish = self.grid().end().max(self.grid().start() + 1) - 1;
        let grid = Grid::covering(self.grid().start(), finish, longer)?;
        let known: Vec<_> = self.known().collect();
        let value = |end| {
            let within = overlapping(&known, |(last, _)| *last, step, end, longer);
            mean(within.iter().copied(), step, end, longer)
        };
        Self::new(grid, &grid.ends().map(value).collect::<Vec<_>>())
    }
}

/// Of rows of `step` in the order of time, those that have a part in the row that ends at `end` and is `longer` long.
pub(crate) fn overlapping<T>(
    rows: &[T],
    last: impl Fn(&T) -> i64,
    step: Step,
    end: i64,
    longer: Step,
) -> &[T] {
    let first = rows.partition_point(|row| last(row) <= end - i64::from(longer.get()));
    let behind = rows.partition_point(|row| last(row) < end + i64::from(step.get()));
    &rows[first..behind.max(first)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(seconds: u32) -> Step {
        Step::new(seconds).unwrap()
    }

    #[test]
    fn rows_count_by_their_part() {
        let grid = Grid::new(0, step(10), 7).unwrap();
        let series = Series::new(grid, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0].map(Some)).unwrap();
        let values = |seconds| series.consolidated(step(seconds)).unwrap().values().collect::<Vec<_>>();
        assert_eq!(
            values(35),
            [Some((10.0 + 20.0 + 30.0 + 20.0) / 35.0), Some((20.0 + 50.0 + 60.0 + 70.0) / 35.0)]
        );
        assert_eq!(values(70), [Some(4.0)]);
        assert_eq!(values(1000), [Some(4.0)]);
        assert_eq!(values(10), series.values().collect::<Vec<_>>());
        assert_eq!(values(5), series.values().collect::<Vec<_>>(), "there is nothing to be made finer");
    }

    #[test]
    fn unknown_rows_do_not_count() {
        let grid = Grid::new(-20, step(10), 4).unwrap();
        let series = Series::new(grid, &[None, None, Some(3.0), None]).unwrap();
        let longer = series.consolidated(step(20)).unwrap();
        assert_eq!(longer.grid().start(), -20);
        assert_eq!(longer.values().collect::<Vec<_>>(), [None, Some(3.0)]);
        let none = Series::new(Grid::new(0, step(10), 0).unwrap(), &[]).unwrap();
        assert!(none.consolidated(step(20)).unwrap().values().all(|value| value.is_none()));
    }

    #[test]
    fn a_level_that_does_not_change_stays_what_it_is() {
        let grid = Grid::new(0, step(10), 3).unwrap();
        let series = Series::new(grid, &[Some(0.1); 3]).unwrap();
        assert_eq!(series.consolidated(step(70)).unwrap().values().collect::<Vec<_>>(), [Some(0.1)]);
    }

    #[test]
    fn the_mean_of_the_largest_numbers_is_a_number() {
        let grid = Grid::new(0, step(10), 3).unwrap();
        let series = Series::new(grid, &[Some(f64::MAX); 3]).unwrap();
        assert_eq!(series.consolidated(step(30)).unwrap().values().collect::<Vec<_>>(), [Some(f64::MAX)]);
    }
}
