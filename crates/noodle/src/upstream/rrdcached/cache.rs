//! Rows that were just asked for: none is older than the step of its rows, nor than ten seconds.

use std::time::{Duration, Instant};

use rrdcached::command::Window;

use super::rows::{self, Cached};
use super::shelf::EACH;
use super::{Path, Rows, Rrdcached};
use crate::budget::Budget;

/// Nothing is older.
const OLDEST: Duration = Duration::from_secs(10);

impl Rrdcached {
    /// The rows of a file for a window, which are those that the node would give, or were so a moment ago; with `rates` it is
    /// known of them whether they are.
    pub(super) fn recall(&self, path: &Path, window: Window, rates: bool) -> Option<Rows> {
        let rows = self.remembered.rows.get(&self.key(path, window))?;
        let is_known = !rates || rows.sources.iter().all(|source| source.is_rate.is_some());
        (is_known && rows::grid(window, step(&rows)) == Some(rows.grid)).then_some(rows)
    }

    /// Keeps rows that came just now, if there is memory for them.
    pub(super) fn remember(&self, path: &Path, window: Window, rows: &Rows, budget: &Budget) {
        let names: usize = rows.sources.iter().map(|source| source.name.len()).sum();
        let bytes = memory(rows) + names + path.0.len() + EACH;
        let Some(part) = self.remembered.part(bytes, budget) else { return };
        let Ok(all) = budget.reserve(bytes) else { return };
        let until = Instant::now() + age(step(rows));
        self.remembered.rows.put(self.key(path, window), rows.clone(), until, [part, all]);
    }

    /// By file and length of the window, since a dashboard asks for the last hour, whenever that is.
    fn key(&self, path: &Path, window: Window) -> (u64, Cached) {
        (self.number, Cached { path: path.clone(), seconds: window.end() - window.start() })
    }
}

fn step(rows: &Rows) -> i64 {
    rows.grid.step().get().into()
}

/// How old rows of this step may be.
fn age(step: i64) -> Duration {
    Duration::from_secs(u64::try_from(step).unwrap_or(0)).min(OLDEST)
}

/// Bytes of the values of rows.
pub(super) fn memory(rows: &Rows) -> usize {
    rows.sources.len() * rows.grid.rows() * size_of::<f64>()
}

#[cfg(test)]
mod tests {
    use ::series::series::Series;

    use super::super::tests::nowhere;
    use super::*;
    use crate::ask::rows::SourceRows;

    fn rows(window: Window, step: i64) -> Rows {
        let grid = rows::grid(window, step).unwrap();
        let rows = Series::from_nan(grid, vec![1.0; grid.rows()]).unwrap();
        Rows { grid, sources: vec![SourceRows { name: (*b"value").into(), is_rate: None, rows }] }
    }

    #[test]
    fn a_window_has_the_same_rows_until_it_reaches_the_next() {
        let (node, budget) = (nowhere(), Budget::new(1 << 20));
        let path = Path::new(b"web1", b"load", b"load");
        let window = |start| Window::new(start, start + 300).unwrap();
        node.remember(&path, window(1001), &rows(window(1001), 100), &budget);
        assert_eq!(node.recall(&path, window(1099), false), Some(rows(window(1001), 100)));
        assert_eq!(node.recall(&path, window(1100), false), None);
        assert_eq!(node.recall(&path, window(1099), true), None, "nobody said whether they are rates");
        assert_eq!(node.recall(&path, Window::new(1001, 1302).unwrap(), false), None);
        assert_eq!(node.recall(&Path::new(b"web2", b"load", b"load"), window(1001), false), None);
    }

    #[test]
    fn rows_are_kept_within_a_part_of_the_budget_and_given_back() {
        let (node, budget) = (nowhere(), Budget::new(64 << 10));
        let window = Window::new(1, 10_000).unwrap();
        let path = |number: u8| Path::new(b"web", b"load", &[number]);
        for number in 0..100 {
            node.remember(&path(number), window, &rows(window, 100), &budget);
        }
        let kept = (0..100).filter(|number| node.recall(&path(*number), window, false).is_some()).count();
        assert!((4..10).contains(&kept) && budget.lent() <= budget.limit() / 8, "{kept}");
        drop(node);
        assert_eq!(budget.lent(), 0);
    }

    #[test]
    fn nothing_is_older_than_its_step_nor_than_ten_seconds() {
        for (step, seconds) in [(1, 1), (5, 5), (10, 10), (70, 10)] {
            assert_eq!(age(step), Duration::from_secs(seconds), "{step}");
        }
    }
}
