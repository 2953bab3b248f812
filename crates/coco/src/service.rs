//! A coco from its configuration to its end.
//!
//! Start: everything that can fail is done before the first thread is made: types.db is read, sockets are bound,
//! names are resolved as far as they do at once, loops are refused. Stop, in this order:
//!
//! 1. `/healthz` is 503, and for the time of the drain that is all; then
//! 2. each lane reads its socket until it is empty, or 200 ms have passed, and closes it;
//! 3. its queues run dry, stage by stage;
//! 4. the threads are joined; past the grace period the process says what is left and exits with status 1;
//! 5. the API, which until then has answered `/healthz` with 503, is closed.

use std::fmt::Display;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Instant;

use coco_core::config::{Config, Program, Stop};
use coco_daemon::command_line::LoadError;
use coco_daemon::deadline::Deadline;
use coco_daemon::files::Accept;
use coco_daemon::http::{self, Limits};
use coco_daemon::reload::{Changes, Reloads, until_stop};
use coco_daemon::routes::Common;
use coco_daemon::service_manager;
use coco_daemon::signals::Signal;
use coco_daemon::tiers::begin_anew;
use coco_udp::Membership;
use crossbeam_channel::Sender;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

use crate::api::{Api, Health, LargeAnswers};
use crate::intake::{Gate, keep_membership};
use crate::lane::{Clock, Lane, Watch, unix_seconds};
use crate::outlets::{Outlet, State};
use crate::pipeline::{self, Plan};
use crate::plan::{Newest, Routing};
use crate::start::{self, Files, StartError, StartErrors};
use crate::watch::{Intervals, Measure, ReceiveBuffers};

/// Why a coco ended other than it was told to.
#[derive(Debug, Error)]
pub enum RunError {
    /// A thread that carries stages has ended by itself.
    #[error("a stage has died")]
    StageDied,
    /// The grace period was over before everything was sent.
    #[error("stopped with {0} value lists still queued")]
    GraceOver(u64),
    /// The system refuses threads, or the like.
    #[error("cannot start: {0}")]
    System(io::Error),
    /// The API's listener failed.
    #[error("the API failed: {0}")]
    Api(io::Error),
}

/// A coco whose sockets are bound, and which has not received anything yet.
pub struct Service {
    config: Config,
    routing: Routing,
    gate: Arc<Gate>,
    sockets: Vec<Arc<UdpSocket>>,
    api: TcpListener,
    clock: Clock,
}

impl Service {
    /// Binds and resolves. Nothing is received before [`run`](Self::run).
    pub async fn prepare(config: Config) -> Result<Self, StartErrors> {
        let (mut errors, mut warnings) = (StartErrors::default(), Vec::new());
        let files = errors.unless(Files::read(&config, Accept::Pipes, &mut warnings).await);
        errors.unless(start::check_source(&config));
        let sockets = errors.unless(start::bind(&config, &mut warnings).await);
        warnings.iter().for_each(|warning| warn!("{warning}"));
        let api = errors.unless(http::bind(&config.api.bind).map_err(StartError::from));
        match (files, sockets, api) {
            (Some(files), Some(sockets), Some(api)) => Self::bound(config, files, sockets, api).await,
            _ => Err(errors),
        }
    }

    async fn bound(
        config: Config,
        Files { admission, seals }: Files,
        sockets: Vec<UdpSocket>,
        api: TcpListener,
    ) -> Result<Self, StartErrors> {
        let listen = sockets[0].local_addr()?;
        let granted = coco_udp::receive_buffer(&sockets[0])?;
        if granted < config.listen.receive_buffer {
            let wanted = config.listen.receive_buffer;
            warn!(
                granted,
                wanted, "the system gives a smaller receive buffer: sysctl -w net.core.rmem_max={wanted}"
            );
        }
        info!(address = %listen, lanes = sockets.len(), "listening for collectd packets");
        info!(address = %api.local_addr()?, "serving HTTP");
        let routing = Routing::new(&config, seals, sockets.len());
        start::dial(&routing, listen).await?;
        let sockets = sockets.into_iter().map(Arc::new).collect();
        Ok(Self { config, routing, gate: Arc::new(Gate::new(admission)), sockets, api, clock: unix_seconds })
    }

    /// With a time of day of its own, by which names are seen and expire.
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Where it receives packets: the port that the system chose if none is configured.
    pub fn listen_address(&self) -> io::Result<SocketAddr> {
        self.sockets[0].local_addr()
    }

    /// Where it serves HTTP.
    pub fn api_address(&self) -> io::Result<SocketAddr> {
        self.api.local_addr()
    }

