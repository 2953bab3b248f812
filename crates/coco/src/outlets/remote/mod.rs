//! Engines that take samples by Prometheus' remote write, as outlets.
//!
//! A lane hands over the packets that it has for an engine, as it would send them: bytes copied into a [`HandOver`] that
//! has a bound, and nobody waits. A thread for each engine (`worker`) decodes them, makes samples, queues and sends them
//! (`remote-write` knows how), over a connection of its own (`client`). `terms` is what a configuration says of it.

mod client;
mod counts;
mod hand_over;
mod terms;
mod worker;

pub use counts::RemoteCounts;
pub use terms::{Engines, TermsError};

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arc_swap::{ArcSwapOption, Guard};
use coco_core::tier::Target;
use coco_core::wire::Packet;

use self::hand_over::HandOver;
use self::terms::Terms;

/// One engine of one tier. It outlives the outlets that lead to it: what waits is sent whatever a reload takes away.
#[derive(Debug)]
pub struct Remote {
    /// The tier's name.
    pub tier: Arc<str>,
    /// The URL as configured.
    pub target: Arc<str>,
    /// Its counts.
    pub counts: RemoteCounts,
    hand_over: HandOver,
    terms: ArcSwapOption<Terms>,
    /// Whether its thread was started.
    started: AtomicBool,
    /// When it is to be done, once it is to end.
    end: Mutex<Option<Instant>>,
    ended: AtomicBool,
}

impl Remote {
    /// Nobody sends yet.
    pub fn new(tier: &str, target: &str) -> Self {
        Self {
            tier: tier.into(),
            target: target.into(),
            counts: RemoteCounts::default(),
            hand_over: HandOver::default(),
            terms: ArcSwapOption::empty(),
            started: AtomicBool::new(false),
            end: Mutex::new(None),
            ended: AtomicBool::new(false),
        }
    }

    /// Whether it is of this target of this tier.
    pub fn is_of(&self, tier: &str, target: &str) -> bool {
        *self.tier == *tier && *self.target == *target
    }

    /// Takes packets of a lane, or counts them as dropped. Nobody waits for anything.
    pub fn take<'p>(&self, packets: impl Iterator<Item = (&'p Packet, &'p [u8])> + Clone) {
        let sum =
            |of: fn(&Packet) -> u32| packets.clone().map(|(packet, _)| u64::from(of(packet))).sum::<u64>();
        self.counts.drop_notifications(sum(|packet| packet.notifications));
        let lists = sum(|packet| packet.value_lists);
        if !self.hand_over.give(packets.map(|(_, bytes)| bytes)) {
            self.counts.drop_lists(lists);
        }
    }

    /// Goes on as its tier says, in a thread of its own from now on. Nothing changes if it says nothing.
    pub(super) fn engage(self: &Arc<Self>, engines: &Engines, target: &Target) -> io::Result<()> {
        let Some(terms) = engines.terms(&self.tier, target) else { return Ok(()) };
        self.hand_over.set_limit(terms.hand_over);
        self.terms.store(Some(Arc::new(terms)));
        if self.started.swap(true, Ordering::AcqRel) {
            self.hand_over.tell();
            return Ok(());
        }
        let remote = Arc::clone(self);
        let thread = std::thread::Builder::new().name("remote write".to_owned());
        thread.spawn(move || worker::run(&remote)).map(drop).inspect_err(|_| {
            self.started.store(false, Ordering::Release);
        })
    }

    fn terms(&self) -> Guard<Option<Arc<Terms>>> {
        self.terms.load()
    }

    /// Sends what is left, until then at most.
    pub fn end(&self, at: Instant) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
        self.hand_over.tell();
    }

    fn ends_at(&self) -> Option<Instant> {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether its thread has ended, or was never there.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire) || !self.started.load(Ordering::Acquire)
    }
}
