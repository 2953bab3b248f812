//! Which hosts and files a node has, remembered for a while.
//!
//! Hosts come by `LIST /`, the files of one by `LIST RECURSIVE /HOST`. All files of all hosts are never asked for at
//! once: rrdcached 1.7.2 takes time that grows with the square of their number.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rrdcached::command::Command;
use rrdcached::error::{Malformed, Refusal, RefusalKind};
use rrdcached::list::Listing;
use rrdcached::name::NameError;

use super::connection::Connection;
use super::{Rrdcached, Talk, Trouble};
use crate::budget::{Budget, Reservation};

/// The most names of one list.
const MOST_NAMES: u64 = 1_000_000;

/// LIST takes names with these for patterns, which it then finds nothing for: such a host can't be listed.
const PATTERN: &[u8] = b"*?[";

/// What a name takes beside its bytes.
const EACH: usize = 64;

/// The name of a host, as the node has it.
pub type Name = Box<[u8]>;

/// A file of a host, less `.rrd`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct File {
    /// collectd's plugin and its instance, the name of a directory.
    pub plugin: Box<[u8]>,
    /// collectd's type and its instance, the name of a file.
    pub instance: Box<[u8]>,
}

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
    fn nothing(since: Instant, budget: &Budget) -> Result<Self, Trouble> {
        Ok(Self { items: Vec::new(), since, reservation: budget.reserve(0)? })
    }
}

/// What is remembered of a node.
#[derive(Debug)]
pub(super) struct Tree {
    age: Duration,
    hosts: Mutex<Option<Arc<Listed<Name>>>>,
    files: Mutex<HashMap<Name, Arc<Listed<File>>>>,
}

impl Tree {
    pub(super) fn new(age: Duration) -> Self {
        Self { age, hosts: Mutex::default(), files: Mutex::default() }
    }
}

impl Rrdcached {
    /// How old the list of hosts is, if there is one.
    pub(in crate::upstream) fn tree_age(&self) -> Option<Duration> {
        let hosts = self.tree.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.as_ref().map(|hosts| hosts.since.elapsed())
    }

    /// All hosts of the node.
    ///
    /// # Errors
    /// When the node gives no answer.
    pub async fn hosts(&self, budget: &Budget) -> Result<Arc<Listed<Name>>, Trouble> {
        let now = Instant::now();
        let known = self.tree.hosts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(hosts) = known.filter(|hosts| now.duration_since(hosts.since) < self.tree.age) {
            return Ok(hosts);
        }
        let command = Command::List { directory: b"/" };
        // A file beside the directories of hosts is none.
        let host = |name: &[u8]| (!name.ends_with(b".rrd")).then(|| name.into());
        let hosts = self.listed(command, host, budget, now).await?;
        *self.tree.hosts.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&hosts));
        Ok(hosts)
    }

    /// All files of a host; none where the node has no such host, or can't list it.
    ///
    /// # Errors
    /// When the node gives no answer.
    pub async fn files(&self, host: &[u8], budget: &Budget) -> Result<Arc<Listed<File>>, Trouble> {
        let now = Instant::now();
        let known = self.tree.files.lock().unwrap_or_else(PoisonError::into_inner).get(host).cloned();
        if let Some(files) = known.filter(|files| now.duration_since(files.since) < self.tree.age) {
            return Ok(files);
        }
        if host.iter().any(|byte| PATTERN.contains(byte)) {
            return Ok(Arc::new(Listed::nothing(now, budget)?));
        }
        let directory = [b"/", host].concat();
        let files = self.listed(Command::ListRecursive { directory: &directory }, file, budget, now).await?;
        let mut remembered = self.tree.files.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() == remembered.capacity() {
            remembered.retain(|_, files| now.duration_since(files.since) < self.tree.age);
        }
        remembered.insert(host.into(), Arc::clone(&files));
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
            Err(NameError::Dots) => return Ok(Arc::new(Listed::nothing(now, budget)?)),
            written => written?,
        }
        let (mut items, reservation) = match self.converse(List { line, item, budget }).await {
            Err(Trouble::Refused(Refusal { kind: RefusalKind::NotFound, .. })) => {
                (Vec::new(), budget.reserve(0)?)
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
