//! Rows of many files over one connection, so many commands under way that neither side waits for the other.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ::series::grid::{Grid, Step};
use ::series::series::Series;
use rrdcached::archive;
use rrdcached::command::{Command, Window};
use rrdcached::error::{Malformed, Refusal, RefusalKind};
use rrdcached::fetch::{DataSource, Form, Head, Reading};
use rrdcached::info::{self, Info};

use super::connection::Connection;
use super::lines::Lines;
use super::{Rrdcached, Talk, Trouble};
use crate::ask::rows::SourceRows;
use crate::budget::Reservation;

/// A window of no more seconds has no more rows, whatever the step. A longer one is asked for as far as the file goes.
const SHORT: i64 = 100_000;

/// The only consolidation function of Visage.
const AVERAGE: &str = "AVERAGE";

/// A file of a node: `HOST/PLUGIN/INSTANCE.rrd`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Path(pub(super) Arc<[u8]>);

impl Path {
    /// The file of a metric.
    pub fn new(host: &[u8], plugin: &[u8], instance: &[u8]) -> Self {
        Self([host, b"/", plugin, b"/", instance, b".rrd"].concat().into())
    }
}

/// Rows of a file, on the step that librrd gives for the window that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// Where they lie.
    pub grid: Grid,
    /// The data sources in the order of the file, all on this grid.
    pub sources: Vec<SourceRows>,
}

/// The rows that librrd gives for a window on such a step; none that are out of any calendar.
pub(super) fn grid(window: Window, step: i64) -> Option<Grid> {
    let step = Step::new(u32::try_from(step).ok()?)?;
    Grid::covering(window.start(), window.end(), step).ok()
}

/// The rows of a file; none where there is no such file, or why it can't be read.
pub type Found = Result<Option<Rows>, RefusalKind>;

/// What rows are remembered by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Cached {
    pub(super) path: Path,
    /// How long the window is.
    pub(super) seconds: i64,
}

/// What a file is asked for, and what of the answer is known without asking.
#[derive(Debug, Clone)]
struct Part {
    window: Window,
    /// Where it is longer than what is asked for, all of it.
    whole: Option<Window>,
    /// The names of its data sources, and whether the rows of each are rates, where that is wanted.
    rates: Option<Vec<(Vec<u8>, bool)>>,
}

/// The same of all files that are there; none of one that is not, or why it can't be read.
type Parts = Vec<Result<Option<Part>, RefusalKind>>;

impl Rrdcached {
    /// The rows of files, in the order of their paths, at `now`; with `rates` it is told whether they are.
    ///
    /// # Errors
    /// When the node gives no answer for one of them, or more rows than it may. Memory is lent before it is taken.
    pub async fn rows(
        &self,
        paths: &[Path],
        window: Window,
        now: i64,
        rates: bool,
        reservation: &mut Reservation,
    ) -> Result<Vec<Found>, Trouble> {
        let parts = self.parts(paths, window, now, rates, reservation).await?;
        loop {
            let form = if self.wants_text() { Form::Text } else { Form::Binary };
            let fetch = Fetch { node: self, paths, parts: &parts, form, reservation };
            match self.converse(fetch).await {
                Err(Trouble::Refused(refusal)) if form == Form::Binary && is_of_command(&refusal) => {
                    self.wants_text.store(true, Ordering::Relaxed);
                }
                fetched => return fetched,
            }
        }
    }

    /// What each file is to be asked for.
    async fn parts(
        &self,
        paths: &[Path],
        window: Window,
        now: i64,
        rates: bool,
        reservation: &mut Reservation,
    ) -> Result<Parts, Trouble> {
        if window.end() - window.start() <= SHORT && !rates {
            return Ok(vec![Ok(Some(Part { window, whole: None, rates: None })); paths.len()]);
        }
        self.converse(Infos { node: self, paths, window, now, rates, reservation }).await
    }

