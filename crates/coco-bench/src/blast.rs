//! Sends a corpus at a given rate.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use serde::Serialize;

use crate::corpus::{Content, Corpus};
use crate::error::{Doing, Error};
use crate::socket::{self, Sender};

/// Datagrams a system call. At 30,000 datagrams/s one goes out about every millisecond.
const BATCH: usize = 32;

/// What to send, and how fast.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load<'a> {
    pub(crate) corpus: &'a Corpus,
    /// Datagrams a second; 0 is as fast as it goes.
    pub(crate) rate: u64,
    /// How many, over as many passes as that takes.
    pub(crate) datagrams: u64,
    /// How many source ports take turns.
    pub(crate) sockets: usize,
}

/// What was sent.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Sent {
    pub(crate) datagrams: u64,
    pub(crate) seconds: f64,
    /// System calls that sent nothing. Their datagrams were tried again.
    pub(crate) errors: u64,
    #[serde(skip)]
    pub(crate) content: Content,
}

impl Sent {
    /// Datagrams a second.
    pub(crate) fn rate(&self) -> f64 {
        self.datagrams as f64 / self.seconds
    }
}

impl std::ops::AddAssign for Sent {
    fn add_assign(&mut self, other: Self) {
        self.datagrams += other.datagrams;
        self.seconds += other.seconds;
        self.errors += other.errors;
        self.content += other.content;
    }
}

/// Sends `load`, from datagram number `first` of its corpus on.
pub(crate) fn blast(target: SocketAddr, load: &Load<'_>, first: u64) -> Result<Sent, Error> {
    let sockets: Vec<UdpSocket> = (0..load.sockets)
        .map(|_| socket::connect(target))
        .collect::<Result<_, _>>()
        .doing(|| format!("open sockets to {target}"))?;
    // The default lets a sleep of 50 µs take 100. Where it cannot be set, bursts are a little larger.
    let _ = nix::sys::prctl::set_timerslack(1_000);
    let mut sender = Sender::<BATCH>::new();
    let (mut sent, mut errors) = (0, 0);
    let mut turns = sockets.iter().cycle();
    let start = Instant::now();
    while sent < load.datagrams
        && let Some(socket) = turns.next()
    {
        if load.rate > 0 {
            let due = start + Duration::from_secs_f64(sent as f64 / load.rate as f64);
            let ahead = due.saturating_duration_since(Instant::now());
            if !ahead.is_zero() {
                std::thread::sleep(ahead);
            }
        }
        let datagrams = (first + sent..first + load.datagrams).map(|n| load.corpus.datagram(n as usize));
        match sender.send(socket, datagrams) {
            Ok(count) => sent += count as u64,
            // Speaks of an earlier datagram, or of a moment without memory; the sink tells what was lost.
            Err(Errno::ECONNREFUSED | Errno::ENOBUFS | Errno::EINTR) => errors += 1,
            Err(error) => return Err(error).doing(|| format!("send to {target}")),
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let content = load.corpus.content(first..first + sent);
    Ok(Sent { datagrams: sent, seconds, errors, content })
}
