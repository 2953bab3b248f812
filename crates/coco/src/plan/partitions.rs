//! Parting hosts among targets: once for all tiers whose placements are equal.
//!
//! Tiers of equal [placements](coco_core::placement), which is what most fleets have, part the hosts in the same way:
//! what one target of the first gets, one target of the second gets too. It is looked up and packed once, and sent to
//! each. Which placements are equal they say themselves: those on a ring go by numbers alone, others by names too, which have to
//! be in the same order, and by the number of copies.
//!
//! While hosts are on their way to other targets, a target has two shares: what it gets as an owner, and what it gets as a
//! former owner. So the share says in what capacity it is written to, and it can be counted.

use std::mem;
use std::sync::Arc;

use coco_core::placement::Placement;
use coco_core::tier::{TargetId, Tier, TierId, Tiers};
use smallvec::SmallVec;

use crate::batch::{Item, Verdict};
use crate::outlets::Written;
use crate::share::{OutletId, PartitionId, Share, ShareLists, Shares};

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
    of_tier: Box<[PartitionId]>,
    /// The outlets of each share.
    outlets: Box<[Box<[OutletId]>]>,
    /// The partition of each share.
    of_share: Box<[PartitionId]>,
    /// Whether each share is what a target gets as a former owner.
    is_former: Box<[bool]>,
    /// Whether hosts are on their way in any.
    is_moving: bool,
    /// Owners of each host in all of them together.
    owners: usize,
}

#[derive(Debug)]
struct Partition {
    /// A tier that is parted like this.
    tier: TierId,
    /// The number of its first share.
    start: usize,
    /// Number of targets. If hosts are on their way, there are as many more shares for former owners.
    targets: usize,
}

impl Partitions {
    /// Of these tiers. Where packets are held back, engines share with none but engines: theirs are not.
    pub fn new(tiers: Arc<Tiers>, holds_back: bool) -> Self {
        let mut partitions: Vec<Partition> = Vec::new();
        let mut of_tier = Vec::new();
        let (mut outlets, mut of_share, mut is_former) =
            (Vec::<Vec<OutletId>>::new(), Vec::new(), Vec::new());
        let mut first_outlet = 0;
        for (id, tier) in tiers.numbered() {
            let takes_samples = |tier: &Tier| tier.remote_write().is_some();
            let alike = |known: &Partition| {
                let known = &tiers[known.tier];
                known.placement() == tier.placement()
                    && (!holds_back || takes_samples(known) == takes_samples(tier))
            };
            let targets = tier.targets().len();
            let capacities = if tier.moving().is_some() { 2 } else { 1 };
            let partition = partitions.iter().position(alike).unwrap_or_else(|| {
                let shares = targets * capacities;
                of_share.extend((0..shares).map(|_| PartitionId::new(partitions.len())));
                is_former.extend((0..shares).map(|share| share >= targets));
                partitions.push(Partition { tier: id, start: outlets.len(), targets });
                outlets.resize(outlets.len() + shares, Vec::new());
                partitions.len() - 1
            });
            of_tier.push(PartitionId::new(partition));
            let shares = &mut outlets[partitions[partition].start..][..targets * capacities];
            for (share, outlets) in shares.iter_mut().enumerate() {
                outlets.push(OutletId::new(first_outlet + share % targets));
            }
            first_outlet += targets;
        }
        Self {
            is_moving: tiers.iter().any(|tier| tier.moving().is_some()),
            owners: partitions.iter().map(|known| tiers[known.tier].placement().facts().replicas).sum(),
            partitions: partitions.into(),
            of_tier: of_tier.into(),
            outlets: outlets.into_iter().map(Into::into).collect(),
            of_share: of_share.into(),
            is_former: is_former.into(),
            tiers,
        }
    }

    /// Number of partitions: one, if the tiers are all alike.
    pub fn len(&self) -> usize {
        self.partitions.len()
    }

    /// Whether there are none, which there always are.
    pub fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    /// The partition of a tier.
    pub fn of_tier(&self, tier: TierId) -> PartitionId {
        self.of_tier[tier.number()]
    }

