//! What there is to move: nodes are asked for their hosts, since no Coco knows those that have been silent for long.

use std::collections::{BTreeMap, BTreeSet};

use coco_core::placement::migration::Stage;

use super::carry::{ask, unexpected};
use super::crew::Desk;
use super::way::{Node, Passage, Standing, Ways};
use crate::failure::Failure;
use crate::node::protocol::{Answer, Ask, Extent, Text};

/// Hosts that a node is asked about at a time.
const AT_A_TIME: usize = 500;

/// What all nodes have.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// The hosts of each node that has any of those that move, or may have.
    pub(super) hosts: BTreeMap<Node, BTreeSet<Vec<u8>>>,
    /// Where those stand that move.
    pub(super) standing: Standing,
    /// Directories on nodes that no tier gives them: another's, or the node's own.
    pub(super) strays: u64,
    /// Nodes that do not answer, whose hosts are not among these.
    pub(super) silent: Vec<Failure>,
}

impl Survey {
    /// Asks all nodes that hosts come from.
    pub(super) fn take(ways: &Ways<'_>, desk: &mut Desk<'_>) -> Result<Self, Failure> {
        let mut survey = Self::default();
        let mut all = BTreeSet::new();
        let [from, _] = ways.nodes();
        for node in from {
            let hosts = match ask(desk, &node, &Ask::Hosts, &[]) {
                Ok((Answer::Hosts { hosts }, _)) => hosts,
                Ok((other, _)) => return Err(unexpected(&node, other)),
                Err(reason) => {
                    survey.silent.push(reason);
                    continue;
                }
            };
            let count = hosts.len();
            let own: BTreeSet<_> =
                hosts.into_iter().map(|host| host.0).filter(|host| ways.belongs(host, &node)).collect();
            survey.strays += (count - own.len()) as u64;
            all.extend(own.iter().cloned());
            survey.hosts.insert(node, own);
        }
        all.iter().for_each(|host| ways.count(host, &mut survey.standing));
        Ok(survey)
    }

    /// Says which nodes do not answer; that is a failure where all are so.
    pub(super) fn told(&self) -> Result<Vec<String>, Failure> {
        let told: Vec<_> = self.silent.iter().map(left_out).collect();
        if self.hosts.is_empty() { Err(Failure::Refused(told.join("\n"))) } else { Ok(told) }
    }

    /// The passages of hosts that stand somewhere, each from those nodes that have the host at all.
    pub(super) fn passages(&self, ways: &Ways<'_>, stands: impl Fn(Stage) -> bool + Copy) -> Vec<Passage> {
        let hosts: BTreeSet<&Vec<u8>> = self.hosts.values().flatten().collect();
        let mut passages = Vec::new();
        for host in hosts {
            for mut passage in ways.passages(host, stands) {
                passage.from.retain(|node| self.hosts.get(node).is_some_and(|hosts| hosts.contains(host)));
                if !passage.from.is_empty() {
                    passages.push(passage);
                }
            }
        }
        passages
    }
}

/// What is said of a node that does not answer.
pub(super) fn left_out(reason: &Failure) -> String {
    format!("left out: {reason}")
}

/// How much a node has of each of these hosts.
pub(super) fn extents(desk: &mut Desk<'_>, node: &str, hosts: &[Vec<u8>]) -> Result<Vec<Extent>, Failure> {
    let mut extents = Vec::with_capacity(hosts.len());
    for hosts in hosts.chunks(AT_A_TIME) {
        let asked = hosts.iter().map(|host| Text(host.clone())).collect();
        match ask(desk, node, &Ask::Survey { hosts: asked }, &[])?.0 {
            Answer::Surveyed { hosts: found } if found.len() == hosts.len() => extents.extend(found),
            other => return Err(unexpected(node, other)),
        }
    }
    Ok(extents)
}

/// What passes between two nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    /// Hosts.
    pub(super) hosts: u64,
    /// Files of them.
    pub(super) files: u64,
    /// Bytes of them.
    pub(super) bytes: u64,
    /// Bytes that the new owner has not yet.
    pub(super) arriving: u64,
}

/// The loads of passages, by the first node that has the host and the one that is to have it; and what nodes say that do
/// not answer, of whose passages nothing is known.
pub(super) fn loads(
    desk: &mut Desk<'_>,
    passages: &[Passage],
) -> (BTreeMap<(Node, Node), Load>, BTreeMap<Node, Failure>) {
    let mut pairs: BTreeMap<(Node, Node), Vec<Vec<u8>>> = BTreeMap::new();
    for passage in passages {
        let pair = (passage.from[0].clone(), passage.to.clone());
        pairs.entry(pair).or_default().push(passage.host.clone());
    }
    let (mut loads, mut silent) = (BTreeMap::new(), BTreeMap::new());
    for ((from, to), hosts) in pairs {
        let mut extents_at = |node: &Node| {
            if silent.contains_key(node) {
                return None;
            }
            extents(desk, node, &hosts).map_err(|reason| silent.insert(node.clone(), reason)).ok()
        };
        let [Some(there), Some(here)] = [extents_at(&from), extents_at(&to)] else { continue };
        let mut load = Load { hosts: hosts.len() as u64, ..Load::default() };
        for (there, here) in there.iter().zip(here) {
            load.files += there.files;
            load.bytes += there.bytes;
            load.arriving += there.bytes.saturating_sub(here.bytes);
        }
        loads.insert((from, to), load);
    }
    (loads, silent)
}
