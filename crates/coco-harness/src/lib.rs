//! What tests start and ask: real collectd daemons around real Coco and Noodle processes, most of it on
//! loopback.
//!
//! Little is simulated. An agent is a collectd that reads this machine, a storage node is a collectd that writes csv
//! or RRD files, the HTTP client is curl, and the configurations are the samples that we ship. In the order in which
//! a test meets the modules:
//!
//! - [`collectd`] starts agents and storage nodes, [`csv`] and [`rrd`] read what they wrote, [`rrdcached`] serves it;
//! - [`program`] builds and starts what is under test, [`before`](mod@before) what it takes the place of, [`coco`] and [`noodle`] ask it questions with [`curl`];
//! - [`graphite_web`] is the real one, behind Noodle;
//! - [`visage`] stands in for the one program that is not there: it serves RRD files as Visage does;
//! - [`traffic`] makes datagrams where an agent would be too polite, [`mutation`] makes them wrong, [`books`] tell
//!   what must become of them, [`sink`] is a target that keeps all it gets; [`clients`] speak HTTP and don't behave,
//!   [`nobody`] refuses; [`chromium`] is a browser; [`balancer`] starts HAProxy and nginx between them,
//!   [`distance`] is one that HTTP has to go; [`engine`] takes samples, real ones and one that answers as it is told;
//! - [`namespace`] has hosts of their own on links that can be cut, [`lan`] joins them by a switch, [`names`] is the name
//!   server of such a host, [`keepalived`] moves an address between two, [`flows`] count what is lost meanwhile;
//! - [`pipe`] is an output that nobody reads;
//! - [`processor`] tells what a busy machine adds to a time;
//! - [`process`], [`directory`], [`text`] and [`wait`] carry the rest: every process is killed and every directory
//!   removed when its value is dropped, and [`wait`] sleeps between two looks.
//!
//! The end-to-end tests of `tests/` are made of it, and those of crates that need more than themselves; no crate is built
//! of it. The table of tests in `ARCHITECTURE.md` says what is proved where; `collectd_alone` proves the harness without
//! Coco.
//!
//! `tests/run` installs what it needs. [`namespace`] needs root.

#![forbid(unsafe_code)]

pub mod balancer;
pub mod before;
pub mod books;
pub mod chromium;
pub mod clients;
pub mod coco;
pub mod collectd;
pub mod csv;
pub mod curl;
pub mod directory;
pub mod distance;
pub mod engine;
pub mod flows;
pub mod graphite_web;
pub mod keepalived;
pub mod lan;
pub mod mutation;
pub mod names;
pub mod namespace;
pub mod nobody;
pub mod noodle;
pub mod pipe;
pub mod process;
pub mod processor;
pub mod program;
pub mod rrd;
pub mod rrdcached;
pub mod sink;
pub mod text;
pub mod traffic;
pub mod visage;
pub mod wait;

/// The root of the repository.
#[must_use]
pub fn repository() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
