//! `[fetch]`: reading from storage nodes.

use std::num::NonZero;
use std::time::Duration;

use super::document::Section;
use super::value::Port;
use crate::address::Address;
use crate::origin::Origin;
use crate::tier::{Endpoint, Protocol, Target};

/// `[fetch]`
#[derive(Debug, Clone)]
pub struct Fetch {
    /// The time that a client's connection is kept for the next request; never zero.
    pub idle_timeout: Duration,
    /// For one request to one target; never zero.
    pub proxy_timeout: Duration,
    /// The time without a fault behind which a target that answers again is up; never zero.
    pub recovery: Duration,
    /// The protocol of targets that have no `fetch` of their own.
    pub protocol: Protocol,
    /// Port of that.
    pub remote_port: NonZero<u16>,
    /// Whether connections to targets are used again.
    pub keep_alive: bool,
    /// Requests to one target at a time.
    pub max_requests: NonZero<usize>,
    /// Longest time between the start and the finish that a target is asked for.
    pub max_window: Duration,
    /// Hosts that one request may name.
    pub max_hosts: NonZero<usize>,
    /// Bytes of the largest answer taken from a target.
    pub max_body: usize,
    /// Bytes of the largest form taken from a client.
    pub max_form: usize,
    /// Bytes that all answers under way may take together.
    pub max_memory: usize,
    /// Rows of one series that an rrdcached may be asked for.
    pub max_rows: u64,
    /// The time that the hosts and files of an rrdcached are remembered.
    pub tree_age: Duration,
    /// When the next tier is asked for what an rrdcached has rows of.
    pub join: Join,
    /// Which copy of a host is asked first where a tier has several.
    pub prefer: Prefer,
    /// Unknown rows behind the last known one are no gap while that is younger.
    pub settle: Duration,
    /// Whether unknown rows from an rrdcached show the last value before them.
    pub fill_gaps: bool,
    /// Whether answers have a member `_meta`.
    pub metadata: bool,
    /// Whether a callback is answered.
    pub jsonp: bool,
    /// Pages of other hosts that may read answers.
    pub allow_origin: Vec<Origin>,
}

/// When the next tier is asked for a host that an rrdcached has rows of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Join {
    /// Where some of them are unknown.
    Gaps,
    /// Never: it is asked only where there is no answer.
    Never,
    /// Always.
    Always,
}

/// Which copy of a host is asked first where a tier has several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefer {
    /// That of the first owner, so that the others have the less to do.
    First,
    /// Each in turn of those that are well.
    Any,
}

impl Fetch {
    /// Where a target is read: where it says so itself, or else at its own host, by the protocol and the port of all.
    pub fn endpoint(&self, target: &Target) -> Endpoint {
        target
            .fetch
            .clone()
            .unwrap_or_else(|| Endpoint::new(self.protocol, target.address.with_port(self.remote_port.get())))
    }

    /// With Noodle's HTTP address if there is one.
    pub(super) fn read(section: &mut Section<'_, '_>) -> (Option<Address>, Self) {
        let bind = section.optional("bind");
        let protocol: Protocol = section.read("protocol");
        let remote_port = section.optional("remote_port").and_then(|Port(port)| port);
        let fetch = Self {
            idle_timeout: section.read("idle_timeout"),
            proxy_timeout: section.read("proxy_timeout"),
            recovery: section.read("recovery"),
            protocol,
            remote_port: remote_port.unwrap_or(protocol.port()),
            keep_alive: section.read("keep_alive"),
            max_requests: section.read("max_requests"),
            max_window: section.read("max_window"),
            max_hosts: section.read("max_hosts"),
            max_body: section.read("max_body"),
            max_form: section.read("max_form"),
            max_memory: section.read("max_memory"),
            max_rows: section.read::<usize>("max_rows") as u64,
            tree_age: section.read("tree_age"),
            join: section.read("join"),
            prefer: section.read("prefer"),
            settle: section.read("settle"),
            fill_gaps: section.read("fill_gaps"),
            metadata: section.read("metadata"),
            jsonp: section.read("jsonp"),
            allow_origin: section
                .array("allow_origin", r#"an origin such as "https://graphs.example.org""#)
                .unwrap_or_default(),
        };
        (bind, fetch)
    }
}
