//! coco: receives collectd's packets, drops what a blacklist matches, and sends every value list to the target
//! that owns its host, in every tier.
//!
//! In the order in which a value list meets the modules:
//!
//! - [`socket`] receives batches of datagrams; [`batch`] is what travels from stage to stage;
//! - [`listen`] decodes in place, [`filter`] decides, [`send`] packs and sends: the three stages of a [`lane`];
//! - [`routing`] is what is decided and sent by; [`routes`] is what a lane remembers, [`partitions`] say who owns what,
//!   [`outlets`] are the targets as places to send to, each an [`outlet`] that is [`dial`]ed, with an [`account`] of
//!   what is counted, and [`patience`] is what it may cost the others;
//! - [`clock`] is read once a batch; [`spread`] gives hosts to lanes where senders would leave most of them idle;
//! - [`pipeline`] makes the threads and the channels between the stages, [`heartbeat`] tells whether they go on.
//!
//! And in the order in which an operator meets the rest:
//!
//! - [`start`] is what has to be so before anything runs, [`service`] starts and stops all of it;
//! - [`gate`] is who may send, and [`unwelcome`] why others may not;
//! - [`counters`] is the table of everything that is counted, [`measure`] and [`summary`] what is measured from
//!   time to time, [`receive_buffers`] what the kernel tells, [`snapshot`] all at one moment;
//! - [`reading`] goes through what is remembered, in order and [`page`] by page; [`api`] shows it.

#![forbid(unsafe_code)]

pub mod account;
pub mod api;
pub mod batch;
pub mod clock;
pub mod counters;
pub mod dial;
#[cfg(test)]
mod faults;
pub mod filter;
pub mod gate;
pub mod heartbeat;
pub mod lane;
pub mod listen;
pub mod measure;
pub mod membership;
pub mod outlet;
pub mod outlets;
pub mod own;
pub mod page;
pub mod partitions;
pub mod patience;
pub mod pipeline;
pub mod reading;
pub mod receive_buffers;
pub mod routes;
pub mod routing;
pub mod runs;
pub mod sealed;
pub mod secrets;
pub mod send;
pub mod service;
pub mod snapshot;
pub mod socket;
pub mod spread;
pub mod start;
pub mod summary;
pub mod unwelcome;
pub mod useless;

/// What the program is for, in a line.
pub const ABOUT: &str = "Shards collectd's packets over storage nodes by a consistent hash of the host";
