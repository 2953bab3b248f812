//! The work of an engine's thread: takes packets, queues samples, and has one request under way.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use coco_daemon::logging::Throttle;
use hyper::header::HeaderValue;
use remote_write::answer::Answer;
use remote_write::delivery::{Delivery, Outcome, Pace, Wait};
use remote_write::queue::{Batch, Queue};
use remote_write::request::{Compressor, KEPT, MAX_PLAIN};
use tracing::{error, info, warn};

use super::client::{Answered, Client};
use super::counts::Waiting;
use super::terms::Terms;
use super::{Remote, buffer};

/// The longest sleep before it looks for packets that lanes have handed over.
const LOOK: Duration = Duration::from_millis(100);

/// Buffers that are decoded before the request under way gets its turn.
const TURN: usize = 8;

/// Buffers that are decoded before it is looked whether there is something to send.
const MOST_AT_ONCE: usize = 256;

/// The time after which a file with a password or a token is read again.
const READ_AGAIN: Duration = Duration::from_secs(60);

/// See the module.
pub(super) struct Worker<'r> {
    remote: &'r Remote,
    terms: Arc<Terms>,
    queue: Queue,
    /// The body of the next request, and what compresses it; empty, and kept for its memory.
    plain: Vec<u8>,
    compressor: Compressor,
    sender: Sender,
    /// What is decoded now, and how many value lists the queue had been given before.
    buffer: Option<(Vec<u8>, u64)>,
}

