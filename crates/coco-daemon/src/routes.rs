//! The routes that all daemons have: `/healthz`, `/lookup`, `/debug/vars`, `/metrics` and `/config`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use coco_core::config::Program;
use coco_core::tier::Tiers;
use hyper::StatusCode;
use serde_json::{Map, Value};

use crate::counters::Snapshot;
use crate::http::{Answer, Refusals, Rendered, Request, Response, Route, Router, Shared, body};
use crate::logging;
use crate::lookup::Lookup;
use crate::reload::Reloads;
use crate::vars;

/// What the routes of all daemons look at, each its own.
pub trait Daemon: Send + Sync + 'static {
    /// Which one it is.
    const PROGRAM: Program;

    /// Its version.
    const VERSION: &'static str;

    /// What all of them have.
    fn common(&self) -> &Common;

    /// Who owns whom, as of now.
    fn tiers(&self) -> Arc<Tiers>;

    /// Adds what it counts itself.
    fn add_to(&self, snapshot: &mut Snapshot);

    /// Why no more should be asked of it, in a word or two; none while all is well.
    fn trouble(&self) -> Option<&'static str>;

    /// What it tells of its health beside that.
    fn facts(&self) -> Map<String, Value> {
        Map::new()
    }
}

/// What all daemons have for their routes.
pub struct Common {
    /// Who asked whom.
    pub lookup: Lookup,
    /// Who was told to come again.
    pub refusals: Arc<Refusals>,
    /// How often the configuration was read again.
    pub reloads: Arc<Reloads>,
    /// Set when the process is about to end: each answer is the last of its connection then.
    pub leaving: Arc<AtomicBool>,
    vars: Shared,
    metrics: Shared,
}

impl Common {
    /// Nothing asked yet.
    pub fn new(reloads: Arc<Reloads>, leaving: Arc<AtomicBool>) -> Self {
        Self {
            lookup: Lookup::new(),
            refusals: Arc::default(),
            reloads,
            leaving,
            vars: Shared::new(),
            metrics: Shared::new(),
        }
    }

    /// Whether the process is about to end.
    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }
}

/// A table with the routes of all daemons.
pub fn router<D: Daemon>(daemon: Arc<D>) -> Router<D> {
    let (leaving, refusals) = (Arc::clone(&daemon.common().leaving), Arc::clone(&daemon.common().refusals));
    let program = match D::PROGRAM {
        Program::Coco => "coco",
        Program::Noodle => "noodle",
    };
    Router::new(program, D::VERSION, daemon)
        .routes([
            Route::new("/lookup", "/lookup?name=HOST: the target of each tier that owns a host.", lookup),
            Route::new("/debug/vars", "Counters and gauges as JSON, for collectd's curl_json.", debug_vars),
            Route::new("/metrics", "Counters and gauges for Prometheus.", metrics),
            Route::new("/config", "The configuration in force, defaults included.", config),
        ])
        .health("200 while all is well, 503 otherwise.", healthz)
        .leaving(leaving)
        .count_refusals(refusals)
}

#[expect(clippy::needless_pass_by_value, reason = "a handler")]
fn lookup<D: Daemon>(daemon: &Arc<D>, request: Request) -> Answer {
    daemon.common().lookup.answer(&daemon.tiers(), &request).into()
}

fn debug_vars<D: Daemon>(daemon: &Arc<D>, _: Request) -> Answer {
    viewed(daemon, |common| &common.vars, |daemon| vars::debug_vars(&snapshot(daemon)))
}

fn metrics<D: Daemon>(daemon: &Arc<D>, _: Request) -> Answer {
    viewed(daemon, |common| &common.metrics, |daemon| vars::metrics(&snapshot(daemon)))
}

fn config<D: Daemon>(daemon: &Arc<D>, _: Request) -> Answer {
    daemon.common().reloads.answer_config().into()
}

fn healthz<D: Daemon>(daemon: &D) -> Response {
    let trouble = daemon.trouble();
    let status = if trouble.is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let fingerprint = daemon.tiers().fingerprint().to_string();
    let mut health = Map::new();
    health.insert("status".to_owned(), trouble.unwrap_or("ok").into());
    health.insert("fingerprint".to_owned(), fingerprint.into());
    health.extend(daemon.facts());
    body::json_with_status(status, &health)
}

/// One rendering of a view for all who wait for it.
fn viewed<D: Daemon>(daemon: &Arc<D>, view: fn(&Common) -> &Shared, render: fn(&D) -> Rendered) -> Answer {
    let daemon = Arc::clone(daemon);
    Answer::later(async move {
        let rendered = Arc::clone(&daemon);
        view(daemon.common()).answer(move || render(&rendered)).await
    })
}

fn snapshot<D: Daemon>(daemon: &D) -> Snapshot {
    let mut snapshot = Snapshot::new();
    daemon.add_to(&mut snapshot);
    let common = daemon.common();
    common.lookup.add_to(&mut snapshot, &daemon.tiers());
    common.reloads.add_to(&mut snapshot);
    logging::add_to(&mut snapshot, D::PROGRAM);
    common.refusals.add_to(&mut snapshot, D::PROGRAM);
    snapshot
}

#[cfg(test)]
mod tests {
    use coco_core::config::CocoConfig;
    use http_body_util::BodyExt;

    use serde_json::json;

    use super::*;

    struct Sick(Common, Arc<Tiers>);

    impl Daemon for Sick {
        const PROGRAM: Program = Program::Coco;
        const VERSION: &'static str = "1.2.3";

        fn common(&self) -> &Common {
            &self.0
        }

        fn tiers(&self) -> Arc<Tiers> {
            Arc::clone(&self.1)
        }

        fn add_to(&self, _: &mut Snapshot) {}

        fn trouble(&self) -> Option<&'static str> {
            self.0.is_leaving().then_some("draining")
        }

        fn facts(&self) -> Map<String, Value> {
            Map::from_iter([("last_datagram_age".to_owned(), 7.into())])
        }
    }

    #[test]
    fn whoever_balances_load_sees_trouble_by_the_status() {
        let text = "[tiers.short]\ntargets = [\"10.1.1.1:25826\"]\n[listen]\nbind = \"127.0.0.1:25826\"\n";
        let config = CocoConfig::parse(text).unwrap();
        let leaving = Arc::<AtomicBool>::default();
        let common = Common::new(Arc::new(Reloads::new(&config)), Arc::clone(&leaving));
        let daemon = Sick(common, Arc::new(config.tiers.clone()));
        let ask = || {
            let (head, body) = healthz(&daemon).into_parts();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let body = runtime.block_on(body.collect()).unwrap().to_bytes();
            (head.status.as_u16(), String::from_utf8(body.to_vec()).unwrap())
        };
        let expected = |status: &str| {
            let fingerprint = config.tiers.fingerprint().to_string();
            let body = json!({ "status": status, "fingerprint": fingerprint, "last_datagram_age": 7 });
            format!("{body}\n")
        };
        assert_eq!(ask(), (200, expected("ok")));
        leaving.store(true, Ordering::Relaxed);
        assert_eq!(ask(), (503, expected("draining")));
    }
}
