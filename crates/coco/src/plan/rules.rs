//! Deciding by a routing: who owns a host, and whether a metric is refused.

use std::sync::Arc;

use coco_core::blacklist;
use coco_core::value_list::{IdentifierRef, write_joined};
use regex::bytes::Regex;

use super::routing::Routing;
use crate::memory::{Judge, Name, Version};
use crate::share::{Share, Shares};

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

    fn is_unsettled(&self, shares: &[Share]) -> bool {
        self.routing.partitions.is_unsettled(shares)
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

#[cfg(test)]
mod tests {
    use coco_core::config::CocoConfig;
    use coco_core::host::is_renamed;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::memory::{Marks, Memory};
    use crate::secrets::Seals;

    /// A tier whose hosts stay, and one from three targets to four by these settings.
    fn config(settings: &str) -> CocoConfig {
        let target = |number: usize| format!("{{ name = 's{number}', address = '10.0.0.{number}:1' }}");
        let targets = (0..4).map(target).collect::<Vec<_>>().join(", ");
        let text =
            format!("[tiers.a]\ntargets = ['a:1', 'b:1']\n[tiers.b]\ntargets = [{targets}]\n{settings}");
        CocoConfig::parse(&text).unwrap()
    }

    /// No table, tables of several shares, and others besides: one copy more, a metric that is refused.
    fn configs() -> Vec<CocoConfig> {
        let moving = |both, new| {
            format!(
                "hash = 'rendezvous'\n[tiers.b.migration]\nboth = '{both}%'\nnew = '{new}%'\nfrom.targets = ['s0', 's1', 's2']"
            )
        };
        let shares = [(0, 0), (1, 0), (50, 0), (100, 0), (100, 50), (100, 100)];
        let mut settings: Vec<_> = shares.into_iter().map(|(both, new)| moving(both, new)).collect();
        settings.extend(["hash = 'rendezvous'", "hash = 'rendezvous'\nreplicas = 2"].map(str::to_owned));
        settings.push(format!("{}\n[filter]\nblacklist = 'p'", moving(50, 0)));
        settings.iter().map(|settings| config(settings)).collect()
    }

    proptest! {
        /// Whichever configurations come one after another, and whenever a host is met, or renewed by whoever measures.
        #[test]
        fn what_is_remembered_of_a_host_is_what_the_routing_says_of_it(
            steps in vec((0_usize..9, 0_usize..40, any::<bool>()), 1..60),
        ) {
            let configs = configs();
            let mut rules = Rules::new(Arc::new(Routing::new(&configs[0], Seals::default(), 1)));
            let mut memory = Memory::new(1 << 20);
            for (config, host, is_renewed) in steps {
                rules = Rules::new(Arc::new(rules.routing().renewed(&configs[config], Seals::default())));
                memory.adopt(rules.version());
                if is_renewed {
                    prop_assert_eq!(memory.renew_some(0, &mut rules), None);
                }
                let name = format!("{}host{host}", if host % 4 == 0 { "/" } else { "" }).into_bytes();
                let shares = rules.shares(&name);
                let id = memory.find_host(&name, 1).or_else(|| memory.renew_host(&name, 1, &mut rules));
                let id = id.or_else(|| memory.add_host(&name, &shares, &rules, 1)).unwrap();
                let is_unsettled = rules.routing().partitions.is_unsettled(&shares);
                let marks = Marks::new(is_renamed(&name), is_unsettled);
                prop_assert_eq!(memory.shares(id), (shares.as_slice(), marks));
            }
        }
    }

    /// What the law above rests on: of hosts that move, who is unsettled, by where they stand.
    #[test]
    fn hosts_are_unsettled_from_the_table_to_the_new_owners_alone() {
        let configs = configs();
        let unsettled = |config: &CocoConfig| {
            let rules = Rules::new(Arc::new(Routing::new(config, Seals::default(), 1)));
            let is = |host: &usize| rules.is_unsettled(&rules.shares(format!("host{host}").as_bytes()));
            (0..400).filter(is).count()
        };
        let [none, one, half, all, half_new, all_new] = [0, 1, 2, 3, 4, 5].map(|at| unsettled(&configs[at]));
        assert!(0 < none && none < 400, "hosts that stay are settled all the while");
        assert_eq!([one, half, all], [none; 3]);
        assert!(0 < half_new && half_new < all);
        assert_eq!([all_new, unsettled(&configs[6]), unsettled(&configs[7])], [0; 3]);
    }
}
