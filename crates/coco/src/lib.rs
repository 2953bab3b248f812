//! coco: receives collectd's packets, drops what a blacklist matches, and sends every value list to the target
//! that owns its host, in every tier.
//!
//! Each module knows those in the lines below its own, and none above:
//!
//! - [`service`] starts and stops all of it; [`start`] is what has to be so before anything runs;
//! - [`pipeline`] makes the threads of the stages and the channels between them; [`api`] shows what is seen;
//! - [`intake`] decodes in place, [`decide`] gives verdicts, [`send`] packs and sends: the three stages; [`watch`] is
//!   what is seen of them from beside;
//! - [`plan`] is what is decided and sent by;
//! - [`lane`] is what the stages of a lane share; [`outlets`] are the targets as places to send to;
//! - [`memory`] is what a lane remembers; [`batch`] is what travels from stage to stage;
//! - [`share`] numbers what hosts are parted into;
//! - [`counters`] is the table of everything that is counted, [`secrets`] reads passwords.

#![forbid(unsafe_code)]

pub mod api;
pub mod batch;
pub mod counters;
pub mod decide;
pub mod intake;
pub mod lane;
pub mod memory;
pub mod outlets;
pub mod pipeline;
pub mod plan;
pub mod secrets;
pub mod send;
pub mod service;
pub mod share;
pub mod start;
pub mod watch;

/// The program's purpose, in a line.
pub const ABOUT: &str = "Shards collectd's packets over storage nodes by a consistent hash of the host";
