//! Asking running Cocos and Noodles over HTTP.

use std::fmt::{self, Display};
use std::io::{self, BufReader, Read};
use std::marker::PhantomData;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::{Frame, Incoming};
use hyper::{Response, StatusCode, Uri};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::de::{DeserializeOwned, DeserializeSeed};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::failure::Failure;
use crate::text;

/// Longest wait for a connection, and for an answer to begin.
const PATIENCE: Duration = Duration::from_secs(10);

/// The largest answer that is not one of the long lists.
const SMALL: usize = 1 << 20;

/// Where a process serves HTTP: `http://HOST:PORT`, the `http://` being optional.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root(String);

impl FromStr for Root {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri: Uri = url.parse().map_err(|problem| format!("{problem}: expected http://HOST:PORT"))?;
        match (uri.scheme_str(), uri.host(), uri.query()) {
            (Some("http"), Some(host), None) if !host.is_empty() => {
                Ok(Self(url.trim_end_matches('/').to_owned()))
            }
            (Some("https"), ..) => Err("there is no TLS: expected http://HOST:PORT".to_owned()),
            _ => Err("expected http://HOST:PORT".to_owned()),
        }
    }
}

impl Root {
    /// Whether it is at an address that only this machine can reach.
    pub fn is_loopback(&self) -> bool {
        let uri: Option<Uri> = self.0.parse().ok();
        let host = uri.as_ref().and_then(Uri::host).unwrap_or_default().trim_matches(['[', ']']);
        host == "localhost" || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    }
}

impl Display for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Keeps connections open from question to question. Needs a tokio runtime.
#[derive(Debug, Clone)]
pub struct Client(Pool<HttpConnector, Empty<Bytes>>);

impl Default for Client {
    fn default() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(PATIENCE));
        connector.set_nodelay(true);
        Self(Pool::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector))
    }
}

impl Client {
    /// The JSON behind a path (which begins with a slash), of an answer with status 200.
    pub async fn ask_for<T: DeserializeOwned>(&self, root: &Root, path: &str) -> Result<T, Failure> {
        let url = format!("{root}{path}");
        let (status, body) = self.ask(&url).await?;
        if status != StatusCode::OK {
            return Err(refused(&url, status, &body));
        }
        parse(&url, &body)
    }

    /// The same where another status says something, too.
    pub async fn ask_whatever_the_status<T: DeserializeOwned>(
        &self,
        root: &Root,
        path: &str,
    ) -> Result<T, Failure> {
        let url = format!("{root}{path}");
        let (status, body) = self.ask(&url).await?;
        parse(&url, &body)
            .map_err(|problem| if status == StatusCode::OK { problem } else { refused(&url, status, &body) })
    }

    /// The same as [`ask_for`](Self::ask_for) for answers of any length: it is parsed while it comes.
    pub async fn stream<T>(&self, root: &Root, path: &str) -> Result<T, Failure>
    where
        T: DeserializeOwned + Send + 'static,
    {
        self.stream_into(root, path, PhantomData::<T>).await
    }

    /// The same for what is made of the answer by a seed.
    pub async fn stream_into<S, T>(&self, root: &Root, path: &str, seed: S) -> Result<T, Failure>
    where
        S: for<'de> DeserializeSeed<'de, Value = T> + Send + 'static,
        T: Send + 'static,
    {
        let url = format!("{root}{path}");
        let mut response = self.get(&url).await?;
        if response.status() != StatusCode::OK {
            return Err(failure(&url, format!("status {}", response.status())));
        }
        let (pieces, received) = mpsc::channel(16);
        let parsed = tokio::task::spawn_blocking(move || {
            let pieces = BufReader::new(Pieces { received, piece: Bytes::new() });
            let mut deserializer = serde_json::Deserializer::from_reader(pieces);
            let made = seed.deserialize(&mut deserializer)?;
            deserializer.end().map(|()| made)
        });
        while let Some(frame) = frame_in_time(&url, &mut response).await? {
            if let Ok(data) = frame.into_data()
                && pieces.send(data).await.is_err()
            {
                // The parser has ended, and says why.
                break;
            }
        }
        drop(pieces);
        let parsed: serde_json::Result<T> = parsed.await.map_err(|problem| failure(&url, problem))?;
        parsed.map_err(|problem| failure(&url, format!("an answer of another shape: {problem}")))
    }

    async fn ask(&self, url: &str) -> Result<(StatusCode, Bytes), Failure> {
        let response = self.get(url).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), SMALL).collect();
        let body = tokio::time::timeout(PATIENCE, body).await;
        let body = body.map_err(|_| failure(url, "the answer does not end"))?;
        Ok((status, body.map_err(|problem| failure(url, reasons(&*problem)))?.to_bytes()))
    }

    async fn get(&self, url: &str) -> Result<Response<Incoming>, Failure> {
        let uri: Uri = url.parse().map_err(|problem| failure(url, problem))?;
        match tokio::time::timeout(PATIENCE, self.0.get(uri)).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(problem)) => Err(failure(url, reasons(&problem))),
            Err(_) => Err(failure(url, format!("no answer within {} s", PATIENCE.as_secs()))),
        }
    }
}

async fn frame_in_time(
    url: &str,
    response: &mut Response<Incoming>,
) -> Result<Option<Frame<Bytes>>, Failure> {
    match tokio::time::timeout(PATIENCE, response.body_mut().frame()).await {
        Ok(frame) => frame.transpose().map_err(|problem| failure(url, reasons(&problem))),
        Err(_) => Err(failure(url, "the answer does not go on")),
    }
}

/// What a body has brought so far, to be read.
struct Pieces {
    received: mpsc::Receiver<Bytes>,
    piece: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            let Some(piece) = self.received.blocking_recv() else { return Ok(0) };
            self.piece = piece;
        }
        let length = buffer.len().min(self.piece.len());
        buffer[..length].copy_from_slice(&self.piece.split_to(length));
        Ok(length)
    }
}

fn parse<T: DeserializeOwned>(url: &str, body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body)
        .map_err(|problem| failure(url, format!("an answer of another shape: {problem}")))
}

/// An answer that says by its status that it is none.
fn refused(url: &str, status: StatusCode, body: &[u8]) -> Failure {
    let object: Option<Value> = serde_json::from_slice(body).ok();
    let reason = object.as_ref().and_then(|object| object["error"].as_str());
    match reason {
        Some(reason) => failure(url, format!("status {status}: {}", text::name(reason.as_bytes()))),
        None => failure(url, format!("status {status}")),
    }
}

fn failure(url: &str, reason: impl Display) -> Failure {
    Failure::Api { url: url.to_owned(), reason: reason.to_string() }
}

/// An error and what is behind it, down to what the system said.
fn reasons(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// A runtime of this one thread.
pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::System)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_urls_of_http() {
        for (given, root) in [
            ("http://localhost:9090", "http://localhost:9090"),
            ("http://localhost:9090/", "http://localhost:9090"),
            ("[::1]:9080", "http://[::1]:9080"),
            ("coco1", "http://coco1"),
        ] {
            assert_eq!(given.parse::<Root>().unwrap().to_string(), root);
        }
        for (given, is_loopback) in [
            ("[::1]:9080", true),
            ("localhost", true),
            ("127.1.2.3:9", true),
            ("coco1", false),
            ("10.1.1.1:9", false),
        ] {
            assert_eq!(given.parse::<Root>().unwrap().is_loopback(), is_loopback, "{given}");
        }
        for given in ["", "https://localhost", "ftp://x", "http://", "a b", "http://x/?y"] {
            assert!(given.parse::<Root>().is_err(), "{given}");
        }
    }
}
