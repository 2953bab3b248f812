//! From a question to what a node says.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::rrdcached::command::Window;
use ::rrdcached::error::{Refusal, RefusalKind};
use ::series::grid::Grid;
use ::series::series::Series;

use super::{File, Name, Path, Rows, Rrdcached, Trouble, cache};
use crate::ask::rows::{HostRows, MetricRows, SourceRows};
use crate::ask::{Content, Hosts, Names, Question, Reply};
use crate::budget::{Budget, Reservation};
use crate::failure::Failure;
use crate::upstream::{Place, Said};

/// What a name takes beside its bytes.
const EACH: usize = 64;

/// What a metric takes beside its rows and names.
const METRIC: usize = 256;

impl Rrdcached {
    /// Answers, or fails, in time. What is under way by then is broken off, with its connection.
    pub(in crate::upstream) async fn ask(
        self: &Arc<Self>,
        place: Place,
        question: &Question,
        budget: &Budget,
    ) -> Result<Said, Failure> {
        let _place = place;
        let timeout = self.terms.timeout;
        match tokio::time::timeout(timeout, self.answer(question, budget)).await {
            Err(_) => Err(Failure::HeadTimeout(timeout)),
            Ok(Ok(Some(reply))) => Ok(Said::Reply(reply)),
            Ok(Ok(None)) => Ok(Said::Nothing),
            // No file has such a name.
            Ok(Err(Trouble::Name(_))) => Ok(Said::Nothing),
            Ok(Err(trouble)) => Err(failure(trouble, timeout)),
        }
    }

    /// The [newest update](Self::newest_update) of files, in time as well.
    pub(in crate::upstream) async fn newest_update_in_time(
        &self,
        paths: &[Path],
    ) -> Result<Option<i64>, Failure> {
        let timeout = self.terms.timeout;
        let told = tokio::time::timeout(timeout, self.newest_update(paths)).await;
        told.map_err(|_| Failure::HeadTimeout(timeout))?.map_err(|trouble| failure(trouble, timeout))
    }

    async fn answer(
        self: &Arc<Self>,
        question: &Question,
        budget: &Budget,
    ) -> Result<Option<Reply>, Trouble> {
        match question.want {
            Content::Hosts => self.names(question, budget, async |hosts| Ok((hosts, None))).await,
            Content::Metrics => {
                let metrics = async |hosts: Vec<Name>| self.metrics(&hosts, budget).await;
                self.names(question, budget, metrics).await
            }
            Content::Series => self.series(question, budget).await,
        }
    }

    /// What `names` makes of the hosts that are meant.
    async fn names(
        self: &Arc<Self>,
        question: &Question,
        budget: &Budget,
        names: impl AsyncFnOnce(Vec<Name>) -> Result<(Vec<Name>, Option<Instant>), Trouble>,
    ) -> Result<Option<Reply>, Trouble> {
        let (hosts, listed) = match &question.hosts {
            Hosts::Named(host) => (vec![Name::from(&**host)], None),
            Hosts::Matching { .. } => {
                let all = self.hosts(budget).await?;
                let meant = all.items.iter().filter(|host| question.hosts.contain(host));
                (meant.cloned().collect(), Some(all.since))
            }
        };
        let (names, listed_later) = names(hosts).await?;
        let mut reservation = budget.reserve(0)?;
        reservation.grow(names.iter().map(|name| name.len() + EACH).sum())?;
        let since = listed.into_iter().chain(listed_later).min();
        let age = since.map_or(Duration::ZERO, |since| since.elapsed()).as_secs();
        let names: Vec<_> = names.into_iter().map(Vec::from).collect();
        Ok((!names.is_empty()).then_some(Reply::Names(Names { names, age, reservation })))
    }

    /// The metrics of all these hosts, each once.
    async fn metrics(
        &self,
        hosts: &[Name],
        budget: &Budget,
    ) -> Result<(Vec<Name>, Option<Instant>), Trouble> {
        let mut metrics = Vec::new();
        let mut since = None;
        for host in hosts {
            let files = self.files(host, budget).await?;
            since = since.into_iter().chain([files.since]).min();
            metrics.extend(
                files
                    .items
                    .iter()
                    .map(|File { plugin, instance }| Name::from([&**plugin, b"/", &**instance].concat())),
            );
        }
        metrics.sort_unstable();
        metrics.dedup();
        Ok((metrics, since))
    }

