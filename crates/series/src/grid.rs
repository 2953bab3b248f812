//! Where rows lie in time.

use std::num::NonZeroU32;

use thiserror::Error;

/// Seconds from the end of a row to the end of the next.
pub type Step = NonZeroU32;

/// Times are this far from 1970 at most, in seconds: some nine million years, so that no calculation with them, or
/// with twice as much, leaves 64 bits.
const FARTHEST: i64 = 1 << 48;

/// So many rows in a row of time, each of which ends at a multiple of the step.
///
/// ```
/// use series::grid::{Grid, Step};
///
/// let grid = Grid::covering(1_795_303_004, 1_795_303_027, Step::new(10).unwrap())?;
/// assert_eq!((grid.start(), grid.rows()), (1_795_303_000, 3));
/// assert_eq!(grid.ends().collect::<Vec<_>>(), [1_795_303_010, 1_795_303_020, 1_795_303_030]);
/// # Ok::<(), series::grid::GridError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    start: i64,
    step: Step,
    rows: usize,
}

/// Why there is no such grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum GridError {
    /// No archive has its rows there.
    #[error("rows of {step} s can't start at {start}, which is no multiple of it")]
    Start {
        /// Unix seconds.
        start: i64,
        /// Seconds.
        step: Step,
    },
    /// It would end before it starts.
    #[error("the start ({start}) is after the finish ({finish})")]
    Order {
        /// Unix seconds.
        start: i64,
        /// Unix seconds.
        finish: i64,
    },
    /// Farther away than any time that can be calculated with.
    #[error("a time of millions of years")]
    Far,
    /// Not a value for each row.
    #[error("{values} values for {rows} rows")]
    Values {
        /// How many there are.
        values: usize,
        /// How many there should be.
        rows: usize,
    },
}

impl Grid {
    /// The grid whose first row begins at `start`, in Unix seconds, which must be a multiple of the step.
    pub fn new(start: i64, step: Step, rows: usize) -> Result<Self, GridError> {
        let length = i64::try_from(rows).ok().and_then(|rows| rows.checked_mul(step.get().into()));
        let end = length.and_then(|length| start.checked_add(length)).ok_or(GridError::Far)?;
        if start < -FARTHEST || end > FARTHEST {
            return Err(GridError::Far);
        }
        if start.rem_euclid(step.get().into()) != 0 {
            return Err(GridError::Start { start, step });
        }
        Ok(Self { start, step, rows })
    }

    /// The rows that librrd gives for a window, in Unix seconds: from the one in which the start lies to the one in
    /// which the finish lies, where what lies on a border lies in the row behind it.
    pub fn covering(start: i64, finish: i64, step: Step) -> Result<Self, GridError> {
        if start > finish {
            return Err(GridError::Order { start, finish });
        }
        if start < -FARTHEST || finish > FARTHEST {
            return Err(GridError::Far);
        }
        let seconds = i64::from(step.get());
        let (first, last) = (start.div_euclid(seconds), finish.div_euclid(seconds));
        let rows = usize::try_from(last - first + 1).map_err(|_| GridError::Far)?;
        Self::new(first * seconds, step, rows)
    }

    /// Where the first row begins, in Unix seconds.
    pub fn start(&self) -> i64 {
        self.start
    }

    /// Where the last row ends.
    pub fn end(&self) -> i64 {
        self.end_of(self.rows)
    }

    /// How long each row is.
    pub fn step(&self) -> Step {
        self.step
    }

    /// How many there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The time of each row: its end.
    pub fn ends(&self) -> impl ExactSizeIterator<Item = i64> + DoubleEndedIterator + Clone + use<> {
        let grid = *self;
        (0..self.rows).map(move |row| grid.end_of(row + 1))
    }

    /// The index of the row that ends then, if there is one.
    pub fn row_at(&self, end: i64) -> Option<usize> {
        let seconds = i64::from(self.step.get());
        let offset = end.checked_sub(self.start).filter(|offset| offset % seconds == 0)? / seconds;
        usize::try_from(offset - 1).ok().filter(|row| *row < self.rows)
    }

    fn end_of(&self, rows: usize) -> i64 {
        // Both fit, or there were no such grid.
        self.start + i64::from(self.step.get()) * rows as i64
    }
}

/// The end of the row of `step` in which the middle of the shorter row lies that ends at `end` and is `shorter` long.
pub(crate) fn around_middle(end: i64, shorter: Step, step: Step) -> i64 {
    let (twice, seconds) = (2 * end - i64::from(shorter.get()), i64::from(step.get()));
    // Rounded up, since a row has its end and not its start.
    -(-twice).div_euclid(2 * seconds) * seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(seconds: u32) -> Step {
        Step::new(seconds).unwrap()
    }

    #[test]
    fn a_window_has_the_rows_that_librrd_gives() {
        // Windows, steps, and the first and the last time that rrdtool 1.7.2 printed.
        for (start, finish, seconds, first, last) in [
            (1_795_303_000, 1_795_303_300, 10, 1_795_303_010, 1_795_303_310),
            (1_795_303_003, 1_795_303_296, 10, 1_795_303_010, 1_795_303_300),
            (1_795_303_000, 1_795_303_000, 10, 1_795_303_010, 1_795_303_010),
            (-5, 5, 10, 0, 10),
        ] {
            let grid = Grid::covering(start, finish, step(seconds)).unwrap();
            assert_eq!((grid.ends().next(), grid.ends().last()), (Some(first), Some(last)));
            assert_eq!((grid.row_at(first), grid.row_at(last)), (Some(0), Some(grid.rows() - 1)));
            assert_eq!(
                (grid.row_at(first - 10), grid.row_at(first + 1), grid.row_at(last + 10)),
                (None, None, None)
            );
        }
    }

    #[test]
    fn what_is_no_grid_says_why() {
        assert_eq!(Grid::new(5, step(10), 1), Err(GridError::Start { start: 5, step: step(10) }));
        assert_eq!(Grid::new(-10, step(10), 0).map(|grid| grid.end()), Ok(-10));
        assert_eq!(Grid::new(0, step(u32::MAX), usize::MAX), Err(GridError::Far));
        assert_eq!(Grid::new(i64::MAX, step(1), 1), Err(GridError::Far));
        assert_eq!(Grid::covering(i64::MIN, 0, step(1)), Err(GridError::Far));
        assert_eq!(Grid::covering(0, i64::MAX, step(1)), Err(GridError::Far));
        assert_eq!(Grid::covering(2, 1, step(1)), Err(GridError::Order { start: 2, finish: 1 }));
    }

    #[test]
    fn the_middle_of_a_row_lies_in_one_longer_row() {
        for (end, shorter, longer, expected) in [
            (10, 10, 70, 70),
            (70, 10, 70, 70),
            (80, 10, 70, 140),
            // Its middle, 495, is in front of the border at 500, and that of the next behind it.
            (500, 10, 500, 500),
            (510, 10, 500, 1000),
            // The row from 490 to 560 is cut by the border at 500.
            (560, 70, 500, 1000),
            // Its middle is the border itself, which is the end of a row.
            (535, 70, 500, 500),
            // Half seconds.
            (7, 1, 7, 7),
            (8, 1, 7, 14),
            (0, 10, 70, 0),
            (-70, 10, 70, -70),
        ] {
            assert_eq!(around_middle(end, step(shorter), step(longer)), expected, "{end}");
        }
    }
}
