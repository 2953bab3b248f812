//! The first of many keys in their order, as many as fit into so many bytes: whoever goes through more than may be copied
//! sorts it page by page.

/// Keys and what they stand for, in bounded memory: three times its limit, and one key.
///
/// It is offered all keys, in any order, once for each page. Which ones are on the next page is known by the last key of
/// the one before, so keys may come and go meanwhile.
#[derive(Debug)]
pub(super) struct Page {
    limit: usize,
    /// The last key of the page before.
    after: Option<Box<[u8]>>,
    /// The first key that is left to a later page.
    before: Option<Box<[u8]>>,
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

/// A key, and a number that it stands for.
#[derive(Debug, Clone, Copy)]
struct Entry {
    start: u32,
    length: u32,
    value: u32,
}

impl Entry {
    fn key(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start as usize..][..self.length as usize]
    }

    fn size(self) -> usize {
        size_of::<Self>() + self.length as usize
    }
}

impl Page {
    /// The first page, of so many bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, after: None, before: None, bytes: Vec::new(), entries: Vec::new() }
    }

    /// Forgets all, to go through other keys.
    pub(super) fn reset(&mut self) {
        self.after = None;
        self.clear();
    }

    fn clear(&mut self) {
        self.before = None;
        self.bytes.clear();
        self.entries.clear();
    }

    /// Takes a key, if it may be on this page. Of equal ones the largest number counts.
    pub(super) fn offer(&mut self, key: &[u8], value: u32) {
        let is_behind = self.after.as_deref().is_none_or(|after| key > after);
        if is_behind && self.before.as_deref().is_none_or(|before| key < before) {
            let (start, length) = (self.bytes.len() as u32, key.len() as u32);
            self.bytes.extend_from_slice(key);
            self.entries.push(Entry { start, length, value });
            if self.size() > 2 * self.limit {
                self.cut();
            }
        }
    }

    fn size(&self) -> usize {
        self.bytes.len() + size_of::<Entry>() * self.entries.len()
    }

    /// Whether it has as many keys as it should.
    pub(super) fn is_full(&self) -> bool {
        self.size() >= self.limit
    }

    /// Sorts what was offered, which is to be done before it is read.
    pub(super) fn sort(&mut self) {
        let Self { bytes, entries, .. } = self;
        entries.sort_unstable_by(|a, b| a.key(bytes).cmp(b.key(bytes)).then(b.value.cmp(&a.value)));
        entries.dedup_by(|later, first| later.key(bytes) == first.key(bytes));
    }

    /// Leaves to later pages what is beyond the limit.
    fn cut(&mut self) {
        self.sort();
        let (mut kept, mut size) = (0, 0);
        for entry in &self.entries {
            size += entry.size();
            if kept > 0 && size > self.limit {
                break;
            }
            kept += 1;
        }
        if let Some(first) = self.entries.get(kept) {
            self.before = Some(first.key(&self.bytes).into());
        }
        self.entries.truncate(kept);
        let mut bytes = Vec::with_capacity(self.limit);
        for entry in &mut self.entries {
            let start = bytes.len() as u32;
            bytes.extend_from_slice(entry.key(&self.bytes));
            entry.start = start;
        }
        self.bytes = bytes;
    }

    /// Turns to the next page, to be offered all keys again. Whether there is one.
    pub(super) fn turn(&mut self) -> bool {
        let is_more = self.before.is_some();
        if let Some(last) = self.entries.last() {
            self.after = Some(last.key(&self.bytes).into());
        }
        self.clear();
        is_more
    }

    /// The last key of the page before.
    pub(super) fn after(&self) -> Option<&[u8]> {
        self.after.as_deref()
    }

    /// Number of keys.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// A key by its place.
    pub(super) fn key(&self, place: usize) -> &[u8] {
        self.entries[place].key(&self.bytes)
    }

    /// The keys and their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], u32)> {
        self.entries.iter().map(|entry| (entry.key(&self.bytes), entry.value))
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
        fn page_by_page_it_is_what_sorting_makes_of_all(
            keys in vec((vec(any::<u8>(), 0..6), 0_u32..5), 0..300),
            limit in 1_usize..2000,
        ) {
            let mut all = BTreeMap::new();
            for (key, value) in &keys {
                let known = all.entry(key.clone()).or_insert(*value);
                *known = (*known).max(*value);
            }
            let mut page = Page::new(limit);
            let mut read = Vec::new();
            loop {
                for (key, value) in &keys {
                    page.offer(key, *value);
                    prop_assert!(page.size() <= 2 * limit + size_of::<Entry>() + 6);
                }
                page.sort();
                read.extend(page.iter().map(|(key, value)| (key.to_vec(), value)));
                if !page.turn() {
                    break;
                }
                prop_assert!(page.len() == 0);
            }
            prop_assert_eq!(read, all.into_iter().collect::<Vec<_>>());
        }
    }
}
