//! Numbered value lists, sent on and on to one address whatever becomes of it, so that what was lost is known one by one, and
//! for how long.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::namespace::Host;
use crate::sink::Sink;
use crate::traffic;
use crate::wait::{PATIENCE, wait_until};

/// Between two datagrams, of whichever flow.
const PAUSE: Duration = Duration::from_millis(2);

/// Agents on one host, each with a socket of its own, that send one value list a round.
#[derive(Debug)]
pub struct Flows {
    shared: Arc<Shared>,
    flows: u32,
    thread: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    ends: AtomicBool,
    /// When each round was sent.
    rounds: Mutex<Vec<Instant>>,
}

/// Value lists of one flow that were sent one after another, none of which arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The flow.
    pub flow: u32,
    /// The first round of it.
    pub first: u32,
    /// The last.
    pub last: u32,
    /// From the first that was lost to the next that was not.
    pub time: Duration,
}

impl Gap {
    /// How many value lists.
    #[must_use]
    pub fn length(&self) -> u32 {
        self.last - self.first + 1
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (flow, length, first, time) = (self.flow, self.length(), self.first, self.time);
        write!(f, "flow {flow}: {length} from round {first} on, {:.2} s", time.as_secs_f64())
    }
}

impl Flows {
    /// Begins to send from this host.
    ///
    /// # Panics
    /// When the host has no network.
    #[must_use]
    pub fn begin(host: &Host, to: SocketAddr, flows: u32) -> Self {
        let shared = Arc::<Shared>::default();
        let sockets: Vec<_> =
            host.run(|| (0..flows).map(|_| UdpSocket::bind("0.0.0.0:0").expect("a free port")).collect());
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.send(&sockets, to)
        });
        Self { shared, flows, thread }
    }

    /// Rounds so far.
    #[must_use]
    pub fn rounds(&self) -> u32 {
        u32::try_from(self.shared.rounds().len()).expect("few")
    }

    /// Waits for so many more rounds.
    ///
    /// # Panics
    /// When they don't come.
    pub fn go_on(&self, more: u32) {
        let until = self.rounds() + more;
        wait_until(PATIENCE, "more rounds", || self.rounds() >= until);
    }

    /// Waits until something that is sent from now on arrives, of each flow.
    ///
    /// # Panics
    /// When nothing does.
    pub fn arrive(&self, sink: &Sink) {
        let (from, flows) = (self.rounds(), u64::from(self.flows));
        wait_until(PATIENCE, "all flows to arrive", || {
            let late = |flow: &u32| arrived(sink, *flow).last().is_some_and(|place| *place >= from);
            (0..self.flows).filter(late).count() as u64 == flows
        });
    }

    /// Ends, once what was sent last has arrived, and returns what has not.
    ///
    /// # Panics
    /// When the last doesn't arrive.
    #[must_use]
    pub fn end(self, sink: &Sink) -> Vec<Gap> {
        self.arrive(sink);
        self.shared.ends.store(true, Ordering::SeqCst);
        self.thread.join().expect("it sends");
        let rounds = self.shared.rounds().clone();
        let last = u32::try_from(rounds.len()).expect("few") - 1;
        let is_last = |flow: &u32| arrived(sink, *flow).last() == Some(&last);
        wait_until(PATIENCE, "the last of all flows", || (0..self.flows).all(|flow| is_last(&flow)));
        (0..self.flows).flat_map(|flow| gaps(flow, &arrived(sink, flow), &rounds)).collect()
    }
}

impl Shared {
    fn send(&self, sockets: &[UdpSocket], to: SocketAddr) {
        let mut round = 0;
        while !self.ends.load(Ordering::SeqCst) {
            self.rounds().push(Instant::now());
            for (flow, socket) in (0..).zip(sockets) {
                let datagram = traffic::datagram(&traffic::value_list(&name(flow), round));
                // What finds no way is lost like what finds nobody.
                let _ = socket.send_to(&datagram, to);
                std::thread::sleep(PAUSE);
            }
            round += 1;
        }
    }

    fn rounds(&self) -> std::sync::MutexGuard<'_, Vec<Instant>> {
        self.rounds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The host that a flow's value lists are of.
#[must_use]
pub fn name(flow: u32) -> String {
    format!("flow-{flow}.example.org")
}

/// The rounds of a flow that have come.
fn arrived(sink: &Sink, flow: u32) -> BTreeSet<u32> {
    let host = name(flow).into_bytes();
    let lists = sink.value_lists();
    lists.iter().filter(|list| list.identifier.host == host).map(traffic::place).collect()
}

fn gaps(flow: u32, arrived: &BTreeSet<u32>, rounds: &[Instant]) -> Vec<Gap> {
    let mut gaps = Vec::<Gap>::new();
    for (place, sent) in (0..).zip(rounds) {
        if arrived.contains(&place) {
            continue;
        }
        let next = rounds.get(place as usize + 1).unwrap_or(sent);
        match gaps.last_mut().filter(|gap| gap.last + 1 == place) {
            Some(gap) => {
                gap.last = place;
                gap.time = next.duration_since(rounds[gap.first as usize]);
            }
            None => gaps.push(Gap { flow, first: place, last: place, time: next.duration_since(*sent) }),
        }
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_what_did_not_come_between_two_that_did() {
        let begin = Instant::now();
        let rounds: Vec<_> = (0..8).map(|place| begin + place * PAUSE).collect();
        let gap = |first, last, pauses| Gap { flow: 7, first, last, time: pauses * PAUSE };
        assert_eq!(gaps(7, &BTreeSet::from([0, 3, 4, 6, 7]), &rounds), [gap(1, 2, 2), gap(5, 5, 1)]);
        assert_eq!(gaps(7, &(0..8).collect(), &rounds), []);
    }
}
