//! The hosts of which a plan speaks.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use coco_core::text::from_json;
use serde_json::Value;

use crate::api::{self, Client, Root};
use crate::failure::Failure;
use crate::hosts;
use crate::tier_state::{Members, RoutedTier, TierState};

/// Hosts, where they are from, and how many metrics each has if somebody knows.
#[derive(Debug)]
pub(super) struct Hosts {
    names: Vec<Vec<u8>>,
    metrics: Option<Vec<u64>>,
    pub(super) kind: &'static str,
    /// Hosts whose names are not UTF-8: the `/tiers` of the original can't say them.
    pub(super) unreadable: u64,
    /// The processes that told the hosts.
    pub(super) sources: Vec<Source>,
}

/// A running Coco that was asked.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) root: Root,
    /// How many hosts it has seen.
    pub(super) hosts: usize,
    /// Since when, in Unix seconds; the original does not say.
    pub(super) since: Option<u64>,
    /// What it routes by.
    pub(super) tiers: Vec<TierState>,
}

impl Hosts {
    pub(super) fn made_up() -> Self {
        Self::of_names(hosts::made_up(hosts::MADE_UP), "made-up hosts")
    }

    pub(super) fn of_file(path: &Path) -> Result<Self, Failure> {
        Ok(Self::of_names(hosts::read(path)?, "hosts"))
    }

    fn of_names(names: Vec<Vec<u8>>, kind: &'static str) -> Self {
        Self { names, metrics: None, kind, unreadable: 0, sources: Vec::new() }
    }

    /// The hosts that running Cocos have seen, with the metrics that they send on.
    pub(super) fn of_processes(roots: &[Root]) -> Result<Self, Failure> {
        let runtime = api::runtime()?;
        let client = Client::default();
        let (mut hosts, mut unreadable) = (BTreeMap::new(), BTreeSet::new());
        let mut sources = Vec::new();
        for root in roots {
            sources.push(runtime.block_on(ask(&client, root, &mut hosts, &mut unreadable))?);
        }
        Ok(Self {
            unreadable: unreadable.len() as u64,
            metrics: Some(hosts.values().copied().collect()),
            names: hosts.into_keys().collect(),
            kind: if roots.len() > 1 { "hosts that they have seen" } else { "hosts that it has seen" },
            sources,
        })
    }

    /// Each host and how many metrics it has; 0 where nobody knows.
    pub(super) fn with_metrics(&self) -> impl Iterator<Item = (&[u8], u64)> {
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

/// Adds the hosts that a Coco has seen, each with the most metrics that any of its tiers, or another Coco, has.
async fn ask(
    client: &Client,
    root: &Root,
    hosts: &mut BTreeMap<Vec<u8>, u64>,
    unreadable: &mut BTreeSet<String>,
) -> Result<Source, Failure> {
    let tiers: Vec<RoutedTier> = client.stream(root, "/tiers").await?;
    let mut seen = 0;
    let mut states = Vec::new();
    for RoutedTier { name, targets, virtual_replicas, hash, replicas, placed, age, migration, routes } in
        tiers
    {
        let tells_bytes = hash.is_some();
        states.push(TierState { name, targets, virtual_replicas, hash, replicas, placed, age, migration });
        let mut of_tier = 0;
        for (host, Members(metrics)) in routes.into_values().flatten() {
            of_tier += 1;
            if !tells_bytes && host.contains(char::REPLACEMENT_CHARACTER) {
                unreadable.insert(host);
                continue;
            }
            let known = hosts.entry(from_json(&host).into_owned()).or_insert(metrics);
            *known = metrics.max(*known);
        }
        seen = seen.max(of_tier);
    }
    if seen == 0 {
        let reason = "it has sent nothing of any host yet (Noodle never does)".to_owned();
        return Err(Failure::Api { url: format!("{root}/tiers"), reason });
    }
    let vars: Value = client.ask_for(root, "/debug/vars").await?;
    let since = vars["coco"]["state"]["since"].as_u64();
    Ok(Source { root: root.clone(), hosts: seen, since, tiers: states })
}
