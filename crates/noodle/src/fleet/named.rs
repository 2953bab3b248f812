//! Hosts that targets named for a pattern, to be asked for by their names.

use std::collections::{BTreeMap, HashMap};

use coco_core::tier::TierId;

use super::owner::Piece;
use super::{Failed, Fleet, Node};
use crate::ask::text::Text;
use crate::ask::{Names, Reply};
use crate::budget::Reservation;

/// What is noted of a host that a target named, beside its name.
const EACH_NAMED: usize = 128;

/// Hosts that targets named, each with who did.
pub(super) struct Named {
    pub(super) hosts: BTreeMap<Vec<u8>, Vec<Node>>,
    /// What they take.
    pub(super) lent: Vec<Reservation>,
}

impl Named {
    /// Bytes of as much work as it is to take the hosts out.
    pub(super) fn work(pieces: &[Piece]) -> usize {
        let named = pieces.iter().map(|piece| match &piece.found.reply {
            Reply::Names(names) => names.names.len(),
            Reply::Text(_) | Reply::Series(_) => 0,
        });
        named.sum::<usize>() * EACH_NAMED
    }

    /// The hosts in pieces that are names, each with who said it, but for those whose owner has said all of them, and those
    /// that are not wanted of a tier; and for whom there is no memory.
    pub(super) fn take(
        named: Vec<Piece>,
        said: &[Piece],
        fleet: &Fleet,
        is_wanted: impl Fn(TierId, &[u8]) -> bool,
    ) -> (Self, Vec<Failed>) {
        let (mut taken, mut failed) = (Self { hosts: BTreeMap::new(), lent: Vec::new() }, Vec::new());
        for piece in named {
            let node = piece.node();
            let Reply::Names(Names { names, reservation, .. }) = piece.found.reply else { continue };
            taken.lent.push(reservation);
            match fleet.budget.reserve(names.len() * EACH_NAMED) {
                Ok(reservation) => taken.lent.push(reservation),
                Err(exhausted) => {
                    failed.push((node, exhausted.into()));
                    continue;
                }
            }
            for host in names {
                taken.hosts.entry(host).or_default().push(node);
            }
        }
        let mut answers: HashMap<Node, Vec<&Text>> = HashMap::new();
        for piece in said.iter().filter(|piece| piece.node().tier == TierId::FIRST) {
            if let Reply::Text(answer) = &piece.found.reply {
                answers.entry(piece.node()).or_default().push(answer);
            }
        }
        let is_said = |host: &[u8]| {
            let name = String::from_utf8_lossy(host);
            let owners = if answers.is_empty() { Vec::new() } else { fleet.owners(TierId::FIRST, host) };
            let mut of_owners = owners.iter().filter_map(|owner| answers.get(owner)).flatten();
            of_owners.any(|answer| answer.object.member(&name).is_some())
        };
        taken.hosts.retain(|host, nodes| {
            // As many tiers as there are, mostly one.
            let mut known: Option<(TierId, bool)> = None;
            nodes.retain(|node| {
                let (_, is_wanted) = known
                    .filter(|(tier, _)| *tier == node.tier)
                    .unwrap_or_else(|| (node.tier, is_wanted(node.tier, host)));
                known = Some((node.tier, is_wanted));
                is_wanted
            });
            !nodes.is_empty() && !is_said(host)
        });
        (taken, failed)
    }
}
