//! Asking for one host, one target after the other.
//!
//! A target that has rows in which unknowns can be told is asked for them, and where some are missing, so is the next
//! such target: [`join`](super::join). Of others the first answer counts, whole, and it is not joined with anything: it
//! may have old values where nothing is known.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use coco_core::config::Join;

use super::join::Joining;
use super::{Failed, Fleet, Node};
use crate::ask::{Question, Reply};
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
        let mut failed = Vec::new();
        let mut joining: Option<Joining> = None;
        for node in self.order(host, others) {
            if joining.is_some() && !self.upstream(node).has_rows() {
                continue;
            }
            let result = match (shunned.and_then(|shunned| shunned.get(node)), &joining) {
                (Some(failure), _) => Err(failure),
                (None, None) => self.ask(node, question).await,
                (None, Some(joining)) => {
                    let known = Some(Arc::new(joining.known(question.window, self.policy)));
                    self.ask(node, &Question { known, ..question.clone() }).await
                }
            };
            match result {
                Ok(None) => {}
                Ok(Some(Reply::Series(rows))) => {
                    let priority = self.priority(host, node);
                    self.counters.rows(node.tier, rows.rows());
                    let joined = match joining.take() {
                        Some(joining) => {
                            let joined = joining.join(node, priority, rows, question.window, &self.budget);
                            joined.inspect(|joined| self.counters.joined(node.tier, joined.filled()))
                        }
                        None => Ok(Joining::new(node, priority, rows)),
                    };
                    match joined {
                        Ok(joined) => joining = Some(joined),
                        Err(exhausted) => return Err(vec![(node, exhausted.into())]),
                    }
                    let is_last = match self.policy.join {
                        Join::Never => true,
                        Join::Always => false,
                        Join::Gaps => joining
                            .as_ref()
                            .is_some_and(|joining| joining.has_no_gap(question.window, self.policy)),
                    };
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
            Some(joining) => {
                let is_missing = !joining.has_no_gap(question.window, self.policy);
                let (nodes, rows) = joining.finish(question);
                // Who failed is of interest only where something is missing.
                let failed = if is_missing { failed } else { Vec::new() };
                Ok(Some(Found { nodes, reply: Reply::Series(rows), failed }))
            }
            None if failed.is_empty() => Ok(None),
            None => Err(failed),
        }
    }
}