    /// What a file of this kind can hold of a window.
    fn part(
        &self,
        info: &Info,
        window: Window,
        now: i64,
        rates: bool,
    ) -> Result<Result<Option<Part>, RefusalKind>, Trouble> {
        let Some(step) = archive::step(info, AVERAGE, window) else {
            return Ok(Err(RefusalKind::NoArchive));
        };
        let Some(grid) = grid(window, step) else { return Ok(Ok(None)) };
        self.check(grid.rows() as u64, step)?;
        let oldest = archive::oldest(info, AVERAGE).unwrap_or(0);
        // What is before the oldest row is unknown, and what is to come. The last update is that of the file: the daemon
        // may have later ones, which it writes when it is asked for rows.
        let start = window.start().max(oldest.min(window.end()));
        let end = window.end().min(info.last_update.max(now).max(start));
        let known = Window::new(start, end).unwrap_or(window);
        let rates = rates.then(|| {
            info.data_sources.iter().map(|source| (source.name.clone(), is_rate(&source.kind))).collect()
        });
        Ok(Ok(Some(Part { window: known, whole: (known != window).then_some(window), rates })))
    }

    fn check(&self, rows: u64, step: i64) -> Result<(), Trouble> {
        let limit = self.terms.max_rows;
        if rows > limit { Err(Trouble::TooManyRows { rows, step, limit }) } else { Ok(()) }
    }
}

/// What files are to be asked for, by what they are made of.
struct Infos<'a> {
    node: &'a Rrdcached,
    paths: &'a [Path],
    window: Window,
    now: i64,
    rates: bool,
    reservation: &'a mut Reservation,
}

impl Talk for Infos<'_> {
    const IS_ONE: bool = false;
    type Told = Parts;

    async fn talk(&mut self, connection: &mut Connection) -> Result<Self::Told, Trouble> {
        let mut lines = Lines::default();
        for path in self.paths {
            lines.queue(Command::Info { file: &path.0 })?;
        }
        let mut parts = Vec::with_capacity(self.paths.len());
        while parts.len() < self.paths.len() {
            lines.send(connection, parts.len()).await?;
            parts.push(match of_file(self.read_info(connection).await)? {
                Ok(Some(info)) => self.node.part(&info, self.window, self.now, self.rates)?,
                Ok(None) => Ok(None),
                Err(kind) => Err(kind),
            });
        }
        Ok(parts)
    }
}

impl Infos<'_> {
    async fn read_info(&mut self, connection: &mut Connection) -> Result<Info, Trouble> {
        let mut reading = connection.receive(info::Reading::begin).await?;
        let mut lent = 0;
        let read = connection.receive(|cursor| {
            let before = cursor.position();
            let is_whole = reading.read(cursor)?;
            let bytes = cursor.position() - before;
            self.reservation.grow(bytes)?;
            lent += bytes;
            Ok::<_, Trouble>(is_whole.then_some(()))
        });
        read.await?;
        // What it is for is a few numbers.
        self.reservation.give_back(lent);
        Ok(reading.finish()?)
    }
}

/// The rows of files, in one form.
struct Fetch<'a> {
    node: &'a Rrdcached,
    paths: &'a [Path],
    parts: &'a [Result<Option<Part>, RefusalKind>],
    form: Form,
    reservation: &'a mut Reservation,
}

impl Talk for Fetch<'_> {
    const IS_ONE: bool = false;
    type Told = Vec<Found>;

    async fn talk(&mut self, connection: &mut Connection) -> Result<Self::Told, Trouble> {
        let mut lines = self.lines()?;
        let mut fetched = Vec::with_capacity(self.parts.len());
        let mut answered = 0;
        for part in self.parts {
            let part = match part {
                Ok(Some(part)) => part,
                Ok(None) => {
                    fetched.push(Ok(None));
                    continue;
                }
                Err(kind) => {
                    fetched.push(Err(*kind));
                    continue;
                }
            };
            lines.send(connection, answered).await?;
            fetched.push(of_file(self.read_rows(connection, part).await)?);
            answered += 1;
        }
        Ok(fetched)
    }
}

