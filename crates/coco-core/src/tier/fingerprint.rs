//! Fingerprints, by which processes tell that they route alike.

use std::fmt;

use sha2::{Digest, Sha256};

use super::{Target, Tier, Tiers};
use crate::placement::ring::Ring;
use crate::placement::{Facts, Placement};

/// The first 8 bytes of a SHA-256 over all that decides who owns what; displayed as 16 hexadecimal digits.
///
/// A tier on a ring is encoded as its name, `crc32`, the number of its virtual replicas and the list of its targets'
/// addresses as they are written. Any other is its name, `placement-2`, the name of its hash, the number of copies, 1 if
/// it has zones and else 0, the list of its targets, and 0, since no hosts are on their way to other targets. Each target
/// is its name (its address where it has none), its address as it is written, its weight and its zone (an empty text where
/// it has none); those of a rendezvous are in order of their names as bytes, those of a jump in the order that decides.
///
/// Tiers are the list of them. A number is 8 bytes, big-endian; a text is its number of bytes, then the bytes; a list is
/// the number of its items, then the items. Processes of different releases compare fingerprints, so this never changes.
/// Where Noodle reads from is not part of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 8]);

impl Fingerprint {
    pub(super) fn of_tier(tier: &Tier) -> Self {
        let mut input = Input::default();
        input.tier(tier);
        input.fingerprint()
    }

