//! Which series the values of a value list belong to, by its names.
//!
//! An agent sends its value lists again and again, in one order. So it is looked first whether a list is the one that came
//! behind the last one before: then its names are compared with known ones, and nothing has to be copied or hashed.

use std::hash::BuildHasher;

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
    lists: Vec<Option<List>>,
    free: Vec<ListNumber>,
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
        let next = is_tried.then(|| self.lists.get(self.next as usize)?.as_ref()).flatten();
        let number = match next {
            Some(known) if known.is_of(names) => self.next,
            _ => self.look_up(names)?,
        };
        self.wrong = if number == self.next { 0 } else { PATIENCE.min(self.wrong + 1) };
        let known = self.lists[number as usize].as_mut()?;
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
        let is_it = |number: &ListNumber| {
            self.lists[*number as usize].as_ref().is_some_and(|known| *known.key == *self.key)
        };
        let number = *self.by_names.find(hash, is_it)?;
        self.follow(number);
        Some(number)
    }

    /// Takes note that a list came behind the last one.
    fn follow(&mut self, number: ListNumber) {
        if let Some(Some(last)) = self.lists.get_mut(self.last as usize) {
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
        let number = self.free.pop().unwrap_or_else(|| {
            self.lists.push(None);
            (self.lists.len() - 1) as ListNumber
        });
        self.follow(number);
        (self.last, self.next) = (number, 0);
        self.lists[number as usize] = Some(list);
        let (hasher, lists) = (&self.hasher, &self.lists);
        self.by_names.insert_unique(hash, number, |number| hash_of(hasher, lists, *number));
        self.lists[number as usize].as_ref().map_or(&[], |list| &list.places)
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

    /// Forgets the lists that were not seen since a time. None was seen after now.
    pub(crate) fn forget(&mut self, since: i64, now: i64) {
        let Self { lists, free, by_names, bytes, .. } = self;
        by_names.retain(|&mut number| {
            let goes = lists[number as usize].take_if(|list| {
                list.seen = list.seen.min(now);
                list.seen < since
            });
            if let Some(gone) = &goes {
                *bytes -= list_bytes(gone.key.len(), gone.places.len());
                free.push(number);
            }
            goes.is_none()
        });
        while lists.last().is_some_and(Option::is_none) {
            lists.pop();
        }
        lists.shrink_to(lists.len() * 2);
        let end = lists.len();
        free.retain(|number| (*number as usize) < end);
        free.shrink_to(free.len() * 2);
        let hasher = &self.hasher;
        by_names.shrink_to(by_names.len() * 2, |number| hash_of(hasher, lists, *number));
    }

    /// Forgets all of them.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Every series that a list has.
    pub(crate) fn series(&self) -> impl Iterator<Item = Number> {
        self.lists.iter().flatten().flat_map(|list| list.places.iter().filter_map(|(number, _)| *number))
    }
}

impl List {
    #[inline]
    fn is_of(&self, names: [&[u8]; 5]) -> bool {
        let Some((lengths, mut rest)) = self.key.split_first_chunk::<5>() else { return false };
        names.iter().zip(lengths).all(|(name, length)| {
            let Some((known, behind)) = rest.split_at_checked(usize::from(*length)) else { return false };
            rest = behind;
            known == *name
        })
    }

    /// Whether a value list has the values that were expected of its names.
    #[inline]
    fn fits(&self, list: &ValueListRef<'_>) -> bool {
        let is_gauge = |kind| kind == ValueKind::Gauge;
        let fits = |((_, kind), value): (&Place, coco_core::value_list::Value)| {
            is_gauge(*kind) == is_gauge(value.kind())
        };
        self.places.len() == list.values.len() && self.places.iter().zip(list.values.iter()).all(fits)
    }
}

fn names<'a>(identifier: &IdentifierRef<'a>) -> [&'a [u8]; 5] {
    let [plugin, plugin_instance, type_name, type_instance] = identifier.metric_parts();
    [identifier.host, plugin, plugin_instance, type_name, type_instance]
}

fn hash_of(hasher: &RandomState, lists: &[Option<List>], number: ListNumber) -> u64 {
    hasher.hash_one(lists[number as usize].as_ref().map_or(&[][..], |list| &list.key))
}

fn list_bytes(key: usize, places: usize) -> usize {
    // Two places lie in the list itself.
    LIST_BYTES + key + if places > 2 { places * size_of::<Place>() } else { 0 }
}
