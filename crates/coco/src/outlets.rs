//! The targets of all tiers as places to send to.

use crate::account::Account;
use crate::dial::keep;
use crate::outlet::{Outlet, Settings};
use crate::partitions::Partitions;
use coco_core::tier::Tiers;
use std::net::SocketAddr;
use std::slice;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Every target of every tier, tier by tier, in the order of the configuration.
#[derive(Debug)]
pub struct Outlets {
    outlets: Box<[Arc<Outlet>]>,
    /// What each of them counts.
    accounts: Box<[Arc<Account>]>,
    /// Where each tier starts.
    starts: Box<[usize]>,
    partitions: Arc<Partitions>,
}

impl Outlets {
    /// The targets of these tiers, none of them connected, to be counted by so many lanes.
    pub fn new(tiers: &Arc<Tiers>, lanes: usize, settings: Settings) -> Self {
        let mut outlets = Vec::new();
        let mut accounts = Vec::new();
        let mut starts = Vec::new();
        for tier in tiers.iter() {
            starts.push(outlets.len());
            for target in tier.targets() {
                let account = Arc::new(Account::new(tier.name(), &target.name, lanes));
                outlets.push(Arc::new(Outlet::new(Arc::clone(&account), target.address.clone(), settings)));
                accounts.push(account);
            }
        }
        let partitions = Arc::new(Partitions::new(Arc::clone(tiers)));
        Self { outlets: outlets.into(), accounts: accounts.into(), starts: starts.into(), partitions }
    }

    /// How hosts are parted among them.
    pub fn partitions(&self) -> &Arc<Partitions> {
        &self.partitions
    }

    /// How many tiers there are.
    pub fn tiers(&self) -> usize {
        self.starts.len()
    }

    /// The index of a tier's target among all outlets.
    #[inline]
    pub fn index(&self, tier: usize, target: usize) -> usize {
        self.starts[tier] + target
    }

    /// The outlet at an index.
    #[inline]
    pub fn get(&self, index: usize) -> &Arc<Outlet> {
        &self.outlets[index]
    }

    /// All outlets, tier by tier.
    pub fn iter(&self) -> slice::Iter<'_, Arc<Outlet>> {
        self.outlets.iter()
    }

    /// The outlets of one tier, in the order of its targets.
    pub fn of_tier(&self, tier: usize) -> &[Arc<Outlet>] {
        let end = self.starts.get(tier + 1).copied().unwrap_or(self.outlets.len());
        &self.outlets[self.starts[tier]..end]
    }

    /// What is counted of each, in their order.
    pub fn accounts(&self) -> &[Arc<Account>] {
        &self.accounts
    }

    /// Tries every outlet that is not connected once, all at the same time, for at most `patience`.
    ///
    /// Returns the addresses that they lead to, in the order of the outlets.
    pub async fn dial(&self, patience: Duration) -> Vec<Option<SocketAddr>> {
        let mut attempts = JoinSet::new();
        for outlet in self.outlets.iter().filter(|outlet| outlet.peer().is_none()) {
            let outlet = Arc::clone(outlet);
            attempts.spawn(async move { outlet.dial(None).await });
        }
        // Those that take longer are tried again in the background.
        let all = async { while attempts.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(patience, all).await;
        self.outlets.iter().map(|outlet| outlet.peer()).collect()
    }

    /// Starts to look after each of them, in a task of its own that ends with the outlet.
    pub fn keep(&self, listen: SocketAddr) {
        for outlet in &self.outlets {
            tokio::spawn(keep(Arc::downgrade(outlet), listen));
        }
    }
}
