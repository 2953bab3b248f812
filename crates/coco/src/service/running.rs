//! A coco that runs: what a reload changes in it, and how it is stopped.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use coco_core::config::{CocoConfig, Stop};
use coco_daemon::deadline::Deadline;
use coco_daemon::files::Accept;
use coco_daemon::health::Condition;
use coco_daemon::http::{Limits, Server};
use coco_daemon::reload::{Changes, Reloads};
use coco_daemon::service_manager;
use coco_daemon::signals::Signal;
use coco_daemon::tiers::begin_anew;
use crossbeam_channel::Sender;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};
use tracing::{error, info, warn};

use super::RunError;
use super::threads::intervals;
use crate::api::{Api, Health};
use crate::counters::{Count, OutletCount};
use crate::intake::Gate;
use crate::lane::{Lane, Watch};
use crate::outlets::{Outlet, OutletCounts, Remote};
use crate::plan::Newest;
use crate::start::{self, Files, StartErrors};
use crate::watch::Intervals;

/// The part of the grace within which engines have to take what waits for them.
const DRAINED_WITHIN: f64 = 0.8;

/// The time between two looks whether they have.
const LOOK: Duration = Duration::from_millis(10);

/// The parts of a running coco that a reload and a stop change.
pub(super) struct Running {
    pub(super) lanes: Arc<[Arc<Lane>]>,
    pub(super) routing: Arc<Newest>,
    pub(super) gate: Arc<Gate>,
    pub(super) health: Arc<Health>,
    pub(super) measuring: Sender<Intervals>,
    pub(super) listen: SocketAddr,
}

/// The parts that may end by themselves, and those that are ended with the rest.
pub(super) struct Parts {
    /// Tells of each thread that has ended.
    pub(super) ended: UnboundedReceiver<()>,
    pub(super) stages: Watch,
    pub(super) serving: Serving,
    /// Looks at the file of users.
    pub(super) looking: JoinHandle<()>,
    pub(super) reloads: Arc<Reloads>,
}

/// The API.
pub(super) struct Serving {
    pub(super) task: JoinHandle<io::Result<usize>>,
    close: oneshot::Sender<Duration>,
    /// The time that its connections may take to end.
    longest_close: Duration,
}

/// Why a coco is to stop.
pub(super) enum End {
    /// Somebody wants it.
    Wished,
    /// A thread that carries stages has ended by itself.
    StageDied,
    /// The API has ended by itself.
    Served(Result<io::Result<usize>, JoinError>),
}

impl Serving {
    pub(super) fn start(api: Api, listener: TcpListener, idle_timeout: Duration) -> Self {
        let limits = Limits { idle_timeout, ..Limits::of_process() };
        let longest_close = limits.grace;
        let (close, closed) = oneshot::channel();
        let closed = async { closed.await.unwrap_or_default() };
        let task = tokio::spawn(Server::new(api.router(), limits).serve_and_count(listener, closed));
        Self { task, close, longest_close }
    }

    /// Lets its connections end, within this time.
    async fn close(self, grace: Duration) -> Result<io::Result<usize>, JoinError> {
        let _ = self.close.send(grace.min(self.longest_close));
        self.task.await
    }
}

impl Running {
    /// Goes over to another configuration, but for keys that need a restart. Nothing changes if it can't.
    pub(super) async fn take_over(&self, config: &CocoConfig) -> Result<Changes, StartErrors> {
        let mut warnings = Vec::new();
        let Files { admission, seals, engines } = Files::read(config, Accept::Files, &mut warnings).await?;
        start::check_source(config)?;
        let old = self.routing.load_full();
        let new = old.renewed(config, seals);
        start::dial(&new, self.listen).await?;
        new.outlets.engage(&new.tiers, &engines)?;
        // From here on nothing fails.
        warnings.iter().for_each(|warning| warn!("{warning}"));
        self.gate.set(admission);
        let new = Arc::new(new);
        self.routing.store(Arc::clone(&new));
        new.outlets.keep(self.listen);
        self.lanes.iter().for_each(|lane| lane.set_max_memory(config.state.max_memory));
        // Its thread lives as long as this.
        let _ = self.measuring.send(intervals(config));
        // Thousands of look-ups a tier, each of which takes a while among many targets.
        let [before, after] = [&old, &new].map(|routing| Arc::clone(&routing.tiers));
        let begin_anew = tokio::task::spawn_blocking(move || begin_anew(&before, &after));
        let changes = Changes {
            old: old.tiers.fingerprint(),
            begin_anew: begin_anew.await.unwrap_or_default(),
            added: new.targets_beyond(&old),
            removed: old.targets_beyond(&new),
        };
        Ok(changes)
    }

