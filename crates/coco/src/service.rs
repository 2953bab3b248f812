//! A coco from its configuration to its end.
//!
//! Start: everything that can fail is done before the first thread is made: types.db is read, sockets are bound,
//! names are resolved as far as they do at once, loops are refused. Stop, in this order:
//!
//! 1. each lane reads its socket until it is empty, or 200 ms have passed, and closes it;
//! 2. its queues run dry, stage by stage;
//! 3. the threads are joined; past the grace period the process says what is left and exits with status 1;
//! 4. the API, which until then has answered `/healthz` with 503, is closed.

use crate::api::{Api, Health};
use crate::dial::leads_back;
use crate::gate::{self, Admission, Gate};
use crate::heartbeat;
use crate::lane::Lane;
use crate::measure::{Measure, Terms};
use crate::outlet::{Outlet, State};
use crate::pipeline::{self, Plan};
use crate::routing::{Newest, Routing};
use crate::secrets::{Seals, SecretError};
use crate::socket::{self, ListenOptions};
use coco_core::address::Address;
use coco_core::config::{Config, Program};
use coco_core::types_db::TypesDb;
use coco_daemon::command_line::LoadError;
use coco_daemon::http::{self, BindError, Limits};
use coco_daemon::lookup::Lookup;
use coco_daemon::reload::{Changes, Reloads, until_stop};
use coco_daemon::resolve::{resolve, resolve_all};
use coco_daemon::service_manager;
use coco_daemon::signals::Signal;
use crossbeam_channel::Sender;
use std::cell::Cell;
use std::fmt::Display;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tracing::{error, info, warn};

/// How long a start waits for names to resolve before it goes on without them.
const RESOLVE_PATIENCE: Duration = Duration::from_secs(2);

