//! Who has a host, and who is asked first: the only place that knows.

use ::series::join::Priority;

use super::{Fleet, Node};
use crate::upstream::State;

impl Fleet {
    /// Who owns a host in a tier.
    pub fn owner(&self, tier: usize, host: &[u8]) -> Node {
        Node { tier, target: self.tiers.get(tier).map_or(0, |tier| tier.owner(host)) }
    }

    /// Who has a host, in the order in which they are asked: its owner in each tier, tier by tier, those that flap last,
    /// and behind them who else is known to have something of it.
    pub fn order(&self, host: &[u8], others: &[Node]) -> Vec<Node> {
        let mut owners: Vec<_> = (0..self.tiers.len()).map(|tier| self.owner(tier, host)).collect();
        owners.sort_by_cached_key(|owner| self.is_asked_last(*owner));
        for other in others {
            if !owners.contains(other) {
                owners.push(*other);
            }
        }
        owners
    }

    /// Whose rows go before whose where several know one: by the configuration, whoever was asked first. Who does not own
    /// the host comes behind all who do.
    pub(super) fn priority(&self, host: &[u8], node: Node) -> Priority {
        let is_owner = self.owner(node.tier, host) == node;
        let tier = if is_owner { node.tier } else { self.tiers.len() + node.tier };
        let number = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
        Priority { tier: number(tier), source: number(node.target) }
    }

    /// Whether a target flaps and there is a choice: then all other tiers are asked before it.
    pub fn is_asked_last(&self, node: Node) -> bool {
        self.tiers.len() > 1 && self.upstream(node).state() == State::Flapping
    }
}
