//! The harness of the end-to-end tests: real collectd daemons around real Coco processes, all of it on loopback.
//!
//! Nothing is simulated. An agent is a collectd that reads this machine, a storage node is a collectd that
//! writes csv files, the HTTP client is curl, and the configurations are the samples that we ship. In the
//! order in which a test meets the modules:
//!
//! - [`collectd`] starts agents and storage nodes, [`csv`] reads what they wrote;
//! - [`coco`] builds and starts Coco, [`curl`] asks it questions;
//! - [`traffic`] makes datagrams where an agent would be too polite, [`sink`] is a target that keeps all it gets;
//! - [`process`], [`directory`] and [`wait`] carry the rest: every process is killed and every directory removed
//!   when its value is dropped, and [`wait`] is the only place that sleeps.
//!
//! A file in `tests/` is a topic: `collectd_alone` proves the harness without Coco, `agent_to_storage` and
//! `collectd_tg` follow value lists from end to end, `curl_json` is collectd watching Coco, `operation` is what
//! an operator does to it.
//!
//! They need collectd, collectd-tg and curl; `tests/run` installs them.

#![forbid(unsafe_code)]

pub mod coco;
pub mod collectd;
pub mod csv;
pub mod curl;
pub mod directory;
pub mod process;
pub mod sink;
pub mod traffic;
pub mod wait;

/// The root of the repository.
#[must_use]
pub fn repository() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
