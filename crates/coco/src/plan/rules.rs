//! Deciding by a routing: who owns a host, and whether a metric is refused.

use std::sync::Arc;

use coco_core::blacklist;
use coco_core::value_list::{IdentifierRef, write_joined};
use regex::bytes::Regex;

use super::routing::Routing;
use crate::memory::{Judge, Name, Version};
use crate::share::Shares;

/// Decides by a routing.
pub struct Rules {
    routing: Arc<Routing>,
    /// A copy, since those who share one wait for each other.
    blacklist: Option<Regex>,
    /// The path that the blacklist is matched against; kept for its memory.
    path: Vec<u8>,
}

impl Rules {
    /// Of this routing.
    pub fn new(routing: Arc<Routing>) -> Self {
        Self { blacklist: routing.blacklist.clone(), routing, path: Vec::new() }
    }

    /// The routing that it decides by.
    pub fn routing(&self) -> &Arc<Routing> {
        &self.routing
    }

    /// Whether the blacklist matches a value list.
    pub fn refuses(&mut self, identifier: &IdentifierRef<'_>) -> bool {
        let Some(blacklist) = &self.blacklist else { return false };
        self.path.clear();
        identifier.write_path(&mut self.path);
        blacklist::matches(blacklist, &self.path)
    }
}

impl Judge for Rules {
    fn version(&self) -> Version {
        self.routing.version
    }

    fn shares(&self, host: &[u8]) -> Shares {
        self.routing.partitions.shares_of(host)
    }

    fn cost_of_shares(&self, host: &[u8]) -> usize {
        self.routing.partitions.cost_of_shares(host)
    }

    fn rejects(&mut self, host: &[u8], metric: &Name) -> bool {
        let Some(blacklist) = &self.blacklist else { return false };
        self.path.clear();
        self.path.extend_from_slice(host);
        self.path.push(b'/');
        write_joined(metric.parts(), &mut self.path);
        blacklist::matches(blacklist, &self.path)
    }
}
