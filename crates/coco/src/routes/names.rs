//! Names of metrics, each kept once however many hosts have it.

use coco_core::bytes::equal;
use coco_core::value_list::write_joined;
use hashbrown::HashTable;
use std::sync::Arc;

/// A metric's name: plugin, plugin instance, type and type instance, a NUL between them.
///
/// No name on the wire holds a NUL, so different identifiers never look alike, as `a/b/c` may.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(Arc<[u8]>);

impl Name {
    pub(super) fn new(parts: [&[u8]; 4]) -> Self {
        Self(parts.join(&0).into())
    }

    /// Whether these are its parts.
    #[inline]
    pub(super) fn is(&self, parts: [&[u8]; 4]) -> bool {
        let mut rest: &[u8] = &self.0;
        for (i, part) in parts.into_iter().enumerate() {
            if i > 0 {
                let Some((0, behind)) = rest.split_first() else { return false };
                rest = behind;
            }
            match rest.split_at_checked(part.len()) {
                Some((own, behind)) if equal(own, part) => rest = behind,
                _ => return false,
            }
        }
        rest.is_empty()
    }

    /// Plugin, plugin instance, type and type instance, the empty ones included.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|&byte| byte == 0)
    }

    /// Appends the name as the API shows it: the non-empty parts joined by `/`.
    pub fn write(&self, out: &mut Vec<u8>) {
        write_joined(self.parts(), out);
    }
}

/// The number of a remembered name. Never the greatest, which stands for none.
pub type NameId = u32;

/// Largest number of names.
const MAX_NAMES: usize = NameId::MAX as usize;

#[derive(Debug)]
struct Entry {
    name: Name,
    hash: u64,
    /// How many hosts have a metric of this name; 0 for a free entry.
    references: u32,
}

/// All names that some host has, numbered.
#[derive(Debug, Default)]
pub(super) struct Names {
    entries: Vec<Entry>,
    free: Vec<NameId>,
    index: HashTable<NameId>,
}

/// What a name costs beside its bytes: an entry, the index's share, the allocation's head.
const OVERHEAD: usize = size_of::<Entry>() + 2 * size_of::<NameId>() + 32;

/// Bytes that remembering a name takes, at most.
pub(super) fn cost(parts: [&[u8]; 4]) -> usize {
    OVERHEAD + 3 + parts.map(<[u8]>::len).iter().sum::<usize>()
}

impl Names {
    #[inline]
    pub(super) fn find(&self, hash: u64, parts: [&[u8]; 4]) -> Option<NameId> {
        self.index.find(hash, |&id| self.entries[id as usize].name.is(parts)).copied()
    }

    /// Adds a name that is not there yet, without references. `None` if there are too many.
    pub(super) fn insert(&mut self, hash: u64, parts: [&[u8]; 4]) -> Option<NameId> {
        let entry = Entry { name: Name::new(parts), hash, references: 0 };
        let id = match self.free.pop() {
            Some(id) => {
                self.entries[id as usize] = entry;
                id
            }
            None if self.entries.len() < MAX_NAMES => {
                self.entries.push(entry);
                (self.entries.len() - 1) as NameId
            }
            None => return None,
        };
        let Self { entries, index, .. } = self;
        index.insert_unique(hash, id, |&id| entries[id as usize].hash);
        Some(id)
    }

    #[inline]
    pub(super) fn get(&self, id: NameId) -> &Name {
        &self.entries[id as usize].name
    }

    pub(super) fn reference(&mut self, id: NameId) {
        self.entries[id as usize].references += 1;
    }

    /// Takes a reference back. Returns the bytes that this frees: a name without references is forgotten.
    pub(super) fn release(&mut self, id: NameId) -> usize {
        let entry = &mut self.entries[id as usize];
        entry.references -= 1;
        if entry.references > 0 {
            return 0;
        }
        if let Ok(found) = self.index.find_entry(entry.hash, |&other| other == id) {
            found.remove();
        }
        self.free.push(id);
        let freed = OVERHEAD + entry.name.0.len();
        entry.name = Name(Arc::default());
        freed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: [&[u8]; 4] = [b"cpu", b"0", b"cpu", b"idle"];
    const LOAD: [&[u8]; 4] = [b"load", b"", b"load", b""];

    #[test]
    fn a_name_lives_as_long_as_someone_has_it_and_its_number_is_used_again() {
        let mut names = Names::default();
        let idle = names.insert(1, IDLE).unwrap();
        for _ in 0..3 {
            names.reference(idle);
        }
        assert_eq!([names.release(idle), names.release(idle)], [0, 0]);
        assert_eq!(names.find(1, IDLE), Some(idle));
        assert_eq!(names.release(idle), cost(IDLE));
        assert_eq!(names.find(1, IDLE), None);

        let load = names.insert(2, LOAD).unwrap();
        assert_eq!((load, names.entries.len()), (idle, 1));
        assert_eq!(names.find(2, LOAD), Some(load));
        assert!(names.get(load).parts().eq(LOAD));
    }

    #[test]
    fn names_of_one_hash_are_told_apart() {
        let mut names = Names::default();
        let alike: [[&[u8]; 4]; 5] = [
            [b"a", b"b", b"c", b""],
            [b"a", b"", b"b", b"c"],
            [b"a/b", b"", b"c", b""],
            [b"a", b"b/c", b"", b""],
            [b"a", b"b", b"c", b"d"],
        ];
        let ids = alike.map(|parts| names.insert(7, parts).unwrap());
        for (parts, id) in alike.into_iter().zip(ids) {
            names.reference(id);
            assert_eq!(names.find(7, parts), Some(id));
        }
        let shown = |id| {
            let mut shown = Vec::new();
            names.get(id).write(&mut shown);
            shown
        };
        assert!(ids[..4].iter().all(|&id| shown(id) == b"a/b/c"));
        names.release(ids[1]);
        let left = alike.map(|parts| names.find(7, parts));
        assert_eq!(left, [Some(ids[0]), None, Some(ids[2]), Some(ids[3]), Some(ids[4])]);
    }
}
