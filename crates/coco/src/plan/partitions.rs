//! Parting hosts among targets: once for all tiers whose placements are equal.
//!
//! On a ring, who owns a host depends on the number of targets and of virtual replicas, not on the targets' names. Tiers
//! of equal numbers, which is what most fleets have, part the hosts in the same way: what one target of the first gets,
//! one target of the second gets too. It is looked up and packed once, and sent to each.

use std::sync::Arc;

use coco_core::tier::Tiers;

/// The ways to part the hosts, and whom each part is sent to.
///
/// A *share* is one part of one partition: what one target of each of its tiers gets. Shares are numbered partition by
/// partition, outlets tier by tier in the order of the configuration.
#[derive(Debug)]
pub struct Partitions {
    tiers: Arc<Tiers>,
    partitions: Box<[Partition]>,
    /// The partition of each tier.
    of_tier: Box<[usize]>,
    /// The outlets of each share.
    outlets: Box<[Box<[usize]>]>,
}

#[derive(Debug)]
struct Partition {
    /// A tier that is parted like this.
    tier: usize,
    /// Its first share.
    start: usize,
}

impl Partitions {
    /// Of these tiers.
    pub fn new(tiers: Arc<Tiers>) -> Self {
        let mut partitions: Vec<Partition> = Vec::new();
        let mut of_tier = Vec::new();
        let mut outlets: Vec<Vec<usize>> = Vec::new();
        let mut first_outlet = 0;
        for (index, tier) in tiers.iter().enumerate() {
            let alike = |known: &Partition| {
                tiers.get(known.tier).is_some_and(|known| known.placement() == tier.placement())
            };
            let partition = partitions.iter().position(alike).unwrap_or_else(|| {
                partitions.push(Partition { tier: index, start: outlets.len() });
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
        Self { partitions: partitions.into(), of_tier: of_tier.into(), outlets, tiers }
    }

    /// Number of partitions: one, if the tiers are all alike.
    #[inline]
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

    /// The index of the target that owns a host, for each partition; looked up on the rings.
    pub fn owners<'a>(&'a self, host: &'a [u8]) -> impl Iterator<Item = u16> + 'a {
        let tiers = self.partitions.iter().filter_map(|partition| self.tiers.get(partition.tier));
        tiers.map(|tier| tier.owner(host) as u16)
    }

    /// Number of shares.
    pub fn shares(&self) -> usize {
        self.outlets.len()
    }

    /// What the `owner`-th target of each tier of a partition gets.
    #[inline]
    pub fn share(&self, partition: usize, owner: u16) -> usize {
        self.partitions[partition].start + usize::from(owner)
    }

    /// Whom a share is sent to: one outlet a tier of its partition.
    pub fn outlets(&self, share: usize) -> &[usize] {
        &self.outlets[share]
    }
}

#[cfg(test)]
mod tests {
    use coco_core::config::{Config, Program};

    use super::*;

    fn partitions(tiers: &[(usize, Option<u32>)]) -> Partitions {
        let mut text = String::new();
        for (number, (targets, replicas)) in tiers.iter().enumerate() {
            let names: Vec<_> = (0..*targets).map(|target| format!("\"10.0.{number}.{target}:1\"")).collect();
            text += &format!("[tiers.t{number}]\ntargets = [{}]\n", names.join(","));
            text += &replicas.map_or(String::new(), |replicas| format!("virtual_replicas = {replicas}\n"));
        }
        Partitions::new(Arc::new(Config::parse(&text, Program::Coco).unwrap().tiers))
    }

    #[test]
    fn tiers_of_one_size_share() {
        let partitions = partitions(&[(2, None), (3, None), (2, None)]);
        assert_eq!(partitions.len(), 2);
        assert_eq!([0, 1, 2].map(|tier| partitions.of_tier(tier)), [0, 1, 0]);
        let outlets: Vec<_> = (0..partitions.shares()).map(|share| partitions.outlets(share)).collect();
        assert_eq!(outlets, [&[0, 5][..], &[1, 6], &[2], &[3], &[4]]);
        assert_eq!(partitions.share(1, 2), 4);
    }

    #[test]
    fn another_number_of_replicas_is_another_ring() {
        assert_eq!(partitions(&[(2, None), (2, Some(7))]).len(), 2);
        assert_eq!(partitions(&[(2, Some(7)), (2, Some(7))]).len(), 1);
    }

    #[test]
    fn every_tier_agrees_with_its_own_ring() {
        let partitions = partitions(&[(4, None), (5, None), (4, Some(20)), (5, None)]);
        for host in 0..500 {
            let host = format!("host{host}");
            let owners: Vec<_> = partitions.owners(host.as_bytes()).collect();
            for (index, tier) in partitions.tiers.iter().enumerate() {
                assert_eq!(usize::from(owners[partitions.of_tier(index)]), tier.owner(host.as_bytes()));
            }
        }
    }
}
