//! From a question to what a node says.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ::rrdcached::command::Window;
use ::rrdcached::error::{Refusal, RefusalKind};

use super::{File, Found, Listed, Name, Path, Rrdcached, Trouble, cache, rows};
use crate::aside::aside;
use crate::ask::rows::{HostRows, MetricRows, Unread};
use crate::ask::{Addressees, Content, Hosts, Known, Names, Question, Reply};
use crate::budget::{Budget, Reservation};
use crate::failure::Failure;
use crate::upstream::{Heard, Said, Turn};

/// What a name takes beside its bytes.
const EACH: usize = 64;

/// What a metric takes beside its rows and names.
const METRIC: usize = 256;

impl Rrdcached {
    /// Answers, or fails, in time. What is under way by then is broken off, with its connection.
    pub(in crate::upstream) async fn ask(
        self: &Arc<Self>,
        turn: Turn,
        question: &Question,
        budget: &Budget,
    ) -> Heard {
        let _turn = turn;
        let timeout = self.terms.timeout;
        let mut answering =
            Answering { node: self, question, budget, started: Instant::now(), was_asked: false };
        let answered = tokio::time::timeout(timeout, answering.answer()).await;
        let was_asked = match &answered {
            // Nothing was to be sent, or there was no memory for it.
            Ok(Err(Trouble::Name(_) | Trouble::Memory)) | Ok(Ok(_)) => answering.was_asked,
            Err(_) | Ok(Err(_)) => true,
        };
        let said = match answered {
            Err(_) => Err(Failure::HeadTimeout(timeout)),
            Ok(Ok(Some(reply))) => Ok(Said::Reply(reply)),
            // No file has such a name.
            Ok(Ok(None) | Err(Trouble::Name(_))) => Ok(Said::Nothing),
            Ok(Err(trouble)) => Err(failure(trouble, timeout)),
        };
        Heard { said, was_asked }
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
}

/// An answer that is being made.
struct Answering<'a> {
    node: &'a Arc<Rrdcached>,
    question: &'a Question,
    budget: &'a Budget,
    started: Instant,
    /// Whether the node was asked for anything, rather than all of it being remembered.
    was_asked: bool,
}

/// Names that are paid for, and when they were listed, if they had to be.
type Listing = (Vec<Name>, Reservation, Option<Instant>);

