//! A noodle from its configuration to its end.
//!
//! Start: the address is bound before anything else. Stop: `/healthz` turns to 503, no connection is accepted any
//! more, requests in progress get the grace period; what is not finished then is cut off, and the exit status says so.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use coco_core::config::{Fetch, NoodleConfig, Stop};
use coco_daemon::command_line::LoadError;
use coco_daemon::deadline::Deadline;
use coco_daemon::handed_over::{HandedOver, Stray};
use coco_daemon::health::Condition;
use coco_daemon::http::{self, BindError, Limits};
use coco_daemon::reload::{Changes, Reloads, until_stop};
use coco_daemon::resolve::resolve_all;
use coco_daemon::routes::Common;
use coco_daemon::service_manager;
use coco_daemon::signals::Signals;
use coco_daemon::status::History;
use coco_daemon::status::history::APART;
use coco_daemon::tiers::begin_anew;
use thiserror::Error;
use tokio::time::MissedTickBehavior;
use tracing::info;

use crate::api::Api;
use crate::fleet::Fleet;
use crate::graphite::Graphite;
use crate::overview;
use crate::prometheus::Prometheus;
use crate::visage::proxy::Proxy;

/// How long `--check` waits for each name to resolve.
const RESOLVE_PATIENCE: Duration = Duration::from_secs(2);

