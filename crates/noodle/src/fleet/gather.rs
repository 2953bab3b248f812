//! Asking many targets for one answer.
//!
//! A host has owners in each tier, and is asked for there, one after the other. What a pattern stands for only the targets
//! know, so each of the first tier is asked. Where one fails, its *share*, the hosts that it owns, is looked for in the
//! next tier, again with every target; what these have of other shares is left out, since it was answered. Where one
//! flaps, the next tier is asked for its share first, and it itself only for what is still missing then.

use std::panic::resume_unwind;
use std::sync::Arc;

use coco_core::tier::TierId;
use tokio::task::JoinSet;

use super::named::Named;
use super::owner::{Found, Piece, Shunned};
use super::{Failed, Fleet, Node};
use crate::aside::aside;
use crate::ask::{Content, Hosts, Metric, Question, Reply};
use crate::budget::crowd::WAITING;
use crate::failure::Failure;

/// Requests under way at a time for one list of hosts: enough to keep all targets busy, few enough to leave turns to
/// other clients.
pub(super) const AT_ONCE: usize = 32;

/// What is noted of a host by name, and why nobody has it.
const EACH_NAME: usize = 512;

/// What is noted of each target of each tier.
const EACH_TARGET: usize = 256;

/// What came of asking many.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Answers with something in them.
    pub pieces: Vec<Piece>,
    /// The targets whose share came from no tier.
    pub failed: Vec<Failed>,
    /// Whether anyone answered, be it that there is nothing.
    pub is_answered: bool,
    /// For each tier that was asked for patterns, and each of its targets, whether its share was still wanted behind
    /// it.
    wanted: Vec<Vec<bool>>,
}

impl Gathered {
    /// Whether what a piece says of a host belongs into the answer.
    pub fn wants(&self, fleet: &Fleet, piece: &Piece, host: &[u8]) -> bool {
        if let Some(name) = &piece.name {
            return **name == *host || String::from_utf8_lossy(name).as_bytes() == host;
        }
        self.is_wanted(fleet, piece.node().tier, host)
    }

    /// Whether a host was still wanted when this tier was asked for patterns.
    fn is_wanted(&self, fleet: &Fleet, tier: TierId, host: &[u8]) -> bool {
        let mut earlier = fleet.tiers.numbered().zip(&self.wanted).take(tier.number());
        earlier.all(|((tier, _), wanted)| {
            fleet.owners(tier, host).iter().all(|owner| wanted[owner.target.number()])
        })
    }

    /// Bytes that it takes to ask for so many, beside what is asked for and what comes of it.
    pub fn bytes(fleet: &Fleet, names: usize, patterns: usize) -> usize {
        let widest = fleet.tiers.iter().map(|tier| tier.targets().len()).max().unwrap_or(0);
        let targets = if patterns == 0 { 0 } else { widest };
        (names.min(AT_ONCE) + targets) * WAITING
            + names * EACH_NAME
            + targets * fleet.tiers.len() * EACH_TARGET
    }

    /// Asks for all of these at the same time.
    pub async fn ask(
        fleet: &Arc<Fleet>,
        names: impl Iterator<Item = Question>,
        patterns: Vec<Question>,
    ) -> Self {
        let (names, patterns) = tokio::join!(Self::names(fleet, names), Self::patterns(fleet, patterns));
        Self {
            pieces: names.pieces.into_iter().chain(patterns.pieces).collect(),
            failed: names.failed.into_iter().chain(patterns.failed).collect(),
            is_answered: names.is_answered || patterns.is_answered,
            wanted: patterns.wanted,
        }
    }

    /// Asks for each of these hosts at its owner.
    async fn names(fleet: &Arc<Fleet>, names: impl Iterator<Item = Question>) -> Self {
        let names = names.map(|question| (question, Vec::new()));
        Self::hosts(fleet, names, Arc::default()).await
    }

    /// Asks for each of these hosts at its owner, and at who else has something of it.
    async fn hosts(
        fleet: &Arc<Fleet>,
        hosts: impl Iterator<Item = (Question, Vec<Node>)>,
        shunned: Arc<Shunned>,
    ) -> Self {
        let mut gathered = Self::default();
        let asked = hosts.filter_map(|(question, others)| {
            let Hosts::Named(name) = &question.hosts else { return None };
            let (name, fleet, shunned) = (Arc::clone(name), Arc::clone(fleet), Arc::clone(&shunned));
            Some(async move { (fleet.ask_owner(&name, &question, &others, Some(&shunned)).await, name) })
        });
        for (result, name) in all(asked, AT_ONCE).await {
            match result {
                Ok(found) => {
                    gathered.is_answered = true;
                    let Some(mut found) = found else { continue };
                    gathered.failed.append(&mut found.failed);
                    gathered.pieces.push(Piece { found, name: Some(name) });
                }
                Err(failed) => gathered.failed.extend(failed),
            }
        }
        gathered
    }

