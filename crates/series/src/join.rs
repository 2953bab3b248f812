//! One series of many.
//!
//! A [`Joined`] holds, step by step, the best of each row that any source knows, with the priority of its source. Joining
//! two of them takes the better of each row, by an order in which an unknown is below everything. So it does not
//! matter in which order sources answer, which of them are joined first, or whether one is joined twice; and since
//! priorities are those of the configuration, a series does not change its source from row to row by chance.
//!
//! What the rows of several steps say together is decided when a series is made of them:
//!
//! 1. The step is the finest in which a source of the first tier that knows anything knows something. Where others know
//!    what lies before or behind all rows of that step, it is as coarse as theirs: one series has one step.
//! 2. A row that is known in that step stands as it is.
//! 3. For another row stands the longer row in which its middle lies, or the mean of the shorter rows in it: of those
//!    that are known, the one of the first tier, of the finest step, of the first source.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::consolidate::{mean, overlapping};
use crate::grid::{Grid, GridError, Step, around_middle};
use crate::series::Series;

/// Which source goes before which, the smaller first. One number stands for one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority {
    /// The place of its tier in the configuration.
    pub tier: u32,
    /// Its place in the tier.
    pub source: u32,
}

/// What sources know, together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Joined {
    steps: BTreeMap<Step, Rows>,
}

/// All rows of one step.
#[derive(Debug, Clone, PartialEq)]
struct Rows {
    /// Where the first row begins and the last one ends, of all sources, known or not.
    extent: (i64, i64),
    /// The first of the sources.
    first: Priority,
    /// In the order of time.
    known: Vec<Known>,
}

/// The best of a row so far.
#[derive(Debug, Clone, Copy)]
struct Known {
    end: i64,
    value: f64,
    priority: Priority,
}

impl PartialEq for Known {
    /// To the bit, or 0 and -0 would be two answers that are alike.
    fn eq(&self, other: &Self) -> bool {
        (self.end, self.value.to_bits(), self.priority) == (other.end, other.value.to_bits(), other.priority)
    }
}

impl Known {
    /// The better of two for one row. One source gives one value for a row, as rows are written once; if not, the
    /// larger is taken, for some order there must be.
    fn better(self, other: Self) -> Self {
        match other.priority.cmp(&self.priority).then(self.value.total_cmp(&other.value)) {
            Ordering::Less => other,
            Ordering::Equal | Ordering::Greater => self,
        }
    }
}

impl Joined {
    /// What one source knows.
    pub fn of(priority: Priority, series: &Series) -> Self {
        let known = series.known().map(|(end, value)| Known { end, value, priority }).collect();
        let grid = series.grid();
        let rows = Rows { extent: (grid.start(), grid.end()), first: priority, known };
        Self { steps: BTreeMap::from([(grid.step(), rows)]) }
    }

    /// What both know. The order of the two does not matter, nor that of several joins.
    #[must_use]
    pub fn join(mut self, other: Self) -> Self {
        for (step, rows) in other.steps {
            match self.steps.entry(step) {
                Entry::Vacant(entry) => {
                    entry.insert(rows);
                }
                Entry::Occupied(mut entry) => entry.get_mut().join(rows),
            }
        }
        self
    }

    /// The series of a window, in Unix seconds; none where no source has rows at all.
    ///
    /// # Errors
    /// Where there is no such window.
    pub fn series(&self, start: i64, finish: i64) -> Result<Option<Series>, GridError> {
        // Finds what is wrong with the window whatever the steps are.
        Grid::covering(start, finish, Step::MIN)?;
        let Some(step) = self.step(start, finish)? else { return Ok(None) };
        let grid = Grid::covering(start, finish, step)?;
        let own = self.steps.get(&step).map_or(&[][..], |rows| rows.within(&grid));
        let mut own = own.iter().peekable();
        let value = |end| match own.next_if(|known| known.end == end) {
            Some(known) => Some(known.value),
            None => self.other(end, step),
        };
        let values: Vec<_> = grid.ends().map(value).collect();
        Series::new(grid, &values).map(Some)
    }

