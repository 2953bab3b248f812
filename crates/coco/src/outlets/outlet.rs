//! One target of one tier as a place to send to: by which socket, and how it is.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwapOption, Guard};
use coco_core::address::Address;
use coco_core::config::Send;
use coco_daemon::health::{Condition, Health, News};
use coco_udp::OwnSocket;
use nix::errno::Errno;
use tokio::sync::Notify;
use tracing::{info, warn};

use super::outlet_counts::OutletCounts;
use super::remote::Remote;
use super::useless::Useless;
use crate::counters::OutletCells;
use crate::share::LaneId;

/// One target of one tier. Lanes share its socket.
#[derive(Debug)]
pub struct Outlet {
    /// The tier's name.
    pub tier: Arc<str>,
    /// The target as configured.
    pub target: Arc<str>,
    pub(super) address: Address,
    pub(super) counts: Arc<OutletCounts>,
    pub(super) settings: Settings,
    /// The engine, if it is one, which takes samples in place of packets; then there never is a socket.
    remote: Option<Arc<Remote>>,
    /// Connected once the name has resolved.
    socket: ArcSwapOption<OwnSocket>,
    /// As its health says, for a look without a lock.
    down: AtomicBool,
    record: Mutex<Record>,
    /// Which of its addresses were of no use since it was last up.
    pub(super) useless: Mutex<Useless>,
    /// Whether it was said that it can't be found.
    pub(super) lost: AtomicBool,
    /// Whether someone [looks after](crate::outlets::dial::keep) it.
    kept: AtomicBool,
    /// Tells whoever [looks after it](crate::outlets::dial::keep) that something has changed.
    pub(super) changed: Arc<Notify>,
}

/// Settings of an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// The time without a fault after which an outlet that is down is up again.
    pub recovery: Duration,
    /// The time until a name is looked up again, more or less.
    pub resolve_interval: Duration,
    /// The time that a socket is used before another one, from another port, takes its place; zero is for ever.
    pub reconnect_interval: Duration,
    /// The address of this machine to send from; the system chooses one without it.
    pub bind: Option<IpAddr>,
}

/// The health of an outlet, and why.
#[derive(Debug)]
struct Record {
    health: Health,
    /// The last problem.
    problem: &'static str,
}

/// The name in `/tiers` and in counters of an outlet without a condition: its name has no address yet, or there is no
/// way to it.
pub const UNRESOLVED: &str = "unresolved";

impl From<&Send> for Settings {
    fn from(send: &Send) -> Self {
        Self {
            recovery: send.recovery,
            resolve_interval: send.resolve_interval,
            reconnect_interval: send.reconnect_interval,
            bind: send.bind,
        }
    }
}

impl Outlet {
    /// Not connected. It counts in `counts`, whose names it takes.
    pub fn new(counts: Arc<OutletCounts>, address: Address, settings: Settings) -> Self {
        let health = Health::new(settings.recovery);
        let record = Record { health, problem: "" };
        Self {
            tier: Arc::clone(&counts.tier),
            target: Arc::clone(&counts.target),
            address,
            counts,
            settings,
            remote: None,
            socket: ArcSwapOption::empty(),
            down: AtomicBool::new(false),
            record: Mutex::new(record),
            useless: Mutex::default(),
            lost: AtomicBool::new(false),
            kept: AtomicBool::new(false),
            changed: Arc::default(),
        }
    }

    /// The same as an engine.
    pub(super) fn with_remote(mut self, remote: Arc<Remote>) -> Self {
        self.remote = Some(remote);
        self
    }

    /// The engine, if it is one.
    pub fn remote(&self) -> Option<&Arc<Remote>> {
        self.remote.as_ref()
    }

    /// The same with the socket of another outlet of its target, if there is one that sends from the same address.
    pub(super) fn like(self, other: Option<&Arc<Self>>) -> Self {
        let other = other.filter(|other| other.settings.bind == self.settings.bind);
        if let Some(socket) = other.and_then(|other| other.socket()) {
            self.socket.store(Some(socket));
        }
        self
    }

    /// Takes note that someone looks after it. Whether that is new.
    pub(super) fn begin_keeping(&self) -> bool {
        !self.kept.swap(true, Ordering::Relaxed)
    }

    /// The counts of all lanes.
    pub fn all_counts(&self) -> &Arc<OutletCounts> {
        &self.counts
    }

    /// Where a lane counts what it does here.
    #[inline]
    pub fn counts(&self, lane: LaneId) -> &OutletCells {
        self.counts.lane(lane)
    }

    /// The socket that leads there, `None` until its name has resolved.
    #[inline]
    pub fn socket(&self) -> Option<Arc<OwnSocket>> {
        self.socket.load_full()
    }

