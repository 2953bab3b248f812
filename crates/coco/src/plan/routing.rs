//! All that value lists are decided and sent by, as one value that never changes: a reload makes a new one.
//!
//! The filter picks up the newest one between two batches, and the batch carries the one that it was decided by, so
//! that send packs and sends it by the same. An old one goes when the last batch that was decided by it has been sent.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use coco_core::config::CocoConfig;
use coco_core::tier::Tiers;
use regex::bytes::Regex;

use super::partitions::Partitions;
use crate::memory::Version;
use crate::outlets::Outlets;
use crate::secrets::Seals;

/// The newest routing, for whoever needs it.
pub type Newest = ArcSwap<Routing>;

/// See the module.
#[derive(Debug)]
pub struct Routing {
    /// The version that its decisions bear.
    pub version: Version,
    /// The tiers, which say who owns a host.
    pub tiers: Arc<Tiers>,
    /// The partitions of the hosts among the outlets.
    pub partitions: Partitions,
    /// The targets as places to send to.
    pub outlets: Outlets,
    /// Names of metrics that are not sent.
    pub blacklist: Option<Regex>,
    /// Signing and encrypting for each outlet.
    pub seals: Seals,
    /// Bytes of the largest packet sent.
    pub max_packet_size: usize,
    /// Whether packets to one outlet may be sent together.
    pub segmentation: bool,
    /// The longest time that a packet which is not full waits for more; zero is not at all.
    pub linger: Duration,
}

impl Routing {
    /// As configured, for so many lanes; nothing is connected yet. The seals are those of the configured tiers.
    pub fn new(config: &CocoConfig, seals: Seals, lanes: usize) -> Self {
        let settings = (&config.send).into();
        Self::with_outlets(config, seals, Version::default(), |tiers| Outlets::new(tiers, lanes, settings))
    }

    /// As configured anew. Targets that stay keep their sockets, and all targets their counters.
    #[must_use]
    pub fn renewed(&self, config: &CocoConfig, seals: Seals) -> Self {
        let pattern = |blacklist: &Option<Regex>| blacklist.as_ref().map(|regex| regex.as_str().to_owned());
        let same_blacklist = pattern(&config.filter.blacklist) == pattern(&self.blacklist);
        let settings = (&config.send).into();
        let mut renewed =
            Self::with_outlets(config, seals, self.version, |tiers| self.outlets.renewed(tiers, settings));
        let same_shares = renewed.partitions.are_alike(&self.partitions);
        let Version { shares, verdicts } = &mut renewed.version;
        *shares = shares.wrapping_add(u32::from(!same_shares));
        *verdicts = verdicts.wrapping_add(u32::from(!same_blacklist));
        renewed
    }

    fn with_outlets(
        config: &CocoConfig,
        seals: Seals,
        version: Version,
        outlets: impl FnOnce(&Tiers) -> Outlets,
    ) -> Self {
        let tiers = Arc::new(config.tiers.clone());
        let linger = config.send.linger;
        Self {
            version,
            partitions: Partitions::new(Arc::clone(&tiers), !linger.is_zero()),
            outlets: outlets(&tiers),
            tiers,
            blacklist: config.filter.blacklist.clone(),
            seals,
            max_packet_size: config.send.max_packet_size,
            segmentation: config.send.segmentation,
            linger,
        }
    }

    /// The targets that `other` lacks, each as `tier/target`.
    pub fn targets_beyond(&self, other: &Self) -> Vec<String> {
        let name = |outlet: &Arc<crate::outlets::Outlet>| format!("{}/{}", outlet.tier, outlet.target);
        let others: HashSet<String> = other.outlets.iter().map(name).collect();
        self.outlets.iter().map(name).filter(|name| !others.contains(name)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Else every host remembered would have to be looked up again.
    #[test]
    fn a_reload_that_leaves_placements_alone_leaves_the_shares_of_hosts_alone() {
        let parse = |text: &str| CocoConfig::parse(text).unwrap();
        let first = "[tiers.a]\ntargets = ['a:1', 'b:1']\n[tiers.b]\ntargets = ['c:1', 'd:1', 'e:1']";
        let routing = Routing::new(&parse(first), Seals::default(), 1);
        let version = |text: &str| {
            let renewed = routing.renewed(&parse(text), Seals::default()).version;
            (renewed.shares, renewed.verdicts)
        };
        assert_eq!(version(first), (0, 0));
        assert_eq!(version(&first.replace("a:1", "f:1")), (0, 0), "on a ring, only their number counts");
        assert_eq!(version(&format!("filter.blacklist = 'x'\n{first}")), (0, 1));
        assert_eq!(version(&first.replace(", 'b:1'", "")), (1, 0));
        assert_eq!(
            version(&first.replace("'c:1', 'd:1', 'e:1'", "'c:1', 'd:1'")),
            (1, 0),
            "they are alike now"
        );
        let alike = format!("{first}\n[tiers.c]\ntargets = ['g:1', 'h:1']");
        assert_eq!(version(&alike), (0, 0), "parted as the first one is");
    }
}