    /// The status that the service manager shows.
    pub(super) fn status(&self) -> String {
        let routing = self.routing.load();
        let is_up = |outlet: &&Arc<Outlet>| outlet.condition().0 == Some(Condition::Up);
        let (all, up) = (routing.outlets.iter(), is_up);
        let (count, fingerprint) = (all.len(), routing.tiers.fingerprint());
        format!("fingerprint {fingerprint}, {} of {count} targets up", all.filter(up).count())
    }

    /// Tells whoever balances load to look elsewhere, and goes on for a while; another signal cuts it short.
    pub(super) async fn drain(&self, stop: Stop, next_signal: &mut impl AsyncFnMut() -> Signal) {
        let Stop { drain, grace } = stop;
        self.health.draining.store(true, Ordering::Relaxed);
        if !drain.is_zero() {
            info!(?drain, "draining");
            service_manager::stopping(drain + grace, "draining");
            coco_daemon::reload::drain(drain, async || next_signal().await).await;
        }
    }

    /// Stops everything, in the order that the room's door names.
    pub(super) async fn stop(
        self,
        mut parts: Parts,
        end: End,
        deadline: &Arc<Deadline>,
    ) -> Result<(), RunError> {
        let Self { lanes, health, .. } = &self;
        let Stop { grace, .. } = deadline.terms();
        let died = matches!(end, End::StageDied);
        if died {
            deadline.begin();
            health.dead.store(true, Ordering::Relaxed);
            error!("a stage has died");
        }
        info!("stopping");
        service_manager::stopping(grace, "stopping");
        health.draining.store(true, Ordering::Relaxed);
        health.stopping.store(true, Ordering::Relaxed);
        // Ends the measuring, also in the middle of millions of metrics.
        lanes.iter().for_each(|lane| lane.end_measuring());
        let lanes = Arc::clone(lanes);
        let counts = self.routing.load().outlets.counts().to_vec();
        let remotes: Vec<Arc<Remote>> = self.routing.load().outlets.remotes().to_vec();
        drop(self);
        let all_ended = async { while parts.ended.recv().await.is_some() {} };
        let since = Instant::now();
        let in_time = tokio::time::timeout(grace, all_ended).await.is_ok();
        parts.looking.abort();
        let waiting = drain_engines(&remotes, since + grace.mul_f64(DRAINED_WITHIN)).await;
        let served = match end {
            End::Served(served) => served,
            _ => parts.serving.close(grace.saturating_sub(since.elapsed())).await,
        };
        let served = served.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        let left = left_in(&lanes);
        tell_the_books(&lanes, &counts, left);
        match (died, in_time) {
            (true, _) => Err(RunError::StageDied),
            (_, false) => Err(RunError::GraceOver(left)),
            _ if waiting > 0 => Err(RunError::SamplesLeft(waiting)),
            _ => served.map(|_| ()).map_err(RunError::Api),
        }
    }
}

/// Logs the sums of all that was received, sent and lost.
fn tell_the_books(lanes: &[Arc<Lane>], counts: &[Arc<OutletCounts>], left: u64) {
    let of_lanes = |count: Count| lanes.iter().map(|lane| lane.counts.get(count)).sum::<u64>();
    let of_targets = |count: OutletCount| -> u64 {
        counts.iter().flat_map(|counts| counts.lanes()).map(|lane| lane.get(count)).sum()
    };
    info!(
        datagrams = of_lanes(Count::Raw),
        value_lists = of_lanes(Count::Decoded),
        blacklisted = of_lanes(Count::Rejected),
        sent = of_targets(OutletCount::Sent),
        lost = of_targets(OutletCount::Write) + of_targets(OutletCount::Disconnected),
        left,
        "stopped; sent and lost are of all tiers together"
    );
}

/// Has engines take what waits for them, until then at most. How many samples are left.
async fn drain_engines(remotes: &[Arc<Remote>], until: Instant) -> u64 {
    remotes.iter().for_each(|remote| remote.end(until));
    while remotes.iter().any(|remote| !remote.has_ended()) && Instant::now() < until + LOOK {
        tokio::time::sleep(LOOK).await;
    }
    for remote in remotes.iter().filter(|remote| remote.counts.waiting() > 0) {
        let Remote { tier, target, counts, .. } = &**remote;
        warn!(%tier, %target, samples = counts.waiting(), "samples are lost that an engine has not taken");
    }
    remotes.iter().map(|remote| remote.counts.waiting()).sum()
}

/// Value lists that wait in queues.
pub(super) fn left_in(lanes: &[Arc<Lane>]) -> u64 {
    lanes
        .iter()
        .map(|lane| lane.raw.waiting() + lane.filtered.waiting() + lane.held.load(Ordering::Relaxed))
        .sum()
}
