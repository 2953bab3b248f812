//! A lane: all that its stages share with each other and with whoever looks at them.

mod clock;
#[cfg(test)]
pub(crate) mod faults;
mod heartbeat;

pub use clock::{Clock, unix_seconds};
pub use heartbeat::{Heartbeat, Watch};

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use coco_daemon::latency::{Histogram, NUMBERS};

use crate::counters::{LaneCounts, Queue};
use crate::memory::{HostId, Memory};
use crate::share::LaneId;

/// For how long a reader looks away when the filter wants its turn.
const STAND_BACK: Duration = Duration::from_micros(50);

/// One lane: listen, filter and send, which share nothing with other lanes on the hot path.
#[derive(Debug)]
pub struct Lane {
    /// Its number.
    pub id: LaneId,
    /// Its counts.
    pub counts: LaneCounts,
    /// From a batch's receipt until it is sent.
    pub latency: Histogram,
    /// Datagrams that were received together.
    pub datagrams: Histogram,
    made: Instant,
    /// When the last datagram came, in seconds since it was made: time that nobody sets back.
    last_datagram: AtomicU64,
    /// Value lists between listen and filter.
    pub raw: Queue,
    /// Value lists between filter and send.
    pub filtered: Queue,
    /// Value lists that send holds back, once for each outlet.
    pub held: AtomicU64,
    /// Bytes that `memory` may take.
    max_memory: AtomicUsize,
    memory: Mutex<Memory>,
    /// Whether the filter waits for them.
    wanted: AtomicBool,
    /// Whether nobody is to measure them any more.
    closing: AtomicBool,
    /// The size of its memory.
    pub remembered: Remembered,
}

/// The size of a lane's memory when it was let go the last time: nobody waits for whoever holds it.
#[derive(Debug, Default)]
pub struct Remembered {
    /// Bytes that it takes.
    pub bytes: AtomicU64,
    /// Number of hosts.
    pub hosts: AtomicU64,
    /// Number of metrics of them all.
    pub metrics: AtomicU64,
}

impl Lane {
    /// A lane that has seen nothing yet. `max_memory` bounds what it remembers, in bytes.
    pub fn new(number: usize, max_memory: usize) -> Self {
        Self {
            made: Instant::now(),
            last_datagram: AtomicU64::new(0),
            id: LaneId::new(number),
            counts: LaneCounts::default(),
            latency: Histogram::default(),
            datagrams: Histogram::by(&NUMBERS),
            raw: Queue::default(),
            filtered: Queue::default(),
            held: AtomicU64::new(0),
            max_memory: max_memory.into(),
            memory: Mutex::new(Memory::new(max_memory)),
            wanted: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            remembered: Remembered::default(),
        }
    }

    /// Takes note of when datagrams came.
    pub fn received_at(&self, time: Instant) {
        self.last_datagram.store(time.saturating_duration_since(self.made).as_secs(), Ordering::Relaxed);
    }

    /// Seconds since the last datagram came, or since the start.
    pub fn age_of_last_datagram(&self) -> u64 {
        self.made.elapsed().as_secs().saturating_sub(self.last_datagram.load(Ordering::Relaxed))
    }

    /// Its memory, for the filter, which holds it for a batch.
    pub fn memory(&self) -> HeldMemory<'_> {
        self.wanted.store(true, Ordering::Relaxed);
        let memory = self.hold();
        self.wanted.store(false, Ordering::Relaxed);
        memory
    }

    /// Walks over what it remembers, from the first host on. `piece` takes some from a host on and says where to go on,
    /// `None` at the end; between two pieces the filter has its turn.
    pub fn walk(&self, mut piece: impl FnMut(&mut Memory, HostId) -> Option<HostId>) {
        let mut next = Some(0);
        while let Some(from) = next {
            next = self.read(|memory| piece(memory, from));
        }
    }

    /// Like [`walk`](Self::walk), until the measuring is [ended](Self::end_measuring).
    pub fn measure(&self, mut piece: impl FnMut(&mut Memory, HostId) -> Option<HostId>) {
        self.walk(|memory, from| if self.is_closing() { None } else { piece(memory, from) });
    }

    /// The process stops, and does not wait for the end of a summary that nobody will see.
    pub fn end_measuring(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// Whether the measuring is to end.
    pub fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// Reads what it remembers, for a millisecond at most, when the filter does not wait for its turn.
    pub fn read<T>(&self, read: impl FnOnce(&mut Memory) -> T) -> T {
        // The mutex is not fair: who lets go and takes it again is faster than one who has to be woken.
        while self.wanted.load(Ordering::Relaxed) {
            std::thread::sleep(STAND_BACK);
        }
        read(&mut self.hold())
    }

    fn hold(&self) -> HeldMemory<'_> {
        // A panic leaves the tables usable: at worst a metric is forgotten.
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.set_limit(self.max_memory.load(Ordering::Relaxed));
        HeldMemory { memory, remembered: &self.remembered }
    }

    /// Bytes that it may remember at most.
    pub fn max_memory(&self) -> usize {
        self.max_memory.load(Ordering::Relaxed)
    }

    /// Bounds what it remembers, in bytes, from when its memory is held the next time, by the filter or a reader; see
    /// [`Memory::set_limit`] for what is there. Waits for no one.
    pub fn set_max_memory(&self, max_memory: usize) {
        self.max_memory.store(max_memory, Ordering::Relaxed);
    }
}

/// The memory of a lane, held.
#[derive(Debug)]
pub struct HeldMemory<'a> {
    memory: MutexGuard<'a, Memory>,
    remembered: &'a Remembered,
}

impl Deref for HeldMemory<'_> {
    type Target = Memory;

    fn deref(&self) -> &Memory {
        &self.memory
    }
}

impl DerefMut for HeldMemory<'_> {
    fn deref_mut(&mut self) -> &mut Memory {
        &mut self.memory
    }
}

impl Drop for HeldMemory<'_> {
    fn drop(&mut self) {
        let Remembered { bytes, hosts, metrics } = self.remembered;
        bytes.store(self.memory.used() as u64, Ordering::Relaxed);
        hosts.store(self.memory.hosts() as u64, Ordering::Relaxed);
        metrics.store(self.memory.metrics() as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_has_its_turn_between_two_pieces_of_a_walk() {
        let lane = Lane::new(0, 0);
        let turns = AtomicU64::new(0);
        std::thread::scope(|scope| {
            lane.walk(|_, piece| {
                assert_eq!(turns.load(Ordering::Relaxed), u64::from(piece));
                scope.spawn(|| {
                    let _held = lane.memory();
                    turns.fetch_add(1, Ordering::Relaxed);
                });
                while !lane.wanted.load(Ordering::Relaxed) {
                    std::thread::yield_now();
                }
                (piece < 20).then_some(piece + 1)
            });
        });
    }

    #[test]
    fn a_stop_waits_for_no_measuring_but_readers_see_all() {
        let lane = Lane::new(0, 1 << 20);
        let mut visited = 0;
        lane.measure(|_, from| {
            visited += 1;
            lane.end_measuring();
            Some(from + 1)
        });
        lane.measure(|_, _| unreachable!("it has ended"));
        assert_eq!(visited, 1);
        lane.walk(|_, from| {
            visited += 1;
            (from < 5).then_some(from + 1)
        });
        assert_eq!(visited, 7);
    }
}
