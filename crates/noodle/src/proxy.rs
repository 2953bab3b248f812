//! From a request below `/data` to its answer.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use coco_core::config::Fetch;
use coco_daemon::http::{Request, Response};
use coco_daemon::logging::Throttle;
use hyper::StatusCode;
use hyper::body::Body as _;
use tracing::{debug, warn};

use crate::answer::{self, Origin, Origins};
use crate::asked::{Asked, Bounds, Refused, Whom};
use crate::budget::Held;
use crate::counters::ErrorCount;
use crate::failure::Failure;
use crate::fleet::{Failed, Fleet, Share, Wanted, aside};
use crate::gather::Gathered;
use crate::join;
use crate::lists;
use crate::path::Content;

/// Room for `_meta` of a joined answer.
const ROOM: usize = 4096;

/// Answers requests below `/data`.
#[derive(Debug)]
pub struct Proxy {
    fleet: Arc<Fleet>,
    bounds: Bounds,
    metadata: bool,
    clock: fn() -> SystemTime,
    complaints: Mutex<Throttle>,
}

impl Proxy {
    /// Answers from `fleet`, by the clock of the system.
    pub fn new(fleet: Arc<Fleet>, config: &Fetch) -> Self {
        let max_window = i64::try_from(config.max_window.as_secs()).unwrap_or(i64::MAX);
        Self {
            fleet,
            bounds: Bounds { max_hosts: config.max_hosts, max_window },
            metadata: config.metadata,
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
        let response = match self.try_to_answer(request).await {
            Ok(response) => response,
            Err(refused) => {
                if refused.is_about_hosts() {
                    self.fleet.counters.error(ErrorCount::ConGet);
                    self.complain(request, &refused);
                }
                answer::error(refused.status(), &refused.to_string(), None)
            }
        };
        self.fleet.counters.answered(response.status());
        debug!(
            method = %request.method(),
            path = %request.uri(),
            status = response.status().as_u16(),
            bytes = response.body().size_hint().lower(),
            took = ?started.elapsed(),
            "answered"
        );
        response
    }

    async fn try_to_answer(&self, request: &Request) -> Result<Response, Refused> {
        let now = (self.clock)().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        let asked = Asked::read(request.uri(), i64::try_from(now).unwrap_or(i64::MAX), self.bounds)?;
        Ok(match &asked.whom {
            Whom::Owner(wanted) => self.one(wanted, asked.callback.as_deref()).await,
            Whom::Many { names, patterns } => self.many(&asked, names, patterns).await,
        })
    }

    /// One host: the bytes of one target.
    async fn one(&self, wanted: &Wanted, callback: Option<&str>) -> Response {
        let host = &wanted.host;
        let Share { node, mut body, object, .. } = match self.fleet.ask_owner(host, wanted, None).await {
            Ok(Some(share)) => share,
            Ok(None) => return answer::nothing(&empty(wanted.content), callback),
            Err(failed) => return self.failed(&failed, callback),
        };
        self.fleet.counters.used(node.tier, body.bytes.len());
        let url = format!("{}{}", self.fleet.upstream(node).root(), wanted.path);
        let origin = Origin {
            host: &String::from_utf8_lossy(host),
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
        let mut response = answer::found(body, callback);
        origin.add_to(response.headers_mut());
        response
    }

    /// Many hosts: what many targets have of them, joined.
    async fn many(&self, asked: &Asked<'_>, names: &[Vec<u8>], patterns: &[String]) -> Response {
        let Ok(_held) = self.fleet.budget.reserve(asked.bytes()) else {
            return no_memory(asked.callback.as_deref());
        };
        // By number: rustc cannot see that a closure of references may go to another thread.
        let names = (0..names.len()).map(|number| asked.name(&names[number]));
        let patterns = patterns.iter().map(|pattern| asked.pattern(pattern)).collect();
        let gathered = Gathered::ask(&self.fleet, names, patterns).await;
        self.joined(asked, gathered).await
    }

    async fn joined(&self, asked: &Asked<'_>, gathered: Gathered) -> Response {
        let (fleet, path, callback) = (&*self.fleet, &asked.path, asked.callback.as_deref());
        if !gathered.is_answered {
            return self.failed(&gathered.failed, callback);
        }
        let bytes = join::bytes(&gathered);
        let Ok(mut reservation) = fleet.budget.reserve(bytes + ROOM) else {
            return no_memory(callback);
        };
        let (joining, content) = (Arc::clone(&self.fleet), path.content);
        let join = move || (join::join(&joining, content, &gathered), gathered);
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
        let hosts = String::from_utf8_lossy(&path.host);
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
        let mut response = answer::found(Held { bytes: text, reservation }, callback);
        origins.add_to(response.headers_mut());
        response
    }

    /// Nobody has it, and not all say so.
    fn failed(&self, failed: &[Failed], callback: Option<&str>) -> Response {
        let status = Failure::status(failed.iter().map(|(_, failure)| failure));
        let mut reasons: Vec<_> =
            failed.iter().map(|(node, failure)| format!("{}: {failure}", self.fleet.target(*node))).collect();
        reasons.sort_unstable();
        reasons.dedup();
        answer::error(status, &reasons.join("; "), callback)
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

fn no_memory(callback: Option<&str>) -> Response {
    answer::error(StatusCode::SERVICE_UNAVAILABLE, &Failure::Memory.to_string(), callback)
}
