//! Storage nodes: a collectd that writes what it receives into files.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use socket2::SockRef;

use super::{Collectd, run, sample};
use crate::csv::Hosts;
use crate::text::replaced;
use crate::wait::PATIENCE;

/// A storage node as `etc/collectd/storage.conf` sets it up, with csv files of its own.
#[derive(Debug)]
pub struct StorageNode {
    /// Where it listens.
    pub address: SocketAddr,
    collectd: Collectd,
    nudge: UdpSocket,
}

impl StorageNode {
    /// Starts a node that writes csv files only, on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// When collectd is missing or ends at once.
    #[must_use]
    pub fn start(name: &str) -> Self {
        Self::with_files(name, "", None, |_| String::new())
    }

    /// Starts a node whose `Listen` block has these options besides.
    ///
    /// # Panics
    /// When collectd is missing or ends at once.
    #[must_use]
    pub fn with_options(name: &str, options: &str) -> Self {
        Self::with_files(name, options, None, |_| String::new())
    }

    /// Starts a node that writes RRD files too, for each value list at once, one row a second.
    ///
    /// # Panics
    /// When collectd is missing or ends at once.
    #[must_use]
    pub fn with_rrd_files(name: &str) -> Self {
        Self::with_rrd_files_at(name, Ipv4Addr::LOCALHOST)
    }

    /// Starts such a node at another address of this thread's host.
    ///
    /// # Panics
    /// When collectd is missing or ends at once.
    #[must_use]
    pub fn with_rrd_files_at(name: &str, ip: Ipv4Addr) -> Self {
        Self::at(ip, name, "", None, rrd_files)
    }

    /// Starts such a node that also counts what arrives, and sends that to a Coco, every second.
    ///
    /// # Panics
    /// When collectd is missing or ends at once.
    #[must_use]
    pub fn with_statistics(name: &str, coco: SocketAddr) -> Self {
        Self::with_files(name, "", Some(coco), rrd_files)
    }

    /// Starts a node that keeps rows for its RRD files, one a second, in its cache for two minutes, as `storage.conf` has
    /// it, and takes commands at [`socket`](Self::socket).
    ///
    /// # Panics
    /// When collectd is missing or ends at once.
    #[must_use]
    pub fn with_cached_rrd_files(name: &str) -> Self {
        Self::with_files(name, "", None, |rrdtool| {
            let options = "DataDir \"rrd\"\n  StepSize 1\n  HeartBeat 10\n  RRATimespan 1200";
            replaced(rrdtool, &[("DataDir \"/var/lib/collectd/rrd\"", options)]) + SOCKET
        })
    }

    /// Starts a node that keeps rows for its RRD files so many seconds, as `CacheTimeout` says, takes commands at
    /// [`socket`](Self::socket), and has archives of rows of one second and of seven.
    ///
    /// # Panics
    /// When collectd is missing or ends at once.
    #[must_use]
    pub fn with_long_rows(name: &str, cache_timeout: u32) -> Self {
        Self::with_files(name, "", None, |rrdtool| {
            let options = format!("DataDir \"rrd\"\n{LONG_ROWS}");
            let timeout = format!("CacheTimeout {cache_timeout}");
            let places = [("DataDir \"/var/lib/collectd/rrd\"", &*options), ("CacheTimeout 120", &timeout)];
            replaced(rrdtool, &places) + SOCKET
        })
    }

    /// Starts a node with the same archives, whose files an rrdcached writes below `base`, over this socket.
    ///
    /// # Panics
    /// When collectd is missing or ends at once.
    #[must_use]
    pub fn with_rrdcached_of_long_rows(name: &str, socket: &Path, base: &Path) -> Self {
        Self::with_rrdcached_and(name, socket, base, LONG_ROWS)
    }

    /// Starts a node whose files an rrdcached writes below `base`, over this socket, as `storage-rrdcached.conf` has it.
    ///
    /// # Panics
    /// When collectd is missing or ends at once.
    #[must_use]
    pub fn with_rrdcached(name: &str, socket: &Path, base: &Path) -> Self {
        Self::with_rrdcached_and(name, socket, base, "")
    }

    fn with_rrdcached_and(name: &str, socket: &Path, base: &Path, options: &str) -> Self {
        let config = sample("storage-rrdcached.conf");
        let (_, plugin) = config.split_once("LoadPlugin rrdcached").expect("the part of rrdcached");
        let places = [
            ("/var/run/rrdcached.sock", socket.display().to_string()),
            ("/var/lib/collectd/rrd", base.display().to_string()),
        ];
        let places = places.each_ref().map(|(sample, place)| (*sample, place.as_str()));
        let plugin = replaced(&format!("LoadPlugin rrdcached{plugin}"), &places);
        let plugin = replaced(&plugin, &[("CreateFiles true", &format!("CreateFiles true\n{options}"))]);
        Self::with_files(name, "", None, |_| plugin.clone())
    }

