//! Which series the values of a value list belong to, by its names.
//!
//! An agent sends its value lists again and again, in one order. So it is looked first whether a list is the one that came
//! behind the last one before: then its names are compared with known ones, and nothing has to be copied or hashed.

use std::hash::BuildHasher;

use coco_core::bytes::equal;
use coco_core::value_kind::ValueKind;
use coco_core::value_list::{IdentifierRef, ValueListRef};
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use smallvec::SmallVec;

use crate::sample::LONGEST_NAME;
use crate::series::Number;

/// Bytes of a value list beside its names, as it lies in tables that are half full.
const LIST_BYTES: usize = 160;

/// After so many lists that were not expected none is, until one would have been: where they come in no order, to look at
/// what is expected costs more than it saves.
const PATIENCE: u8 = 8;

/// Of a series, or that a rule drops it; and the kind that types.db has of it.
pub(crate) type Place = (Option<Number>, ValueKind);

/// One for each value of a list.
pub(crate) type Places = SmallVec<[Place; 2]>;

/// The number of a list.
type ListNumber = u32;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    hasher: RandomState,
    lists: Vec<List>,
    by_names: HashTable<ListNumber>,
    /// The list that was found last, and which is expected next.
    last: ListNumber,
    next: ListNumber,
    /// How often in a row another one came, up to [`PATIENCE`].
    wrong: u8,
    bytes: usize,
    key: Vec<u8>,
}

#[derive(Debug)]
struct List {
    /// The five names, with their lengths before them so that no two identifiers have one key.
    key: Box<[u8]>,
    places: Places,
    /// When it was last found.
    seen: i64,
    /// Which one was found next when this one was found; any, if there has been none.
    next: ListNumber,
}

impl Lists {
    /// Bytes that are in use.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Where the values of a list belong; none if it is not known, or not with as many values of such kinds.
    #[inline]
    pub(crate) fn find(&mut self, list: &ValueListRef<'_>, now: i64) -> Option<&[Place]> {
        let names = names(&list.identifier);
        let is_tried = self.wrong < PATIENCE;
        let next = is_tried.then(|| self.lists.get(self.next as usize)).flatten();
        let number = match next {
            Some(known) if known.is_of(names) => self.next,
            _ => self.look_up(names)?,
        };
        self.wrong = if number == self.next { 0 } else { PATIENCE.min(self.wrong + 1) };
        let known = &mut self.lists[number as usize];
        if !known.fits(list) {
            return None;
        }
        known.seen = now;
        (self.last, self.next) = (number, known.next);
        Some(&known.places)
    }

    /// By the hash of its names. From now on it is expected where it has come now.
    fn look_up(&mut self, names: [&[u8]; 5]) -> Option<ListNumber> {
        let hash = self.set_key(names)?;
        let is_it = |number: &ListNumber| *self.lists[*number as usize].key == *self.key;
        let number = *self.by_names.find(hash, is_it)?;
        self.follow(number);
        Some(number)
    }

    /// Takes note that a list came behind the last one.
    fn follow(&mut self, number: ListNumber) {
        if let Some(last) = self.lists.get_mut(self.last as usize) {
            last.next = number;
        }
    }

    /// Takes note of a list that was not found: one place for each of its values.
    #[cold]
    pub(crate) fn insert(&mut self, identifier: &IdentifierRef<'_>, places: Places, now: i64) -> &[Place] {
        // Names that are too long have no places.
        let Some(hash) = self.set_key(names(identifier)) else { return &[] };
        self.bytes += list_bytes(self.key.len(), places.len());
        let list = List { key: self.key.as_slice().into(), places, seen: now, next: 0 };
        let number = self.lists.len() as ListNumber;
        self.lists.push(list);
        self.follow(number);
        (self.last, self.next) = (number, 0);
        let (hasher, lists) = (&self.hasher, &self.lists);
        self.by_names.insert_unique(hash, number, |number| hash_of(hasher, lists, *number));
        &self.lists[number as usize].places
    }

    /// The hash of names, which are the key then; none if that can't be one.
    fn set_key(&mut self, names: [&[u8]; 5]) -> Option<u64> {
        self.key.clear();
        for name in names {
            self.key.push(u8::try_from(name.len()).ok().filter(|_| name.len() <= LONGEST_NAME)?);
        }
        names.iter().for_each(|name| self.key.extend_from_slice(name));
        Some(self.hasher.hash_one(&self.key[..]))
    }

