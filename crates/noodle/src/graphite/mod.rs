//! Graphite's read API: what Grafana and graphite-web ask, from the whole fleet.
//!
//! In the order in which a request meets the modules:
//!
//! - [`routes`] is the table of paths;
//! - [`render`] evaluates targets, [`find`] says which names there are;
//! - [`directory`] are all hosts by the [`names`] under which clients know them, [`metrics`] the metrics of each;
//! - [`storage`] asks the fleet for all of it;
//! - [`answer`] is what a client gets.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use coco_core::config::NoodleConfig;
use coco_core::tier::TierId;
use coco_daemon::http::Request;
use graphite::Limits;
use hyper::StatusCode;
use tokio::time::timeout;

use crate::budget::Reservation;
use crate::dialect::counts::GRAPHITE;
use crate::dialect::lasting::{Clock, Lasting};
use crate::dialect::pages::Pages;
use crate::dialect::refused::Refused;
use crate::fleet::sources::Sources;
use crate::fleet::{Failed, Fleet};
use directory::Directory;
use names::Naming;
use storage::Storage;

pub mod answer;
pub mod directory;
pub mod find;
pub mod metrics;
pub mod names;
pub mod render;
pub mod routes;
pub mod storage;

/// For so long the names of hosts are as they were, beside `fetch.tree_age`.
const DIRECTORY_AGE: Duration = Duration::from_secs(5);

/// The names of hosts as they were once.
#[derive(Debug)]
struct Kept {
    /// When they were asked for.
    since: Instant,
    /// When they were there.
    there: Instant,
    directory: Directory,
    /// Who did not tell its own.
    failed: Vec<Failed>,
    /// Indices of the tiers that told them.
    named_by: BTreeSet<TierId>,
    /// What they take.
    _held: Reservation,
}

impl Kept {
    /// Whether they are good enough for who asked then: what is not whole is so for those alone who waited for it, so that
    /// a silent node costs all of them its timeout together, and nobody later.
    fn is_for(&self, asked: Instant) -> bool {
        if self.failed.is_empty() { self.since.elapsed() < DIRECTORY_AGE } else { asked < self.there }
    }
}

/// Answers what Graphite's clients ask.
#[derive(Debug)]
pub struct Graphite {
    fleet: Arc<Fleet>,
    naming: Naming,
    limits: Limits,
    /// `graphite.max_points`, of which memory may allow less.
    max_points: usize,
    pages: Pages,
    require_all: bool,
    max_window: Duration,
    /// How long a request waits for memory, or for its turn.
    patience: Duration,
    directory: tokio::sync::Mutex<Option<Arc<Kept>>>,
    sources: Arc<Sources>,
    /// What stays over reloads.
    pub lasting: Lasting,
}

impl Graphite {
    /// Answers from `fleet`, by the clock of the system.
    pub fn new(fleet: Arc<Fleet>, config: &NoodleConfig) -> Self {
        let (graphite, fetch) = (&config.graphite, &config.fetch);
        // What one step of an evaluation holds is a quarter of the memory at most, its names an eighth.
        let memory = fetch.max_memory;
        let default = Limits::default();
        let limits = Limits {
            series: graphite.max_series,
            points: graphite.max_points.min(memory / 4 / size_of::<f64>()),
            text_bytes: default.text_bytes.min(memory / 8),
            ..default
        };
        Self {
            fleet,
            naming: Naming::new(graphite),
            limits,
            max_points: graphite.max_points,
            pages: Pages::new(fetch),
            require_all: graphite.require_all,
            max_window: fetch.max_window,
            patience: fetch.proxy_timeout,
            directory: tokio::sync::Mutex::default(),
            sources: Arc::default(),
            lasting: Lasting::new(&GRAPHITE),
        }
    }

    /// As configured anew, with the same turns and counts.
    #[must_use]
    pub fn renewed(&self, fleet: Arc<Fleet>, config: &NoodleConfig) -> Self {
        Self { lasting: self.lasting.clone(), ..Self::new(fleet, config) }
    }

