//! Bringing series to one step, so that their rows can be paired.
//!
//! Rows are paired by their number, not by their time. The common step is the least common multiple; each series is
//! consolidated by its own function, in groups counted from its own first row.

use std::borrow::Cow;

use crate::consolidate::consolidate;
use crate::error::Error;
use crate::series::TimeSeries;

/// When the rows of several series together are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) start: i64,
    pub(crate) end: i64,
    pub(crate) step: i64,
}

impl Grid {
    /// That of these series; None if there are none.
    pub(crate) fn of<'a>(
        series: impl Iterator<Item = &'a TimeSeries> + Clone,
    ) -> Result<Option<Self>, Error> {
        let mut step: Option<i64> = None;
        for one in series.clone() {
            step = Some(step.map_or(Ok(one.step), |step| least_common_multiple(step, one.step))?);
        }
        let start = series.clone().map(|one| one.start).min();
        let end = series.map(|one| one.end).max();
        let (Some(step), Some(start), Some(end)) = (step, start, end) else { return Ok(None) };
        Ok(Some(Self { start, end: end - (end - start).rem_euclid(step), step }))
    }

    /// The values of one of them on its step.
    pub(crate) fn values<'a>(&self, series: &'a TimeSeries) -> Result<Cow<'a, [f64]>, Error> {
        let rows = usize::try_from(self.step / series.step).unwrap_or(1);
        if rows <= 1 {
            return Ok(Cow::Borrowed(series.values()));
        }
        let values = consolidate(series.values(), rows, &series.consolidation, series.x_files_factor)?;
        Ok(Cow::Owned(values))
    }

    /// A series on it.
    pub(crate) fn series(&self, name: String, values: Vec<f64>, x_files_factor: f64) -> TimeSeries {
        let mut made = TimeSeries::made(name, self.start, self.end, self.step, values);
        made.x_files_factor = x_files_factor;
        made
    }
}

/// The rows of several series on one step.
#[derive(Debug)]
pub(crate) struct Aligned<'a> {
    pub(crate) grid: Grid,
    columns: Vec<Cow<'a, [f64]>>,
}

impl<'a> Aligned<'a> {
    /// None if there is nothing to align.
    pub(crate) fn of(series: &[&'a TimeSeries]) -> Result<Option<Self>, Error> {
        let Some(grid) = Grid::of(series.iter().copied())? else { return Ok(None) };
        let columns: Result<_, _> = series.iter().map(|one| grid.values(one)).collect();
        Ok(Some(Self { grid, columns: columns? }))
    }

    /// How many rows the longest has.
    pub(crate) fn len(&self) -> usize {
        self.columns.iter().map(|column| column.len()).max().unwrap_or_default()
    }

    /// A value for each row. Where a series has ended, its value is unknown.
    pub(crate) fn rows(
        &self,
        mut of_row: impl FnMut(&[f64]) -> Result<f64, Error>,
    ) -> Result<Vec<f64>, Error> {
        // Some rows of all series at a time: the memory of a column is read in order, that of a row is small.
        const BLOCK: usize = 32;
        let (width, length) = (self.columns.len(), self.len());
        let mut values = Vec::with_capacity(length);
        let mut block = vec![f64::NAN; width * BLOCK];
        for first in (0..length).step_by(BLOCK) {
            let rows = BLOCK.min(length - first);
            for (place, column) in self.columns.iter().enumerate() {
                for row in 0..rows {
                    block[row * width + place] = column.get(first + row).copied().unwrap_or(f64::NAN);
                }
            }
            for row in block.chunks_exact(width).take(rows) {
                values.push(of_row(row)?);
            }
        }
        Ok(values)
    }
}

fn least_common_multiple(one: i64, other: i64) -> Result<i64, Error> {
    let (mut divisor, mut rest) = (one, other);
    while rest != 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    let longest = i32::MAX;
    let multiple = (one / divisor).checked_mul(other).filter(|step| *step <= i64::from(longest));
    multiple.ok_or_else(|| Error::limit("seconds of a common step", longest as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_counted_from_the_first_row_of_each_series() {
        let fine = TimeSeries::new("fine", 10, 10, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        let coarse = TimeSeries::new("coarse", 30, 30, vec![100.0, 200.0]);
        let aligned = Aligned::of(&[&fine, &coarse]).unwrap().unwrap();
        assert_eq!(aligned.grid, Grid { start: 10, end: 70, step: 30 });
        let sums = aligned.rows(|row| Ok(row.iter().filter(|value| !value.is_nan()).sum())).unwrap();
        assert_eq!(sums, [102.0, 205.0, 7.0]);
    }

    #[test]
    fn steps_that_have_little_in_common_are_refused() {
        let series = |step| TimeSeries::new("a", 0, step, vec![1.0]);
        let odd = [series(10_007), series(10_009), series(10_037)];
        assert!(Grid::of(odd.iter()).is_err());
        assert_eq!(Grid::of([].iter()), Ok(None));
    }
}
