//! The targets of all tiers as places to send to: which are reachable, and by which socket.

use crate::counters::DIAL;
use crate::partitions::Partitions;
use crate::socket;
use arc_swap::{ArcSwapOption, Guard};
use coco_core::address::Address;
use coco_core::config::is_loop;
use coco_core::tier::Tiers;
use coco_daemon::counters::Snapshot;
use coco_daemon::logging::Throttle;
use coco_daemon::resolve::resolve;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tracing::{info, warn};

/// How long the resolver may take for one name.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// The wait after the first failed attempt; it doubles up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How long nothing must be refused before a target is no longer down. A host that refuses says so once a second at
/// most (`icmp_ratelimit`, icmp(7)), however much is sent to it.
const UNREFUSED: Duration = Duration::from_secs(3);

/// Every target of every tier, tier by tier, in the order of the configuration. Lanes share the sockets.
pub struct Outlets {
    outlets: Box<[Outlet]>,
    /// Where each tier starts.
    starts: Box<[usize]>,
    partitions: Arc<Partitions>,
    /// What times are counted from.
    epoch: Instant,
}

/// One target of one tier.
pub struct Outlet {
    /// The tier's name.
    pub tier: Arc<str>,
    /// The target as configured.
    pub target: Arc<str>,
    address: Address,
    /// Connected once the name has resolved.
    socket: ArcSwapOption<UdpSocket>,
    dial_errors: AtomicU64,
    down: AtomicBool,
    /// When its host last said that nothing listens there, in milliseconds.
    refused: AtomicU64,
    complaints: Mutex<Throttle>,
}

impl Outlets {
    /// The targets of these tiers, none of them connected.
    pub fn new(tiers: &Arc<Tiers>) -> Self {
        let mut outlets = Vec::new();
        let mut starts = Vec::new();
        for tier in tiers.iter() {
            starts.push(outlets.len());
            let name: Arc<str> = tier.name().into();
            outlets.extend(tier.targets().iter().map(|target| Outlet {
                tier: Arc::clone(&name),
                target: target.name.as_str().into(),
                address: target.address.clone(),
                socket: ArcSwapOption::empty(),
                dial_errors: AtomicU64::new(0),
                down: AtomicBool::new(false),
                refused: AtomicU64::new(0),
                complaints: Mutex::new(Throttle::new()),
            }));
        }
        let partitions = Arc::new(Partitions::new(Arc::clone(tiers)));
        Self { outlets: outlets.into(), starts: starts.into(), partitions, epoch: Instant::now() }
    }

    /// How hosts are parted among them.
    pub fn partitions(&self) -> &Arc<Partitions> {
        &self.partitions
    }

    /// How many tiers there are.
    pub fn tiers(&self) -> usize {
        self.starts.len()
    }

    /// The index of a tier's target among all outlets.
    #[inline]
    pub fn index(&self, tier: usize, target: usize) -> usize {
        self.starts[tier] + target
    }

    /// All outlets, tier by tier.
    pub fn iter(&self) -> std::slice::Iter<'_, Outlet> {
        self.outlets.iter()
    }

    /// The outlets of one tier, in the order of its targets.
    pub fn of_tier(&self, tier: usize) -> &[Outlet] {
        let end = self.starts.get(tier + 1).copied().unwrap_or(self.outlets.len());
        &self.outlets[self.starts[tier]..end]
    }

    /// The socket that leads to an outlet, `None` until its name has resolved.
    #[inline]
    pub fn socket(&self, outlet: usize) -> Option<Arc<UdpSocket>> {
        self.outlets[outlet].socket.load_full()
    }

    /// Takes note of whether a host has just said that nothing listens at this target.
    #[inline]
    pub fn note(&self, outlet: usize, refused: bool) {
        if refused || self.outlets[outlet].is_down() {
            self.note_trouble(outlet, refused);
        }
    }

    #[cold]
    fn note_trouble(&self, index: usize, refused: bool) {
        let outlet = &self.outlets[index];
        let now = self.epoch.elapsed().as_millis() as u64;
        if refused {
            outlet.refused.store(now, Ordering::Relaxed);
            if !outlet.down.swap(true, Ordering::Relaxed) {
                self.complain(index, "nothing listens there");
            }
        } else if u128::from(now.saturating_sub(outlet.refused.load(Ordering::Relaxed)))
            > UNREFUSED.as_millis()
        {
            outlet.down.store(false, Ordering::Relaxed);
        }
    }

    /// Logs that sending to an outlet fails, not more than once a minute.
    pub fn complain(&self, outlet: usize, problem: &str) {
        let Outlet { tier, target, complaints, .. } = &self.outlets[outlet];
        let passed = complaints.lock().unwrap_or_else(PoisonError::into_inner).pass(Instant::now());
        if let Some(suppressed) = passed {
            warn!(%tier, %target, problem, suppressed, "cannot send");
        }
    }

    /// Tries every outlet that is not connected once, all at the same time, for at most `patience`.
    ///
    /// Returns the addresses that they lead to, in the order of the outlets.
    pub async fn dial(self: &Arc<Self>, patience: Duration) -> Vec<Option<SocketAddr>> {
        let mut attempts = JoinSet::new();
        for index in 0..self.outlets.len() {
            let outlets = Arc::clone(self);
            attempts.spawn(async move { outlets.outlets[index].dial(None).await });
        }
        // Those that take longer are tried again in the background.
        let all = async { while attempts.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(patience, all).await;
        self.outlets.iter().map(Outlet::peer).collect()
    }

    /// Goes on trying what is not connected, with longer and longer waits, until everything is.
    ///
    /// A name that now turns out to lead back to `listen` stays unconnected: what is sent there would come round for ever.
    pub async fn keep_dialing(self: Arc<Self>, listen: SocketAddr) {
        let mut attempts = JoinSet::new();
        for index in 0..self.outlets.len() {
            let outlets = Arc::clone(&self);
            attempts.spawn(async move {
                let outlet = &outlets.outlets[index];
                let mut wait = FIRST_WAIT;
                while outlet.peer().is_none() {
                    tokio::time::sleep(wait).await;
                    outlet.dial(Some(listen)).await;
                    wait = LONGEST_WAIT.min(wait * 2);
                }
            });
        }
        while attempts.join_next().await.is_some() {}
    }

    /// Adds the failed attempts to a snapshot.
    pub fn add_to(&self, snapshot: &mut Snapshot) {
        for outlet in &self.outlets {
            let labels = [("tier", &outlet.tier), ("target", &outlet.target)];
            snapshot.add(&DIAL, &labels, outlet.dial_errors.load(Ordering::Relaxed));
        }
    }
}

