//! From a request below `/data` to its answer.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ::visage::answer::Form;
use coco_core::config::Fetch;
use coco_core::text::in_json;
use coco_daemon::http::{Request, Response};
use coco_daemon::logging::Throttle;
use hyper::StatusCode;
use hyper::body::Body as _;
use hyper::header::HeaderMap;
use thiserror::Error;
use tracing::{debug, warn};

use super::answer::Reply;
use super::merge;
use super::origin::{Origin, Origins, RowsOrigin, errors};
use super::query::{self, NoFunction};
use super::request::{Asked, Bounds, Refused, Whom};
use crate::aside::aside;
use crate::ask::text::Text;
use crate::ask::{self, Content, Question, Window, lists};
use crate::budget::{Exhausted, Held};
use crate::dialect::lasting::Clock;
use crate::dialect::pages::{Foreign, Pages};
use crate::failure::{ErrorCount, Failure};
use crate::fleet::gather::Gathered;
use crate::fleet::owner::{Found, Piece};
use crate::fleet::{Failed, Fleet, Node};
use crate::json::object::Object;

/// Room for `_meta` of a joined answer.
const ROOM: usize = 4096;

/// What a request stands for is paid for from so many bytes on.
const LITTLE: usize = 4096;

/// Failures that an error tells of.
const MOST_REASONS: usize = 20;