    /// Forgets the lists that were not seen since a time. None was seen after now. The last ones take the places of those
    /// that go, so that there are no holes; who expects one by its old number finds another, and looks it up.
    pub(crate) fn forget(&mut self, since: i64, now: i64) {
        let Self { hasher, lists, by_names, bytes, .. } = self;
        lists.iter_mut().for_each(|list| list.seen = list.seen.min(now));
        by_names.retain(|&mut number| lists[number as usize].seen >= since);
        let mut at = 0;
        while at < lists.len() {
            if lists[at].seen >= since {
                at += 1;
                continue;
            }
            let gone = lists.swap_remove(at);
            *bytes -= list_bytes(gone.key.len(), gone.places.len());
            let (from, to) = (lists.len() as ListNumber, at as ListNumber);
            if let Some(moved) = lists.get(at)
                && let Some(number) =
                    by_names.find_mut(hasher.hash_one(&*moved.key), |&number| number == from)
            {
                *number = to;
            }
        }
        lists.shrink_to(lists.len() * 2);
        by_names.shrink_to(by_names.len() * 2, |number| hash_of(hasher, lists, *number));
    }

    /// Takes note that series have other numbers: of each the old one and the new one, in order of the old ones.
    pub(crate) fn renumber(&mut self, moved: &[(Number, Number)]) {
        let numbers =
            self.lists.iter_mut().flat_map(|list| &mut list.places).filter_map(|(number, _)| number.as_mut());
        for number in numbers {
            if let Ok(at) = moved.binary_search_by_key(number, |(old, _)| *old) {
                *number = moved[at].1;
            }
        }
    }

    /// Forgets all of them.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Every series that a list has.
    pub(crate) fn series(&self) -> impl Iterator<Item = Number> {
        self.lists.iter().flat_map(|list| list.places.iter().filter_map(|(number, _)| *number))
    }
}

impl List {
    #[inline]
    fn is_of(&self, names: [&[u8]; 5]) -> bool {
        let Some((lengths, mut rest)) = self.key.split_first_chunk::<5>() else { return false };
        names.iter().zip(lengths).all(|(name, length)| {
            if name.len() != usize::from(*length) {
                return false;
            }
            let Some((known, behind)) = rest.split_at_checked(name.len()) else { return false };
            rest = behind;
            equal(known, name)
        })
    }

    /// Whether a value list has the values that were expected of its names.
    #[inline]
    fn fits(&self, list: &ValueListRef<'_>) -> bool {
        let fits = |((_, kind), (code, _)): (&Place, (u8, [u8; 8]))| {
            (*kind == ValueKind::Gauge) == (code == ValueKind::Gauge as u8)
        };
        self.places.len() == list.values.len() && self.places.iter().zip(list.values.raw()).all(fits)
    }
}

fn names<'a>(identifier: &IdentifierRef<'a>) -> [&'a [u8]; 5] {
    let [plugin, plugin_instance, type_name, type_instance] = identifier.metric_parts();
    [identifier.host, plugin, plugin_instance, type_name, type_instance]
}

fn hash_of(hasher: &RandomState, lists: &[List], number: ListNumber) -> u64 {
    hasher.hash_one(&*lists[number as usize].key)
}

fn list_bytes(key: usize, places: usize) -> usize {
    // Two places lie in the list itself.
    LIST_BYTES + key + if places > 2 { places * size_of::<Place>() } else { 0 }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use coco_core::value_list::Identifier;

    use super::*;

    fn insert(lists: &mut Lists, host: u32, seen: i64) {
        let identifier = Identifier {
            host: host.to_be_bytes().to_vec(),
            plugin: b"p".to_vec(),
            type_name: b"t".to_vec(),
            ..Identifier::default()
        };
        let place = (Some(host), ValueKind::Gauge);
        lists.insert(&identifier.as_ref(), SmallVec::from_slice(&[place]), seen);
    }

    #[test]
    fn what_the_table_takes_is_counted_though_the_last_list_stays() {
        let mut lists = Lists::default();
        (0..1000).for_each(|host| insert(&mut lists, host, if host % 100 == 99 { 2 } else { 1 }));
        lists.forget(2, 2);
        let left: HashSet<_> = lists.series().collect();
        assert_eq!(left, (0..10).map(|at| at * 100 + 99).collect());
        assert!(lists.lists.capacity() * size_of::<List>() <= lists.bytes());
        // Each is found where it is now.
        for host in left {
            let names = [&host.to_be_bytes()[..], b"p", b"", b"t", b""];
            let number = lists.look_up(names).unwrap();
            assert_eq!(lists.lists[number as usize].places[0].0, Some(host));
        }
    }
}
