//! Accepts connections, and looks what each asks for first.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io::{self, Read as _};
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::StatusCode;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::access::Access;
use super::activity::Activity;
use super::body;
use super::connections::{Connections, Place};
use super::site::{Newcomer, Phase, Site};
use super::socket::{Socket, tune};
use super::turns::Patience;
use crate::logging::Throttle;

/// The time to leave `accept` alone after it failed and no connection was idle.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// As much of a request is read to see what it is.
const GLANCE: usize = 1024;

/// The time in which a client that has come before the stop has to make its request.
const LATE: Duration = Duration::from_millis(100);

/// Whoever comes has a moment to say what it wants, however many come behind it: they wait in the queue of the kernel.
/// Nobody in the lobby is busy for long.
const PATIENCE: Patience = Patience {
    idle: Duration::from_millis(200),
    stalled: Duration::from_millis(200),
    busy: Duration::from_secs(1),
};

pub(super) struct Lobby {
    site: Arc<Site>,
    places: Arc<Connections>,
    hand_over: mpsc::Sender<Newcomer>,
}

impl Lobby {
    pub(super) fn new(site: Arc<Site>, hand_over: mpsc::Sender<Newcomer>) -> Self {
        let places = Connections::new(site.limits.lobby(), PATIENCE);
        Self { site, places, hand_over }
    }

    /// Accepts until it is told to stop, and ends when all who have come are served or handed over.
    pub(super) async fn run(
        self,
        listener: TcpListener,
        mut stopped: watch::Receiver<Phase>,
    ) -> io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let lobby = Arc::new(self);
        let mut tasks = JoinSet::new();
        let mut throttle = Throttle::new();
        loop {
            tokio::select! {
                biased;
                accepted = listener.accept() => match accepted {
                    Ok((stream, client)) => lobby.welcome(stream, client, &mut tasks, &stopped).await,
                    // The client left the queue before its turn.
                    Err(problem) if problem.kind() == io::ErrorKind::ConnectionAborted => {}
                    Err(problem) => lobby.make_room(&problem, &mut throttle).await,
                },
                // Whoever the kernel has let in by then has been accepted.
                _ = stopped.changed() => break,
            }
        }
        drop(listener);
        while tasks.join_next().await.is_some() {}
        Ok(())
    }

    async fn welcome(
        self: &Arc<Self>,
        stream: TcpStream,
        client: SocketAddr,
        tasks: &mut JoinSet<()>,
        stopped: &watch::Receiver<Phase>,
    ) {
        while tasks.try_join_next().is_some() {}
        let place = self.places.enter().await;
        tasks.spawn(Arc::clone(self).meet(stream, client, place, stopped.clone()));
        // Those who are here come before the next.
        yield_now().await;
    }

    /// No descriptor or no memory: an idle client has one to spare.
    async fn make_room(&self, problem: &io::Error, throttle: &mut Throttle) {
        if let Some(suppressed) = throttle.pass(Instant::now()) {
            warn!(%problem, suppressed, "cannot accept HTTP connections");
        }
        if self.site.connections.evict_longest_idle() || self.places.evict_longest_idle() {
            // Both threads have a moment to close it.
            sleep(Duration::from_millis(1)).await;
        } else {
            sleep(ACCEPT_PAUSE).await;
        }
    }

    async fn meet(
        self: Arc<Self>,
        stream: TcpStream,
        client: SocketAddr,
        place: Place,
        mut stopped: watch::Receiver<Phase>,
    ) {
        if !tune(&stream) {
            return;
        }
        let too_late = async {
            let _ = stopped.changed().await;
            sleep(LATE).await;
        };
        let asked = tokio::select! {
            biased;
            // A client that has sent a request is not idle: then it is our turn.
            asked = timeout(self.site.limits.head_timeout, glance(&stream)) => asked,
            () = place.evicted() => return,
            () = too_late => return,
        };
        match asked {
            Ok(Ok((began, Asked::AtOnce))) => self.answer(stream, client, began, place, None).await,
            Ok(Ok((began, Asked::Other))) => {
                if let Some((stream, began)) = self.pass_on(stream, client, began) {
                    self.site.router.refusals().add();
                    let refusal = "too many clients are waiting: try again later";
                    self.answer(stream, client, began, place, Some(refusal)).await;
                }
            }
            Ok(Err(_)) | Err(_) => {}
        }
    }

    /// Hands a client over to those who answer everything else; returns it where too many wait for that.
    fn pass_on(&self, stream: TcpStream, client: SocketAddr, began: Bytes) -> Option<(TcpStream, Bytes)> {
        match self.hand_over.try_reserve() {
            Ok(permit) => match stream.into_std() {
                Ok(stream) => permit.send(Newcomer { stream, began, client }),
                Err(problem) => debug!(%problem, "an HTTP client is lost"),
            },
            Err(mpsc::error::TrySendError::Full(())) => return Some((stream, began)),
            Err(mpsc::error::TrySendError::Closed(())) => {}
        }
        None
    }

    /// Answers one request, or refuses it; who has more is passed on.
    async fn answer(
        &self,
        stream: TcpStream,
        client: SocketAddr,
        began: Bytes,
        place: Place,
        refusal: Option<&'static str>,
    ) {
        let activity = Activity::new(place, Arc::clone(&self.site.large_heads), client, true);
        let socket = Socket::of_one_head(stream, began, Arc::clone(&activity));
        let is_last = AtomicBool::new(refusal.is_some());
        let service = service_fn(async |request: hyper::Request<Incoming>| {
            // Bytes of a body follow, which are no head.
            is_last.fetch_or(!request.body().is_end_stream(), Ordering::Relaxed);
            let answering = activity.begin_request();
            let access = Access::begin(client, &request);
            let response = match refusal {
                None => self.site.answer(request, &activity, None).await,
                Some(refusal) => body::error(StatusCode::SERVICE_UNAVAILABLE, refusal),
            };
            Ok::<_, Infallible>(self.site.finish(
                response,
                is_last.load(Ordering::Relaxed),
                answering,
                access,
            ))
        });
        let mut connection = http1::Builder::new()
            .max_header_size(self.site.limits.head_size)
            .max_headers(self.site.limits.head_fields)
            .half_close(true)
            .serve_connection(socket, service);
        let answered = poll_fn(|context| {
            let ended = Pin::new(&mut connection).poll(context).map(|_| false);
            activity.settle();
            if activity.is_idle() && ended.is_pending() { Poll::Ready(true) } else { ended }
        });
        let goes_on = tokio::select! {
            biased;
            () = activity.place().evicted() => false,
            answered = timeout(self.site.limits.head_timeout, answered) => answered.unwrap_or(false),
        };
        if goes_on && !is_last.load(Ordering::Relaxed) {
            let (stream, began) = connection.into_parts().io.into_parts();
            // Where too many wait it ends as any idle connection may.
            drop(self.pass_on(stream, client, began));
        }
    }
}