    /// The step of a series of this window.
    fn step(&self, start: i64, finish: i64) -> Result<Option<Step>, GridError> {
        let mut steps = Vec::with_capacity(self.steps.len());
        for (step, rows) in &self.steps {
            let known = rows.within(&Grid::covering(start, finish, *step)?);
            steps.push((*step, rows, known));
        }
        let tier = |known: &[Known]| known.iter().map(|known| known.priority.tier).min();
        let Some(first) = steps.iter().filter_map(|(_, _, known)| tier(known)).min() else {
            // As fine as the first of them would have it.
            let first = self.steps.iter().min_by_key(|(step, rows)| (rows.first.tier, **step));
            return Ok(first.map(|(step, _)| *step));
        };
        let mut chosen: Option<(Step, (i64, i64))> = None;
        for (step, rows, known) in steps {
            let Some((_, extent)) = chosen else {
                if known.iter().any(|known| known.priority.tier == first) {
                    chosen = Some((step, rows.extent));
                }
                continue;
            };
            let seconds = i64::from(step.get());
            // Beyond the last row there may be the rest of a longer one.
            let is_beyond = |known: &Known| known.end <= extent.0 || known.end - seconds >= extent.1;
            if known.iter().any(is_beyond) {
                chosen = Some((step, hull(extent, rows.extent)));
            }
        }
        Ok(chosen.map(|(step, _)| step))
    }

    /// What rows of other steps say of the row of `step` that ends then.
    fn other(&self, end: i64, step: Step) -> Option<f64> {
        let others = self.steps.iter().filter(|(other, _)| **other != step);
        let said = others.filter_map(|(other, rows)| {
            let (value, priority) = rows.stand_for(*other, end, step)?;
            Some(((priority.tier, *other, priority.source), value))
        });
        said.min_by_key(|(place, _)| *place).map(|(_, value)| value)
    }
}

impl Rows {
    fn join(&mut self, other: Self) {
        self.extent = hull(self.extent, other.extent);
        self.first = self.first.min(other.first);
        if self.known.last().is_none_or(|last| other.known.first().is_some_and(|first| last.end < first.end))
        {
            self.known.extend(other.known);
            return;
        }
        let (mut ours, mut theirs) =
            (std::mem::take(&mut self.known).into_iter().peekable(), other.known.into_iter().peekable());
        while let (Some(our), Some(their)) = (ours.peek(), theirs.peek()) {
            let known = match our.end.cmp(&their.end) {
                Ordering::Less => ours.next(),
                Ordering::Greater => theirs.next(),
                Ordering::Equal => ours.next().zip(theirs.next()).map(|(our, their)| our.better(their)),
            };
            self.known.extend(known);
        }
        self.known.extend(ours.chain(theirs));
    }

    /// Those that are rows of a grid.
    fn within(&self, grid: &Grid) -> &[Known] {
        let first = self.known.partition_point(|known| known.end <= grid.start());
        let behind = self.known.partition_point(|known| known.end <= grid.end());
        &self.known[first..behind]
    }

    /// What these rows, of `step`, say of one of another step, and the first source that says so.
    fn stand_for(&self, step: Step, end: i64, wanted: Step) -> Option<(f64, Priority)> {
        if step > wanted {
            let around = around_middle(end, wanted, step);
            let index = self.known.binary_search_by_key(&around, |known| known.end).ok()?;
            let known = &self.known[index];
            return Some((known.value, known.priority));
        }
        let within = overlapping(&self.known, |known| known.end, step, end, wanted);
        let value = mean(within.iter().map(|known| (known.end, known.value)), step, end, wanted)?;
        Some((value, within.iter().map(|known| known.priority).min()?))
    }
}

