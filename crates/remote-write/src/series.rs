//! What is remembered of series: their labels, as they are written, and when they were last written.
//!
//! A series that is not seen, and of which nothing waits, is forgotten when memory runs out. Then it is made anew, and its
//! last time is not known.

use std::cmp::Ordering;
use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// Bytes of a series beside its labels, as it lies in tables that are half full.
const SERIES_BYTES: usize = 96;

/// The number of a series.
pub type Number = u32;

/// See the module.
#[derive(Debug, Default)]
pub struct SeriesTable {
    hasher: RandomState,
    series: Vec<Option<Series>>,
    free: Vec<Number>,
    by_labels: HashTable<Number>,
    /// Bytes of labels.
    bytes: usize,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Series {
    labels: Box<[u8]>,
    /// Milliseconds of the newest sample, less than any if there was none.
    last: i64,
    /// When a value list last named it: never before the time at which any list of it was seen.
    seen: i64,
    /// Samples that refer to it.
    waiting: u32,
}

/// How a sample stands to the last one of its series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// It is newer.
    Newer,
    /// It is of the same time.
    Equal,
    /// It is older.
    Older,
}

impl Series {
    /// Takes note that a value list names it. Several may, and the clock may go back from one to the next.
    pub(crate) fn see(&mut self, now: i64) {
        self.seen = self.seen.max(now);
    }

    /// Takes note of a sample, which waits if it is newer than the last one.
    pub(crate) fn add(&mut self, milliseconds: i64) -> Order {
        match milliseconds.cmp(&self.last) {
            Ordering::Less => Order::Older,
            Ordering::Equal => Order::Equal,
            Ordering::Greater => {
                self.last = milliseconds;
                self.waiting += 1;
                Order::Newer
            }
        }
    }
}

impl SeriesTable {
    /// Bytes that are in use. The place of a series that is gone takes what another one would.
    pub fn bytes(&self) -> usize {
        self.bytes + self.series.len() * SERIES_BYTES
    }

    /// How many series there are.
    pub fn len(&self) -> usize {
        self.series.len() - self.free.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The series of these labels, which are [encoded](crate::request::encode_labels).
    pub(crate) fn of_labels(&mut self, labels: Box<[u8]>, now: i64) -> Number {
        let hash = self.hasher.hash_one(&labels[..]);
        let series = &mut self.series;
        let is_same =
            |number: &Number| series[*number as usize].as_ref().is_some_and(|known| known.labels == labels);
        if let Some(&number) = self.by_labels.find(hash, is_same) {
            if let Some(known) = &mut series[number as usize] {
                known.see(now);
            }
            return number;
        }
        self.bytes += labels.len();
        let new = Some(Series { labels, last: i64::MIN, seen: now, waiting: 0 });
        let number = match self.free.pop() {
            Some(number) => {
                series[number as usize] = new;
                number
            }
            None => {
                series.push(new);
                (series.len() - 1) as Number
            }
        };
        let hasher = &self.hasher;
        let hash_of = |number: &Number| {
            hasher.hash_one(series[*number as usize].as_ref().map_or(&[][..], |series| &series.labels))
        };
        self.by_labels.insert_unique(hash, number, hash_of);
        number
    }

    /// Takes note that a sample of a series no longer waits.
    pub fn done(&mut self, number: Number) {
        if let Some(series) = &mut self.series[number as usize] {
            series.waiting -= 1;
        }
    }

    /// The labels of a series, encoded.
    pub fn labels(&self, number: Number) -> &[u8] {
        self.get(number).map_or(&[], |series| &series.labels)
    }

    fn get(&self, number: Number) -> Option<&Series> {
        self.series[number as usize].as_ref()
    }

    /// The series of a number.
    pub(crate) fn get_mut(&mut self, number: Number) -> Option<&mut Series> {
        self.series[number as usize].as_mut()
    }

    /// Whether there is a series of this number.
    pub(crate) fn is_known(&self, number: Number) -> bool {
        self.series.get(number as usize).is_some_and(Option::is_some)
    }

    /// Forgets the series that nothing waits for and that were not seen since a time. None was seen after now. The last
    /// ones that nothing waits for take the places of those that are gone: of each the old number and the new one, in order
    /// of the old ones.
    pub(crate) fn forget(&mut self, since: i64, now: i64) -> Vec<(Number, Number)> {
        let bytes = &mut self.bytes;
        let (series, free) = (&mut self.series, &mut self.free);
        self.by_labels.retain(|&mut number| {
            let place = &mut series[number as usize];
            let goes = place.take_if(|known| {
                known.seen = known.seen.min(now);
                known.seen < since && known.waiting == 0
            });
            if let Some(gone) = &goes {
                *bytes -= gone.labels.len();
                free.push(number);
            }
            goes.is_none()
        });
        let moved = self.close_holes();
        self.shrink();
        moved
    }

    /// Samples that wait refer to their series by its number, so the last one that something waits for ends it.
    fn close_holes(&mut self) -> Vec<(Number, Number)> {
        let (hasher, series) = (&self.hasher, &mut self.series);
        let mut moved = Vec::new();
        let mut hole = 0;
        while let Some(last) = series.last() {
            let Some(known) = last else {
                series.pop();
                continue;
            };
            while series.get(hole).is_some_and(Option::is_some) {
                hole += 1;
            }
            let from = series.len() - 1;
            if known.waiting > 0 || hole >= from {
                break;
            }
            let is_it = |number: &Number| *number as usize == from;
            if let Some(number) = self.by_labels.find_mut(hasher.hash_one(&known.labels[..]), is_it) {
                *number = hole as Number;
            }
            moved.push((from as Number, hole as Number));
            series.swap(hole, from);
        }
        moved.reverse();
        moved
    }

    fn shrink(&mut self) {
        let hasher = &self.hasher;
        let series = &mut self.series;
        self.by_labels.shrink_to(self.by_labels.len() * 2, |number| {
            hasher.hash_one(series[*number as usize].as_ref().map_or(&[][..], |series| &series.labels))
        });
        series.shrink_to(series.len() * 2);
        self.free.retain(|number| series.get(*number as usize).is_some_and(Option::is_none));
        self.free.shrink_to(self.free.len() * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_table_takes_is_counted_though_the_last_series_stays_or_is_waited_for() {
        for waits in [false, true] {
            let mut table = SeriesTable::default();
            let labels = |number: u32| Box::<[u8]>::from(number.to_be_bytes());
            for number in 0..1000 {
                let seen = if number % 100 == 99 { 2 } else { 1 };
                assert_eq!(table.of_labels(labels(number), seen), number);
            }
            if waits {
                table.get_mut(999).unwrap().add(1);
            }
            let moved = table.forget(2, 2);
            assert_eq!((table.len(), moved.len()), (10, if waits { 0 } else { 10 }));
            assert!(table.series.capacity() * size_of::<Option<Series>>() <= table.bytes());
            for old in (99..1000).step_by(100) {
                let new = moved.iter().find(|(from, _)| *from == old).map_or(old, |(_, to)| *to);
                assert_eq!(table.of_labels(labels(old), 2), new);
                assert_eq!(table.labels(new), &*labels(old));
            }
            assert_eq!(table.len(), 10);
        }
    }
}
