//! Rendezvous placement: every target draws a lot for every host, and the best lots own it.
//!
//! A target's lot depends on nothing but its own name and the host, so when a target comes or goes, no copy moves
//! between two others. A lot `h` is 64 bits; the target wins whose −log2(h / 2^64), divided by its weight, is least:
//! then targets own hosts in proportion to their weights. All of it is computed in integers, since what floating point
//! makes of a logarithm differs between machines.
//!
//! With several replicas, targets of more weight get a little less than their share: of five with two copies of each
//! host, one of double weight gets 30 % of the copies instead of 33.3 %. Choosing without repetition is so. And small
//! fleets are uneven by chance: of 50 hosts on 12 targets, the fullest target has 1.4 to 2.9 times the mean.
//!
//! A look-up is one pass over the targets, whatever zones and replicas there are: some 6 µs with 200 targets that have
//! weights and zones, some 35 µs with 2,000. It is meant to be made once for a host, not once for a value list.

use std::cell::OnceCell;
use std::cmp::Ordering;

use xxhash_rust::xxh64::xxh64;

use super::error::{PlacementError, check};
use super::zones::{self, Candidate, Chosen};

/// The part of the hosts that a target gets, in proportion to the other targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(u32);

impl Weight {
    /// The largest.
    pub const MAX: Self = Self(1_000_000);

    /// 0 to 1,000,000. A target of weight 0 gets no host while there are others.
    pub fn new(weight: u32) -> Option<Self> {
        (weight <= Self::MAX.0).then_some(Self(weight))
    }

    /// As a number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// 100, so that there is room for less.
impl Default for Weight {
    fn default() -> Self {
        Self(100)
    }
}

/// A target as it is placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member<'a> {
    /// A name that no other target of the tier has.
    pub name: &'a str,
    /// Its part of the hosts.
    pub weight: Weight,
    /// The zone, which fails as a whole: a rack, a room. All targets have one, or none has.
    pub zone: Option<&'a str>,
}

/// Targets that own hosts by their lots.
///
/// Two that are equal give every host the same owners, by their place in the list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rendezvous {
    /// In order of their names.
    members: Box<[Seeded]>,
    replicas: usize,
}

/// The numbers that decide a target's lots.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Seeded {
    seed: u64,
    /// In least terms.
    weight: u32,
    zone: u32,
    /// Its place in the list.
    target: u32,
}

impl Rendezvous {
    /// Of these targets, each host with so many owners. The order of targets is of no matter, but that owners are told
    /// by their place in it.
    pub fn new(members: &[Member<'_>], replicas: usize) -> Result<Self, PlacementError> {
        check(members.len(), replicas)?;
        let mut sorted: Vec<(u32, &Member<'_>)> = (0..).zip(members).collect();
        sorted.sort_by_key(|(_, member)| member.name);
        if let Some(two) = sorted.windows(2).find(|two| two[0].1.name == two[1].1.name) {
            return Err(PlacementError::DuplicateName { name: two[0].1.name.to_owned() });
        }
        if members.iter().any(|member| member.zone.is_some())
            && let Some(member) = members.iter().find(|member| member.zone.is_none())
        {
            return Err(PlacementError::ZoneMissing { name: member.name.to_owned() });
        }
        let divisor = sorted.iter().fold(0, |divisor, (_, member)| common_divisor(divisor, member.weight.0));
        let zones = zones::number(sorted.iter().map(|(_, member)| member.zone));
        let seeded = sorted.iter().zip(zones).map(|(&(target, member), zone)| Seeded {
            seed: xxh64(member.name.as_bytes(), 0),
            weight: member.weight.0 / divisor.max(1),
            zone,
            target,
        });
        Ok(Self { members: seeded.collect(), replicas })
    }

    /// The number of owners of each host.
    pub fn replicas(&self) -> usize {
        self.replicas
    }

    /// The number of targets.
    pub fn targets(&self) -> usize {
        self.members.len()
    }

    /// Puts the places of those that own the host [stored](crate::host::stored_name) under this name into `owners`, the
    /// first owner first, instead of what is there. Any bytes have owners.
    ///
    /// Of [`replicas`](Self::replicas) owners, those but the last are the owners where one replica less is asked for.
    pub fn owners(&self, stored: &[u8], owners: &mut Vec<usize>) {
        owners.clear();
        owners.extend(self.chosen(stored, self.replicas));
    }

    /// The first of the [`owners`](Self::owners) alone.
    pub fn first_owner(&self, stored: &[u8]) -> usize {
        self.chosen(stored, 1).next().expect("there is a target")
    }

    /// See [`Placement::is_whole_without`](super::Placement::is_whole_without).
    pub(super) fn is_whole_without(&self, lost: impl Fn(usize) -> bool) -> bool {
        let zones = self.members.iter().map(|member| member.zone as usize + 1).max().unwrap_or(1);
        let (mut sizes, mut lost_of) = (vec![0_usize; zones], vec![0_usize; zones]);
        for member in &self.members {
            sizes[member.zone as usize] += 1;
            lost_of[member.zone as usize] += usize::from(lost(member.target as usize));
        }
        // A zone has this many of a host's owners at most, unless another one is too small for as many.
        let even = self.replicas.div_ceil(zones);
        let most = if sizes.iter().all(|&size| size >= even) { even } else { self.replicas };
        lost_of.iter().map(|&lost| lost.min(most)).sum::<usize>() < self.replicas
    }

    fn chosen(&self, stored: &[u8], replicas: usize) -> impl Iterator<Item = usize> {
        let mut chosen = Chosen::new(replicas);
        for (place, member) in self.members.iter().enumerate() {
            chosen.offer(Bid { lot: xxh64(stored, member.seed), member, place, logarithm: OnceCell::new() });
        }
        chosen.into_iter().map(|bid| bid.member.target as usize)
    }
}

/// A target and its lot for the host at hand.
struct Bid<'a> {
    lot: u64,
    member: &'a Seeded,
    /// The place of its name among all names.
    place: usize,
    /// Computed when it decides, which is seldom.
    logarithm: OnceCell<u64>,
}

impl Bid<'_> {
    fn weight(&self) -> u64 {
        u64::from(self.member.weight)
    }

