//! A storage node by its Visage, over HTTP.
//!
//! - [`url`] makes what it is asked of a question, and is what may stand in it;
//! - `connection` makes connections, and keeps those that may be used again;
//! - [`head`] and [`chunks`] are what of HTTP stands around an answer, [`malformed`] is why it is none;
//! - `body` reads answers, [`gzip`] those that are compressed all the same.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use coco_core::address::Address;
use hyper::StatusCode;
use hyper::http::uri::PathAndQuery;
use tokio::time::timeout_at;

use super::kept::{Kept, Room};
use super::{Said, Terms, Try, Turn};
use crate::aside::aside;
use crate::ask::text::Text;
use crate::ask::{Content, Question, Reply};
use crate::budget::{Budget, Held};
use crate::failure::Failure;
use body::Body;
use connection::{Connection, Used};
use head::Head;

mod body;
pub mod chunks;
mod connection;
pub mod gzip;
pub mod head;
pub mod malformed;
pub mod told;
pub mod url;

/// A Visage, with the connections to it that are not in use.
#[derive(Debug)]
pub(super) struct Visage {
    address: Address,
    /// Header fields of a request.
    fields: String,
    /// Of one behind whose answer it is closed.
    last_fields: String,
    keep_alive: bool,
    kept: Arc<Kept<Connection>>,
    timeout: Duration,
    max_body: usize,
}

/// By which connection a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// One that was used before, if there is one: the answer says by itself what it is the answer to.
    Kept,
    /// One of its own. What a node says behind an answer, unasked, would pass for the next one there.
    Own,
}

impl Way {
    /// A list does not say whose it is, and what comes of a pattern may be anybody's.
    fn of(question: &Question, attempt: Try) -> Self {
        if attempt == Try::First && question.name().is_some() { Self::Kept } else { Self::Own }
    }
}

/// What came of a request.
#[derive(Debug)]
enum Answer {
    /// 200 and this.
    Found {
        body: Held,
        /// The connection by which it came, unless that is closed.
        used: Option<Used>,
        /// See [`Used::is_again`].
        is_again: bool,
    },
    /// 404, and whether another answer had come by that connection.
    Nothing {
        /// See [`Used::is_again`].
        is_again: bool,
    },
}

/// The root of its URLs, without a slash at the end.
pub(super) fn root(address: &Address) -> String {
    format!("http://{}", shown(&address.to_string()))
}

/// Without the port that a URL implies.
fn shown(address: &str) -> &str {
    address.strip_suffix(":80").unwrap_or(address)
}

impl Visage {
    /// Nothing is connected yet.
    pub(super) fn new(address: &Address, terms: &Terms, room: Room) -> Self {
        let written = address.to_string();
        // A URL has no zone (RFC 6874 was never taken up).
        let zone = written.find('%').zip(written.find(']'));
        let named =
            zone.map_or_else(|| written.clone(), |(zone, end)| [&written[..zone], &written[end..]].concat());
        Self {
            address: address.clone(),
            fields: fields(shown(&named), terms.keep_alive),
            last_fields: fields(shown(&named), false),
            keep_alive: terms.keep_alive,
            kept: Kept::new(room, usize::MAX),
            timeout: terms.timeout,
            max_body: terms.max_body,
        }
    }

    /// Asks once; the answer must be complete in time. It is found to be the answer to what was asked, or is none.
    pub(super) async fn ask(
        &self,
        turn: Turn,
        question: &Question,
        attempt: Try,
        budget: &Budget,
    ) -> Result<Said, Failure> {
        let way = Way::of(question, attempt);
        let path = url::of(question).map_err(|_| Failure::Refused(StatusCode::URI_TOO_LONG))?;
        let (body, used, is_again) = match self.get(turn, path, way, budget).await? {
            // A node may have said so behind an answer, unasked: that it has nothing can't be told to be of this host.
            Answer::Nothing { is_again: true } => return Ok(Said::Doubtful),
            Answer::Nothing { is_again: false } => return Ok(Said::Nothing),
            Answer::Found { body, used, is_again } => (body, used, is_again),
        };
        let (want, name, most) = (question.want, question.name().cloned(), self.max_body);
        // Nobody knows how large it becomes.
        let length = if gzip::is_compressed(&body.bytes) { usize::MAX } else { body.bytes.len() };
        let read = move || {
            let body = gzip::decompress(body, most)?;
            Text::read(want, name.as_deref(), body)
        };
        let answer = aside(length, read).await?;
        let is_empty =
            if want == Content::Series { answer.object.is_empty() } else { answer.names.is_empty() };
        // Behind an answer that may be to something else, so may the next one be.
        if let Some(used) = used.filter(|_| !(is_empty && is_again)) {
            used.keep();
        }
        Ok(match (is_empty, is_again) {
            (false, _) => Said::Reply(Reply::Text(answer)),
            (true, true) => Said::Doubtful,
            (true, false) => Said::Nothing,
        })
    }

