//! Which hosts and files a node has, remembered for a while.
//!
//! Hosts come by `LIST /`, which takes a daemon seconds where there are tens of thousands: it goes on when nobody waits for
//! it any more, so that the next request finds it. The files of a host come by `LIST RECURSIVE /HOST`. All files of all hosts are never asked for at
//! once: rrdcached 1.7.2 takes time that grows with the square of their number.

use std::io::ErrorKind;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rrdcached::command::Command;
use rrdcached::error::{Malformed, Refusal, RefusalKind};
use rrdcached::list::Listing;
use rrdcached::name::NameError;
use tokio::sync::OwnedMutexGuard;
use tokio::task::JoinHandle;

use super::connection::Connection;
use super::{Rrdcached, Talk, Trouble, shelf};
pub use crate::ask::File;
use crate::budget::{Budget, Reservation};

/// The most names of one list.
const MOST_NAMES: u64 = 1_000_000;

/// A list of hosts for which nobody waits any more is given up after this long.
const LONGEST: Duration = Duration::from_secs(60);

/// A list that took longer is made anew before it is too old.
const LONG: Duration = Duration::from_millis(500);

/// LIST takes names with these for patterns, which it then finds nothing for: such a host can't be listed.
const PATTERN: &[u8] = b"*?[";

/// What a name takes beside its bytes.
const EACH: usize = 64;

/// The name of a host, as the node has it.
pub type Name = Box<[u8]>;

/// A list, as old as it is.
#[derive(Debug)]
pub struct Listed<T> {
    /// Sorted.
    pub items: Vec<T>,
    /// When it was asked for.
    pub since: Instant,
    /// What its names take.
    #[expect(dead_code, reason = "held, not read")]
    reservation: Reservation,
}

impl<T> Listed<T> {
    pub(super) fn nothing(since: Instant, reservation: Reservation) -> Self {
        Self { items: Vec::new(), since, reservation }
    }
}

/// The hosts of a node.
#[derive(Debug, Clone)]
struct Hosts {
    listed: Arc<Listed<Name>>,
    /// How long the node took.
    took: Duration,
}

/// What is remembered of a node.
#[derive(Debug)]
pub(super) struct Tree {
    age: Duration,
    hosts: Mutex<Option<Hosts>>,
    /// Held by the only one who lists hosts.
    listing: Arc<tokio::sync::Mutex<()>>,
}

impl Tree {
    pub(super) fn new(age: Duration) -> Self {
        Self { age, hosts: Mutex::default(), listing: Arc::default() }
    }

    /// The hosts that are remembered, if that is not too long ago.
    fn hosts(&self) -> Option<Hosts> {
        let known = self.hosts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        known.filter(|hosts| hosts.listed.since.elapsed() < self.age)
    }

    /// Whether they are to be listed anew before they are too old: where that takes long, nobody shall wait for it.
    fn is_due(&self, hosts: &Hosts) -> bool {
        hosts.took > LONG && hosts.listed.since.elapsed() > self.age / 2
    }

    /// As if these had been listed so long ago, and that had taken so long.
    #[cfg(test)]
    pub(super) fn remember(&self, hosts: &[&[u8]], ago: Duration, took: Duration, budget: &Budget) {
        let (items, since) = (hosts.iter().map(|host| Name::from(*host)).collect(), Instant::now() - ago);
        let listed = Arc::new(Listed { items, since, reservation: budget.nothing() });
        *self.hosts.lock().unwrap_or_else(PoisonError::into_inner) = Some(Hosts { listed, took });
    }

    #[cfg(test)]
    pub(super) fn is_being_listed(&self) -> bool {
        self.listing.try_lock().is_err()
    }
}

impl Rrdcached {
    /// How old the list of hosts is, if there is one.
    pub(in crate::upstream) fn tree_age(&self) -> Option<Duration> {
        let hosts = self.tree.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.as_ref().map(|hosts| hosts.listed.since.elapsed())
    }

    /// All hosts of the node. Whoever goes away while they are listed leaves that to its end, for the next.
    ///
    /// # Errors
    /// When the node gives no answer.
    pub async fn hosts(self: &Arc<Self>, budget: &Budget) -> Result<Arc<Listed<Name>>, Trouble> {
        if let Some(hosts) = self.tree.hosts() {
            if self.tree.is_due(&hosts)
                && let Ok(alone) = Arc::clone(&self.tree.listing).try_lock_owned()
            {
                drop(self.listing(alone, budget));
            }
            return Ok(hosts.listed);
        }
        let alone = Arc::clone(&self.tree.listing).lock_owned().await;
        if let Some(hosts) = self.tree.hosts() {
            return Ok(hosts.listed);
        }
        match self.listing(alone, budget).await {
            Ok(hosts) => hosts,
            // Nobody cancels it, so it can only have panicked.
            Err(error) => resume_unwind(error.into_panic()),
        }
    }

