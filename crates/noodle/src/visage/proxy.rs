//! From a request below `/data` to its answer.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use coco_core::config::Fetch;
use coco_core::text::in_json;
use coco_daemon::http::{Request, Response};
use coco_daemon::logging::Throttle;
use hyper::StatusCode;
use hyper::body::Body as _;
use hyper::header::HeaderMap;
use thiserror::Error;
use tracing::{debug, warn};

use crate::ask::Content;
use crate::ask::lists;
use crate::ask::share::Share;
use crate::budget::Held;
use crate::failure::{ErrorCount, Failure};
use crate::fleet::gather::Gathered;
use crate::fleet::merge;
use crate::fleet::{Failed, Fleet, Wanted, aside};
use crate::pages::{Foreign, Pages};
use crate::visage::answer::{Origin, Origins, Reply};
use crate::visage::query::{self, NoFunction};
use crate::visage::request::{Asked, Bounds, Refused, Whom};

/// Room for `_meta` of a joined answer.
const ROOM: usize = 4096;

/// Failures that an error tells of.
const MOST_REASONS: usize = 20;

/// Answers requests below `/data`.
#[derive(Debug)]
pub struct Proxy {
    fleet: Arc<Fleet>,
    bounds: Bounds,
    pages: Pages,
    metadata: bool,
    /// How long a request waits for memory.
    patience: Duration,
    clock: fn() -> SystemTime,
    complaints: Mutex<Throttle>,
}

/// Why a callback is not called.
#[derive(Debug, Error)]
enum Uncalled {
    /// It can't be.
    #[error(transparent)]
    NoFunction(#[from] NoFunction),
    /// It must not be.
    #[error(transparent)]
    Foreign(#[from] Foreign),
}

impl Uncalled {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoFunction(_) => StatusCode::BAD_REQUEST,
            Self::Foreign(_) => StatusCode::FORBIDDEN,
        }
    }
}

impl Proxy {
    /// Answers from `fleet`, by the clock of the system.
    pub fn new(fleet: Arc<Fleet>, config: &Fetch) -> Self {
        let max_window = i64::try_from(config.max_window.as_secs()).unwrap_or(i64::MAX);
        Self {
            fleet,
            bounds: Bounds { max_hosts: config.max_hosts, max_window },
            pages: Pages::new(config),
            metadata: config.metadata,
            patience: config.proxy_timeout,
            clock: SystemTime::now,
            complaints: Mutex::new(Throttle::new()),
        }
    }

    /// Who is asked.
    pub fn fleet(&self) -> &Arc<Fleet> {
        &self.fleet
    }

    /// By another clock.
    #[must_use]
    pub fn with_clock(self, clock: fn() -> SystemTime) -> Self {
        Self { clock, ..self }
    }

    /// Answers, counts and logs.
    pub async fn answer(&self, request: &Request) -> Response {
        let started = Instant::now();
        let callback = query::callback(request.query());
        let has_callback = callback != Ok(None);
        let mut reply = match self.admit(request, callback) {
            Ok(Some(function)) => self.reply(request).await.called(&function),
            Ok(None) => self.reply(request).await,
            Err(uncalled) => Reply::error(uncalled.status(), uncalled),
        };
        reply.hold_for(request);
        let status = reply.status;
        self.fleet.counters.answered(status);
        let mut response = reply.respond();
        self.pages.add_to(response.headers_mut(), request.headers(), has_callback);
        debug!(
            method = %request.method(),
            path = %request.uri(),
            status = status.as_u16(),
            bytes = response.body().size_hint().lower(),
            took = ?started.elapsed(),
            "answered"
        );
        response
    }

    /// Header fields for who asks what may be asked.
    pub fn preflight(&self, request: &Request) -> HeaderMap {
        self.pages.preflight(request.headers())
    }

    /// The function that is called with the answer, if one is to be called.
    fn admit(
        &self,
        request: &Request,
        callback: Result<Option<String>, NoFunction>,
    ) -> Result<Option<String>, Uncalled> {
        let function = callback?;
        if function.is_some() {
            self.pages.admit(request.headers())?;
        }
        Ok(function)
    }

    async fn reply(&self, request: &Request) -> Reply {
        let now = (self.clock)().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        let asked = match Asked::read(request.uri(), i64::try_from(now).unwrap_or(i64::MAX), self.bounds) {
            Ok(asked) => asked,
            Err(refused) => {
                if refused.is_about_hosts() {
                    self.fleet.counters.error(ErrorCount::ConGet);
                    self.complain(request, &refused);
                }
                return Reply::error(refused.status(), refused);
            }
        };
        match &asked.whom {
            Whom::Owner(wanted) => self.one(wanted).await,
            Whom::Many { names, patterns } => self.many(&asked, names, patterns).await,
        }
    }