/// Why a coco does not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A configured types.db that is not there or is not allowed to be read.
    #[error("listen.typesdb: cannot read {}: {source}", path.display())]
    TypesDb {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The UDP address is taken, or not this machine's.
    #[error("listen.bind: cannot receive at {address}: {source}")]
    Listen {
        /// As configured.
        address: Address,
        /// What the system says.
        source: io::Error,
    },
    /// The HTTP address is taken, or not this machine's.
    #[error("api.bind: {0}")]
    Api(#[from] BindError),
    /// A target leads back to where coco listens.
    #[error("tiers.{tier}.targets: {target} ({address}) is where this coco itself listens: a loop")]
    Loop {
        /// The tier's name.
        tier: Arc<str>,
        /// The target as configured.
        target: Arc<str>,
        /// What it resolves to.
        address: SocketAddr,
    },
    /// A file of passwords that is not as it must be.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The system refuses threads, or the like.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

/// Why a coco ended other than it was told to.
#[derive(Debug, Error)]
pub enum RunError {
    /// A thread that carries stages has ended by itself.
    #[error("a stage has died")]
    StageDied,
    /// The grace period was over before everything was sent.
    #[error("stopped with {0} value lists still queued")]
    GraceOver(u64),
    /// The API's listener failed.
    #[error("the API failed: {0}")]
    Api(io::Error),
}

/// Everything that `--check` looks at beside the text of the configuration: warnings are returned, no port is bound.
pub async fn check(config: &Config) -> Result<Vec<String>, StartError> {
    let mut warnings = read_types_db(config)?;
    warnings.extend(Admission::read(&config.listen)?.1);
    warnings.extend(Seals::read(&config.tiers)?.1);
    let listen = &config.listen.bind;
    let listen: Vec<SocketAddr> = match listen.is_all() {
        true => vec![socket::all_addresses(listen.port())],
        false => resolve(listen, RESOLVE_PATIENCE).await.map_err(|source| listen_error(listen, source))?,
    };
    let targets: Vec<_> = config
        .tiers
        .iter()
        .flat_map(|tier| tier.targets().iter().map(move |target| (tier, target)))
        .collect();
    let addresses = targets.iter().map(|(_, target)| target.address.clone());
    for ((tier, target), resolved) in targets.iter().zip(resolve_all(addresses, RESOLVE_PATIENCE).await) {
        let found = resolved.unwrap_or_else(|problem| {
            warnings.push(format!("tiers.{}.targets: {}: {problem}", tier.name(), target.name));
            Vec::new()
        });
        let back = |address: &&SocketAddr| listen.iter().any(|listen| leads_back(*listen, **address));
        if let Some(&address) = found.iter().find(back) {
            let (tier, target) = (tier.name().into(), target.name.as_str().into());
            return Err(StartError::Loop { tier, target, address });
        }
    }
    Ok(warnings)
}

/// A coco whose sockets are bound, and which has not received anything yet.
pub struct Service {
    config: Config,
    routing: Routing,
    gate: Arc<Gate>,
    sockets: Vec<UdpSocket>,
    api: TcpListener,
}

impl Service {
    /// Binds and resolves. Nothing is received before [`run`](Self::run).
    pub async fn prepare(config: Config) -> Result<Self, StartError> {
        let (admission, of_users) = Admission::read(&config.listen)?;
        let (seals, of_passwords) = Seals::read(&config.tiers)?;
        for warning in read_types_db(&config)?.into_iter().chain(of_users).chain(of_passwords) {
            warn!("{warning}");
        }
        let sockets = bind(&config).await?;
        let api = http::bind(&config.api.bind)?;
        let listen = sockets[0].local_addr()?;
        let granted = socket::receive_buffer(&sockets[0])?;
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
        dial(&routing, listen).await?;
        Ok(Self { config, routing, gate: Arc::new(Gate::new(admission)), sockets, api })
    }

    /// Where it receives packets: the port that the system chose if none is configured.
    pub fn listen_address(&self) -> io::Result<SocketAddr> {
        self.sockets[0].local_addr()
    }

    /// Where it serves HTTP.
    pub fn api_address(&self) -> io::Result<SocketAddr> {
        self.api.local_addr()
    }

    /// Receives and sends until a signal says stop. `load` reads the configuration again, for a signal that says reload.
    ///
    /// `next_signal` may be dropped before it is ready, as [`Signals::next`](coco_daemon::signals::Signals::next) may.
    pub async fn run(
        self,
        next_signal: impl AsyncFnMut() -> Signal,
        load: impl Fn() -> Result<Config, LoadError>,
    ) -> Result<(), RunError> {
        let Self { config, routing, gate, sockets, api } = self;
        let routing = Arc::new(Newest::from_pointee(routing));
        let listen = sockets[0].local_addr().map_err(RunError::Api)?;
        let inodes = sockets.iter().map(socket::inode).collect::<io::Result<_>>().map_err(RunError::Api)?;
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
            stop: Arc::clone(&health.stopping),
        };
        let threads = pipeline::start(&plan, sockets, &lanes).map_err(RunError::Api)?;
        let mut stages = heartbeat::Watch::new(threads.heartbeats, Instant::now());
        let measure = Arc::new(Measure::new(Arc::clone(&lanes), Arc::clone(&routing), inodes));
        let (measuring, thread) = start_measuring(&measure, terms(&config)).map_err(RunError::Api)?;
        let mut ended = watch(threads.handles.into_iter().chain([thread])).map_err(RunError::Api)?;

        routing.load().outlets.keep(listen);
        let reloads = Arc::new(Reloads::new(Program::Coco));
        let watching = tokio::spawn(gate::watch(Arc::downgrade(&gate)));
        let router = Api {
            routing: Arc::clone(&routing),
            reloads: Arc::clone(&reloads),
            lanes: Arc::clone(&lanes),
            measure,
            health: Arc::clone(&health),
            lookup: Lookup::new(),
        };
        let (close_api, api_closed) = oneshot::channel::<()>();
        let serving = tokio::spawn(http::serve(api, router.router(), Limits::default(), async {
            let _ = api_closed.await;
        }));
        info!(fingerprint = %config.tiers.fingerprint(), "ready");
        let status = || status(&routing.load());
        service_manager::ready(&status());

        let grace = Cell::new(config.stop.grace);
        let running =
            Running { lanes: Arc::clone(&lanes), routing: Arc::clone(&routing), gate, measuring, listen };
        let take_over = async |new: Config| {
            let changes = running.take_over(&new).await?;
            grace.set(new.stop.grace);
            Ok::<_, StartError>(changes)
        };
        let reload = async || reloads.reload(&config, &load, &take_over, status).await;
        let died = tokio::select! {
            () = until_stop(next_signal, reload) => false,
            _ = ended.recv() => true,
            () = service_manager::watch(|| health.look(&mut stages, Instant::now()), status) => false,
        };
        if died {
            health.dead.store(true, Ordering::Relaxed);
            error!("a stage has died");
        }
        info!("stopping");
        service_manager::stopping();
        health.stopping.store(true, Ordering::Relaxed);
        // Ends the measuring.
        drop(running);
        let all_ended = async { while ended.recv().await.is_some() {} };
        let in_time = tokio::time::timeout(grace.get(), all_ended).await.is_ok();
        watching.abort();
        let _ = close_api.send(());
        let served = serving.await.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        let left: u64 = lanes.iter().map(|lane| lane.raw.waiting() + lane.filtered.waiting()).sum();
        match (died, in_time) {
            (true, _) => Err(RunError::StageDied),
            (_, false) => Err(RunError::GraceOver(left)),
            _ => served.map_err(RunError::Api),
        }
    }
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
    measuring: Sender<Terms>,
    listen: SocketAddr,
}

impl Running {
    /// Goes over to another configuration, but for keys that need a restart. Nothing changes if it can't.
    async fn take_over(&self, config: &Config) -> Result<Changes, StartError> {
        let warnings = read_types_db(config)?;
        let (admission, of_users) = Admission::read(&config.listen)?;
        let (seals, of_passwords) = Seals::read(&config.tiers)?;
        let old = self.routing.load_full();
        let new = old.renewed(config, seals);
        dial(&new, self.listen).await?;
        // From here on nothing fails, and nothing waits.
        warnings.into_iter().chain(of_users).chain(of_passwords).for_each(|warning| warn!("{warning}"));
        self.gate.set(admission);
        let new = Arc::new(new);
        self.routing.store(Arc::clone(&new));
        new.outlets.keep(self.listen);
        self.lanes.iter().for_each(|lane| lane.set_memory(config.state.max_memory));
        // Its thread lives as long as this.
        let _ = self.measuring.send(terms(config));
        let changes = Changes {
            old: old.tiers.fingerprint(),
            added: new.targets_beyond(&old),
            removed: old.targets_beyond(&new),
        };
        Ok(changes)
    }
}

/// Connects what is not connected, as far as that works at once. Nothing may lead back to where coco listens.
async fn dial(routing: &Routing, listen: SocketAddr) -> Result<(), StartError> {
    let outlets = &routing.outlets;
    for (outlet, address) in outlets.iter().zip(outlets.dial(RESOLVE_PATIENCE).await) {
        if let Some(address) = address.filter(|&address| leads_back(listen, address)) {
            let (tier, target) = (Arc::clone(&outlet.tier), Arc::clone(&outlet.target));
            return Err(StartError::Loop { tier, target, address });
        }
    }
    Ok(())
}

/// Reads a configured types.db, only to tell the operator what is wrong with it: forwarding does not need it.
///
/// Returns a warning for each line that is not as it should be.
fn read_types_db(config: &Config) -> Result<Vec<String>, StartError> {
    let Some(path) = &config.listen.typesdb else { return Ok(Vec::new()) };
    let text = std::fs::read(path).map_err(|source| StartError::TypesDb { path: path.clone(), source })?;
    let (types, problems) = TypesDb::parse(&text);
    let path: &Path = path;
    info!(path = %path.display(), types = types.len(), "read types.db");
    Ok(problems.iter().map(|problem| format!("{}: {problem}", path.display())).collect())
}

/// One socket a lane. Several share one address, which no other process must hold already.
async fn bind(config: &Config) -> Result<Vec<UdpSocket>, StartError> {
    let configured = &config.listen.bind;
    let error = |source| listen_error(configured, source);
    let mut address = match configured.is_all() {
        true => socket::all_addresses(configured.port()),
        false => resolve(configured, RESOLVE_PATIENCE).await.map_err(error)?[0],
    };
    let lanes = config.pipeline.lanes;
    let mut options = ListenOptions {
        receive_buffer: config.listen.receive_buffer,
        shared: false,
        interface: config.listen.interface.as_deref(),
    };
    let alone = socket::listen(address, options).map_err(error)?;
    if lanes == 1 {
        return Ok(vec![alone]);
    }
    address.set_port(alone.local_addr()?.port());
    drop(alone);
    options.shared = true;
    (0..lanes).map(|_| socket::listen(address, options).map_err(error)).collect()
}

fn listen_error(address: &Address, source: io::Error) -> StartError {
    StartError::Listen { address: address.clone(), source }
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
fn start_measuring(measure: &Arc<Measure>, terms: Terms) -> io::Result<(Sender<Terms>, JoinHandle<()>)> {
    let (send, news) = crossbeam_channel::unbounded();
    let measure = Arc::clone(measure);
    let builder = std::thread::Builder::new().name("measure".to_owned());
    Ok((send, builder.spawn(move || measure.run(terms, &news))?))
}

fn terms(config: &Config) -> Terms {
    Terms { interval: config.measure.interval, expire: config.state.expire }
}