    /// The shares that a host is in; looked up among the targets.
    pub fn shares_of(&self, host: &[u8]) -> Shares {
        let mut shares = Shares::new();
        let mut owners = Vec::new();
        for Partition { tier, start, targets } in &self.partitions {
            match self.tiers[*tier].placement() {
                Placement::Migration(migration) => {
                    let host = migration.of(host);
                    let lasting = host.owners.clone();
                    shares.extend(host.writers().into_iter().map(|target| {
                        let capacity = if lasting.contains(&target) { 0 } else { *targets };
                        Share::new(start + capacity + target)
                    }));
                }
                placement => {
                    placement.owners(host, &mut owners);
                    shares.extend(owners.iter().map(|owner| Share::new(start + owner)));
                }
            }
        }
        shares
    }

    /// The cost of looking up the [shares](Self::shares_of) of a host: so many look-ups in a table.
    pub fn cost_of_shares(&self, host: &[u8]) -> usize {
        self.placements().map(|placement| placement.cost(host)).sum()
    }

    /// Whether every host is in the same shares as by these other ones.
    pub fn are_alike(&self, other: &Self) -> bool {
        self.placements().eq(other.placements())
    }

    /// Of each partition.
    fn placements(&self) -> impl Iterator<Item = &Placement> {
        self.partitions.iter().map(|partition| self.tiers[partition.tier].placement())
    }

