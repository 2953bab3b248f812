//! What one request asks the fleet for: hosts, their files, rows of them; and which targets failed meanwhile.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use coco_core::tier::TierId;
use graphite::{TimeSeries, Window};
use hyper::header::HeaderMap;

use super::directory::{Directory, Entry, Host};
use super::metrics::{Files, Leaf, NamedFile};
use super::names::Naming;
use crate::aside::aside;
use crate::ask::{Addressees, Window as Asked};
use crate::budget::{Exhausted, Reservation};
use crate::dialect::refused::tell;
use crate::fleet::rows::Wanted;
use crate::fleet::sources::{Kind, Sources};
use crate::fleet::{Failed, Fleet};

/// Hosts whose rows are asked for together: what comes of them is looked at before more is asked for.
const TOGETHER: usize = 512;

/// In seconds.
const HOUR: i64 = 3600;

/// What is noted of a question to a target while it is under way.
const EACH: usize = 1024;

/// What a file takes beside its names.
const EACH_FILE: usize = size_of::<NamedFile>() + 64;

/// What one request has of the fleet.
#[derive(Debug)]
pub struct Storage {
    fleet: Arc<Fleet>,
    now: i64,
    /// Longest window in seconds.
    max_window: i64,
    patience: Duration,
    /// Targets that failed, each as often as it did.
    pub failed: Vec<Failed>,
    /// Indices of the tiers that have told names.
    pub named_by: BTreeSet<TierId>,
    /// Those whose rows there are.
    rows_of: BTreeSet<TierId>,
    files: HashMap<Host, Files>,
    /// Names that were held against patterns.
    compared: usize,
    /// What lists of files take.
    held: Reservation,
}

/// A host, a plugin with its instance, and a type with its instance.
type Metric = (Host, Box<[u8]>, Box<[u8]>);

/// Names that the patterns of one request may be held against: some seconds of a processor.
pub const MOST_COMPARED: usize = 100_000_000;

/// More names than [`MOST_COMPARED`] would have to be held against the patterns of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyNames;

/// Why there are no rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRows {
    /// Too many values.
    Points,
    /// No memory.
    Exhausted,
}

impl From<Exhausted> for NoRows {
    fn from(_: Exhausted) -> Self {
        Self::Exhausted
    }
}

impl Storage {
    /// Nothing asked yet.
    pub fn new(fleet: &Arc<Fleet>, now: i64, max_window: Duration, patience: Duration) -> Self {
        Self {
            fleet: Arc::clone(fleet),
            now,
            max_window: i64::try_from(max_window.as_secs()).unwrap_or(i64::MAX),
            patience,
            failed: Vec::new(),
            named_by: BTreeSet::new(),
            rows_of: BTreeSet::new(),
            files: HashMap::new(),
            compared: 0,
            held: fleet.budget.nothing(),
        }
    }

    /// All hosts, with the memory that they take.
    pub async fn hosts(&mut self, naming: &Naming) -> Result<(Directory, Reservation), Exhausted> {
        let listing = self.fleet.hosts(self.now, Addressees::All).await;
        self.failed.extend(listing.failed);
        self.named_by.extend(listing.tiers);
        let bytes = listing.items.iter().map(|host| 128 + 2 * host.len()).sum();
        let mut held = self.fleet.budget.lend(bytes, self.patience).await?;
        let (naming, hosts) = (naming.clone(), listing.items);
        // Thousands of names take a millisecond.
        let directory = aside(bytes, move || Directory::new(&naming, hosts)).await;
        // Escaped names are as long as the names, but for what is no UTF-8.
        held.resize(directory.bytes())?;
        Ok((directory, held))
    }

    /// The files of these hosts, in their order.
    pub async fn files(&mut self, naming: &Naming, hosts: &[Entry]) -> Result<Vec<Files>, Exhausted> {
        let mut missing: Vec<Host> = Vec::new();
        missing.extend(
            hosts.iter().map(|entry| &entry.host).filter(|host| !self.files.contains_key(*host)).cloned(),
        );
        missing.sort_unstable();
        missing.dedup();
        for hosts in missing.chunks(TOGETHER) {
            let _admitted = self.fleet.crowd.admit(hosts.len() * EACH, self.patience).await?;
            let listing = self.fleet.files(hosts, self.now, Addressees::All).await;
            self.failed.extend(listing.failed);
            self.named_by.extend(listing.tiers);
            for (host, files) in listing.items {
                let bytes =
                    files.iter().map(|file| EACH_FILE + 2 * (file.plugin.len() + file.instance.len()));
                self.held.grow_in_turn(bytes.sum::<usize>() + 64, self.patience).await?;
                let named = files.into_iter().map(|file| NamedFile {
                    name: naming.file(&file.plugin, &file.instance),
                    plugin: file.plugin,
                    instance: file.instance,
                });
                self.files.insert(host, named.collect());
            }
        }
        let of = |entry: &Entry| self.files.get(&entry.host).cloned().unwrap_or_else(|| Arc::from([]));
        Ok(hosts.iter().map(of).collect())
    }