    async fn series(&self, question: &Question, budget: &Budget) -> Result<Option<Reply>, Trouble> {
        let Hosts::Named(host) = &question.hosts else { return Ok(None) };
        let (files, listed) = self.meant(host, question, budget).await?;
        if files.is_empty() {
            return Ok(None);
        }
        let path = |file: &File| Path::new(host, &file.plugin, &file.instance);
        let paths: Vec<_> = files.iter().map(path).collect();
        let mut reservation = budget.reserve(files.len() * METRIC)?;
        // rrdcached knows no time before 1970, and 0 is now.
        let (start, finish) = (question.window.start.max(1), question.window.finish.max(1));
        let Some(window) = Window::new(start, finish) else { return Ok(None) };
        let rows = self.recent_rows(&paths, window, &mut reservation, budget).await?;
        let metrics = files.into_iter().zip(rows).filter_map(|(file, rows)| metric(file, rows?)).collect();
        let rows = HostRows { metrics, listed, reservation };
        Ok((!rows.metrics.is_empty()).then_some(Reply::Series(rows)))
    }

    /// The rows of files, in the order of their paths, as they are now or were a moment ago.
    async fn recent_rows(
        &self,
        paths: &[Path],
        window: Window,
        reservation: &mut Reservation,
        budget: &Budget,
    ) -> Result<Vec<Option<Rows>>, Trouble> {
        let mut all: Vec<_> = paths.iter().map(|path| self.cache.get(path, window)).collect();
        reservation.grow(all.iter().flatten().map(cache::memory).sum())?;
        let missing: Vec<_> = (0..paths.len()).filter(|index| all[*index].is_none()).collect();
        if missing.is_empty() {
            return Ok(all);
        }
        let asked: Vec<_> = missing.iter().map(|index| paths[*index].clone()).collect();
        for (index, rows) in missing.into_iter().zip(self.rows(&asked, window, reservation).await?) {
            if let Some(rows) = &rows {
                self.cache.put(&paths[index], window, rows, budget);
            }
            all[index] = rows;
        }
        Ok(all)
    }

    /// The files that are meant, in the order of an answer, and when they were listed, if they had to be.
    async fn meant(
        &self,
        host: &[u8],
        question: &Question,
        budget: &Budget,
    ) -> Result<(Vec<File>, Option<Instant>), Trouble> {
        let is_wanted = |plugin: &[u8], instance: &[u8]| {
            question.known.as_ref().is_none_or(|known| !known.contains(plugin, instance))
        };
        if let Some((plugin, instance)) = question.metric.only() {
            let file = File { plugin: plugin.into(), instance: instance.into() };
            return Ok((is_wanted(plugin, instance).then_some(file).into_iter().collect(), None));
        }
        let listed = self.files(host, budget).await?;
        let names: Vec<_> = listed.items.iter().map(|file| (&*file.plugin, &*file.instance)).collect();
        let meant = question.metric.of(&names).into_iter();
        let wanted = meant.filter(|index| is_wanted(names[*index].0, names[*index].1));
        Ok((wanted.map(|index| listed.items[index].clone()).collect(), Some(listed.since)))
    }
}

/// What a file has; nothing where its grid is none of any calendar.
fn metric(file: File, rows: Rows) -> Option<MetricRows> {
    let step = NonZeroU32::new(u32::try_from(rows.grid.step).ok()?)?;
    let grid = Grid::new(rows.grid.start, step, usize::try_from(rows.grid.rows()).ok()?).ok()?;
    let source = |source: ::rrdcached::fetch::DataSource| {
        let rows = Series::from_nan(grid, source.values).ok()?;
        Some(SourceRows { name: source.name.into(), rows })
    };
    let sources = rows.sources.into_iter().map(source).collect::<Option<_>>()?;
    Some(MetricRows { plugin: file.plugin, instance: file.instance, sources })
}

fn failure(trouble: Trouble, timeout: Duration) -> Failure {
    match trouble {
        Trouble::Connect(error) | Trouble::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => {
            Failure::HeadTimeout(timeout)
        }
        Trouble::Connect(error) => Failure::Connect(error.to_string()),
        Trouble::Io(error) => Failure::Reset(error.to_string()),
        Trouble::Malformed(malformed) => Failure::NotRrdcached(malformed),
        Trouble::Refused(Refusal { kind, .. }) => Failure::Denied(match kind {
            RefusalKind::Denied => "permission denied (-P, -B)",
            RefusalKind::UnknownCommand => "an unknown command",
            RefusalKind::NotFound => "no such file",
            RefusalKind::NotRrd => "not an RRD file",
            RefusalKind::Other => "an error of its own",
        }),
        Trouble::TooManyRows { rows, step, limit } => Failure::TooManyRows { rows, step, limit },
        Trouble::Name(_) => Failure::Denied("no such name"),
        Trouble::Memory => Failure::Memory,
    }
}
