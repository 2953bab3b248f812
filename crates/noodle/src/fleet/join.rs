//! One series of what several targets have of it.
//!
//! Rows are written once, and those of one step lie on one grid, so that what one target lacks another one's rows fill,
//! row by row: [`series::join`] says which row counts, whatever the order of the answers. As long as only
//! one target has answered, its rows stay as they came.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::series::join::{Joined, Priority};
use ::series::series::Series;
use coco_core::config::Join;

use super::{Failed, Node};
use crate::ask::rows::{HostRows, MetricRows, SourceRows, Unread};
use crate::ask::{File, Known, Metric as Meant, Window};
use crate::budget::{Budget, Exhausted, Reservation};

/// What a row takes while it is joined: its time, its value and its source, twice while two lists become one.
const ROW: usize = 64;

/// What is noted of a metric to find it by its name.
const EACH: usize = 256;

/// When the next target is asked.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Whether it is.
    pub join: Join,
    /// Unknown rows behind the last known one are no gap while that is younger.
    pub settle: Duration,
}

/// What was found so far of a host.
#[derive(Debug)]
pub(super) struct Joining {
    nodes: Vec<(Priority, Node)>,
    metrics: Vec<Metric>,
    listed: Option<Instant>,
    /// What targets have and can't read.
    unread: Vec<(Node, Unread)>,
    reservations: Vec<Reservation>,
    /// Rows that the last target knew, and no earlier one, of what earlier ones have.
    filled: usize,
    /// Rows that the last target knew of what no earlier one has at all.
    added: usize,
}

#[derive(Debug)]
struct Metric {
    plugin: Box<[u8]>,
    instance: Box<[u8]>,
    sources: Vec<Source>,
}

#[derive(Debug)]
struct Source {
    name: Arc<[u8]>,
    /// As the first of them says.
    is_rate: Option<bool>,
    /// What stands in the answer.
    rows: Series,
    priority: Priority,
    /// What several targets know, where several have been asked.
    joined: Option<Joined>,
}

impl Joining {
    /// What the first target has.
    pub(super) fn new(node: Node, priority: Priority, rows: HostRows, window: Window) -> Self {
        let HostRows { metrics, listed, unread, reservation } = rows;
        Self {
            added: metrics.iter().map(|metric| known_rows(&metric.sources, window)).sum(),
            nodes: vec![(priority, node)],
            metrics: metrics.into_iter().map(|metric| Metric::new(priority, metric)).collect(),
            listed,
            unread: unread.into_iter().map(|unread| (node, unread)).collect(),
            reservations: vec![reservation],
            filled: 0,
        }
    }

    /// Bytes of as much work as it is to join these.
    pub(super) fn work(&self, rows: &HostRows) -> usize {
        (self.metrics.iter().map(Metric::rows).sum::<usize>() + rows.rows()) * ROW
    }

    /// Together with what another target has. Memory is lent before it is taken.
    pub(super) fn join(
        mut self,
        node: Node,
        priority: Priority,
        rows: HostRows,
        window: Window,
        budget: &Budget,
    ) -> Result<Self, Exhausted> {
        let HostRows { metrics, listed, unread, reservation } = rows;
        self.reservations.push(reservation);
        let mut lent = budget.nothing();
        self.listed = self.listed.into_iter().chain(listed).min();
        self.unread.extend(unread.map(|unread| (node, unread)));
        self.nodes.push((priority, node));
        (self.filled, self.added) = (0, 0);
        let name =
            |metric: &Metric| File { plugin: metric.plugin.clone(), instance: metric.instance.clone() };
        lent.grow(self.metrics.len() * EACH)?;
        let places: HashMap<_, _> =
            self.metrics.iter().enumerate().map(|(place, metric)| (name(metric), place)).collect();
        for metric in metrics {
            let MetricRows { plugin, instance, sources } = metric;
            let name = File { plugin, instance };
            match places.get(&name) {
                Some(place) => {
                    let known = &mut self.metrics[*place];
                    // As many rows as the finest of both have come of it, and each stands beside its time meanwhile.
                    let rows = sources.iter().map(|source| source.rows.grid().rows()).sum::<usize>();
                    lent.grow((known.rows() + rows) * ROW)?;
                    let (filled, added) = known.join(priority, sources, window);
                    self.filled += filled;
                    self.added += added;
                }
                None => {
                    let File { plugin, instance } = name;
                    self.added += known_rows(&sources, window);
                    self.metrics.push(Metric::new(priority, MetricRows { plugin, instance, sources }));
                }
            }
        }
        drop(places);
        self.reservations.push(lent);
        Ok(self)
    }

    /// Rows that the last target knew, and no earlier one, of what earlier ones have.
    pub(super) fn filled(&self) -> usize {
        self.filled
    }

    /// Rows that the last target knew, and no earlier one.
    pub(super) fn only_last(&self) -> usize {
        self.filled + self.added
    }

    /// Whether nothing is missing of what was found.
    pub(super) fn has_no_gap(&self, window: Window, policy: Policy) -> bool {
        self.metrics.iter().all(|metric| metric.is_complete(window, policy)) && self.still_unread().is_empty()
    }

