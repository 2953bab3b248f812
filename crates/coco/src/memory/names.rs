//! Names of metrics, each kept once however many hosts have it.

use std::sync::Arc;

use coco_core::bytes::equal;
use coco_core::value_list::write_joined;
use coco_core::wire::IdentifierSpans;
use coco_core::wire::part::NAME_MAX;

use super::chunk;
use super::index::Index;
use super::places::Places;

/// A metric's name: plugin, plugin instance, type and type instance, a NUL between them.
///
/// No name on the wire holds a NUL, so different identifiers never look alike, as `a/b/c` may.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(Arc<[u8]>);

impl Name {
    pub(super) fn new(parts: [&[u8]; 4]) -> Self {
        Self(parts.join(&0).into())
    }

    /// Whether it has so many bytes and from one of them on these parts, where all before are known to be its own.
    #[inline]
    fn has<'p>(&self, length: usize, mut start: usize, mut parts: impl Iterator<Item = &'p [u8]>) -> bool {
        // No part holds a NUL. So if all are where they should be, the bytes between them are the NULs.
        self.0.len() == length
            && parts.all(|part| {
                let own = self.0.get(start..start + part.len());
                start += part.len() + 1;
                own.is_some_and(|own| equal(own, part))
            })
    }

    /// Number of its first parts that are those of another name; three at most.
    fn alike(&self, other: &Self) -> usize {
        self.parts().zip(other.parts()).take(3).take_while(|(one, other)| one == other).count()
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

/// A [`Name`] that is looked for, joined where its parts stand in a datagram: hashing and comparing it as one takes half
/// as long as part by part.
#[derive(Debug)]
pub struct Joined {
    short: [u8; Self::ROOM],
    /// One with a longer part, or at the end of a datagram.
    long: Vec<u8>,
}

impl Default for Joined {
    fn default() -> Self {
        Self { short: [0; Self::ROOM], long: Vec::new() }
    }
}

impl Joined {
    /// Bytes that are copied at a time: no part of most names has more.
    const AT_ONCE: usize = 16;

    /// For four parts, each copied whole and with a NUL behind it.
    const ROOM: usize = 4 * (Self::AT_ONCE + 1);

    /// The name of a value list's metric.
    #[inline(always)]
    pub fn of(&mut self, datagram: &[u8], spans: &IdentifierSpans) -> &[u8] {
        match self.join_short(datagram, spans) {
            Some(length) => self.short.get(..length).unwrap_or_default(),
            None => self.join_long(datagram, spans),
        }
    }

    /// Returns the length, `None` if it is not as short as most are.
    #[inline(always)]
    fn join_short(&mut self, datagram: &[u8], spans: &IdentifierSpans) -> Option<usize> {
        let IdentifierSpans { plugin, plugin_instance, type_name, type_instance, .. } = *spans;
        let mut end = 0;
        for part in [plugin, plugin_instance, type_name, type_instance] {
            if part.length() > Self::AT_ONCE {
                return None;
            }
            // What is behind the part is written over by the next.
            let bytes: &[u8; Self::AT_ONCE] = datagram.get(part.start()..)?.first_chunk()?;
            *self.short.get_mut(end..)?.first_chunk_mut()? = *bytes;
            end += part.length();
            *self.short.get_mut(end)? = 0;
            end += 1;
        }
        Some(end - 1)
    }

    #[cold]
    fn join_long(&mut self, datagram: &[u8], spans: &IdentifierSpans) -> &[u8] {
        self.long.clear();
        for (index, part) in spans.of(datagram).metric_parts().into_iter().enumerate() {
            if index > 0 {
                self.long.push(0);
            }
            self.long.extend_from_slice(part);
        }
        &self.long
    }
}

/// The number of a remembered name. Never among the greatest, which stand for none.
pub type NameId = u32;

/// Bytes of the longest name.
const LONGEST: usize = 4 * NAME_MAX;

/// Largest number of names, so that two bits of a number are left for something else.
pub(super) const MAX_NAMES: usize = (NameId::MAX >> 2) as usize;

#[derive(Debug, Default)]
struct Entry {
    name: Name,
    hash: u64,
    /// Number of hosts with a metric of this name; 0 for a free entry.
    references: u32,
}

/// All names that some host has, numbered.
#[derive(Debug, Default)]
pub(super) struct Names {
    entries: Places<Entry>,
    index: Index,
    /// Bytes of the names themselves.
    bytes: usize,
}

/// Bytes of a name of so many: with the counts of its owners, and rounded up as it is allocated.
fn size_of_name(length: usize) -> usize {
    chunk(2 * size_of::<usize>() + length)
}

fn length_of(parts: [&[u8]; 4]) -> usize {
    3 + parts.iter().map(|part| part.len()).sum::<usize>()
}

impl Names {
    #[inline]
    pub(super) fn find(&self, hash: u64, parts: [&[u8]; 4]) -> Option<NameId> {
        self.index.find(hash, |&id| self.is(id, parts))
    }

    #[inline]
    pub(super) fn find_joined(&self, hash: u64, joined: &[u8]) -> Option<NameId> {
        let is = |&id: &NameId| self.entries.get(id).is_some_and(|entry| equal(&entry.name.0, joined));
        self.index.find(hash, is)
    }

    /// Bytes that it takes to add a name, at most.
    pub(super) fn growth(&mut self, hash: u64, parts: [&[u8]; 4]) -> usize {
        self.growth_by(hash, length_of(parts))
    }

    /// The same of the longest one.
    pub(super) fn most_growth(&mut self, hash: u64) -> usize {
        self.growth_by(hash, LONGEST)
    }

    fn growth_by(&mut self, hash: u64, length: usize) -> usize {
        self.entries.growth() + self.index.growth(hash) + size_of_name(length)
    }

    /// The number of the name that is added next.
    pub(super) fn next(&mut self) -> NameId {
        self.entries.next() as NameId
    }

    /// Adds a name that is not there yet, without references. `None` if there are too many.
    pub(super) fn insert(&mut self, hash: u64, parts: [&[u8]; 4]) -> Option<NameId> {
        let Self { entries, index, bytes } = self;
        if entries.next() >= MAX_NAMES {
            return None;
        }
        let name = Name::new(parts);
        *bytes += size_of_name(name.0.len());
        let id = entries.put(Entry { name, hash, references: 0 });
        index.insert(hash, id, |&id| hash_of(entries, id));
        Some(id)
    }

    #[inline]
    pub(super) fn get(&self, id: NameId) -> &Name {
        &self.entries.get(id).expect("a number that was given").name
    }

    /// Whether this is the number of this name. It may be that of a name which is forgotten.
    #[inline]
    pub(super) fn is(&self, id: NameId, parts: [&[u8]; 4]) -> bool {
        self.has(id, length_of(parts), 0, parts.into_iter())
    }

    /// The same of a name of so many bytes that has these parts from one of them on, where all before are known to be so.
    #[inline]
    pub(super) fn has<'p>(
        &self,
        id: NameId,
        length: usize,
        start: usize,
        parts: impl Iterator<Item = &'p [u8]>,
    ) -> bool {
        self.entries.get(id).is_some_and(|entry| entry.name.has(length, start, parts))
    }

    /// Number of first parts that two names have in common; three at most.
    pub(super) fn alike(&self, one: NameId, other: NameId) -> usize {
        self.get(one).alike(self.get(other))
    }

    pub(super) fn reference(&mut self, id: NameId) {
        if let Some(entry) = self.entries.get_mut(id) {
            entry.references += 1;
        }
    }

    /// Takes a reference back: a name without references is forgotten.
    pub(super) fn release(&mut self, id: NameId) {
        let Self { entries, index, bytes } = self;
        let Some(entry) = entries.get_mut(id) else { return };
        entry.references -= 1;
        if entry.references > 0 {
            return;
        }
        let Entry { name, hash, .. } = entry;
        *bytes -= size_of_name(name.0.len());
        *name = Name::default();
        let hash = *hash;
        entries.release(id);
        index.remove(hash, id, |&id| hash_of(entries, id));
    }

    /// Gives back memory that names have left, some of it. Whether there is more.
    pub(super) fn give_back(&mut self) -> bool {
        self.entries.give_back()
    }

    /// Bytes on the heap.
    pub(super) fn size(&self) -> usize {
        self.entries.size() + self.index.size() + self.bytes
    }
}

