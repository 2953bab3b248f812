//! The parts that the threads of a server share.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use hyper::header::{CONNECTION, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Method, StatusCode};
use tokio::sync::watch;

use super::access::Access;
use super::activity::{Activity, Answering, LargeHeads};
use super::body::{self, Body, Response};
use super::connections::Connections;
use super::form;
use super::host;
use super::limits::Limits;
use super::request::Request;
use super::router::Routes;
use super::turns::Patience;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// The silence after which the thread of conversations is held to hang. Rounds of a full table are much
/// shorter.
const LONGEST_SILENCE: Duration = Duration::from_secs(10);

/// The parts that both threads share.
pub(super) struct Site {
    pub(super) router: Box<dyn Routes>,
    pub(super) limits: Limits,
    pub(super) connections: Arc<Connections>,
    pub(super) large_heads: Arc<LargeHeads>,
    pub(super) pulse: Arc<Pulse>,
    /// What clients are told of the time for the next request.
    keep_alive: HeaderValue,
}

/// So long a form may still come when the server stops.
const LAST_OF_FORMS: Duration = Duration::from_millis(500);

/// The signals that all tasks of a server watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Serving,
    /// No more than what is under way.
    Stopping,
    /// Not even that.
    Over,
}

/// A connection whose first request has begun.
pub(super) struct Newcomer {
    pub(super) stream: TcpStream,
    pub(super) began: Bytes,
    pub(super) client: SocketAddr,
}

/// Whether the thread that serves clients goes on.
pub struct Pulse {
    connections: Arc<Connections>,
    start: Instant,
    /// Milliseconds behind that.
    last: AtomicU64,
}

impl Pulse {
    fn new(connections: &Arc<Connections>) -> Self {
        Self { connections: Arc::clone(connections), start: Instant::now(), last: AtomicU64::new(0) }
    }

    pub(super) fn beat(&self) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    /// Requests in progress.
    pub fn unanswered(&self) -> usize {
        self.connections.busy()
    }

    /// Whether it left a sign lately.
    pub fn is_alive(&self) -> bool {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        self.start.elapsed().saturating_sub(last) < LONGEST_SILENCE
    }
}

impl Site {
    pub(super) fn new(router: Box<dyn Routes>, limits: Limits) -> Self {
        let patience = Patience {
            idle: Duration::ZERO,
            stalled: limits.contended_stall_timeout,
            busy: limits.answer_timeout,
        };
        let connections = Connections::new(limits.connections, patience);
        let large_heads = LargeHeads::new(Arc::clone(router.refusals()));
        let pulse = Arc::new(Pulse::new(&connections));
        let keep_alive = format!("timeout={}", limits.idle_timeout.as_secs());
        let keep_alive = HeaderValue::try_from(keep_alive).expect("a number is visible ASCII");
        Self { router, limits, connections, large_heads, pulse, keep_alive }
    }

    /// The answer to a request, however it came. A form that still comes when the server has stopped for a while is
    /// broken off.
    pub(super) async fn answer(
        &self,
        request: hyper::Request<Incoming>,
        activity: &Activity,
        stopped: Option<&watch::Receiver<Phase>>,
    ) -> Response {
        let (head, body) = request.into_parts();
        if let Some(fault) = host::fault(head.version, &head.headers) {
            return body::error(StatusCode::BAD_REQUEST, fault);
        }
        if let Some((takes, terms)) = self.router.body_terms(&head.method, head.uri.path()) {
            activity.set_reads_form(true);
            let form = tokio::select! {
                biased;
                form = form::receive(&head, body, takes, terms, &self.limits) => form,
                () = stopped_for_a_while(stopped) => {
                    Err((StatusCode::SERVICE_UNAVAILABLE, "this server stops: ask another".to_owned()))
                }
            };
            activity.set_reads_form(false);
            return match form {
                Ok(form) => {
                    let request = Request::received(head, Some(form), activity.place().hang_up());
                    self.router.answer(request).response().await
                }
                Err((status, message)) => body::error(status, message),
            };
        }
        if !body.is_end_stream() && matches!(head.method, Method::GET | Method::HEAD) {
            body::error(StatusCode::PAYLOAD_TOO_LARGE, "no request has a body here")
        } else {
            self.router.answer(Request::received(head, None, activity.place().hang_up())).response().await
        }
    }

    /// The answer as it leaves: whether it is the last of its connection, and how long the next request has time; who
    /// is to come again is told when.
    pub(super) fn finish(
        &self,
        mut response: Response,
        is_last: bool,
        answering: Answering,
        mut access: Option<Access>,
    ) -> hyper::Response<Sent> {
        let status = response.status();
        if let Some(access) = &mut access {
            access.answered(&response, self.router.tier_field());
        }
        let fields = response.headers_mut();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            fields.entry(RETRY_AFTER).or_insert(HeaderValue::from_static("1"));
        }
        if is_last || self.router.is_leaving() {
            fields.insert(CONNECTION, HeaderValue::from_static("close"));
        } else {
            fields.insert(KEEP_ALIVE, self.keep_alive.clone());
        }
        response.map(|body| Sent { body, access, _answering: answering })
    }
}

/// Ends when the server has been told to stop, and who was sending could have come to an end.
async fn stopped_for_a_while(stopped: Option<&watch::Receiver<Phase>>) {
    let Some(stopped) = stopped else { return std::future::pending().await };
    // Whoever tells is gone at the end only.
    let _ = stopped.clone().wait_for(|phase| *phase != Phase::Serving).await;
    tokio::time::sleep(LAST_OF_FORMS).await;
}

/// A body that counts as a request in progress until it is handed over.
pub(super) struct Sent {
    body: Body,
    access: Option<Access>,
    _answering: Answering,
}

impl hyper::body::Body for Sent {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        let Self { body, access: Some(access), .. } = &mut *self else { return polled };
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                access.sent(frame.data_ref().map_or(0, Bytes::len), body.is_end_stream());
            }
            Poll::Ready(None) => access.sent(0, true),
            Poll::Ready(Some(Err(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
