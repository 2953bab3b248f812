//! Binds, accepts and serves within limits.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use coco_core::address::Address;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, SockRef, Socket, Type};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::body::{self, Body};
use super::connections::{Connections, InProgress, Place};
use super::router::{Request, Router};
use crate::descriptors;
use crate::logging::Throttle;

/// Clients that the kernel keeps waiting for [`serve`] to accept them.
const BACKLOG: i32 = 1024;

/// How long to leave `accept` alone after it failed and no connection was idle.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a client may take of us.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at a time. A newcomer takes the place of the longest idle one.
    pub connections: usize,
    /// From the moment a request may begin until its head is complete; so an idle connection lasts no longer.
    pub head_timeout: Duration,
    /// Bytes of a request's first line and header fields.
    pub head_size: usize,
    /// Number of header fields.
    pub head_fields: usize,
    /// A client that takes none of its answer for so long is disconnected.
    pub stall_timeout: Duration,
    /// A client that takes longer over an answer loses its connection when others wait for a place.
    pub answer_timeout: Duration,
    /// At shutdown, what requests in progress still get.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            head_timeout: Duration::from_secs(5),
            head_size: 16 * 1024,
            head_fields: 100,
            stall_timeout: Duration::from_secs(30),
            answer_timeout: Duration::from_secs(60),
            grace: Duration::from_secs(1),
        }
    }
}

impl Limits {
    /// The default, but no more connections than half of the descriptors that this process may have: it needs some for
    /// other things too.
    pub fn of_process() -> Self {
        Self::default().within(descriptors::limit())
    }

    fn within(self, descriptors: usize) -> Self {
        Self { connections: self.connections.min(descriptors / 2).max(1), ..self }
    }
}

/// An address that cannot be listened on.
#[derive(Debug, Error)]
#[error("cannot listen on {address} for HTTP: {source}")]
pub struct BindError {
    address: Address,
    source: io::Error,
}

/// Listens on `address`, on the first that works where it is a name of several. All addresses (`":9090"`) means
/// IPv6 and IPv4, IPv4 alone where IPv6 is off. Resolving a name blocks.
pub fn bind(address: &Address) -> Result<TcpListener, BindError> {
    let listener = if address.is_all() {
        listen((Ipv6Addr::UNSPECIFIED, address.port()).into()).or_else(|problem| {
            // A port that is taken for one of the two is taken.
            if problem.kind() == io::ErrorKind::AddrInUse {
                return Err(problem);
            }
            listen((Ipv4Addr::UNSPECIFIED, address.port()).into())
        })
    } else {
        listen_on_first(address)
    };
    listener.map_err(|source| BindError { address: address.clone(), source })
}

fn listen_on_first(address: &Address) -> io::Result<TcpListener> {
    let mut problem = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for candidate in (address.host(), address.port()).to_socket_addrs()? {
        match listen(candidate) {
            Ok(listener) => return Ok(listener),
            Err(refused) => problem = refused,
        }
    }
    Err(problem)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.ip() == Ipv6Addr::UNSPECIFIED {
        socket.set_only_v6(false)?;
    }
    // A restart must not wait for the connections of the last run to leave TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Serves until `shutdown` is ready, then gives requests in progress [`Limits::grace`]. Idle clients are not
/// waited for.
///
/// Runs within a tokio runtime with network and time; fails only when that cannot take the listener over.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let grace = limits.grace;
    let shutdown = async {
        shutdown.await;
        grace
    };
    serve_and_count(listener, router, limits, shutdown).await.map(|_| ())
}

/// The same, with the grace that `shutdown` gives; returns how many connections were cut off with a request in progress
/// when the grace was over.
pub async fn serve_and_count(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = Duration>,
) -> io::Result<usize> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let (stop, stopped) = watch::channel(());
    let mut tasks = JoinSet::new();
    let grace = {
        let server = Arc::new(Server { router, limits });
        let mut shutdown = pin!(shutdown);
        let mut accept = pin!(server.accept(listener, &mut tasks, stopped));
        tokio::select! {
            biased;
            grace = &mut shutdown => grace,
            never = &mut accept => match never {},
        }
    };
    drop(stop);
    let finished = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(grace, finished).await.is_err() {
        warn!(requests = tasks.len(), "HTTP requests in progress are cut off");
    }
    Ok(tasks.len())
}

struct Server {
    router: Router,
    limits: Limits,
}

impl Server {
    async fn accept(
        self: &Arc<Self>,
        listener: tokio::net::TcpListener,
        tasks: &mut JoinSet<()>,
        stopped: watch::Receiver<()>,
    ) -> Infallible {
        let connections = Connections::new(self.limits.connections, self.limits.answer_timeout);
        let mut throttle = Throttle::new();
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let place = connections.enter().await;
                    while tasks.try_join_next().is_some() {}
                    tasks.spawn(Arc::clone(self).converse(stream, place, stopped.clone()));
                }
                // The client left the queue before its turn.
                Err(problem) if problem.kind() == io::ErrorKind::ConnectionAborted => {}
                // No descriptor or no memory: an idle client has one to spare.
                Err(problem) => {
                    if let Some(suppressed) = throttle.pass(Instant::now()) {
                        warn!(%problem, suppressed, "cannot accept HTTP connections");
                    }
                    if connections.evict_longest_idle() {
                        tokio::task::yield_now().await;
                    } else {
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        }
    }

    /// Serves one connection until it ends, is evicted, or the server stops.
    async fn converse(self: Arc<Self>, stream: TcpStream, place: Place, mut stopped: watch::Receiver<()>) {
        let tuned = stream
            .set_nodelay(true)
            .and_then(|()| SockRef::from(&stream).set_tcp_user_timeout(Some(self.limits.stall_timeout)));
        if let Err(problem) = tuned {
            debug!(%problem, "an HTTP client left at once");
            return;
        }
        let service = service_fn(|mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(place.hang_up());
            self.answer(request, place.begin_request())
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head_timeout)
            .max_header_size(self.limits.head_size)
            .max_headers(self.limits.head_fields)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let mut stopping = false;
        loop {
            tokio::select! {
                biased;
                () = place.evicted() => return,
                result = &mut connection => {
                    if let Err(problem) = result {
                        debug!(%problem, "an HTTP connection ended early");
                    }
                    return;
                }
                _ = stopped.changed(), if !stopping => {
                    stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
    }

    async fn answer(
        &self,
        request: hyper::Request<Incoming>,
        in_progress: InProgress,
    ) -> Result<hyper::Response<Guarded>, Infallible> {
        let (head, body) = request.into_parts();
        let refused = !body.is_end_stream() && matches!(head.method, Method::GET | Method::HEAD);
        let response = if refused {
            body::error(StatusCode::PAYLOAD_TOO_LARGE, "no request has a body here")
        } else {
            self.router.answer(Request::new(head)).await
        };
        Ok(response.map(|body| Guarded { body, _in_progress: in_progress }))
    }
}

/// A body that counts as a request in progress until it is sent.
struct Guarded {
    body: Body,
    _in_progress: InProgress,
}

impl hyper::body::Body for Guarded {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_descriptors_are_for_clients() {
        let connections = |descriptors| Limits::default().within(descriptors).connections;
        assert_eq!([0, 1, 2, 1000, 2048, usize::MAX].map(connections), [1, 1, 1, 500, 1024, 1024]);
    }
}
