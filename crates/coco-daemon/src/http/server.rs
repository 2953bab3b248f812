//! Serves within limits, on two threads.
//!
//! ```text
//!            accept                                     conversations
//!   listener -----> lobby: what is asked for? --queue--> places: everything else
//!                     |
//!                     +--> /healthz, OPTIONS: answered there
//! ```
//!
//! Requests for `/healthz` share no queue with any others: neither the thread that answers nor a place in the table of
//! connections.

use std::io;
use std::net::TcpListener;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tracing::warn;

use super::conversation::receive;
use super::limits::Limits;
use super::lobby::Lobby;
use super::router::Router;
use super::site::{Newcomer, Phase, Pulse, Site};

/// The time between two signs of life of the thread of conversations.
const BEAT: Duration = Duration::from_millis(500);

/// The time that connections which are cut off have to be closed.
const LAST_ROUND: Duration = Duration::from_millis(200);

/// Serves until `shutdown` is ready, then gives requests in progress [`Limits::grace`]. Idle clients are not
/// waited for.
///
/// Runs within a tokio runtime with time; fails only when the listener can't be taken over.
pub async fn serve<S: Send + Sync + 'static>(
    listener: TcpListener,
    router: Router<S>,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let grace = limits.grace;
    let shutdown = async {
        shutdown.await;
        grace
    };
    Server::new(router, limits).serve_and_count(listener, shutdown).await.map(|_| ())
}

/// A server that does not serve yet.
pub struct Server {
    site: Arc<Site>,
}

impl Server {
    /// Serves `router` within `limits`.
    pub fn new<S: Send + Sync + 'static>(router: Router<S>, limits: Limits) -> Self {
        Self { site: Arc::new(Site::new(Box::new(router), limits)) }
    }

    /// Whether it goes on once it serves.
    pub fn pulse(&self) -> Arc<Pulse> {
        Arc::clone(&self.site.pulse)
    }

    /// Serves as [`serve`] does, with the grace that `shutdown` gives; returns how many requests were cut off when the
    /// grace was over.
    pub async fn serve_and_count(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = Duration>,
    ) -> io::Result<usize> {
        let Self { site } = self;
        listener.set_nonblocking(true)?;
        let (phase, stopped) = watch::channel(Phase::Serving);
        let (hand_over, newcomers) = mpsc::channel(site.limits.waiting());
        let lobby = Lobby::new(Arc::clone(&site), hand_over);
        let accepting = stopped.clone();
        let mut accepts = on_thread("accept", &stopped, async move || lobby.run(listener, accepting).await)?;
        let conversing = Arc::clone(&site);
        let mut converses = on_thread("http", &stopped.clone(), async move || {
            converse(conversing, newcomers, stopped).await
        })?;
        let grace = tokio::select! {
            biased;
            grace = shutdown => grace,
            ended = &mut accepts => return Err(failure(ended)),
            ended = &mut converses => return Err(failure(ended)),
        };
        phase.send_replace(Phase::Stopping);
        let mut both = pin!(async {
            let _ = accepts.await;
            let _ = converses.await;
        });
        if tokio::time::timeout(grace, &mut both).await.is_ok() {
            return Ok(0);
        }
        // A client that neither reads nor waits for an answer has nothing to lose.
        let unanswered = site.connections.busy();
        if unanswered > 0 {
            warn!(requests = unanswered, "HTTP requests in progress are cut off");
        }
        phase.send_replace(Phase::Over);
        // A thread that hangs is not waited for.
        let _ = tokio::time::timeout(LAST_ROUND, both).await;
        Ok(unanswered)
    }
}

/// Nothing of these ends by itself unless it fails.
fn failure<T>(ended: Result<io::Result<T>, oneshot::error::RecvError>) -> io::Error {
    match ended {
        Ok(Err(problem)) => problem,
        Ok(Ok(_)) | Err(_) => io::Error::other("a thread of the HTTP server has ended"),
    }
}

/// Runs on a thread with a runtime of its own, until it ends or all is over.
fn on_thread<T: Send + 'static>(
    name: &str,
    phase: &watch::Receiver<Phase>,
    run: impl AsyncFnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<oneshot::Receiver<io::Result<T>>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (tell, told) = oneshot::channel();
    let mut phase = phase.clone();
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        let result = runtime.block_on(async {
            tokio::select! {
                result = run() => result,
                _ = phase.wait_for(|phase| *phase == Phase::Over) => Err(io::ErrorKind::TimedOut.into()),
            }
        });
        // A resolver that does not answer, or a producer whose client does not read, is not waited for.
        runtime.shutdown_background();
        let _ = tell.send(result);
    })?;
    Ok(told)
}

/// Serves those who have a place until it is told to stop and all are answered.
async fn converse(
    site: Arc<Site>,
    newcomers: mpsc::Receiver<Newcomer>,
    stopped: watch::Receiver<Phase>,
) -> io::Result<()> {
    let beating = {
        let pulse = Arc::clone(&site.pulse);
        tokio::spawn(async move {
            let mut beats = tokio::time::interval(BEAT);
            loop {
                beats.tick().await;
                pulse.beat();
            }
        })
    };
    receive(newcomers, &site, &stopped).await;
    beating.abort();
    Ok(())
}
