//! Which metrics there are: hosts, and the files of each.
//!
//! A language of queries (Graphite's, say) finds the metrics that it wants by their names, and then asks for their
//! [rows](super::rows):
//!
//! ```text
//! let hosts = fleet.hosts(now, Addressees::All).await;             // all hosts of all targets, sorted
//! let files = fleet.files(&hosts.items[..], now, Addressees::All).await;  // of each host, plugin and instance
//! ```
//!
//! A target that is an rrdcached remembers both for `fetch.tree_age`; one that is a Visage is asked each time. Whoever
//! failed is named beside what the others have, so that an answer can say that it is partial.

use std::collections::BTreeSet;
use std::sync::Arc;

use coco_core::tier::TierId;

use super::gather::{AT_ONCE, Gathered, all};
use super::{Failed, Fleet};
pub use crate::ask::File;
use crate::ask::{Addressees, Content, Hosts, Question, Reply};
use crate::budget::Reservation;
use crate::failure::Failure;

/// The name of a host, as collectd has it: bytes, mostly UTF-8.
pub type Host = Arc<[u8]>;

/// What targets have together, and which of them failed.
#[derive(Debug)]
pub struct Listing<T> {
    /// Sorted.
    pub items: Vec<T>,
    /// The tiers that have told any of it.
    pub tiers: BTreeSet<TierId>,
    /// Whose share nobody has told.
    pub failed: Vec<Failed>,
    /// What the items take; none is given back before this is dropped.
    pub reservations: Vec<Reservation>,
}

// Not derived: items need no default.
impl<T> Default for Listing<T> {
    fn default() -> Self {
        Self { items: Vec::new(), tiers: BTreeSet::new(), failed: Vec::new(), reservations: Vec::new() }
    }
}

impl Fleet {
    /// All hosts of all targets that are asked.
    pub async fn hosts(self: &Arc<Self>, now: i64, to: Addressees) -> Listing<Host> {
        let hosts = Hosts::Matching { shown: Arc::from(*b""), patterns: Arc::from([]) };
        let question = Question { to, ..Question::for_names(Content::Hosts, hosts, now) };
        let gathered = Gathered::ask(self, std::iter::empty(), vec![question]).await;
        let mut listing = Listing::default();
        for piece in &gathered.pieces {
            listing.tiers.insert(piece.node().tier);
            let names = piece.found.reply.names().into_iter();
            listing.items.extend(names.filter(|host| gathered.wants(self, piece, host)).map(Host::from));
        }
        listing.items.sort_unstable();
        listing.items.dedup();
        listing.failed = gathered.failed;
        listing
            .reservations
            .extend(gathered.pieces.into_iter().filter_map(|piece| reservation(piece.found.reply)));
        listing
    }

    /// The files of each of these hosts, in their order; none of a host whose targets failed.
    pub async fn files(
        self: &Arc<Self>,
        hosts: &[Host],
        now: i64,
        to: Addressees,
    ) -> Listing<(Host, Vec<File>)> {
        let asked = hosts.iter().map(|host| {
            let (fleet, host) = (Arc::clone(self), Arc::clone(host));
            async move {
                let hosts = Hosts::Named(Arc::clone(&host));
                let question = Question { to, ..Question::for_names(Content::Metrics, hosts, now) };
                let found = fleet.ask_owner(&host, &question, &[], None).await;
                (host, found)
            }
        });
        let mut listing = Listing::default();
        for (host, found) in all(asked.collect::<Vec<_>>(), AT_ONCE).await {
            match found {
                Ok(None) => listing.items.push((host, Vec::new())),
                Ok(Some(found)) => {
                    listing.tiers.extend(found.nodes.iter().map(|node| node.tier));
                    // Each name is copied, and parted.
                    let mut held = self.budget.nothing();
                    if held.grow(found.reply.copies()).is_err() {
                        listing.items.push((host, Vec::new()));
                        listing.failed.push((found.nodes[0], Failure::Memory));
                        continue;
                    }
                    listing.reservations.push(held);
                    let mut files: Vec<_> =
                        found.reply.names().iter().filter_map(|name| file(name)).collect();
                    files.sort_unstable();
                    files.dedup();
                    listing.items.push((host, files));
                    listing.reservations.extend(reservation(found.reply));
                }
                Err(failed) => {
                    listing.items.push((host, Vec::new()));
                    listing.failed.extend(failed);
                }
            }
        }
        listing
    }
}

fn reservation(reply: Reply) -> Option<Reservation> {
    match reply {
        Reply::Text(share) => Some(share.body.reservation),
        Reply::Names(names) => Some(names.reservation),
        Reply::Series(_) => None,
    }
}

/// `PLUGIN/INSTANCE`
fn file(name: &[u8]) -> Option<File> {
    let slash = name.iter().position(|byte| *byte == b'/')?;
    Some(File { plugin: name[..slash].into(), instance: name[slash + 1..].into() })
}