    pub(super) fn of_tiers(tiers: &Tiers) -> Self {
        let mut input = Input::default();
        input.number(tiers.len());
        for tier in tiers {
            input.tier(tier);
        }
        input.fingerprint()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

#[derive(Default)]
struct Input(Sha256);

impl Input {
    fn tier(&mut self, tier: &Tier) {
        self.text(tier.name());
        if let Placement::Ring(ring) = tier.placement() {
            return self.ring(ring, tier.targets());
        }
        self.text("placement-2");
        self.placement(tier.settled());
        let Some(moving) = tier.moving() else { return self.number(0) };
        self.number(1);
        self.number(moving.headway().both().hundredths().into());
        self.number(moving.headway().new_only().hundredths().into());
        self.placement(moving.former());
    }

    fn placement(&mut self, tier: &Tier) {
        let targets = tier.targets();
        let mut ordered: Vec<_> = targets.iter().collect();
        match tier.placement() {
            Placement::Jump(jump) => ordered = jump.places().map(|place| &targets[place]).collect(),
            Placement::Rendezvous(_) => ordered.sort_by_key(|target| target.label()),
            Placement::Ring(_) | Placement::Migration(_) => {}
        }
        let Facts { hash, replicas, virtual_replicas, .. } = tier.placement().facts();
        self.text(hash);
        if let Some(virtual_replicas) = virtual_replicas {
            self.number(virtual_replicas as usize);
        }
        self.number(replicas);
        self.number(usize::from(tier.is_zoned()));
        self.number(ordered.len());
        for target in ordered {
            self.text(target.label());
            self.text(&target.name);
            self.number(target.placed.weight.get() as usize);
            self.text(target.placed.zone.as_deref().unwrap_or_default());
        }
    }

    fn ring(&mut self, ring: &Ring, targets: &[Target]) {
        self.text(ring.points_hash());
        self.number(ring.virtual_replicas() as usize);
        self.number(targets.len());
        for target in targets {
            self.text(&target.name);
        }
    }

    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.0.update(text);
    }

    fn number(&mut self, number: usize) {
        self.0.update((number as u64).to_be_bytes());
    }

    fn fingerprint(self) -> Fingerprint {
        let digest: [u8; 32] = self.0.finalize().into();
        Fingerprint(digest[..8].try_into().expect("8 of 32 bytes are 8"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{sample, target, tier};
    use super::super::{Endpoint, Placed, Placing, Role, Target, Tier, Tiers};
    use super::Fingerprint;
    use crate::placement::migration::Headway;
    use crate::placement::rendezvous::Weight;
    use crate::placement::ring::default_virtual_replicas;

    /// Of one tier, and of all tiers when it is the second of two.
    fn fingerprints(name: &str, targets: &[&str], replicas: u32) -> [Fingerprint; 2] {
        let mut tiers = sample();
        tiers[1] = tier(name, targets, Some(replicas)).unwrap();
        [tiers[1].fingerprint(), Tiers::new(tiers).unwrap().fingerprint()]
    }

    #[test]
    fn everything_that_routes_changes_the_fingerprint() {
        let seen = [
            fingerprints("t", &["a:1", "b:1"], 2),
            fingerprints("u", &["a:1", "b:1"], 2),
            fingerprints("t", &["b:1", "a:1"], 2),
            fingerprints("t", &["a:1", "b:1", "c:1"], 2),
            fingerprints("t", &["a:1"], 2),
            fingerprints("t", &["a:1", "b:2"], 2),
            fingerprints("t", &["a:1", "b:1"], 3),
            fingerprints("ta", &[":1", "b:1"], 2),
        ];
        for (index, these) in seen.iter().enumerate() {
            for those in &seen[..index] {
                assert!(these[0] != those[0] && these[1] != those[1], "{these:?} {those:?}");
            }
        }
        let mut tiers = sample();
        let [all, first] =
            [tiers.clone(), tiers[..1].to_vec()].map(|some| Tiers::new(some).unwrap().fingerprint());
        tiers.reverse();
        let reversed = Tiers::new(tiers).unwrap().fingerprint();
        assert!(all != reversed && all != first && first != reversed);
    }

    #[test]
    fn neither_the_way_to_read_nor_the_way_to_say_changes_the_fingerprint() {
        let targets = ["a:1", "b:1"];
        let fetched = targets
            .map(|name| Target { fetch: Some(Endpoint::Visage("r:80".parse().unwrap())), ..target(name) });
        let fetched = Tier::new("t".to_owned(), fetched.to_vec(), None).unwrap();
        let table = default_virtual_replicas(2);
        assert_eq!(fetched.fingerprint(), tier("t", &targets, None).unwrap().fingerprint());
        assert_eq!(fetched.fingerprint(), tier("t", &targets, Some(table)).unwrap().fingerprint());
    }

    /// Computed apart from this code, from the encoding that `Fingerprint` describes: it may never change.
    #[test]
    fn the_fingerprint_of_the_sample_is_the_same_in_every_release() {
        let tiers = sample();
        assert_eq!(tiers[0].fingerprint().to_string(), "463a3e0906ed9cfd");
        assert_eq!(Tiers::new(tiers).unwrap().fingerprint().to_string(), "7abf48ec216fdbd9");
    }

    /// Three targets with weights and zones, listed in this order.
    fn placed(placing: Placing, order: [usize; 3]) -> Tier {
        let target = |at: usize| {
            let (name, weight) = [("s1", 100), ("s2", 200), ("node-ä", 100)][at];
            let placed = Placed {
                name: Some(name.to_owned()),
                weight: Weight::new(if placing == JUMP { 100 } else { weight }).unwrap(),
                zone: Some(["a", "b", "a"][at].to_owned()),
                index: (placing == JUMP).then_some(at as i64),
            };
            Target { placed, ..target(["10.1.1.111:25826", "10.1.1.112:25826", "[::1]:25826"][at]) }
        };
        Tier::placed("longterm".to_owned(), order.map(target).to_vec(), placing).unwrap()
    }

    const JUMP: Placing = Placing::Jump { replicas: 2 };
    const RENDEZVOUS: Placing = Placing::Rendezvous { replicas: 2 };

    /// Computed apart from this code as well (`testdata/placement/README.md`).
    #[test]
    fn fingerprints_of_other_placements_are_the_same_in_every_release() {
        for (placing, fingerprint) in [(RENDEZVOUS, "3bc536814ac62526"), (JUMP, "cb9d91d63d82c5ee")] {
            assert_eq!(placed(placing, [0, 1, 2]).fingerprint().to_string(), fingerprint, "{placing:?}");
            assert_eq!(
                placed(placing, [2, 0, 1]).fingerprint().to_string(),
                fingerprint,
                "order is of no matter"
            );
        }
        let plain = ["a:1", "b:1"].map(target).to_vec();
        let plain = Tier::placed("t".to_owned(), plain, Placing::Rendezvous { replicas: 1 }).unwrap();
        assert_eq!(plain.fingerprint().to_string(), "b271ba3d505cc977");
    }

    /// Computed apart from this code as well, from the encoding that `Fingerprint` describes.
    #[test]
    fn fingerprints_of_migrations_are_the_same_in_every_release() {
        let ring = (
            vec![target("10.1.1.112:25826"), placed(JUMP, [0, 1, 2]).targets()[0].clone()],
            Placing::Ring { virtual_replicas: None },
        );
        let ring = (ring.0.into_iter().map(plain).collect::<Vec<_>>(), ring.1);
        let listed = |placing| {
            let targets = placed(placing, [2, 0, 1]).targets().to_vec();
            targets.into_iter().map(|target| (target, Role::Active)).collect()
        };
        let headway =
            |both: &str, new: &str| Headway::new(both.parse().unwrap(), new.parse().unwrap()).unwrap();
        let name = || "longterm".to_owned();
        let to = Tier::migrating(name(), listed(RENDEZVOUS), RENDEZVOUS, ring.clone(), headway("100%", "5%"));
        assert_eq!(to.unwrap().fingerprint().to_string(), "70dac06427c1232d");
        let jump = (placed(JUMP, [1, 2, 0]).targets().to_vec(), JUMP);
        let listed = ring.0.into_iter().map(|target| (target, Role::Active)).collect();
        let from = Tier::migrating(name(), listed, ring.1, jump, Headway::BEFORE).unwrap();
        assert_eq!(from.fingerprint().to_string(), "aaaf277ab34ceacf");
    }

    /// As a ring has it.
    fn plain(target: Target) -> Target {
        let placed = Placed { name: target.placed.name, ..Placed::default() };
        Target { placed, ..target }
    }

    #[test]
    fn everything_that_places_changes_the_fingerprint_and_a_name_on_a_ring_does_not() {
        type Change = fn(&mut Placed);
        let changes: [Change; 4] = [
            |_| {},
            |placed| placed.name = Some("s9".to_owned()),
            |placed| placed.weight = Weight::MAX,
            |placed| placed.zone = Some("c".to_owned()),
        ];
        let mut seen: Vec<_> = changes
            .iter()
            .map(|change| {
                let mut targets = placed(RENDEZVOUS, [0, 1, 2]).targets().to_vec();
                change(&mut targets[1].placed);
                Tier::placed("longterm".to_owned(), targets, RENDEZVOUS).unwrap().fingerprint()
            })
            .collect();
        seen.push(placed(Placing::Rendezvous { replicas: 3 }, [0, 1, 2]).fingerprint());
        seen.push(placed(JUMP, [0, 1, 2]).fingerprint());
        for (at, one) in seen.iter().enumerate() {
            assert!(!seen[..at].contains(one), "{at}");
        }
        let named = Placed { name: Some("s1".to_owned()), ..Placed::default() };
        let named = Target { placed: named, ..target("a:1") };
        let named = Tier::new("t".to_owned(), vec![named], None).unwrap();
        assert_eq!(named.fingerprint(), tier("t", &["a:1"], None).unwrap().fingerprint());
    }
}
