//! Where everything goes: receives on several ports of loopback and counts.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use coco_core::wire::{Decoder, Event};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;

use crate::error::{Doing, Error};
use crate::procfs;
use crate::socket::{self, Receiver};

/// How long nothing more may come before nothing more will.
pub(crate) const IDLE: Duration = Duration::from_millis(700);

/// A thread that receives on its own ports until it is dropped.
pub(crate) struct Sink {
    addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What a sink looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counting {
    /// What datagrams hold.
    ValueLists,
    /// That they came: for loads that leave no time for more.
    Datagrams,
}

struct Shared {
    counting: Counting,
    sockets: Vec<UdpSocket>,
    counts: Vec<Counts>,
    stop: AtomicBool,
}

#[derive(Default)]
struct Counts {
    datagrams: AtomicU64,
    bytes: AtomicU64,
    value_lists: AtomicU64,
    malformed: AtomicU64,
}

/// What came in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Tally {
    pub(crate) datagrams: u64,
    pub(crate) bytes: u64,
    /// Complete ones.
    pub(crate) value_lists: u64,
    /// Datagrams that hold anything but complete value lists.
    pub(crate) malformed: u64,
}

impl Tally {
    /// How many of these.
    pub(crate) fn counted(&self, counting: Counting) -> u64 {
        match counting {
            Counting::ValueLists => self.value_lists,
            Counting::Datagrams => self.datagrams,
        }
    }
}

impl Sink {
    /// Receives on `count` ports that the system chooses.
    pub(crate) fn anywhere(count: usize) -> Result<Self, Error> {
        Self::start(std::iter::repeat_n(0, count))
    }

    /// The same, and counts only these.
    pub(crate) fn counting(counting: Counting, count: usize) -> Result<Self, Error> {
        Self::start_counting(counting, std::iter::repeat_n(0, count))
    }

    /// Receives on these ports; 0 lets the system choose.
    pub(crate) fn start(ports: impl IntoIterator<Item = u16>) -> Result<Self, Error> {
        Self::start_counting(Counting::ValueLists, ports)
    }

    fn start_counting(counting: Counting, ports: impl IntoIterator<Item = u16>) -> Result<Self, Error> {
        let bind = |port| socket::bind(port).doing(|| format!("receive on port {port}"));
        let sockets: Vec<UdpSocket> = ports.into_iter().map(bind).collect::<Result<_, _>>()?;
        let addresses: Result<_, _> = sockets.iter().map(UdpSocket::local_addr).collect();
        let addresses = addresses.doing(|| "read back a port".to_owned())?;
        let counts = sockets.iter().map(|_| Counts::default()).collect();
        let shared = Arc::new(Shared { counting, sockets, counts, stop: AtomicBool::new(false) });
        let thread = {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new().name("sink".to_owned()).spawn(move || receive(&shared))
        };
        Ok(Self { addresses, shared, thread: Some(thread.doing(|| "start a thread".to_owned())?) })
    }

    /// Where it receives.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What has come in so far, port by port.
    pub(crate) fn tallies(&self) -> impl Iterator<Item = Tally> {
        let get = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        self.shared.counts.iter().map(move |counts| Tally {
            datagrams: get(&counts.datagrams),
            bytes: get(&counts.bytes),
            value_lists: get(&counts.value_lists),
            malformed: get(&counts.malformed),
        })
    }

    /// What has come in so far.
    pub(crate) fn total(&self) -> Tally {
        self.tallies().fold(Tally::default(), |sum, port| Tally {
            datagrams: sum.datagrams + port.datagrams,
            bytes: sum.bytes + port.bytes,
            value_lists: sum.value_lists + port.value_lists,
            malformed: sum.malformed + port.malformed,
        })
    }

    /// Waits until `expected` of what is counted have come in, or nothing has for `idle`.
    pub(crate) fn settle(&self, expected: u64, idle: Duration) -> Tally {
        let (mut last, mut since) = (self.total(), Instant::now());
        while last.counted(self.shared.counting) < expected && since.elapsed() < idle {
            std::thread::sleep(Duration::from_millis(5));
            let total = self.total();
            if total != last {
                (last, since) = (total, Instant::now());
            }
        }
        last
    }

    /// Datagrams that the kernel dropped because this sink was too slow.
    pub(crate) fn drops(&self) -> Result<u64, Error> {
        let mine = |socket: &procfs::UdpSocket| self.addresses.iter().any(|own| own.port() == socket.port);
        Ok(procfs::udp_sockets()?.iter().filter(|socket| mine(socket)).map(|socket| socket.drops).sum())
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed; what it did not count is reported as lost.
            let _ = thread.join();
        }
    }
}

fn receive(shared: &Shared) {
    let mut receiver = match shared.counting {
        Counting::ValueLists => Receiver::new(),
        Counting::Datagrams => Receiver::of_lengths(),
    };
    let mut waiting: Vec<_> =
        shared.sockets.iter().map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN)).collect();
    while !shared.stop.load(Ordering::Relaxed) {
        if poll(&mut waiting, PollTimeout::from(50_u8)).is_err() {
            continue;
        }
        for ((socket, counts), waiting) in shared.sockets.iter().zip(&shared.counts).zip(&waiting) {
            if waiting.any() == Some(true) && receiver.receive(socket, false).is_ok() {
                counts.add(&receiver, shared.counting);
            }
        }
    }
}

impl Counts {
    fn add(&self, receiver: &Receiver, counting: Counting) {
        let mut tally = Tally::default();
        for (datagram, &length) in receiver.datagrams().zip(receiver.lengths()) {
            tally.datagrams += 1;
            tally.bytes += length as u64;
            if counting == Counting::Datagrams {
                continue;
            }
            let mut malformed = false;
            for event in Decoder::new(datagram) {
                match event {
                    Ok(Event::ValueList(_)) => tally.value_lists += 1,
                    _ => malformed = true,
                }
            }
            tally.malformed += u64::from(malformed);
        }
        let add = |cell: &AtomicU64, by| cell.fetch_add(by, Ordering::Relaxed);
        add(&self.datagrams, tally.datagrams);
        add(&self.bytes, tally.bytes);
        add(&self.value_lists, tally.value_lists);
        add(&self.malformed, tally.malformed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::{Corpus, Kind};
    use crate::socket::connect;

    #[test]
    fn datagrams_are_counted_the_same_by_who_does_not_look_into_them() {
        let corpus = Corpus::generate(Kind::Agents, 3).unwrap();
        let tallies = [Counting::ValueLists, Counting::Datagrams].map(|counting| {
            let sink = Sink::counting(counting, 1).unwrap();
            let socket = connect(sink.addresses()[0]).unwrap();
            for number in 0..corpus.len() {
                socket.send(corpus.datagram(number)).unwrap();
            }
            let expected = match counting {
                Counting::ValueLists => 3 * 133,
                Counting::Datagrams => corpus.len() as u64,
            };
            sink.settle(expected, Duration::from_secs(10))
        });
        let (datagrams, bytes) = (corpus.len() as u64, corpus.bytes() as u64);
        assert_eq!(tallies[0], Tally { datagrams, bytes, value_lists: 3 * 133, malformed: 0 });
        assert_eq!(tallies[1], Tally { datagrams, bytes, value_lists: 0, malformed: 0 });
    }
}