    fn logarithm(&self) -> u64 {
        *self.logarithm.get_or_init(|| negative_logarithm(self.lot))
    }
}

impl Candidate for Bid<'_> {
    fn zone(&self) -> u32 {
        self.member.zone
    }

    /// The better lot, by weight; then the higher one; then the smaller name. No product overflows: a logarithm is at
    /// most 2^38, a weight below 2^20.
    fn rank(&self, other: &Self) -> Ordering {
        let by_lot = other.lot.cmp(&self.lot).then_with(|| self.place.cmp(&other.place));
        if self.weight() == other.weight() {
            return by_lot;
        }
        // Most targets are far behind those that are chosen, which costs them no logarithm.
        if at_least(other.lot) * self.weight() > self.logarithm() * other.weight() {
            return Ordering::Less;
        }
        let (ours, theirs) = (self.logarithm() * other.weight(), other.logarithm() * self.weight());
        ours.cmp(&theirs).then(by_lot)
    }
}

/// −log2(lot / 2^64) in units of 2^-32, rounded up; that of 0 is taken for that of 1. It never rises with the lot.
fn negative_logarithm(lot: u64) -> u64 {
    let lot = lot | 1;
    let zeros = lot.leading_zeros();
    // The lot as 1.x: its square is 2 or more just where the next bit of the logarithm is 1.
    let mut mantissa = lot << zeros;
    let mut fraction = 0;
    for _ in 0..32 {
        let square = u128::from(mantissa) * u128::from(mantissa);
        let bit = (square >> 127) as u64;
        fraction = fraction << 1 | bit;
        mantissa = (square >> (63 + bit)) as u64;
    }
    ((u64::from(zeros) + 1) << 32) - fraction
}

/// A lower bound of [`negative_logarithm`], at almost no cost: for x below 1, −log2(x) is more than 1 − x.
fn at_least(lot: u64) -> u64 {
    (!(lot | 1) >> 32).saturating_sub(1)
}

