//! What is remembered of series: their labels, as they are written, and when they were last written.
//!
//! The values of a value list find their series by its names, without any label being made. All is lost when memory runs
//! out and nothing waits for it, but for what is in use: then a series is made anew, and its last time is not known.

use std::hash::BuildHasher;

use coco_core::types_db::{DataSource, TypesDb};
use coco_core::value_kind::ValueKind;
use coco_core::value_list::{IdentifierRef, ValueListRef};
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use smallvec::SmallVec;

use crate::naming::labels;
use crate::relabel::Rule;
use crate::request::encode_labels;
use crate::sample::{ListDrop, sources};

/// Bytes of a series beside its labels, and of a value list beside its names: as they lie in tables that are half full.
const SERIES_BYTES: usize = 96;
const LIST_BYTES: usize = 144;

/// The number of a series.
pub type Number = u32;

/// Of a series, or that a rule drops it.
type Place = Option<Number>;

/// See the module.
#[derive(Debug, Default)]
pub struct SeriesTable {
    hasher: RandomState,
    series: Vec<Option<Series>>,
    free: Vec<Number>,
    by_labels: HashTable<Number>,
    lists: HashTable<List>,
    bytes: usize,
    key: Vec<u8>,
}

#[derive(Debug)]
struct Series {
    labels: Box<[u8]>,
    /// Milliseconds of the newest sample.
    last: Option<i64>,
    /// When a value list last named it.
    seen: i64,
    /// Samples that refer to it.
    waiting: u32,
}

#[derive(Debug)]
struct List {
    key: Box<[u8]>,
    sources: SmallVec<[(Place, ValueKind); 2]>,
    seen: i64,
}

/// By which series are made.
#[derive(Debug, Clone, Copy)]
pub struct Making<'a> {
    /// The data sources of types.
    pub types: &'a TypesDb,
    /// Labels of all series.
    pub external: &'a [(String, String)],
    /// Which series are dropped.
    pub rules: &'a [Rule],
}

/// Whether a sample may follow the last one of its series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// It is newer.
    Newer,
    /// It is of the same time.
    Equal,
    /// It is older.
    Older,
}