/// Answers requests below `/data`.
#[derive(Debug)]
pub struct Proxy {
    fleet: Arc<Fleet>,
    bounds: Bounds,
    pages: Pages,
    metadata: bool,
    fill_gaps: bool,
    /// How long a request waits for memory.
    patience: Duration,
    clock: Clock,
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
        let has_rows = fleet.has_rows();
        Self {
            fleet,
            bounds: Bounds { max_hosts: config.max_hosts.get(), max_window, has_rows },
            pages: Pages::new(config),
            metadata: config.metadata,
            fill_gaps: config.fill_gaps,
            patience: config.proxy_timeout,
            clock: Clock::SYSTEM,
            complaints: Mutex::new(Throttle::new()),
        }
    }

    /// Who is asked.
    pub fn fleet(&self) -> &Arc<Fleet> {
        &self.fleet
    }

    /// By another clock.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
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
        let asked = match Asked::read(request.uri(), self.clock.seconds(), self.bounds) {
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
            Whom::Owner(question) => self.one(&asked, question).await,
            Whom::Many { names, patterns } => self.many(&asked, names, patterns).await,
        }
    }

    /// One host: the bytes of one target, or the rows of those that have it.
    async fn one(&self, asked: &Asked<'_>, question: &Question) -> Reply {
        let host = question.hosts.shown();
        // What a request takes by itself is bounded by its length, but not what braces in it stand for.
        let _lent = match asked.bytes() {
            bytes @ LITTLE.. => match self.fleet.budget.lend(bytes, self.patience).await {
                Ok(lent) => Some(lent),
                Err(exhausted) => return exhausted.into(),
            },
            _ => None,
        };
        let Found { nodes, reply, failed } = match self.fleet.ask_owner(host, question, &[], None).await {
            Ok(Some(found)) => found,
            Ok(None) => return Reply::nothing(empty(question.want)),
            Err(failed) => return self.failed(&failed, Some(question)),
        };
        let node = nodes[0];
        self.fleet.counters.used(node.tier, reply.bytes());
        let url = self.fleet.upstream(node).shown(question);
        let mut origin = Origin {
            host: &in_json(host),
            target: self.fleet.target(node),
            url: &url,
            tier: self.fleet.tier(node),
            stage: self.fleet.stage(node.tier, host),
            rows: RowsOrigin::default(),
        };
        let (mut body, object) = match reply {
            ask::Reply::Text(Text { body, object, .. }) => (body, object),
            reply => {
                origin.rows = self.origin_of(&nodes, &reply, &failed);
                match self.write(asked, Arc::from(host), reply).await {
                    Ok(written) => written,
                    Err(exhausted) => return exhausted.into(),
                }
            }
        };
        if !failed.is_empty() {
            self.fleet.counters.partial();
        }
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

    fn origin_of(&self, nodes: &[Node], reply: &ask::Reply, failed: &[Failed]) -> RowsOrigin {
        RowsOrigin {
            sources: nodes.iter().map(|node| self.fleet.target(*node).to_owned()).collect(),
            tree_age: tree_age(reply),
            errors: errors(&self.fleet, failed),
        }
    }

    /// Rows or names of one host as Visage would write them.
    async fn write(
        &self,
        asked: &Asked<'_>,
        host: Arc<[u8]>,
        reply: ask::Reply,
    ) -> Result<(Held, Object), Exhausted> {
        let bytes = merge::reply_bytes(&reply);
        let mut reservation = self.fleet.budget.lend(bytes + ROOM, self.patience).await?;
        let (form, content) = (self.form(asked), asked.path.content);
        let write = move || match &reply {
            ask::Reply::Series(rows) => merge::written(&host, rows, form, ROOM),
            names => lists::write(content, merge::names(names)),
        };
        let mut bytes = aside(bytes, write).await;
        bytes.reserve(ROOM);
        // Less than was reserved, but for names with many escapes; then it is lent all the same.
        let _ = reservation.resize(bytes.capacity());
        let object = Object::whole(&bytes);
        Ok((Held { bytes, reservation }, object))
    }

    fn form(&self, asked: &Asked<'_>) -> Form {
        let Window { start, finish, .. } = asked.window;
        Form { start, finish, percentiles: asked.percentiles, fill_gaps: self.fill_gaps }
    }

    /// Many hosts: what many targets have of them, joined.
    async fn many(&self, asked: &Asked<'_>, names: &[Vec<u8>], patterns: &[Vec<Vec<u8>>]) -> Reply {
        let bytes = asked.bytes() + Gathered::bytes(&self.fleet, names.len(), patterns.len());
        let _admitted = match self.fleet.crowd.admit(bytes, self.patience).await {
            Ok(admitted) => admitted,
            Err(exhausted) => return exhausted.into(),
        };
        // By number: rustc cannot see that a closure of references may go to another thread.
        let names = (0..names.len()).map(|number| asked.name(&names[number]));
        let patterns = patterns.iter().map(|patterns| asked.patterns(patterns)).collect();
        let gathered = Gathered::ask(&self.fleet, names, patterns).await;
        self.joined(asked, gathered).await
    }

    async fn joined(&self, asked: &Asked<'_>, gathered: Gathered) -> Reply {
        let (fleet, path) = (&*self.fleet, &asked.path);
        if !gathered.is_answered {
            return self.failed(&gathered.failed, None);
        }
        let bytes = merge::bytes(&gathered);
        let mut reservation = match fleet.budget.lend(bytes + ROOM, self.patience).await {
            Ok(reservation) => reservation,
            Err(exhausted) => return exhausted.into(),
        };
        let (joining, content, form) = (Arc::clone(&self.fleet), path.content, self.form(asked));
        let join = move || (merge::join(&joining, content, form, &gathered), gathered);
        let (mut text, gathered) = aside(bytes, join).await;
        let Gathered { pieces, failed, .. } = gathered;
        let mut nodes = BTreeSet::new();
        let (mut has_rows, mut age) = (false, None);
        for Piece { found, .. } in pieces {
            fleet.counters.used(found.nodes[0].tier, found.reply.bytes());
            has_rows |= !matches!(found.reply, ask::Reply::Text(_));
            age = age.max(tree_age(&found.reply));
            nodes.extend(found.nodes);
        }
        if !failed.is_empty() {
            fleet.counters.partial();
        }
        let hosts = in_json(&path.host);
        let mut origins = Origins::new(fleet, &hosts, &nodes, &failed);
        origins.tree_age = age;
        origins.sources = has_rows.then(|| origins.targets.join(", "));
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

    /// Nobody has it, and not all say so; none where each was asked for something else.
    fn failed(&self, failed: &[Failed], question: Option<&Question>) -> Reply {
        let status = Failure::status(failed.iter().map(|(_, failure)| failure));
        let asked = |node: Node| {
            let upstream = self.fleet.upstream(node);
            question.map_or_else(|| upstream.root().to_owned(), |question| upstream.shown(question))
        };
        let reason = |(node, failure): &Failed| format!("{}: {failure}", asked(*node));
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

/// Seconds since hosts or metrics were listed for it, if they were.
fn tree_age(reply: &ask::Reply) -> Option<u64> {
    match reply {
        ask::Reply::Text(_) => None,
        ask::Reply::Series(rows) => rows.listed.map(|listed| listed.elapsed().as_secs()),
        ask::Reply::Names(names) => Some(names.age),
    }
}

/// What an answer is when there is nothing.
fn empty(content: Content) -> Vec<u8> {
    match content {
        Content::Series => b"{}".to_vec(),
        list => lists::write::<String>(list, []),
    }
}