    /// Counts names that are held against a pattern: whether the request may have so many.
    pub fn compare(&mut self, names: usize) -> Result<(), TooManyNames> {
        self.compared = self.compared.saturating_add(names);
        if self.compared > MOST_COMPARED { Err(TooManyNames) } else { Ok(()) }
    }

    /// Learns which data sources files of these kinds have, of those that have any rows.
    ///
    /// A file that can't be read says nothing of the others of its kind: the next one is asked. Whose fault it is counts
    /// where none of them says it.
    pub async fn learn(
        &mut self,
        sources: &Sources,
        unknown: HashMap<Kind, Vec<(Entry, NamedFile)>>,
    ) -> Result<(), Exhausted> {
        let _admitted = self.fleet.crowd.admit(unknown.len() * EACH, self.patience).await?;
        // A Visage has nothing to say of no time at all.
        let window = Asked { start: self.now.saturating_sub(HOUR), finish: self.now, now: self.now };
        let begun = Instant::now();
        let mut files: Vec<_> = unknown.into_iter().map(|(kind, files)| (kind, files.into_iter())).collect();
        let (mut failed, mut is_missing) = (Vec::new(), false);
        // Silent nodes are not waited for again and again.
        while begun.elapsed() < self.patience {
            let mut asked: HashMap<Metric, (Kind, std::vec::IntoIter<_>)> = HashMap::new();
            let mut wanted = Vec::new();
            for (kind, mut files) in files {
                let Some((entry, file)): Option<(Entry, NamedFile)> = files.next() else {
                    is_missing = true;
                    continue;
                };
                wanted.push(Wanted {
                    host: Arc::clone(&entry.host),
                    plugin: file.plugin.to_vec(),
                    instances: vec![file.instance.to_vec()],
                });
                asked.insert((entry.host, file.plugin, file.instance), (kind, files));
            }
            if wanted.is_empty() {
                files = Vec::new();
                break;
            }
            let gathered = self.fleet.rows(wanted, window, Addressees::All).await;
            for (host, _, rows) in gathered.hosts {
                for metric in rows.metrics {
                    let names: Vec<_> =
                        metric.sources.iter().map(|source| Box::from(&*source.name)).collect();
                    let metric = (Arc::clone(&host), metric.plugin, metric.instance);
                    if !names.is_empty()
                        && let Some((kind, _)) = asked.remove(&metric)
                    {
                        sources.learn(kind, names.into());
                    }
                }
            }
            failed.extend(gathered.failed);
            files = asked.into_values().collect();
        }
        if is_missing || !files.is_empty() {
            self.failed.extend(failed);
        }
        Ok(())
    }

    /// The rows of metrics in a window, each as a series with the name of the metric; no more values than `points`. What
    /// they take is added to `held`.
    pub async fn rows(
        &mut self,
        leaves: &[Leaf],
        window: Window,
        mut points: usize,
        held: &mut Reservation,
    ) -> Result<Vec<TimeSeries>, NoRows> {
        let start = window.from.max(window.until.saturating_sub(self.max_window));
        let asked = Asked { start, finish: window.until, now: self.now };
        let mut all = Vec::with_capacity(leaves.len());
        let wanted = Wants::of(leaves);
        for group in wanted.0.chunks(TOGETHER) {
            let _admitted = self.fleet.crowd.admit(group.len() * EACH, self.patience).await?;
            let questions = group.iter().map(|want| want.wanted.clone()).collect();
            let mut gathered = self.fleet.rows(questions, asked, Addressees::All).await;
            self.failed.append(&mut gathered.failed);
            for (host, nodes, rows) in gathered.hosts {
                self.rows_of.extend(nodes.iter().map(|node| node.tier));
                for metric in &rows.metrics {
                    for source in &metric.sources {
                        let Some(names) = wanted.names(&host, metric.name(), &source.name) else { continue };
                        for name in names {
                            let rows = source.rows.grid().rows();
                            points = points.checked_sub(rows).ok_or(NoRows::Points)?;
                            held.grow_in_turn(8 * rows + 4 * name.len() + 256, self.patience).await?;
                            all.extend(series(name, &source.rows, window));
                        }
                    }
                }
            }
        }
        Ok(all)
    }

