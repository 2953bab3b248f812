//! Dialing: an outlet gets its socket, and keeps one that leads to where the target is now.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use coco_core::config::is_loop;
use coco_daemon::health::Condition;
use coco_daemon::resolve::resolve;
use coco_udp::OwnSocket;
use thiserror::Error;
use tracing::{debug, info, warn};

use super::outlet::Outlet;
use super::useless::Useless;

/// The time that the resolver may take for one name.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);

/// The wait behind the first attempt when a target is down or has no address; it doubles up to [`LONGEST_WAIT`]. The
/// first attempt is made as soon as it goes down.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The longest wait between two attempts then.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Why an outlet is not connected.
#[derive(Debug, Error)]
enum Failure {
    #[error("{0} is where this coco itself listens: a loop")]
    LeadsBack(SocketAddr),
    #[error(transparent)]
    System(#[from] io::Error),
}

impl Outlet {
    /// Tries once to connect it, or to find out whether it must be connected anew. What it has it keeps until there is
    /// something better.
    ///
    /// An address that leads back to `listen` is not connected, as packets sent there would come round for ever:
    /// returns its address then.
    pub async fn dial(&self, listen: SocketAddr) -> Option<SocketAddr> {
        let Self { tier, target, .. } = self;
        let before = self.peer();
        let result = self.connect(before, listen).await;
        let back = match result {
            Err(Failure::LeadsBack(address)) => Some(address),
            _ => None,
        };
        match (result, before) {
            (Ok(found), _) => {
                if self.lost.swap(false, Ordering::Relaxed) {
                    info!(%tier, %target, "target is found again");
                }
                if let Some((address, socket)) = found {
                    self.swap_socket(socket);
                    self.tell_of(address, before);
                }
            }
            (Err(problem), before) => {
                self.counts.dial_failed();
                match before {
                    None => warn!(%tier, %target, %problem, "cannot connect, will try again"),
                    Some(address) if self.is_to_tell() && !self.lost.swap(true, Ordering::Relaxed) => {
                        warn!(%tier, %target, %problem, %address, "cannot find the target, keeps its last address");
                    }
                    Some(_) => {}
                }
            }
        }
        back
    }

    /// Connects to the first address that there is a way to, of several to the one it has, unless that was of no use: by
    /// a socket that nothing gets there by, one must not go on, as the way may depend on its port. None if what it has
    /// is as good.
    async fn connect(
        &self,
        before: Option<SocketAddr>,
        listen: SocketAddr,
    ) -> Result<Option<(SocketAddr, OwnSocket)>, Failure> {
        let mut addresses = resolve(&self.address, RESOLVE_TIMEOUT).await?;
        let is_down = self.is_down();
        let is_blamed = is_down && self.socket().is_some_and(|socket| socket.is_blamed());
        let anew = is_blamed || self.reconnects_at().is_some_and(|moment| moment <= Instant::now());
        self.useless().put_last(&mut addresses, before.filter(|_| is_blamed), is_down);
        if !is_down && !anew && before.is_some_and(|before| addresses.contains(&before)) {
            return Ok(None);
        }
        if let Some(before) = before.filter(|before| !is_blamed && addresses.contains(before)) {
            addresses.retain(|address| *address != before);
            addresses.insert(0, before);
        }
        let mut failure = Failure::System(io::ErrorKind::NotFound.into());
        for address in addresses {
            if leads_back(listen, address) {
                failure = Failure::LeadsBack(address);
                // The address in use is kept, in whatever order a resolver names the addresses.
                if before.is_none() {
                    break;
                }
                continue;
            }
            match OwnSocket::connect(address, self.settings.bind) {
                Ok(socket) if !anew && self.has_one_like(&socket) => return Ok(None),
                Ok(socket) => return Ok(Some((address, socket))),
                Err(error) => failure = error.into(),
            }
        }
        Err(failure)
    }

    /// When its socket has been used for long enough, if ever.
    fn reconnects_at(&self) -> Option<Instant> {
        let interval = self.settings.reconnect_interval;
        if interval.is_zero() { None } else { self.socket()?.since().checked_add(interval) }
    }

    /// Where it is sent to now. Of a target that is gone this happens again and again: what is not new is told to who
    /// looks for it only.
    fn tell_of(&self, address: SocketAddr, before: Option<SocketAddr>) {
        let Self { tier, target, .. } = self;
        let is_known = before == Some(address) || self.useless().contains(address);
        match before {
            None => info!(%tier, %target, %address, "ready to send to"),
            Some(before) if is_known => debug!(%tier, %target, %address, %before, "ready to send to it anew"),
            Some(before) => info!(%tier, %target, %address, %before, "target has another address"),
        }
    }

