//! Asking for one host, one target after the other.
//!
//! A target that has rows in which unknowns can be told is asked for them, and where some are missing, so is the next
//! such target: [`join`](super::join). Of others the first answer counts, whole, and it is not joined with anything: it
//! may have old values where nothing is known.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use coco_core::config::Join;

use super::join::{Joining, Policy};
use super::{Failed, Fleet, Node};
use crate::aside::aside;
use crate::ask::rows::HostRows;
use crate::ask::{Question, Reply, Window};
use crate::budget::Exhausted;
use crate::failure::Failure;

/// What there is of a host.
#[derive(Debug)]
pub struct Found {
    /// Whose it is, in the order of the configuration; one where it was not joined.
    pub nodes: Vec<Node>,
    /// What they have.
    pub reply: Reply,
    /// Who might know rows that are missing, and failed.
    pub failed: Vec<Failed>,
}

/// A part of a joined answer.
#[derive(Debug)]
pub struct Piece {
    /// The answer, and whose it is.
    pub found: Found,
    /// The host that was asked for by name; none where it was a pattern, so that only some of it may be wanted.
    pub name: Option<Arc<[u8]>>,
}

impl Piece {
    /// Whose it is: of several, the first.
    pub fn node(&self) -> Node {
        self.found.nodes[0]
    }
}

/// Targets that failed in such a way that the requests that are still to come for one client go past them: a dead
/// target costs a list of hosts its timeout once.
#[derive(Debug, Default)]
pub struct Shunned(Mutex<HashMap<Node, Failure>>);

impl Shunned {
    fn get(&self, node: Node) -> Option<Failure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&node).cloned()
    }

    /// Has requests go past a target.
    pub fn add(&self, node: Node, failure: Failure) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(node, failure);
    }
}

impl Fleet {
    /// Asks for a host, tier by tier, those that flap last, and then `others`: what there is, or none when every one of
    /// them honestly has nothing.
    pub async fn ask_owner(
        &self,
        host: &[u8],
        question: &Question,
        others: &[Node],
        shunned: Option<&Shunned>,
    ) -> Result<Option<Found>, Vec<Failed>> {
        let policy = self.policy_for(host);
        let mut failed = Vec::new();
        let mut joining: Option<Joining> = None;
        let mut answered = Vec::new();
        for node in self.order(host, others) {
            if joining.is_some() && !self.upstream(node).has_rows() {
                continue;
            }
            let result = match shunned.and_then(|shunned| shunned.get(node)) {
                Some(failure) => Err(failure),
                None => self.ask_further(node, question, joining.as_ref(), policy).await,
            };
            if result.is_ok() {
                answered.push(node);
            }
            match result {
                Ok(None) => {}
                Ok(Some(Reply::Series(rows))) => {
                    let joined = self
                        .joined(joining.take(), host, node, rows, question.window)
                        .await
                        .map_err(|exhausted| vec![(node, exhausted.into())])?;
                    if self.is_left_behind(host, node, &answered) {
                        self.counters.left_behind(node.tier, joined.only_last());
                    }
                    let is_last = is_enough(&joined, question.window, policy);
                    joining = Some(joined);
                    if is_last {
                        break;
                    }
                }
                Ok(Some(reply)) => return Ok(Some(Found { nodes: vec![node], reply, failed: Vec::new() })),
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
        match joining {
            Some(joining) => Ok(Some(self.found(joining, question, failed, policy).await)),
            None if failed.is_empty() => Ok(None),
            None => Err(failed),
        }
    }

    /// Asks a target for what earlier ones have not.
    async fn ask_further(
        &self,
        node: Node,
        question: &Question,
        joining: Option<&Joining>,
        policy: Policy,
    ) -> Result<Option<Reply>, Failure> {
        let Some(joining) = joining else { return self.ask(node, question).await };
        let known = Some(Arc::new(joining.known(question.window, policy)));
        self.ask(node, &Question { known, ..question.clone() }).await
    }

    /// What earlier targets have together with the rows of this one.
    async fn joined(
        &self,
        earlier: Option<Joining>,
        host: &[u8],
        node: Node,
        rows: HostRows,
        window: Window,
    ) -> Result<Joining, Exhausted> {
        let priority = self.priority(host, node);
        self.counters.rows(node.tier, rows.rows());
        let Some(earlier) = earlier else { return Ok(Joining::new(node, priority, rows, window)) };
        let (work, budget) = (earlier.work(&rows), self.budget.clone());
        let joined = aside(work, move || earlier.join(node, priority, rows, window, &budget)).await?;
        self.counters.joined(node.tier, joined.filled());
        Ok(joined)
    }

    /// How rows of a host are joined. Of one on its way, a row that one side does not know yet may be with the other, and never
    /// come: where a move was given up, former owners lack what came meanwhile.
    fn policy_for(&self, host: &[u8]) -> Policy {
        let is_moving = self.tiers.numbered().any(|(tier, _)| self.stage(tier, host).is_some());
        if is_moving { Policy { settle: Duration::ZERO, ..self.policy } } else { self.policy }
    }

    /// What was found. Who failed is of interest only where something is missing.
    async fn found(
        &self,
        joining: Joining,
        question: &Question,
        failed: Vec<Failed>,
        policy: Policy,
    ) -> Found {
        let is_missing = !failed.is_empty() && !joining.has_no_gap(question.window, policy);
        let mut failed = if is_missing { failed } else { Vec::new() };
        failed.extend(joining.still_unread());
        let (work, metric) = (question.metric.work(joining.unordered()), question.metric.clone());
        let (nodes, rows) = aside(work, move || joining.finish(&metric)).await;
        Found { nodes, reply: Reply::Series(rows), failed }
    }
}

/// Whether no further target is asked.
fn is_enough(joining: &Joining, window: Window, policy: Policy) -> bool {
    match policy.join {
        Join::Never => true,
        Join::Always => false,
        Join::Gaps => joining.has_no_gap(window, policy),
    }
}
