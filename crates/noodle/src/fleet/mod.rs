//! All targets of all tiers, and how one of them, or the owner of a host, is asked. [`gather`] asks many of them, and
//! [`merge`] makes one answer of theirs.

use std::collections::HashMap;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use coco_core::address::{Address, AddressError};
use coco_core::config::Fetch;
use coco_core::tier::Tiers;
use coco_daemon::counters::Snapshot;
use hyper::http::uri::PathAndQuery;
use thiserror::Error;

use crate::ask::Content;
use crate::ask::share::{Node, Share};
use crate::budget::Budget;
use crate::budget::crowd::Crowd;
use crate::budget::forms::Forms;
use crate::counters::{Counters, TARGET_STATE};
use crate::failure::Failure;
use crate::upstream::visage::gzip;
use crate::upstream::{self, Place, Reply, Room, State, Upstream, Way};

pub mod gather;
pub mod merge;

/// Answers of more bytes take about a millisecond to look through.
const LARGE: usize = 512 * 1024;

/// All targets of all tiers.
#[derive(Debug)]
pub struct Fleet {
    /// Who owns whom.
    pub tiers: Arc<Tiers>,
    /// What is counted.
    pub counters: Counters,
    /// Memory for answers, and for what is under way to get them.
    pub budget: Budget,
    /// What of it requests for many hosts may take.
    pub crowd: Crowd,
    /// What of it forms may take.
    pub forms: Forms,
    room: Room,
    by_address: HashMap<Address, Arc<Upstream>>,
    upstreams: Vec<Vec<Arc<Upstream>>>,
}

/// What to ask for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// What the answer must hold.
    pub content: Content,
    /// The host or the pattern.
    pub host: Arc<[u8]>,
    /// Whether it is a host, by name: then an answer is one only if it is about that.
    pub by_name: bool,
    /// Whether it is one of many that one request asks for.
    pub of_many: bool,
    /// As a target is asked.
    pub path: PathAndQuery,
}

impl Wanted {
    /// The name that an answer with series must hold.
    fn name(&self) -> Option<&Arc<[u8]>> {
        (self.by_name && self.content == Content::Series).then_some(&self.host)
    }

    /// A list does not say whose it is, and what comes of a pattern may be anybody's.
    fn way(&self) -> Way {
        if self.name().is_some() { Way::Kept } else { Way::Own }
    }
}

/// A target that gave no answer, and why.
pub type Failed = (Node, Failure);

/// Targets that failed in such a way that the requests that are still to come for one client go past them: a dead
/// target costs a list of hosts its timeout once.
#[derive(Debug, Default)]
pub struct Shunned(Mutex<HashMap<Node, Failure>>);

/// A target whose `fetch` is no URL.
#[derive(Debug, Error)]
#[error("tiers.{tier}.targets: {target}: {source}")]
pub struct FleetError {
    tier: String,
    target: String,
    source: AddressError,
}

impl Fleet {
    /// Nothing is connected yet.
    pub fn new(tiers: Arc<Tiers>, config: &Fetch) -> Result<Self, FleetError> {
        let counters = Counters::new(&tiers);
        let budget = Budget::new(config.max_memory);
        let shared = (Crowd::new(&budget), Forms::new(&budget, config), budget, Room::new());
        Self::with_known(tiers, config, counters, shared, &HashMap::new())
    }

    /// As configured anew: who is asked as before keeps its connections, and everyone its counters.
    pub fn renewed(&self, tiers: Arc<Tiers>, config: &Fetch) -> Result<Self, FleetError> {
        let counters = self.counters.renewed(&tiers);
        let budget = self.budget.with_limit(config.max_memory);
        let forms = self.forms.renewed(&budget, config);
        let shared = (self.crowd.within(&budget), forms, budget, self.room.clone());
        Self::with_known(tiers, config, counters, shared, &self.by_address)
    }

