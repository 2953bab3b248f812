//! The stages as a thread carries them: a batch a step, and what a panic in it costs.

use std::net::{SocketAddr, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use coco_daemon::logging::Throttle;
use coco_udp::{Receiver, Wait};
use crossbeam_channel::{Receiver as Takes, RecvTimeoutError, Sender as Gives, TryRecvError};
use tracing::{error, warn};

use super::handover::Handover;
use crate::batch::Batch;
use crate::counters::Count;
use crate::decide::{Decided, Filter};
use crate::intake::{self, Gate, decode};
use crate::lane::{Clock, Lane};
use crate::plan::{Newest, Routing};
use crate::send::{Packing, Progress, Sending};

/// The time for which a lane that is to stop goes on reading what has arrived.
const LAST_READS: Duration = Duration::from_millis(200);

/// The sleep of a stage without work: it is to let go of a routing that nobody uses any more, and to show that it
/// lives.
const WAKE_UP: Duration = Duration::from_millis(500);

/// One step of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A batch was taken and handed on.
    Done,
    /// There was none to take.
    Idle,
    /// There will never be one again.
    Ended,
}

pub(super) trait Stage {
    /// Takes a batch, works on it and hands it on. Waits for one as long as it may.
    fn step(&mut self, wait: Wait) -> Step;

    /// When it has something to do without a batch, too.
    fn due(&self) -> Option<Instant> {
        None
    }
}

pub(super) struct Listen {
    receiver: Receiver,
    lane: Arc<Lane>,
    handover: Handover,
    stop: Arc<AtomicBool>,
    /// When to end, once the lane is to stop.
    end: Option<Instant>,
    gate: Arc<Gate>,
    clock: Clock,
    complaints: Throttles,
}

/// A throttle for each kind of complaint: what strangers provoke must not hold back what an operator has to know.
#[derive(Default)]
struct Throttles {
    socket: Throttle,
    errors: Throttle,
    unwelcome: Throttle,
}