impl Answering<'_> {
    async fn answer(&mut self) -> Result<Option<Reply>, Trouble> {
        match self.question.want {
            Content::Hosts => {
                let hosts = self.hosts().await?;
                Ok(names(hosts))
            }
            Content::Metrics => {
                let metrics = self.metrics().await?;
                Ok(names(metrics))
            }
            Content::Series => self.series().await,
        }
    }

    /// The hosts that are meant.
    async fn hosts(&mut self) -> Result<Listing, Trouble> {
        let mut reservation = self.budget.nothing();
        if let Hosts::Named(host) = &self.question.hosts {
            reservation.grow(host.len() + EACH)?;
            return Ok((vec![Name::from(&**host)], reservation, None));
        }
        let all = self.node.hosts(self.budget).await?;
        self.was_asked |= all.since >= self.started;
        let (listed, hosts) = (Arc::clone(&all), self.question.hosts.clone());
        let meant = aside(hosts.work(all.items.len()), move || hosts.of(&listed.items)).await;
        reservation.grow(meant.iter().map(|index| all.items[*index].len() + EACH).sum())?;
        let hosts = meant.into_iter().map(|index| all.items[index].clone()).collect();
        Ok((hosts, reservation, Some(all.since)))
    }

    /// The metrics of all hosts that are meant, each once.
    async fn metrics(&mut self) -> Result<Listing, Trouble> {
        let (hosts, _hosts_are_lent, mut since) = self.hosts().await?;
        let mut reservation = self.budget.nothing();
        let mut metrics = HashSet::new();
        for host in &hosts {
            let files = self.files(host).await?;
            since = since.into_iter().chain([files.since]).min();
            for File { plugin, instance } in &files.items {
                let name = [plugin, &b"/"[..], instance].concat();
                if !metrics.contains(&*name) {
                    reservation.grow(name.len() + EACH)?;
                    metrics.insert(Name::from(name));
                }
            }
            // Where all are remembered, others shall have their turn all the same.
            tokio::task::yield_now().await;
        }
        let mut metrics: Vec<_> = metrics.into_iter().collect();
        metrics.sort_unstable();
        Ok((metrics, reservation, since))
    }

    async fn files(&mut self, host: &[u8]) -> Result<Arc<Listed<File>>, Trouble> {
        let files = self.node.files(host, self.budget).await?;
        self.was_asked |= files.since >= self.started;
        Ok(files)
    }

    async fn series(&mut self) -> Result<Option<Reply>, Trouble> {
        let Hosts::Named(host) = &self.question.hosts else { return Ok(None) };
        let (files, listed) = self.meant(host).await?;
        if files.is_empty() {
            return Ok(None);
        }
        let mut reservation = self.budget.reserve(files.len() * METRIC)?;
        let path = |file: &File| Path::new(host, &file.plugin, &file.instance);
        let paths: Vec<_> = files.iter().map(path).collect();
        // rrdcached knows no time before 1970, and 0 is now.
        let window = self.question.window;
        let (start, finish) = (window.start.max(1), window.finish.max(1));
        // Nor has any file rows of a time that is in no calendar.
        let is_known = |window: &Window| rows::grid(*window, 1).is_some();
        let Some(window) = Window::new(start, finish).filter(is_known) else { return Ok(None) };
        let rows = self.rows(&paths, window, &mut reservation).await?;
        let (mut metrics, mut unread, mut refusal) = (Vec::new(), Vec::new(), None);
        for (file, rows) in files.into_iter().zip(rows) {
            match rows {
                Ok(rows) => metrics.extend(rows.map(|rows| {
                    let File { plugin, instance } = file;
                    MetricRows { plugin, instance, sources: rows.sources }
                })),
                Err(kind) => {
                    refusal = refusal.or(Some(kind));
                    unread.push(file);
                }
            }
        }
        let unread = match refusal {
            Some(kind) if metrics.is_empty() => {
                return Err(Trouble::Refused(Refusal { kind, text: Vec::new() }));
            }
            Some(kind) => {
                let failure = Failure::Unread { files: unread.len(), why: why(kind) };
                Some(Unread { files: unread, failure })
            }
            None => None,
        };
        let rows = HostRows { metrics, listed, unread, reservation };
        Ok((!rows.metrics.is_empty()).then_some(Reply::Series(rows)))
    }

    /// The rows of files, in the order of their paths, as they are now or were a moment ago.
    async fn rows(
        &mut self,
        paths: &[Path],
        window: Window,
        reservation: &mut Reservation,
    ) -> Result<Vec<Found>, Trouble> {
        let rates = self.question.to == Addressees::Rrdcached;
        let mut all: Vec<Found> =
            paths.iter().map(|path| Ok(self.node.recall(path, window, rates))).collect();
        reservation.grow(all.iter().flatten().flatten().map(cache::memory).sum())?;
        let missing: Vec<_> = (0..paths.len()).filter(|index| matches!(all[*index], Ok(None))).collect();
        if missing.is_empty() {
            return Ok(all);
        }
        let asked: Vec<_> = missing.iter().map(|index| paths[*index].clone()).collect();
        self.was_asked = true;
        let rows = self.node.rows(&asked, window, self.question.window.now, rates, reservation).await?;
        for (index, rows) in missing.into_iter().zip(rows) {
            if let Ok(Some(rows)) = &rows {
                self.node.remember(&paths[index], window, rows, self.budget);
            }
            all[index] = rows;
        }
        Ok(all)
    }

    /// The files that are meant, in the order of an answer, and when they were listed, if they had to be.
    async fn meant(&mut self, host: &[u8]) -> Result<(Vec<File>, Option<Instant>), Trouble> {
        let question = self.question;
        if let Some((plugin, instance)) = question.metric.only() {
            let file = File { plugin: plugin.into(), instance: instance.into() };
            return Ok((
                is_wanted(question.known.as_deref(), &file).then_some(file).into_iter().collect(),
                None,
            ));
        }
        let listed = self.files(host).await?;
        let (metric, known, files) = (question.metric.clone(), question.known.clone(), Arc::clone(&listed));
        let meant = move || {
            let names: Vec<_> = files.items.iter().map(|file| (&*file.plugin, &*file.instance)).collect();
            let meant = metric.of(&names).into_iter().map(|index| &files.items[index]);
            meant.filter(|file| is_wanted(known.as_deref(), file)).cloned().collect()
        };
        let meant = aside(question.metric.work(listed.items.len()), meant).await;
        Ok((meant, Some(listed.since)))
    }
}