    /// By another clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.lasting.clock = clock;
        self
    }

    fn storage(&self) -> Storage {
        Storage::new(&self.fleet, self.lasting.clock.seconds(), self.max_window, self.patience)
    }

    /// All hosts by their names. Those who ask at the same time ask once, and wait no longer than who asks may take.
    async fn directory(&self, storage: &mut Storage) -> Result<Arc<Kept>, Refused> {
        let asked = Instant::now();
        let patience = self.patience.saturating_mul(2);
        let mut kept = timeout(patience, self.directory.lock()).await.map_err(|_| Refused {
            status: StatusCode::SERVICE_UNAVAILABLE,
            message: "the names of hosts are still being asked for: try again later".to_owned(),
        })?;
        if let Some(kept) = &*kept
            && kept.is_for(asked)
        {
            storage.failed.extend_from_slice(&kept.failed);
            storage.named_by.extend(&kept.named_by);
            return Ok(Arc::clone(kept));
        }
        *kept = None;
        let since = Instant::now();
        let before = storage.failed.len();
        let others = std::mem::take(&mut storage.named_by);
        let (directory, held) = storage.hosts(&self.naming).await?;
        let (failed, named_by) = (storage.failed[before..].to_vec(), storage.named_by.clone());
        storage.named_by.extend(others);
        let new = Arc::new(Kept { since, there: Instant::now(), directory, failed, named_by, _held: held });
        *kept = Some(Arc::clone(&new));
        Ok(new)
    }

    /// Refuses an answer for which targets failed, where all are required or nothing came of the others.
    fn check(&self, failed: &[Failed], is_empty: bool) -> Result<(), Refused> {
        if failed.is_empty() {
            return Ok(());
        }
        if is_empty || self.require_all {
            let refused = Refused::failed(&self.fleet, failed);
            let status = if self.require_all { StatusCode::BAD_GATEWAY } else { refused.status };
            return Err(Refused { status, ..refused });
        }
        self.lasting.counts.partial();
        Ok(())
    }

    /// Whether this request may have its callback called.
    fn admit(&self, request: &Request) -> Result<(), Refused> {
        self.pages
            .admit(request.headers())
            .map_err(|foreign| Refused { status: StatusCode::FORBIDDEN, message: foreign.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graphite(lines: &str) -> Graphite {
        let text = format!("[tiers.a]\ntargets = [\"127.0.0.1:1\"]\n[fetch]\nbind = \":0\"\n{lines}\n");
        let config = NoodleConfig::parse(&text).unwrap();
        let fleet = Fleet::new(Arc::new(config.tiers.clone()), &config.fetch);
        Graphite::new(Arc::new(fleet), &config)
    }

    #[test]
    fn who_waits_for_another_to_ask_for_names_waits_no_longer_than_that_may_take() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let graphite = graphite("proxy_timeout = '20ms'");
            let _asks = graphite.directory.lock().await;
            let mut storage = graphite.storage();
            let refused = timeout(Duration::from_secs(60), graphite.directory(&mut storage))
                .await
                .unwrap()
                .unwrap_err();
            assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{refused:?}");
        });
    }

    /// However many patterns a request has, and though none of them means anything.
    #[test]
    fn no_more_names_are_held_against_patterns_than_a_request_may_have() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let graphite = graphite("");
            let hosts = (0..10).map(|number| format!("web{number}").into_bytes().into());
            let directory = Directory::new(&graphite.naming, hosts);
            let (now, held) = (Instant::now(), graphite.fleet.budget.nothing());
            let kept = Kept {
                since: now,
                there: now,
                directory,
                failed: Vec::new(),
                named_by: BTreeSet::new(),
                _held: held,
            };
            *graphite.directory.lock().await = Some(Arc::new(kept));
            let mut storage = graphite.storage();
            storage.compare(storage::MOST_COMPARED - 15).unwrap();
            let (leaves, _held) = graphite.leaves(&mut storage, "*nobody.load", 1).await.unwrap();
            assert!(leaves.is_empty());
            let (leaves, _held) = graphite.leaves(&mut storage, "nobody*.load", 1).await.unwrap();
            assert!(leaves.is_empty(), "what begins with letters is hardly held against any");
            let refused = graphite.leaves(&mut storage, "*nobody.load", 1).await.unwrap_err();
            assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{refused:?}");
            assert!(refused.message.contains("100000000 names"), "{refused:?}");
        });
    }

    #[test]
    fn what_bounds_the_values_is_named() {
        let message = |lines: &str| graphite(lines).too_many("points").message;
        assert_eq!(message("[graphite]\nmax_points = 1000"), "more than 1000 points (graphite.max_points)");
        assert_eq!(
            message("max_memory = '64MiB'\n[graphite]\nmax_points = 10000000"),
            "more than 2097152 points (a quarter of fetch.max_memory)"
        );
    }
}
