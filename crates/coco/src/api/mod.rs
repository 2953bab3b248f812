//! The HTTP API: one file a route that is coco's own; the others are shared with Noodle.
//!
//! | path | file |
//! |---|---|
//! | `/tiers` | `tiers.rs` |
//! | `/targets` | `targets.rs` |
//! | `/hosts` | `hosts.rs` |
//! | `/blacklisted` | `blacklisted.rs` |
//! | `/healthz` | `healthz.rs` |
//! | what browsers get at `/` | `overview.rs` |
//! | how the first four are sent | `large.rs` |
//! | `/lookup`, `/debug/vars`, `/metrics`, `/config`, `/` | coco-daemon |

mod blacklisted;
mod healthz;
mod hosts;
mod large;
mod overview;
mod targets;
mod tiers;

pub use healthz::Health;
pub use large::LargeAnswers;

use std::io::{self, Write};
use std::sync::Arc;

use coco_core::config::Program;
use coco_core::text::in_json;
use coco_core::tier::Tiers;
use coco_daemon::counters::Snapshot;
use coco_daemon::http::{Answer, Encoding, Request, Route, Router, body};
use coco_daemon::routes::{self, Common, Daemon};
use coco_daemon::status::{History, Numbers, Section};
use hyper::StatusCode;
use serde_json::{Map, Value};

use crate::lane::{Clock, Lane};
use crate::memory::MetricView;
use crate::plan::Newest;
use crate::watch::{Hosts, Measure, ReceiveBuffers, snapshot};

/// The state that all routes read.
pub struct Api {
    /// The state of the routes that all daemons have.
    pub common: Common,
    /// The newest routing.
    pub routing: Arc<Newest>,
    /// The lanes that decide and send by it.
    pub lanes: Arc<[Arc<Lane>]>,
    /// The last measurement.
    pub measure: Arc<Measure>,
    /// Where datagrams wait.
    pub buffers: Arc<ReceiveBuffers>,
    /// Whether all is well.
    pub health: Arc<Health>,
    /// Answers under way that may be as large as the memory of all lanes.
    pub large: LargeAnswers,
    /// Answers under way that have a bound of their own.
    pub bounded: LargeAnswers,
    /// The time of day, by which hosts are silent.
    pub clock: Clock,
}

impl Api {
    /// The table of routes.
    pub fn router(self) -> Router<Self> {
        routes::router(Arc::new(self)).routes([
            Route::new("/hosts", hosts::SUMMARY, hosts),
            Route::new(
                "/targets",
                "The targets of each tier: how they are, and what was sent to them.",
                targets,
            ),
            Route::new(
                "/tiers",
                "Tiers, targets, and which metrics went where; /tiers?routes=false: without the last.",
                tiers,
            ),
            Route::new("/blacklisted", "Metrics that the blacklist refuses.", blacklisted),
        ])
    }
}

impl Daemon for Api {
    const PROGRAM: Program = Program::Coco;
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    fn common(&self) -> &Common {
        &self.common
    }

    fn tiers(&self) -> Arc<Tiers> {
        Arc::clone(&self.routing.load().tiers)
    }

    fn add_to(&self, snapshot: &mut Snapshot) {
        let routing = self.routing.load_full();
        snapshot::add_to(snapshot, &self.lanes, &routing, &self.measure.last());
        self.buffers.add_to(snapshot);
        large::add_to(snapshot, [&self.large, &self.bounded]);
    }

    fn history(&self) -> &History {
        self.measure.history()
    }

    fn sections(&self, numbers: Numbers<'_>) -> Vec<Section> {
        overview::sections(self, numbers)
    }

    fn find(&self, name: &[u8]) -> Section {
        overview::find(self, name)
    }

    fn trouble(&self) -> Option<&'static str> {
        self.health.trouble()
    }

    /// The age of the last datagram in seconds. It is told, not judged: nobody knows how often agents send.
    fn facts(&self) -> Map<String, Value> {
        let age = snapshot::age_of_last_datagram(&self.lanes);
        Map::from_iter([("last_datagram_age".to_owned(), age.into())])
    }
}

#[expect(clippy::needless_pass_by_value, reason = "a handler")]
fn hosts(api: &Arc<Api>, request: Request) -> Answer {
    match hosts::Question::of(&request, &api.routing.load_full()) {
        Ok(question) => whole(api, &request, move |api, out| hosts::write(api, &question, out)),
        Err(wrong) => body::error(wrong.status(), wrong).into(),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "a handler")]
fn targets(api: &Arc<Api>, request: Request) -> Answer {
    whole(api, &request, targets::write)
}

#[expect(clippy::needless_pass_by_value, reason = "a handler")]
fn tiers(api: &Arc<Api>, request: Request) -> Answer {
    match request.parameter("routes").as_deref() {
        None | Some(b"" | b"true" | b"1") => streamed(api, &request, tiers::write),
        Some(b"false" | b"0") => whole(api, &request, tiers::write_without_routes),
        Some(_) => body::error(StatusCode::BAD_REQUEST, "routes is true or false").into(),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "a handler")]
fn blacklisted(api: &Arc<Api>, request: Request) -> Answer {
    streamed(api, &request, blacklisted::write)
}

type WriteAnswer = fn(&Api, &mut dyn Write) -> io::Result<()>;

fn streamed(api: &Arc<Api>, request: &Request, write: WriteAnswer) -> Answer {
    let (api, encoding) = (Arc::clone(api), Encoding::of(request));
    Answer::later(async move {
        let written = Arc::clone(&api);
        api.large.stream(encoding, move |out| write(&written, out)).await
    })
}

fn whole(
    api: &Arc<Api>,
    request: &Request,
    write: impl FnOnce(&Api, &mut dyn Write) -> io::Result<()> + Send + 'static,
) -> Answer {
    let (api, encoding) = (Arc::clone(api), Encoding::of(request));
    Answer::later(async move {
        let written = Arc::clone(&api);
        api.bounded.whole(encoding, move |out| write(&written, out)).await
    })
}

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
