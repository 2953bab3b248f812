//! Noodle: one address that answers for all storage nodes as Visage would.
//!
//! In the order in which a request meets the modules:
//!
//! - [`path`], [`hosts`] and [`query`], by its `parameters`, read it, and refuse what no storage node should see;
//! - [`asked`] is whom to ask for what: the owner of one host, or many for a joined answer; [`url`] is what may stand in
//!   what they are asked;
//! - [`proxy`] asks them, and answers;
//! - [`fleet`] are the targets of all tiers, asked tier by tier; [`gather`] asks many of them, within [`crowd`];
//! - [`upstream`] is one target over HTTP; [`failure`] is why it gave no answer, by what to do next;
//! - [`share`] is what a target has of what was asked for; [`gzip`] are answers that are compressed all the same;
//! - [`object`] finds an answer valid and changes it without decoding it, with the `json` scanner, to which
//!   `numbers` and `block` lend speed; [`lists`] are answers that are lists;
//! - [`join`] makes one answer of many; [`answer`] is what the client gets, as JSON or as a [`script`], and [`pages`]
//!   which web pages may have it.
//!
//! And in the order in which an operator meets the rest:
//!
//! - [`service`] starts and stops all of it;
//! - [`counters`] is the table of everything that is counted; [`budget`] bounds the memory of answers,
//!   [`pace`] the queues;
//! - [`api`] is the table of routes.

#![forbid(unsafe_code)]

pub mod answer;
pub mod api;
pub mod asked;
mod block;
pub mod budget;
pub mod counters;
pub mod crowd;
pub mod failure;
pub mod fleet;
pub mod gather;
pub mod gzip;
pub mod hosts;
pub mod join;
mod json;
pub mod lists;
mod numbers;
pub mod object;
pub mod pace;
pub mod pages;
mod parameters;
pub mod path;
pub mod proxy;
pub mod query;
pub mod script;
pub mod service;
pub mod share;
pub mod upstream;
pub mod url;

/// What the program is for, in a line.
pub const ABOUT: &str = "Answers Visage's requests from the storage node that owns the host";
