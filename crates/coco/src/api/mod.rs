//! The HTTP API: one file a route that is coco's own; the others are shared with Noodle.
//!
//! | path | file |
//! |---|---|
//! | `/tiers` | `tiers.rs` |
//! | `/blacklisted` | `blacklisted.rs` |
//! | `/healthz` | `healthz.rs` |
//! | how the first two are sent | `large.rs` |
//! | `/lookup`, `/debug/vars`, `/metrics`, `/config`, `/` | coco-daemon |

mod blacklisted;
mod healthz;
mod large;
mod tiers;

use crate::lane::Lane;
use crate::measure::Measure;
use crate::reading::Hosts;
use crate::receive_buffers::ReceiveBuffers;
use crate::routes::MetricView;
use crate::routing::Newest;
use crate::snapshot;
use coco_core::config::Program;
use coco_core::text::in_json;
use coco_daemon::counters::Snapshot;
use coco_daemon::http::{Refusals, Rendered, Router, Shared};
use coco_daemon::logging;
use coco_daemon::lookup::Lookup;
use coco_daemon::reload::Reloads;
use coco_daemon::vars;
pub use healthz::Health;
use large::LargeAnswers;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

/// How long a request for a large answer waits for its turn.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// What the routes look at.
pub struct Api {
    /// Who owns whom, and where it is sent.
    pub routing: Arc<Newest>,
    /// Who sends it.
    pub lanes: Arc<[Arc<Lane>]>,
    /// What was last measured.
    pub measure: Arc<Measure>,
    /// Where datagrams wait.
    pub buffers: Arc<ReceiveBuffers>,
    /// Whether all is well.
    pub health: Arc<Health>,
    /// Who asked whom.
    pub lookup: Lookup,
    /// Who was told to come again.
    pub refusals: Arc<Refusals>,
    /// How often the configuration was read again.
    pub reloads: Arc<Reloads>,
}

impl Api {
    /// The table of routes.
    pub fn router(self) -> Router {
        let api = Arc::new(self);
        let large = Arc::new(LargeAnswers::new(LONGEST_WAIT));
        let streamed = |write: WriteAnswer| {
            let (api, large) = (Arc::clone(&api), Arc::clone(&large));
            move |_| {
                let (api, large) = (Arc::clone(&api), Arc::clone(&large));
                async move { large.answer(move |out| write(&api, out)).await }
            }
        };
        let counted = |show: fn(&Snapshot) -> Rendered| {
            let (api, large) = (Arc::clone(&api), Arc::clone(&large));
            let view = Shared::new(move || {
                let mut snapshot = api.snapshot();
                large.add_to(&mut snapshot);
                show(&snapshot)
            });
            move |_| {
                let view = Arc::clone(&view);
                async move { view.answer().await }
            }
        };
        let (lookup, healthz, reloads) = (Arc::clone(&api), Arc::clone(&api), Arc::clone(&api.reloads));
        Router::new("coco", env!("CARGO_PKG_VERSION"))
            .route("/tiers", "Tiers, targets, and which metrics went where.", streamed(tiers::write))
            .route(
                "/lookup",
                "/lookup?name=HOST: the target of each tier that owns a host.",
                move |request| {
                    std::future::ready(lookup.lookup.answer(&lookup.routing.load().tiers, &request))
                },
            )
            .route("/blacklisted", "Metrics that the blacklist refuses.", streamed(blacklisted::write))
            .route(
                "/debug/vars",
                "Counters and gauges as JSON, for collectd's curl_json.",
                counted(vars::debug_vars),
            )
            .route("/metrics", "Counters and gauges for Prometheus.", counted(vars::metrics))
            .route("/config", "The configuration in force, defaults included.", move |_| {
                std::future::ready(reloads.answer_config())
            })
            .health("200 while all is well, 503 otherwise.", move || {
                let age = snapshot::age_of_last_datagram(&healthz.lanes);
                healthz.health.answer(&healthz.routing.load().tiers, age)
            })
            .leaving(Arc::clone(&api.health.draining))
            .count_refusals(Arc::clone(&api.refusals))
    }

    fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::new();
        let routing = self.routing.load_full();
        snapshot::add_to(&mut snapshot, &self.lanes, &routing, &self.measure.last());
        self.buffers.add_to(&mut snapshot);
        self.lookup.add_to(&mut snapshot, &routing.tiers);
        self.reloads.add_to(&mut snapshot);
        logging::add_to(&mut snapshot, Program::Coco);
        self.refusals.add_to(&mut snapshot, Program::Coco);
        snapshot
    }
}

type WriteAnswer = fn(&Api, &mut dyn Write) -> io::Result<()>;

/// Writes `{host: {metric: Unix seconds}}` of those metrics that `wanted` picks, of the hosts of a group. Hosts without
/// any are left out.
fn write_hosts(
    out: &mut dyn Write,
    hosts: &mut Hosts<'_>,
    group: u16,
    wanted: impl Fn(&MetricView<'_>) -> bool,
) -> io::Result<()> {
    let mut last: Option<Vec<u8>> = None;
    out.write_all(b"{")?;
    let mut write = |host: &[u8], metric: &[u8], seen| {
        if last.as_deref() == Some(host) {
            out.write_all(b",")?;
        } else {
            out.write_all(if last.is_some() { b"}," } else { b"" })?;
            serde_json::to_writer(&mut *out, &in_json(host))?;
            out.write_all(b":{")?;
            last = Some(host.to_vec());
        }
        serde_json::to_writer(&mut *out, &in_json(metric))?;
        write!(out, ":{seen}")
    };
    while hosts.read(group, &wanted, &mut write)?.is_some() {}
    out.write_all(if last.is_some() { b"}}" } else { b"}" })
}

/// Writes an object of JSON member by member.
struct ObjectWriter<'a> {
    out: &'a mut dyn Write,
    empty: bool,
}

impl<'a> ObjectWriter<'a> {
    fn new(out: &'a mut dyn Write) -> io::Result<Self> {
        out.write_all(b"{")?;
        Ok(Self { out, empty: true })
    }

    /// Starts a member; its value is to be written next.
    fn key(&mut self, key: &str) -> io::Result<&mut dyn Write> {
        if !self.empty {
            self.out.write_all(b",")?;
        }
        self.empty = false;
        serde_json::to_writer(&mut *self.out, key)?;
        self.out.write_all(b":")?;
        Ok(self.out)
    }

    fn end(self) -> io::Result<()> {
        self.out.write_all(b"}")
    }
}
