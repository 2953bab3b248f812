//! The access log: a line for each request, when its answer has been handed over or given up.

use std::net::SocketAddr;
use std::time::Instant;

use hyper::body::Body as _;
use hyper::header::HeaderName;
use hyper::{Method, StatusCode, Uri};
use tracing::{Level, enabled, info};

use super::body::Response;
use crate::logging::ACCESS;

/// As much of a path is logged, in bytes: a client may send 64 KiB of it.
const LONGEST_PATH: usize = 1024;

/// A request that will be logged.
pub(super) struct Access {
    client: SocketAddr,
    method: Method,
    uri: Uri,
    started: Instant,
    status: StatusCode,
    tier: Option<Box<[u8]>>,
    bytes: u64,
    /// Whether nothing of the answer is left.
    is_whole: bool,
}

impl Access {
    /// A request that has just come; none where requests are not logged.
    pub(super) fn begin<B>(client: SocketAddr, request: &hyper::Request<B>) -> Option<Self> {
        enabled!(target: ACCESS, Level::INFO).then(|| Self {
            // Clients of IPv4 come to a socket for both as addresses of IPv6.
            client: SocketAddr::new(client.ip().to_canonical(), client.port()),
            method: request.method().clone(),
            uri: request.uri().clone(),
            started: Instant::now(),
            status: StatusCode::OK,
            tier: None,
            bytes: 0,
            is_whole: false,
        })
    }

    /// Takes note of the answer; `tier` is the field that says by which tier.
    pub(super) fn answered(&mut self, response: &Response, tier: Option<&HeaderName>) {
        self.status = response.status();
        self.tier = tier.and_then(|tier| Some(response.headers().get(tier)?.as_bytes().into()));
        self.is_whole = self.method == Method::HEAD || response.body().is_end_stream();
    }

    /// So many bytes of its body have been handed over, the last of it or not.
    pub(super) fn sent(&mut self, bytes: usize, is_end: bool) {
        self.bytes += bytes as u64;
        self.is_whole = is_end;
    }
}

impl Drop for Access {
    fn drop(&mut self) {
        let Self { client, method, uri, status, tier, bytes, is_whole, .. } = self;
        let path = match uri.path_and_query() {
            Some(path) => path.as_str(),
            None => uri.path(),
        };
        let shown = &path.as_bytes()[..path.len().min(LONGEST_PATH)];
        info!(
            target: ACCESS,
            %client,
            method = method.as_str(),
            path = shown,
            path_bytes = (shown.len() < path.len()).then_some(path.len()),
            status = status.as_u16(),
            bytes,
            seconds = self.started.elapsed().as_secs_f64(),
            tier = tier.as_deref(),
            cut_off = (!*is_whole).then_some(true),
            "request"
        );
    }
}
