//! Hosts with a network of their own, on real links: network namespaces joined by pairs of veth devices.
//!
//! A namespace lives as long as something holds it: a file of its [`Host`], a thread in it, a process started there. So
//! nothing is left behind however a test ends, and as none has a name, tests don't get in each other's way.
//!
//! Needs root (CAP_SYS_ADMIN and CAP_NET_ADMIN), iproute2, nftables, and a kernel with both.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::panic::resume_unwind;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use nix::sched::{CloneFlags, setns, unshare};

use crate::collectd::path_with_sbin;
use crate::directory::Directory;
use crate::sink::Sink;
use crate::wait::{PATIENCE, wait_for};

/// The port of collectd's network plugin. In a network of its own nobody else has it.
pub const PORT: u16 = 25826;

/// A host with a network of its own.
#[derive(Debug)]
pub struct Host {
    namespace: File,
    /// What stands in `/etc` there.
    etc: Option<Directory>,
    /// Networks so far.
    cables: Mutex<u8>,
}

impl Host {
    /// A host that has nothing but loopback.
    ///
    /// # Panics
    /// When the system makes no network namespace.
    #[must_use]
    pub fn new() -> Self {
        let namespace = in_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET).unwrap_or_else(|error| {
                panic!(
                    "no network namespace: {error}; run these tests as root (CAP_SYS_ADMIN and CAP_NET_ADMIN)"
                )
            });
            File::open("/proc/thread-self/ns/net").expect("a thread has a network")
        });
        let host = Self { namespace, etc: None, cables: Mutex::new(0) };
        host.ip("link set lo up");
        host
    }

    /// With these files in its `/etc`, in place of the system's.
    #[must_use]
    pub fn with_etc(mut self, files: &[(&str, &str)]) -> Self {
        let directory = Directory::new("etc");
        for (name, text) in files {
            directory.write(name, text);
        }
        self.etc = Some(directory);
        self
    }

    /// Does something on this host: what it opens and what it starts is there.
    pub fn run<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        in_thread(|| {
            setns(&self.namespace, CloneFlags::CLONE_NEWNET).expect("a namespace that is held");
            if let Some(etc) = &self.etc {
                mount_over_etc(etc);
            }
            act()
        })
    }

    /// Where its network is, as `ip` takes it.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.namespace.as_raw_fd())
    }

    /// `ip` with these arguments.
    ///
    /// # Panics
    /// When it fails.
    pub fn ip(&self, arguments: &str) {
        self.run(|| command("ip", arguments, ""));
    }

    /// Sets what `net.ipv4` of sysctl(8) has under this name.
    ///
    /// # Panics
    /// When there is no such name.
    pub fn set(&self, name: &str, value: &str) {
        let path = format!("/proc/sys/net/ipv4/{name}");
        self.run(|| std::fs::write(&path, value)).unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// `tc` with these arguments.
    ///
    /// # Panics
    /// When it fails.
    pub fn tc(&self, arguments: &str) {
        self.run(|| command("tc", arguments, ""));
    }

    /// Adds rules of nftables.
    ///
    /// # Panics
    /// When they are refused.
    pub fn nft(&self, rules: &str) {
        self.run(|| command("nft", "-f -", rules));
    }

    /// Packets that a named counter of the table `ip t` has counted.
    ///
    /// # Panics
    /// When there is no such counter.
    #[must_use]
    pub fn counted(&self, counter: &str) -> u64 {
        let shown = self.run(|| command("nft", &format!("list counter ip t {counter}"), ""));
        let count = shown.split_once("packets ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
        count.unwrap_or_else(|| panic!("no count in {shown}"))
    }

    /// A storage node on a cable to this host.
    #[must_use]
    pub fn node(&self) -> Node {
        let mut cables = self.cables.lock().expect("no test panics here");
        let (number, mut host) = (*cables, Self::new());
        *cables += 1;
        // Where the cables of each have networks of their own.
        host.cables = Mutex::new((number + 1).saturating_mul(16));
        let node = Node { host, number };
        self.connect(&node);
        node
    }

    /// Takes the cable to a node away and lays another one, with devices of the same names and addresses.
    ///
    /// # Panics
    /// When there is none.
    pub fn lay_anew(&self, node: &Node) {
        self.ip(&format!("link delete {}", node.device()));
        self.connect(node);
    }

    fn connect(&self, node: &Node) {
        let (device, netns) = (node.device(), node.host.path());
        self.ip(&format!("link add {device} type veth peer name eth0 netns {netns}"));
        self.ip(&format!("address add 10.77.{}.1/24 dev {device}", node.number));
        // A cable carries datagrams; veth would carry messages that are still to be cut into some.
        self.ip(&format!("link set {device} gso_max_segs 1 up"));
        node.host.ip(&format!("address add {}/24 dev eth0", node.ip(2)));
        node.host.ip("link set eth0 up");
    }
}

impl Default for Host {
    fn default() -> Self {
        Self::new()
    }
}

/// A host at the other end of a cable, where a target may be.
#[derive(Debug)]
pub struct Node {
    /// It.
    pub host: Host,
    number: u8,
}

impl Node {
    /// The near end of its cable.
    #[must_use]
    pub fn device(&self) -> String {
        format!("to{}", self.number)
    }

    /// An address of its network; `2` is the node's own.
    #[must_use]
    pub fn ip(&self, last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, self.number, last)
    }

    /// Where its collectd would listen.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (self.ip(2), PORT).into()
    }

    /// A storage node behind this one, which is a router from then on, for a host that this one is on a cable to.
    ///
    /// # Panics
    /// When it does not become one.
    #[must_use]
    pub fn node_behind(&self, here: &Host) -> Self {
        self.host.set("ip_forward", "1");
        let node = self.host.node();
        node.host.ip(&format!("route add default via {}", node.ip(1)));
        here.ip(&format!("route add {}/24 via {}", node.ip(0), self.ip(2)));
        node
    }

    /// A socket there. A program that another test starts may hold the last one of this address until it executes.
    ///
    /// # Panics
    /// When the address stays taken, or is not the node's.
    #[must_use]
    pub fn bind(&self, address: SocketAddr) -> UdpSocket {
        let bound = || match UdpSocket::bind(address) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => None,
            bound => Some(bound.unwrap_or_else(|error| panic!("{address}: {error}"))),
        };
        self.host.run(|| wait_for(PATIENCE, format_args!("{address} to be free"), bound))
    }

    /// A target there that keeps all it gets.
    #[must_use]
    pub fn sink(&self) -> Sink {
        Sink::on(self.bind(self.address()))
    }
}

/// Runs this in a thread, so that what the thread joins is left when it ends; a panic goes on here.
fn in_thread<T: Send>(act: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(act).join()).unwrap_or_else(|panic| resume_unwind(panic))
}

/// Lets this thread, and what it starts, see these files in `/etc`.
fn mount_over_etc(etc: &Directory) {
    unshare(CloneFlags::CLONE_NEWNS).expect("who may make network namespaces may make these");
    command("mount", "--make-rprivate /", "");
    for file in std::fs::read_dir(etc.path()).expect("it was made above") {
        let file = file.expect("it was made above").path();
        let name = file.file_name().and_then(|name| name.to_str()).expect("it was named by a test");
        command("mount", &format!("--bind {} /etc/{name}", file.display()), "");
    }
}

/// Runs a command of the system on this thread's host and returns what it wrote.
fn command(program: &str, arguments: &str, input: &str) -> String {
    let mut child = Command::new(program)
        .env("PATH", path_with_sbin())
        .args(arguments.split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}; tests/run installs iproute2 and nftables"));
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads its input");
    let output = child.wait_with_output().expect("it is ours");
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments}: {problem}{input}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
