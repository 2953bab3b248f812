//! Tables whose entries are known by their places.

/// Entries of a segment: what a table grows by, and what it gives back.
const SEGMENT: usize = 1 << BITS;
const BITS: u32 = 8;

/// A table in segments, which grows without moving anything: what memory has to be found for is always of one size, so
/// what was given back serves again. The lowest free place is taken first, so that a table ends where it may when much
/// of it has become free.
#[derive(Debug)]
pub(super) struct Places<T> {
    segments: Vec<Box<[T; SEGMENT]>>,
    /// Free places included, but for those behind the last one that was ever put.
    length: usize,
    free: Free,
}

impl<T> Default for Places<T> {
    fn default() -> Self {
        Self { segments: Vec::new(), length: 0, free: Free::default() }
    }
}

impl<T: Default> Places<T> {
    /// The entry at a place, if the table is that long.
    #[inline]
    pub(super) fn get(&self, place: u32) -> Option<&T> {
        Some(&self.segments.get((place >> BITS) as usize)?[place as usize % SEGMENT])
    }

    /// The same, to be changed.
    #[inline]
    pub(super) fn get_mut(&mut self, place: u32) -> Option<&mut T> {
        Some(&mut self.segments.get_mut((place >> BITS) as usize)?[place as usize % SEGMENT])
    }

    /// The entries from a place on.
    pub(super) fn from(&self, place: u32) -> impl Iterator<Item = &T> {
        let segments = self.segments.get((place >> BITS) as usize..).unwrap_or_default();
        let entries = segments.iter().flat_map(|segment| segment.iter()).skip(place as usize % SEGMENT);
        entries.take(self.length.saturating_sub(place as usize))
    }

    /// Number of places, free ones included.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// Bytes that it takes to put one more, at most.
    pub(super) fn growth(&mut self) -> usize {
        if self.length < self.segments.len() * SEGMENT || self.free.lowest().is_some() {
            return 0;
        }
        let is_full = self.segments.len() == self.segments.capacity();
        let pointers = if is_full { self.segments.capacity().max(4) } else { 0 };
        size_of_segment::<T>() + pointers * size_of::<Box<[T; SEGMENT]>>() + self.free.growth()
    }

    /// The place of the entry that is put next.
    pub(super) fn next(&mut self) -> usize {
        self.free.lowest().unwrap_or(self.length)
    }

    /// Puts an entry at the lowest free place, or at the end.
    pub(super) fn put(&mut self, entry: T) -> u32 {
        let place = self.free.take().unwrap_or_else(|| {
            self.length += 1;
            self.length - 1
        });
        if place == self.segments.len() * SEGMENT {
            self.segments.push(Box::new(std::array::from_fn(|_| T::default())));
            self.free.cover(self.segments.len());
        }
        self.segments[place / SEGMENT][place % SEGMENT] = entry;
        place as u32
    }

    /// Frees a place, whose entry means nothing any more.
    pub(super) fn release(&mut self, place: u32) {
        self.free.release(place as usize);
    }

    /// Gives back segments at the end that nothing is in any more, some of them. Whether there may be more.
    pub(super) fn give_back(&mut self) -> bool {
        let mut left = GIVEN_BACK_AT_ONCE;
        while left > 0 && self.free.pop(self.length) {
            left -= 1;
            self.length -= 1;
        }
        self.segments.truncate(self.length.div_ceil(SEGMENT));
        self.free.cover(self.segments.len());
        if self.segments.len() < self.segments.capacity() / 4 {
            self.segments.shrink_to(2 * self.segments.len());
        }
        left == 0
    }

    /// Bytes on the heap.
    pub(super) fn size(&self) -> usize {
        let pointers = self.segments.capacity() * size_of::<Box<[T; SEGMENT]>>();
        self.segments.len() * size_of_segment::<T>() + pointers + self.free.size()
    }
}