    fn with_files(
        name: &str,
        options: &str,
        coco: Option<SocketAddr>,
        files: impl Fn(&str) -> String,
    ) -> Self {
        Self::at(Ipv4Addr::LOCALHOST, name, options, coco, files)
    }

    /// `options` are those of `Listen`, `coco` is who gets its own counters, of which there are none if nobody does,
    /// and `files` makes the second part of `storage.conf` fit for a test.
    fn at(
        ip: Ipv4Addr,
        name: &str,
        options: &str,
        coco: Option<SocketAddr>,
        files: impl Fn(&str) -> String,
    ) -> Self {
        // collectd sets SO_REUSEADDR and binds a taken port without a word. Set here after the bind, the option lets
        // collectd share the port for a moment, and nobody else can get it in between.
        let reservation = UdpSocket::bind((ip, 0)).expect("a free port");
        SockRef::from(&reservation).set_reuse_address(true).expect("SO_REUSEADDR");
        let address = reservation.local_addr().expect("a bound socket");

        let config = sample("storage.conf");
        let (network, rrdtool) =
            config.split_once("# What Visage").expect("the rrdtool part of storage.conf");
        assert!(rrdtool.ends_with("</Plugin>\n"), "storage.conf ends with rrdtool");
        let listen = format!("<Listen \"{ip}\" \"{}\">\n{options}\n</Listen>", address.port());
        let server = coco.map(|coco| format!("Server \"{}\" \"{}\"", coco.ip(), coco.port()));
        // Its own counters would stand among the rows of the agents.
        let statistics = if coco.is_some() { "ReportStats true" } else { "ReportStats false" };
        let network = replaced(
            network,
            &[
                ("Listen \"0.0.0.0\" \"25826\"", &listen),
                ("Server \"coco.example.org\" \"25826\"", server.as_deref().unwrap_or_default()),
                ("FlushInterval 10", "FlushInterval 1"),
                ("ReportStats true", statistics),
            ],
        );
        let rrdtool = files(&format!("# What Visage{rrdtool}"));
        let nudge = UdpSocket::bind((ip, 0)).expect("a free port");
        Self { address, collectd: Collectd::start(name, &(network + &rrdtool)), nudge }
    }

    /// What it has written so far.
    ///
    /// # Panics
    /// When loopback doesn't work.
    #[must_use]
    pub fn rows(&self) -> Hosts {
        self.nudge();
        self.collectd.rows()
    }

    /// Where its RRD files are: `HOST/PLUGIN[-INSTANCE]/TYPE[-INSTANCE].rrd`.
    #[must_use]
    pub fn rrd_files(&self) -> PathBuf {
        self.collectd.directory.path().join("rrd")
    }

    /// Where it takes commands, as collectdctl(1) gives them, if it was started so.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.collectd.directory.path().join("socket")
    }

    /// Its process.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.collectd.process.id()
    }

    /// Stops it and leaves its files, which then hold all that it kept in its cache, until it is dropped.
    ///
    /// # Panics
    /// When it fails or stays.
    pub fn stop_in_place(&mut self) {
        let status = self.collectd.process.stop();
        assert!(status.success(), "collectd ended with {status}");
    }

    /// Ends it as a machine that fails does: what it kept in its cache is lost.
    pub fn kill_in_place(&mut self) {
        self.collectd.process.signal(Signal::SIGKILL);
        self.collectd.process.ended(PATIENCE);
    }

    /// Starts it again where it was.
    pub fn start_again(&mut self) {
        let Collectd { process, directory } = &mut self.collectd;
        *process = run("collectd", directory);
    }

    /// Makes it take what it has received.
    ///
    /// collectd's receive thread may keep a datagram until the next one arrives, so it is sent an empty one, which
    /// holds nothing and is skipped.
    ///
    /// # Panics
    /// When loopback doesn't work.
    pub fn nudge(&self) {
        self.nudge.send_to(&[], self.address).expect("an empty datagram");
    }

    /// Stops it and returns all it has written.
    #[must_use]
    pub fn stop(self) -> Hosts {
        self.collectd.stop()
    }
}

/// Takes commands, also after it was killed: without `DeleteSocket` what it has left would be in the way.
const SOCKET: &str =
    "LoadPlugin unixsock\n<Plugin unixsock>\n  SocketFile \"socket\"\n  DeleteSocket true\n</Plugin>\n";

/// A row a second for twenty minutes, and one of seven seconds for longer.
const LONG_ROWS: &str = "  StepSize 1\n  HeartBeat 10\n  RRATimespan 1200\n  RRATimespan 8400\n";

/// The second part of `storage.conf` for a test: one row a second, at once, in the directory of the process, below
/// `BaseDir`.
fn rrd_files(rrdtool: &str) -> String {
    let options = "DataDir \"rrd\"\n  StepSize 1\n  HeartBeat 10\n  RRATimespan 1200";
    replaced(
        rrdtool,
        &[("DataDir \"/var/lib/collectd/rrd\"", options), ("CacheTimeout 120", "CacheTimeout 0")],
    )
}
