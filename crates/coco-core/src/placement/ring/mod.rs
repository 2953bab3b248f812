//! Which target of a tier owns a host.
//!
//! ```text
//!          0 ... a ........ b .. c ......... d ... 2^32-1     points: a, c of target 0; b, d of target 1
//!                |    ^     |    |           |   ^
//!                |    host  |    |           |   host
//!                |    -> b  |    |           |   -> a, round the end
//! ```
//!
//! Every target has `virtual_replicas` points on a circle of hashes; a host belongs to the target of the next
//! point. All Cocos and Noodles of an installation must agree on this to the bit, those that run the original in
//! Go included, so every rule here (input of the hash, ties, search, number of replicas) is theirs, which is that
//! of `github.com/stathat/consistent`, and is checked against owners that they computed.
//!
//! A file per hash: what the points hash and how they are searched is in `crc32`.

mod crc32;

use std::hash::{Hash, Hasher};

/// The numbers of replicas that gave the original the fairest split for 1, 2, ... 100 targets.
const VIRTUAL_REPLICAS: [u8; 100] = [
    20, 90, 96, 58, 18, 19, 17, 34, 64, 93, 100, 11, 100, 100, 98, 76, 84, 4, 4, 4, 97, 4, 4, 4, 74, 84, 83,
    52, 83, 83, 91, 100, 10, 94, 95, 94, 93, 93, 99, 100, 33, 33, 33, 32, 34, 60, 31, 52, 32, 33, 33, 44, 44,
    44, 33, 33, 33, 33, 33, 17, 17, 44, 44, 58, 60, 44, 60, 44, 44, 44, 44, 66, 65, 62, 62, 62, 54, 54, 52,
    52, 52, 52, 52, 52, 51, 51, 52, 52, 52, 51, 51, 51, 51, 51, 51, 51, 51, 51, 51, 51,
];

/// Virtual replicas for more targets than the original can have.
const VIRTUAL_REPLICAS_ABOVE: u32 = 51;

/// Most replicas a target can be given: enough for any split, few enough that no typing error eats the memory.
pub const MAX_VIRTUAL_REPLICAS: u32 = 10_000;

/// The targets of one tier on their circle, known by their index.
#[derive(Debug, Clone)]
pub struct Ring {
    targets: usize,
    virtual_replicas: u32,
    points: crc32::Points,
}

impl Ring {
    /// A ring of `targets` targets, each with `virtual_replicas` points.
    ///
    /// # Panics
    ///
    /// If either is 0: such a ring owns nothing. [`Tier::new`](crate::tier::Tier::new) never asks for one.
    pub fn new(targets: usize, virtual_replicas: u32) -> Self {
        assert!(targets > 0 && virtual_replicas > 0, "a ring needs a point");
        Self { targets, virtual_replicas, points: crc32::Points::new(targets, virtual_replicas) }
    }

    /// The number of targets.
    pub fn targets(&self) -> usize {
        self.targets
    }

    /// Points of each target.
    pub fn virtual_replicas(&self) -> u32 {
        self.virtual_replicas
    }

    /// The name of what the points are hashed with, as it stands in the fingerprint.
    pub fn points_hash(&self) -> &'static str {
        crc32::NAME
    }

    /// The index of the target that owns the host of this name. Any bytes have an owner, none at all too.
    pub fn owner(&self, name: &[u8]) -> usize {
        self.points.owner(name)
    }

    /// The [label](shadow) of every target.
    pub fn shadows(&self) -> impl ExactSizeIterator<Item = char> {
        (0..self.targets).map(shadow)
    }

    /// All that the points follow from.
    fn numbers(&self) -> (usize, u32) {
        (self.targets, self.virtual_replicas)
    }
}

impl PartialEq for Ring {
    fn eq(&self, other: &Self) -> bool {
        self.numbers() == other.numbers()
    }
}

impl Eq for Ring {}

impl Hash for Ring {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.numbers().hash(state);
    }
}

/// Virtual replicas of each target where the configuration does not say: the original's number up to 100 targets,
/// 51 above.
///
/// The number depends on how many targets there are, and without pattern, so most points of a ring move when a
/// target is added or removed: 89 % of hosts change their owner from 12 to 13 targets, 97 % from 20 to 21. That is
/// kept because every deployed Coco does so. Who is going to change the number of targets sets `virtual_replicas`
/// of the tier to what it is now, beforehand; appending a target then moves only the hosts that it takes over.
/// Removing a target moves the hosts of all behind it as well, since the points of a target depend on its index.
pub fn default_virtual_replicas(targets: usize) -> u32 {
    match targets.checked_sub(1).and_then(|index| VIRTUAL_REPLICAS.get(index)) {
        Some(&replicas) => u32::from(replicas),
        None => VIRTUAL_REPLICAS_ABOVE,
    }
}

/// The label of the target with this index: the character whose code point it is.
///
/// Where there is no such character, which is so of surrogates (index 55,296 to 57,343) and above 1,114,111, it is
/// U+FFFD, as Go converts an integer to a string. Targets with one label share all points, and the last of them owns
/// them.
pub fn shadow(index: usize) -> char {
    u32::try_from(index).ok().and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_above_the_table() {
        assert_eq!(default_virtual_replicas(100), 51);
        assert_eq!(default_virtual_replicas(101), 51);
        assert_eq!(default_virtual_replicas(usize::MAX), 51);
    }

    #[test]
    fn labels_are_code_points() {
        assert_eq!(shadow(0), '\0');
        assert_eq!(shadow(65), 'A');
        assert_eq!(shadow(0xD7FF), '\u{D7FF}');
        assert_eq!(shadow(0xD800), '\u{FFFD}');
        assert_eq!(shadow(0xDFFF), '\u{FFFD}');
        assert_eq!(shadow(0xE000), '\u{E000}');
        assert_eq!(shadow(0x10_FFFF), '\u{10FFFF}');
        assert_eq!(shadow(0x11_0000), '\u{FFFD}');
        assert_eq!(shadow(usize::MAX), '\u{FFFD}');
    }

    /// A share of hosts whose owner changes between two rings.
    fn moved(from: &Ring, to: &Ring) -> f64 {
        const HOSTS: usize = 20_000;
        let moves = |host: &usize| {
            let name = format!("host{host}.example.org");
            from.owner(name.as_bytes()) != to.owner(name.as_bytes())
        };
        (0..HOSTS).filter(moves).count() as f64 / HOSTS as f64
    }

    #[test]
    fn appending_a_target_moves_most_hosts_unless_the_replicas_stay() {
        for (before, share) in [(12, 0.89), (20, 0.97)] {
            let replicas = default_virtual_replicas(before);
            let ring = Ring::new(before, replicas);
            let fresh = moved(&ring, &Ring::new(before + 1, default_virtual_replicas(before + 1)));
            assert!((fresh - share).abs() < 0.02, "{before}: {fresh}");
            let kept = moved(&ring, &Ring::new(before + 1, replicas));
            assert!(kept < 0.3, "{before}: {kept}");
        }
    }

    #[test]
    fn appending_a_target_with_the_same_replicas_moves_hosts_only_to_it() {
        let (before, after) = (Ring::new(12, 40), Ring::new(13, 40));
        for host in 0..5000 {
            let name = format!("host{host}");
            let owner = after.owner(name.as_bytes());
            assert!(owner == 12 || owner == before.owner(name.as_bytes()), "{name}");
        }
    }
}
