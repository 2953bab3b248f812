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

mod running;
mod threads;

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::Instant;

use coco_core::config::CocoConfig;
use coco_daemon::command_line::LoadError;
use coco_daemon::deadline::Deadline;
use coco_daemon::files::Accept;
use coco_daemon::handed_over::HandedOver;
use coco_daemon::http;
use coco_daemon::reload::{Reloads, until_stop};
use coco_daemon::routes::Common;
use coco_daemon::service_manager;
use coco_daemon::signals::Signal;
use thiserror::Error;
use tracing::{info, warn};

use crate::api::{Api, Health, LargeAnswers};
use crate::intake::{Gate, keep_membership};
use crate::lane::{Clock, Lane, Watch, unix_seconds};
use crate::pipeline::{self, Plan};
use crate::plan::{Newest, Routing};
use crate::start::{self, Files, StartError, StartErrors};
use crate::watch::{Measure, ReceiveBuffers};
use running::{End, Parts, Running, Serving, left_in};
use threads::{intervals, memberships, start_measuring, watch};

/// Why a coco ended other than it was told to.
#[derive(Debug, Error)]
pub enum RunError {
    /// A thread that carries stages has ended by itself.
    #[error("a stage has died")]
    StageDied,
    /// The grace period was over before everything was sent.
    #[error("stopped with {0} value lists still queued")]
    GraceOver(u64),
    /// The grace period was over before engines had taken all samples.
    #[error("stopped with {0} samples still waiting for engines")]
    SamplesLeft(u64),
    /// The system refuses threads, or the like.
    #[error("cannot start: {0}")]
    System(io::Error),
    /// The API's listener failed.
    #[error("the API failed: {0}")]
    Api(io::Error),
}

/// A coco whose sockets are bound, and which has not received anything yet.
pub struct Service {
    config: CocoConfig,
    routing: Routing,
    gate: Arc<Gate>,
    sockets: Vec<Arc<UdpSocket>>,
    api: TcpListener,
    clock: Clock,
}

impl Service {
    /// Binds and resolves. Nothing is received before [`run`](Self::run).
    pub async fn prepare(config: CocoConfig) -> Result<Self, StartErrors> {
        Self::prepare_with(config, HandedOver::nothing()).await
    }

    /// Takes the sockets that were handed over, if some were, in place of binding them.
    pub async fn prepare_with(config: CocoConfig, mut handed_over: HandedOver) -> Result<Self, StartErrors> {
        let (mut errors, mut warnings) = (StartErrors::default(), Vec::new());
        let files = errors.unless(Files::read(&config, Accept::Pipes, &mut warnings).await);
        errors.unless(start::check_source(&config));
        let sockets = errors.unless(start::bind(&config, &mut handed_over, &mut warnings).await);
        warnings.iter().for_each(|warning| warn!("{warning}"));
        let api =
            errors.unless(http::take_or_bind(&config.api.bind, &mut handed_over).map_err(StartError::from));
        errors.unless(handed_over.is_taken("listen.bind, api.bind").map_err(StartError::from));
        match (files, sockets, api) {
            (Some(files), Some(sockets), Some(api)) if errors.is_empty() => {
                Self::bound(config, files, sockets, api).await
            }
            _ => Err(errors),
        }
    }

    async fn bound(
        config: CocoConfig,
        Files { admission, seals, engines }: Files,
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
        routing.outlets.engage(&routing.tiers, &engines)?;
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
        load: impl AsyncFn() -> Result<CocoConfig, LoadError>,
    ) -> Result<(), RunError> {
        let config = self.config.clone();
        let (running, mut parts) = self.start()?;
        info!(fingerprint = %config.tiers.fingerprint(), "ready");
        service_manager::ready(&running.status());
        deadline.set(&config.stop);
        let lanes = Arc::clone(&running.lanes);
        deadline.tell(move || RunError::GraceOver(left_in(&lanes)).to_string());

        let take_over = async |new: CocoConfig| {
            let changes = running.take_over(&new).await?;
            deadline.set(&new.stop);
            Ok::<_, StartErrors>(changes)
        };
        let status = || running.status();
        let reload = async || parts.reloads.reload(&config, &load, &take_over, status).await;
        let stopped = async {
            until_stop(async || next_signal().await, reload).await;
            running.drain(deadline.terms(), &mut next_signal).await;
        };
        let watched =
            service_manager::watch(|| running.health.look(&mut parts.stages, Instant::now()), status);
        let end = tokio::select! {
            () = stopped => End::Wished,
            _ = parts.ended.recv() => End::StageDied,
            () = watched => End::Wished,
            // It ends by itself only if it fails.
            result = &mut parts.serving.task => End::Served(result),
        };
        running.stop(parts, end, deadline).await
    }

    /// Starts all threads and tasks.
    fn start(self) -> Result<(Running, Parts), RunError> {
        let Self { config, routing, gate, sockets, api, clock } = self;
        let routing = Arc::new(Newest::from_pointee(routing));
        let listen = sockets[0].local_addr().map_err(RunError::System)?;
        let buffers = Arc::new(ReceiveBuffers::of(&sockets).map_err(RunError::System)?);
        let lanes: Arc<[_]> =
            (0..sockets.len()).map(|number| Arc::new(Lane::new(number, config.state.max_memory))).collect();
        let health = Arc::new(Health::default());
        let plan = Plan {
            threads: config.pipeline.threads,
            batch: config.pipeline.batch.get(),
            queue: config.pipeline.queue.get(),
            spread_hosts: config.pipeline.spread_hosts,
            routing: Arc::clone(&routing),
            gate: Arc::clone(&gate),
            clock,
            stop: Arc::clone(&health.stopping),
        };
        let memberships = memberships(&sockets, config.listen.interface.as_deref());
        let threads = pipeline::start(&plan, sockets, &lanes).map_err(RunError::System)?;
        let stages = Watch::new(threads.heartbeats, Instant::now());
        let measure = Measure::new(Arc::clone(&lanes), Arc::clone(&routing), Arc::clone(&buffers), clock);
        let measure = Arc::new(measure);
        let (measuring, thread) = start_measuring(&measure, intervals(&config)).map_err(RunError::System)?;
        let ended = watch(threads.handles.into_iter().chain([thread])).map_err(RunError::System)?;

        routing.load().outlets.keep(listen);
        let looking = tokio::spawn(Gate::watch(Arc::downgrade(&gate)));
        // Each ends with its socket.
        for (socket, membership) in memberships {
            tokio::spawn(keep_membership(socket, membership));
        }
        let reloads = Arc::new(Reloads::new(&config));
        let shown = Api {
            common: Common::new(Arc::clone(&reloads), Arc::clone(&health.draining)),
            routing: Arc::clone(&routing),
            lanes: Arc::clone(&lanes),
            measure,
            buffers,
            health: Arc::clone(&health),
            large: LargeAnswers::default(),
            bounded: LargeAnswers::default(),
            clock,
        };
        let serving = Serving::start(shown, api, config.api.idle_timeout);
        let parts = Parts { ended, stages, serving, looking, reloads };
        Ok((Running { lanes, routing, gate, health, measuring, listen }, parts))
    }
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
            let mut service = Service::prepare(CocoConfig::parse(text).unwrap()).await.unwrap();
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
