//! The only place that makes threads and channels: stages, the queues between them, and the lanes that they form.
//!
//! ```text
//!          raw queue            filtered queue
//!  listen -----------> filter ----------------> send
//!     ^                                           |
//!     +------------- emptied batches -------------+
//! ```
//!
//! With `pipeline.spread_hosts` every listen stage leads to the raw queues of all lanes.
//!
//! One, two or three threads carry the stages of a lane. Stages on one thread still hand over by the channel;
//! it is emptied before the next receive. A stage ends when the channel that it takes from has no sender left
//! and is empty, and drops its own sender by that: so a stop runs down the lane, and nothing is left behind.

#[cfg(test)]
mod tests;

use crate::batch::Batch;
use crate::counters::Count;
use crate::filter::Filter;
use crate::gate::Gate;
use crate::heartbeat::Heartbeat;
use crate::lane::Lane;
use crate::listen::{self, decode};
use crate::routing::{Newest, Routing};
use crate::secrets::initialization_vectors;
use crate::send::{Packing, Sending};
use crate::socket::{Receiver, Wait};
use crate::spread::{LaneOfHost, Spread};
use coco_daemon::logging::Throttle;
use crossbeam_channel::{Receiver as Takes, RecvTimeoutError, Sender as Gives, TryRecvError, bounded};
use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tracing::{error, warn};

/// How long a lane that is to stop goes on reading what has arrived.
const LAST_READS: Duration = Duration::from_millis(200);

/// How long a stage without work sleeps: it is to let go of a routing that nobody uses any more, and to show that it
/// lives.
const WAKE_UP: Duration = Duration::from_millis(500);

