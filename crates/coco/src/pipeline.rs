//! The only place that makes threads and channels: stages, the queues between them, and the lanes that they form.
//!
//! ```text
//!          raw queue            filtered queue
//!  listen -----------> filter ----------------> send
//!     ^                                           |
//!     +------------- emptied batches -------------+
//! ```
//!
//! One, two or three threads carry the stages of a lane. Stages on one thread still hand over by the channel;
//! it is emptied before the next receive. A stage ends when the channel that it takes from has no sender left
//! and is empty, and drops its own sender by that: so a stop runs down the lane, and nothing is left behind.

use crate::batch::Batch;
use crate::counters::Count;
use crate::filter::Filter;
use crate::lane::Lane;
use crate::listen::decode;
use crate::outlets::Outlets;
use crate::send::{Packing, Sending};
use crate::socket::{Receiver, Wait};
use coco_daemon::logging::Throttle;
use crossbeam_channel::{Receiver as Takes, Sender as Gives, TryRecvError, bounded};
use regex::bytes::Regex;
use std::io;
use std::net::UdpSocket;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tracing::{error, warn};

/// How long a lane that is to stop goes on reading what has arrived.
const LAST_READS: Duration = Duration::from_millis(200);

/// How a lane is built.
#[derive(Clone)]
pub struct Plan {
    /// Threads that carry its stages: 1 to 3.
    pub threads: usize,
    /// Datagrams in a batch.
    pub batch: usize,
    /// Batches that a queue holds.
    pub queue: usize,
    /// Bytes of the largest packet sent.
    pub max_packet_size: usize,
    /// What is not sent.
    pub blacklist: Option<Regex>,
    /// Where to send to.
    pub outlets: Arc<Outlets>,
    /// Set when the lanes are to stop.
    pub stop: Arc<AtomicBool>,
}

/// One step of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// A batch was taken and handed on.
    Done,
    /// There was none to take.
    Idle,
    /// There will never be one again.
    Ended,
}

trait Stage {
    /// Takes a batch, works on it and hands it on. Waits for one if it `may_wait`.
    fn step(&mut self, may_wait: bool) -> Step;
}

/// A stage is made on its own thread: what its system calls need does not move between threads.
type MakeStage = Box<dyn FnOnce() -> Box<dyn Stage> + Send>;

/// Starts the threads of one lane that receives from `socket`.
pub fn start(
    plan: &Plan,
    number: usize,
    socket: UdpSocket,
    lane: &Arc<Lane>,
) -> io::Result<Vec<JoinHandle<()>>> {
    let (raw_in, raw_out) = bounded(plan.queue);
    let (filtered_in, filtered_out) = bounded(plan.queue);
    // As many as can be under way at once: both queues full, a batch in each stage's hands.
    let batches = if plan.threads == 1 { 1 } else { 2 * plan.queue + 3 };
    let (empty_in, empty_out) = bounded(batches);

    let listen: MakeStage = {
        let (plan, lane) = (plan.clone(), Arc::clone(lane));
        Box::new(move || {
            Box::new(Listen::new(
                &plan,
                socket,
                lane,
                Pool { from: empty_out, spare: None, left: batches, size: plan.batch },
                raw_in,
            ))
        })
    };
    let filter: MakeStage = {
        let filter = Filter::new(plan.blacklist.clone(), Arc::clone(plan.outlets.partitions()));
        let lane = Arc::clone(lane);
        Box::new(move || Box::new(FilterStage { filter, lane, from: raw_out, to: filtered_in }))
    };
    let send: MakeStage = {
        let (plan, lane) = (plan.clone(), Arc::clone(lane));
        Box::new(move || {
            let packing = Packing::new(Arc::clone(plan.outlets.partitions()), plan.max_packet_size);
            let sending = Sending::new(plan.outlets);
            Box::new(SendStage { packing, sending, lane, from: filtered_out, to: empty_in })
        })
    };
    let threads: Vec<(&str, Vec<MakeStage>)> = match plan.threads {
        1 => vec![("lane", vec![listen, filter, send])],
        2 => vec![("listen", vec![listen]), ("send", vec![filter, send])],
        _ => vec![("listen", vec![listen]), ("filter", vec![filter]), ("send", vec![send])],
    };
    let spawn = |(name, stages): (&str, Vec<MakeStage>)| {
        std::thread::Builder::new().name(format!("{name} {number}")).spawn(move || carry(stages))
    };
    threads.into_iter().map(spawn).collect()
}

/// Carries stages: waits for the first one's work, then lets what it handed on run through the others.
fn carry(stages: Vec<MakeStage>) {
    let mut stages: std::collections::VecDeque<_> = stages.into_iter().map(|make| make()).collect();
    while let Some(first) = stages.front_mut() {
        if first.step(true) == Step::Ended {
            // Drops its sender, so that the next one ends when it has emptied its queue.
            stages.pop_front();
        }
        for stage in stages.iter_mut().skip(1) {
            while stage.step(false) == Step::Done {}
        }
    }
}

