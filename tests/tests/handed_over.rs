//! Sockets that outlive the process that reads them: whoever holds them starts Coco anew on them, and nothing that was sent
//! meanwhile is lost.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use coco_tests::coco::Config;
use coco_tests::directory::Directory;
use coco_tests::process::Process;
use coco_tests::program::Program;
use coco_tests::sink::Sink;
use coco_tests::text::replaced;
use coco_tests::traffic;
use coco_tests::wait::{PATIENCE, wait_until};
use nix::sys::signal::Signal;

/// Datagrams that are sent while no process reads them, at most: less than the receive buffer holds.
const MOST_WAITING: u64 = 5_000;

/// What systemd does, in a shell: the sockets come as its outputs, and are descriptors 3 and 4 of the program.
const HAND_OVER: &str =
    r#"exec 3>&1 4>&2 1>"$1" 2>"$2"; export LISTEN_PID=$$ LISTEN_FDS="$3"; exec "$4" "$5""#;

/// What systemd is for Coco.
struct Holder {
    udp: UdpSocket,
    tcp: TcpListener,
    directory: Directory,
}

impl Holder {
    fn new() -> Self {
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        // As systemd has them.
        udp.set_nonblocking(true).expect("O_NONBLOCK");
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a free port");
        Self { udp, tcp, directory: Directory::new("handed-over") }
    }

    fn config(&self, target: &Sink) -> String {
        let text = Config::new(&[("a", &[target.address])]).text();
        let [listen, api] =
            [self.udp.local_addr(), self.tcp.local_addr()].map(|address| address.expect("bound"));
        replaced(
            &text,
            &[
                ("[listen]\nbind = \"127.0.0.1:0\"\n", &format!("[listen]\nbind = \"{listen}\"\n")),
                ("[api]\nbind = \"127.0.0.1:0\"\n", &format!("[api]\nbind = \"{api}\"\n")),
            ],
        )
    }

    /// Coco with the first `sockets` of those for UDP and TCP.
    fn start(&self, config: &str, sockets: usize) -> Process {
        let path = self.directory.write("coco.conf", config);
        let out = |name: &str| self.directory.path().join(name);
        let mut command = Command::new("sh");
        command.args([
            Path::new("-c"),
            Path::new(HAND_OVER),
            Path::new("sh"),
            &out("stdout"),
            &out("stderr"),
        ]);
        command.args([Path::new(&sockets.to_string()), Program::Coco.path(), &path]);
        let udp = OwnedFd::from(self.udp.try_clone().expect("another descriptor"));
        let tcp = OwnedFd::from(self.tcp.try_clone().expect("another descriptor"));
        std::fs::write(out("stdout"), "").expect("a file");
        Process::start_into("coco", self.directory.path(), &mut command, [Stdio::from(udp), Stdio::from(tcp)])
    }

    fn start_until_ready(&self, config: &str) -> Process {
        let mut process = self.start(config, 2);
        process.wait_for("a start", |process| process.stdout().contains(" ready").then_some(()));
        process
    }
}

/// An agent that sends without a pause, but for what would not fit while nobody reads.
struct Agent {
    sent: Arc<AtomicU64>,
    /// More are not sent while nobody reads.
    most: Arc<AtomicU64>,
    ends: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl Agent {
    fn start(holder: &Holder) -> Self {
        let sender = traffic::sender(holder.udp.local_addr().expect("bound"));
        let (sent, most) = (Arc::<AtomicU64>::default(), Arc::new(AtomicU64::new(u64::MAX)));
        let ends = Arc::<AtomicBool>::default();
        let (counted, bound, told) = (Arc::clone(&sent), Arc::clone(&most), Arc::clone(&ends));
        let thread = thread::spawn(move || {
            let mut place = 0;
            while !told.load(Ordering::SeqCst) {
                if counted.load(Ordering::SeqCst) < bound.load(Ordering::SeqCst) {
                    let datagram = traffic::datagram(&traffic::value_list("web1", place));
                    sender.send(&datagram).expect("the socket is there all the time");
                    counted.fetch_add(1, Ordering::SeqCst);
                    place += 1;
                }
                thread::sleep(Duration::from_micros(100));
            }
        });
        Self { sent, most, ends, thread }
    }

    fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }

    /// Until so many more have been sent.
    fn goes_on(&self, more: u64) {
        let until = self.sent() + more;
        wait_until(PATIENCE, "more to be sent", || self.sent() >= until);
    }

    fn ends(self) -> u64 {
        self.ends.store(true, Ordering::SeqCst);
        self.thread.join().expect("it sends");
        self.sent.load(Ordering::SeqCst)
    }
}

fn restart_under_load(times: usize) {
    let (holder, target) = (Holder::new(), Sink::start());
    let config = holder.config(&target);
    let mut coco = holder.start_until_ready(&config);
    let agent = Agent::start(&holder);
    for _ in 0..times {
        agent.goes_on(500);
        agent.most.store(agent.sent() + MOST_WAITING, Ordering::SeqCst);
        assert!(coco.stop().success());
        // Some come while nobody is there; and a client, who waits for the next one.
        agent.goes_on(200);
        let mut client = TcpStream::connect(holder.tcp.local_addr().expect("bound")).expect("it listens");
        client.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("a buffer");
        coco = holder.start_until_ready(&config);
        agent.most.store(u64::MAX, Ordering::SeqCst);
        let mut answer = String::new();
        client.set_read_timeout(Some(PATIENCE)).expect("SO_RCVTIMEO");
        client.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    agent.goes_on(500);
    let sent = agent.ends();
    wait_until(PATIENCE, format_args!("all of {sent}"), || target.count() >= sent);
    let places: Vec<_> = target.value_lists().iter().map(traffic::place).collect();
    let all: Vec<_> = (0..u32::try_from(sent).expect("few")).collect();
    assert_eq!(places, all, "each once, and in order");
    assert!(coco.stop().success());
}

#[test]
fn a_restart_on_sockets_that_stay_loses_no_datagram_and_no_client() {
    restart_under_load(3);
}

#[test]
#[ignore = "long: twenty restarts"]
fn twenty_restarts_on_sockets_that_stay_lose_nothing() {
    restart_under_load(20);
}

#[test]
fn sockets_that_do_not_fit_the_configuration_keep_it_from_starting() {
    let (holder, target) = (Holder::new(), Sink::start());
    let told = |config: &str, sockets: usize| {
        let mut process = holder.start(config, sockets);
        assert_eq!(process.ended(PATIENCE).code(), Some(1), "{}", process.stdout());
        process.stderr()
    };
    let lanes = told(&replaced(&holder.config(&target), &[("lanes = 1", "lanes = 2")]), 2);
    assert!(lanes.contains("pipeline.lanes: 2, but 1 handed over for listen.bind (LISTEN_FDS)"), "{lanes}");
    let elsewhere = told(&Config::new(&[("a", &[target.address])]).text(), 1);
    let address = holder.udp.local_addr().expect("bound").to_string();
    assert!(elsewhere.contains(&address) && elsewhere.contains("listen.bind, api.bind"), "{elsewhere}");
    // Without a process of its number they are somebody else's.
    let mut coco = holder.start_until_ready(&holder.config(&target));
    coco.signal(Signal::SIGTERM);
    assert!(coco.ended(PATIENCE).success());
}
