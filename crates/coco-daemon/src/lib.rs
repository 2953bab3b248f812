//! The common ground of the daemons Coco and Noodle: their start, their logs, counters and HTTP, and their stop.
//!
//! In the order in which a daemon's `main` meets the modules:
//!
//! - [`process`] is a daemon's whole `main`;
//! - [`command_line`] reads the arguments and the configuration, and says what is wrong with them;
//! - [`files`] reads files that hang without hanging;
//! - [`logging`] writes to standard output, and holds back what would be said too often;
//! - [`signals`] turns SIGTERM, SIGINT and SIGHUP into wishes;
//! - [`deadline`] ends a stop that takes too long, whatever any thread does;
//! - [`handed_over`] are sockets that the service manager has bound, and keeps;
//! - [`service_manager`] is told when the daemon is ready, and that it lives;
//! - [`reload`] reads the configuration again while the daemon runs;
//! - [`resolve`] finds the addresses of targets that have names;
//! - [`health`] tells up, down and flapping apart, by the [`damping`] of RFC 2439;
//! - [`descriptors`] asks the system for as many files and sockets as it grants;
//! - [`counters`] is the vocabulary of what is counted, and a snapshot of it; [`latency`] is what is measured;
//! - [`http`] serves a table of routes within limits;
//! - [`status`] is the page that browsers get;
//! - [`routes`] are those that both daemons have, [`vars`] and [`lookup`] what two of them answer, [`tiers`] what both say
//!   of placements.
//!
//! A daemon brings its own table of counters, its own routes and a tokio runtime. HTTP has threads of its own, so that
//! no client's request stands before a signal, a reload or the watchdog.

#![forbid(unsafe_code)]

pub mod command_line;
pub mod counters;
pub mod damping;
pub mod deadline;
pub mod descriptors;
pub mod files;
pub mod handed_over;
pub mod health;
pub mod http;
pub mod latency;
pub mod logging;
pub mod lookup;
pub mod process;
pub mod reload;
pub mod resolve;
pub mod routes;
pub mod service_manager;
pub mod signals;
pub mod status;
pub mod tiers;
pub mod vars;