    /// From now on this is the socket. What is being sent by the one before goes its way.
    pub(crate) fn swap_socket(&self, socket: OwnSocket) {
        self.socket.store(Some(Arc::new(socket)));
    }

    /// Where it leads to, `None` until its name has resolved.
    pub fn peer(&self) -> Option<SocketAddr> {
        let socket: Guard<_> = self.socket.load();
        socket.as_ref()?.peer_addr().ok()
    }

    /// Its condition, none while it is [unresolved](UNRESOLVED), and the last problem if it is down or flapping.
    ///
    /// Up is what is sent to, and taken, and nobody says that it does not arrive: UDP has no other sign of life. An engine
    /// answers.
    pub fn condition(&self) -> (Option<Condition>, Option<&'static str>) {
        if let Some(remote) = &self.remote {
            let problem = remote.counts.problem();
            return (Some(if problem.is_some() { Condition::Down } else { Condition::Up }), problem);
        }
        if self.socket.load().is_none() {
            return (None, None);
        }
        let record = self.record();
        let condition = record.health.condition(Instant::now());
        (Some(condition), (condition != Condition::Up).then_some(record.problem))
    }

    /// Its penalty for flapping, see [`Health::flap_penalty`].
    pub fn flap_penalty(&self) -> f64 {
        self.record().health.flap_penalty(Instant::now())
    }

    /// Whether something goes wrong.
    #[inline]
    pub fn is_down(&self) -> bool {
        self.down.load(Ordering::Relaxed)
    }

    /// Takes note that packets were sent and nothing was said against it.
    #[inline]
    pub fn note_success(&self) {
        if self.is_down() {
            self.note_health(None);
        }
    }

    /// Takes note of what the kernel says instead of sending, be it of this machine or what a host has answered to an
    /// earlier packet.
    pub fn note_fault(&self, fault: Errno) {
        self.note_health(Some(fault));
    }

    #[cold]
    fn note_health(&self, fault: Option<Errno>) {
        let mut record = self.record();
        let now = Instant::now();
        let was_down = record.health.is_down();
        let news = match fault {
            Some(fault) => {
                record.problem = meaning(fault);
                record.health.fault(now)
            }
            None => record.health.success(now),
        };
        let is_down = record.health.is_down();
        self.down.store(is_down, Ordering::Relaxed);
        self.tell(news, record.problem);
        if is_down != was_down {
            self.changed.notify_one();
        }
    }

    /// Time has passed. Returns when to look again if nothing happens before.
    pub(super) fn look(&self) -> Option<Instant> {
        let mut record = self.record();
        let news = record.health.look(Instant::now());
        self.tell(news, record.problem);
        record.health.calm_at()
    }

    fn tell(&self, news: Option<News>, problem: &str) {
        let Self { tier, target, .. } = self;
        match news {
            None => {}
            Some(News::Down) => warn!(%tier, %target, problem, "target is down"),
            Some(News::Up) => info!(%tier, %target, "target is up again"),
            Some(News::Flaps) => {
                warn!(%tier, %target, problem, "target is flapping; up or down, no more of it until it is calm");
            }
            Some(News::Calm(state)) => info!(%tier, %target, %state, "target is calm"),
        }
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        self.changed.notify_one();
    }
}

/// An error in an operator's words.
fn meaning(error: Errno) -> &'static str {
    match error {
        Errno::ECONNREFUSED => "nothing listens there",
        Errno::EAGAIN => "its socket's buffer is full",
        Errno::ENOBUFS => "the network device takes no more",
        other => other.desc(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;

    fn outlet() -> Outlet {
        let settings = Settings {
            recovery: Duration::from_secs(3600),
            resolve_interval: Duration::MAX,
            reconnect_interval: Duration::ZERO,
            bind: None,
        };
        let outlet =
            Outlet::new(Arc::new(OutletCounts::new("t", "a:1", 1)), "a:1".parse().unwrap(), settings);
        assert_eq!(outlet.condition(), (None, None));
        outlet.swap_socket(OwnSocket::new(UdpSocket::bind("127.0.0.1:0").unwrap()).unwrap());
        outlet
    }

    #[test]
    fn a_target_whose_host_refuses_now_and_then_stays_down() {
        let outlet = outlet();
        outlet.note_success();
        assert_eq!(outlet.condition(), (Some(Condition::Up), None));
        for fault in [Some(Errno::ECONNREFUSED), None, None, Some(Errno::ECONNREFUSED), None] {
            fault.map_or_else(|| outlet.note_success(), |fault| outlet.note_fault(fault));
            assert_eq!(outlet.condition(), (Some(Condition::Down), Some("nothing listens there")));
        }
    }
}
