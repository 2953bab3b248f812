//! The table of routes.

use std::sync::Arc;

use arc_swap::ArcSwap;
use coco_core::config::Program;
use coco_core::tier::{TargetId, Tier, TierId, Tiers};
use coco_daemon::counters::Snapshot;
use coco_daemon::health::Condition;
use coco_daemon::http::{Answer, Rendered, Request, Route, Router, Shared, body};
use coco_daemon::reload::Reloads;
use coco_daemon::routes::{self, Common, Daemon};
use coco_daemon::status::{History, Numbers, Section};
use coco_daemon::tiers::head_of_tier;
use hyper::header::HeaderMap;
use serde_json::{Map, Value, json};

use crate::dialect::refused::TIER;
use crate::fleet::{Fleet, Node};
use crate::graphite::Graphite;
use crate::graphite::routes::{AnswersGraphite, routes as graphite_routes};
use crate::overview;
use crate::prometheus::{self, AnswersPrometheus, Prometheus};
use crate::upstream::UNASKED;
use crate::visage::proxy::Proxy;

/// What the routes look at.
pub struct Api {
    /// What all daemons have.
    common: Common,
    /// Who asks whom; a reload puts another one in its place, and requests under way end with the one they began with.
    proxy: Arc<ArcSwap<Proxy>>,
    /// Who answers Graphite's clients; a reload puts another one in its place, too.
    graphite: Arc<ArcSwap<Graphite>>,
    /// Who answers a Prometheus, likewise.
    prometheus: Arc<ArcSwap<Prometheus>>,
    /// One rendering of the tiers for all who wait for it.
    tiers: Shared,
    /// The last minutes of a few counters.
    history: Arc<History>,
}

impl Api {
    /// Answers by these, or those that take their places.
    pub fn new(
        common: Common,
        proxy: Arc<ArcSwap<Proxy>>,
        graphite: Arc<ArcSwap<Graphite>>,
        prometheus: Arc<ArcSwap<Prometheus>>,
    ) -> Self {
        Self { common, proxy, graphite, prometheus, tiers: Shared::new(), history: Arc::default() }
    }

    /// The table of routes.
    pub fn router(self) -> Router<Self> {
        routes::router(Arc::new(self))
            .routes([
                Route::new("/data", "All hosts, as Visage lists them.", data).with_preflight(preflight),
                Route::new("/data/", "/data/HOSTS: metrics; /data/HOSTS/PLUGIN/INSTANCES: series.", data)
                    .with_preflight(preflight),
                Route::new("/tiers", "Tiers and targets.", tiers),
            ])
            .routes(graphite_routes())
            .routes([prometheus::route()])
            .tier_field(TIER)
            .forms(|api| api.proxy.load().fleet().forms.terms())
    }

    /// The last minutes of a few counters, for whoever takes [samples](overview::counters) of them.
    pub fn history_of(&self) -> Arc<History> {
        Arc::clone(&self.history)
    }

    fn fleet(&self) -> Arc<Fleet> {
        Arc::clone(self.proxy.load().fleet())
    }
}

impl Daemon for Api {
    const PROGRAM: Program = Program::Noodle;
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    fn common(&self) -> &Common {
        &self.common
    }

    fn tiers(&self) -> Arc<Tiers> {
        Arc::clone(&self.fleet().all)
    }

    fn add_to(&self, snapshot: &mut Snapshot) {
        self.fleet().add_to(snapshot);
        self.graphite.load().lasting.counts.add_to(snapshot);
        self.prometheus.load().lasting.counts.add_to(snapshot);
    }

    fn history(&self) -> &History {
        &self.history
    }

    fn sections(&self, numbers: Numbers<'_>) -> Vec<Section> {
        overview::sections(&self.fleet(), &self.history, numbers)
    }

    fn find(&self, name: &[u8]) -> Section {
        overview::find(&self.fleet(), name)
    }

    fn trouble(&self) -> Option<&'static str> {
        self.common.is_leaving().then_some("draining")
    }
}

impl AnswersPrometheus for Api {
    fn prometheus(&self) -> Arc<Prometheus> {
        self.prometheus.load_full()
    }
}

impl AnswersGraphite for Api {
    fn graphite(&self) -> Arc<Graphite> {
        self.graphite.load_full()
    }
}

fn data(api: &Arc<Api>, request: Request) -> Answer {
    let proxy = api.proxy.load_full();
    Answer::later(async move { proxy.answer(&request).await })
}

fn preflight(api: &Api, request: &Request) -> HeaderMap {
    api.proxy.load().preflight(request)
}

fn tiers(api: &Arc<Api>, _: Request) -> Answer {
    let api = Arc::clone(api);
    Answer::later(async move {
        let rendering = Arc::clone(&api);
        api.tiers.answer(move || rendered(&rendering.fleet(), &rendering.common.reloads)).await
    })
}

fn rendered(fleet: &Fleet, reloads: &Reloads) -> Rendered {
    let mut index = 0;
    let tiers = fleet.all.iter().map(|one| {
        if one.remote_write().is_some() {
            return unread_tier(reloads, one);
        }
        index += 1;
        tier(fleet, reloads, TierId::new(index - 1), one)
    });
    Rendered::new(body::JSON, format!("{}\n", Value::from(tiers.collect::<Vec<_>>())))
}

/// One whose targets take samples, and are asked by others than Noodle.
fn unread_tier(reloads: &Reloads, tier: &Tier) -> Value {
    let mut head = head_of_tier(tier, Some(reloads.placed_since(tier)));
    head.insert("connections".to_owned(), json!({}));
    head.into()
}

/// As coco's, without the routes, which Noodle never sees.
fn tier(fleet: &Fleet, reloads: &Reloads, id: TierId, tier: &Tier) -> Value {
    let connections = tier.targets().iter().enumerate().map(|(target, configured)| {
        let upstream = fleet.upstream(Node { tier: id, target: TargetId::new(target) });
        let connection = json!({ "state": upstream.condition().map_or(UNASKED, Condition::as_str), "url": upstream.root() });
        (configured.name.clone(), connection)
    });
    let connections: Map<_, _> = connections.collect();
    let mut head = head_of_tier(tier, Some(reloads.placed_since(tier)));
    head.insert("connections".to_owned(), connections.into());
    head.into()
}
