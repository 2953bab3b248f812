//! One series of what several targets have of it.
//!
//! Rows are written once, and those of one step lie on one grid, so that what one target lacks another one's rows fill,
//! row by row: [`series::join`] says which row counts, whatever the order of the answers. As long as only
//! one target has answered, its rows stay as they came.

use std::time::{Duration, Instant};

use ::series::join::{Joined, Priority};
use ::series::series::Series;
use coco_core::config::Join;

use super::Node;
use crate::ask::rows::{HostRows, MetricRows, SourceRows};
use crate::ask::{Known, Question, Window};
use crate::budget::{Budget, Exhausted, Reservation};

/// What a row takes while it is joined: its time, its value and its source, twice while two lists become one.
const ROW: usize = 64;

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
    reservations: Vec<Reservation>,
    /// Rows that the last target knew, and no earlier one.
    filled: usize,
}

#[derive(Debug)]
struct Metric {
    plugin: Box<[u8]>,
    instance: Box<[u8]>,
    sources: Vec<Source>,
}

#[derive(Debug)]
struct Source {
    name: Box<[u8]>,
    /// What stands in the answer.
    rows: Series,
    priority: Priority,
    /// What several targets know, where several have been asked.
    joined: Option<Joined>,
}

impl Joining {
    /// What the first target has.
    pub(super) fn new(node: Node, priority: Priority, rows: HostRows) -> Self {
        let HostRows { metrics, listed, reservation } = rows;
        Self {
            nodes: vec![(priority, node)],
            metrics: metrics.into_iter().map(|metric| Metric::new(priority, metric)).collect(),
            listed,
            reservations: vec![reservation],
            filled: 0,
        }
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
        let HostRows { metrics, listed, reservation } = rows;
        let many: usize = metrics.iter().map(MetricRows::bytes).sum::<usize>() / size_of::<f64>();
        self.reservations.push(reservation);
        self.reservations.push(budget.reserve(many * ROW)?);
        self.listed = self.listed.into_iter().chain(listed).min();
        self.nodes.push((priority, node));
        self.filled = 0;
        for metric in metrics {
            let same =
                |known: &&mut Metric| (&known.plugin, &known.instance) == (&metric.plugin, &metric.instance);
            match self.metrics.iter_mut().find(same) {
                Some(known) => self.filled += known.join(priority, metric, window),
                None => self.metrics.push(Metric::new(priority, metric)),
            }
        }
        Ok(self)
    }

    /// Rows that the last target knew, and no earlier one.
    pub(super) fn filled(&self) -> usize {
        self.filled
    }

    /// Whether nothing is missing of what was found.
    pub(super) fn has_no_gap(&self, window: Window, policy: Policy) -> bool {
        self.metrics.iter().all(|metric| metric.is_complete(window, policy))
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

    /// What there is, in the order of an answer, and whose it is, in the order of the configuration.
    pub(super) fn finish(mut self, question: &Question) -> (Vec<Node>, HostRows) {
        self.nodes.sort_unstable();
        let nodes = self.nodes.into_iter().map(|(_, node)| node).collect();
        let names: Vec<_> = self.metrics.iter().map(|metric| (&*metric.plugin, &*metric.instance)).collect();
        let mut places = vec![usize::MAX; names.len()];
        for (place, index) in question.metric.of(&names).into_iter().enumerate() {
            places[index] = place;
        }
        let mut metrics: Vec<_> = self.metrics.into_iter().zip(places).collect();
        metrics.sort_by_key(|(_, place)| *place);
        let metrics = metrics.into_iter().map(|(metric, _)| metric.finish()).collect();
        let mut reservations = self.reservations.into_iter();
        let mut reservation = reservations.next().expect("there is one for the first target");
        for other in reservations {
            reservation.take_over(other);
        }
        (nodes, HostRows { metrics, listed: self.listed, reservation })
    }
}

impl Metric {
    fn new(priority: Priority, rows: MetricRows) -> Self {
        let MetricRows { plugin, instance, sources } = rows;
        let source = |SourceRows { name, rows }| Source { name, rows, priority, joined: None };
        Self { plugin, instance, sources: sources.into_iter().map(source).collect() }
    }

    /// Returns how many rows are known that were not before.
    fn join(&mut self, priority: Priority, metric: MetricRows, window: Window) -> usize {
        let mut filled = 0;
        for SourceRows { name, rows } in metric.sources {
            match self.sources.iter_mut().find(|source| source.name == name) {
                Some(source) => filled += source.join(priority, &rows, window),
                None => self.sources.push(Source { name, rows, priority, joined: None }),
            }
        }
        filled
    }

    fn is_complete(&self, window: Window, policy: Policy) -> bool {
        self.sources.iter().all(|source| source.is_complete(window, policy))
    }

    fn finish(self) -> MetricRows {
        let source = |source: Source| SourceRows { name: source.name, rows: source.rows };
        MetricRows {
            plugin: self.plugin,
            instance: self.instance,
            sources: self.sources.into_iter().map(source).collect(),
        }
    }
}

impl Source {
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