/// Batches that are not under way. New ones are made as long as none comes back.
struct Pool {
    from: Takes<Batch>,
    /// Taken, but nothing came in.
    spare: Option<Batch>,
    /// How many may still be made, and for how many datagrams.
    left: usize,
    size: usize,
}

impl Pool {
    /// An empty batch. Waits for one when all are under way, `None` if none will come back.
    fn take(&mut self) -> Option<Batch> {
        if let Some(spare) = self.spare.take() {
            return Some(spare);
        }
        if let Ok(batch) = self.from.try_recv() {
            return Some(batch);
        }
        if self.left > 0 {
            self.left -= 1;
            return Some(Batch::new(self.size));
        }
        self.from.recv().ok()
    }

    fn put_back(&mut self, batch: Batch) {
        self.spare = Some(batch);
    }
}

struct Listen {
    receiver: Receiver,
    lane: Arc<Lane>,
    pool: Pool,
    to: Gives<Batch>,
    stop: Arc<AtomicBool>,
    /// When to end, once the lane is to stop.
    end: Option<Instant>,
    complaints: Throttle,
}

impl Listen {
    fn new(plan: &Plan, socket: UdpSocket, lane: Arc<Lane>, pool: Pool, to: Gives<Batch>) -> Self {
        let receiver = Receiver::new(socket);
        Self {
            receiver,
            lane,
            pool,
            to,
            stop: Arc::clone(&plan.stop),
            end: None,
            complaints: Throttle::new(),
        }
    }

    fn receive(&mut self, batch: &mut Batch, wait: Wait) -> usize {
        self.receiver.receive(batch, wait).unwrap_or_else(|problem| {
            self.lane.counts.add(Count::Socket, 1);
            if let Some(suppressed) = self.complaints.pass(Instant::now()) {
                error!(%problem, suppressed, "cannot receive");
            }
            // Whatever it is, it must not take the whole processor.
            std::thread::sleep(Duration::from_millis(1));
            0
        })
    }

    fn decode(&mut self, batch: &mut Batch) {
        if let Some((problem, source)) = decode(batch, &self.lane)
            && let Some(suppressed) = self.complaints.pass(Instant::now())
        {
            let source = source.map_or_else(|| "unknown".to_owned(), |source| source.to_string());
            warn!(source, %problem, suppressed, "refused the rest of a datagram");
        }
    }
}

impl Stage for Listen {
    fn step(&mut self, may_wait: bool) -> Step {
        let stopping = self.stop.load(Ordering::Relaxed);
        if stopping && *self.end.get_or_insert_with(|| Instant::now() + LAST_READS) <= Instant::now() {
            return Step::Ended;
        }
        let Some(mut batch) = self.pool.take() else { return Step::Ended };
        let wait = if may_wait && !stopping { Wait::ForOne } else { Wait::No };
        if self.receive(&mut batch, wait) == 0 {
            self.pool.put_back(batch);
            return if stopping { Step::Ended } else { Step::Idle };
        }
        batch.received =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as u32);
        self.decode(&mut batch);
        if self.to.send(batch).is_err() { Step::Ended } else { Step::Done }
    }
}

struct FilterStage {
    filter: Filter,
    lane: Arc<Lane>,
    from: Takes<Batch>,
    to: Gives<Batch>,
}

impl Stage for FilterStage {
    fn step(&mut self, may_wait: bool) -> Step {
        let mut batch = match take(&self.from, may_wait) {
            Ok(batch) => batch,
            Err(step) => return step,
        };
        let decided = catch_unwind(AssertUnwindSafe(|| self.filter.decide(&mut batch, &self.lane)));
        if decided.is_err() {
            self.filter.recover(&mut batch, &self.lane);
        }
        if self.to.send(batch).is_err() { Step::Ended } else { Step::Done }
    }
}

struct SendStage {
    packing: Packing,
    sending: Sending,
    lane: Arc<Lane>,
    from: Takes<Batch>,
    to: Gives<Batch>,
}

impl Stage for SendStage {
    fn step(&mut self, may_wait: bool) -> Step {
        let mut batch = match take(&self.from, may_wait) {
            Ok(batch) => batch,
            Err(step) => return step,
        };
        let packed = self.packing.pack(&batch);
        self.sending.send(&self.packing, &self.lane);
        self.packing.clear();
        self.lane.filtered.leave(packed);
        batch.clear();
        // Listen may have ended already; then nobody wants the batch.
        let _ = self.to.try_send(batch);
        Step::Done
    }
}

fn take(from: &Takes<Batch>, may_wait: bool) -> Result<Batch, Step> {
    if may_wait {
        return from.recv().map_err(|_| Step::Ended);
    }
    from.try_recv().map_err(|error| match error {
        TryRecvError::Empty => Step::Idle,
        TryRecvError::Disconnected => Step::Ended,
    })
}
