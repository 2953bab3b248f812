//! A real rrdcached over a directory of RRD files.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::directory::Directory;
use crate::process::Process;
use crate::program::unprivileged;
use crate::wait::{PATIENCE, wait_until};

/// The commands that a reader needs.
pub const READERS: &str = "PING,FETCH,FETCHBIN,LIST,FIRST,LAST,INFO,STATS,FLUSH";

/// A daemon that serves a directory until it is dropped.
#[derive(Debug)]
pub struct Rrdcached {
    /// Its socket for all commands.
    pub socket: PathBuf,
    /// Where it listens for readers.
    pub address: SocketAddr,
    /// The daemon.
    pub process: Process,
    base: PathBuf,
    commands: &'static str,
    is_privileged: bool,
    directory: Directory,
}

impl Rrdcached {
    /// Serves the RRD files below `base`; over TCP with [`READERS`] alone.
    ///
    /// # Panics
    /// When rrdcached is not there, or does not start.
    #[must_use]
    pub fn start(base: &Path) -> Self {
        Self::start_with(base, READERS)
    }

    /// The same at another address of this thread's host.
    ///
    /// # Panics
    /// When rrdcached is not there, or does not start.
    #[must_use]
    pub fn start_at(base: &Path, ip: Ipv4Addr) -> Self {
        Self::at(ip, base, READERS, true)
    }

    /// The same with other commands over TCP.
    ///
    /// # Panics
    /// When rrdcached is not there, or does not start.
    #[must_use]
    pub fn start_with(base: &Path, commands: &'static str) -> Self {
        Self::at(Ipv4Addr::LOCALHOST, base, commands, true)
    }

    /// The same as one who may read no more than others, though root started it.
    ///
    /// # Panics
    /// When rrdcached is not there, or does not start.
    #[must_use]
    pub fn start_unprivileged(base: &Path) -> Self {
        Self::at(Ipv4Addr::LOCALHOST, base, READERS, false)
    }

    fn at(ip: Ipv4Addr, base: &Path, commands: &'static str, is_privileged: bool) -> Self {
        let directory = Directory::new("rrdcached");
        let free = TcpListener::bind((ip, 0)).expect("a free port");
        let address = free.local_addr().expect("a bound socket");
        drop(free);
        let socket = directory.path().join("socket");
        let process = start(base, commands, is_privileged, &directory, address);
        let base = base.to_owned();
        let daemon = Self { socket, address, process, base, commands, is_privileged, directory };
        daemon.wait();
        daemon
    }

    /// Ends it, and starts another in its place.
    pub fn restart(&mut self) {
        let _ = self.process.stop();
        self.start_again();
    }

    /// Starts another in the place of one that was stopped.
    pub fn start_again(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
        self.process = start(&self.base, self.commands, self.is_privileged, &self.directory, self.address);
        self.wait();
    }

    fn wait(&self) {
        wait_until(PATIENCE, "rrdcached", || {
            UnixStream::connect(&self.socket).is_ok() && std::net::TcpStream::connect(self.address).is_ok()
        });
    }
}

fn start(
    base: &Path,
    commands: &str,
    is_privileged: bool,
    directory: &Directory,
    address: SocketAddr,
) -> Process {
    let path = |name: &str| directory.path().join(name).display().to_string();
    let name = "rrdcached";
    let mut command = if is_privileged { Command::new(name) } else { unprivileged(Path::new(name)) };
    // What stands behind -P is for the sockets behind it.
    Process::start(
        name,
        directory.path(),
        command
            .args(["-g", "-B", "-b"])
            .arg(base)
            .args(["-p", &path("pid"), "-l", &format!("unix:{}", path("socket"))])
            .args(["-P", commands, "-l", &address.to_string()]),
    )
}
