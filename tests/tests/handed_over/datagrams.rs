//! Coco: every datagram arrives, once and in order, and every client of the API gets an answer.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use coco_harness::coco::Config;
use coco_harness::process::Process;
use coco_harness::program::Program;
use coco_harness::sink::Sink;
use coco_harness::text::replaced;
use coco_harness::traffic;
use coco_harness::wait::{PATIENCE, wait_until};
use nix::sys::signal::Signal;

use crate::holder::Holder;

/// Datagrams that are sent while no process reads them, at most: less than the receive buffer holds.
const MOST_WAITING: u64 = 5_000;

/// Each with a socket of its own, so that each lane gets some of them.
const AGENTS: u32 = 16;

fn config(holder: &Holder, target: &Sink) -> String {
    let mut config = Config::new(&[("a", &[target.address])]);
    config.lanes = u32::try_from(holder.udp.len()).expect("few");
    config.listen = holder.listen().to_string();
    let api = format!("[api]\nbind = \"{}\"\n", holder.http());
    replaced(&config.text(), &[("[api]\nbind = \"127.0.0.1:0\"\n", &api)])
}

fn start(holder: &Holder, config: &str) -> Process {
    holder.start_until_ready(Program::Coco, config)
}

/// Agents that send in turn and without a pause, but for what would not fit while nobody reads.
struct Agents {
    sent: Arc<AtomicU64>,
    /// More are not sent while nobody reads.
    most: Arc<AtomicU64>,
    ends: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl Agents {
    fn start(to: SocketAddr) -> Self {
        let senders: Vec<_> =
            (0..AGENTS).map(|agent| (format!("agent{agent}"), traffic::sender(to))).collect();
        let (sent, most) = (Arc::<AtomicU64>::default(), Arc::new(AtomicU64::new(u64::MAX)));
        let ends = Arc::<AtomicBool>::default();
        let (counted, bound, told) = (Arc::clone(&sent), Arc::clone(&most), Arc::clone(&ends));
        let thread = thread::spawn(move || {
            for place in 0.. {
                for (host, sender) in &senders {
                    while counted.load(Ordering::SeqCst) >= bound.load(Ordering::SeqCst) {
                        thread::sleep(Duration::from_micros(100));
                    }
                    let datagram = traffic::datagram(&traffic::value_list(host, place));
                    sender.send(&datagram).expect("the socket is there all the time");
                    counted.fetch_add(1, Ordering::SeqCst);
                    thread::sleep(Duration::from_micros(100));
                }
                if told.load(Ordering::SeqCst) {
                    break;
                }
            }
        });
        Self { sent, most, ends, thread }
    }

    fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }

    /// Until so many more have been sent.
    fn go_on(&self, more: u64) {
        let until = self.sent() + more;
        wait_until(PATIENCE, "more to be sent", || self.sent() >= until);
    }

    /// How many each has sent.
    fn end(self) -> u32 {
        self.ends.store(true, Ordering::SeqCst);
        self.thread.join().expect("it sends");
        u32::try_from(self.sent.load(Ordering::SeqCst)).expect("few") / AGENTS
    }
}

fn restart_under_load(lanes: usize, times: usize) {
    let (holder, target) = (Holder::new(lanes), Sink::start());
    let config = config(&holder, &target);
    let mut coco = start(&holder, &config);
    let agents = Agents::start(holder.listen());
    for _ in 0..times {
        agents.go_on(500);
        agents.most.store(agents.sent() + MOST_WAITING, Ordering::SeqCst);
        assert!(coco.stop().success());
        // Some come while nobody is there; and a client, who waits for the next one.
        agents.go_on(200);
        let mut client = TcpStream::connect(holder.http()).expect("it listens");
        client.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("a buffer");
        coco = start(&holder, &config);
        agents.most.store(u64::MAX, Ordering::SeqCst);
        let mut answer = String::new();
        client.set_read_timeout(Some(PATIENCE)).expect("SO_RCVTIMEO");
        client.read_to_string(&mut answer).expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    agents.go_on(500);
    let each = agents.end();
    wait_until(PATIENCE, format_args!("all {each} of {AGENTS}"), || {
        target.count() >= u64::from(each * AGENTS)
    });
    let mut places = BTreeMap::<_, Vec<_>>::new();
    for list in target.value_lists() {
        places.entry(list.identifier.host.clone()).or_default().push(traffic::place(&list));
    }
    assert_eq!(places.len(), AGENTS as usize);
    let all: Vec<_> = (0..each).collect();
    assert!(places.values().all(|places| *places == all), "each once, and in order: {places:?}");
    assert!(coco.stop().success());
}

#[test]
fn a_restart_on_sockets_that_stay_loses_no_datagram_and_no_client() {
    restart_under_load(1, 3);
}

#[test]
fn a_restart_of_several_lanes_on_sockets_that_stay_loses_no_datagram_and_no_client() {
    restart_under_load(2, 3);
}

#[test]
#[ignore = "long: twenty restarts"]
fn twenty_restarts_on_sockets_that_stay_lose_nothing() {
    restart_under_load(1, 20);
    restart_under_load(2, 20);
}

#[test]
fn sockets_that_do_not_fit_the_configuration_keep_it_from_starting() {
    let (holder, target) = (Holder::new(1), Sink::start());
    let told = |config: &str, sockets: usize| {
        let mut process = holder.start(Program::Coco, config, sockets);
        assert_eq!(process.ended(PATIENCE).code(), Some(1), "{}", process.stdout());
        process.stderr()
    };
    let fitting = config(&holder, &target);
    let lanes = told(&replaced(&fitting, &[("lanes = 1", "lanes = 2")]), 2);
    assert!(lanes.contains("pipeline.lanes: 2, but 1 handed over for listen.bind (LISTEN_FDS)"), "{lanes}");
    let elsewhere = told(&Config::new(&[("a", &[target.address])]).text(), 1);
    let address = holder.listen().to_string();
    assert!(elsewhere.contains(&address) && elsewhere.contains("listen.bind, api.bind"), "{elsewhere}");
    // Without a process of its number they are somebody else's.
    let mut coco = start(&holder, &fitting);
    coco.signal(Signal::SIGTERM);
    assert!(coco.ended(PATIENCE).success());
}