impl Fetch<'_> {
    fn lines(&self) -> Result<Lines, Trouble> {
        let mut lines = Lines::default();
        for (path, part) in self.paths.iter().zip(self.parts) {
            let Ok(Some(Part { window, .. })) = part else { continue };
            let (file, function, window) = (&*path.0, AVERAGE, *window);
            lines.queue(match self.form {
                Form::Binary => Command::FetchBinary { file, function, window },
                Form::Text => Command::Fetch { file, function, window },
            })?;
        }
        Ok(lines)
    }

    async fn read_rows(&mut self, connection: &mut Connection, part: &Part) -> Result<Rows, Trouble> {
        let mut reading = connection.receive(|cursor| Reading::begin(self.form, cursor)).await?;
        let head = *reading.head();
        self.node.check(head.rows(), head.step())?;
        // A reply to another command would have another window, mostly.
        let is_received = |grid: &Grid| (grid.start(), grid.end()) == (head.start(), head.end());
        let received = grid(part.window, head.step()).filter(is_received).ok_or(Malformed::Window)?;
        let whole = part.whole.map_or(Some(received), |whole| grid(whole, head.step()));
        let whole = whole.ok_or(Malformed::Window)?;
        self.node.check(whole.rows() as u64, head.step())?;
        self.reservation.grow(memory(&head, whole))?;
        connection.receive(|cursor| Ok::<_, Trouble>(reading.read(cursor)?.then_some(()))).await?;
        let source = |DataSource { name, values }| {
            let is_it = |known: &&(Vec<u8>, bool)| known.0 == name;
            let is_rate = part.rates.as_ref().map(|known| known.iter().find(is_it).is_some_and(|it| it.1));
            let rows = Series::from_nan(whole, spread(values, received, whole));
            rows.map(|rows| SourceRows { name: name.into(), is_rate, rows })
                .map_err(|_| Malformed::Count("rows"))
        };
        let sources: Result<_, Malformed> = reading.finish().into_iter().map(source).collect();
        Ok(Rows { grid: whole, sources: sources? })
    }
}

/// Whether rows of such a data source are rates: GAUGE and COMPUTE are kept as they are.
fn is_rate(kind: &[u8]) -> bool {
    !matches!(kind, b"GAUGE" | b"COMPUTE")
}

/// What rows take: those of one source as they arrive, and all of them as numbers.
fn memory(head: &Head, grid: Grid) -> usize {
    let values = (grid.rows() as u64).saturating_mul(head.data_sources()).saturating_add(2 * head.rows());
    usize::try_from(values.saturating_mul(8)).unwrap_or(usize::MAX)
}

/// The rows of a larger grid of the same step: those that were not asked for are unknown.
fn spread(values: Vec<f64>, received: Grid, grid: Grid) -> Vec<f64> {
    if received == grid {
        return values;
    }
    let before = received.ends().next().and_then(|first| grid.row_at(first)).unwrap_or(0);
    let mut all = vec![f64::NAN; grid.rows()];
    for (place, value) in all.iter_mut().skip(before).zip(values) {
        *place = value;
    }
    all
}

/// Whether it is the command that is refused, not the file.
fn is_of_command(refusal: &Refusal) -> bool {
    refusal.kind == RefusalKind::UnknownCommand || refusal.text.trim_ascii_end() == b"Permission denied."
}

/// What was told of a file: nothing of one that is not there, or is none of RRD's. One that can't be read costs no other,
/// as a command does that is refused.
fn of_file<T>(told: Result<T, Trouble>) -> Result<Result<Option<T>, RefusalKind>, Trouble> {
    match told {
        Ok(told) => Ok(Ok(Some(told))),
        Err(Trouble::Refused(Refusal { kind: RefusalKind::NotFound | RefusalKind::NotRrd, .. })) => {
            Ok(Ok(None))
        }
        Err(Trouble::Refused(refusal)) if !is_of_command(&refusal) => Ok(Err(refusal.kind)),
        Err(trouble) => Err(trouble),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_were_not_asked_for_are_unknown() {
        let grid = |start, rows| Grid::new(start, Step::new(10).unwrap(), rows).unwrap();
        let spread = spread(vec![1.0, 2.0], grid(20, 2), grid(0, 6));
        assert_eq!(spread.len(), 6);
        assert_eq!(spread[2..4], [1.0, 2.0]);
        assert!(spread[..2].iter().chain(&spread[4..]).all(|value| value.is_nan()));
    }
}