impl Outlet {
    /// Where it leads to, `None` until its name has resolved.
    pub fn peer(&self) -> Option<SocketAddr> {
        let socket: Guard<_> = self.socket.load();
        socket.as_ref()?.peer_addr().ok()
    }

    /// Whether nothing listens there, as far as its host says.
    #[inline]
    pub fn is_down(&self) -> bool {
        self.down.load(Ordering::Relaxed)
    }

    async fn dial(&self, listen: Option<SocketAddr>) {
        let Self { tier, target, .. } = self;
        match self.connect(listen).await {
            Ok(address) => info!(%tier, %target, %address, "connected"),
            Err(problem) => {
                self.dial_errors.fetch_add(1, Ordering::Relaxed);
                warn!(%tier, %target, %problem, "cannot connect, will try again");
            }
        }
    }

    /// Takes the first address that there is a way to.
    async fn connect(&self, listen: Option<SocketAddr>) -> io::Result<SocketAddr> {
        let mut problem = io::Error::from(io::ErrorKind::NotFound);
        for address in resolve(&self.address, RESOLVE_TIMEOUT).await? {
            if listen.is_some_and(|listen| leads_back(listen, address)) {
                return Err(io::Error::other(format!("{address} is where this coco itself listens: a loop")));
            }
            match socket::connect(address) {
                Ok(socket) => {
                    self.socket.store(Some(Arc::new(socket)));
                    return Ok(address);
                }
                Err(error) => problem = error,
            }
        }
        Err(problem)
    }
}

/// Whether what is sent to `target` arrives where this machine listens.
pub(crate) fn leads_back(listen: SocketAddr, target: SocketAddr) -> bool {
    let own = [target.ip()];
    let local = if socket::is_local(target.ip()) { own.as_slice() } else { &[] };
    is_loop(listen, target, local)
}

#[cfg(test)]
mod tests {
    use super::*;
    use coco_core::tier::{Target, Tier};

    fn outlets(target: &str) -> Outlets {
        let target = Target { name: target.to_owned(), address: target.parse().unwrap(), fetch: None };
        let tiers = Tiers::new(vec![Tier::new("t".to_owned(), vec![target], None).unwrap()]).unwrap();
        Outlets::new(&Arc::new(tiers))
    }

    #[test]
    fn a_name_that_resolves_late_may_not_lead_back() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for (listen, is_connected) in
            [("127.0.0.1:25826", false), ("[::]:25826", false), ("127.0.0.1:25827", true)]
        {
            let outlets = outlets("127.0.0.1:25826");
            let outlet = &outlets.of_tier(0)[0];
            runtime.block_on(outlet.dial(Some(listen.parse().unwrap())));
            assert_eq!(outlet.peer().is_some(), is_connected, "{listen}");
            assert_eq!(outlet.dial_errors.load(Ordering::Relaxed), u64::from(!is_connected));
        }
    }

    #[test]
    fn a_target_whose_host_refuses_now_and_then_stays_down() {
        let outlets = outlets("a:1");
        outlets.note(0, false);
        assert!(!outlets.of_tier(0)[0].is_down());
        for refused in [true, false, false, true, false] {
            outlets.note(0, refused);
            assert!(outlets.of_tier(0)[0].is_down());
        }
    }
}
