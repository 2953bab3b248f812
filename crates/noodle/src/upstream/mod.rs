//! A target as something to ask over HTTP: so many requests at a time, each within its time.
//!
//! - `turns` says who may ask, and when;
//! - [`visage`] is one that is asked over HTTP, [`rrdcached`] one that is asked by that protocol;
//! - `connect` makes connections.

use std::error::Error;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use coco_core::address::{Address, AddressError};
use coco_core::config::Fetch;
use coco_core::tier::Target;
use coco_daemon::health::{self, Health, News};
use coco_daemon::logging::Throttle;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, HOST, HeaderMap, HeaderValue, USER_AGENT,
};
use hyper::http::uri::PathAndQuery;
use hyper::{Request, Response, StatusCode, Uri};
use tokio::time::timeout_at;
use tracing::{info, warn};

use crate::budget::{Budget, Held};
use crate::failure::Failure;
pub use turns::Place;
use turns::Turns;
use visage::body;
use visage::connection::Connection;
use visage::kept::Kept;
pub use visage::kept::{Room, Used};

mod connect;
pub mod rrdcached;
mod turns;
pub mod visage;

/// How a target fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It was not asked yet.
    Unasked,
    /// It answers.
    Up,
    /// It can't be reached, or does not answer to the end.
    Down,
    /// It answers now and then.
    Flapping,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Unasked, Self::Up, Self::Down, Self::Flapping];

    /// The name in `/tiers` and in counters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unasked => "unasked",
            Self::Up => health::State::Up.as_str(),
            Self::Down => health::State::Down.as_str(),
            Self::Flapping => health::State::Flapping.as_str(),
        }
    }
}

/// Where a target serves what it has stored. Targets of several tiers may share one.
#[derive(Debug)]
pub struct Upstream {
    /// The root of its URLs, `http://10.1.1.111:9292`.
    root: String,
    address: Address,
    /// Of a request behind whose answer the connection is kept, if connections are.
    fields: HeaderMap,
    /// Of one behind whose answer it is closed.
    last_fields: HeaderMap,
    keep_alive: bool,
    kept: Arc<Kept>,
    turns: Turns,
    timeout: Duration,
    max_body: usize,
    recovery: Duration,
    /// None until it is asked.
    health: Mutex<Option<Health>>,
    terms: Terms,
    complaints: Mutex<Throttle>,
}

/// What of the configuration it is made by.
type Terms = (Duration, Duration, bool, usize, usize);

fn terms(config: &Fetch) -> Terms {
    (config.proxy_timeout, config.recovery, config.keep_alive, config.max_requests, config.max_body)
}

/// By which connection a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// One that was used before, if there is one: the answer says by itself what it is the answer to.
    Kept,
    /// One of its own. What a node says behind an answer, unasked, would pass for the next one there.
    Own,
}

/// What an [`Upstream`] said.
#[derive(Debug)]
pub enum Reply {
    /// 200, this, and the connection by which it came.
    Found(Held, Used),
    /// 404, and whether another answer had come by that connection.
    Nothing {
        /// See [`Used::is_again`].
        is_again: bool,
    },
}

/// The address at which a target is asked.
pub fn address(target: &Target, remote_port: u16) -> Result<Address, AddressError> {
    match &target.fetch {
        Some(url) => url.trim_start_matches("http://").trim_end_matches('/').parse(),
        None => match target.address.host() {
            host if host.contains(':') => format!("[{host}]:{remote_port}").parse(),
            host => format!("{host}:{remote_port}").parse(),
        },
    }
}

impl Upstream {
    /// What listens at `address`. Nothing is connected yet.
    pub fn new(address: &Address, config: &Fetch, room: Room) -> Self {
        let written = address.to_string();
        // A URL has neither a zone (RFC 6874 was never taken up) nor the port that it implies.
        let zone = written.find('%').zip(written.find(']'));
        let named =
            zone.map_or_else(|| written.clone(), |(zone, end)| [&written[..zone], &written[end..]].concat());
        let shown = |text: &str| text.strip_suffix(":80").unwrap_or(text).to_owned();
        Self {
            root: format!("http://{}", shown(&written)),
            address: address.clone(),
            fields: fields(&shown(&named), config.keep_alive),
            last_fields: fields(&shown(&named), false),
            keep_alive: config.keep_alive,
            kept: Kept::new(room),
            turns: Turns::new(config.max_requests),
            timeout: config.proxy_timeout,
            max_body: config.max_body,
            recovery: config.recovery,
            health: Mutex::default(),
            terms: terms(config),
            complaints: Mutex::new(Throttle::new()),
        }
    }