    /// Receives and sends until a signal says stop. `load` reads the configuration again, for a signal that says
    /// reload.
    ///
    /// `next_signal` may be dropped before it is ready, as [`Signals::next`](coco_daemon::signals::Signals::next) may.
    pub async fn run(
        self,
        mut next_signal: impl AsyncFnMut() -> Signal,
        deadline: &Arc<Deadline>,
        load: impl AsyncFn() -> Result<Config, LoadError>,
    ) -> Result<(), RunError> {
        let Self { config, routing, gate, sockets, api, clock } = self;
        let routing = Arc::new(Newest::from_pointee(routing));
        let listen = sockets[0].local_addr().map_err(RunError::System)?;
        let buffers = Arc::new(ReceiveBuffers::of(&sockets).map_err(RunError::System)?);
        let lanes: Arc<[_]> =
            (0..sockets.len()).map(|number| Arc::new(Lane::new(number, config.state.max_memory))).collect();
        let health = Arc::new(Health::default());
        let plan = Plan {
            threads: config.pipeline.threads,
            batch: config.pipeline.batch,
            queue: config.pipeline.queue,
            spread_hosts: config.pipeline.spread_hosts,
            routing: Arc::clone(&routing),
            gate: Arc::clone(&gate),
            clock,
            stop: Arc::clone(&health.stopping),
        };
        let interface = config.listen.interface.as_deref();
        let membership = |socket| Some((Arc::downgrade(socket), Membership::of(socket, interface)?));
        let memberships: Vec<_> = sockets.iter().filter_map(membership).collect();
        let threads = pipeline::start(&plan, sockets, &lanes).map_err(RunError::System)?;
        let mut stages = Watch::new(threads.heartbeats, Instant::now());
        let measure = Measure::new(Arc::clone(&lanes), Arc::clone(&routing), Arc::clone(&buffers), clock);
        let measure = Arc::new(measure);
        let (measuring, thread) = start_measuring(&measure, intervals(&config)).map_err(RunError::System)?;
        let mut ended = watch(threads.handles.into_iter().chain([thread])).map_err(RunError::System)?;

        routing.load().outlets.keep(listen);
        let reloads = Arc::new(Reloads::new(Program::Coco, &config));
        let watching = tokio::spawn(Gate::watch(Arc::downgrade(&gate)));
        // Each ends with its socket.
        for (socket, membership) in memberships {
            tokio::spawn(keep_membership(socket, membership));
        }
        let router = Api {
            common: Common::new(Arc::clone(&reloads), Arc::clone(&health.draining)),
            routing: Arc::clone(&routing),
            lanes: Arc::clone(&lanes),
            measure,
            buffers,
            health: Arc::clone(&health),
            large: LargeAnswers::default(),
        };
        let limits = Limits { idle_timeout: config.api.idle_timeout, ..Limits::of_process() };
        let longest_close = limits.grace;
        let (close_api, api_closed) = oneshot::channel();
        let close = async { api_closed.await.unwrap_or_default() };
        let mut serving =
            tokio::spawn(http::Server::new(router.router(), limits).serve_and_count(api, close));
        let mut served = None;
        info!(fingerprint = %config.tiers.fingerprint(), "ready");
        let status = || status(&routing.load());
        service_manager::ready(&status());

        deadline.set(&config.stop);
        let counted = Arc::clone(&lanes);
        deadline.tell(move || RunError::GraceOver(left_in(&counted)).to_string());
        let running =
            Running { lanes: Arc::clone(&lanes), routing: Arc::clone(&routing), gate, measuring, listen };
        let take_over = async |new: Config| {
            let changes = running.take_over(&new).await?;
            deadline.set(&new.stop);
            Ok::<_, StartErrors>(changes)
        };
        let reload = async || reloads.reload(&config, &load, &take_over, status).await;
        let stopped = async {
            until_stop(async || next_signal().await, reload).await;
            let Stop { drain, grace } = deadline.terms();
            health.draining.store(true, Ordering::Relaxed);
            if !drain.is_zero() {
                info!(?drain, "draining");
                service_manager::stopping(drain + grace, "draining");
                coco_daemon::reload::drain(drain, async || next_signal().await).await;
            }
        };
        let died = tokio::select! {
            () = stopped => false,
            _ = ended.recv() => true,
            () = service_manager::watch(|| health.look(&mut stages, Instant::now()), status) => false,
            // It ends by itself only if it fails.
            result = &mut serving => {
                served = Some(result);
                false
            }
        };
        let Stop { grace, .. } = deadline.terms();
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
        drop(running);
        let all_ended = async { while ended.recv().await.is_some() {} };
        let since = Instant::now();
        let in_time = tokio::time::timeout(grace, all_ended).await.is_ok();
        watching.abort();
        let _ = close_api.send(grace.saturating_sub(since.elapsed()).min(longest_close));
        let served = match served {
            Some(served) => served,
            None => serving.await,
        };
        let served = served.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        let left = left_in(&lanes);
        match (died, in_time) {
            (true, _) => Err(RunError::StageDied),
            (_, false) => Err(RunError::GraceOver(left)),
            _ => served.map(|_| ()).map_err(RunError::Api),
        }
    }
}

