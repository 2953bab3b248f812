//! What systemd is for the daemons: it has their sockets, and starts them.

use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};

use coco_harness::directory::Directory;
use coco_harness::process::Process;
use coco_harness::program::Program;
use socket2::{Domain, Socket, Type};

/// In a shell: the sockets come as its input and its outputs, and are descriptors 3, 4 and 5 of the program.
const HAND_OVER: &str =
    r#"exec 3<&0 4>&1 5>&2 </dev/null 1>"$1" 2>"$2"; export LISTEN_PID=$$ LISTEN_FDS="$3"; exec "$4" "$5""#;

/// As many as a process has standard streams.
const MOST: usize = 3;

pub(crate) struct Holder {
    pub(crate) udp: Vec<UdpSocket>,
    pub(crate) tcp: TcpListener,
    directory: Directory,
}

impl Holder {
    /// So many sockets for UDP, which share one address, and one for TCP.
    pub(crate) fn new(lanes: usize) -> Self {
        assert!(lanes < MOST);
        let mut address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut bind = || {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).expect("a socket");
            socket.set_reuse_port(lanes > 1).expect("SO_REUSEPORT");
            // As systemd has them.
            socket.set_nonblocking(true).expect("O_NONBLOCK");
            socket.bind(&address.into()).expect("a free port");
            let socket = UdpSocket::from(socket);
            address = socket.local_addr().expect("bound");
            socket
        };
        let udp = (0..lanes).map(|_| bind()).collect();
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a free port");
        tcp.set_nonblocking(true).expect("O_NONBLOCK");
        Self { udp, tcp, directory: Directory::new("handed-over") }
    }

    /// Where datagrams come.
    pub(crate) fn listen(&self) -> SocketAddr {
        self.udp[0].local_addr().expect("bound")
    }

    /// Where clients come.
    pub(crate) fn http(&self) -> SocketAddr {
        self.tcp.local_addr().expect("bound")
    }

    /// A program with the first `sockets` of those for UDP and the one for TCP.
    pub(crate) fn start(&self, program: Program, config: &str, sockets: usize) -> Process {
        let path = self.directory.write("coco.conf", config);
        let out = |name: &str| self.directory.path().join(name);
        let mut command = Command::new("sh");
        command.args([Path::new("-c"), Path::new(HAND_OVER), Path::new("sh")]);
        command.args([&out("stdout"), &out("stderr")]);
        command.args([Path::new(&sockets.to_string()), program.path(), &path]);
        let udp = self.udp.iter().map(|socket| socket.try_clone().map(OwnedFd::from));
        let all = udp.chain([self.tcp.try_clone().map(OwnedFd::from)]);
        let mut streams = all.map(|socket| Stdio::from(socket.expect("another descriptor")));
        let streams = [(); MOST].map(|()| streams.next().unwrap_or_else(Stdio::null));
        std::fs::write(out("stdout"), "").expect("a file");
        Process::start_with(program.name(), self.directory.path(), &mut command, streams)
    }

    pub(crate) fn start_until_ready(&self, program: Program, config: &str) -> Process {
        let mut process = self.start(program, config, self.udp.len() + 1);
        process.wait_for("a start", |process| process.stdout().contains(" ready").then_some(()));
        process
    }
}
