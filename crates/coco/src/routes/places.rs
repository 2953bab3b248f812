//! Which places of a table are free.

/// The lowest free place is taken first, so that a table ends where it may when much of it has become free.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// A bit a place, set where it is free.
    free: Vec<u64>,
    /// No word before this one has a free place.
    first: usize,
}

const WORD: usize = u64::BITS as usize;

impl Places {
    /// The lowest free place.
    pub(super) fn lowest(&mut self) -> Option<usize> {
        while let Some(word) = self.free.get(self.first) {
            if *word != 0 {
                return Some(self.first * WORD + word.trailing_zeros() as usize);
            }
            self.first += 1;
        }
        None
    }

    /// Takes the lowest free place.
    pub(super) fn take(&mut self) -> Option<usize> {
        let place = self.lowest()?;
        self.free[place / WORD] &= !(1 << (place % WORD));
        Some(place)
    }

    /// Frees a place.
    pub(super) fn release(&mut self, place: usize) {
        let word = place / WORD;
        if word >= self.free.len() {
            self.free.resize(word + 1, 0);
        }
        self.free[word] |= 1 << (place % WORD);
        self.first = self.first.min(word);
    }

    /// Takes the last place of a table of so many places away, if it is free.
    pub(super) fn pop(&mut self, length: usize) -> bool {
        let Some(place) = length.checked_sub(1) else { return false };
        let Some(word) = self.free.get_mut(place / WORD) else { return false };
        let bit = 1 << (place % WORD);
        let is_free = *word & bit != 0;
        *word &= !bit;
        if is_free && place % WORD == 0 {
            self.free.truncate(place / WORD);
            if self.free.len() < self.free.capacity() / 4 {
                self.free.shrink_to(2 * self.free.len());
            }
        }
        is_free
    }

    /// Bytes on the heap.
    pub(super) fn size(&self) -> usize {
        self.free.capacity() * size_of::<u64>()
    }
}

/// Entries of a table that are given back in one turn: well under a millisecond's work.
const GIVEN_BACK_AT_ONCE: usize = 8192;

/// Entries that a table has room for beyond those that it has.
fn spare(length: usize) -> usize {
    64 + length / 8
}

/// Bytes that a table takes to have room for one more entry.
pub(super) fn growth<T>(table: &Vec<T>, places: &mut Places) -> usize {
    if table.len() < table.capacity() || places.lowest().is_some() {
        0
    } else {
        spare(table.len()) * size_of::<T>()
    }
}

/// Puts an entry at the lowest free place, or at the end.
pub(super) fn put<T>(table: &mut Vec<T>, places: &mut Places, entry: T) -> usize {
    if let Some(place) = places.take() {
        table[place] = entry;
        return place;
    }
    if table.len() == table.capacity() {
        // By little, since what it has room for is accounted.
        table.reserve_exact(spare(table.len()));
    }
    table.push(entry);
    table.len() - 1
}

/// Gives memory behind the last entry that is in use back, some of it. Whether there is more.
pub(super) fn give_back<T>(table: &mut Vec<T>, places: &mut Places) -> bool {
    let mut left = GIVEN_BACK_AT_ONCE;
    while left > 0 && places.pop(table.len()) {
        table.pop();
        left -= 1;
    }
    if table.capacity() > table.len() + 2 * spare(table.len()) {
        table.shrink_to(table.len() + spare(table.len()));
    }
    left == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn the_lowest_free_place_is_taken_and_a_free_end_given_back(steps in vec((any::<bool>(), any::<usize>()), 0..600)) {
            let (mut table, mut places, mut model) = (Vec::new(), Places::default(), BTreeMap::new());
            for (number, (adds, which)) in steps.into_iter().enumerate() {
                if adds || model.is_empty() {
                    let lowest = (0..).find(|place| !model.contains_key(place)).unwrap();
                    let (before, growth) = (table.capacity(), growth(&table, &mut places));
                    prop_assert_eq!(put(&mut table, &mut places, number), lowest);
                    prop_assert_eq!(table.capacity() - before, growth / size_of::<usize>());
                    model.insert(lowest, number);
                } else {
                    let place = *model.keys().nth(which % model.len()).unwrap();
                    model.remove(&place);
                    places.release(place);
                }
                if which % 7 == 0 {
                    prop_assert!(!give_back(&mut table, &mut places));
                    prop_assert_eq!(table.len(), model.last_key_value().map_or(0, |(place, _)| place + 1));
                    prop_assert!(table.capacity() <= table.len() + 2 * spare(table.len()));
                }
                prop_assert!(model.iter().all(|(place, number)| table[*place] == *number));
            }
        }
    }
}
