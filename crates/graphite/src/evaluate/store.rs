//! Series that have been fetched, by what was asked for.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use crate::aggregate::known;
use crate::error::Error;
use crate::limits::Limits;
use crate::series::TimeSeries;
use crate::time::Window;

/// Series that an evaluation needs: those whose names match a pattern, in a window.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fetch {
    /// A pattern of names; see [`Glob`](crate::Glob).
    pub pattern: String,
    /// Rows after `from` up to `until`. A window may be of one row only, or of none.
    pub window: Window,
}

/// How much may still be supplied. Who fetches looks here before he takes memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Series.
    pub series: usize,
    /// Values of all of them.
    pub points: usize,
}

/// What has been fetched.
#[derive(Debug, Default)]
pub(super) struct Store {
    fetched: BTreeMap<Fetch, Vec<TimeSeries>>,
    series: usize,
    points: usize,
}

impl Store {
    pub(super) fn room(&self, limits: &Limits) -> Room {
        Room {
            series: limits.series.saturating_sub(self.series),
            points: limits.points.saturating_sub(self.points),
        }
    }

    /// Keeps what was fetched, in the order of the names. Of several series of one name the one stays of which the most
    /// is known, whoever came first.
    pub(super) fn keep(
        &mut self,
        fetch: Fetch,
        mut all: Vec<TimeSeries>,
        limits: &Limits,
    ) -> Result<(), Error> {
        let room = self.room(limits);
        let points = all.iter().map(|series| series.values().len()).fold(0, usize::saturating_add);
        if all.len() > room.series {
            return Err(Error::limit("series", limits.series));
        }
        if points > room.points {
            return Err(Error::limit("points", limits.points));
        }
        all.sort_by(|one, other| one.name.cmp(&other.name).then_with(|| better(one, other)));
        all.dedup_by(|next, kept| next.name == kept.name);
        self.series += all.len();
        self.points += all.iter().map(|series| series.values().len()).sum::<usize>();
        if let Some(replaced) = self.fetched.insert(fetch, all) {
            self.series -= replaced.len();
            self.points -= replaced.iter().map(|series| series.values().len()).sum::<usize>();
        }
        Ok(())
    }

    pub(super) fn get(&self, fetch: &Fetch) -> Option<&[TimeSeries]> {
        self.fetched.get(fetch).map(Vec::as_slice)
    }

    pub(super) fn fetches(&self) -> usize {
        self.fetched.len()
    }
}

/// The one that is known better comes first; if they are known alike, any order that does not depend on theirs.
fn better(one: &TimeSeries, other: &TimeSeries) -> Ordering {
    let count = |series: &TimeSeries| known(series.values()).count();
    let shape = |series: &TimeSeries| (series.step, series.start, series.values().len());
    let values = || one.values().iter().zip(other.values()).map(|(one, other)| other.total_cmp(one));
    count(other)
        .cmp(&count(one))
        .then_with(|| shape(one).cmp(&shape(other)))
        .then_with(|| values().find(|order| order.is_ne()).unwrap_or(Ordering::Equal))
}

/// What was missing, each once.
#[derive(Debug, Default)]
pub(super) struct Missing(BTreeSet<Fetch>);

impl Missing {
    /// Notes that it is missing, if so much may be asked for.
    pub(super) fn note_fetch(&mut self, fetch: Fetch, store: &Store, limits: &Limits) -> Result<(), Error> {
        let seconds = fetch.window.until.saturating_sub(fetch.window.from);
        // Arithmetic with times that are further away could overflow; nobody has rows there.
        let is_far = |time: i64| time.unsigned_abs() > 1 << 42;
        if seconds > limits.window || is_far(fetch.window.from) || is_far(fetch.window.until) {
            return Err(Error::limit("seconds of one window", usize::try_from(limits.window).unwrap_or(0)));
        }
        self.0.insert(fetch);
        if self.0.len() + store.fetches() > limits.fetches {
            return Err(Error::limit("fetches", limits.fetches));
        }
        Ok(())
    }

    pub(super) fn into_fetches(self) -> Vec<Fetch> {
        self.0.into_iter().collect()
    }
}
