//! All targets of all tiers, and how they are asked.
//!
//! - [`order`] is the only place that says who has a host, and who is asked first;
//! - [`owner`] asks those who have one host, one after the other, and [`join`] makes one series of what they have;
//! - [`gather`] asks many for one answer, `named` has the hosts that they know for a pattern;
//! - [`tree`] and [`rows`] are what a language of queries needs of all of it: which metrics there are, and their rows;
//!   [`sources`] remembers what the files of a type hold.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use coco_core::config::{Fetch, Prefer};
use coco_core::tier::{Endpoint, TargetId, TierId, Tiers};
use coco_daemon::counters::Snapshot;
use coco_daemon::health::Condition;

use crate::ask::{Addressees, Question, Reply};
use crate::budget::Budget;
use crate::budget::crowd::Crowd;
use crate::budget::forms::Forms;
use crate::counters::Counters;
use crate::counters::table::{TARGET_STATE, TIER_TREE_AGE};
use crate::failure::Failure;
use crate::upstream::{Said, Shared, Terms, Try, Turn, UNASKED, Upstream};
use join::Policy;

pub mod gather;
pub mod join;
mod named;
pub mod order;
pub mod owner;
pub mod rows;
pub mod sources;
pub mod tree;

/// All targets of all tiers.
#[derive(Debug)]
pub struct Fleet {
    /// All tiers, those that are not read too.
    pub all: Arc<Tiers>,
    /// Who owns whom, in the tiers that are read.
    pub tiers: Arc<Tiers>,
    /// What is counted.
    pub counters: Counters,
    /// Memory for answers, and for what is under way to get them.
    pub budget: Budget,
    /// What of it requests for many hosts may take.
    pub crowd: Crowd,
    /// What of it forms may take.
    pub forms: Forms,
    shared: Shared,
    by_endpoint: HashMap<Endpoint, Arc<Upstream>>,
    policy: Policy,
    prefer: Prefer,
    /// How often hosts with several copies were asked for.
    turns: AtomicUsize,
    upstreams: Vec<Vec<Arc<Upstream>>>,
}

/// A target of a tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Node {
    /// The tier.
    pub tier: TierId,
    /// The target in it.
    pub target: TargetId,
}

/// A target that gave no answer, and why.
pub type Failed = (Node, Failure);

impl Fleet {
    /// Nothing is connected yet.
    pub fn new(tiers: Arc<Tiers>, config: &Fetch) -> Self {
        let counters = Counters::new(&tiers.readable().unwrap_or_else(|| Tiers::clone(&tiers)));
        let budget = Budget::new(config.max_memory);
        let common = (Crowd::new(&budget), Forms::new(&budget, config), budget, Shared::default());
        Self::with_known(tiers, config, counters, common, &HashMap::new())
    }

    /// As configured anew: who is asked as before keeps its connections, and everyone its counters.
    pub fn renewed(&self, tiers: Arc<Tiers>, config: &Fetch) -> Self {
        let counters = self.counters.renewed(&tiers.readable().unwrap_or_else(|| Tiers::clone(&tiers)));
        let budget = self.budget.with_limit(config.max_memory);
        let forms = self.forms.renewed(&budget, config);
        let common = (self.crowd.within(&budget), forms, budget, self.shared.clone());
        Self::with_known(tiers, config, counters, common, &self.by_endpoint)
    }

    fn with_known(
        all: Arc<Tiers>,
        config: &Fetch,
        counters: Counters,
        (crowd, forms, budget, shared): (Crowd, Forms, Budget, Shared),
        known: &HashMap<Endpoint, Arc<Upstream>>,
    ) -> Self {
        // A configuration for Noodle has one that is read at least.
        let tiers = all.readable().map_or_else(|| Arc::clone(&all), Arc::new);
        let terms = Terms::from(config);
        let known =
            |endpoint: &Endpoint| known.get(endpoint).filter(|known| *known.terms() == terms).cloned();
        let mut by_endpoint = HashMap::new();
        let mut upstreams = Vec::with_capacity(tiers.len());
        for tier in tiers.iter() {
            let mut of_tier = Vec::with_capacity(tier.targets().len());
            for target in tier.targets() {
                let endpoint = config.endpoint(target);
                let new = || Arc::new(Upstream::new(&endpoint, terms.clone(), shared.clone()));
                let upstream = by_endpoint
                    .entry(endpoint.clone())
                    .or_insert_with(|| known(&endpoint).unwrap_or_else(new));
                of_tier.push(Arc::clone(upstream));
            }
            upstreams.push(of_tier);
        }
        let policy = Policy { join: config.join, settle: config.settle };
        let (prefer, turns) = (config.prefer, AtomicUsize::new(0));
        Self {
            all,
            tiers,
            counters,
            budget,
            crowd,
            forms,
            shared,
            by_endpoint,
            policy,
            prefer,
            turns,
            upstreams,
        }
    }

    /// Whether any target has rows, so that questions must say which metrics they mean.
    pub fn has_rows(&self) -> bool {
        self.by_endpoint.values().any(|upstream| upstream.has_rows())
    }