    /// One host: the bytes of one target.
    async fn one(&self, wanted: &Wanted) -> Reply {
        let host = &wanted.host;
        let Share { node, mut body, object, .. } = match self.fleet.ask_owner(host, wanted, None).await {
            Ok(Some(share)) => share,
            Ok(None) => return Reply::nothing(empty(wanted.content)),
            Err(failed) => return self.failed(&failed, wanted.path.as_str()),
        };
        self.fleet.counters.used(node.tier, body.bytes.len());
        let url = format!("{}{}", self.fleet.upstream(node).root(), wanted.path);
        let origin = Origin {
            host: &in_json(host),
            target: self.fleet.target(node),
            url: &url,
            tier: self.fleet.tier(node),
        };
        if self.metadata {
            object.splice(&mut body.bytes, |text| origin.write(text));
        }
        drop(object);
        // Gives back what the members took; for what `_meta` takes beyond the room for it, lent all the same.
        let _ = body.reservation.resize(body.bytes.capacity());
        let mut reply = Reply::found(body);
        origin.add_to(&mut reply.fields);
        reply
    }

    /// Many hosts: what many targets have of them, joined.
    async fn many(&self, asked: &Asked<'_>, names: &[Vec<u8>], patterns: &[String]) -> Reply {
        let bytes = asked.bytes() + Gathered::bytes(&self.fleet, names.len(), patterns.len());
        let _admitted = match self.fleet.crowd.admit(bytes, self.patience).await {
            Ok(admitted) => admitted,
            Err(exhausted) => return exhausted.into(),
        };
        // By number: rustc cannot see that a closure of references may go to another thread.
        let names = (0..names.len()).map(|number| asked.name(&names[number]));
        let patterns = patterns.iter().map(|pattern| asked.pattern(pattern)).collect();
        let gathered = Gathered::ask(&self.fleet, names, patterns).await;
        self.joined(asked, gathered).await
    }

    async fn joined(&self, asked: &Asked<'_>, gathered: Gathered) -> Reply {
        let (fleet, path) = (&*self.fleet, &asked.path);
        if !gathered.is_answered {
            return self.failed(&gathered.failed, "");
        }
        let bytes = merge::bytes(&gathered);
        let mut reservation = match fleet.budget.lend(bytes + ROOM, self.patience).await {
            Ok(reservation) => reservation,
            Err(exhausted) => return exhausted.into(),
        };
        let (joining, content) = (Arc::clone(&self.fleet), path.content);
        let join = move || (merge::join(&joining, content, &gathered), gathered);
        let (mut text, gathered) = aside(bytes, join).await;
        let Gathered { pieces, failed, .. } = gathered;
        let mut nodes = BTreeSet::new();
        for piece in pieces {
            fleet.counters.used(piece.share.node.tier, piece.share.body.bytes.len());
            nodes.insert(piece.share.node);
        }
        if !failed.is_empty() {
            fleet.counters.partial();
        }
        let hosts = in_json(&path.host);
        let origins = Origins::new(fleet, &hosts, &nodes, &failed);
        if self.metadata && !origins.is_empty() {
            let is_empty = text == b"{}";
            text.pop();
            text.extend_from_slice(if is_empty { b"\"_meta\":" } else { b",\"_meta\":" });
            origins.write(&mut text);
            text.push(b'}');
        }
        // Less than was reserved, but for a list with many escapes or errors; then it is lent all the same.
        let _ = reservation.resize(text.len());
        let mut reply = Reply::found(Held { bytes: text, reservation });
        origins.add_to(&mut reply.fields);
        reply
    }

    /// Nobody has it, and not all say so. The path is empty where each was asked for something else.
    fn failed(&self, failed: &[Failed], path: &str) -> Reply {
        let status = Failure::status(failed.iter().map(|(_, failure)| failure));
        let reason =
            |(node, failure): &Failed| format!("{}{path}: {failure}", self.fleet.upstream(*node).root());
        let mut reasons: Vec<_> = failed.iter().take(MOST_REASONS).map(reason).collect();
        reasons.sort_unstable();
        reasons.dedup();
        if failed.len() > MOST_REASONS {
            reasons.push(format!("and {} more", failed.len() - MOST_REASONS));
        }
        Reply::error(status, reasons.join("; "))
    }

    fn complain(&self, request: &Request, refused: &Refused) {
        let mut complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(suppressed) = complaints.pass(Instant::now()) {
            warn!(path = request.path(), cause = %refused, suppressed, "no host to look up");
        }
    }
}

/// What an answer is when there is nothing.
fn empty(content: Content) -> Vec<u8> {
    match content {
        Content::Series => b"{}".to_vec(),
        list => lists::write(list, []),
    }
}