    /// Says of an answer whose rows it has, or names where it has none, and whose share is missing.
    pub fn tell(&self, fields: &mut HeaderMap) {
        let tiers = if self.rows_of.is_empty() { &self.named_by } else { &self.rows_of };
        tell(fields, &self.fleet, tiers, &self.failed);
    }
}

/// Questions of one plugin of one host each, and whose names the answers have.
#[derive(Debug)]
struct Wants<'a>(Vec<Want<'a>>);

#[derive(Debug)]
struct Want<'a> {
    wanted: Wanted,
    leaves: Vec<&'a Leaf>,
}

impl<'a> Wants<'a> {
    fn of(leaves: &'a [Leaf]) -> Self {
        let mut sorted: Vec<_> = leaves.iter().collect();
        let key = |leaf: &&'a Leaf| (&leaf.entry.host, &leaf.plugin);
        sorted.sort_by(|one, other| {
            (key(one), &one.instance, &one.source).cmp(&(key(other), &other.instance, &other.source))
        });
        let groups = sorted.chunk_by(|one, other| key(one) == key(other));
        let want = |group: &[&'a Leaf]| {
            let mut instances: Vec<_> = group.iter().map(|leaf| leaf.instance.to_vec()).collect();
            instances.dedup();
            let (host, plugin) = key(&group[0]);
            let wanted = Wanted { host: Arc::clone(host), plugin: plugin.to_vec(), instances };
            Want { wanted, leaves: group.to_vec() }
        };
        Self(groups.map(want).collect())
    }

    /// The names of a data source; several where it was asked for by several.
    fn names(
        &self,
        host: &Host,
        (plugin, instance): (&[u8], &[u8]),
        source: &[u8],
    ) -> Option<impl Iterator<Item = &'a str>> {
        let place =
            self.0.binary_search_by(|want| (&want.wanted.host, &*want.wanted.plugin).cmp(&(host, plugin)));
        let leaves = &self.0[place.ok()?].leaves;
        let key = |leaf: &Leaf| (&*leaf.instance, &*leaf.source).cmp(&(instance, source));
        let first = leaves.partition_point(|leaf| key(leaf).is_lt());
        let found = leaves[first..].iter().take_while(move |leaf| key(leaf).is_eq()).map(|leaf| &*leaf.name);
        Some(found.collect::<Vec<_>>().into_iter())
    }
}

/// Rows of a window as Graphite has them: those that end behind `from` and not behind `until`; where there is only one, that.
fn series(name: &str, rows: &series::series::Series, window: Window) -> Option<TimeSeries> {
    let grid = rows.grid();
    let step = i64::from(grid.step().get());
    let first_end = grid.start() + step;
    let count =
        |until: i64| usize::try_from((until - grid.start()).div_euclid(step)).unwrap_or(0).min(grid.rows());
    let skipped = count(window.from);
    let end = count(window.until);
    let (skipped, end) = if end > skipped { (skipped, end) } else { (0, grid.rows().min(1)) };
    let values = rows.nan_values()[skipped..end].to_vec();
    if values.is_empty() {
        return None;
    }
    let start = first_end + step * i64::try_from(skipped).unwrap_or(0);
    Some(TimeSeries::new(name, start, step, values))
}

#[cfg(test)]
mod tests {
    use series::grid::{Grid, Step};
    use series::series::Series;

    use super::*;

    fn rows(start: i64, values: &[Option<f64>]) -> Series {
        Series::new(Grid::new(start, Step::new(10).unwrap(), values.len()).unwrap(), values).unwrap()
    }

    #[test]
    fn rows_are_those_of_whisper() {
        let rows = rows(100, &[Some(1.0), None, Some(3.0)]);
        let of = |from, until| {
            let series = series("a", &rows, Window { from, until }).unwrap();
            let values: Vec<_> = series
                .values()
                .iter()
                .map(|value| value.is_nan().then_some(()).map_or(*value, |()| -1.0))
                .collect();
            (series.start, values)
        };
        assert_eq!(of(100, 130), (110, vec![1.0, -1.0, 3.0]));
        assert_eq!(of(104, 129), (110, vec![1.0, -1.0]), "the last is not over");
        assert_eq!(of(110, 130), (120, vec![-1.0, 3.0]), "what ends at the start is before it");
        assert_eq!(of(104, 105), (110, vec![1.0]), "the only one");
    }
}