fn is_wanted(known: Option<&Known>, file: &File) -> bool {
    known.is_none_or(|known| !known.contains(&file.plugin, &file.instance))
}

fn names((names, reservation, since): Listing) -> Option<Reply> {
    let age = since.map_or(Duration::ZERO, |since| since.elapsed()).as_secs();
    let names: Vec<_> = names.into_iter().map(Vec::from).collect();
    (!names.is_empty()).then_some(Reply::Names(Names { names, age, reservation }))
}

fn failure(trouble: Trouble, timeout: Duration) -> Failure {
    match trouble {
        Trouble::Connect(error) | Trouble::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => {
            Failure::HeadTimeout(timeout)
        }
        Trouble::Connect(error) => Failure::Connect(error.to_string()),
        Trouble::Io(error) => Failure::Reset(error.to_string()),
        Trouble::Malformed(malformed) => Failure::NotRrdcached(malformed),
        Trouble::Refused(Refusal { kind, .. }) => Failure::Denied(why(kind)),
        Trouble::TooManyRows { rows, step, limit } => Failure::TooManyRows { rows, step, limit },
        Trouble::Name(_) => Failure::Denied("no such name"),
        Trouble::Memory => Failure::Memory,
    }
}

fn why(kind: RefusalKind) -> &'static str {
    match kind {
        RefusalKind::Denied => "permission denied (-P, -B)",
        RefusalKind::UnknownCommand => "an unknown command",
        RefusalKind::NotFound => "no such file",
        RefusalKind::NotRrd => "not an RRD file",
        RefusalKind::NoArchive => "no archive of averages",
        RefusalKind::Other => "an error of its own",
    }
}

#[cfg(test)]
mod tests {
    use ::series::series::Series;

    use super::super::tests::nowhere;
    use super::*;
    use crate::ask::rows::SourceRows;
    use crate::ask::{Metric, NamedMetrics};
    use crate::upstream::turns::Turns;

    #[tokio::test]
    async fn rows_that_are_remembered_are_an_answer_that_nobody_was_asked_for() {
        let (node, budget) = (Arc::new(nowhere()), Budget::new(1 << 20));
        let window = Window::new(1_000, 1_300).unwrap();
        let grid = rows::grid(window, 100).unwrap();
        let rows = Series::from_nan(grid, vec![1.0; 4]).unwrap();
        let rows = super::super::Rows {
            grid,
            sources: vec![SourceRows { name: (*b"value").into(), is_rate: None, rows }],
        };
        node.remember(&Path::new(b"web1", b"load", b"a"), window, &rows, &budget);
        let turns = Turns::new(1);
        let ask = async |instance: &[u8]| {
            let named = NamedMetrics { plugin: b"load".to_vec(), instances: vec![instance.to_vec()] };
            let mut question = Question::for_names(Content::Series, Hosts::Named((*b"web1").into()), 1_300);
            question.metric = Metric::Named(Arc::new(named));
            question.window.start = 1_000;
            node.ask(turns.turn(Duration::MAX).await.unwrap(), &question, &budget).await
        };
        let Heard { said: Ok(Said::Reply(Reply::Series(rows))), was_asked: false } = ask(b"a").await else {
            panic!("it is remembered");
        };
        assert_eq!(rows.rows(), 4);
        let Heard { said: Err(Failure::Connect(_)), was_asked: true } = ask(b"b").await else {
            panic!("nobody listens there");
        };
    }
}
