//! The targets of all tiers as places to send to.

mod copies;
mod dial;
mod outlet;
mod outlet_counts;
mod remote;
mod useless;

pub use copies::{Copies, Written};
pub(crate) use dial::leads_back;
pub use outlet::{Outlet, Settings, UNRESOLVED};
pub use outlet_counts::OutletCounts;
pub use remote::{Engines, Remote, RemoteCounts, TermsError};

use std::io;
use std::net::SocketAddr;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use coco_core::tier::{Target, TargetId, Tier, TierId, Tiers};
use tokio::task::JoinSet;

use crate::share::{LaneId, OutletId};
use dial::keep;

/// Every target of every tier, tier by tier, in the order of the configuration.
#[derive(Debug)]
pub struct Outlets {
    outlets: Box<[Arc<Outlet>]>,
    /// The counts of each of them, and behind those the counts of targets that are gone.
    counts: Box<[Arc<OutletCounts>]>,
    /// The counts of each tier, and behind those the counts of tiers that are gone.
    copies: Box<[Arc<Copies>]>,
    /// The engines among them, and behind those the engines that are gone.
    remotes: Box<[Arc<Remote>]>,
    /// By tier, how many owners each host has there.
    replicas: Box<[u64]>,
    lanes: usize,
    /// Where each tier starts.
    starts: Box<[usize]>,
}

impl Outlets {
    /// The targets of these tiers, none of them connected, to be counted by so many lanes.
    pub fn new(tiers: &Tiers, lanes: usize, settings: Settings) -> Self {
        let none = Self {
            outlets: Box::default(),
            counts: Box::default(),
            copies: Box::default(),
            remotes: Box::default(),
            replicas: Box::default(),
            starts: Box::default(),
            lanes,
        };
        none.renewed(tiers, settings)
    }

    /// The targets of these tiers. Those that are here already are the same outlets; those that were once go on with
    /// their counters.
    #[must_use]
    pub fn renewed(&self, tiers: &Tiers, settings: Settings) -> Self {
        let mut outlets: Vec<Arc<Outlet>> = Vec::new();
        let mut starts = Vec::new();
        for tier in tiers {
            starts.push(outlets.len());
            outlets.extend(tier.targets().iter().map(|target| self.outlet(tier, target, settings)));
        }
        let mut counts: Vec<_> = outlets.iter().map(|outlet| Arc::clone(outlet.all_counts())).collect();
        let gone = self.counts.iter().filter(|old| !counts.iter().any(|new| Arc::ptr_eq(old, new)));
        let gone: Vec<_> = gone.cloned().collect();
        counts.extend(gone);
        let mut copies: Vec<_> = tiers.iter().map(|tier| self.copies_of(tier)).collect();
        let gone = self.copies.iter().filter(|old| !copies.iter().any(|new| Arc::ptr_eq(old, new)));
        let gone: Vec<_> = gone.cloned().collect();
        copies.extend(gone);
        let mut remotes: Vec<_> =
            outlets.iter().filter_map(|outlet| outlet.remote()).map(Arc::clone).collect();
        let gone = self.remotes.iter().filter(|old| !remotes.iter().any(|new| Arc::ptr_eq(old, new)));
        let gone: Vec<_> = gone.cloned().collect();
        remotes.extend(gone);
        let replicas = tiers.iter().map(|tier| tier.placement().facts().replicas as u64);
        Self {
            outlets: outlets.into(),
            counts: counts.into(),
            copies: copies.into(),
            remotes: remotes.into(),
            replicas: replicas.collect(),
            starts: starts.into(),
            lanes: self.lanes,
        }
    }

    fn copies_of(&self, tier: &Tier) -> Arc<Copies> {
        let known = self.copies.iter().find(|copies| *copies.tier == *tier.name());
        known.map_or_else(|| Arc::new(Copies::new(tier.name(), self.lanes)), Arc::clone)
    }

    fn outlet(&self, tier: &Tier, target: &Target, settings: Settings) -> Arc<Outlet> {
        let counts = self.counts.iter().find(|counts| counts.is_of(tier.name(), &target.name));
        let counts = counts
            .map_or_else(|| Arc::new(OutletCounts::new(tier.name(), &target.name, self.lanes)), Arc::clone);
        let here = self.outlets.iter().find(|outlet| Arc::ptr_eq(outlet.all_counts(), &counts));
        match here {
            Some(outlet) if outlet.settings == settings => Arc::clone(outlet),
            here => {
                let new = Outlet::new(counts, target.address.clone(), settings);
                Arc::new(match tier.remote_write() {
                    Some(_) => new.with_remote(self.remote(tier, target)),
                    None => new.like(here),
                })
            }
        }
    }

    fn remote(&self, tier: &Tier, target: &Target) -> Arc<Remote> {
        let known = self.remotes.iter().find(|remote| remote.is_of(tier.name(), &target.name));
        known.map_or_else(|| Arc::new(Remote::new(tier.name(), &target.name)), Arc::clone)
    }

