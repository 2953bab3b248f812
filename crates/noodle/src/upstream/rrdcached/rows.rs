//! Rows of many files over one connection, so many commands under way that neither side waits for the other.

use std::sync::atomic::Ordering;

use rrdcached::archive::{self, Grid};
use rrdcached::command::{Command, Window};
use rrdcached::error::{Refusal, RefusalKind};
use rrdcached::fetch::{DataSource, Form, Head, Reading};
use rrdcached::info::Info;

use super::connection::Connection;
use super::lines::Lines;
use super::{Rrdcached, Talk, Trouble};
use crate::budget::Reservation;

/// A window of no more seconds has no more rows, whatever the step. A longer one is asked for as far as the file goes.
const SHORT: i64 = 100_000;

/// The only consolidation function of Visage.
const AVERAGE: &str = "AVERAGE";

/// A file of a node: `HOST/PLUGIN/INSTANCE.rrd`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Path(pub(super) Vec<u8>);

impl Path {
    /// The file of a metric.
    pub fn new(host: &[u8], plugin: &[u8], instance: &[u8]) -> Self {
        Self([host, b"/", plugin, b"/", instance, b".rrd"].concat())
    }
}

/// Rows of a file, on the step that librrd gives for the window that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows {
    /// When they begin and end.
    pub grid: Grid,
    /// The data sources in the order of the file, each with a value for every row; NaN is unknown.
    pub sources: Vec<DataSource>,
}

/// What a file is asked for, and what of the answer is known without asking.
#[derive(Debug, Clone, Copy)]
struct Part {
    window: Window,
    /// Where it is longer than what is asked for, all of it.
    whole: Option<Window>,
}

impl Rrdcached {
    /// The rows of files, in the order of their paths; none where there is no such file.
    ///
    /// # Errors
    /// When the node gives no answer for one of them, or more rows than it may. Memory is lent before it is taken.
    pub async fn rows(
        &self,
        paths: &[Path],
        window: Window,
        reservation: &mut Reservation,
    ) -> Result<Vec<Option<Rows>>, Trouble> {
        let parts = self.parts(paths, window).await?;
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

    /// What each file is to be asked for; none where there is no such file.
    async fn parts(&self, paths: &[Path], window: Window) -> Result<Vec<Option<Part>>, Trouble> {
        if window.end() - window.start() <= SHORT {
            return Ok(vec![Some(Part { window, whole: None }); paths.len()]);
        }
        let infos = self.converse(Infos { paths }).await?;
        infos.into_iter().map(|info| info.map(|info| self.part(&info, window)).transpose()).collect()
    }

    /// What a file of this kind can hold of a window.
    fn part(&self, info: &Info, window: Window) -> Result<Part, Trouble> {
        let no_archive = || Trouble::Malformed(rrdcached::error::Malformed::Missing("archive of averages"));
        let grid = archive::chosen(info, AVERAGE, window).ok_or_else(no_archive)?;
        self.check(grid)?;
        let oldest = archive::oldest(info, AVERAGE).unwrap_or(0);
        // What is after the last update is unknown, and what is before the oldest row.
        let start = window.start().max(oldest.min(window.end()));
        let end = window.end().min(info.last_update.max(start));
        let known = Window::new(start, end).unwrap_or(window);
        Ok(Part { window: known, whole: (known != window).then_some(window) })
    }

    fn check(&self, grid: Grid) -> Result<(), Trouble> {
        let (rows, step, limit) = (grid.rows(), grid.step, self.terms.max_rows);
        if rows > limit { Err(Trouble::TooManyRows { rows, step, limit }) } else { Ok(()) }
    }
}

/// What files are made of; none where there is no such file.
struct Infos<'a> {
    paths: &'a [Path],
}

impl Talk for Infos<'_> {
    const IS_ONE: bool = false;
    type Told = Vec<Option<Info>>;

    async fn talk(&mut self, connection: &mut Connection) -> Result<Self::Told, Trouble> {
        let mut lines = Lines::default();
        for path in self.paths {
            lines.queue(Command::Info { file: &path.0 })?;
        }
        let mut infos = Vec::with_capacity(self.paths.len());
        while infos.len() < self.paths.len() {
            lines.send(connection, infos.len()).await?;
            infos.push(nothing_if_not_found(connection.receive(Info::read).await)?);
        }
        Ok(infos)
    }
}

