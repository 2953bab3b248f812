//! The common ground of Coco and Noodle: collectd's binary protocol and the routing of hosts to storage targets.
//!
//! This crate owns no socket, no thread and no clock; it turns bytes into meaning and back. In the order
//! in which data meets the modules:
//!
//! - [`wire`] walks a datagram part by part, yields value lists and notifications as spans of it, and
//!   packs value lists into datagrams as collectd does;
//! - [`value_list`], [`value_kind`] and [`notification`] are what the parts mean: identifiers, values, times;
//! - [`types_db`] reads collectd's table of types (never needed to forward);
//! - [`host`] is the name under which collectd stores a host;
//! - [`address`] is a host and a port as operators write them;
//! - [`network`] is a range of addresses; [`origin`] is where a web page comes from;
//! - [`placement`] says which targets of a tier hold a host: by a ring, by jumps, or by rendezvous;
//! - [`tier`] names targets and tiers, in the order of the file, and their fingerprint;
//! - [`bytes`] compares names, [`blacklist`] holds them against a regular expression;
//! - [`text`] shows names that strangers chose;
//! - [`recycle`](mod@recycle) keeps memory from batch to batch;
//! - [`config`] turns the text of `coco.conf` into a configuration that is always valid, or into all that is wrong with
//!   it.

#![forbid(unsafe_code)]

pub mod address;
pub mod blacklist;
pub mod bytes;
pub mod config;
pub mod host;
pub mod network;
pub mod notification;
pub mod origin;
pub mod placement;
pub mod recycle;
pub mod text;
pub mod tier;
pub mod types_db;
pub mod value_kind;
pub mod value_list;
pub mod wire;