fn hash_of(entries: &Places<Entry>, id: NameId) -> u64 {
    entries.get(id).map_or(0, |entry| entry.hash)
}

#[cfg(test)]
mod tests {
    use coco_core::wire::{Decoder, Event, PacketBuilder, Span};
    use coco_harness::traffic;

    use super::*;

    const IDLE: [&[u8]; 4] = [b"cpu", b"0", b"cpu", b"idle"];
    const LOAD: [&[u8]; 4] = [b"load", b"", b"load", b""];

    #[test]
    fn a_name_is_joined_from_its_parts_wherever_they_end_and_however_long_they_are() {
        let mut packets = PacketBuilder::new(1452);
        let name = |length: usize| (0..length).map(|at| b'a' + (at % 26) as u8).collect::<Vec<_>>();
        for (number, length) in [1, 15, 16, 17, 127, 2, 3].into_iter().enumerate() {
            let mut list = traffic::value_list("web1", number as u32);
            list.identifier.plugin = name(length);
            list.identifier.plugin_instance = name(length * (number % 2));
            list.identifier.type_instance = name(length * (number % 3));
            packets.push(&list.as_ref());
        }
        packets.close();
        let mut joined = Joined::default();
        let mut count = 0;
        for (_, datagram) in packets.packets() {
            for event in Decoder::new(datagram) {
                let Ok(Event::ValueList(spans)) = event else { panic!("{event:?}") };
                let identifier = spans.of(datagram).identifier;
                // As well where nothing is behind the last part.
                let IdentifierSpans { plugin, plugin_instance, type_name, type_instance, .. } =
                    spans.identifier;
                let ends = [plugin, plugin_instance, type_name, type_instance].map(Span::end);
                for bytes in [datagram, &datagram[..ends.into_iter().max().unwrap()]] {
                    assert_eq!(joined.of(bytes, &spans.identifier), identifier.metric_parts().join(&0));
                }
                count += 1;
            }
        }
        assert_eq!(count, 7);
    }

    #[test]
    fn a_name_lives_as_long_as_someone_has_it_and_its_number_is_used_again() {
        let mut names = Names::default();
        let (empty, growth) = (names.size(), names.growth(1, IDLE));
        let idle = names.insert(1, IDLE).unwrap();
        assert!((empty + 1..=empty + growth).contains(&names.size()));
        for _ in 0..3 {
            names.reference(idle);
        }
        names.release(idle);
        names.release(idle);
        assert_eq!(names.find(1, IDLE), Some(idle));
        names.release(idle);
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