/// The rows of files, in one form.
struct Fetch<'a> {
    node: &'a Rrdcached,
    paths: &'a [Path],
    parts: &'a [Option<Part>],
    form: Form,
    reservation: &'a mut Reservation,
}

impl Talk for Fetch<'_> {
    const IS_ONE: bool = false;
    type Told = Vec<Option<Rows>>;

    async fn talk(&mut self, connection: &mut Connection) -> Result<Self::Told, Trouble> {
        let mut lines = self.lines()?;
        let mut fetched = Vec::with_capacity(self.parts.len());
        let mut answered = 0;
        for part in self.parts {
            let Some(part) = part else {
                fetched.push(None);
                continue;
            };
            lines.send(connection, answered).await?;
            let rows = self.read_rows(connection, part).await;
            fetched.push(nothing_if_not_found(rows)?);
            answered += 1;
        }
        Ok(fetched)
    }
}

impl Fetch<'_> {
    fn lines(&self) -> Result<Lines, Trouble> {
        let mut lines = Lines::default();
        for (path, part) in self.paths.iter().zip(self.parts) {
            let Some(Part { window, .. }) = *part else { continue };
            let (file, function) = (path.0.as_slice(), AVERAGE);
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
        let received = Grid { start: head.start(), end: head.end(), step: head.step() };
        let grid = part.whole.map_or(received, |whole| Grid::of(whole, head.step()));
        self.node.check(received)?;
        self.node.check(grid)?;
        self.reservation.grow(memory(&head, grid))?;
        connection.receive(|cursor| Ok::<_, Trouble>(reading.read(cursor)?.then_some(()))).await?;
        let sources = reading.finish().into_iter().map(|source| spread(source, received, grid));
        Ok(Rows { grid, sources: sources.collect() })
    }
}

/// What rows take: those of one source as they arrive, and all of them as numbers.
fn memory(head: &Head, grid: Grid) -> usize {
    let values = grid.rows().saturating_mul(head.data_sources()).saturating_add(2 * head.rows());
    usize::try_from(values.saturating_mul(8)).unwrap_or(usize::MAX)
}

/// The rows of a larger grid of the same step: those that were not asked for are unknown.
fn spread(source: DataSource, received: Grid, grid: Grid) -> DataSource {
    if received == grid {
        return source;
    }
    let before = usize::try_from((received.start - grid.start) / grid.step).unwrap_or(0);
    let mut values = vec![f64::NAN; usize::try_from(grid.rows()).unwrap_or(0)];
    for (place, value) in values.iter_mut().skip(before).zip(source.values) {
        *place = value;
    }
    DataSource { name: source.name, values }
}

/// Whether it is the command that is refused, not the file.
fn is_of_command(refusal: &Refusal) -> bool {
    refusal.kind == RefusalKind::UnknownCommand || refusal.text.trim_ascii_end() == b"Permission denied."
}

/// A file that is not there, or is none of RRD's, has no rows.
fn nothing_if_not_found<T>(told: Result<T, Trouble>) -> Result<Option<T>, Trouble> {
    match told {
        Ok(told) => Ok(Some(told)),
        Err(Trouble::Refused(Refusal { kind: RefusalKind::NotFound | RefusalKind::NotRrd, .. })) => Ok(None),
        Err(trouble) => Err(trouble),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_were_not_asked_for_are_unknown() {
        let source = DataSource { name: b"value".to_vec(), values: vec![1.0, 2.0] };
        let received = Grid { start: 20, end: 40, step: 10 };
        let grid = Grid { start: 0, end: 60, step: 10 };
        let spread = spread(source, received, grid);
        assert_eq!(spread.values.len(), 6);
        assert_eq!(spread.values[2..4], [1.0, 2.0]);
        assert!(spread.values[..2].iter().chain(&spread.values[4..]).all(|value| value.is_nan()));
    }
}
