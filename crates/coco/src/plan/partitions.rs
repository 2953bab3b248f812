//! Parting hosts among targets: once for all tiers whose placements are equal.
//!
//! Tiers of equal [placements](coco_core::placement), which is what most fleets have, part the hosts in the same way:
//! what one target of the first gets, one target of the second gets too. It is looked up and packed once, and sent to
//! each. Which placements are equal they say themselves: those on a ring go by numbers alone, others by names too, which have to
//! be in the same order, and by the number of copies.

use std::ops::Range;
use std::sync::Arc;

use coco_core::placement::Placement;
use coco_core::tier::{Tier, Tiers};

use crate::share::{Share, Shares};

/// The ways to part the hosts, and whom each part is sent to.
///
/// A [`Share`] is one part of one partition: what one target of each of its tiers gets. A host is in as many shares of a
/// partition as there are copies of it. Shares are numbered partition by partition, outlets tier by tier in the order of
/// the configuration.
#[derive(Debug)]
pub struct Partitions {
    tiers: Arc<Tiers>,
    partitions: Box<[Partition]>,
    /// The partition of each tier.
    of_tier: Box<[usize]>,
    /// The outlets of each share.
    outlets: Box<[Box<[usize]>]>,
    /// How many shares a host is in.
    copies: usize,
}

#[derive(Debug)]
struct Partition {
    /// A tier that is parted like this.
    tier: usize,
    /// The number of its first share.
    start: usize,
    /// Which of a host's shares are its own.
    places: Range<usize>,
}

impl Partitions {
    /// Of these tiers.
    pub fn new(tiers: Arc<Tiers>) -> Self {
        let mut partitions: Vec<Partition> = Vec::new();
        let mut of_tier = Vec::new();
        let mut outlets: Vec<Vec<usize>> = Vec::new();
        let (mut first_outlet, mut copies) = (0, 0);
        for (index, tier) in tiers.iter().enumerate() {
            let alike = |known: &Partition| {
                tiers.get(known.tier).is_some_and(|known| known.placement() == tier.placement())
            };
            let partition = partitions.iter().position(alike).unwrap_or_else(|| {
                let places = copies..copies + tier.placement().facts().replicas;
                copies = places.end;
                partitions.push(Partition { tier: index, start: outlets.len(), places });
                outlets.resize(outlets.len() + tier.targets().len(), Vec::new());
                partitions.len() - 1
            });
            of_tier.push(partition);
            for target in 0..tier.targets().len() {
                outlets[partitions[partition].start + target].push(first_outlet + target);
            }
            first_outlet += tier.targets().len();
        }
        let outlets = outlets.into_iter().map(Into::into).collect();
        Self { partitions: partitions.into(), of_tier: of_tier.into(), outlets, copies, tiers }
    }

    /// How many partitions there are: one, if the tiers are all alike.
    pub fn len(&self) -> usize {
        self.partitions.len()
    }

    /// Whether there are none, which there always are.
    pub fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    /// The partition of a tier.
    pub fn of_tier(&self, tier: usize) -> usize {
        self.of_tier[tier]
    }

    /// The shares that a host is in; looked up among the targets.
    pub fn shares_of(&self, host: &[u8]) -> Shares {
        let mut shares = Shares::new();
        let mut owners = Vec::new();
        for Partition { tier, start, places } in &self.partitions {
            let Some(placement) = self.tiers.get(*tier).map(Tier::placement) else { continue };
            if places.len() == 1 {
                shares.push(Share::new(start + placement.first_owner(host)));
            } else {
                placement.owners(host, &mut owners);
                shares.extend(owners.iter().map(|owner| Share::new(start + owner)));
            }
        }
        shares
    }

    /// What it costs to look up the [shares](Self::shares_of) of a host: so many look-ups in a table.
    pub fn cost_of_shares(&self, host: &[u8]) -> usize {
        self.placements().map(|placement| placement.cost(host)).sum()
    }

    /// Whether every host is in the same shares as by these other ones.
    pub fn are_alike(&self, other: &Self) -> bool {
        self.placements().eq(other.placements())
    }

    /// Of each partition.
    fn placements(&self) -> impl Iterator<Item = &Placement> {
        self.partitions.iter().filter_map(|partition| Some(self.tiers.get(partition.tier)?.placement()))
    }

    /// How many shares every host is in: its copies, of tiers that part hosts alike together.
    #[inline]
    pub fn copies(&self) -> usize {
        self.copies
    }