impl Listen {
    pub(super) fn new(
        socket: Arc<UdpSocket>,
        lane: Arc<Lane>,
        handover: Handover,
        stop: Arc<AtomicBool>,
        gate: Arc<Gate>,
        clock: Clock,
    ) -> Self {
        Self {
            receiver: Receiver::new(socket),
            lane,
            handover,
            stop,
            end: None,
            gate,
            clock,
            complaints: Throttles::default(),
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
        let intake::Complaints { error, unwelcome, own } = decode(batch, &self.lane, &self.gate);
        let shown =
            |source: Option<SocketAddr>| source.map_or_else(|| "unknown".to_owned(), |it| it.to_string());
        if let Some((problem, source, user)) = error
            && let Some(suppressed) = self.complaints.errors.pass(Instant::now())
        {
            let source = shown(source);
            warn!(source, user = user.as_deref(), %problem, suppressed, "refused the rest of a datagram");
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

impl Listen {
    /// The last batch if some of it is left to decode, or else a new one. Waits for a datagram as long as it may.
    fn undecoded(&mut self, wait: Wait) -> Result<Batch, Step> {
        if let Some(rest) = self.handover.rest.take() {
            return Ok(rest);
        }
        let stopping = self.stop.load(Ordering::Relaxed);
        if stopping && *self.end.get_or_insert_with(|| Instant::now() + LAST_READS) <= Instant::now() {
            return Err(Step::Ended);
        }
        let mut batch = self.handover.empty().ok_or(Step::Ended)?;
        let wait = if stopping { Wait::No } else { wait };
        let received = self.receive(&mut batch, wait);
        if received == 0 {
            self.handover.spare = Some(batch);
            return Err(if stopping { Step::Ended } else { Step::Idle });
        }
        self.lane.datagrams.count(received as u64);
        batch.arrived = Instant::now();
        batch.received = (self.clock)();
        self.lane.received_at(batch.arrived);
        Ok(batch)
    }
}

impl Stage for Listen {
    fn step(&mut self, wait: Wait) -> Step {
        let mut batch = match self.undecoded(wait) {
            Ok(batch) => batch,
            Err(step) => return step,
        };
        let decoded = catch_unwind(AssertUnwindSafe(|| {
            #[cfg(test)]
            crate::lane::faults::provoke("listen", &batch);
            self.decode(&mut batch);
        }));
        if decoded.is_err() {
            // Value lists that were decoded before the panic are in no count yet, and go nowhere.
            let lost = (batch.datagrams.len() - batch.round.end) as u64;
            self.lane.counts.add(Count::Raw, lost);
            self.lane.counts.add(Count::ListenUnhandled, lost);
            batch.clear();
            self.handover.spare = Some(batch);
            return Step::Done;
        }
        self.handover.hand_on(batch, &self.lane).map_or(Step::Ended, |()| Step::Done)
    }
}

pub(super) struct FilterStage {
    pub(super) filter: Filter,
    pub(super) lane: Arc<Lane>,
    pub(super) from: Takes<Batch>,
    pub(super) to: Gives<Decided>,
}

impl Stage for FilterStage {
    fn step(&mut self, wait: Wait) -> Step {
        let mut batch = match take(&self.from, wait) {
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
        let routing = Arc::clone(self.filter.routing());
        if self.to.send(Decided { batch, routing }).is_err() { Step::Ended } else { Step::Done }
    }
}

pub(super) struct SendStage {
    pub(super) packing: Packing,
    pub(super) sending: Sending,
    pub(super) newest: Arc<Newest>,
    pub(super) lane: Arc<Lane>,
    pub(super) from: Takes<Decided>,
    pub(super) to: Gives<Batch>,
}

impl SendStage {
    /// Packs and sends by this routing from now on, and lets the last one go, with all that is held by it.
    fn go_over_to(&mut self, routing: &Arc<Routing>) {
        if !Arc::ptr_eq(routing, self.packing.routing()) {
            self.flush(None);
            self.sending.go_over(&self.packing.routing().outlets, &routing.outlets);
            self.packing = Packing::new(Arc::clone(routing));
        }
    }

    /// Packs and sends a batch, portion by portion. Returns how many value lists there were to send.
    fn pack_and_send(&mut self, batch: &Batch) -> u64 {
        let mut progress = Progress::default();
        let mut packed = 0;
        while !progress.is_done(batch) {
            packed += self.pack_and_send_portion(batch, &mut progress);
        }
        packed
    }

    /// Counts what a panic kept from being sent as lost; of a panic in packing, also what stands behind it in the
    /// batch.
    fn pack_and_send_portion(&mut self, batch: &Batch, progress: &mut Progress) -> u64 {
        let Self { packing, lane, .. } = self;
        let start = *progress;
        let packed = catch_unwind(AssertUnwindSafe(|| {
            #[cfg(test)]
            crate::lane::faults::provoke("pack", batch);
            packing.pack(batch, progress, Instant::now())
        }));
        let Ok(packed) = packed else {
            lane.counts.add(Count::SendUnhandled, 1);
            let lost = packing.lose(batch, start, lane);
            packing.start_anew();
            *progress = Progress::end(batch);
            return lost;
        };
        self.send_packed();
        packed
    }

    /// Sends what is packed. Counts what a panic kept from being sent as lost.
    fn send_packed(&mut self) {
        let Self { packing, sending, lane, .. } = self;
        let sent = catch_unwind(AssertUnwindSafe(|| {
            sending.start(packing);
            #[cfg(test)]
            packing.packed().for_each(|(_, packets)| {
                packets.packets().for_each(|(_, packet)| crate::lane::faults::provoke_by("send", packet));
            });
            sending.send(packing, lane);
        }));
        if sent.is_err() {
            lane.counts.add(Count::SendUnhandled, 1);
            sending.lose_rest(packing, lane);
        }
        packing.clear();
    }

    /// Sends what is held and due by then, or all that is held. Counts it as lost after a panic in packing.
    fn flush(&mut self, by: Option<Instant>) {
        loop {
            let Self { packing, lane, .. } = self;
            match catch_unwind(AssertUnwindSafe(|| packing.pack_held(by))) {
                Ok(true) => self.send_packed(),
                Ok(false) => break,
                Err(_) => {
                    lane.counts.add(Count::SendUnhandled, 1);
                    packing.lose_held(lane);
                    packing.start_anew();
                    break;
                }
            }
        }
        self.lane.held.store(self.packing.held(), Ordering::Relaxed);
    }
}

impl Stage for SendStage {
    fn step(&mut self, wait: Wait) -> Step {
        let Decided { mut batch, routing } = match take(&self.from, wait) {
            Ok(decided) => decided,
            Err(step) => {
                self.go_over_to(&Arc::clone(&self.newest.load()));
                if self.packing.due().is_some() {
                    self.flush((step == Step::Idle).then(Instant::now));
                }
                return step;
            }
        };
        self.go_over_to(&routing);
        let packed = self.pack_and_send(&batch);
        self.lane.filtered.leave(packed);
        let now = Instant::now();
        self.lane.latency.record(now.saturating_duration_since(batch.arrived));
        batch.clear();
        // Listen may have ended already; then nobody wants the batch.
        let _ = self.to.try_send(batch);
        if self.packing.due().is_some() {
            self.flush(Some(now));
        }
        Step::Done
    }

    fn due(&self) -> Option<Instant> {
        self.packing.due()
    }
}

fn take<T>(from: &Takes<T>, wait: Wait) -> Result<T, Step> {
    let received = match wait {
        Wait::ForOne => from.recv_timeout(WAKE_UP),
        Wait::Until(then) => from.recv_deadline(then.min(Instant::now() + WAKE_UP)),
        Wait::No => {
            return from.try_recv().map_err(|error| match error {
                TryRecvError::Empty => Step::Idle,
                TryRecvError::Disconnected => Step::Ended,
            });
        }
    };
    received.map_err(|error| match error {
        RecvTimeoutError::Timeout => Step::Idle,
        RecvTimeoutError::Disconnected => Step::Ended,
    })
}
