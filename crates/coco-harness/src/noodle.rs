//! A real Noodle: its process, its answers.

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitStatus;

use serde_json::Value;

use crate::curl::{self, Response};
use crate::directory::Directory;
use crate::process::Process;
use crate::program::{self, Program, logged_address};

/// A running Noodle.
#[derive(Debug)]
pub struct Noodle {
    /// Where it speaks HTTP.
    pub address: SocketAddr,
    /// The process, for signals, output and memory.
    pub process: Process,
    directory: Directory,
}

impl Noodle {
    /// Starts Noodle with the given configuration and waits until it says that it is ready.
    ///
    /// # Panics
    /// When it doesn't come up.
    #[must_use]
    pub fn start(config: &str) -> Self {
        Self::of(program::start(Program::Noodle, config))
    }

    /// The same as one who may open no more than others, though root started it.
    ///
    /// # Panics
    /// When it doesn't come up.
    #[must_use]
    pub fn start_unprivileged(config: &str) -> Self {
        Self::of(program::start_unprivileged(Program::Noodle, config))
    }

    /// The same with another build of it.
    ///
    /// # Panics
    /// When it doesn't come up.
    #[must_use]
    pub fn start_build(build: &Path, config: &str) -> Self {
        Self::of(program::start_build(Program::Noodle, build, config))
    }

    fn of((process, directory): (Process, Directory)) -> Self {
        let address = logged_address(&process.stdout(), "serving HTTP");
        Self { address, process, directory }
    }

    /// Puts a pipe that nobody writes to in the place of the configuration.
    ///
    /// # Panics
    /// When the system makes no pipe.
    pub fn replace_config_by_pipe(&self) {
        self.directory.pipe("coco.conf");
    }

    /// Writes another configuration, without telling.
    pub fn write_config(&self, config: &str) {
        self.directory.write("coco.conf", config);
    }

    /// Writes another configuration, says so by SIGHUP, and waits until it is taken over or refused. Returns the lines
    /// that the log has for it.
    pub fn reload(&mut self, config: &str) -> String {
        self.write_config(config);
        self.process.reload()
    }

    /// GETs a path.
    #[must_use]
    pub fn get(&self, path: &str) -> Response {
        curl::get(&format!("http://{}{path}", self.address))
    }

    /// The JSON behind a path.
    ///
    /// # Panics
    /// When the status isn't 200.
    #[must_use]
    pub fn json(&self, path: &str) -> Value {
        curl::json(&format!("http://{}{path}", self.address))
    }

    /// A counter of the object `noodle` of `/debug/vars`, by its way.
    ///
    /// # Panics
    /// When there is none: every counter is there from the start.
    #[must_use]
    pub fn count(&self, way: &[&str]) -> u64 {
        let vars = self.json("/debug/vars");
        let found = way.iter().fold(&vars["noodle"], |value, step| &value[*step]);
        found.as_u64().unwrap_or_else(|| panic!("no counter at {way:?} in {vars}"))
    }

    /// Stops it by SIGTERM and waits for its exit status.
    #[must_use]
    pub fn stop(mut self) -> ExitStatus {
        self.process.stop()
    }
}