/// Why a noodle does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The HTTP address is taken, or not this machine's.
    #[error("fetch.bind: {0}")]
    Bind(#[from] BindError),
    /// A socket was handed over that is not Noodle's.
    #[error(transparent)]
    Stray(#[from] Stray),
    /// The system refuses something that every process has.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

/// Why a noodle ended other than it was told to.
#[derive(Debug, Error)]
pub enum RunError {
    /// The grace period was over before everything was answered.
    #[error("stopped with {0} requests unanswered")]
    GraceOver(usize),
    /// The listener failed.
    #[error("HTTP failed: {0}")]
    Http(#[from] io::Error),
}

/// Everything that `--check` looks at beside the text of the configuration: names of targets that do not resolve are
/// warnings.
pub async fn check(config: &NoodleConfig) -> Vec<String> {
    let mut targets = Vec::new();
    for tier in config.tiers.iter().filter(|tier| tier.remote_write().is_none()) {
        for target in tier.targets() {
            if let Some(address) = config.fetch.endpoint(target).address() {
                targets.push((tier.name(), target.name.as_str(), address.clone()));
            }
        }
    }
    let addresses = targets.iter().map(|(_, _, address)| address.clone());
    let resolved = resolve_all(addresses, RESOLVE_PATIENCE).await;
    let warning = |((tier, target, address), result): (&(&str, &str, _), io::Result<_>)| {
        result.err().map(|problem| format!("tiers.{tier}.targets: {target}: {address}: {problem}"))
    };
    targets.iter().zip(resolved).filter_map(warning).collect()
}

/// A noodle that is bound, and has not answered anything yet.
#[derive(Debug)]
pub struct Service {
    config: NoodleConfig,
    listener: TcpListener,
    fleet: Arc<Fleet>,
}

impl Service {
    /// Binds; no target is asked before a client asks.
    pub fn prepare(config: NoodleConfig) -> Result<Self, StartError> {
        Self::prepare_with(config, HandedOver::nothing())
    }

    /// Takes the socket that was handed over, if one was, in place of binding one.
    pub fn prepare_with(config: NoodleConfig, mut handed_over: HandedOver) -> Result<Self, StartError> {
        let listener = http::take_or_bind(&config.bind, &mut handed_over)?;
        handed_over.is_taken("fetch.bind")?;
        let fleet = Arc::new(Fleet::new(Arc::new(config.tiers.clone()), &config.fetch));
        info!(address = %listener.local_addr()?, "serving HTTP");
        Ok(Self { config, listener, fleet })
    }

    /// Where it serves HTTP: the port that the system chose if none is configured.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until a signal says stop. `load` reads the configuration again, for a signal that says reload.
    pub async fn run(
        self,
        mut signals: Signals,
        deadline: &Arc<Deadline>,
        load: impl AsyncFn() -> Result<NoodleConfig, LoadError>,
    ) -> Result<(), RunError> {
        let Self { config, listener, fleet } = self;
        let stopping = Arc::new(AtomicBool::new(false));
        let graphite = Arc::new(ArcSwap::from_pointee(Graphite::new(Arc::clone(&fleet), &config)));
        let prometheus = Arc::new(ArcSwap::from_pointee(Prometheus::new(Arc::clone(&fleet), &config)));
        let proxy = Arc::new(ArcSwap::from_pointee(Proxy::new(fleet, &config.fetch)));
        let reloads = Arc::new(Reloads::new(&config));
        let common = Common::new(Arc::clone(&reloads), Arc::clone(&stopping));
        let api = Api::new(common, Arc::clone(&proxy), Arc::clone(&graphite), Arc::clone(&prometheus));
        let sampling = tokio::spawn(sample(api.history_of(), Arc::clone(&proxy)));
        info!(fingerprint = %config.tiers.fingerprint(), "ready");
        let status = || status(proxy.load().fleet());
        service_manager::ready(&status());
        let server = http::Server::new(api.router(), limits(&config.fetch));
        let (pulse, counted) = (server.pulse(), server.pulse());
        let stopped = async {
            deadline.set(&config.stop);
            deadline.tell(move || RunError::GraceOver(counted.unanswered()).to_string());
            let take_over = async |new: NoodleConfig| {
                let changes = take_over(&proxy, &graphite, &prometheus, &new);
                deadline.set(&new.stop);
                Ok::<_, Infallible>(changes)
            };
            let reload = async || reloads.reload(&config, &load, &take_over, status).await;
            let drained = async {
                until_stop(async || signals.next().await, reload).await;
                stopping.store(true, Ordering::Relaxed);
                let Stop { drain, grace } = deadline.terms();
                if !drain.is_zero() {
                    info!(?drain, "draining");
                    service_manager::stopping(drain + grace, "draining");
                    coco_daemon::reload::drain(drain, async || signals.next().await).await;
                }
            };
            tokio::select! {
                () = drained => {}
                () = service_manager::watch(|| pulse.is_alive(), status) => {}
            }
            info!("stopping");
            let Stop { grace, .. } = deadline.terms();
            service_manager::stopping(grace, "stopping");
            grace
        };
        let served = server.serve_and_count(listener, stopped).await;
        sampling.abort();
        let unanswered = served?;
        let [visage, graphite] =
            [proxy.load().fleet().counters.answers(), graphite.load().lasting.counts.answers()];
        let read = prometheus.load().lasting.counts.answers();
        let [answered, failed] = [0, 1].map(|kind| visage[kind] + graphite[kind] + read[kind]);
        info!(answered, failed, unanswered, "stopped");
        match unanswered {
            0 => Ok(()),
            unanswered => Err(RunError::GraceOver(unanswered)),
        }
    }
}

/// Keeps the last minutes of a few counters.
async fn sample(history: Arc<History>, proxy: Arc<ArcSwap<Proxy>>) {
    let mut ticks = tokio::time::interval(APART);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        history.sample(Instant::now(), || overview::counters(proxy.load().fleet()));
    }
}

/// Bytes of a request's head: the longest path that hyper takes, 64 KiB, in which a thousand hosts with names of 60 bytes
/// fit, which is `fetch.max_hosts` unless configured, and as much as most servers take besides.
const HEAD_SIZE: usize = 80 * 1024;

/// What clients may take of Noodle.
fn limits(config: &Fetch) -> Limits {
    Limits { idle_timeout: config.idle_timeout, head_size: HEAD_SIZE, ..Limits::of_process() }
}

/// What the service manager shows.
fn status(fleet: &Fleet) -> String {
    let conditions = fleet.conditions();
    let is_down = |condition: &&Option<Condition>| condition.is_some_and(|is| is != Condition::Up);
    let down = conditions.iter().filter(is_down).count();
    format!("fingerprint {}, {down} of {} targets down", fleet.all.fingerprint(), conditions.len())
}

/// Has requests to come answered as configured now.
fn take_over(
    proxy: &ArcSwap<Proxy>,
    graphite: &ArcSwap<Graphite>,
    prometheus: &ArcSwap<Prometheus>,
    config: &NoodleConfig,
) -> Changes {
    let old = Arc::clone(proxy.load().fleet());
    let new = Arc::new(old.renewed(Arc::new(config.tiers.clone()), &config.fetch));
    graphite.store(Arc::new(graphite.load().renewed(Arc::clone(&new), config)));
    prometheus.store(Arc::new(prometheus.load().renewed(Arc::clone(&new), config)));
    proxy.store(Arc::new(Proxy::new(Arc::clone(&new), &config.fetch)));
    Changes {
        old: old.all.fingerprint(),
        begin_anew: begin_anew(&old.tiers, &new.tiers),
        added: new.targets_beyond(&old),
        removed: old.targets_beyond(&new),
    }
}