/// How a lane is built.
#[derive(Clone)]
pub struct Plan {
    /// Threads that carry its stages: 1 to 3.
    pub threads: usize,
    /// Datagrams in a batch.
    pub batch: usize,
    /// Batches that a queue holds.
    pub queue: usize,
    /// Whether lanes hand each other the hosts that are the other's. Not with one thread: each would wait for the
    /// other.
    pub spread_hosts: bool,
    /// What to decide and to send by.
    pub routing: Arc<Newest>,
    /// Who may send to us.
    pub gate: Arc<Gate>,
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

/// The threads of lanes, and the signs of life of the stages that they carry, by their names.
#[derive(Debug, Default)]
pub struct Threads {
    /// The threads.
    pub handles: Vec<JoinHandle<()>>,
    /// The signs of life.
    pub heartbeats: Vec<(String, Arc<Heartbeat>)>,
}

/// Starts the threads of all lanes, each of which receives from a socket of its own.
pub fn start(plan: &Plan, sockets: Vec<UdpSocket>, lanes: &[Arc<Lane>]) -> io::Result<Threads> {
    // As many as can be under way at once: both queues full, a batch in each stage's hands.
    let batches = if plan.threads == 1 { 1 } else { 2 * plan.queue + 3 };
    let spreads = plan.spread_hosts && lanes.len() > 1;
    // Every lane that hands on to a lane makes so many for it.
    let most = if spreads { batches * lanes.len() } else { batches };
    let (entrances, exits): (Vec<_>, Vec<_>) = lanes
        .iter()
        .map(|_| {
            let (raw_in, raw_out) = bounded(plan.queue);
            let (empty_in, empty_out) = bounded(most);
            let pool = Pool { from: empty_out, left: batches, size: plan.batch };
            (Entrance { pool, to: raw_in }, (raw_out, empty_in))
        })
        .unzip();
    let handovers: Vec<_> = if spreads {
        let lane_of = LaneOfHost::new(lanes.len());
        let all = || lanes.iter().cloned().zip(entrances.iter().cloned()).collect();
        let to_all = || To::Lanes(Spread::new(lane_of.clone()), all());
        lanes.iter().map(|_| Handover { spare: Some(Batch::new(plan.batch)), to: to_all() }).collect()
    } else {
        let to_own = |entrance| Handover { spare: None, to: To::Own(entrance) };
        entrances.into_iter().map(to_own).collect()
    };
    let mut threads = Threads::default();
    let lanes = sockets.into_iter().zip(lanes).zip(handovers.into_iter().zip(exits));
    for ((socket, lane), (handover, (raw_out, empty_in))) in lanes {
        let listen: MakeStage = {
            let (lane, stop, gate) = (Arc::clone(lane), Arc::clone(&plan.stop), Arc::clone(&plan.gate));
            Box::new(move || Box::new(Listen::new(socket, lane, handover, stop, gate)))
        };
        start_lane(plan, lane, listen, raw_out, empty_in, &mut threads)?;
    }
    Ok(threads)
}

fn start_lane(
    plan: &Plan,
    lane: &Arc<Lane>,
    listen: MakeStage,
    raw_out: Takes<Batch>,
    empty_in: Gives<Batch>,
    threads: &mut Threads,
) -> io::Result<()> {
    let (filtered_in, filtered_out) = bounded(plan.queue);
    let filter: MakeStage = {
        let filter = Filter::new(Arc::clone(&plan.routing));
        let lane = Arc::clone(lane);
        Box::new(move || Box::new(FilterStage { filter, lane, from: raw_out, to: filtered_in }))
    };
    let send: MakeStage = {
        let (plan, lane) = (plan.clone(), Arc::clone(lane));
        let vectors = initialization_vectors()?;
        Box::new(move || {
            let routing = plan.routing.load_full();
            let sending = Sending::new(&routing.outlets, vectors);
            let packing = Packing::new(routing);
            Box::new(SendStage {
                packing,
                sending,
                newest: plan.routing,
                lane,
                from: filtered_out,
                to: empty_in,
            })
        })
    };
    let (listen, filter, send) = (("listen", listen), ("filter", filter), ("send", send));
    let groups = match plan.threads {
        1 => vec![("lane", vec![listen, filter, send])],
        2 => vec![("listen", vec![listen]), ("send", vec![filter, send])],
        _ => vec![("listen", vec![listen]), ("filter", vec![filter]), ("send", vec![send])],
    };
    for (name, stages) in groups {
        let mut makers = Vec::new();
        for (stage, make) in stages {
            let heartbeat = Arc::new(Heartbeat::default());
            threads.heartbeats.push((format!("{stage} {}", lane.number), Arc::clone(&heartbeat)));
            makers.push((make, heartbeat));
        }
        let thread = std::thread::Builder::new().name(format!("{name} {}", lane.number));
        threads.handles.push(thread.spawn(move || carry(makers))?);
    }
    Ok(())
}

/// Carries stages: waits for the first one's work, then lets what it handed on run through the others.
fn carry(stages: Vec<(MakeStage, Arc<Heartbeat>)>) {
    let make = |(make, heartbeat): (MakeStage, _)| (make(), heartbeat);
    let mut stages: VecDeque<_> = stages.into_iter().map(make).collect();
    while let Some((first, heartbeat)) = stages.front_mut() {
        let step = first.step(true);
        heartbeat.beat();
        if step == Step::Ended {
            // Drops its sender, so that the next one ends when it has emptied its queue.
            stages.pop_front();
        }
        for (stage, heartbeat) in stages.iter_mut().skip(1) {
            while stage.step(false) == Step::Done {
                heartbeat.beat();
            }
            heartbeat.beat();
        }
    }
}

/// Where decoded batches come into a lane, and empty ones to bring them in.
#[derive(Clone)]
struct Entrance {
    pool: Pool,
    to: Gives<Batch>,
}

/// How the listen stage of a lane hands on.
struct Handover {
    /// An empty batch at hand.
    spare: Option<Batch>,
    to: To,
}

/// Whom to hand on to.
enum To {
    /// All to its own lane.
    Own(Entrance),
    /// To every lane what is its own.
    Lanes(Spread, Box<[(Arc<Lane>, Entrance)]>),
}

impl Handover {
    /// An empty batch to receive into. Waits for one when all are under way, `None` if none will come back.
    fn empty(&mut self) -> Option<Batch> {
        self.spare.take().or_else(|| match &mut self.to {
            To::Own(Entrance { pool, .. }) => pool.take(),
            To::Lanes(..) => None,
        })
    }