    /// The targets that a host is sent to in a tier of this partition, the one to read it from first.
    pub fn targets<'a>(
        &'a self,
        partition: PartitionId,
        shares: &'a [Share],
    ) -> impl Iterator<Item = TargetId> + 'a {
        let Partition { start, targets, .. } = &self.partitions[partition.number()];
        let own = shares.iter().filter(move |share| self.of(**share) == partition);
        own.map(move |share| TargetId::new((share.number() - start) % targets))
    }

    /// The shares of a host, each with whether it is the first of its partition.
    pub fn with_first<'a>(&'a self, shares: &'a [Share]) -> impl Iterator<Item = (Share, bool)> + 'a {
        let mut last = None;
        shares.iter().map(move |&share| {
            let partition = Some(self.of(share));
            (share, mem::replace(&mut last, partition) != partition)
        })
    }

    /// The most shares that a host can be in.
    pub fn most_copies(&self) -> usize {
        self.placements().map(Placement::most_copies).sum()
    }

    fn of(&self, share: Share) -> PartitionId {
        self.of_share[share.number()]
    }

    /// Whether hosts are on their way in any tier: then they are not in equally many shares.
    #[inline]
    pub fn is_moving(&self) -> bool {
        self.is_moving
    }

    /// In what capacity accepted value lists are sent to targets, by partition.
    pub fn written(&self, value_lists: &[Item], lists: &ShareLists) -> SmallVec<[Written; 4]> {
        let mut written = SmallVec::from_elem(Written::default(), self.partitions.len());
        let is_of_one_host = |one: &Item, next: &Item| one.verdict == next.verdict;
        for run in value_lists.chunk_by(is_of_one_host) {
            let Verdict::Accepted(shares) = run[0].verdict else { continue };
            self.add_written(lists.get(shares), run.len() as u64, &mut written);
        }
        written
    }

    /// Adds so many accepted value lists of one host to [what is written](Self::written).
    pub fn add_written(&self, shares: &[Share], value_lists: u64, written: &mut SmallVec<[Written; 4]>) {
        written.resize(self.partitions.len(), Written::default());
        for &share in shares {
            let Written { owners, former } = &mut written[self.of(share).number()];
            *(if self.is_former[share.number()] { former } else { owners }) += value_lists;
        }
    }

    /// Whether a host is not simply written to all of its owners, in any partition: some get it as former owners, or it has
    /// not come to all of them yet.
    pub fn is_unsettled(&self, shares: &[Share]) -> bool {
        self.is_moving
            && (shares.len() != self.owners || shares.iter().any(|share| self.is_former[share.number()]))
    }

    /// All shares, in order of their numbers.
    pub fn shares(&self) -> impl ExactSizeIterator<Item = Share> + use<> {
        (0..self.outlets.len()).map(Share::new)
    }

    /// The outlets that a share is sent to: one for each tier of its partition.
    pub fn outlets(&self, share: Share) -> &[OutletId] {
        &self.outlets[share.number()]
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use coco_core::config::CocoConfig;
    use coco_core::placement::migration::Stage;
    use coco_core::wire::ValueListSpans;

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
        Partitions::new(Arc::new(CocoConfig::parse(&text).unwrap().tiers), false)
    }

    /// From four targets to all.
    const MOVING: &str =
        "hash = 'rendezvous'\nmigration.both = '50%'\nmigration.from.targets = ['s0', 's1', 's2', 's3']";
    const TWO_COPIES: &str = "hash = 'rendezvous'\nreplicas = 2";

    #[test]
    fn tiers_of_one_size_share() {
        let partitions = partitions(&[(2, ""), (3, ""), (2, "")]);
        assert_eq!(partitions.len(), 2);
        assert_eq!([0, 1, 2].map(|tier| partitions.of_tier(TierId::new(tier)).number()), [0, 1, 0]);
        let numbers = |share| partitions.outlets(share).iter().map(|outlet| outlet.number()).collect();
        let outlets: Vec<Vec<_>> = partitions.shares().map(numbers).collect();
        assert_eq!(outlets, [&[0, 5][..], &[1, 6], &[2], &[3], &[4]]);
        assert_eq!(partitions.shares_of(b"web1").len(), 2);
    }

    #[test]
    fn placements_that_differ_are_partitions_of_their_own() {
        assert_eq!(partitions(&[(2, ""), (2, "virtual_replicas = 7")]).len(), 2);
        assert_eq!(partitions(&[(2, "virtual_replicas = 7"), (2, "virtual_replicas = 7")]).len(), 1);
        let tiers =
            partitions(&[(3, TWO_COPIES), (3, "hash = 'rendezvous'"), (3, TWO_COPIES), (3, "hash = 'jump'")]);
        assert_eq!([0, 1, 2, 3].map(|tier| tiers.of_tier(TierId::new(tier)).number()), [0, 1, 0, 2]);
        let shares = tiers.shares_of(b"web1");
        let first: Vec<_> = tiers.with_first(&shares).map(|(_, is_first)| is_first).collect();
        assert_eq!(first, [true, false, true, true]);
    }

    /// On a ring only the numbers count. By names, tiers of one size part hosts each in its own way.
    #[test]
    fn targets_of_other_names_part_hosts_otherwise_but_on_a_ring() {
        let of = |hash: &str| {
            let text = format!(
                "[tiers.a]\nhash = '{hash}'\ntargets = ['a:1', 'b:1']\n[tiers.b]\nhash = '{hash}'\ntargets = ['c:1', 'd:1']"
            );
            Partitions::new(Arc::new(CocoConfig::parse(&text).unwrap().tiers), false).len()
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
            (5, MOVING),
            (5, MOVING),
        ]);
        assert_eq!(partitions.len(), 5);
        let mut owners = Vec::new();
        for host in 0..500 {
            let host = format!("host{host}");
            let shares = partitions.shares_of(host.as_bytes());
            assert!((8..=9).contains(&shares.len()));
            for (id, tier) in partitions.tiers.numbered() {
                tier.placement().owners(host.as_bytes(), &mut owners);
                let targets = partitions.targets(partitions.of_tier(id), &shares);
                assert!(targets.map(TargetId::number).eq(owners.iter().copied()));
            }
        }
    }

    /// As many as there are owners, and beyond those the former ones of hosts that move.
    #[test]
    fn what_is_written_is_told_by_the_capacity_of_the_targets() {
        let partitions = partitions(&[(5, MOVING), (2, "")]);
        let migration = partitions.tiers.get(0).and_then(|tier| tier.placement().migration()).unwrap();
        let mut seen = std::collections::HashSet::new();
        for host in 0..200 {
            let host = format!("host{host}");
            let mut lists = ShareLists::default();
            lists.add(&[]);
            let start = lists.add(&partitions.shares_of(host.as_bytes()));
            let item = |verdict| Item { spans: ValueListSpans::default(), verdict };
            let items = [Verdict::Accepted(start), Verdict::Rejected, Verdict::Accepted(start)].map(item);
            let stage = migration.of(host.as_bytes()).stage;
            let (owners, former) = match stage {
                Stage::Settled | Stage::New => (2, 0),
                Stage::Old => (0, 2),
                Stage::Both => (2, 2),
            };
            let written = partitions.written(&items, &lists);
            assert_eq!(
                written.to_vec(),
                [Written { owners, former }, Written { owners: 2, former: 0 }],
                "{host}"
            );
            seen.insert(stage);
        }
        assert_eq!(seen, [Stage::Settled, Stage::Old, Stage::Both].into());
    }
}
