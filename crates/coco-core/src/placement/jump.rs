//! Jump placement: what `jump_fnv1a_ch` of carbon-c-relay does, to the bit, for names in ASCII.
//!
//! J. Lamping and E. Veach, "A Fast, Minimal Memory, Consistent Hash Algorithm": a host is in a bucket, and jumps to
//! ever later ones as buckets are added. So only at the end of the list can a target come or go without moving most
//! hosts; an `index` keeps targets in their places whatever is listed before them.
//!
//! Bytes are unsigned here. On x86 carbon-c-relay extends the sign of those from 0x80, so names that are not ASCII have
//! other owners there.

use smallvec::SmallVec;

use super::error::{MAX_REPLICAS, PlacementError, check};

/// Targets in a fixed order.
///
/// Two that are equal give every host the same owners, by their place in the list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Jump {
    /// Places in the list, in the order of the buckets.
    buckets: Box<[u32]>,
    replicas: usize,
}

impl Jump {
    /// Of targets with these indices, in order of them, or as they are listed if none has one; each host with so many
    /// owners.
    pub fn new(indices: &[Option<i64>], replicas: usize) -> Result<Self, PlacementError> {
        check(indices.len(), replicas)?;
        let mut buckets: Vec<(Option<i64>, u32)> = indices.iter().copied().zip(0..).collect();
        if indices.iter().any(Option::is_some) {
            if let Some(place) = indices.iter().position(Option::is_none) {
                return Err(PlacementError::IndexMissing { place });
            }
            buckets.sort_unstable();
            let twice = buckets.windows(2).find(|two| two[0].0 == two[1].0);
            if let Some(index) = twice.and_then(|two| two[0].0) {
                return Err(PlacementError::DuplicateIndex { index });
            }
        }
        Ok(Self { buckets: buckets.into_iter().map(|(_, place)| place).collect(), replicas })
    }

    /// The number of owners of each host.
    pub fn replicas(&self) -> usize {
        self.replicas
    }

    /// The number of targets.
    pub fn targets(&self) -> usize {
        self.buckets.len()
    }

    /// The places in the list in the order that decides.
    pub fn places(&self) -> impl ExactSizeIterator<Item = usize> {
        self.buckets.iter().map(|&place| place as usize)
    }

    /// Puts the places of those that own the host [stored](crate::host::stored_name) under this name into `owners`, the
    /// first owner first, instead of what is there. Any bytes have owners.
    ///
    /// Of [`replicas`](Self::replicas) owners, those but the last are the owners where one replica less is asked for.
    pub fn owners(&self, stored: &[u8], owners: &mut Vec<usize>) {
        owners.clear();
        let mut key = fnv1a(stored);
        // Every owner leaves the list, and the last of the list takes its bucket.
        let mut filled: SmallVec<[(usize, usize); MAX_REPLICAS]> = SmallVec::new();
        for length in (1..=self.buckets.len()).rev().take(self.replicas) {
            let contents = |bucket: usize| {
                let last = filled.iter().rev().find(|(filled, _)| *filled == bucket);
                last.map_or(bucket, |&(_, by)| by)
            };
            let bucket = jump(key, length);
            owners.push(self.buckets[contents(bucket)] as usize);
            let last = contents(length - 1);
            filled.push((bucket, last));
            key = scramble(key);
        }
    }

    /// The first of the [`owners`](Self::owners) alone.
    pub fn first_owner(&self, stored: &[u8]) -> usize {
        self.buckets[jump(fnv1a(stored), self.buckets.len())] as usize
    }
}

/// The bucket of a key among `length`, which is not 0.
fn jump(mut key: u64, length: usize) -> usize {
    let (mut bucket, mut next) = (0, 0);
    while next < length {
        bucket = next;
        key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        // In this order: what is rounded where decides who owns a host.
        next = ((bucket + 1) as f64 * ((1_u64 << 31) as f64 / ((key >> 33) + 1) as f64)) as usize;
    }
    bucket
}

/// The key for the next owner (xorshift64*).
fn scramble(mut key: u64) -> u64 {
    key ^= key >> 12;
    key ^= key << 25;
    key ^= key >> 27;
    key.wrapping_mul(2_685_821_657_736_338_717)
}

/// FNV-1a of 64 bits.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As published, and those of names that carbon-c-relay hashes otherwise on x86.
    #[test]
    fn bytes_are_hashed_unsigned() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"web1"), 0x3d7d_3df6_19ea_4040);
        assert_eq!(fnv1a("bücher".as_bytes()), 0x245d_24a5_f2e6_3fd2);
        assert_eq!(fnv1a(b"\xff\x80"), 0x0a9a_2607_b6f6_e56a);
        assert_eq!(fnv1a("café.example.org".as_bytes()), 0x41fb_2735_260a_a571);
    }

    #[test]
    fn an_index_orders_targets_wherever_they_are_listed() {
        let listed = Jump::new(&[None, None, None], 2).unwrap();
        assert_eq!(Jump::new(&[Some(-7), Some(0), Some(12)], 2), Ok(listed.clone()));
        let turned = Jump::new(&[Some(12), Some(0), Some(-7)], 2).unwrap();
        assert_ne!(turned, listed);
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for host in 0..100 {
            let host = format!("host{host}");
            listed.owners(host.as_bytes(), &mut ours);
            turned.owners(host.as_bytes(), &mut theirs);
            theirs.iter_mut().for_each(|place| *place = 2 - *place);
            assert_eq!(ours, theirs, "{host}");
        }
    }

    #[test]
    fn mixed_or_equal_indices_are_refused() {
        for (indices, told) in [
            (
                vec![Some(1), None],
                "target 2 has no index and others have: expected an index for all targets or for none",
            ),
            (vec![Some(3), Some(1), Some(3)], "index 3 is given twice: expected every index once"),
            (vec![], "0 targets: expected 1 to 4294967295"),
        ] {
            assert_eq!(Jump::new(&indices, 1).unwrap_err().to_string(), told);
        }
    }
}
