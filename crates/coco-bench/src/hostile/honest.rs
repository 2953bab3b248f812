//! Who behaves while others don't: a client that asks now and then, and an agent that sends numbered values.

use std::collections::{BTreeMap, HashSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use coco_core::value_kind::ValueKind;
use coco_core::value_list::{IdentifierRef, Interval, Time, Value, ValueListRef, ValuesRef};
use coco_core::wire::{Decoder, Event, PacketBuilder};
use regex::bytes::Regex;

use crate::error::{Doing, Error};
use crate::procfs;
use crate::socket::{self, Receiver};

/// The host of the honest agent.
pub(crate) const HOST: &str = "honest.example.org";

/// How long `/healthz` may take, and how long the client waits for anything.
pub(crate) const HEALTH_LIMIT: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two requests, and between two values.
const PAUSE: Duration = Duration::from_millis(200);
const INTERVAL: Duration = Duration::from_millis(10);

/// How long the last values may be on their way.
const ON_THE_WAY: Duration = Duration::from_secs(3);

/// What became of requests for one path.
#[derive(Debug, Clone, Default)]
pub(crate) struct Served {
    pub(crate) asked: u64,
    /// With status 200, within the limit.
    pub(crate) served: u64,
    pub(crate) longest: Duration,
    /// Other answers, by their status, with how often they came.
    pub(crate) refused: BTreeMap<String, u64>,
}

/// What an honest client met.
#[derive(Debug, Clone, Default)]
pub(crate) struct Visits {
    pub(crate) health: Served,
    pub(crate) view: Served,
    /// The longest that this thread itself was kept from running when it wanted to: what the machine adds to all times.
    pub(crate) kept_waiting: Duration,
}

/// Asks for `/healthz` and for one view in turns.
pub(crate) struct Client {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Visits>,
}

impl Client {
    pub(crate) fn start(server: SocketAddr, view: &str) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (stopped, view) = (Arc::clone(&over), view.to_owned());
        let thread = std::thread::spawn(move || {
            let mut visits = Visits::default();
            while !stopped.load(Ordering::Relaxed) {
                visits.health.visit(server, "/healthz", HEALTH_LIMIT);
                visits.view.visit(server, &view, PATIENCE);
                let start = Instant::now();
                std::thread::sleep(PAUSE);
                visits.kept_waiting = visits.kept_waiting.max(start.elapsed().saturating_sub(PAUSE));
            }
            visits
        });
        Self { over, thread }
    }

    pub(crate) fn finish(self) -> Visits {
        self.over.store(true, Ordering::Relaxed);
        // A panic of the thread has been printed; then nobody was served.
        self.thread.join().unwrap_or_default()
    }
}

impl Served {
    fn visit(&mut self, server: SocketAddr, path: &str, limit: Duration) {
        let start = Instant::now();
        let status = status(server, path).unwrap_or_else(|| "none".to_owned());
        let took = start.elapsed();
        self.asked += 1;
        if status != "200" {
            *self.refused.entry(status).or_default() += 1;
        } else if took <= limit {
            self.served += 1;
        }
        self.longest = self.longest.max(took);
    }
}

/// The status of a whole answer; none if there was no such thing.
fn status(server: SocketAddr, path: &str) -> Option<String> {
    let mut connection = TcpStream::connect_timeout(&server, PATIENCE).ok()?;
    connection.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(connection, "GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n").ok()?;
    let (mut head, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
    loop {
        match connection.read(&mut buffer).ok()? {
            0 => break,
            length if head.len() < 12 => head.extend_from_slice(&buffer[..length]),
            _ => {}
        }
    }
    Some(String::from_utf8_lossy(head.get(9..12)?).into_owned())
}

/// What became of numbered values.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Values {
    pub(crate) sent: u64,
    pub(crate) lost: u64,
    /// Datagrams that the kernel dropped at the target's socket, which is this program's fault.
    pub(crate) dropped_behind: u64,
}

/// An agent and its target. The target is there first, for the daemon has to know it.
pub(crate) struct Agent {
    target: SocketAddr,
    /// Nothing more is sent; nothing more is received.
    silent: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
    arrived: Arc<Mutex<HashSet<u64>>>,
    sent: Arc<AtomicU64>,
    sender: Option<JoinHandle<()>>,
    receiver: Option<JoinHandle<()>>,
}

impl Agent {
    /// Begins to receive.
    pub(crate) fn new() -> Result<Self, Error> {
        let doing = || "receive on loopback".to_owned();
        let socket = socket::bind(0).doing(doing)?;
        socket.set_read_timeout(Some(Duration::from_millis(50))).doing(doing)?;
        let target = socket.local_addr().doing(doing)?;
        let over = Arc::new(AtomicBool::new(false));
        let arrived = Arc::new(Mutex::new(HashSet::new()));
        let receiver = {
            let (over, arrived) = (Arc::clone(&over), Arc::clone(&arrived));
            std::thread::spawn(move || receive(&socket, &over, &arrived))
        };
        let (silent, sent) = (Arc::default(), Arc::default());
        Ok(Self { target, silent, over, arrived, sent, sender: None, receiver: Some(receiver) })
    }

