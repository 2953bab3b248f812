//! Rows that were just asked for: a wall of dashboards asks for the same again and again, and rrdcached 1.7.2 loses 32
//! bytes with each answer.
//!
//! Nothing is older than the step of its rows, nor than ten seconds, and all of a node takes no more than a part of the
//! budget, of which it is lent.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rrdcached::archive::Grid;
use rrdcached::command::Window;

use super::{Path, Rows};
use crate::budget::{Budget, Reservation};

/// Nothing is older.
const OLDEST: Duration = Duration::from_secs(10);

/// What part of the budget the rows of a node take at most.
const PART: usize = 16;

/// What an entry takes beside its values and names.
const EACH: usize = 256;

/// The rows of a node.
#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<Shelf>);

#[derive(Debug, Default)]
struct Shelf {
    /// By file and length of the window, since a dashboard asks for the last hour, whenever that is.
    entries: HashMap<(Path, i64), Entry>,
    bytes: usize,
    /// When those were taken out last that are too old.
    tidied: Option<Instant>,
}

#[derive(Debug)]
struct Entry {
    rows: Rows,
    since: Instant,
    bytes: usize,
    /// What it takes.
    _reservation: Reservation,
}

impl Cache {
    /// The rows of a file for a window, which are those that the node would give, or were so a moment ago.
    pub(super) fn get(&self, path: &Path, window: Window) -> Option<Rows> {
        let shelf = self.shelf();
        let entry = shelf.entries.get(&(path.clone(), length(window)))?;
        let is_same = Grid::of(window, entry.rows.grid.step) == entry.rows.grid;
        (is_same && entry.is_young(Instant::now())).then(|| entry.rows.clone())
    }

    /// Keeps rows that came just now, if there is memory for them.
    pub(super) fn put(&self, path: &Path, window: Window, rows: &Rows, budget: &Budget) {
        let now = Instant::now();
        let names: usize = rows.sources.iter().map(|source| source.name.len()).sum();
        let bytes = memory(rows) + names + path.0.len() + EACH;
        let mut shelf = self.shelf();
        shelf.tidy(now);
        if shelf.bytes + bytes > budget.limit() / PART {
            return;
        }
        let Ok(reservation) = budget.reserve(bytes) else { return };
        let entry = Entry { rows: rows.clone(), since: now, bytes, _reservation: reservation };
        let old = shelf.entries.insert((path.clone(), length(window)), entry);
        shelf.bytes = shelf.bytes + bytes - old.map_or(0, |old| old.bytes);
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    /// Takes out what is too old, once a second.
    fn tidy(&mut self, now: Instant) {
        let is_due = self.tidied.is_none_or(|tidied| now.duration_since(tidied) >= Duration::from_secs(1));
        if is_due {
            self.entries.retain(|_, entry| entry.is_young(now));
            self.bytes = self.entries.values().map(|entry| entry.bytes).sum();
            self.tidied = Some(now);
        }
    }
}

impl Entry {
    fn is_young(&self, now: Instant) -> bool {
        let step = Duration::from_secs(u64::try_from(self.rows.grid.step).unwrap_or(0));
        now.duration_since(self.since) < step.min(OLDEST)
    }
}

/// Bytes of the values of rows.
pub(super) fn memory(rows: &Rows) -> usize {
    rows.sources.iter().map(|source| source.values.len() * size_of::<f64>()).sum()
}

fn length(window: Window) -> i64 {
    window.end() - window.start()
}

#[cfg(test)]
mod tests {
    use rrdcached::fetch::DataSource;

    use super::*;

    fn rows(window: Window, step: i64) -> Rows {
        let grid = Grid::of(window, step);
        let values = vec![1.0; usize::try_from(grid.rows()).unwrap()];
        Rows { grid, sources: vec![DataSource { name: b"value".to_vec(), values }] }
    }

    #[test]
    fn a_window_has_the_same_rows_until_it_reaches_the_next() {
        let (cache, budget) = (Cache::default(), Budget::new(1 << 20));
        let path = Path::new(b"web1", b"load", b"load");
        let window = |start| Window::new(start, start + 300).unwrap();
        cache.put(&path, window(1001), &rows(window(1001), 100), &budget);
        assert_eq!(cache.get(&path, window(1099)), Some(rows(window(1001), 100)));
        assert_eq!(cache.get(&path, window(1100)), None);
        assert_eq!(cache.get(&path, Window::new(1001, 1302).unwrap()), None);
        assert_eq!(cache.get(&Path::new(b"web2", b"load", b"load"), window(1001)), None);
    }

    #[test]
    fn rows_are_kept_within_a_part_of_the_budget_and_given_back() {
        let (cache, budget) = (Cache::default(), Budget::new(64 << 10));
        let window = Window::new(1, 10_000).unwrap();
        for number in 0..100_u8 {
            cache.put(&Path::new(b"web", b"load", &[number]), window, &rows(window, 100), &budget);
        }
        let kept = cache.shelf().entries.len();
        assert!((2..10).contains(&kept) && budget.lent() <= budget.limit() / PART, "{kept}");
        drop(cache);
        assert_eq!(budget.lent(), 0);
    }

    #[test]
    fn nothing_is_older_than_its_step_nor_than_ten_seconds() {
        let budget = Budget::new(1 << 20);
        let now = Instant::now();
        for (step, seconds) in [(1, 1), (5, 5), (10, 10), (70, 10)] {
            let rows = rows(Window::new(1, 500).unwrap(), step);
            let entry = Entry { rows, since: now, bytes: 0, _reservation: budget.reserve(0).unwrap() };
            assert!(entry.is_young(now + Duration::from_millis(seconds * 1000 - 1)));
            assert!(!entry.is_young(now + Duration::from_secs(seconds)), "{step}");
        }
    }
}