/// Entries that are given back in one turn: well under a millisecond's work.
const GIVEN_BACK_AT_ONCE: usize = 8192;

fn size_of_segment<T>() -> usize {
    super::chunk(SEGMENT * size_of::<T>())
}

/// Which places are free.
#[derive(Debug, Default)]
struct Free {
    /// A bit for each place of all segments, set where it is free: freeing one takes no memory.
    bits: Vec<u64>,
    /// No word before this one has a free place.
    first: usize,
}

const WORD: usize = u64::BITS as usize;

/// Words for the places of a segment.
const WORDS: usize = SEGMENT / WORD;

impl Free {
    /// Bytes that it takes to cover one more segment, at most.
    fn growth(&self) -> usize {
        let is_full = self.bits.len() + WORDS > self.bits.capacity();
        if is_full { self.bits.capacity().max(WORDS) * size_of::<u64>() } else { 0 }
    }

    /// Covers the places of so many segments; none of more is free.
    fn cover(&mut self, segments: usize) {
        self.bits.resize(segments * WORDS, 0);
        if self.bits.len() < self.bits.capacity() / 4 {
            self.bits.shrink_to(2 * self.bits.len());
        }
    }

    fn lowest(&mut self) -> Option<usize> {
        while let Some(word) = self.bits.get(self.first) {
            if *word != 0 {
                return Some(self.first * WORD + word.trailing_zeros() as usize);
            }
            self.first += 1;
        }
        None
    }

    fn take(&mut self) -> Option<usize> {
        let place = self.lowest()?;
        self.bits[place / WORD] &= !(1 << (place % WORD));
        Some(place)
    }

    fn release(&mut self, place: usize) {
        let word = place / WORD;
        self.bits[word] |= 1 << (place % WORD);
        self.first = self.first.min(word);
    }

    /// Takes the last of so many places away, if it is free.
    fn pop(&mut self, length: usize) -> bool {
        let Some(place) = length.checked_sub(1) else { return false };
        let Some(word) = self.bits.get_mut(place / WORD) else { return false };
        let bit = 1 << (place % WORD);
        let is_free = *word & bit != 0;
        *word &= !bit;
        is_free
    }

    fn size(&self) -> usize {
        self.bits.capacity() * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_lowest_free_place_is_taken_and_a_free_end_given_back(steps in vec((0_u8..5, any::<usize>()), 0..2000)) {
            let (mut table, mut model) = (Places::default(), BTreeMap::new());
            let (mut lowest, mut adds) = (0, true);
            for (number, (what, which)) in steps.into_iter().enumerate() {
                // Mostly growing for a while, then mostly shrinking.
                adds = if which % 400 == 0 { !adds } else { adds };
                if (what > 0) == adds || model.is_empty() {
                    while model.contains_key(&lowest) {
                        lowest += 1;
                    }
                    let most = table.size() + table.growth();
                    prop_assert_eq!(table.next(), lowest as usize);
                    prop_assert_eq!(table.put(number), lowest);
                    prop_assert!(table.size() <= most);
                    model.insert(lowest, number);
                } else {
                    let place = *model.keys().nth(which % model.len()).unwrap();
                    model.remove(&place);
                    let before = table.size();
                    table.release(place);
                    prop_assert_eq!(table.size(), before);
                    lowest = lowest.min(place);
                }
                if which % 7 == 0 {
                    prop_assert!(!table.give_back());
                    let length = model.last_key_value().map_or(0, |(place, _)| *place as usize + 1);
                    prop_assert_eq!(table.len(), length);
                    prop_assert!(table.size() <= (length + SEGMENT) * 8 * 2 + 1000);
                }
            }
            prop_assert!(model.iter().all(|(place, number)| table.get(*place) == Some(number)));
            let all: Vec<_> = table.from(300).collect();
            prop_assert_eq!(all.len(), table.len().saturating_sub(300));
        }
    }
}