    /// Hands on a batch that `own` has counted as waiting. `None` if nobody takes it any more.
    fn hand_on(&mut self, mut batch: Batch, own: &Lane) -> Option<()> {
        match &mut self.to {
            To::Own(Entrance { to, .. }) => to.send(batch).ok(),
            To::Lanes(spread, lanes) => {
                spread.divide(&batch, |lane| lanes[lane].1.pool.take())?;
                for (lane, part) in spread.parts() {
                    let (lane, Entrance { to, .. }) = &lanes[lane];
                    let pending = part.pending();
                    own.raw.leave(pending);
                    lane.raw.enter(pending);
                    to.send(part).ok()?;
                }
                batch.clear();
                self.spare = Some(batch);
                Some(())
            }
        }
    }
}

/// Batches that are not under way. New ones are made as long as none comes back.
#[derive(Clone)]
struct Pool {
    from: Takes<Batch>,
    /// How many may still be made, and for how many datagrams.
    left: usize,
    size: usize,
}

impl Pool {
    /// An empty batch. Waits for one when all are under way, `None` if none will come back.
    fn take(&mut self) -> Option<Batch> {
        if let Ok(batch) = self.from.try_recv() {
            return Some(batch);
        }
        if self.left > 0 {
            self.left -= 1;
            return Some(Batch::new(self.size));
        }
        self.from.recv().ok()
    }
}

struct Listen {
    receiver: Receiver,
    lane: Arc<Lane>,
    handover: Handover,
    stop: Arc<AtomicBool>,
    /// When to end, once the lane is to stop.
    end: Option<Instant>,
    gate: Arc<Gate>,
    complaints: Complaints,
}

/// A throttle for each kind of complaint: what strangers provoke must not hold back what an operator has to know.
#[derive(Default)]
struct Complaints {
    socket: Throttle,
    errors: Throttle,
    unwelcome: Throttle,
}

impl Listen {
    fn new(
        socket: UdpSocket,
        lane: Arc<Lane>,
        handover: Handover,
        stop: Arc<AtomicBool>,
        gate: Arc<Gate>,
    ) -> Self {
        Self {
            receiver: Receiver::new(socket),
            lane,
            handover,
            stop,
            end: None,
            gate,
            complaints: Complaints::default(),
        }
    }

    fn receive(&mut self, batch: &mut Batch, wait: Wait) -> usize {
        self.receiver.receive(batch, wait).unwrap_or_else(|problem| {
            self.lane.counts.add(Count::Socket, 1);
            if let Some(suppressed) = self.complaints.socket.pass(Instant::now()) {
                error!(%problem, suppressed, "cannot receive");
            }
            // Whatever it is, it must not take the whole processor.
            std::thread::sleep(Duration::from_millis(1));
            0
        })
    }

