//! From a request below `/data` to its answer.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use coco_core::config::Fetch;
use coco_daemon::http::{Request, Response};
use coco_daemon::logging::Throttle;
use hyper::StatusCode;
use hyper::body::Body as _;
use hyper::http::uri::PathAndQuery;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use thiserror::Error;
use tracing::{debug, warn};

use crate::answer::{self, Origin, Origins};
use crate::budget::Held;
use crate::counters::ErrorCount;
use crate::failure::Failure;
use crate::fleet::{Failed, Fleet, Share, Wanted};
use crate::gather::Gathered;
use crate::hosts::{self, Hosts, HostsError};
use crate::join;
use crate::lists;
use crate::path::{Content, DataPath, PathError};
use crate::query::{Query, QueryError};

/// What stands in a path for itself. Servers refuse braces and brackets as they are, and a question mark would end
/// the path.
const NAME: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'*')
    .remove(b',')
    .remove(b':');

/// Patterns are asked for together as long as their path is no longer; WEBrick takes 2083 bytes.
const PATTERNS_LENGTH: usize = 1024;

/// Room for `_meta` of a joined answer.
const ROOM: usize = 4096;

/// Answers requests below `/data`.
#[derive(Debug)]
pub struct Proxy {
    fleet: Arc<Fleet>,
    max_hosts: usize,
    /// In seconds.
    max_window: i64,
    metadata: bool,
    clock: fn() -> SystemTime,
    complaints: Mutex<Throttle>,
}

/// Why a request is answered with 400.
#[derive(Debug, Error)]
enum Refused {
    #[error(transparent)]
    Path(#[from] PathError),
    #[error(transparent)]
    Hosts(#[from] HostsError),
    #[error(transparent)]
    Query(#[from] QueryError),
}

impl Refused {
    fn is_about_hosts(&self) -> bool {
        matches!(self, Self::Path(PathError::Host(_)) | Self::Hosts(_))
    }
}

impl Proxy {
    /// Answers from `fleet`, by the clock of the system.
    pub fn new(fleet: Arc<Fleet>, config: &Fetch) -> Self {
        Self {
            fleet,
            max_hosts: config.max_hosts,
            max_window: i64::try_from(config.max_window.as_secs()).unwrap_or(i64::MAX),
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
                answer::error(StatusCode::BAD_REQUEST, &refused.to_string(), None)
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
        let path = DataPath::parse(request.path())?;
        let now = (self.clock)().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        let query = Query::parse(request.query(), now, self.max_window)?;
        if path.content != Content::Hosts && hosts::is_plain(&path.host) {
            let whole = forwarded(request, path.whole, &query);
            return Ok(self.one(&path, &path.host, whole, &query).await);
        }
        let (names, patterns) = match path.content {
            Content::Hosts => (Vec::new(), vec![forwarded(request, path.whole, &query)]),
            _ => {
                let hosts = Hosts::expand(&path.host, self.max_hosts)?;
                if let ([name], []) = (&hosts.names[..], &hosts.patterns[..]) {
                    let whole = composed(&encoded(name), &path, &query);
                    return Ok(self.one(&path, name, whole, &query).await);
                }
                let patterns =
                    together(&hosts.patterns).iter().map(|part| composed(part, &path, &query)).collect();
                (hosts.names, patterns)
            }
        };
        let wanted = |host: &[u8], path_and_query| Wanted {
            content: path.content,
            host: host.into(),
            path: path_and_query,
        };
        let names = names.iter().map(|name| wanted(name, composed(&encoded(name), &path, &query))).collect();
        let patterns = patterns.into_iter().map(|whole| wanted(&path.host, whole)).collect();
        let gathered = Gathered::ask(&self.fleet, names, patterns).await;
        Ok(self.joined(&path, gathered, query.callback.as_deref()))
    }

    /// One host: the bytes of one target.
    async fn one(
        &self,
        path: &DataPath<'_>,
        host: &[u8],
        whole: PathAndQuery,
        query: &Query<'_>,
    ) -> Response {
        let callback = query.callback.as_deref();
        let wanted = Wanted { content: path.content, host: host.into(), path: whole };
        let Share { node, mut body, object, .. } = match self.fleet.ask_owner(host, &wanted, None).await {
            Ok(Some(share)) => share,
            Ok(None) => return answer::nothing(&empty(path.content), callback),
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
        let mut response = answer::found(body, callback);
        origin.add_to(response.headers_mut());
        response
    }

    fn joined(&self, path: &DataPath<'_>, gathered: Gathered, callback: Option<&str>) -> Response {
        let fleet = &*self.fleet;
        if !gathered.is_answered {
            return self.failed(&gathered.failed, callback);
        }
        let bytes: usize = gathered.pieces.iter().map(|piece| piece.share.body.bytes.len()).sum();
        let Ok(mut reservation) = fleet.budget.reserve(bytes + ROOM) else {
            return answer::error(StatusCode::SERVICE_UNAVAILABLE, &Failure::Memory.to_string(), callback);
        };
        let mut text = join::join(fleet, path.content, &gathered);
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

/// The path and query as they came, less what is Noodle's.
fn forwarded(request: &Request, path: &str, query: &Query<'_>) -> PathAndQuery {
    if let Some(as_it_came) = request.uri().path_and_query()
        && path.len() == as_it_came.path().len()
        && !matches!(query.forwarded, Some(Cow::Owned(_)))
        && query.forwarded.is_some() == as_it_came.query().is_some()
    {
        return as_it_came.clone();
    }
    with_query(path.to_owned(), query)
}

/// A path with another part for hosts, which is encoded.
fn composed(host: &str, path: &DataPath<'_>, query: &Query<'_>) -> PathAndQuery {
    with_query(format!("/data/{host}{}", path.rest), query)
}

fn with_query(mut path: String, query: &Query<'_>) -> PathAndQuery {
    if let Some(query) = &query.forwarded {
        path.push('?');
        path.push_str(query);
    }
    path.try_into().expect("parts of a URL, and what is percent-encoded, make a URL")
}

fn encoded(name: &[u8]) -> String {
    percent_encode(name, NAME).to_string()
}

/// Parts of paths that stand for all of these patterns: in braces, as Visage takes several.
fn together(patterns: &[Vec<u8>]) -> Vec<String> {
    let mut parts: Vec<Vec<String>> = Vec::new();
    let mut length = 0;
    for pattern in patterns {
        let pattern = encoded(pattern);
        length += pattern.len() + 1;
        match parts.last_mut() {
            Some(part) if length <= PATTERNS_LENGTH => part.push(pattern),
            _ => {
                length = pattern.len();
                parts.push(vec![pattern]);
            }
        }
    }
    let part =
        |part: Vec<String>| if part.len() == 1 { part.concat() } else { format!("%7B{}%7D", part.join(",")) };
    parts.into_iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn patterns_share_a_path_as_long_as_it_is_short() {
        let together = |patterns: &[&str]| {
            super::together(&patterns.iter().map(|pattern| pattern.as_bytes().to_vec()).collect::<Vec<_>>())
        };
        assert_eq!(together(&["web*"]), ["web*"]);
        assert_eq!(together(&["web?", "db[12]*"]), ["%7Bweb%3F,db%5B12%5D*%7D"]);
        let long = format!("{}*", "a".repeat(700));
        assert_eq!(together(&[&long, "b*", &long]), [format!("%7B{long},b*%7D"), long]);
        assert!(together(&[]).is_empty());
    }
}
