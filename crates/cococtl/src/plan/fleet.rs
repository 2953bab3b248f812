//! The hosts of which a plan speaks.

use std::collections::{BTreeMap, BTreeSet};

use coco_core::text::from_json;

use crate::api::{self, Client, Root};
use crate::failure::Failure;
use crate::hosts;
use crate::tier_state::{Members, RoutedTier, TierState};

/// Hosts, where they are from, and how many metrics each has if somebody knows.
#[derive(Debug)]
pub(super) struct Fleet {
    names: Vec<Vec<u8>>,
    metrics: Option<Vec<u64>>,
    pub(super) kind: &'static str,
    /// Hosts whose names are not UTF-8: the `/tiers` of the original can't say them.
    pub(super) unreadable: u64,
    /// What the process that told the hosts routes by.
    pub(super) tiers: Option<Vec<TierState>>,
}

impl Fleet {
    pub(super) fn made_up() -> Self {
        Self::of_names(hosts::made_up(hosts::MADE_UP), "made-up hosts")
    }

    pub(super) fn of_names(names: Vec<Vec<u8>>, kind: &'static str) -> Self {
        Self { names, metrics: None, kind, unreadable: 0, tiers: None }
    }

    /// The hosts that a running Coco has seen, with the metrics that it sends on.
    pub(super) fn of_process(root: &Root) -> Result<Self, Failure> {
        let runtime = api::runtime()?;
        let tiers: Vec<RoutedTier> = runtime.block_on(Client::default().stream(root, "/tiers"))?;
        let (mut hosts, mut unreadable) = (BTreeMap::new(), BTreeSet::new());
        let mut states = Vec::new();
        for RoutedTier { name, targets, virtual_replicas, hash, routes } in tiers {
            let tells_bytes = hash.is_some();
            states.push(TierState { name, targets, virtual_replicas, hash });
            for (host, Members(metrics)) in routes.into_values().flatten() {
                if !tells_bytes && host.contains(char::REPLACEMENT_CHARACTER) {
                    unreadable.insert(host);
                    continue;
                }
                let known = hosts.entry(from_json(&host).into_owned()).or_insert(metrics);
                *known = metrics.max(*known);
            }
        }
        if hosts.is_empty() && unreadable.is_empty() {
            let reason = "it has sent nothing of any host yet (Noodle never does)".to_owned();
            return Err(Failure::Api { url: format!("{root}/tiers"), reason });
        }
        Ok(Self {
            unreadable: unreadable.len() as u64,
            metrics: Some(hosts.values().copied().collect()),
            names: hosts.into_keys().collect(),
            kind: "hosts that it has seen",
            tiers: Some(states),
        })
    }

    /// Each host and how many metrics it has; 0 where nobody knows.
    pub(super) fn hosts(&self) -> impl Iterator<Item = (&[u8], u64)> {
        let metrics = |index: usize| self.metrics.as_ref().map_or(0, |metrics| metrics[index]);
        self.names.iter().enumerate().map(move |(index, name)| (name.as_slice(), metrics(index)))
    }

    pub(super) fn names(&self) -> &[Vec<u8>] {
        &self.names
    }

    pub(super) fn knows_metrics(&self) -> bool {
        self.metrics.is_some()
    }
}
