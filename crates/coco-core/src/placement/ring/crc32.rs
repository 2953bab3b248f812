//! The points of the original: CRC-32 (IEEE 802.3) of a replica's number and its target's label.

#![expect(clippy::disallowed_methods, reason = "this is the place")]

use std::fmt::Write;

use super::shadow;

pub(super) const NAME: &str = "crc32";

#[derive(Debug, Clone, Copy)]
struct Point {
    hash: u32,
    target: u32,
}

/// At least one point; in order of their hashes, each hash once.
#[derive(Debug, Clone)]
pub(super) struct Points(Box<[Point]>);

impl Points {
    pub(super) fn new(targets: usize, virtual_replicas: u32) -> Self {
        let mut points = Vec::with_capacity(targets.saturating_mul(virtual_replicas as usize));
        let mut key = String::new();
        for (target, index) in (0..targets).zip(0..) {
            let label = shadow(target);
            for replica in 0..virtual_replicas {
                key.clear();
                write!(key, "{replica}{label}").expect("a String takes all that is written");
                points.push(Point { hash: crc32fast::hash(key.as_bytes()), target: index });
            }
        }
        // Of points that collide, the one added last owns the hash. The sort is stable and `dedup` keeps the
        // first of its kind.
        points.reverse();
        points.sort_by_key(|point| point.hash);
        points.dedup_by_key(|point| point.hash);
        Self(points.into_boxed_slice())
    }

    pub(super) fn owner(&self, name: &[u8]) -> usize {
        self.owner_of_hash(crc32fast::hash(name))
    }

    /// The first point strictly behind `hash`: one that is hit exactly does not count.
    fn owner_of_hash(&self, hash: u32) -> usize {
        let next = self.0.partition_point(|point| point.hash <= hash);
        let point = self.0.get(next).unwrap_or(&self.0[0]);
        point.target as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};
    use std::ops::Bound::{Excluded, Unbounded};

    /// The rules, as plainly as they can be said: a map, in which a later point replaces an earlier one.
    struct Model(BTreeMap<u32, usize>);

    impl Model {
        fn new(targets: usize, virtual_replicas: u32) -> Self {
            let points =
                (0..targets).flat_map(|target| (0..virtual_replicas).map(move |replica| (target, replica)));
            Self(points.map(|(target, replica)| (hash_of(target, replica), target)).collect())
        }

        fn owner_of_hash(&self, hash: u32) -> usize {
            let next = self.0.range((Excluded(hash), Unbounded)).next();
            *next.or_else(|| self.0.first_key_value()).unwrap().1
        }
    }

    fn hash_of(target: usize, replica: u32) -> u32 {
        bitwise_crc32(format!("{replica}{}", shadow(target)).as_bytes())
    }

    fn bitwise_crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |crc: u32, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
        })
    }

    /// Found by trying all: up to 128 targets, whose labels are one byte, no two collide within 10,000 replicas;
    /// the 129th collides with the 111th, first in its 8,723rd replica.
    #[test]
    fn the_last_added_of_colliding_points_owns_the_hash() {
        let hashes =
            |target| -> BTreeSet<u32> { (0..8800).map(|replica| hash_of(target, replica)).collect() };
        let collisions: Vec<u32> = hashes(110).intersection(&hashes(128)).copied().collect();
        assert!(!collisions.is_empty());
        let points = Points::new(129, 8800);
        for hash in collisions {
            assert_eq!(points.owner_of_hash(hash - 1), 128);
        }
    }

    #[test]
    fn a_point_that_is_hit_exactly_does_not_own_and_the_last_leads_to_the_first() {
        let points = Points::new(2, 3);
        let all = &points.0;
        assert_eq!(all.len(), 6);
        for (point, next) in all.iter().zip(all.iter().cycle().skip(1)) {
            assert_eq!(points.owner_of_hash(point.hash), next.target as usize);
            assert_eq!(points.owner_of_hash(point.hash - 1), point.target as usize);
        }
        assert_eq!(points.owner_of_hash(u32::MAX), all[0].target as usize);
        assert_eq!(points.owner_of_hash(0), all[0].target as usize);
    }

    #[test]
    fn targets_with_one_label_share_points_which_the_last_owns() {
        let points = Points::new(0xD803, 1);
        let hash = bitwise_crc32("0\u{FFFD}".as_bytes());
        assert_eq!(points.owner_of_hash(hash - 1), 0xD802);
    }

    proptest! {
        #[test]
        fn agrees_with_the_model(
            targets in 1usize..150,
            replicas in 1u32..120,
            names in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 50),
            hashes in prop::collection::vec(any::<u32>(), 50),
        ) {
            let (points, model) = (Points::new(targets, replicas), Model::new(targets, replicas));
            for name in &names {
                prop_assert_eq!(points.owner(name), model.owner_of_hash(bitwise_crc32(name)));
            }
            for hash in hashes.into_iter().chain([0, u32::MAX]) {
                prop_assert_eq!(points.owner_of_hash(hash), model.owner_of_hash(hash));
            }
            let hashes: Vec<_> = points.0.iter().map(|point| point.hash).collect();
            prop_assert!(hashes.iter().eq(model.0.keys()));
        }
    }
}
