//! One target of one tier as a place to send to: whether it is reachable, and by which socket.

use crate::account::Account;
use crate::counters::OutletCounts;
use crate::socket;
use arc_swap::{ArcSwapOption, Guard};
use coco_core::address::Address;
use coco_core::config::is_loop;
use coco_daemon::logging::Throttle;
use coco_daemon::resolve::resolve;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
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

/// One target of one tier. Lanes share its socket.
#[derive(Debug)]
pub struct Outlet {
    /// The tier's name.
    pub tier: Arc<str>,
    /// The target as configured.
    pub target: Arc<str>,
    address: Address,
    account: Arc<Account>,
    /// Connected once the name has resolved.
    socket: ArcSwapOption<UdpSocket>,
    down: AtomicBool,
    /// When its host last said that nothing listens there, in milliseconds since `epoch`.
    refused: AtomicU64,
    epoch: Instant,
    complaints: Mutex<Throttle>,
}

impl Outlet {
    /// Not connected. It counts in `account`, whose names it takes.
    pub fn new(account: Arc<Account>, address: Address) -> Self {
        Self {
            tier: Arc::clone(&account.tier),
            target: Arc::clone(&account.target),
            address,
            account,
            socket: ArcSwapOption::empty(),
            down: AtomicBool::new(false),
            refused: AtomicU64::new(0),
            epoch: Instant::now(),
            complaints: Mutex::new(Throttle::new()),
        }
    }

    /// Where a lane counts what it does here.
    #[inline]
    pub fn counts(&self, lane: usize) -> &OutletCounts {
        self.account.lane(lane)
    }

    /// The socket that leads there, `None` until its name has resolved.
    #[inline]
    pub fn socket(&self) -> Option<Arc<UdpSocket>> {
        self.socket.load_full()
    }

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

    /// Takes note of whether its host has just said that nothing listens there.
    #[inline]
    pub fn note(&self, refused: bool) {
        if refused || self.is_down() {
            self.note_trouble(refused);
        }
    }

    #[cold]
    fn note_trouble(&self, refused: bool) {
        let now = self.epoch.elapsed().as_millis() as u64;
        if refused {
            self.refused.store(now, Ordering::Relaxed);
            if !self.down.swap(true, Ordering::Relaxed) {
                self.complain("nothing listens there");
            }
        } else if u128::from(now.saturating_sub(self.refused.load(Ordering::Relaxed))) > UNREFUSED.as_millis()
        {
            self.down.store(false, Ordering::Relaxed);
        }
    }

    /// Logs that sending to it fails, not more than once a minute.
    pub fn complain(&self, problem: &str) {
        let Self { tier, target, complaints, .. } = self;
        let passed = complaints.lock().unwrap_or_else(PoisonError::into_inner).pass(Instant::now());
        if let Some(suppressed) = passed {
            warn!(%tier, %target, problem, suppressed, "cannot send");
        }
    }

    /// Tries once to connect it.
    ///
    /// A name that turns out to lead back to `listen` stays unconnected: what is sent there would come round for ever.
    pub async fn dial(&self, listen: Option<SocketAddr>) {
        let Self { tier, target, .. } = self;
        match self.connect(listen).await {
            Ok(address) => info!(%tier, %target, %address, "connected"),
            Err(problem) => {
                self.account.dial_failed();
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

/// Looks after an outlet for as long as anyone else holds it: tries to connect it, with longer and longer waits, until it is.
pub async fn keep(outlet: Weak<Outlet>, listen: SocketAddr) {
    let mut wait = FIRST_WAIT;
    while outlet.upgrade().is_some_and(|outlet| outlet.peer().is_none()) {
        tokio::time::sleep(wait).await;
        let Some(outlet) = outlet.upgrade() else { return };
        outlet.dial(Some(listen)).await;
        wait = LONGEST_WAIT.min(wait * 2);
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

    fn outlet(target: &str) -> Outlet {
        Outlet::new(Arc::new(Account::new("t", target, 1)), target.parse().unwrap())
    }

    #[test]
    fn a_name_that_resolves_late_may_not_lead_back() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        for (listen, is_connected) in
            [("127.0.0.1:25826", false), ("[::]:25826", false), ("127.0.0.1:25827", true)]
        {
            let outlet = outlet("127.0.0.1:25826");
            runtime.block_on(outlet.dial(Some(listen.parse().unwrap())));
            assert_eq!(outlet.peer().is_some(), is_connected, "{listen}");
            assert_eq!(outlet.account.dial_errors(), u64::from(!is_connected));
        }
    }

    #[test]
    fn a_target_whose_host_refuses_now_and_then_stays_down() {
        let outlet = outlet("a:1");
        outlet.note(false);
        assert!(!outlet.is_down());
        for refused in [true, false, false, true, false] {
            outlet.note(refused);
            assert!(outlet.is_down());
        }
    }

    #[test]
    fn nobody_looks_after_an_outlet_that_is_gone() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let outlet = Arc::new(outlet("a:1"));
        let weak = Arc::downgrade(&outlet);
        drop(outlet);
        runtime.block_on(keep(weak, "127.0.0.1:1".parse().unwrap()));
    }
}