    fn with_known(
        tiers: Arc<Tiers>,
        config: &Fetch,
        counters: Counters,
        (crowd, forms, budget, room): (Crowd, Forms, Budget, Room),
        known: &HashMap<Address, Arc<Upstream>>,
    ) -> Result<Self, FleetError> {
        let known =
            |address: &Address| known.get(address).filter(|known| known.is_as_configured(config)).cloned();
        let mut by_address = HashMap::new();
        let mut upstreams = Vec::with_capacity(tiers.len());
        for tier in tiers.iter() {
            let mut of_tier = Vec::with_capacity(tier.targets().len());
            for target in tier.targets() {
                let address = upstream::address(target, config.remote_port).map_err(|source| FleetError {
                    tier: tier.name().to_owned(),
                    target: target.name.clone(),
                    source,
                })?;
                let upstream = by_address.entry(address.clone()).or_insert_with(|| {
                    known(&address).unwrap_or_else(|| Arc::new(Upstream::new(&address, config, room.clone())))
                });
                of_tier.push(Arc::clone(upstream));
            }
            upstreams.push(of_tier);
        }
        Ok(Self { tiers, counters, budget, crowd, forms, room, by_address, upstreams })
    }

    /// Where a target is asked.
    pub fn upstream(&self, node: Node) -> &Arc<Upstream> {
        &self.upstreams[node.tier][node.target]
    }

