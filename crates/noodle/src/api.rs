//! The table of routes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use coco_core::config::Program;
use coco_core::tier::Tier;
use coco_daemon::counters::Snapshot;
use coco_daemon::http::{Refusals, Rendered, Request, Response, Router, Shared, body};
use coco_daemon::logging;
use coco_daemon::lookup::Lookup;
use coco_daemon::reload::Reloads;
use coco_daemon::vars;
use hyper::StatusCode;
use serde_json::{Map, Value, json};

use crate::ask::share::Node;
use crate::fleet::Fleet;
use crate::visage::proxy::Proxy;

/// What the routes look at.
#[derive(Debug)]
pub struct Api {
    /// Who asks whom; a reload puts another one in its place, and requests under way end with the one they began with.
    pub proxy: Arc<ArcSwap<Proxy>>,
    /// Who asked whom.
    pub lookup: Lookup,
    /// Who was told to come again.
    pub refusals: Arc<Refusals>,
    /// How often the configuration was read again.
    pub reloads: Arc<Reloads>,
    /// Set when the process is about to end.
    pub stopping: Arc<AtomicBool>,
}

impl Api {
    /// The table of routes.
    pub fn router(self) -> Router {
        let api = Arc::new(self);
        let data = || {
            let api = Arc::clone(&api);
            move |request: Request| {
                let api = Arc::clone(&api);
                async move { api.proxy.load_full().answer(&request).await }
            }
        };
        let preflight = || {
            let api = Arc::clone(&api);
            move |request: &Request| api.proxy.load().preflight(request)
        };
        let viewed = |show: fn(&Self) -> Rendered| {
            let api = Arc::clone(&api);
            let view = Shared::new(move || show(&api));
            move |_| {
                let view = Arc::clone(&view);
                async move { view.answer().await }
            }
        };
        let shown = |show: fn(&Self, &Request) -> Response| {
            let api = Arc::clone(&api);
            move |request| std::future::ready(show(&api, &request))
        };
        let health = {
            let api = Arc::clone(&api);
            move || api.health()
        };
        let leaving = Arc::clone(&api.stopping);
        Router::new("noodle", env!("CARGO_PKG_VERSION"))
            .route("/data", "All hosts, as Visage lists them.", data())
            .preflight("/data", preflight())
            .route("/data/", "/data/HOSTS: metrics; /data/HOSTS/PLUGIN/INSTANCES: series.", data())
            .preflight("/data/", preflight())
            .route("/tiers", "Tiers and targets.", viewed(Self::tiers))
            .route(
                "/lookup",
                "/lookup?name=HOST: the target of each tier that owns a host.",
                shown(|api, request| api.lookup.answer(&api.fleet().tiers, request)),
            )
            .route(
                "/debug/vars",
                "Counters and gauges as JSON, for collectd's curl_json.",
                viewed(|api| vars::debug_vars(&api.snapshot())),
            )
            .route(
                "/metrics",
                "Counters and gauges for Prometheus.",
                viewed(|api| vars::metrics(&api.snapshot())),
            )
            .route(
                "/config",
                "The configuration in force, defaults included.",
                shown(|api, _| api.reloads.answer_config()),
            )
            .health("200 while all is well, 503 otherwise.", health)
            .leaving(leaving)
            .count_refusals(Arc::clone(&api.refusals))
    }

    fn fleet(&self) -> Arc<Fleet> {
        Arc::clone(self.proxy.load().fleet())
    }

    fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::new();
        let fleet = self.fleet();
        fleet.add_to(&mut snapshot);
        self.lookup.add_to(&mut snapshot, &fleet.tiers);
        self.reloads.add_to(&mut snapshot);
        logging::add_to(&mut snapshot, Program::Noodle);
        self.refusals.add_to(&mut snapshot, Program::Noodle);
        snapshot
    }

    fn health(&self) -> Response {
        let (status, state) = if self.stopping.load(Ordering::Relaxed) {
            (StatusCode::SERVICE_UNAVAILABLE, "draining")
        } else {
            (StatusCode::OK, "ok")
        };
        let fingerprint = self.fleet().tiers.fingerprint().to_string();
        body::json_with_status(status, &json!({ "status": state, "fingerprint": fingerprint }))
    }

    fn tiers(&self) -> Rendered {
        let fleet = self.fleet();
        let tiers = fleet.tiers.iter().enumerate().map(|(index, one)| tier(&fleet, index, one));
        Rendered::new(body::JSON, format!("{}\n", Value::from(tiers.collect::<Vec<_>>())))
    }
}

/// As coco's, without the routes, which Noodle never sees.
fn tier(fleet: &Fleet, index: usize, tier: &Tier) -> Value {
    let names: Vec<_> = tier.targets().iter().map(|target| target.name.as_str()).collect();
    let shadows: Map<_, _> =
        tier.shadows().map(|(label, target)| (label.to_string(), Value::from(target))).collect();
    let connections = names.iter().enumerate().map(|(target, name)| {
        let upstream = fleet.upstream(Node { tier: index, target });
        ((*name).to_owned(), json!({ "state": upstream.state().as_str(), "url": upstream.root() }))
    });
    json!({
        "name": tier.name(),
        "targets": names,
        "shadows": shadows,
        "virtual_replicas": tier.virtual_replicas(),
        "hash": tier.hash(),
        "fingerprint": tier.fingerprint().to_string(),
        "connections": connections.collect::<Map<_, _>>(),
    })
}