    /// Asks every target for all of these, which name no owner. Where series are wanted, a target that has rows says which
    /// hosts it has, and these are asked for by name: what it lacks another one may have.
    async fn patterns(fleet: &Arc<Fleet>, patterns: Vec<Question>) -> Self {
        let Some(first) = patterns.first().cloned() else { return Self::default() };
        let mut gathered = Self::of_all(fleet, patterns).await;
        if first.want != Content::Series || !fleet.has_rows() {
            return gathered;
        }
        let (work, of_whom) = (Named::work(&gathered.pieces), Arc::clone(fleet));
        let take = move || {
            let (named, said) = std::mem::take(&mut gathered.pieces)
                .into_iter()
                .partition(|piece| matches!(piece.found.reply, Reply::Names(_)));
            gathered.pieces = said;
            let is_wanted = |tier: TierId, host: &[u8]| gathered.is_wanted(&of_whom, tier, host);
            let (named, failed) = Named::take(named, &gathered.pieces, &of_whom, is_wanted);
            gathered.failed.extend(failed);
            (named, gathered)
        };
        let (Named { hosts, lent }, taken) = aside(work, take).await;
        gathered = taken;
        let shunned = Shunned::default();
        for (node, failure) in gathered.failed.iter().filter(|(_, failure)| failure.is_of_target()) {
            shunned.add(*node, failure.clone());
        }
        let questions = hosts
            .into_iter()
            .map(|(host, nodes)| (Question { hosts: Hosts::Named(host.into()), ..first.clone() }, nodes));
        let found = Self::hosts(fleet, questions, Arc::new(shunned)).await;
        drop(lent);
        gathered.pieces.extend(found.pieces);
        gathered.failed.extend(found.failed);
        gathered
    }

    async fn of_all(fleet: &Arc<Fleet>, patterns: Vec<Question>) -> Self {
        let mut gathered = Self::default();
        let patterns: Arc<[Question]> = patterns.into();
        let ask = async |nodes: &[Node]| {
            let ask = |&node| ask_all(Arc::clone(fleet), node, Arc::clone(&patterns));
            all(nodes.iter().map(ask).collect::<Vec<_>>(), usize::MAX).await
        };
        // Those whose share the next tier may have.
        let mut failed = Vec::new();
        let mut flapping = Vec::new();
        for (tier, _) in fleet.tiers.numbered() {
            let (last, nodes): (Vec<_>, Vec<_>) =
                fleet.nodes(tier).partition(|node| fleet.is_asked_last(*node));
            gathered.wanted.push(vec![true; last.len() + nodes.len()]);
            flapping.extend(last);
            let results = ask(&nodes).await;
            let has_something = results.iter().any(|(shares, _)| !shares.is_empty());
            for (node, result) in nodes.into_iter().zip(results) {
                let failure = gathered.take(node, result);
                // A tier that has nothing at all may be one that keeps less: the next is asked for everything.
                let is_complete = failure.is_none() && has_something;
                gathered.wanted[tier.number()][node.target.number()] &= !is_complete;
                failed.extend(failure.map(|failure| (node, failure)));
            }
            if gathered.is_complete(fleet) {
                return gathered;
            }
        }
        let results = ask(&flapping).await;
        for (node, result) in flapping.into_iter().zip(results) {
            let failure = gathered.take(node, result);
            gathered.wanted[node.tier.number()][node.target.number()] &= failure.is_some();
            failed.extend(failure.map(|failure| (node, failure)));
        }
        if !gathered.is_complete(fleet) {
            gathered.failed.extend(failed);
        }
        gathered
    }

    /// Takes what a target has for patterns. Returns why its share is to be looked for elsewhere, if it is.
    fn take(&mut self, node: Node, (replies, failure): (Vec<Reply>, Option<Failure>)) -> Option<Failure> {
        self.pieces.extend(replies.into_iter().map(|reply| {
            let found = Found { nodes: vec![node], reply, failed: Vec::new() };
            Piece { found, name: None }
        }));
        self.is_answered |= failure.is_none();
        if failure.as_ref().is_none_or(Failure::asks_next_tier) {
            return failure;
        }
        self.wanted[node.tier.number()][node.target.number()] = false;
        self.failed.extend(failure.map(|failure| (node, failure)));
        None
    }

    /// Whether every host of some tier was told of by one of its copies.
    fn is_complete(&self, fleet: &Fleet) -> bool {
        fleet
            .tiers
            .numbered()
            .zip(&self.wanted)
            .any(|((tier, _), wanted)| fleet.is_whole_without(tier, wanted))
    }
}

/// What a target has for any of these, and why it did not tell all.
async fn ask_all(fleet: Arc<Fleet>, node: Node, patterns: Arc<[Question]>) -> (Vec<Reply>, Option<Failure>) {
    let mut replies = Vec::new();
    let names_hosts = fleet.upstream(node).has_rows();
    for question in patterns.iter() {
        let reply = match question.want {
            Content::Series if names_hosts => {
                let hosts = Question { want: Content::Hosts, metric: Metric::Any, ..question.clone() };
                fleet.ask(node, &hosts).await
            }
            _ => fleet.ask(node, question).await,
        };
        match reply {
            Ok(reply) => replies.extend(reply),
            Err(failure) => return (replies, Some(failure)),
        }
    }
    (replies, None)
}

/// Runs these, so many at a time; the results stand in their order.
pub(super) async fn all<F>(futures: impl IntoIterator<Item = F>, at_once: usize) -> Vec<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let mut waiting = futures.into_iter().enumerate();
    let mut running = JoinSet::new();
    let mut results = Vec::new();
    loop {
        while running.len() < at_once
            && let Some((index, future)) = waiting.next()
        {
            running.spawn(async move { (index, future.await) });
        }
        match running.join_next().await {
            None => break,
            Some(Ok(result)) => results.push(result),
            // Nobody cancels these, so it can only have panicked.
            Some(Err(error)) => resume_unwind(error.into_panic()),
        }
    }
    results.sort_unstable_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn results_stand_in_order_and_few_run_at_a_time() {
        static RUNNING: AtomicUsize = AtomicUsize::new(0);
        let work = |index: usize| async move {
            assert!(RUNNING.fetch_add(1, Ordering::Relaxed) < 3);
            for _ in 0..(20 - index) {
                tokio::task::yield_now().await;
            }
            RUNNING.fetch_sub(1, Ordering::Relaxed);
            index
        };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let results = runtime.block_on(all((0..20).map(work), 3));
        assert_eq!(results, (0..20).collect::<Vec<_>>());
    }
}
