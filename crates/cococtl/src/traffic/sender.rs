//! Sends what made-up agents measure, evenly over the time.

use std::net::UdpSocket;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use coco_core::value_list::Time;
use coco_core::wire::PacketBuilder;

use super::Generator;

/// Tells a sender to stop by being dropped at the other end.
pub type Stop = mpsc::Receiver<()>;

/// What was sent so far.
#[derive(Debug, Default)]
pub struct Counters {
    /// Value lists.
    pub value_lists: AtomicU64,
    /// Datagrams.
    pub datagrams: AtomicU64,
    /// Bytes of datagrams.
    pub bytes: AtomicU64,
    /// Times that somebody said that nobody listens there.
    pub refused: AtomicU64,
    /// Datagrams that the system did not take.
    pub failed: AtomicU64,
    /// The last reason for that, as the system's number; 0 for none.
    pub reason: AtomicU64,
}

/// Sends the rounds of all hosts, one host after the other, so that each has its turn once an interval.
#[derive(Debug)]
pub struct Sender {
    /// Who sends.
    pub generator: Generator,
    /// Connected to whom it is sent.
    pub socket: UdpSocket,
    /// Largest datagram in bytes.
    pub packet_size: usize,
    /// How often each host sends; none sends until it is stopped.
    pub rounds: Option<u64>,
    /// How long; none sends until it is stopped.
    pub duration: Option<Duration>,
    /// What times the values have; none is the time at which they are sent.
    pub stamps: Option<Stamps>,
}

/// Times of values that are made up, too, in units of 2^-30 s.
#[derive(Debug, Clone, Copy)]
pub struct Stamps {
    /// That of the first round.
    pub start: i64,
    /// From round to round.
    pub step: i64,
}

impl Stamps {
    /// That of a round; a second after 1970 at least, as 0 is none.
    fn time(self, round: u64) -> Time {
        let moved = self.step.saturating_mul(i64::try_from(round).unwrap_or(i64::MAX));
        Time::HighResolution(self.start.saturating_add(moved).max(1 << 30).cast_unsigned())
    }
}

impl Sender {
    /// Sends on this thread until all is sent or `stop` says so. A sender that is late catches up.
    pub fn run(&self, counters: &Counters, stop: &Stop) {
        let hosts = self.generator.hosts() as u64;
        let turns = self.rounds.map_or(u64::MAX, |rounds| rounds.saturating_mul(hosts));
        let start = Instant::now();
        let mut builder = PacketBuilder::new(self.packet_size);
        for turn in 0..turns {
            let after = self.generator.interval().mul_f64(turn as f64 / hosts as f64);
            if self.duration.is_some_and(|duration| after >= duration) {
                return;
            }
            let wait = after.saturating_sub(start.elapsed());
            if stop.recv_timeout(wait) != Err(mpsc::RecvTimeoutError::Timeout) {
                return;
            }
            builder.clear();
            let round = turn / hosts;
            let time = self.stamps.map_or_else(now, |stamps| stamps.time(round));
            self.generator.push((turn % hosts) as usize, round, time, &mut builder);
            for (packet, bytes) in builder.packets() {
                send_datagram(&self.socket, bytes, u64::from(packet.value_lists), counters);
            }
        }
    }
}

/// Sends a datagram of so many value lists, and counts what became of it.
pub fn send_datagram(socket: &UdpSocket, packet: &[u8], value_lists: u64, counters: &Counters) {
    // A refusal speaks of an earlier datagram, and this one was not sent: once more.
    let refused = |problem: &std::io::Error| problem.kind() == std::io::ErrorKind::ConnectionRefused;
    let sent = match socket.send(packet) {
        Err(problem) if refused(&problem) => {
            counters.refused.fetch_add(1, Relaxed);
            socket.send(packet)
        }
        sent => sent,
    };
    match sent {
        Ok(_) => {
            counters.value_lists.fetch_add(value_lists, Relaxed);
            counters.datagrams.fetch_add(1, Relaxed);
            counters.bytes.fetch_add(packet.len() as u64, Relaxed);
        }
        Err(problem) => {
            counters.failed.fetch_add(1, Relaxed);
            let number = problem.raw_os_error().and_then(|number| u64::try_from(number).ok());
            counters.reason.store(number.unwrap_or(0), Relaxed);
        }
    }
}

fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::HighResolution((since.as_nanos() * (1 << 30) / 1_000_000_000) as u64)
}