/// The greatest; of 0 and a number, that number.
fn common_divisor(mut one: u32, mut other: u32) -> u32 {
    while other > 0 {
        (one, other) = (other, one % other);
    }
    one
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn member(name: &str, weight: u32) -> Member<'_> {
        Member { name, weight: Weight::new(weight).unwrap(), zone: None }
    }

    /// As an independent program computed them.
    #[test]
    fn logarithms_are_those_of_the_vectors() {
        for (lot, logarithm) in [
            (0, 274_877_906_944),
            (1, 274_877_906_944),
            (2, 268_070_544_839),
            (3, 268_070_544_839),
            (0x7fff_ffff_ffff_ffff, 4_294_967_297),
            (0x8000_0000_0000_0000, 4_294_967_296),
            (0x8000_0000_0000_0001, 4_294_967_296),
            (u64::MAX, 1),
            (u64::MAX - 1, 1),
            (0xdead_beef_cafe_babe, 864_062_718),
            (0x0000_0001_0000_0000, 137_438_953_471),
            (0x0000_0001_0000_3039, 137_438_935_662),
            (0xb504_f333_f9de_6484, 2_147_483_648),
        ] {
            assert_eq!(negative_logarithm(lot), logarithm, "{lot:016x}");
        }
    }

    proptest! {
        #[test]
        fn logarithms_never_rise_with_the_lot(lot in any::<u64>(), shift in 0_u32..64, step in 0_u64..3) {
            let lot = lot >> shift;
            prop_assert!(negative_logarithm(lot) >= negative_logarithm(lot.saturating_add(step)));
        }

        #[test]
        fn the_filter_is_never_above_the_logarithm(lot in any::<u64>(), shift in 0_u32..64) {
            for lot in [lot >> shift, !(lot >> shift)] {
                prop_assert!(at_least(lot) <= negative_logarithm(lot), "{:016x}", lot);
            }
        }

        #[test]
        fn bids_rank_as_their_logarithms_do_without_any_filter(
            lots in any::<[u64; 2]>(), shifts in proptest::array::uniform2(0_u32..64), weights in [0_u32..5, 0_u32..5],
        ) {
            let members = weights.map(|weight| Seeded { seed: 0, weight, zone: 0, target: 0 });
            let bid = |at: usize| {
                let lot = !(lots[at] >> shifts[at]);
                Bid { lot, member: &members[at], place: at, logarithm: OnceCell::new() }
            };
            let key = |at: usize| negative_logarithm(bid(at).lot) * u64::from(weights[1 - at]);
            let expected = key(0).cmp(&key(1)).then(bid(1).lot.cmp(&bid(0).lot)).then(Ordering::Less);
            prop_assert_eq!(bid(0).rank(&bid(1)), expected);
            prop_assert_eq!(bid(1).rank(&bid(0)), expected.reverse());
        }
    }

    #[test]
    fn what_owns_alike_is_equal() {
        let of = |members: &[Member<'_>]| Rendezvous::new(members, 2).unwrap();
        let some = of(&[member("a", 100), member("b", 250), member("c", 0)]);
        assert_eq!(some, of(&[member("a", 2), member("b", 5), member("c", 0)]));
        assert_ne!(some, of(&[member("a", 2), member("b", 4), member("c", 0)]));
        assert_ne!(some, of(&[member("b", 250), member("a", 100), member("c", 0)]), "other places");
        assert_ne!(some, of(&[member("a", 100), member("b", 250), member("d", 0)]), "another name");
        let zoned = |zones: [&'static str; 3]| {
            let zoned = |(name, zone)| Member { zone: Some(zone), ..member(name, 1) };
            of(&["a", "b", "c"].into_iter().zip(zones).map(zoned).collect::<Vec<_>>())
        };
        assert_eq!(zoned(["x", "y", "x"]), zoned(["2", "1", "2"]), "zones are told apart, not named");
        assert_ne!(zoned(["x", "y", "x"]), zoned(["x", "y", "y"]));
    }

    #[test]
    fn what_cannot_be_placed_is_refused() {
        let zoned = Member { zone: Some("z"), ..member("a", 1) };
        for (members, told) in [
            (
                vec![member("b", 1), member("a", 1), member("b", 2)],
                "target \"b\" is given twice: expected every name once",
            ),
            (
                vec![zoned, member("b", 1)],
                "target \"b\" has no zone and others have: expected a zone for all targets or for none",
            ),
            (vec![], "0 targets: expected 1 to 4294967295"),
        ] {
            assert_eq!(Rendezvous::new(&members, 1).unwrap_err().to_string(), told);
        }
        assert_eq!(Weight::new(1_000_001), None);
        assert_eq!(Weight::new(1_000_000), Some(Weight::MAX));
    }
}
