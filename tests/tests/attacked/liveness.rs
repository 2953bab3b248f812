//! What says that a daemon lives, and what stops it, stands on nothing that strangers can take: the watchdog,
//! `/healthz` and SIGTERM while clients take all that HTTP has.

use std::ffi::OsStr;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use coco_harness::clients::{OTHER_DESCRIPTORS, idle_connections};
use coco_harness::directory::Directory;
use coco_harness::process::Process;
use coco_harness::processor::Waits;
use coco_harness::program::{self, Program, logged_address};
use coco_harness::wait::PATIENCE;
use nix::sys::signal::Signal;

/// The service manager kills whoever leaves no sign of life for so long.
const WATCHDOG: Duration = Duration::from_secs(4);

/// How long the attack goes on: two and a half times that.
const ATTACK: Duration = Duration::from_secs(10);

/// The longest time between two signs of life: half a second more than a service manager that waits for that long may
/// expect.
const GAP: Duration = Duration::from_millis(2_500);

/// Balancers take a server for dead when its check takes longer. The time that a busy machine keeps the daemon or this
/// test from a processor does not count.
const CHECK: Duration = Duration::from_secs(1);

/// What a stop may take whose `stop.grace` is 4 s: the time to say what was left, and that of a busy machine.
const STOP: Duration = Duration::from_secs(7);

/// Clients that ask on and on, on a thread of their own, until this is dropped.
struct Attack {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Attack {
    fn begin(address: SocketAddr, clients: usize, reads: bool) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let requests = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(400);
            let mut buffer = vec![0; 1 << 20];
            let mut connected: Vec<_> = (0..clients).filter_map(|_| connect(address)).collect();
            while !stopped.load(Ordering::Relaxed) {
                connected.retain_mut(|client| {
                    let sent = client.write(requests.as_bytes());
                    let read = if reads { client.read(&mut buffer) } else { Ok(1) };
                    let goes_on = |result| {
                        !matches!(result, Err(ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) | Ok(0))
                    };
                    if [sent, read]
                        .map(|result| result.map_err(|error| error.kind()))
                        .into_iter()
                        .all(goes_on)
                    {
                        return true;
                    }
                    connect(address).map(|another| *client = another).is_some()
                });
                // Leaves the processor to others, which a remote attacker does too.
                thread::sleep(Duration::from_millis(1));
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Attack {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// None once nobody listens any more.
fn connect(address: SocketAddr) -> Option<TcpStream> {
    let client = TcpStream::connect(address).ok()?;
    client.set_nonblocking(true).expect("O_NONBLOCK");
    Some(client)
}

/// How long a check took.
#[derive(Debug, Clone, Copy)]
struct Check {
    took: Duration,
    /// How long the daemon or this test wanted a processor meanwhile and got none.
    waited: Duration,
}

/// A check that is a connection of its own.
fn check(process: u32, address: SocketAddr) -> Check {
    let waits = || (Waits::of_this_thread(), Waits::of(process));
    let (before, start) = (waits(), Instant::now());
    let mut client = TcpStream::connect(address).expect("it listens");
    client.set_read_timeout(Some(PATIENCE)).expect("SO_RCVTIMEO");
    client.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").expect("it reads");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");
    let (took, after) = (start.elapsed(), waits());
    Check { took, waited: after.0.longest_since(&before.0) + after.1.longest_since(&before.1) }
}

/// The longest time between two signs of life.
fn longest_gap(manager: UnixDatagram, stop: Arc<AtomicBool>) -> JoinHandle<Duration> {
    thread::spawn(move || {
        manager.set_read_timeout(Some(Duration::from_millis(100))).expect("SO_RCVTIMEO");
        let (mut last, mut longest, mut buffer) = (Instant::now(), Duration::ZERO, [0; 4096]);
        while !stop.load(Ordering::Relaxed) {
            let length = manager.recv(&mut buffer).unwrap_or_default();
            longest = longest.max(last.elapsed());
            if buffer[..length].starts_with(b"WATCHDOG=1") {
                last = Instant::now();
            }
        }
        longest
    })
}

/// Six hundred targets, of which nobody is there: what is shown of them is large.
fn config() -> String {
    let targets: Vec<_> = (0..300).map(|number| format!("\"127.0.0.1:{}\"", 40_000 + number)).collect();
    let targets = targets.join(", ");
    format!(
        "listen.bind = '127.0.0.1:0'\napi.bind = '127.0.0.1:0'\nfetch.bind = '127.0.0.1:0'\n\
         [tiers.a]\ntargets = [{targets}]\n[tiers.b]\ntargets = [{targets}]\n"
    )
}

fn lives_and_stops_under_attack(program: Program, clients: usize, reads: bool) {
    let directory = Directory::new("manager");
    let path = directory.path().join("notify");
    let manager = UnixDatagram::bind(&path).expect("a socket of our own");
    let patience = WATCHDOG.as_micros().to_string();
    let environment = [("NOTIFY_SOCKET", path.as_os_str()), ("WATCHDOG_USEC", OsStr::new(&patience))];
    let (mut process, _files): (Process, Directory) = program::start_within(program, &config(), &environment);
    let address = logged_address(&process.stdout(), "serving HTTP");
    let over = Arc::new(AtomicBool::new(false));
    let gap = longest_gap(manager, Arc::clone(&over));

    let attack = Attack::begin(address, clients, reads);
    let start = Instant::now();
    let mut checks = Vec::new();
    while start.elapsed() < ATTACK {
        checks.push(check(process.id(), address));
        thread::sleep(Duration::from_millis(300));
    }
    over.store(true, Ordering::Relaxed);
    let gap = gap.join().expect("a listener");
    assert!(gap < GAP, "the service manager waits for {WATCHDOG:?}, and heard nothing for {gap:?}");
    for Check { took, waited } in &checks {
        assert!(
            took.saturating_sub(*waited) < CHECK,
            "{took:?}, of them {waited:?} for a processor: {checks:?}"
        );
    }

    process.signal(Signal::SIGTERM);
    let status = process.ended(STOP);
    drop(attack);
    assert_tells_what_was_left(program, status, &process, reads);
}

/// Whoever did not take its answer in time was cut off, and then it says so: Noodle, which has nothing else to do, with
/// its exit status and its last line.
fn assert_tells_what_was_left(program: Program, status: ExitStatus, process: &Process, reads: bool) {
    let (log, said) = (process.stdout(), process.stderr());
    if status.success() {
        assert_eq!(said, "");
        assert!(reads || program == Program::Coco, "nobody reads, and all is said to be answered: {log}");
        assert!(reads || log.contains("HTTP requests in progress are cut off"), "{log}");
        return;
    }
    assert_eq!((program, status.code()), (Program::Noodle, Some(1)), "{said}");
    let last = said.lines().last().unwrap_or_default();
    let left = last.strip_suffix(" requests unanswered").and_then(|start| start.rsplit_once("stopped with "));
    let left: Option<u32> = left.and_then(|(_, left)| left.parse().ok());
    assert!(left.is_some_and(|left| left > 0), "{said}");
}

#[test]
fn clients_that_pipeline_and_read_hold_up_no_sign_of_life() {
    for program in [Program::Coco, Program::Noodle] {
        lives_and_stops_under_attack(program, 300, true);
    }
}

#[test]
fn clients_that_pipeline_and_do_not_read_hold_up_no_sign_of_life() {
    let clients = usize::try_from(idle_connections().min(1_100 + OTHER_DESCRIPTORS) - OTHER_DESCRIPTORS);
    for program in [Program::Coco, Program::Noodle] {
        lives_and_stops_under_attack(program, clients.expect("a number"), false);
    }
}