    /// The targets that can't read what no other has either.
    pub(super) fn still_unread(&self) -> Vec<Failed> {
        if self.unread.is_empty() {
            return Vec::new();
        }
        let has = |file: &File| {
            let same = |metric: &Metric| (&metric.plugin, &metric.instance) == (&file.plugin, &file.instance);
            self.metrics.iter().any(same)
        };
        let still = self.unread.iter().filter(|(_, unread)| !unread.files.iter().all(has));
        still.map(|(node, unread)| (*node, unread.failure.clone())).collect()
    }

    /// The metrics that need not be asked for any more.
    pub(super) fn known(&self, window: Window, policy: Policy) -> Known {
        let mut known = Known::default();
        if policy.join == Join::Always {
            return known;
        }
        for metric in self.metrics.iter().filter(|metric| metric.is_complete(window, policy)) {
            known.0.entry(metric.plugin.clone()).or_default().insert(metric.instance.clone());
        }
        known
    }

    /// How many metrics there are to be put in order: none where one target has done so.
    pub(super) fn unordered(&self) -> usize {
        if self.nodes.len() > 1 { self.metrics.len() } else { 0 }
    }

    /// What there is, in the order of an answer, and whose it is, in the order of the configuration.
    pub(super) fn finish(mut self, meant: &Meant) -> (Vec<Node>, HostRows) {
        let mut metrics = self.metrics;
        if self.nodes.len() > 1 {
            self.nodes.sort_unstable();
            let names: Vec<_> = metrics.iter().map(|metric| (&*metric.plugin, &*metric.instance)).collect();
            let mut places = vec![usize::MAX; names.len()];
            for (place, index) in meant.of(&names).into_iter().enumerate() {
                places[index] = place;
            }
            let mut placed: Vec<_> = metrics.into_iter().zip(places).collect();
            placed.sort_by_key(|(_, place)| *place);
            metrics = placed.into_iter().map(|(metric, _)| metric).collect();
        }
        let nodes = self.nodes.into_iter().map(|(_, node)| node).collect();
        let metrics = metrics.into_iter().map(Metric::finish).collect();
        let mut reservations = self.reservations.into_iter();
        let mut reservation = reservations.next().expect("there is one for the first target");
        for other in reservations {
            reservation.take_over(other);
        }
        (nodes, HostRows { metrics, listed: self.listed, unread: None, reservation })
    }
}

/// How many rows that lie in the window are known.
fn known_rows(sources: &[SourceRows], window: Window) -> usize {
    sources.iter().map(|source| known_within(&source.rows, window)).sum()
}

fn known_within(rows: &Series, window: Window) -> usize {
    rows.known().filter(|(end, _)| (window.start + 1..=window.finish).contains(end)).count()
}

impl Metric {
    fn new(priority: Priority, rows: MetricRows) -> Self {
        let MetricRows { plugin, instance, sources } = rows;
        let source = |rows| Source::new(priority, rows);
        Self { plugin, instance, sources: sources.into_iter().map(source).collect() }
    }

    /// How many rows there are, of each data source.
    fn rows(&self) -> usize {
        self.sources.iter().map(|source| source.rows.grid().rows()).sum()
    }

    /// Returns how many rows are known that were not before: of data sources that there were, and of others.
    fn join(&mut self, priority: Priority, sources: Vec<SourceRows>, window: Window) -> (usize, usize) {
        let (mut filled, mut added) = (0, 0);
        let places: HashMap<_, _> =
            self.sources.iter().enumerate().map(|(place, source)| (source.name.clone(), place)).collect();
        for source in sources {
            match places.get(&source.name) {
                Some(place) => filled += self.sources[*place].join(priority, &source.rows, window),
                None => {
                    added += known_within(&source.rows, window);
                    self.sources.push(Source::new(priority, source));
                }
            }
        }
        (filled, added)
    }

    fn is_complete(&self, window: Window, policy: Policy) -> bool {
        self.sources.iter().all(|source| source.is_complete(window, policy))
    }

    fn finish(self) -> MetricRows {
        let source = |Source { name, is_rate, rows, .. }: Source| SourceRows { name, is_rate, rows };
        MetricRows {
            plugin: self.plugin,
            instance: self.instance,
            sources: self.sources.into_iter().map(source).collect(),
        }
    }
}

impl Source {
    fn new(priority: Priority, SourceRows { name, is_rate, rows }: SourceRows) -> Self {
        Self { name, is_rate, rows, priority, joined: None }
    }

    fn join(&mut self, priority: Priority, rows: &Series, window: Window) -> usize {
        let known = self.rows.known().count();
        let joined = self.joined.take().unwrap_or_else(|| Joined::of(self.priority, &self.rows));
        let joined = joined.join(Joined::of(priority, rows));
        let (start, finish) = (window.start.max(1), window.finish.max(1));
        if let Ok(Some(series)) = joined.series(start, finish) {
            self.rows = series;
        }
        self.joined = Some(joined);
        self.rows.known().count().saturating_sub(known)
    }

    /// Whether no row is unknown but those that are being written. The last one, which is past the finish, does not
    /// count: no answer has it.
    fn is_complete(&self, window: Window, policy: Policy) -> bool {
        let settle = i64::try_from(policy.settle.as_secs()).unwrap_or(i64::MAX);
        let young = self.rows.last_known().filter(|last| window.now - last < settle);
        let last = self.rows.grid().end() - i64::from(self.rows.grid().step().get());
        !self.rows.has_gap_until(young.unwrap_or(window.now).min(last))
    }
}