    /// The places of the targets that hold a host in a tier of this partition, its first owner first.
    pub fn targets<'a>(&self, partition: usize, shares: &'a [Share]) -> impl Iterator<Item = usize> + 'a {
        let Partition { start, places, .. } = &self.partitions[partition];
        let start = *start;
        shares[places.clone()].iter().map(move |share| share.number() - start)
    }

    /// Whether a share is that of the first owner in its partition, by its place among the shares of a host.
    pub fn is_first(&self, place: usize) -> bool {
        self.partitions.iter().any(|partition| partition.places.start == place)
    }

    /// All shares, in order of their numbers.
    pub fn shares(&self) -> impl ExactSizeIterator<Item = Share> + use<> {
        (0..self.outlets.len()).map(Share::new)
    }

    /// Whom a share is sent to: one outlet a tier of its partition.
    pub fn outlets(&self, share: Share) -> &[usize] {
        &self.outlets[share.number()]
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use coco_core::config::CocoConfig;

    use super::*;

    /// Of tiers with so many targets, which are called alike in all of them, and these settings.
    fn partitions(tiers: &[(usize, &str)]) -> Partitions {
        let mut text = String::new();
        for (number, (targets, settings)) in tiers.iter().enumerate() {
            let target =
                |target| format!("{{ name = \"s{target}\", address = \"10.0.{number}.{target}:1\" }}");
            let targets: Vec<_> = (0..*targets).map(target).collect();
            write!(text, "[tiers.t{number}]\ntargets = [{}]\n{settings}\n", targets.join(",")).unwrap();
        }
        Partitions::new(Arc::new(CocoConfig::parse(&text).unwrap().tiers))
    }

    const TWO_COPIES: &str = "hash = 'rendezvous'\nreplicas = 2";

    #[test]
    fn tiers_of_one_size_share() {
        let partitions = partitions(&[(2, ""), (3, ""), (2, "")]);
        assert_eq!(partitions.len(), 2);
        assert_eq!([0, 1, 2].map(|tier| partitions.of_tier(tier)), [0, 1, 0]);
        let outlets: Vec<_> = partitions.shares().map(|share| partitions.outlets(share)).collect();
        assert_eq!(outlets, [&[0, 5][..], &[1, 6], &[2], &[3], &[4]]);
        assert_eq!(partitions.copies(), 2);
    }

    #[test]
    fn placements_that_differ_are_partitions_of_their_own() {
        assert_eq!(partitions(&[(2, ""), (2, "virtual_replicas = 7")]).len(), 2);
        assert_eq!(partitions(&[(2, "virtual_replicas = 7"), (2, "virtual_replicas = 7")]).len(), 1);
        let tiers =
            partitions(&[(3, TWO_COPIES), (3, "hash = 'rendezvous'"), (3, TWO_COPIES), (3, "hash = 'jump'")]);
        assert_eq!([0, 1, 2, 3].map(|tier| tiers.of_tier(tier)), [0, 1, 0, 2]);
        assert_eq!(tiers.copies(), 4);
        assert_eq!([0, 1, 2, 3].map(|place| tiers.is_first(place)), [true, false, true, true]);
    }

    /// On a ring only the numbers count. By names, tiers of one size part hosts each in its own way.
    #[test]
    fn targets_of_other_names_part_hosts_otherwise_but_on_a_ring() {
        let of = |hash: &str| {
            let text = format!(
                "[tiers.a]\nhash = '{hash}'\ntargets = ['a:1', 'b:1']\n[tiers.b]\nhash = '{hash}'\ntargets = ['c:1', 'd:1']"
            );
            Partitions::new(Arc::new(CocoConfig::parse(&text).unwrap().tiers)).len()
        };
        assert_eq!(["ring", "jump", "rendezvous"].map(of), [1, 1, 2]);
    }

    #[test]
    fn every_tier_agrees_with_its_own_placement() {
        let partitions = partitions(&[
            (4, ""),
            (5, TWO_COPIES),
            (4, "virtual_replicas = 20"),
            (5, "hash = 'jump'\nreplicas = 3"),
            (5, TWO_COPIES),
        ]);
        let mut owners = Vec::new();
        for host in 0..500 {
            let host = format!("host{host}");
            let shares = partitions.shares_of(host.as_bytes());
            assert_eq!(shares.len(), partitions.copies());
            for (index, tier) in partitions.tiers.iter().enumerate() {
                tier.placement().owners(host.as_bytes(), &mut owners);
                let targets: Vec<_> = partitions.targets(partitions.of_tier(index), &shares).collect();
                assert_eq!(targets, owners);
            }
        }
    }
}
