//! Real collectd daemons, with the configuration samples of `etc/collectd`.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use crate::csv::{self, Hosts};
use crate::directory::Directory;
use crate::process::Process;
use crate::text::replaced;

mod page;
mod storage_node;

pub use page::Page;
pub use storage_node::StorageNode;

/// Plugins that have something to say on every Linux machine, two of them (irq, users) refused by the blacklist
/// of the sample configuration.
const AGENT_PLUGINS: [&str; 9] =
    ["load", "cpu", "memory", "df", "interface", "processes", "uptime", "irq", "users"];

/// A collectd that writes every value list it reads or receives as a row of a csv file.
#[derive(Debug)]
pub struct Collectd {
    // Dropped before the directory it writes to.
    process: Process,
    directory: Directory,
}

impl Collectd {
    /// Starts collectd under the given host name with the given configuration and waits until it reads.
    ///
    /// # Panics
    /// When collectd is missing or ends at once.
    #[must_use]
    pub fn start(host: &str, config: &str) -> Self {
        let directory = Directory::new(host);
        let base = directory.path().display();
        // One thread writes, so the rows of a file are in the order of the value lists.
        let config = format!(
            "Hostname \"{host}\"\nFQDNLookup false\nInterval 1\nWriteThreads 1\n\
             BaseDir \"{base}\"\nPIDFile \"{base}/pid\"\n\
             LoadPlugin csv\n<Plugin csv>\n  DataDir \"{base}/csv\"\n  StoreRates false\n</Plugin>\n{config}"
        );
        directory.write("collectd.conf", &config);
        let process = run(&format!("collectd {host}"), &directory);
        Self { process, directory }
    }

    /// An agent as `etc/collectd/agent.conf` sets it up, which sends to `server`, every second.
    #[must_use]
    pub fn agent(host: &str, server: SocketAddr) -> Self {
        let network = replaced(
            &sample("agent.conf"),
            &[
                ("\"coco.example.org\" \"25826\"", &format!("\"{}\" \"{}\"", server.ip(), server.port())),
                ("FlushInterval 10", "FlushInterval 1"),
            ],
        );
        let plugins: String = AGENT_PLUGINS.iter().map(|plugin| format!("LoadPlugin {plugin}\n")).collect();
        Self::start(host, &(plugins + &network))
    }

    /// An agent that reads little and sends it to all of these servers, every second, secured as it is told.
    #[must_use]
    pub fn secured_agent(host: &str, servers: &[SocketAddr], security: Security<'_>) -> Self {
        let options = match security.user {
            None => String::new(),
            Some((user, password)) => format!("Username \"{user}\"\n    Password \"{password}\"\n"),
        };
        let server = |server: &SocketAddr| {
            let (address, port, level) = (server.ip(), server.port(), security.level);
            format!(
                "  <Server \"{address}\" \"{port}\">\n    SecurityLevel {level}\n    {options}  </Server>\n"
            )
        };
        let servers: String = servers.iter().map(server).collect();
        Self::start(
            host,
            &format!(
                "LoadPlugin load\n<LoadPlugin network>\n  FlushInterval 1\n</LoadPlugin>\n\
                 <Plugin network>\n{servers}</Plugin>\n"
            ),
        )
    }

    /// What it has written so far.
    #[must_use]
    pub fn rows(&self) -> Hosts {
        csv::read(&self.directory.path().join("csv"))
    }

    /// Stops it by SIGTERM, which makes it send what waits in its buffer, and returns all it has written.
    ///
    /// # Panics
    /// When it fails or stays.
    #[must_use]
    pub fn stop(mut self) -> Hosts {
        let status = self.process.stop();
        assert!(status.success(), "collectd ended with {status}");
        self.rows()
    }
}

/// As whom a collectd sends: its `SecurityLevel`, and `Username` and `Password` if it has them.
#[derive(Clone, Copy, Debug)]
pub struct Security<'a> {
    /// `None`, `Sign` or `Encrypt`.
    pub level: &'a str,
    /// User and password.
    pub user: Option<(&'a str, &'a str)>,
}

/// Runs collectd by the configuration in a directory, and waits until it reads.
fn run(name: &str, directory: &Directory) -> Process {
    let mut command = Command::new("collectd");
    let path = directory.path().join("collectd.conf");
    command.env("PATH", path_with_sbin()).arg("-f").arg("-C").arg(path);
    let mut process = Process::start(name, directory.path(), &mut command);
    process.wait_for("initialization", |process| {
        let said = process.stdout() + &process.stderr();
        said.contains("Initialization complete").then_some(())
    });
    process
}

/// The text of a file of `etc/collectd`.
///
/// # Panics
/// When it isn't there.
#[must_use]
pub fn sample(name: &str) -> String {
    let path = crate::repository().join("etc/collectd").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Debian has collectd in /usr/sbin, which only root has in its path.
pub(crate) fn path_with_sbin() -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let sbin = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::join_paths(std::env::split_paths(&path).chain(sbin)).expect("PATH came from the environment")
}