/// Sends batches, one at a time.
struct Sender {
    client: Client,
    authorization: Option<HeaderValue>,
    read_at: Instant,
    pace: Pace,
    batch: Option<(Batch, Delivery)>,
    /// Nothing is sent before.
    not_before: Option<Instant>,
    /// How many samples of the batch were in a request, and whether those of the next one were.
    sent: usize,
    again: bool,
    refusals: Throttle,
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl<'r> Worker<'r> {
    pub(super) fn new(remote: &'r Remote) -> Self {
        let terms = Option::clone(&remote.terms()).expect("it is started when there are terms");
        let queue = Queue::new(terms.settings.clone(), Arc::clone(&terms.types));
        let sender = Sender {
            client: Client::default(),
            authorization: terms.authorization.as_ref().map(|it| it.value.clone()),
            read_at: Instant::now(),
            pace: Pace::default(),
            batch: None,
            not_before: None,
            sent: 0,
            again: false,
            refusals: Throttle::default(),
        };
        Self {
            remote,
            terms,
            queue,
            plain: Vec::new(),
            compressor: Compressor::default(),
            sender,
            buffer: None,
        }
    }

    pub(super) async fn work(&mut self) {
        loop {
            self.renew();
            // Perhaps nothing comes any more: a reload may have taken the engine away.
            self.queue.forget(now());
            let ends_at = self.remote.ends_at();
            let is_all = !self.take_some(MOST_AT_ONCE);
            self.publish();
            if ends_at.is_some_and(|end| end <= Instant::now() || (is_all && self.queue.waiting() == 0)) {
                return;
            }
            match self.next_body(ends_at.is_some()) {
                Some(body) => self.send(body, ends_at).await,
                None if is_all => self.wait(ends_at).await,
                None => tokio::task::yield_now().await,
            }
        }
    }

    /// Goes over to other terms, if there are.
    fn renew(&mut self) {
        let newest = self.remote.terms();
        if let Some(newest) = newest.as_ref().filter(|newest| !Arc::ptr_eq(newest, &self.terms)) {
            self.terms = Arc::clone(newest);
            self.queue.change(self.terms.settings.clone(), Arc::clone(&self.terms.types));
            self.sender.client = Client::default();
            self.sender.authorization = self.terms.authorization.as_ref().map(|it| it.value.clone());
            self.sender.read_at = Instant::now();
            self.sender.not_before = None;
        }
    }

    /// Takes so much of what was handed over. Whether there may be more.
    fn take_some(&mut self, buffers: usize) -> bool {
        for _ in 0..buffers {
            let Some(buffer) = self.remote.hand_over.take() else { return false };
            let (now, before) = (now(), self.queue.lists());
            let (buffer, _) = self.buffer.insert((buffer, before));
            for packet in buffer::packets(buffer) {
                #[cfg(test)]
                crate::lane::faults::provoke_by("engine", packet);
                buffer::queue(&mut self.queue, packet, now);
            }
            if let Some((buffer, _)) = self.buffer.take() {
                self.remote.hand_over.give_back(buffer);
            }
        }
        true
    }

    /// After a panic: publishes what was counted before. Returns how many value lists were in hand, and counted nowhere.
    pub(super) fn give_up(&mut self) -> u64 {
        let lists = self.in_hand();
        self.remote.counts.publish(&self.queue.tally(), Waiting::default());
        lists
    }

    /// Value lists that were taken, and not given to the queue: those of a buffer that was decoded when it panicked.
    fn in_hand(&self) -> u64 {
        let Some((buffer, before)) = &self.buffer else { return 0 };
        // Where it is decoding that panics, they can't be counted.
        let count = || buffer::packets(buffer).map(buffer::count).sum();
        let all: u64 = catch_unwind(AssertUnwindSafe(count)).unwrap_or(0);
        all.saturating_sub(self.queue.lists() - before)
    }

    fn publish(&mut self) {
        // What is under way came before what is not.
        let since = self.sender.batch.as_ref().map(|(batch, _)| batch.since()).or(self.queue.since());
        let age = since.map_or(0, |since| now().saturating_sub(since).max(0));
        let waiting = Waiting {
            samples: self.queue.waiting(),
            oldest_age: Duration::from_millis(age.unsigned_abs()),
            bytes: self.queue.bytes(),
            series: self.queue.series(),
        };
        self.remote.counts.publish(&self.queue.tally(), waiting);
    }

    /// The body of the next request, if it is time for one.
    fn next_body(&mut self, at_once: bool) -> Option<Bytes> {
        if self.sender.not_before.is_some_and(|moment| moment > Instant::now()) {
            return None;
        }
        self.sender.not_before = None;
        loop {
            let now = now();
            if self.sender.batch.is_none() {
                let batch = self.queue.take(now, at_once)?;
                let delivery = Delivery::new(batch.len());
                self.sender.batch = Some((batch, delivery));
                self.sender.sent = 0;
            }
            let (batch, delivery) = self.sender.batch.as_mut()?;
            let Some(part) = delivery.next() else {
                let (batch, _) = self.sender.batch.take()?;
                self.queue.finish(batch);
                continue;
            };
            let least = now.saturating_sub(self.terms.settings.max_age);
            if batch.newest(part.clone()).is_some_and(|newest| newest < least) {
                delivery.skip();
                self.queue.dropped(batch, part, remote_write::queue::SampleDrop::TooOld);
                continue;
            }
            self.plain.clear();
            self.queue.write_body(batch, part.clone(), &mut self.plain);
            if self.plain.len() > MAX_PLAIN && delivery.split() {
                continue;
            }
            self.sender.again = part.end <= self.sender.sent;
            self.sender.sent = self.sender.sent.max(part.end);
            // It can't fail: a body has a bound far below that of the format.
            let body = self.compressor.compress(&self.plain).ok();
            self.plain.clear();
            self.plain.shrink_to(KEPT);
            self.compressor.shrink();
            return body;
        }
    }

    /// Sends a body; what is handed over meanwhile is taken.
    async fn send(&mut self, body: Bytes, ends_at: Option<Instant>) {
        self.read_authorization().await;
        let (size, since) = (body.len(), Instant::now());
        self.remote.counts.asked(self.sender.again);
        let (terms, authorization) = (Arc::clone(&self.terms), self.sender.authorization.clone());
        let mut client = std::mem::take(&mut self.sender.client);
        let answered = {
            let mut request = pin!(client.post(&terms, authorization.as_ref(), body));
            let mut is_all = true;
            loop {
                // There is news of what comes, and none of what was left.
                tokio::select! {
                    biased;
                    answered = &mut request => break Some(answered),
                    () = until(ends_at.or(self.remote.ends_at())) => break None,
                    () = tokio::task::yield_now(), if !is_all => {}
                    () = self.remote.hand_over.news(), if is_all => {}
                    () = tokio::time::sleep(LOOK), if is_all => {}
                }
                is_all = !self.take_some(TURN);
                self.publish();
            }
        };
        self.sender.client = client;
        let Some(answered) = answered else { return };
        self.remote.counts.latency.record(since.elapsed());
        self.meet(answered, size);
    }

    /// Does what an answer asks for.
    fn meet(&mut self, Answered { answer, said }: Answered, size: usize) {
        self.tell(&answer, &said);
        let Some((batch, delivery)) = &mut self.sender.batch else { return };
        let (outcome, wait) = delivery.meet(answer, size, &mut self.sender.pace);
        match outcome {
            Outcome::Delivered(part) => self.queue.delivered(batch, part),
            Outcome::Refused(part, why) => {
                if let Some(suppressed) = self.sender.refusals.pass(Instant::now()) {
                    let (tier, target, samples) = (&self.remote.tier, &self.remote.target, part.len());
                    let said = coco_core::text::Quoted(said.as_bytes());
                    warn!(%tier, %target, samples, %said, suppressed, "an engine refuses samples: they are dropped");
                }
                self.queue.dropped(batch, part, why.into());
            }
            Outcome::Retried => {}
        }
        let wait = match wait {
            Wait::No => None,
            Wait::For(wait) | Wait::Blocked(wait) => Some(wait),
            Wait::UpTo(most) => Some(most.mul_f64(chance())),
        };
        self.sender.not_before = wait.map(|wait| Instant::now() + wait);
        if delivery.next().is_none()
            && let Some((batch, _)) = self.sender.batch.take()
        {
            self.queue.finish(batch);
        }
    }

    /// Takes note of how the engine is, and says so once.
    fn tell(&mut self, answer: &Answer, said: &str) {
        let (problem, blocked) = match answer {
            Answer::Accepted | Answer::Refused(_) | Answer::TooLarge => (None, false),
            Answer::Busy(_) => (Some("has no time now"), false),
            Answer::Failed { .. } => (Some("fails"), false),
            Answer::NoAnswer { .. } => (Some("does not answer"), false),
            Answer::Misconfigured(_) => (Some("does not let us write, by its status"), true),
        };
        if blocked {
            // The file may have another token meanwhile.
            self.sender.read_at = Instant::now().checked_sub(READ_AGAIN).unwrap_or_else(Instant::now);
        }
        if !self.remote.counts.set_problem(problem, blocked) {
            return;
        }
        let Remote { tier, target, .. } = self.remote;
        let said = coco_core::text::Quoted(said.as_bytes());
        match problem {
            None => info!(%tier, %target, "engine takes samples again"),
            Some(problem) if blocked => {
                error!(%tier, %target, problem, %said, "engine can't be written to as configured");
            }
            Some(problem) => warn!(%tier, %target, problem, %said, "engine is down, samples wait"),
        }
    }

    async fn read_authorization(&mut self) {
        let Some(authorization) = self.terms.authorization.clone() else { return };
        if self.sender.read_at.elapsed() < READ_AGAIN {
            return;
        }
        self.sender.read_at = Instant::now();
        let read = tokio::task::spawn_blocking(move || authorization.read_again()).await;
        match read {
            Ok(Ok(value)) => self.sender.authorization = Some(value),
            Ok(Err(problem)) => {
                let Remote { tier, target, .. } = self.remote;
                warn!(%tier, %target, %problem, "cannot read again as whom an engine is written to");
            }
            Err(_) => {}
        }
    }

    /// Until there is something to do.
    async fn wait(&self, ends_at: Option<Instant>) {
        tokio::select! {
            () = self.remote.hand_over.news() => {}
            () = tokio::time::sleep(LOOK) => {}
            () = until(ends_at.or(self.sender.not_before)) => {}
        }
    }
}

/// Until a moment; for ever if there is none.
async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

/// Any number from 0 to 1.
fn chance() -> f64 {
    let mut bytes = [0; 4];
    // Without chance it waits as long as it may.
    getrandom::fill(&mut bytes).map_or(1.0, |()| f64::from(u32::from_be_bytes(bytes)) / f64::from(u32::MAX))
}