    /// How each target of each tier is.
    pub fn states(&self) -> Vec<State> {
        self.upstreams.iter().flatten().map(|upstream| upstream.state()).collect()
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

    /// The name of a target, as configured.
    pub fn target(&self, node: Node) -> &str {
        self.tiers.get(node.tier).map_or("", |tier| &tier.targets()[node.target].name)
    }

    /// The name of a target's tier.
    pub fn tier(&self, node: Node) -> &str {
        self.tiers.get(node.tier).map_or("", |tier| tier.name())
    }

    /// Who owns a host in a tier.
    pub fn owner(&self, tier: usize, host: &[u8]) -> Node {
        Node { tier, target: self.tiers.get(tier).map_or(0, |tier| tier.owner(host)) }
    }

    /// The targets of a tier.
    pub fn nodes(&self, tier: usize) -> impl Iterator<Item = Node> + use<> {
        (0..self.upstreams[tier].len()).map(move |target| Node { tier, target })
    }

    /// Adds all that was counted, the state of every target, and the memory lent now.
    pub fn add_to(&self, snapshot: &mut Snapshot) {
        self.counters.add_to(snapshot, self.budget.lent());
        let states = State::ALL.map(|state| (state, Arc::from(state.as_str())));
        for (tier, upstreams) in self.tiers.iter().zip(&self.upstreams) {
            let tier_name = Arc::from(tier.name());
            for (target, upstream) in tier.targets().iter().zip(upstreams) {
                let (target, now) = (Arc::from(&*target.name), upstream.state());
                for (state, name) in &states {
                    let labels = [("tier", &tier_name), ("target", &target), ("state", name)];
                    snapshot.add(&TARGET_STATE, &labels, u64::from(now == *state));
                }
            }
        }
    }

    /// Asks one target: its answer, or none when it honestly has nothing.
    pub async fn ask(&self, node: Node, wanted: &Wanted) -> Result<Option<Share>, Failure> {
        let result = self.try_to_ask(node, wanted).await;
        if let Err(failure) = &result {
            self.counters.failed(node.tier, node.target, failure);
            // A request that no node takes says nothing of this one.
            if failure.reason().is_some() {
                self.upstream(node).complain(&wanted.host, self.target(node), wanted.path.as_str(), failure);
            }
        }
        result
    }

    async fn try_to_ask(&self, node: Node, wanted: &Wanted) -> Result<Option<Share>, Failure> {
        match self.ask_by(wanted.way(), node, wanted).await? {
            Said::Share(share) => Ok(Some(share)),
            // A node may have said so behind an answer, unasked: that it has nothing can't be told to be of this host.
            Said::Nothing { is_again: true } => match self.ask_by(Way::Own, node, wanted).await? {
                Said::Share(share) => Ok(Some(share)),
                Said::Nothing { .. } => Ok(None),
            },
            Said::Nothing { is_again: false } => Ok(None),
        }
    }

    async fn ask_by(&self, way: Way, node: Node, wanted: &Wanted) -> Result<Said, Failure> {
        let place = self.upstream(node).place().await?;
        // In its own memory, once it has its turn: who waits shall take little.
        Box::pin(self.ask_in_turn(place, way, node, wanted)).await
    }

    async fn ask_in_turn(
        &self,
        place: Place,
        way: Way,
        node: Node,
        wanted: &Wanted,
    ) -> Result<Said, Failure> {
        let upstream = self.upstream(node);
        let _lent = self.crowd.connection(wanted.of_many, upstream.timeout()).await?;
        self.counters.asked(node.tier, node.target);
        let started = Instant::now();
        let reply = upstream.get(place, wanted.path.clone(), way, &self.budget).await;
        self.counters.latency(node.tier).record(started.elapsed());
        let (body, used) = match reply? {
            Reply::Nothing { is_again } => return Ok(Said::Nothing { is_again }),
            Reply::Found(body, used) => (body, used),
        };
        let (content, name) = (wanted.content, wanted.name().cloned());
        // Nobody knows how large it becomes.
        let length = if gzip::is_compressed(&body.bytes) { usize::MAX } else { body.bytes.len() };
        let most = upstream.max_body();
        let read = move || {
            let body = gzip::decompress(body, most)?;
            Share::read(node, content, name.as_deref(), body)
        };
        let share = aside(length, read).await?;
        let is_empty =
            if content == Content::Series { share.object.is_empty() } else { share.names.is_empty() };
        let is_again = used.is_again;
        // Behind an answer that may be to something else, so may the next one be.
        if !(is_empty && is_again) {
            used.keep();
        }
        Ok(if is_empty { Said::Nothing { is_again } } else { Said::Share(share) })
    }

    /// Whether a target flaps and there is a choice: then all other tiers are asked before it.
    pub fn is_asked_last(&self, node: Node) -> bool {
        self.tiers.len() > 1 && self.upstream(node).state() == State::Flapping
    }

    /// Asks the owner of a host, tier by tier, those that flap last: the first answer, or none when every tier honestly
    /// has nothing.
    pub async fn ask_owner(
        &self,
        host: &[u8],
        wanted: &Wanted,
        shunned: Option<&Shunned>,
    ) -> Result<Option<Share>, Vec<Failed>> {
        let mut failed = Vec::new();
        let mut owners: Vec<_> = (0..self.tiers.len()).map(|tier| self.owner(tier, host)).collect();
        owners.sort_by_cached_key(|owner| self.is_asked_last(*owner));
        for node in owners {
            let result = match shunned.and_then(|shunned| shunned.get(node)) {
                Some(failure) => Err(failure),
                None => self.ask(node, wanted).await,
            };
            match result {
                Ok(None) => {}
                Ok(found) => return Ok(found),
                Err(failure) => {
                    if let Some(shunned) = shunned.filter(|_| failure.is_of_target()) {
                        shunned.add(node, failure.clone());
                    }
                    let is_last = !failure.asks_next_tier();
                    failed.push((node, failure));
                    if is_last {
                        break;
                    }
                }
            }
        }
        if failed.is_empty() { Ok(None) } else { Err(failed) }
    }
}

/// Goes through so many bytes of answers, on another thread if that would hold up all other clients.
pub async fn aside<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    if bytes <= LARGE {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // Nobody cancels it, so it can only have panicked.
        Err(error) => resume_unwind(error.into_panic()),
    }
}

/// What came of asking.
enum Said {
    Share(Share),
    /// That there is nothing, and whether another answer had come by that connection.
    Nothing {
        is_again: bool,
    },
}

impl Shunned {
    fn get(&self, node: Node) -> Option<Failure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&node).cloned()
    }

    fn add(&self, node: Node, failure: Failure) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(node, failure);
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn large_answers_are_looked_through_on_another_thread() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let thread_for = |bytes| runtime.block_on(aside(bytes, || thread::current().id()));
        assert_eq!(thread_for(LARGE), thread::current().id());
        assert_ne!(thread_for(LARGE + 1), thread::current().id());
    }
}