    /// Lists hosts to the end, whoever waits.
    fn listing(
        self: &Arc<Self>,
        alone: OwnedMutexGuard<()>,
        budget: &Budget,
    ) -> JoinHandle<Result<Arc<Listed<Name>>, Trouble>> {
        let (node, budget) = (Arc::clone(self), budget.clone());
        tokio::spawn(async move {
            let _alone = alone;
            let late = |_| Trouble::Io(ErrorKind::TimedOut.into());
            tokio::time::timeout(LONGEST, node.list_hosts(&budget)).await.map_err(late)?
        })
    }

    async fn list_hosts(&self, budget: &Budget) -> Result<Arc<Listed<Name>>, Trouble> {
        let command = Command::List { directory: b"/" };
        // A file beside the directories of hosts is none.
        let host = |name: &[u8]| (!name.ends_with(b".rrd")).then(|| name.into());
        let listed = self.listed(command, host, budget, Instant::now()).await?;
        let hosts = Hosts { took: listed.since.elapsed(), listed: Arc::clone(&listed) };
        *self.tree.hosts.lock().unwrap_or_else(PoisonError::into_inner) = Some(hosts);
        Ok(listed)
    }

    /// All files of a host; none where the node has no such host, or can't list it.
    ///
    /// # Errors
    /// When the node gives no answer.
    pub async fn files(&self, host: &[u8], budget: &Budget) -> Result<Arc<Listed<File>>, Trouble> {
        let (now, key) = (Instant::now(), (self.number, Name::from(host)));
        if let Some(files) = self.remembered.files.get(&key) {
            return Ok(files);
        }
        if host.iter().any(|byte| PATTERN.contains(byte)) {
            return Ok(Arc::new(Listed::nothing(now, budget.nothing())));
        }
        let directory = [b"/", host].concat();
        let files = self.listed(Command::ListRecursive { directory: &directory }, file, budget, now).await?;
        // Of a host that the node does not have there is something to be remembered, too.
        let own = host.len() + shelf::EACH;
        let names = |file: &File| file.plugin.len() + file.instance.len() + EACH;
        let bytes = own + files.items.iter().map(names).sum::<usize>();
        if let (Some(part), Ok(all)) = (self.remembered.part(bytes, budget), budget.reserve(own)) {
            self.remembered.files.put(key, Arc::clone(&files), now + self.tree.age, [part, all]);
        }
        Ok(files)
    }

    async fn listed<T: Ord + Send>(
        &self,
        command: Command<'_>,
        item: fn(&[u8]) -> Option<T>,
        budget: &Budget,
        now: Instant,
    ) -> Result<Arc<Listed<T>>, Trouble> {
        let mut line = Vec::new();
        match command.write(&mut line) {
            // No daemon lists such a directory, and no client can have it.
            Err(NameError::Dots) => return Ok(Arc::new(Listed::nothing(now, budget.nothing()))),
            written => written?,
        }
        let (mut items, reservation) = match self.converse(List { line, item, budget }).await {
            Err(Trouble::Refused(Refusal { kind: RefusalKind::NotFound, .. })) => {
                (Vec::new(), budget.nothing())
            }
            listed => listed?,
        };
        items.sort_unstable();
        Ok(Arc::new(Listed { items, since: now, reservation }))
    }
}

/// A list of names, as items.
struct List<'a, T> {
    line: Vec<u8>,
    item: fn(&[u8]) -> Option<T>,
    budget: &'a Budget,
}

impl<T: Send> Talk for List<'_, T> {
    const IS_ONE: bool = true;
    type Told = (Vec<T>, Reservation);

    async fn talk(&mut self, connection: &mut Connection) -> Result<Self::Told, Trouble> {
        connection.send(&self.line).await?;
        let mut listing = connection.receive(Listing::begin).await?;
        if listing.left() > MOST_NAMES {
            return Err(Malformed::Count("names").into());
        }
        let mut items = Vec::new();
        let mut reservation = self.budget.reserve(0)?;
        while listing.left() > 0 {
            let found = connection.receive(|cursor| {
                let Some(name) = listing.next_name(cursor)? else { return Ok::<_, Trouble>(None) };
                reservation.grow(name.len() + EACH)?;
                Ok(Some((self.item)(name)))
            });
            items.extend(found.await?);
        }
        Ok((items, reservation))
    }
}

/// `PLUGIN/INSTANCE.rrd`, exactly two levels.
fn file(name: &[u8]) -> Option<File> {
    let name = name.strip_suffix(b".rrd")?;
    let slash = name.iter().position(|byte| *byte == b'/')?;
    let (plugin, instance) = (&name[..slash], &name[slash + 1..]);
    let is_file = !plugin.is_empty() && !instance.is_empty() && !instance.contains(&b'/');
    is_file.then(|| File { plugin: plugin.into(), instance: instance.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_two_levels_deep() {
        let name =
            |text: &str| file(text.as_bytes()).map(|file| (file.plugin.to_vec(), file.instance.to_vec()));
        assert_eq!(name("load/load.rrd"), Some((b"load".to_vec(), b"load".to_vec())));
        for other in ["load.rrd", "load/load", "a/b/c.rrd", "/load.rrd", "load/.rrd"] {
            assert_eq!(name(other), None, "{other}");
        }
    }
}
