//! The gate, which lets in networks that are allowed and users that are known, and not Coco itself.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, Guard as Loaded};
use coco_core::config::Listen;
use coco_core::network::Network;
use coco_core::wire::{Guard, SecurityLevel};
use coco_daemon::files::Accept;
use coco_daemon::logging::Throttle;
use coco_udp::OwnAddresses;
use tracing::{info, warn};

use crate::counters::Unwelcome;
use crate::secrets::{AuthFile, Look, SecretError};

/// The time between two looks at the file of users.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The gate that lanes ask who may send. The answer may change while they run.
#[derive(Debug, Default)]
pub struct Gate {
    admission: ArcSwap<Admission>,
    loop_was_told: AtomicBool,
    complaints: Mutex<Throttle>,
}

/// The senders that are let in, at one moment.
#[derive(Debug, Default)]
pub struct Admission {
    /// None at all lets everyone.
    allow: Box<[Network]>,
    guard: Guard,
    file: Option<AuthFile>,
}

impl Admission {
    /// These networks, none for everyone, and a guard whose users are in no file.
    pub fn new(allow: Vec<Network>, guard: Guard) -> Self {
        Self { allow: allow.into(), guard, file: None }
    }

    /// As configured. `warnings` gets what an operator should know of the file of users.
    pub fn read(listen: &Listen, accept: Accept, warnings: &mut Vec<String>) -> Result<Self, SecretError> {
        let (file, users) = match listen.security.auth_file() {
            None => (None, None),
            Some(path) => {
                let (file, users, found) = AuthFile::open("listen.auth_file", path, accept)?;
                warnings.extend(found);
                (Some(file), Some(users))
            }
        };
        let allow = listen.allow.iter().flatten().copied().collect();
        // With the final NUL.
        let guard = Guard::new(listen.security.level(), users).with_name_max(listen.max_name_length + 1);
        Ok(Self { allow, guard, file })
    }

    /// Why nothing is taken from this sender, if so.
    #[inline]
    pub fn refuses(&self, source: Option<SocketAddr>, own: &OwnAddresses) -> Option<Unwelcome> {
        if !self.allow.is_empty() && !self.allows(source) {
            return Some(Unwelcome::NotAllowed);
        }
        source.is_some_and(|source| own.contains(source)).then_some(Unwelcome::OwnSocket)
    }

    /// A sender that nobody knows is in no network.
    fn allows(&self, source: Option<SocketAddr>) -> bool {
        source.is_some_and(|source| self.allow.iter().any(|network| network.contains(source.ip())))
    }

    /// The guard that takes datagrams apart that may be signed or encrypted; `None` if a plain decoder will do.
    #[inline]
    pub fn guard(&self) -> Option<&Guard> {
        (!self.guard.is_open()).then_some(&self.guard)
    }

    /// Bytes of the largest payload of a name, with its final NUL.
    #[inline]
    pub fn name_max(&self) -> usize {
        self.guard.name_max()
    }

    /// The reason by which parts are ignored that are not as the level demands.
    pub fn ignored(&self) -> Unwelcome {
        if self.guard.level() == SecurityLevel::Encrypt {
            Unwelcome::Unencrypted
        } else {
            Unwelcome::Unsigned
        }
    }
}

impl Gate {
    /// As this says.
    pub fn new(admission: Admission) -> Self {
        Self { admission: ArcSwap::from_pointee(admission), ..Self::default() }
    }

    /// From now on as this says.
    pub fn set(&self, admission: Admission) {
        self.admission.store(Arc::new(admission));
    }

    /// The answer that holds now.
    #[inline]
    pub fn admission(&self) -> Loaded<Arc<Admission>> {
        self.admission.load()
    }

    /// Whether it is the first time that a loop is seen.
    pub fn loop_is_news(&self) -> bool {
        !self.loop_was_told.swap(true, Ordering::Relaxed)
    }

    /// Reads the file of users if it has changed. One that can't be read is left for later: the users of before stay.
    pub fn look(&self) {
        let admission = self.admission.load_full();
        let Some(file) = &admission.file else { return };
        match file.look() {
            Ok(Look::Same) => {}
            Ok(Look::Changed(file, users, warnings)) => {
                warnings.iter().for_each(|warning| warn!("{warning}"));
                info!(path = %file.path().display(), users = users.len(), "read listen.auth_file again");
                let old = &admission.guard;
                let guard = Guard::new(old.level(), Some(users)).with_name_max(old.name_max());
                let renewed = Admission { allow: admission.allow.clone(), guard, file: Some(file) };
                // Unless the configuration was read again meanwhile.
                self.admission.compare_and_swap(&admission, Arc::new(renewed));
            }
            Err(problem) => {
                let passed =
                    self.complaints.lock().unwrap_or_else(PoisonError::into_inner).pass(Instant::now());
                if let Some(suppressed) = passed {
                    warn!(%problem, suppressed, "the users known so far stay");
                }
            }
        }
    }

    /// Looks at the file of users once a second, for as long as someone has the gate.
    pub async fn watch(gate: Weak<Self>) {
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            let Some(gate) = gate.upgrade() else { return };
            if gate.admission().file.is_some() {
                // A file on a server that is gone must not hold up the API.
                let _ = tokio::task::spawn_blocking(move || gate.look()).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use coco_core::config::CocoConfig;
    use coco_udp::OwnSocket;

    use super::*;

    fn gate(listen: &str) -> Gate {
        let text = format!("[listen]\n{listen}\n[tiers.a]\ntargets = ['a:1']");
        let config = CocoConfig::parse(&text).unwrap();
        Gate::new(Admission::read(&config.listen, Accept::Files, &mut Vec::new()).unwrap())
    }

    fn refused(gate: &Gate, source: &str) -> Option<Unwelcome> {
        gate.admission().refuses(Some(source.parse().unwrap()), &OwnAddresses::now())
    }

    #[test]
    fn everyone_may_send_unless_networks_are_named() {
        assert_eq!(refused(&gate(""), "192.0.2.7:1"), None);
        let gate = gate("allow = ['10.0.0.0/8', '::1']");
        for source in ["10.1.2.3:1", "[::ffff:10.1.2.3]:1", "[::1]:1"] {
            assert_eq!(refused(&gate, source), None, "{source}");
        }
        for source in ["11.1.2.3:1", "[::2]:1", "127.0.0.1:1"] {
            assert_eq!(refused(&gate, source), Some(Unwelcome::NotAllowed), "{source}");
        }
        assert_eq!(gate.admission().refuses(None, &OwnAddresses::now()), Some(Unwelcome::NotAllowed));
    }

    #[test]
    fn what_coco_sent_is_refused() {
        let socket = OwnSocket::connect("127.0.0.1:9".parse().unwrap(), None).unwrap();
        let gate = gate("");
        let address = socket.local_addr().unwrap().to_string();
        assert_eq!(refused(&gate, &address), Some(Unwelcome::OwnSocket));
        assert_eq!([gate.loop_is_news(), gate.loop_is_news()], [true, false]);
    }

    #[test]
    fn a_plain_decoder_will_do_without_users() {
        assert!(gate("").admission().guard().is_none());
    }
}
