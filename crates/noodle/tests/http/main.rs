//! Noodle between clients and storage nodes that are sockets of the test.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may end this way")]

mod browser;
mod clients;
mod collectd;
mod connections;
mod copies;
mod flapping;
mod graphite;
mod joined;
mod memory;
mod node;
mod nodes;
mod noodle;
mod one;
mod pages;
mod process;
#[expect(dead_code, reason = "other tests use the rest")]
mod transcript;
mod transcripts;
mod webrick;
