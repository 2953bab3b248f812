//! A storage node's rrdcached as Noodle asks it: a real daemon over files with names, steps and gaps that are hard to
//! read, and what only pretends to be one.

#![allow(clippy::unwrap_used, reason = "a test may end this way")]

#[path = "../../../graphite/tests/expressions/mod.rs"]
mod expressions;
mod files;
mod graphite;
mod hostile;
mod moving;
mod node;
mod nodes;
#[path = "../http/noodle.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod noodle;
mod proxy;
mod said;
#[path = "../http/transcript.rs"]
#[expect(dead_code, reason = "other tests use the rest")]
mod transcript;
