//! Noodle: one address that answers for all storage nodes as Visage would.
//!
//! In the order in which a request meets the modules:
//!
//! - [`visage`] reads what is asked in Visage's way, and says what the client gets;
//! - [`graphite`] does so in Graphite's way, [`prometheus`] in that of Prometheus' remote read; [`dialect`] is what the
//!   three have in common;
//! - [`fleet`] are the targets of all tiers, asked tier by tier, and how one answer is made of many;
//! - [`upstream`] is one target, over HTTP or by rrdcached's protocol;
//! - [`ask`] is what a target is asked for, and what it has of that; [`failure`] is why it gave no answer, by what to do
//!   next;
//! - [`json`] finds an answer valid and changes it without decoding it;
//! - [`budget`] bounds the memory of answers, and the queues for it; [`aside`](mod@aside) keeps long work from clients.
//!
//! And in the order in which an operator meets the rest:
//!
//! - [`service`] starts and stops all of it;
//! - [`counters`] is the table of everything that is counted;
//! - [`api`] is the table of routes; [`overview`] is what browsers get at `/`.
//!
//! Arrows run down only: `api`, then `visage`, `graphite` and `prometheus`, then `dialect`, then `fleet`, then `upstream`, then the others.

#![forbid(unsafe_code)]

pub mod api;
pub mod aside;
pub mod ask;
pub mod budget;
pub mod counters;
pub mod dialect;
pub mod failure;
pub mod fleet;
pub mod graphite;
pub mod json;
pub mod overview;
pub mod prometheus;
pub mod service;
pub mod upstream;
pub mod visage;

/// What the program is for, in a line.
pub const ABOUT: &str = "Answers Visage's requests from the storage node that owns the host";