    /// Has engines written to as the files say, each in a thread of its own.
    pub fn engage(&self, tiers: &Tiers, engines: &Engines) -> io::Result<()> {
        for (id, tier) in tiers.numbered() {
            for (target, outlet) in tier.targets().iter().zip(self.of_tier(id)) {
                if let Some(remote) = outlet.remote() {
                    remote.engage(engines, target)?;
                }
            }
        }
        Ok(())
    }

    /// The engines, in the order of their outlets, and then those that were removed: what waits for them is still sent.
    pub fn remotes(&self) -> &[Arc<Remote>] {
        &self.remotes
    }

    /// Number of tiers.
    pub fn tiers(&self) -> usize {
        self.starts.len()
    }

    /// The outlet of a tier's target.
    #[inline]
    pub fn id(&self, tier: TierId, target: TargetId) -> OutletId {
        OutletId::new(self.starts[tier.number()] + target.number())
    }

    /// One of them.
    #[inline]
    pub fn get(&self, outlet: OutletId) -> &Arc<Outlet> {
        &self.outlets[outlet.number()]
    }

    /// All outlets, tier by tier.
    pub fn iter(&self) -> slice::Iter<'_, Arc<Outlet>> {
        self.outlets.iter()
    }

    /// The outlets of one tier, in the order of its targets.
    pub fn of_tier(&self, tier: TierId) -> &[Arc<Outlet>] {
        let tier = tier.number();
        let end = self.starts.get(tier + 1).copied().unwrap_or(self.outlets.len());
        &self.outlets[self.starts[tier]..end]
    }

    /// The counts of each, in their order, and then of those that were removed: sums must not go back.
    pub fn counts(&self) -> &[Arc<OutletCounts>] {
        &self.counts
    }

    /// Counts value lists that are to be sent: once to every tier, and to further targets where hosts have several.
    /// Of those of hosts that are on their way `written` says, by tier, to whom they are sent.
    #[inline]
    pub fn count_accepted(
        &self,
        lane: LaneId,
        accepted: u64,
        unsettled: u64,
        written: impl Fn(TierId) -> Option<Written>,
    ) {
        for (tier, (copies, &replicas)) in self.copies.iter().zip(&self.replicas).enumerate() {
            let Written { owners, former } = written(TierId::new(tier)).unwrap_or_default();
            copies.add(
                lane,
                accepted,
                Written { owners: owners + (accepted - unsettled) * replicas, former },
            );
        }
    }

    /// The counts of each tier, in their order, and then of those that were removed.
    pub fn copies(&self) -> &[Arc<Copies>] {
        &self.copies
    }

    /// Tries every outlet that is not connected once, all at the same time, for at most `patience`.
    ///
    /// Returns for each, in their order, the address by which it leads back to `listen`, if it does. Such a one is not
    /// connected, as what runs already may send by it.
    pub async fn dial(&self, listen: SocketAddr, patience: Duration) -> Vec<Option<SocketAddr>> {
        let leads_back = |outlet: &Arc<Outlet>| outlet.peer().filter(|peer| leads_back(listen, *peer));
        let mut back: Vec<_> = self.outlets.iter().map(leads_back).collect();
        let mut attempts = JoinSet::new();
        let is_to_dial = |outlet: &Outlet| outlet.peer().is_none() && outlet.remote().is_none();
        for (index, outlet) in self.outlets.iter().enumerate().filter(|(_, outlet)| is_to_dial(outlet)) {
            let outlet = Arc::clone(outlet);
            attempts.spawn(async move { (index, outlet.dial(listen).await) });
        }
        // Those that take longer are tried again in the background.
        let all = async {
            while let Some(attempt) = attempts.join_next().await {
                if let Ok((index, address)) = attempt {
                    back[index] = address;
                }
            }
        };
        let _ = tokio::time::timeout(patience, all).await;
        back
    }

    /// Has each of them looked after, in a task of its own that ends with the outlet. A second call changes nothing.
    pub fn keep(&self, listen: SocketAddr) {
        for outlet in self.outlets.iter().filter(|outlet| outlet.remote().is_none() && outlet.begin_keeping())
        {
            tokio::spawn(keep(Arc::downgrade(outlet), listen));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use coco_core::config::CocoConfig;

    use super::*;

    /// As when a reload is refused: what runs already may have the same outlet.
    #[test]
    fn an_outlet_that_leads_back_is_told_and_not_connected() {
        let listen = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let text = format!("tiers.a.targets = ['127.0.0.1:9', '{listen}']");
        let config = CocoConfig::parse(&text).unwrap();
        let outlets = Outlets::new(&config.tiers, 1, (&config.send).into());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let back = runtime.block_on(outlets.dial(listen, Duration::from_secs(60)));
        assert_eq!(back, [None, Some(listen)]);
        assert!(
            outlets.get(OutletId::new(0)).peer().is_some() && outlets.get(OutletId::new(1)).peer().is_none()
        );
    }
}