/// The kind of a client's request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// One that is answered without a look at anything large.
    AtOnce,
    Other,
}

/// The beginnings of requests that are answered at once.
const AT_ONCE: [&[u8]; 5] =
    [b"GET /healthz ", b"GET /healthz?", b"HEAD /healthz ", b"HEAD /healthz?", b"OPTIONS "];

impl Asked {
    /// By the first bytes of a request; none where more are needed.
    fn of(began: &[u8]) -> Option<Self> {
        if AT_ONCE.iter().any(|start| began.starts_with(start)) {
            Some(Self::AtOnce)
        } else if AT_ONCE.iter().any(|start| start.starts_with(began)) {
            None
        } else {
            Some(Self::Other)
        }
    }
}

/// Reads until it is clear what is asked for.
async fn glance(stream: &TcpStream) -> io::Result<(Bytes, Asked)> {
    let mut began = Vec::new();
    let mut bytes = [0; GLANCE];
    // Most have sent their request by now, which the runtime sees only at its next look at all sockets.
    let mut read = (&*SockRef::from(stream)).read(&mut bytes);
    loop {
        let length = match read {
            // Nothing, or no request: either way nobody waits for an answer.
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => length,
            Err(problem) if problem.kind() == io::ErrorKind::WouldBlock => 0,
            Err(problem) => return Err(problem),
        };
        began.extend_from_slice(&bytes[..length]);
        if let Some(asked) = Asked::of(&began) {
            return Ok((began.into(), asked));
        }
        stream.readable().await?;
        read = stream.try_read(&mut bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_known_by_its_first_bytes() {
        for (began, asked) in [
            ("", None),
            ("G", None),
            ("GET /healthz", None),
            ("OPTIONS", None),
            ("GET /healthz HTTP/1.1\r\n", Some(Asked::AtOnce)),
            ("HEAD /healthz?x HTTP/1.1\r\n", Some(Asked::AtOnce)),
            ("OPTIONS / HTTP/1.0", Some(Asked::AtOnce)),
            ("GET /healthzz", Some(Asked::Other)),
            ("GET /m", Some(Asked::Other)),
            ("POST", Some(Asked::Other)),
            ("\r\n", Some(Asked::Other)),
        ] {
            assert_eq!(Asked::of(began.as_bytes()), asked, "{began:?}");
        }
    }
}