    /// Whether it asks as this says.
    pub fn is_as_configured(&self, config: &Fetch) -> bool {
        self.terms == terms(config)
    }

    /// The root of its URLs, without a slash at the end.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// How it fares.
    pub fn state(&self) -> State {
        let now = Instant::now();
        let mut health = self.health();
        let Some(health) = health.as_mut() else { return State::Unasked };
        self.tell(health.look(now));
        match health.state(now) {
            health::State::Up => State::Up,
            health::State::Down => State::Down,
            health::State::Flapping => State::Flapping,
        }
    }

    fn note(&self, has_answered: bool) {
        let now = Instant::now();
        let mut health = self.health();
        let health = health.get_or_insert_with(|| Health::new(self.recovery));
        self.tell(if has_answered { health.success(now) } else { health.fault(now) });
    }

    /// That it is down was [said of a request](Self::complain).
    fn tell(&self, news: Option<News>) {
        let url = self.root();
        match news {
            Some(News::Flaps) => {
                warn!(
                    url,
                    "target is flapping; until it is calm it is asked last, and no more is said of it"
                );
            }
            Some(News::Calm(state)) => info!(url, %state, "target is calm"),
            Some(News::Up | News::Down) | None => {}
        }
    }

    fn health(&self) -> MutexGuard<'_, Option<Health>> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The longest that an answer may take, and whatever has to be waited for before.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The largest answer, in bytes.
    pub fn max_body(&self) -> usize {
        self.max_body
    }

    /// Waits for a turn, no longer than for an answer, and not at all where so many wait that it would be longer.
    pub async fn place(&self) -> Result<Place, Failure> {
        self.turns.place(self.timeout).await.ok_or(Failure::Queue(self.timeout))
    }

    /// Asks once; the answer must be complete in time.
    pub async fn get(
        &self,
        place: Place,
        path: PathAndQuery,
        way: Way,
        budget: &Budget,
    ) -> Result<Reply, Failure> {
        let result = self.try_to_get(place, path, way, budget).await;
        self.note(!result.as_ref().is_err_and(Failure::is_outage));
        result
    }

    async fn try_to_get(
        &self,
        place: Place,
        path: PathAndQuery,
        way: Way,
        budget: &Budget,
    ) -> Result<Reply, Failure> {
        let deadline = tokio::time::Instant::now() + self.timeout;
        let head = timeout_at(deadline, self.head(path, way)).await;
        let (response, used) = head.unwrap_or(Err(Failure::HeadTimeout(self.timeout)))?;
        let (head, body) = response.into_parts();
        if head.status == StatusCode::OK {
            if let Some(encoding) = unknown_encoding(&head.headers) {
                return Err(Failure::Encoding(encoding));
            }
            let terms = body::Terms { most: self.max_body, timeout: self.timeout, budget };
            let held = body::read(body, deadline, terms).await?;
            return Ok(Reply::Found(held, used));
        }
        let is_again = used.is_again;
        tokio::spawn(async move {
            let _place = place;
            let is_read = timeout_at(deadline, body::drain(body)).await.unwrap_or(false);
            if is_read && !is_again {
                used.keep();
            }
        });
        match head.status {
            StatusCode::NOT_FOUND => Ok(Reply::Nothing { is_again }),
            StatusCode::BAD_REQUEST => Err(Failure::Refused(StatusCode::BAD_REQUEST)),
            // Noodle's header fields are always the same, so it is the path here, too.
            StatusCode::URI_TOO_LONG | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
                Err(Failure::Refused(StatusCode::URI_TOO_LONG))
            }
            status => Err(Failure::Status(status)),
        }
    }

    async fn head(&self, path: PathAndQuery, way: Way) -> Result<(Response<Incoming>, Used), Failure> {
        let uri = Uri::from(path);
        let keep = (self.keep_alive && way == Way::Kept).then_some(&self.kept);
        let fields = if keep.is_some() { &self.fields } else { &self.last_fields };
        if let Some(mut connection) = keep.and_then(|kept| kept.take()) {
            match connection.ask(request(&uri, fields)).await {
                Ok(response) if response.status() != StatusCode::REQUEST_TIMEOUT => {
                    return Ok((response, Used::new(connection, keep, true)));
                }
                // A server may close a connection that it kept at the moment at which it is used again, and may say so
                // with a 408 (RFC 9110, 15.5.9). That says nothing of the request, nor of the server.
                Ok(_) | Err(_) => {}
            }
        }
        let mut connection =
            Connection::open(&self.address, self.timeout).await.map_err(|error| self.unconnected(&error))?;
        let response = connection.ask(request(&uri, fields)).await;
        let response = response.map_err(|error| Failure::Reset(cause(&error).to_string()))?;
        Ok((response, Used::new(connection, keep, false)))
    }

    fn unconnected(&self, error: &io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::TimedOut => Failure::HeadTimeout(self.timeout),
            _ => Failure::Connect(cause(error).to_string()),
        }
    }

    /// Logs a failure, once a minute, unless it flaps.
    pub fn complain(&self, host: &[u8], target: &str, path: &str, failure: &Failure) {
        if self.state() == State::Flapping {
            return;
        }
        let mut complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(suppressed) = complaints.pass(Instant::now()) {
            let url = format!("{}{path}", self.root);
            warn!(host, target, cause = %failure, url, suppressed, "a target gave no answer");
        }
    }
}

