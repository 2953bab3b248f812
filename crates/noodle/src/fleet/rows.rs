//! Rows of many metrics over one window: the door for a language of queries.
//!
//! ```text
//! let wanted = vec![Wanted { host, plugin: b"cpu-0".into(), instances: vec![b"cpu-idle".into()] }, ...];
//! let gathered = fleet.rows(wanted, Window { start, finish, now }, Addressees::All).await;
//! for (host, nodes, rows) in gathered.hosts { ... }        // rows.metrics[..].sources[..].rows: series::Series
//! if !gathered.failed.is_empty() { ... }                   // some is missing: who failed, and why
//! ```
//!
//! Each host's rows come from the targets that have it, in [their order](super::order), many hosts at a time; where rows
//! of an rrdcached are unknown, the next one is asked, and both are joined (`fetch.join`, `fetch.settle`). Each series
//! stands on the grid of its own that its target chose for the window, [`Series::grid`](::series::series::Series::grid),
//! from the row in which the start lies to the one in which the finish lies, of which the last is mostly not complete yet;
//! data sources bear their names. Of a Visage the answer is read, which says neither of its steps nor of gaps:
//! the step is the one that the number of values fits, a gap has the value before it, and the last row is not there.
//!
//! Memory is lent of the budget before it is taken, and held by what is returned; each target has `fetch.proxy_timeout`
//! for its part.

use std::sync::Arc;

use super::gather::{AT_ONCE, all};
use super::tree::Host;
use super::{Failed, Fleet, Node};
use crate::ask::rows::HostRows;
use crate::ask::{Addressees, Content, Hosts, Metric, NamedMetrics, Question, Reply, Window};
use crate::upstream::visage::told;

/// Metrics of one plugin of one host.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Whose.
    pub host: Host,
    /// collectd's plugin and its instance.
    pub plugin: Vec<u8>,
    /// collectd's types and their instances.
    pub instances: Vec<Vec<u8>>,
}

/// What came of asking for many rows.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Of each of what was wanted that has rows, in that order: whose, from whom, and the rows.
    pub hosts: Vec<(Host, Vec<Node>, HostRows)>,
    /// Targets that failed, so that rows may be missing.
    pub failed: Vec<Failed>,
}

impl Fleet {
    /// The rows of all these, of those who are asked.
    pub async fn rows(self: &Arc<Self>, wanted: Vec<Wanted>, window: Window, to: Addressees) -> Gathered {
        let asked = wanted.into_iter().map(|Wanted { host, plugin, instances }| {
            let fleet = Arc::clone(self);
            let question = Question {
                want: Content::Series,
                hosts: Hosts::Named(Arc::clone(&host)),
                metric: Metric::Named(Arc::new(NamedMetrics { plugin, instances })),
                window,
                of_many: true,
                wording: None,
                known: None,
                to,
            };
            async move { (fleet.ask_owner(&host, &question, &[], None).await, host) }
        });
        let mut gathered = Gathered::default();
        for (result, host) in all(asked, AT_ONCE).await {
            match result {
                Ok(None) => {}
                Ok(Some(mut found)) => {
                    gathered.failed.append(&mut found.failed);
                    let rows = match found.reply {
                        Reply::Series(rows) => Ok(rows),
                        Reply::Text(share) => told::rows(&host, share, window),
                        Reply::Names(_) => continue,
                    };
                    match rows {
                        Ok(rows) => gathered.hosts.push((host, found.nodes, rows)),
                        Err(failure) => gathered.failed.push((found.nodes[0], failure)),
                    }
                }
                Err(failed) => gathered.failed.extend(failed),
            }
        }
        gathered
    }
}