/// Value lists that wait in queues.
fn left_in(lanes: &[Arc<Lane>]) -> u64 {
    lanes.iter().map(|lane| lane.raw.waiting() + lane.filtered.waiting()).sum()
}

/// What the service manager shows.
fn status(routing: &Routing) -> String {
    let (all, up) = (routing.outlets.iter(), |outlet: &&Arc<Outlet>| outlet.state().0 == State::Up);
    let (count, fingerprint) = (all.len(), routing.tiers.fingerprint());
    format!("fingerprint {fingerprint}, {} of {count} targets up", all.filter(up).count())
}

/// What a reload changes in a running coco.
struct Running {
    lanes: Arc<[Arc<Lane>]>,
    routing: Arc<Newest>,
    gate: Arc<Gate>,
    measuring: Sender<Intervals>,
    listen: SocketAddr,
}

impl Running {
    /// Goes over to another configuration, but for keys that need a restart. Nothing changes if it can't.
    async fn take_over(&self, config: &Config) -> Result<Changes, StartErrors> {
        let mut warnings = Vec::new();
        let Files { admission, seals } = Files::read(config, Accept::Files, &mut warnings).await?;
        start::check_source(config)?;
        let old = self.routing.load_full();
        let new = old.renewed(config, seals);
        start::dial(&new, self.listen).await?;
        // From here on nothing fails, and nothing waits.
        warnings.iter().for_each(|warning| warn!("{warning}"));
        self.gate.set(admission);
        let new = Arc::new(new);
        self.routing.store(Arc::clone(&new));
        new.outlets.keep(self.listen);
        self.lanes.iter().for_each(|lane| lane.set_max_memory(config.state.max_memory));
        // Its thread lives as long as this.
        let _ = self.measuring.send(intervals(config));
        let changes = Changes {
            old: old.tiers.fingerprint(),
            begin_anew: begin_anew(&old.tiers, &new.tiers),
            added: new.targets_beyond(&old),
            removed: old.targets_beyond(&new),
        };
        Ok(changes)
    }
}

/// Tells of each thread that has ended, and why in the log.
fn watch(threads: impl Iterator<Item = JoinHandle<()>>) -> io::Result<mpsc::UnboundedReceiver<()>> {
    let (tell, told) = mpsc::unbounded_channel();
    for thread in threads {
        let tell = tell.clone();
        std::thread::Builder::new().name("watch".to_owned()).spawn(move || {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            if let Err(panic) = thread.join() {
                let message = panic.downcast_ref::<&str>().copied().map(str::to_owned);
                let message = message.or_else(|| panic.downcast_ref::<String>().cloned());
                complain_of_death(&name, message.as_deref().unwrap_or("no message"));
            }
            let _ = tell.send(());
        })?;
    }
    Ok(told)
}

fn complain_of_death(thread: &str, panic: impl Display) {
    error!(thread, %panic, "a thread panicked");
}

/// Measures in a thread of its own until the sender that is returned is dropped.
fn start_measuring(
    measure: &Arc<Measure>,
    intervals: Intervals,
) -> io::Result<(Sender<Intervals>, JoinHandle<()>)> {
    let (send, news) = crossbeam_channel::unbounded();
    let measure = Arc::clone(measure);
    let builder = std::thread::Builder::new().name("measure".to_owned());
    Ok((send, builder.spawn(move || measure.run(intervals, &news))?))
}

fn intervals(config: &Config) -> Intervals {
    Intervals { interval: config.measure.interval, expire: config.state.expire }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::OwnedFd;
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_api_that_fails_ends_it() {
        let text = "listen.bind = '127.0.0.1:0'\napi.bind = '127.0.0.1:0'\ntiers.a.targets = ['127.0.0.1:9']";
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let result = runtime.block_on(async {
            let mut service = Service::prepare(Config::parse(text, Program::Coco).unwrap()).await.unwrap();
            // Nothing that could be waited for.
            service.api = OwnedFd::from(File::open("/dev/null").unwrap()).into();
            let deadline = Arc::default();
            let run = service.run(
                async || std::future::pending().await,
                &deadline,
                async || unreachable!("no signal says so"),
            );
            tokio::time::timeout(Duration::from_secs(60), run).await
        });
        let problem = result.expect("it ends by itself").unwrap_err();
        assert!(matches!(problem, RunError::Api(_)), "{problem}");
    }
}