impl SeriesTable {
    /// Bytes that are in use.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many series there are.
    pub fn len(&self) -> usize {
        self.series.len() - self.free.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The series of each value of a list, or none where a rule drops it, and the kind that types.db has of it. `now` is
    /// in milliseconds.
    pub fn of_list(
        &mut self,
        list: &ValueListRef<'_>,
        making: Making<'_>,
        now: i64,
    ) -> Result<SmallVec<[(Place, ValueKind); 2]>, ListDrop> {
        let mut key = std::mem::take(&mut self.key);
        write_key(&list.identifier, &mut key);
        let hash = self.hasher.hash_one(&key[..]);
        let found = match self.lists.find_mut(hash, |known| *known.key == *key) {
            // The type has the sources that it had; the value list may have others.
            Some(known) if fits(known, list) => {
                known.seen = now;
                // A copy of bytes, which a clone is not.
                Ok(SmallVec::<[_; 2]>::from_slice(&known.sources))
            }
            _ => Err(()),
        };
        let found = match found {
            Ok(places) => {
                for (place, _) in &places {
                    if let Some(series) = place.and_then(|number| self.series[number as usize].as_mut()) {
                        series.seen = now;
                    }
                }
                Ok(places)
            }
            Err(()) => sources(list, making.types)
                .map(|sources| self.remember(hash, &key, &list.identifier, sources, making, now)),
        };
        self.key = key;
        found
    }

    #[cold]
    fn remember(
        &mut self,
        hash: u64,
        key: &[u8],
        identifier: &IdentifierRef<'_>,
        sources: &[DataSource],
        making: Making<'_>,
        now: i64,
    ) -> SmallVec<[(Place, ValueKind); 2]> {
        let place = |table: &mut Self, source: &DataSource| {
            let labels = labels(identifier, source, making.external);
            let is_kept = making.rules.iter().all(|rule| rule.keeps(&labels));
            (is_kept.then(|| table.series_of(encode_labels(&labels), now)), source.kind)
        };
        let places: SmallVec<[(Place, ValueKind); 2]> =
            sources.iter().map(|source| place(self, source)).collect();
        self.bytes += list_bytes(key.len(), places.len());
        let list = List { key: key.into(), sources: places.clone(), seen: now };
        let hasher = &self.hasher;
        self.lists.insert_unique(hash, list, |list| hasher.hash_one(&list.key[..]));
        places
    }

    fn series_of(&mut self, labels: Box<[u8]>, now: i64) -> Number {
        let hash = self.hasher.hash_one(&labels[..]);
        let series = &mut self.series;
        let is_same =
            |number: &Number| series[*number as usize].as_ref().is_some_and(|known| known.labels == labels);
        if let Some(&number) = self.by_labels.find(hash, is_same) {
            if let Some(known) = &mut series[number as usize] {
                known.seen = now;
            }
            return number;
        }
        self.bytes += SERIES_BYTES + labels.len();
        let new = Some(Series { labels, last: None, seen: now, waiting: 0 });
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

    /// How a time stands to the last one of a series.
    pub fn order(&self, number: Number, milliseconds: i64) -> Order {
        match self.get(number).and_then(|series| series.last) {
            Some(last) if milliseconds < last => Order::Older,
            Some(last) if milliseconds == last => Order::Equal,
            _ => Order::Newer,
        }
    }

    /// Takes note that a sample of a series waits, which is its newest.
    pub fn add(&mut self, number: Number, milliseconds: i64) {
        if let Some(series) = &mut self.series[number as usize] {
            series.last = Some(milliseconds);
            series.waiting += 1;
        }
    }

    /// Takes note that a sample of a series no longer waits.
    pub fn done(&mut self, number: Number) {
        if let Some(series) = &mut self.series[number as usize] {
            series.waiting -= 1;
        }
    }

    /// The labels of a series, [encoded](encode_labels).
    pub fn labels(&self, number: Number) -> &[u8] {
        self.get(number).map_or(&[], |series| &series.labels)
    }

    fn get(&self, number: Number) -> Option<&Series> {
        self.series[number as usize].as_ref()
    }

    /// Forgets the series that nothing waits for and that were not seen since a time.
    pub fn forget(&mut self, since: i64) {
        let bytes = &mut self.bytes;
        // Who names a series sees it, so that none is left behind that names one which is gone.
        self.lists.retain(|list| {
            let stays = list.seen >= since;
            if !stays {
                *bytes -= list_bytes(list.key.len(), list.sources.len());
            }
            stays
        });
        let named = |list: &List, number| list.sources.iter().any(|(place, _)| *place == Some(number));
        debug_assert!(self.series.iter().zip(0..).all(|(series, number)| {
            series.as_ref().is_none_or(|series| series.seen >= since)
                || !self.lists.iter().any(|list| named(list, number))
        }));
        let (series, free) = (&mut self.series, &mut self.free);
        self.by_labels.retain(|&mut number| {
            let place = &mut series[number as usize];
            let goes = place.take_if(|known| known.seen < since && known.waiting == 0);
            if let Some(gone) = &goes {
                *bytes -= SERIES_BYTES + gone.labels.len();
                free.push(number);
            }
            goes.is_none()
        });
        self.shrink();
    }

    /// Forgets which value lists have which series, as that may be otherwise now.
    pub fn forget_lists(&mut self) {
        self.bytes -=
            self.lists.iter().map(|list| list_bytes(list.key.len(), list.sources.len())).sum::<usize>();
        self.lists = HashTable::new();
    }

    fn shrink(&mut self) {
        let hasher = &self.hasher;
        self.lists.shrink_to(self.lists.len() * 2, |list| hasher.hash_one(&list.key[..]));
        let series = &mut self.series;
        self.by_labels.shrink_to(self.by_labels.len() * 2, |number| {
            hasher.hash_one(series[*number as usize].as_ref().map_or(&[][..], |series| &series.labels))
        });
        while series.last().is_some_and(Option::is_none) {
            series.pop();
        }
        series.shrink_to(series.len() * 2);
        let end = series.len();
        self.free.retain(|number| (*number as usize) < end);
        self.free.shrink_to(self.free.len() * 2);
    }
}

fn list_bytes(key: usize, sources: usize) -> usize {
    // Two sources lie in the list itself.
    LIST_BYTES + key + if sources > 2 { sources * size_of::<(Place, ValueKind)>() } else { 0 }
}

/// Whether a value list has the values that were expected of its names.
fn fits(known: &List, list: &ValueListRef<'_>) -> bool {
    let is_gauge = |kind| kind == ValueKind::Gauge;
    known.sources.len() == list.values.len()
        && known
            .sources
            .iter()
            .zip(list.values.iter())
            .all(|((_, kind), value)| is_gauge(*kind) == is_gauge(value.kind()))
}

/// The names with their lengths, so that no two identifiers have one key.
fn write_key(identifier: &IdentifierRef<'_>, key: &mut Vec<u8>) {
    key.clear();
    let [plugin, plugin_instance, type_name, type_instance] = identifier.metric_parts();
    for name in [identifier.host, plugin, plugin_instance, type_name, type_instance] {
        key.extend_from_slice(&(name.len() as u16).to_be_bytes());
        key.extend_from_slice(name);
    }
}
