//! A connection to an engine, for one request at a time.

use std::io;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use coco_core::address::Address;
use coco_daemon::resolve::resolve;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER, USER_AGENT,
};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use remote_write::answer::{Answer, LOOKED_AT};
use remote_write::request;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::terms::Terms;

/// An engine's answer to a request, and the first line of its text.
pub(super) struct Answered {
    pub(super) answer: Answer,
    pub(super) said: String,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Client {
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    /// Sends a body and awaits the answer, both within the time that the terms allow.
    pub(super) async fn post(
        &mut self,
        terms: &Terms,
        authorization: Option<&HeaderValue>,
        body: Bytes,
    ) -> Answered {
        let connection = self.connection.take().filter(|connection| !connection.is_closed());
        match timeout(terms.timeout, exchange(connection, terms, authorization, body)).await {
            Ok(Ok((connection, answered))) => {
                self.connection = connection;
                answered
            }
            Ok(Err((broken, problem))) => Answered { answer: Answer::NoAnswer { broken }, said: problem },
            Err(_) => {
                let said = format!("no answer within {:?}", terms.timeout);
                Answered { answer: Answer::NoAnswer { broken: false }, said }
            }
        }
    }
}

type Exchanged = (Option<SendRequest<Full<Bytes>>>, Answered);

/// `Err` says whether a connection was broken off, and what happened.
async fn exchange(
    connection: Option<SendRequest<Full<Bytes>>>,
    terms: &Terms,
    authorization: Option<&HeaderValue>,
    body: Bytes,
) -> Result<Exchanged, (bool, String)> {
    let mut connection = match connection {
        Some(connection) => connection,
        None => connect(terms).await.map_err(|problem| (false, problem.to_string()))?,
    };
    let request = post(terms, authorization, body).map_err(|problem| (false, problem.to_string()))?;
    let broken = |problem: hyper::Error| (true, said_by(&problem));
    connection.ready().await.map_err(broken)?;
    let response = connection.send_request(request).await.map_err(broken)?;
    let status = response.status().as_u16();
    let retry_after =
        response.headers().get(RETRY_AFTER).and_then(|value| retry_after(value, SystemTime::now()));
    let (said, is_whole) = beginning(response).await;
    let answer = Answer::of(status, retry_after, &said);
    let line = String::from_utf8_lossy(&said).lines().next().unwrap_or_default().trim().to_owned();
    let said = format!("{status} {line}");
    Ok((is_whole.then_some(connection), Answered { answer, said }))
}

fn post(
    terms: &Terms,
    authorization: Option<&HeaderValue>,
    body: Bytes,
) -> hyper::http::Result<Request<Full<Bytes>>> {
    let (version, number) = request::VERSION;
    let mut builder = Request::post(&terms.path)
        .header(HOST, &terms.host)
        .header(USER_AGENT, concat!("coco/", env!("CARGO_PKG_VERSION")))
        .header(CONTENT_TYPE, request::CONTENT_TYPE)
        .header(CONTENT_ENCODING, request::CONTENT_ENCODING)
        .header(version, number);
    for (name, value) in &terms.headers {
        builder = builder.header(name, value);
    }
    if let Some(authorization) = authorization {
        builder = builder.header(AUTHORIZATION, authorization);
    }
    builder.body(Full::new(body))
}

/// An error with what caused it: hyper's own words say little.
fn said_by(problem: &hyper::Error) -> String {
    let cause = std::error::Error::source(problem).map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{problem}{cause}")
}

/// The beginning of a body, and whether that is all of it.
async fn beginning(response: Response<Incoming>) -> (Vec<u8>, bool) {
    let (mut body, mut said) = (response.into_body(), Vec::new());
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return (said, false) };
        if let Ok(data) = frame.into_data() {
            let room = LOOKED_AT - said.len();
            said.extend_from_slice(&data[..data.len().min(room)]);
            if data.len() > room {
                return (said, false);
            }
        }
    }
    (said, true)
}

/// Seconds, or a date.
fn retry_after(value: &HeaderValue, now: SystemTime) -> Option<Duration> {
    let text = value.to_str().ok()?;
    match text.trim().parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let at = httpdate::parse_http_date(text).ok()?;
            Some(at.duration_since(now).unwrap_or_default())
        }
    }
}

async fn connect(terms: &Terms) -> io::Result<SendRequest<Full<Bytes>>> {
    let stream = reach(&terms.address, terms.timeout).await?;
    stream.set_nodelay(true)?;
    match &terms.tls {
        None => converse(stream).await,
        Some((name, config)) => {
            let stream = TlsConnector::from(config.clone()).connect(name.clone(), stream).await?;
            converse(stream).await
        }
    }
}

async fn converse<S>(stream: S) -> io::Result<SendRequest<Full<Bytes>>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (requests, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    // Its errors reach whoever waits for an answer; nobody else needs them.
    tokio::spawn(async { drop(connection.await) });
    Ok(requests)
}

/// Connects to one of the addresses of a name, each of which gets its share of the time.
async fn reach(address: &Address, patience: Duration) -> io::Result<TcpStream> {
    let addresses = resolve(address, patience).await?;
    let share = patience / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let mut problem = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in addresses {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(refused)) => problem = refused,
            Err(_) => problem = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_to_wait_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (value, expected) in [
            ("7", Some(7)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", Some(30)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("soon", None),
        ] {
            let read = retry_after(&HeaderValue::from_static(value), now);
            assert_eq!(read, expected.map(Duration::from_secs), "{value}");
        }
    }
}