    fn useless(&self) -> MutexGuard<'_, Useless> {
        self.useless.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of an address that is no name it was said that it is down, and of what flaps that it flaps.
    fn is_to_tell(&self) -> bool {
        self.address.ip().is_none() && self.condition().0 != Some(Condition::Flapping)
    }

    /// Whether its socket leads to the same place from the same address of this machine, which a socket keeps when the
    /// machine gets another one.
    fn has_one_like(&self, other: &UdpSocket) -> bool {
        let ends = |socket: &UdpSocket| Some((socket.peer_addr().ok()?, socket.local_addr().ok()?.ip()));
        self.socket().is_some_and(|socket| ends(&socket) == ends(other))
    }
}

/// Looks after an outlet for as long as anyone else holds it: connects it, looks its name up from time to time and
/// sooner when it is down, and notices when it no longer flaps.
pub(super) async fn keep(outlet: Weak<Outlet>, listen: SocketAddr) {
    let Some(changed) = outlet.upgrade().map(|outlet| Arc::clone(&outlet.changed)) else { return };
    let mut rhythm = Rhythm::new();
    while let Some((dial, look)) = outlet.upgrade().map(|outlet| (rhythm.next(&outlet), outlet.look())) {
        tokio::select! {
            () = changed.notified() => {}
            () = at(look) => {}
            () = at(dial) => {
                let Some(outlet) = outlet.upgrade() else { return };
                outlet.dial(listen).await;
                rhythm = rhythm.dialed();
            }
        }
    }
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

/// When an outlet is dialed next.
struct Rhythm {
    last: Instant,
    /// Attempts since it went down, or from the start, whose own attempt counts.
    attempts: u32,
    /// By which share of the interval this wait is shorter, so that not all names are looked up at the same moment.
    jitter: f64,
}

impl Rhythm {
    fn new() -> Self {
        let random = RandomState::new().hash_one(0) as f64 / u64::MAX as f64;
        Self { last: Instant::now(), attempts: 1, jitter: random / 4.0 }
    }

    /// None as long as there is nothing to find out: the target is up, and its address is no name.
    fn next(&mut self, outlet: &Outlet) -> Option<Instant> {
        if outlet.peer().is_none() || outlet.is_down() {
            let wait = match self.attempts {
                0 => Duration::ZERO,
                attempts => FIRST_WAIT.saturating_mul(1 << (attempts - 1).min(10)),
            };
            return self.last.checked_add(wait.min(LONGEST_WAIT).min(outlet.settings.resolve_interval));
        }
        self.attempts = 0;
        let interval = outlet.settings.resolve_interval;
        let look_up = match outlet.address.ip() {
            Some(_) => None,
            None => self.last.checked_add(interval - interval.mul_f64(self.jitter)),
        };
        // Not at once if it has just failed.
        let reconnect = outlet.reconnects_at().map(|moment| moment.max(self.last + FIRST_WAIT));
        look_up.into_iter().chain(reconnect).min()
    }

    fn dialed(self) -> Self {
        Self { attempts: self.attempts.saturating_add(1), ..Self::new() }
    }
}

/// Whether what is sent to `target` arrives where this machine listens.
pub(crate) fn leads_back(listen: SocketAddr, target: SocketAddr) -> bool {
    // Of ports that differ nobody need ask the system.
    if listen.port() != target.port() {
        return false;
    }
    let own = [target.ip()];
    let local = if coco_udp::is_local(target.ip()) { own.as_slice() } else { &[] };
    is_loop(listen, target, local)
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;

    use super::*;
    use crate::outlets::{OutletCounts, Settings};

    const ELSEWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);

    const MINUTE: Duration = Duration::from_secs(60);

    fn outlet(target: &str) -> Outlet {
        let settings = Settings {
            recovery: MINUTE,
            resolve_interval: MINUTE,
            reconnect_interval: Duration::ZERO,
            bind: None,
        };
        Outlet::new(Arc::new(OutletCounts::new("t", target, 1)), target.parse().unwrap(), settings)
    }

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn a_name_that_resolves_late_may_not_lead_back() {
        for (listen, is_connected) in
            [("127.0.0.1:25826", false), ("[::]:25826", false), ("127.0.0.1:25827", true)]
        {
            let outlet = outlet("127.0.0.1:25826");
            let back = runtime().block_on(outlet.dial(listen.parse().unwrap()));
            assert_eq!(outlet.peer().is_some(), is_connected, "{listen}");
            assert_eq!(back.is_none(), is_connected, "{listen}");
            assert_eq!(outlet.counts.dial_errors(), u64::from(!is_connected));
        }
    }

    #[test]
    fn a_socket_is_kept_as_long_as_no_other_is_better() {
        let outlet = outlet("127.0.0.1:9");
        let runtime = runtime();
        runtime.block_on(outlet.dial(ELSEWHERE));
        let socket = outlet.socket().unwrap();
        outlet.note_fault(Errno::ENOBUFS);
        runtime.block_on(outlet.dial(ELSEWHERE));
        assert!(Arc::ptr_eq(&socket, &outlet.socket().unwrap()));

        // From another address of this machine.
        let other = UdpSocket::bind("127.0.0.2:0").unwrap();
        other.connect("127.0.0.1:9").unwrap();
        outlet.swap_socket(OwnSocket::new(other).unwrap());
        runtime.block_on(outlet.dial(ELSEWHERE));
        assert_eq!(outlet.socket().unwrap().local_addr().unwrap().ip(), socket.local_addr().unwrap().ip());
    }

    #[test]
    fn a_socket_that_nothing_gets_there_by_is_given_up_for_one_from_another_port() {
        let outlet = outlet("127.0.0.1:9");
        let runtime = runtime();
        runtime.block_on(outlet.dial(ELSEWHERE));
        let port = || outlet.socket().unwrap().local_addr().unwrap().port();
        let first = port();
        outlet.socket().unwrap().blame();
        outlet.note_fault(Errno::ECONNREFUSED);
        runtime.block_on(outlet.dial(ELSEWHERE));
        let second = port();
        assert_ne!(second, first);
        // Nothing speaks against the new one yet, though its target is down until a recovery is over.
        runtime.block_on(outlet.dial(ELSEWHERE));
        assert_eq!(port(), second);
    }

    #[test]
    fn a_socket_is_used_for_the_reconnect_interval() {
        let mut outlet = outlet("127.0.0.1:9");
        let runtime = runtime();
        runtime.block_on(outlet.dial(ELSEWHERE));
        let port = |outlet: &Outlet| outlet.socket().unwrap().local_addr().unwrap().port();
        let first = port(&outlet);
        let mut rhythm = Rhythm::new();
        for (interval, is_new) in [(Duration::ZERO, false), (MINUTE, false), (Duration::from_nanos(1), true)]
        {
            outlet.settings.reconnect_interval = interval;
            assert_eq!(rhythm.next(&outlet).is_some(), !interval.is_zero());
            runtime.block_on(outlet.dial(ELSEWHERE));
            assert_eq!(port(&outlet) != first, is_new, "{interval:?}");
        }
        assert!(rhythm.next(&outlet).unwrap() >= rhythm.last + FIRST_WAIT);
    }

    #[test]
    fn nobody_looks_after_an_outlet_that_is_gone() {
        let outlet = Arc::new(outlet("127.0.0.1:9"));
        let weak = Arc::downgrade(&outlet);
        runtime().block_on(async {
            let kept = tokio::spawn(keep(weak.clone(), "127.0.0.1:1".parse().unwrap()));
            tokio::task::yield_now().await;
            assert!(!kept.is_finished());
            drop(outlet);
            kept.await.unwrap();
            keep(weak, "127.0.0.1:1".parse().unwrap()).await;
        });
    }

    #[test]
    fn names_are_looked_up_every_interval_and_sooner_when_down() {
        let waits = |outlet: &Outlet, times: u32| {
            let mut rhythm = Rhythm::new();
            let wait = |_| {
                let wait = rhythm.next(outlet).map(|next| next - rhythm.last);
                rhythm =
                    Rhythm { last: rhythm.last, ..std::mem::replace(&mut rhythm, Rhythm::new()).dialed() };
                wait
            };
            (0..times).map(wait).collect::<Vec<_>>()
        };
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        let unresolved = outlet("a:1");
        let doubling = [1, 2, 4, 8, 16, 32, 60, 60].map(seconds);
        assert_eq!(waits(&unresolved, 8), doubling);
        for (target, is_name) in [("a:1", true), ("127.0.0.1:9", false)] {
            let outlet = outlet(target);
            outlet.swap_socket(OwnSocket::connect("127.0.0.1:9".parse().unwrap(), None).unwrap());
            for wait in waits(&outlet, 100) {
                assert_eq!(wait.is_some(), is_name);
                assert!(wait.is_none_or(|wait| wait <= MINUTE && wait >= 3 * MINUTE / 4), "{wait:?}");
            }
            outlet.note_fault(Errno::ENETUNREACH);
            let mut rhythm = Rhythm { attempts: 0, ..Rhythm::new() };
            assert_eq!(rhythm.next(&outlet), Some(rhythm.last), "at once");
            assert_eq!(waits(&outlet, 8), doubling);
        }
    }
}
