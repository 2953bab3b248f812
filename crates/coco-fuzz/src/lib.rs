//! What any bytes must survive, wherever strangers' bytes come in. Not shipped.
//!
//! A law is a function of bytes that panics if something is wrong. [`LAWS`] is the table of them: `tests/corpus.rs`
//! runs each over the inputs of `corpus/NAME.gz`, and `fuzz/fuzz_targets/NAME.rs` hands it to libFuzzer. `README.md`
//! says how to search further.
//!
//! - [`decode`], [`secured`]: a datagram, for a listener that trusts everyone and for one with users;
//! - [`types_db`], [`config`]: files of an operator;
//! - [`answer`], [`head`] around it, [`rrdcached`]: what a storage node says; [`request`]: what a client of Noodle asks, [`form`] in which form;
//! - [`target`], [`glob`], [`time`]: what a client of Graphite's asks; [`remote_read`]: what a Prometheus asks;
//! - [`series_names`]: what an agent calls its values;
//! - [`corpus`] reads and writes files of inputs.

#![forbid(unsafe_code)]
#![allow(clippy::missing_panics_doc, reason = "a panic is how a law says that it is broken")]

pub mod answer;
pub mod config;
pub mod corpus;
pub mod decode;
pub mod form;
pub mod glob;
pub mod head;
pub mod remote_read;
pub mod request;
pub mod rrdcached;
pub mod secured;
pub mod series_names;
pub mod target;
pub mod time;
pub mod types_db;

/// Panics if it is broken.
pub type Law = fn(&[u8]);

/// Each law behind its name, which is that of its corpus and of its fuzz target.
pub const LAWS: [(&str, Law); 14] = [
    ("decode", decode::holds),
    ("secured", secured::holds),
    ("types_db", types_db::holds),
    ("config", config::holds),
    ("answer", answer::holds),
    ("head", head::holds),
    ("request", request::holds),
    ("form", form::holds),
    ("rrdcached", rrdcached::holds),
    ("target", target::holds),
    ("glob", glob::holds),
    ("time", time::holds),
    ("remote_read", remote_read::holds),
    ("series_names", series_names::holds),
];
