//! Who has a host, and who is asked first: the only place that knows.
//!
//! Tiers are asked in the order of the configuration, and of each the targets that own the host in the order of its
//! placement, unless `fetch.prefer` has them take turns. Of the copies in one tier, those that are known to be down are
//! asked behind the others, but now and then, so that it is noticed when they are back; what flaps is asked last of all.

use std::sync::atomic::Ordering;

use ::series::join::Priority;
use coco_core::config::Prefer;
use coco_core::placement::migration::Stage;
use coco_core::tier::{TargetId, TierId};
use coco_daemon::health::Condition;

use super::{Fleet, Node};

/// Of so many requests, one asks a copy that is down in its turn.
const PROBES: usize = 16;

impl Fleet {
    /// Who owns a host in a tier first of all.
    pub fn owner(&self, tier: TierId, host: &[u8]) -> Node {
        Node { tier, target: TargetId::new(self.tiers[tier].owner(host)) }
    }

    /// All who may have a host in a tier, the one to ask first first: its owners and, while it is on its way, those that it
    /// comes from or goes to.
    pub fn owners(&self, tier: TierId, host: &[u8]) -> Vec<Node> {
        let mut targets = Vec::new();
        self.tiers[tier].placement().readers(host, &mut targets);
        targets.into_iter().map(|target| Node { tier, target: TargetId::new(target) }).collect()
    }

    /// Whether every host of a tier has an owner that has told what it has: none of the `missing`.
    pub(super) fn is_whole_without(&self, tier: TierId, missing: &[bool]) -> bool {
        self.tiers[tier].placement().is_whole_without(|target| missing[target])
    }

    /// Who has a host, in the order in which they are asked: its owners in each tier, tier by tier, those that flap last,
    /// and behind them who else is known to have something of it.
    pub fn order(&self, host: &[u8], others: &[Node]) -> Vec<Node> {
        let mut owners = Vec::new();
        for (tier, _) in self.tiers.numbered() {
            let mut copies = self.owners(tier, host);
            if copies.len() > 1 {
                self.order_copies(&mut copies);
            }
            owners.append(&mut copies);
        }
        owners.sort_by_cached_key(|owner| self.is_asked_last(*owner));
        for other in others {
            if !owners.contains(other) {
                owners.push(*other);
            }
        }
        owners
    }

    fn order_copies(&self, copies: &mut [Node]) {
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        if self.prefer == Prefer::Any {
            copies.rotate_left(turn % copies.len());
        }
        if !turn.is_multiple_of(PROBES) {
            copies.sort_by_key(|copy| self.upstream(*copy).condition() == Some(Condition::Down));
        }
    }

    /// Whose rows go before whose where several know one: by the configuration, whoever was asked first. Who does not own
    /// the host comes behind all who do.
    pub(super) fn priority(&self, host: &[u8], node: Node) -> Priority {
        let (is_foreign, tier, place) = self.rank(host, node);
        let number = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
        let tier = if is_foreign { self.tiers.len() } else { 0 } + tier.number();
        Priority { tier: number(tier), source: number(place) }
    }

    /// How much is worth what a target has of a host, less being more: an owner's, be it in a later tier, before what a
    /// former owner still has; then the first tier's before the next one's, and the first owner's before a further copy.
    pub fn rank(&self, host: &[u8], node: Node) -> (bool, TierId, usize) {
        match self.owners(node.tier, host).iter().position(|owner| *owner == node) {
            Some(place) => (false, node.tier, place),
            None => (true, node.tier, node.target.number()),
        }
    }

    /// Where a host stands on its way in a tier, if it is on one.
    pub fn stage(&self, tier: TierId, host: &[u8]) -> Option<Stage> {
        let stage = self.tiers[tier].placement().migration()?.of(host).stage;
        (stage != Stage::Settled).then_some(stage)
    }

    /// Whether what a target has, and nobody who has `answered`, is what only a former owner has: the host is read from its
    /// new owners first, and all of them were asked.
    pub(super) fn is_left_behind(&self, host: &[u8], node: Node, answered: &[Node]) -> bool {
        self.tiers[node.tier].placement().migration().is_some_and(|migration| {
            let of = migration.of(host);
            let target = node.target.number();
            let has_answered =
                |&target: &usize| answered.contains(&Node { target: TargetId::new(target), ..node });
            of.stage == Stage::New
                && !of.owners.contains(&target)
                && of.former.contains(&target)
                && of.owners.iter().all(has_answered)
        })
    }

    /// Whether a target flaps and there is a choice: then all other tiers and copies are asked before it.
    pub fn is_asked_last(&self, node: Node) -> bool {
        let has_copies = self.tiers[node.tier].placement().most_copies() > 1;
        (self.tiers.len() > 1 || has_copies) && self.upstream(node).condition() == Some(Condition::Flapping)
    }
}