    pub(crate) fn target(&self) -> SocketAddr {
        self.target
    }

    /// Begins to send.
    pub(crate) fn send_to(&mut self, listen: SocketAddr) -> Result<(), Error> {
        let out = socket::connect(listen).doing(|| format!("send to {listen}"))?;
        let (silent, sent) = (Arc::clone(&self.silent), Arc::clone(&self.sent));
        self.sender = Some(std::thread::spawn(move || {
            let mut builder = PacketBuilder::new(1452);
            while !silent.load(Ordering::Relaxed) {
                let number = sent.fetch_add(1, Ordering::Relaxed);
                builder.clear();
                build(&mut builder, number);
                for (_, datagram) in builder.packets() {
                    // What is refused does not arrive, and is found missing.
                    let _ = out.send(datagram);
                }
                std::thread::sleep(INTERVAL);
            }
        }));
        Ok(())
    }

    /// Stops sending, waits for what is on its way, and says what is missing.
    pub(crate) fn finish(mut self) -> Result<Values, Error> {
        self.silent.store(true, Ordering::Relaxed);
        // A panic of a thread has been printed; what it did not send or count is not made up for.
        let _ = self.sender.take().map(JoinHandle::join);
        let (sent, start) = (self.sent.load(Ordering::Relaxed), Instant::now());
        while self.arrived() < sent && start.elapsed() < ON_THE_WAY {
            std::thread::sleep(Duration::from_millis(20));
        }
        let sockets = procfs::udp_sockets()?;
        let mine = sockets.iter().filter(|socket| socket.port == self.target.port());
        let dropped_behind = mine.map(|socket| socket.drops).sum();
        Ok(Values { sent, lost: sent.saturating_sub(self.arrived()), dropped_behind })
    }

    fn arrived(&self) -> u64 {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.silent.store(true, Ordering::Relaxed);
        self.over.store(true, Ordering::Relaxed);
        for thread in [self.sender.take(), self.receiver.take()].into_iter().flatten() {
            let _ = thread.join();
        }
    }
}

fn build(builder: &mut PacketBuilder, number: u64) {
    let mut values = vec![ValueKind::Derive as u8];
    values.extend_from_slice(&Value::Derive(number as i64).to_wire());
    builder.push(&ValueListRef {
        identifier: IdentifierRef {
            host: HOST.as_bytes(),
            plugin: b"honest",
            type_name: b"derive",
            ..IdentifierRef::default()
        },
        time: Time::Seconds(1_700_000_000 + number),
        interval: Interval::NONE,
        values: ValuesRef::new(&values).expect("one kind and eight bytes"),
    });
    builder.close();
}

fn receive(socket: &UdpSocket, over: &AtomicBool, arrived: &Mutex<HashSet<u64>>) {
    let mut receiver = Receiver::new();
    // Floods come here too: only what holds the honest host's name is read.
    let named = Regex::new(&HOST.replace('.', "[.]")).expect("a name and its dots");
    while !over.load(Ordering::Relaxed) {
        if receiver.receive(socket, true).is_err() {
            continue;
        }
        let honest = receiver.datagrams().filter(|datagram| named.is_match(datagram));
        let numbers: Vec<u64> = honest.flat_map(numbers).collect();
        arrived.lock().unwrap_or_else(PoisonError::into_inner).extend(numbers);
    }
}

/// The numbers of the honest values in a datagram.
fn numbers(datagram: &[u8]) -> impl Iterator<Item = u64> {
    Decoder::new(datagram).filter_map(move |event| {
        let Ok(Event::ValueList(spans)) = event else { return None };
        let list = spans.of(datagram);
        match list.values.iter().next() {
            Some(Value::Derive(number)) if list.identifier.host == HOST.as_bytes() => number.try_into().ok(),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_missed_by_its_number() {
        let mut agent = Agent::new().unwrap();
        let between = UdpSocket::bind("127.0.0.1:0").unwrap();
        agent.send_to(between.local_addr().unwrap()).unwrap();
        let mut buffer = [0; 1500];
        for number in 0..5 {
            let length = between.recv(&mut buffer).unwrap();
            assert_eq!(numbers(&buffer[..length]).collect::<Vec<_>>(), [number]);
            // Twice is once.
            if number != 3 {
                between.send_to(&buffer[..length], agent.target()).unwrap();
                between.send_to(&buffer[..length], agent.target()).unwrap();
            }
        }
        let values = agent.finish().unwrap();
        assert_eq!(values.lost, values.sent - 4);
    }
}