fn hull(one: (i64, i64), other: (i64, i64)) -> (i64, i64) {
    (one.0.min(other.0), one.1.max(other.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(tier: u32, start: i64, step: u32, values: &[Option<f64>]) -> Joined {
        let grid = Grid::new(start, Step::new(step).unwrap(), values.len()).unwrap();
        Joined::of(Priority { tier, source: 0 }, &Series::new(grid, values).unwrap())
    }

    fn rows(joined: &Joined, start: i64, finish: i64) -> (u32, Vec<Option<f64>>) {
        let series = joined.series(start, finish).unwrap().unwrap();
        (series.grid().step().get(), series.values().collect())
    }

    #[test]
    fn a_longer_row_stands_for_those_whose_middle_is_in_it() {
        let fine = joined(0, 0, 10, &[Some(1.0), None, None, Some(4.0), None, None, None, None]);
        let coarse = joined(0, 0, 35, &[Some(10.0), None, Some(30.0)]);
        let expected = [Some(1.0), Some(10.0), Some(10.0), Some(4.0), None, None, None, Some(30.0)];
        assert_eq!(rows(&fine.join(coarse), 0, 79), (10, expected.to_vec()));
    }

    #[test]
    fn the_mean_of_shorter_rows_stands_for_the_longer_one() {
        let coarse = joined(0, 0, 30, &[Some(1.0), None, None]);
        let fine = joined(1, 0, 10, &[9.0, 9.0, 9.0, 2.0, 4.0].map(Some));
        let expected = [Some(1.0), Some(3.0), None];
        assert_eq!(rows(&fine.join(coarse), 0, 89), (30, expected.to_vec()), "the step is the first tier's");
    }

    #[test]
    fn what_only_longer_rows_know_makes_all_rows_longer() {
        // An hour of short rows, behind a time of which only the longer archive tells.
        let fine = joined(0, 140, 10, &[Some(5.0); 7]);
        let coarse = joined(0, 0, 70, &[Some(1.0), Some(2.0), None]);
        assert_eq!(
            rows(&fine.clone().join(coarse.clone()), 0, 209),
            (70, vec![Some(1.0), Some(2.0), Some(5.0)])
        );
        // Within its rows a gap is only filled.
        let gap = joined(0, 0, 10, &[None; 14]);
        let (step, values) = rows(&fine.join(coarse).join(gap), 0, 209);
        assert_eq!((step, &values[5..9]), (10, &[Some(1.0), Some(1.0), Some(2.0), Some(2.0)][..]));
    }

    #[test]
    fn what_only_longer_rows_know_behind_all_others_makes_all_rows_longer() {
        let fine = joined(0, 0, 10, &[Some(5.0); 7]);
        let coarse = joined(0, 0, 70, &[Some(1.0), Some(2.0)]);
        assert_eq!(rows(&fine.join(coarse), 0, 139), (70, vec![Some(1.0), Some(2.0)]));
        // The rest of a row that began before is none of that.
        let fine = joined(0, 0, 10, &[Some(5.0); 8]);
        let coarse = joined(0, 0, 70, &[Some(1.0), Some(2.0)]);
        assert_eq!(rows(&fine.join(coarse), 0, 79).0, 10);
    }

    #[test]
    fn of_other_steps_the_first_tier_says_what_it_is_and_then_the_finest() {
        let gap = || joined(0, 0, 10, &[None, None, Some(1.0)]);
        let [finer, coarse, coarser] = [(1, 5, 2.0), (0, 30, 3.0), (0, 60, 4.0)]
            .map(|(tier, step, value)| joined(tier, 0, step, &vec![Some(value); 60 / step as usize]));
        let first = |joined: &Joined| rows(joined, 0, 29).1[0];
        assert_eq!(first(&gap().join(finer.clone())), Some(2.0));
        assert_eq!(first(&gap().join(finer.clone()).join(coarser.clone())), Some(4.0));
        assert_eq!(first(&gap().join(finer).join(coarser).join(coarse)), Some(3.0));
        // Of shorter rows together, the first tier of them counts.
        let mixed = joined(2, 0, 5, &[Some(6.0), None]).join(joined(0, 0, 5, &[None, Some(8.0)]));
        let gap = joined(0, 0, 10, &[None, None, Some(1.0)]).join(joined(1, 0, 30, &[Some(3.0)]));
        assert_eq!(first(&gap.join(mixed)), Some(7.0));
    }

    #[test]
    fn a_window_without_known_rows_is_unknown_in_the_step_of_the_first_tier() {
        let nothing = joined(1, 0, 10, &[None; 7]).join(joined(0, 0, 70, &[None]));
        assert_eq!(rows(&nothing, 0, 69), (70, vec![None]));
        assert_eq!(Joined::default().series(0, 69), Ok(None));
        assert_eq!(nothing.series(5, 4), Err(GridError::Order { start: 5, finish: 4 }));
    }

    #[test]
    fn the_first_source_goes_before_others_and_a_known_row_before_all() {
        let of = |source, values: &[Option<f64>]| {
            let grid = Grid::new(0, Step::new(10).unwrap(), values.len()).unwrap();
            Joined::of(Priority { tier: 0, source }, &Series::new(grid, values).unwrap())
        };
        let [a, b] = [of(0, &[Some(1.0), None, None]), of(1, &[Some(9.0), Some(2.0), None])];
        let expected = (10, vec![Some(1.0), Some(2.0), None]);
        assert_eq!(rows(&a.clone().join(b.clone()), 0, 29), expected);
        assert_eq!(rows(&b.join(a), 0, 29), expected);
    }
}