    async fn get(
        &self,
        turn: Turn,
        path: PathAndQuery,
        way: Way,
        budget: &Budget,
    ) -> Result<Answer, Failure> {
        let deadline = tokio::time::Instant::now() + self.timeout;
        let head = timeout_at(deadline, self.head(&path, way)).await;
        let (head, mut used) = head.unwrap_or(Err(Failure::HeadTimeout(self.timeout)))?;
        let Head { status, length, encoding, .. } = head;
        if status == StatusCode::OK {
            if let Some(encoding) = encoding.as_deref().and_then(unknown) {
                return Err(Failure::Encoding(encoding));
            }
            let limits = body::Limits { most: self.max_body, timeout: self.timeout, budget };
            let body = Body { connection: &mut used.connection, length };
            let body = body::read(body, deadline, limits).await?;
            let is_again = used.is_again;
            return Ok(Answer::Found { body, used: used.if_lasting(), is_again });
        }
        let is_again = used.is_again;
        tokio::spawn(async move {
            let _turn = turn;
            let body = Body { connection: &mut used.connection, length };
            let is_read = timeout_at(deadline, body::drain(body)).await.unwrap_or(false);
            if is_read && !is_again {
                used.keep();
            }
        });
        match status {
            StatusCode::NOT_FOUND => Ok(Answer::Nothing { is_again }),
            StatusCode::BAD_REQUEST => Err(Failure::Refused(StatusCode::BAD_REQUEST)),
            // Noodle's header fields are always the same, so it is the path here, too.
            StatusCode::URI_TOO_LONG | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
                Err(Failure::Refused(StatusCode::URI_TOO_LONG))
            }
            status => Err(Failure::Status(status)),
        }
    }

    async fn head(&self, path: &PathAndQuery, way: Way) -> Result<(Head, Used), Failure> {
        let keep = (self.keep_alive && way == Way::Kept).then_some(&self.kept);
        let fields = if keep.is_some() { &self.fields } else { &self.last_fields };
        let request = ["GET ", path.as_str(), " HTTP/1.1\r\n", fields, "\r\n"].concat();
        if let Some(mut connection) = keep.and_then(|kept| kept.take()) {
            match connection.ask(request.as_bytes()).await {
                Ok(head) if head.status != StatusCode::REQUEST_TIMEOUT => {
                    return Ok((head, Used::new(connection, keep, true)));
                }
                // A server may close a connection that it kept at the moment at which it is used again, and may say so
                // with a 408 (RFC 9110, 15.5.9). That says nothing of the request, nor of the server.
                Ok(_) | Err(_) => {}
            }
        }
        let mut connection =
            Connection::open(&self.address, self.timeout).await.map_err(|error| self.unconnected(&error))?;
        let head = connection.ask(request.as_bytes()).await;
        let head = head.map_err(|error| Failure::Reset(error.to_string()))?;
        Ok((head, Used::new(connection, keep, false)))
    }

    fn unconnected(&self, error: &io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::TimedOut => Failure::HeadTimeout(self.timeout),
            _ => Failure::Connect(error.to_string()),
        }
    }
}

/// What an encoding is called, if neither not at all nor as [`crate::upstream::visage::gzip`] knows.
fn unknown(encoding: &[u8]) -> Option<String> {
    let known = ["identity", "gzip", "x-gzip"];
    let is_known = known.iter().any(|known| encoding.eq_ignore_ascii_case(known.as_bytes()));
    (!is_known).then(|| String::from_utf8_lossy(encoding).chars().take(20).collect())
}

/// The header fields of every request. Nothing of a client's goes on to a target.
fn fields(host: &str, keep_alive: bool) -> String {
    let close = if keep_alive { "" } else { "connection: close\r\n" };
    format!(
        "host: {host}\r\naccept: application/json\r\naccept-encoding: identity\r\nuser-agent: noodle/{}\r\n{close}",
        env!("CARGO_PKG_VERSION")
    )
}

#[cfg(test)]
mod tests {
    use coco_core::config::NoodleConfig;
    use coco_core::tier::Endpoint;

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
            let config = NoodleConfig::parse(text).unwrap();
            let tier = config.tiers.get(0).unwrap().clone();
            let upstream = |target| {
                let Endpoint::Visage(address) = config.fetch.endpoint(target) else { panic!() };
                let visage = Visage::new(&address, &Terms::from(&config.fetch), Room::new());
                let host = visage.fields.strip_prefix("host: ").and_then(|fields| fields.split_once("\r\n"));
                (root(&address), host.unwrap().0.to_owned())
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
        assert!(fields("a", false).ends_with("\r\nconnection: close\r\n"));
        assert!(!fields("a", true).contains("connection"));
    }
}