fn request(uri: &Uri, fields: &HeaderMap) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = uri.clone();
    *request.headers_mut() = fields.clone();
    request
}

/// How an answer is encoded, if neither not at all nor as [`crate::upstream::visage::gzip`] knows.
fn unknown_encoding(fields: &HeaderMap) -> Option<String> {
    let encoding = fields.get(CONTENT_ENCODING)?;
    let known = ["identity", "gzip", "x-gzip"];
    let is_known = known.iter().any(|known| encoding.as_bytes().eq_ignore_ascii_case(known.as_bytes()));
    (!is_known).then(|| String::from_utf8_lossy(encoding.as_bytes()).chars().take(20).collect())
}

/// The header fields of every request. Nothing of a client's goes on to a target.
fn fields(host: &str, keep_alive: bool) -> HeaderMap {
    let mut fields = HeaderMap::with_capacity(5);
    fields.insert(HOST, HeaderValue::from_str(host).expect("the host of a URL is visible ASCII"));
    fields.insert(ACCEPT, HeaderValue::from_static("application/json"));
    fields.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    fields.insert(USER_AGENT, HeaderValue::from_static(concat!("noodle/", env!("CARGO_PKG_VERSION"))));
    if !keep_alive {
        fields.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    fields
}

/// The innermost error, which says what the system or the other side did.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost
}

#[cfg(test)]
mod tests {
    use coco_core::config::{Config, Program};

    use super::*;

    #[test]
    fn urls_are_built_from_the_target_or_its_fetch() {
        let text = r#"
            [tiers.t]
            targets = [
                "10.1.1.111:25826", "[2001:db8::1]:25826", "[fe80::1%eth0]:25826", "storage1.example.org:25826",
                { address = "10.1.1.112:25826", fetch = "http://10.9.9.9:9292/" },
                { address = "10.1.1.113:25826", fetch = "http://[::1]:80" },
            ]
            [fetch]
            bind = "127.0.0.1:0"
        "#;
        let urls = |text: &str| {
            let config = Config::parse(text, Program::Noodle).unwrap();
            let tier = config.tiers.get(0).unwrap().clone();
            let upstream = |target| {
                let address = address(target, config.fetch.remote_port).unwrap();
                let upstream = Upstream::new(&address, &config.fetch, Room::new());
                let host = upstream.fields[HOST].to_str().unwrap().to_owned();
                (upstream.root, host)
            };
            tier.targets().iter().map(upstream).collect::<Vec<_>>()
        };
        let expect = |found: &(String, String), root: &str, host: &str| {
            assert_eq!((&*found.0, &*found.1), (root, host));
        };
        let found = urls(text);
        expect(&found[0], "http://10.1.1.111", "10.1.1.111");
        expect(&found[1], "http://[2001:db8::1]", "[2001:db8::1]");
        expect(&found[2], "http://[fe80::1%eth0]", "[fe80::1]");
        expect(&found[3], "http://storage1.example.org", "storage1.example.org");
        expect(&found[4], "http://10.9.9.9:9292", "10.9.9.9:9292");
        expect(&found[5], "http://[::1]", "[::1]");
        let found = urls(&format!("{text}\nremote_port = \"8080\""));
        expect(&found[1], "http://[2001:db8::1]:8080", "[2001:db8::1]:8080");
        expect(&found[4], "http://10.9.9.9:9292", "10.9.9.9:9292");
    }

    #[test]
    fn a_connection_is_closed_behind_an_answer_only_if_it_is_not_kept() {
        assert_eq!(fields("a", false)[CONNECTION], "close");
        assert!(!fields("a", true).contains_key(CONNECTION));
    }
}
