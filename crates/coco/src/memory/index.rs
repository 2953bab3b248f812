//! Numbers by the hash of what they stand for.

use hashbrown::HashTable;

use super::chunk;

/// Many small tables in place of a large one: each grows and shrinks by itself, in well under a millisecond.
const SHARDS: usize = 256;

/// See the module.
#[derive(Debug)]
pub(super) struct Index {
    shards: Box<[HashTable<u32>; SHARDS]>,
    len: usize,
    /// Bytes on the heap.
    size: usize,
}

impl Default for Index {
    fn default() -> Self {
        let shards = Box::new([const { HashTable::new() }; SHARDS]);
        Self { len: 0, size: chunk(size_of_val(&*shards)), shards }
    }
}

/// Which shard a hash falls to: by bits that a table does not look at unless it is huge.
#[inline]
fn shard(hash: u64) -> usize {
    usize::from((hash >> 40) as u8)
}

impl Index {
    #[inline(always)]
    pub(super) fn find(&self, hash: u64, is: impl FnMut(&u32) -> bool) -> Option<u32> {
        self.shards[shard(hash)].find(hash, is).copied()
    }

    /// Bytes that it takes to insert one more.
    pub(super) fn growth(&self, hash: u64) -> usize {
        let table = &self.shards[shard(hash)];
        if table.len() < table.capacity() {
            return 0;
        }
        let size = table.allocation_size();
        chunk(2 * size + 112) - chunk(size)
    }

    /// Inserts a number that is not there yet. `hash_of` tells the hash of each.
    pub(super) fn insert(&mut self, hash: u64, number: u32, hash_of: impl Fn(&u32) -> u64) {
        let table = &mut self.shards[shard(hash)];
        let before = chunk(table.allocation_size());
        table.insert_unique(hash, number, hash_of);
        self.size = self.size + chunk(table.allocation_size()) - before;
        self.len += 1;
    }

    /// Removes a number, and gives back memory that it leaves idle.
    pub(super) fn remove(&mut self, hash: u64, number: u32, hash_of: impl Fn(&u32) -> u64) {
        let table = &mut self.shards[shard(hash)];
        let before = chunk(table.allocation_size());
        if let Ok(found) = table.find_entry(hash, |&other| other == number) {
            found.remove();
            self.len -= 1;
        }
        // With room to grow again, so that it is seldom built anew.
        if table.num_buckets() > 8 * table.len() {
            table.shrink_to(2 * table.len(), hash_of);
        }
        self.size = self.size + chunk(table.allocation_size()) - before;
    }

    /// Number of entries.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes on the heap.
    pub(super) fn size(&self) -> usize {
        self.size
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_takes_is_known_before_and_goes_with_what_was_there() {
        let hash = |&number: &u32| u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut index = Index::default();
        let empty = index.size();
        for number in 0..100_000 {
            let most = index.size() + index.growth(hash(&number));
            index.insert(hash(&number), number, hash);
            assert!(index.size() <= most);
        }
        assert!(index.size() < empty + 100_000 * 12);
        assert_eq!(
            index.size() - empty,
            index.shards.iter().map(|table| chunk(table.allocation_size())).sum::<usize>()
        );
        for number in 0..100_000 {
            assert_eq!(index.find(hash(&number), |&other| other == number), Some(number));
            index.remove(hash(&number), number, hash);
            assert_eq!(index.find(hash(&number), |&other| other == number), None);
        }
        assert_eq!((index.len(), index.size()), (0, empty));
    }
}