    fn decode(&mut self, batch: &mut Batch) {
        let listen::Complaints { error, unwelcome, own } = decode(batch, &self.lane, &self.gate);
        let shown =
            |source: Option<SocketAddr>| source.map_or_else(|| "unknown".to_owned(), |it| it.to_string());
        if let Some((problem, source, user)) = error
            && let Some(suppressed) = self.complaints.errors.pass(Instant::now())
        {
            let source = shown(source);
            warn!(source, user, %problem, suppressed, "refused the rest of a datagram");
        }
        if let Some((problem, source)) = unwelcome
            && let Some(suppressed) = self.complaints.unwelcome.pass(Instant::now())
        {
            warn!(source = shown(source), %problem, suppressed, "refused a datagram, or parts of it");
        }
        if let Some(source) = own
            && self.gate.loop_is_news()
        {
            error!(%source, "what this Coco sends comes back to it: a loop; it is refused, and said only once");
        }
    }
}

impl Stage for Listen {
    fn step(&mut self, may_wait: bool) -> Step {
        let stopping = self.stop.load(Ordering::Relaxed);
        if stopping && *self.end.get_or_insert_with(|| Instant::now() + LAST_READS) <= Instant::now() {
            return Step::Ended;
        }
        let Some(mut batch) = self.handover.empty() else { return Step::Ended };
        let wait = if may_wait && !stopping { Wait::ForOne } else { Wait::No };
        if self.receive(&mut batch, wait) == 0 {
            self.handover.spare = Some(batch);
            return if stopping { Step::Ended } else { Step::Idle };
        }
        batch.received =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as u32);
        let decoded = catch_unwind(AssertUnwindSafe(|| {
            #[cfg(test)]
            crate::faults::provoke("listen", &batch);
            self.decode(&mut batch);
        }));
        if decoded.is_err() {
            // What of it was decoded nobody has counted yet, and nobody gets.
            let lost = batch.datagrams.len() as u64;
            self.lane.counts.add(Count::Raw, lost);
            self.lane.counts.add(Count::ListenUnhandled, lost);
            batch.clear();
            self.handover.spare = Some(batch);
            return Step::Done;
        }
        self.handover.hand_on(batch, &self.lane).map_or(Step::Ended, |()| Step::Done)
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
            Err(step) => {
                self.filter.catch_up();
                return step;
            }
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
    newest: Arc<Newest>,
    lane: Arc<Lane>,
    from: Takes<Batch>,
    to: Gives<Batch>,
}

impl SendStage {
    /// Packs and sends by this routing from now on, and lets the last one go.
    fn go_over_to(&mut self, routing: &Arc<Routing>) {
        if !Arc::ptr_eq(routing, self.packing.routing()) {
            self.sending.go_over(&self.packing.routing().outlets, &routing.outlets);
            self.packing = Packing::new(Arc::clone(routing));
        }
    }

    /// What a panic keeps from being sent is counted as lost. Returns how many value lists there were to send.
    fn pack_and_send(&mut self, batch: &Batch) -> u64 {
        let Self { packing, sending, lane, .. } = self;
        let packed = catch_unwind(AssertUnwindSafe(|| {
            #[cfg(test)]
            crate::faults::provoke("pack", batch);
            packing.pack(batch)
        }));
        let Ok(packed) = packed else {
            lane.counts.add(Count::SendUnhandled, 1);
            let lost = packing.lose(batch, lane);
            self.packing = Packing::new(Arc::clone(packing.routing()));
            return lost;
        };
        let sent = catch_unwind(AssertUnwindSafe(|| {
            sending.start(packing);
            #[cfg(test)]
            crate::faults::provoke("send", batch);
            sending.send(packing, lane);
        }));
        if sent.is_err() {
            lane.counts.add(Count::SendUnhandled, 1);
            sending.lose_rest(packing, lane);
        }
        packing.clear();
        packed
    }
}

impl Stage for SendStage {
    fn step(&mut self, may_wait: bool) -> Step {
        let mut batch = match take(&self.from, may_wait) {
            Ok(batch) => batch,
            Err(step) => {
                self.go_over_to(&Arc::clone(&self.newest.load()));
                return step;
            }
        };
        if let Some(routing) = &batch.routing {
            self.go_over_to(routing);
        }
        let packed = self.pack_and_send(&batch);
        self.lane.filtered.leave(packed);
        batch.clear();
        // Listen may have ended already; then nobody wants the batch.
        let _ = self.to.try_send(batch);
        Step::Done
    }
}

fn take(from: &Takes<Batch>, may_wait: bool) -> Result<Batch, Step> {
    if may_wait {
        return from.recv_timeout(WAKE_UP).map_err(|error| match error {
            RecvTimeoutError::Timeout => Step::Idle,
            RecvTimeoutError::Disconnected => Step::Ended,
        });
    }
    from.try_recv().map_err(|error| match error {
        TryRecvError::Empty => Step::Idle,
        TryRecvError::Disconnected => Step::Ended,
    })
}