    /// Where a target is asked.
    pub fn upstream(&self, node: Node) -> &Arc<Upstream> {
        &self.upstreams[node.tier.number()][node.target.number()]
    }

    /// The condition of each target of each tier that was asked, or none.
    pub fn conditions(&self) -> Vec<Option<Condition>> {
        self.upstreams.iter().flatten().map(|upstream| upstream.condition()).collect()
    }

    /// The targets that `other` lacks, each as `tier/target`.
    pub fn targets_beyond(&self, other: &Self) -> Vec<String> {
        let all = |fleet: &Self| -> Vec<String> {
            let names = fleet.tiers.iter().flat_map(|tier| {
                tier.targets().iter().map(|target| format!("{}/{}", tier.name(), target.name))
            });
            names.collect()
        };
        let others = all(other);
        all(self).into_iter().filter(|name| !others.contains(name)).collect()
    }

    /// Bytes that answers under way may take.
    pub fn memory_limit(&self) -> usize {
        self.budget.limit()
    }

    /// The name of a target, as configured.
    pub fn target(&self, node: Node) -> &str {
        &self.tiers[node.tier].target(node.target).name
    }

    /// The name of a target's tier.
    pub fn tier(&self, node: Node) -> &str {
        self.tiers[node.tier].name()
    }

    /// The targets of a tier.
    pub fn nodes(&self, tier: TierId) -> impl Iterator<Item = Node> + use<> {
        (0..self.upstreams[tier.number()].len())
            .map(move |target| Node { tier, target: TargetId::new(target) })
    }

    /// Adds all that was counted, the state of every target, and the memory lent now.
    pub fn add_to(&self, snapshot: &mut Snapshot) {
        self.counters.add_to(snapshot, self.budget.lent());
        let known = Condition::ALL.map(|condition| (Some(condition), condition.as_str()));
        let states = [(None, UNASKED)].into_iter().chain(known);
        let states: Vec<_> = states.map(|(condition, name)| (condition, Arc::from(name))).collect();
        for (tier, upstreams) in self.tiers.iter().zip(&self.upstreams) {
            let tier_name = Arc::from(tier.name());
            let ages = upstreams.iter().filter_map(|upstream| upstream.tree_age());
            let age = ages.max().map_or(0, |age| age.as_secs());
            snapshot.add(&TIER_TREE_AGE, &[("tier", &tier_name)], age);
            for (target, upstream) in tier.targets().iter().zip(upstreams) {
                let (target, now) = (Arc::from(&*target.name), upstream.condition());
                for (condition, name) in &states {
                    let labels = [("tier", &tier_name), ("target", &target), ("state", name)];
                    snapshot.add(&TARGET_STATE, &labels, u64::from(now == *condition));
                }
            }
        }
    }

    /// Asks one target: its answer, or none when it honestly has nothing.
    pub async fn ask(&self, node: Node, question: &Question) -> Result<Option<Reply>, Failure> {
        let result = self.try_to_ask(node, question).await;
        let failure = match &result {
            Err(failure) => Some(failure),
            Ok(Some(Reply::Series(rows))) => rows.unread.as_ref().map(|unread| &unread.failure),
            Ok(_) => None,
        };
        if let Some(failure) = failure {
            self.counters.failed(node.tier, node.target, failure);
            // A request that no node takes says nothing of this one.
            if failure.reason().is_some() {
                self.upstream(node).complain(self.target(node), question, failure);
            }
        }
        result
    }

    async fn try_to_ask(&self, node: Node, question: &Question) -> Result<Option<Reply>, Failure> {
        if question.to == Addressees::Rrdcached && !self.upstream(node).has_rows() {
            self.counters.left_out(node.tier);
            return Ok(None);
        }
        for attempt in [Try::First, Try::Again] {
            let turn = self.upstream(node).turn().await?;
            // In its own memory, once it has its turn: who waits shall take little.
            match Box::pin(self.ask_in_turn(turn, attempt, node, question)).await? {
                Said::Reply(reply) => return Ok(Some(reply)),
                Said::Nothing => break,
                Said::Doubtful => {}
            }
        }
        Ok(None)
    }

    async fn ask_in_turn(
        &self,
        turn: Turn,
        attempt: Try,
        node: Node,
        question: &Question,
    ) -> Result<Said, Failure> {
        let upstream = self.upstream(node);
        let _lent = self.crowd.connection(question.of_many, upstream.timeout()).await?;
        let started = Instant::now();
        let mut request = Request { counters: &self.counters, node, was_sent: true };
        let heard = upstream.ask(turn, question, attempt, &self.budget).await;
        request.was_sent = heard.was_asked;
        if heard.was_asked {
            self.counters.latency(node.tier).record(started.elapsed());
        }
        heard.said
    }
}

/// A request to a target, which counts when it is over, also where nobody waits for its end.
struct Request<'a> {
    counters: &'a Counters,
    node: Node,
    was_sent: bool,
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        if self.was_sent {
            self.counters.asked(self.node.tier, self.node.target);
        }
    }
}
