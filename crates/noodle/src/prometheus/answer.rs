//! From a query to its series: hosts, their files, and the rows of those that are meant, as samples.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use coco_core::tier::TierId;
use coco_core::value_list::IdentifierRef;
use remote_write::message::{QueryResult, Sample, TimeSeries};
use remote_write::naming::{NAME, labels_of_rows};

use super::Prometheus;
use super::matcher::Selector;
use super::question::Query;
use super::samples::{join, key, samples};
use crate::ask::rows::HostRows;
use crate::ask::{Addressees, File, Window};
use crate::budget::Reservation;
use crate::dialect::refused::Refused;
use crate::fleet::Failed;
use crate::fleet::rows::Wanted;
use crate::fleet::sources::{Kind, Names};
use crate::fleet::tree::Host;

/// Hosts whose files are looked at together, and questions for rows that are asked together: what comes of them is looked
/// at before more is asked for.
const TOGETHER: usize = 512;

/// What is noted of a host or a question while it is under way.
const EACH: usize = 1024;

/// What a file takes beside its names while it is looked at.
const EACH_FILE: usize = 128;

/// What a series takes beside its samples and labels.
const EACH_SERIES: usize = 512;

/// Work that series of one request may be held against matchers for: some seconds of a processor.
const MOST_WORK: usize = 100_000_000;

/// In seconds.
const HOUR: i64 = 3600;

/// An answer in the making.
#[derive(Debug)]
pub struct Answering<'a> {
    prometheus: &'a Prometheus,
    now: i64,
    /// Targets that failed, each as often as it did.
    pub failed: Vec<Failed>,
    /// Indices of the tiers that series are of.
    pub tiers: BTreeSet<TierId>,
    /// What series take.
    pub held: Reservation,
    /// Samples so far.
    pub samples: usize,
    series: usize,
    /// Rows that were looked at.
    points: usize,
    work: usize,
}

/// A file whose series may be meant.
#[derive(Debug)]
struct Candidate {
    host: Host,
    file: File,
}

impl<'a> Answering<'a> {
    /// Nothing yet.
    pub fn new(prometheus: &'a Prometheus, now: i64) -> Self {
        let held = prometheus.fleet.budget.nothing();
        let (failed, tiers) = (Vec::new(), BTreeSet::new());
        Self { prometheus, now, failed, tiers, held, samples: 0, series: 0, points: 0, work: 0 }
    }

    /// The series of a query, in order of their labels.
    pub async fn result(&mut self, query: &Query) -> Result<QueryResult, Refused> {
        let end = query.end.min(self.now.saturating_mul(1000));
        // A row belongs to the moment that it ends at, so the one that ends at the start is wanted, too.
        let finish = end.div_euclid(1000);
        let start = query.start.saturating_sub(1).div_euclid(1000).max(0);
        let mut timeseries = Vec::new();
        if query.start <= end && start < finish {
            self.check_window(query.start, end)?;
            let window = Window { start, finish, now: self.now };
            let (hosts, _held) = self.hosts(&query.selector).await?;
            for hosts in hosts.chunks(TOGETHER) {
                let (files, _lent) = self.candidates(&query.selector, hosts).await?;
                let files = self.narrowed(&query.selector, files).await?;
                self.read(query, window, end, files, &mut timeseries).await?;
            }
        }
        timeseries.sort_by(|one: &TimeSeries, other| key(one).cmp(key(other)));
        timeseries.dedup_by(|other, one| {
            let is_one = one.labels == other.labels;
            if is_one {
                join(&mut one.samples, &other.samples);
            }
            is_one
        });
        Ok(QueryResult { timeseries })
    }

    /// Refuses a window that is too long: of a part of it PromQL would make something else, and nobody could tell.
    fn check_window(&self, start: i64, end: i64) -> Result<(), Refused> {
        let (milliseconds, most) = (end.saturating_sub(start), self.prometheus.limits.window);
        if milliseconds > most.saturating_mul(1000) {
            return Err(Refused::bad(format!(
                "a window of {:.3} s, more than {most} s (fetch.max_window)",
                milliseconds as f64 / 1000.0
            )));
        }
        Ok(())
    }

    /// The hosts that may be meant: those that are named, or else all that are not ruled out.
    async fn hosts(&mut self, selector: &Arc<Selector>) -> Result<(Vec<Host>, Reservation), Refused> {
        let Prometheus { fleet, patience, .. } = self.prometheus;
        if let Some(hosts) = selector.hosts() {
            let bytes = hosts.iter().map(|host| 64 + host.len()).sum();
            let held = fleet.budget.lend(bytes, *patience).await?;
            return Ok((hosts.into_iter().map(|host| Host::from(host.as_bytes())).collect(), held));
        }
        let listing = fleet.hosts(self.now, Addressees::Rrdcached).await;
        self.failed.extend(listing.failed);
        let hosts = listing.items;
        let held = fleet.budget.lend(hosts.iter().map(|host| 64 + host.len()).sum(), *patience).await?;
        self.take(hosts.len(), selector)?;
        let selector = Arc::clone(selector);
        let admitted = move || {
            let admits = |host: &Host| selector.admits_host(&String::from_utf8_lossy(host));
            hosts.into_iter().filter(admits).collect()
        };
        Ok((self.prometheus.lasting.turns.run(*patience, admitted).await?, held))
    }

    /// Notes that so many series are held against a selector.
    fn take(&mut self, series: usize, selector: &Selector) -> Result<(), Refused> {
        self.work = self.work.saturating_add(series.saturating_mul(selector.work()));
        if self.work > MOST_WORK {
            let message = "too many series would have to be held against the matchers: ask for fewer hosts by name, or \
                           with shorter regular expressions";
            return Err(Refused::bad(message));
        }
        Ok(())
    }

    /// The files of these hosts whose labels are right, but for their names.
    async fn candidates(
        &mut self,
        selector: &Arc<Selector>,
        hosts: &[Host],
    ) -> Result<(Vec<Candidate>, Reservation), Refused> {
        let Prometheus { fleet, patience, lasting, .. } = self.prometheus;
        let _admitted = fleet.crowd.admit(hosts.len() * EACH, *patience).await?;
        let listing = fleet.files(hosts, self.now, Addressees::Rrdcached).await;
        self.failed.extend(listing.failed);
        let all = listing.items;
        let files = || all.iter().flat_map(|(_, files)| files);
        self.take(files().count(), selector)?;
        let bytes = files().map(|file| EACH_FILE + file.plugin.len() + file.instance.len()).sum();
        let lent = fleet.budget.lend(bytes, *patience).await?;
        let selector = Arc::clone(selector);
        let admitted = move || {
            let mut candidates = Vec::new();
            for (host, files) in all {
                let right = files.into_iter().filter(|file| {
                    let labels = labels_of_rows(&identifier(&host, file), b"value", false);
                    selector.admits(&labels) && selector.may_begin(name(&labels))
                });
                candidates.extend(right.map(|file| Candidate { host: Arc::clone(&host), file }));
            }
            candidates
        };
        Ok((lasting.turns.run(*patience, admitted).await?, lent))
    }

    /// Those whose names may be right, as far as the data sources of their types are known.
    async fn narrowed(
        &mut self,
        selector: &Arc<Selector>,
        files: Vec<Candidate>,
    ) -> Result<Vec<Candidate>, Refused> {
        self.learn(&files).await?;
        self.take(files.len(), selector)?;
        let known: Vec<(Candidate, Option<Names>)> = files
            .into_iter()
            .map(|candidate| {
                let names = self.prometheus.sources.get(&self.kind(&candidate));
                (candidate, names)
            })
            .collect();
        let selector = Arc::clone(selector);
        let may_be = move || {
            let is_right = |(candidate, names): &(Candidate, Option<Names>)| {
                let Some(names) = names else { return true };
                let identifier = identifier(&candidate.host, &candidate.file);
                let mut all = names.iter().flat_map(|source| [false, true].map(|is_rate| (source, is_rate)));
                all.any(|(source, is_rate)| {
                    selector.admits_name(name(&labels_of_rows(&identifier, source, is_rate)))
                })
            };
            known.into_iter().filter(is_right).map(|(candidate, _)| candidate).collect()
        };
        Ok(self.prometheus.lasting.turns.run(self.prometheus.patience, may_be).await?)
    }

    fn kind(&self, candidate: &Candidate) -> Kind {
        Kind::new(
            self.prometheus.fleet.owner(TierId::FIRST, &candidate.host).target,
            &candidate.file.instance,
        )
    }

    /// Learns which data sources types have, of one file of each that nothing is known of.
    async fn learn(&mut self, files: &[Candidate]) -> Result<(), Refused> {
        let mut unknown: HashMap<Kind, &Candidate> = HashMap::new();
        for candidate in files {
            let kind = self.kind(candidate);
            if self.prometheus.sources.get(&kind).is_none() {
                unknown.entry(kind).or_insert(candidate);
            }
        }
        let window = Window { start: self.now.saturating_sub(HOUR), finish: self.now, now: self.now };
        let unknown: Vec<_> = unknown.into_values().collect();
        for some in unknown.chunks(TOGETHER) {
            let _admitted = self.admitted(some.len()).await?;
            let wanted = some.iter().map(|Candidate { host, file }| Wanted {
                host: Arc::clone(host),
                plugin: file.plugin.to_vec(),
                instances: vec![file.instance.to_vec()],
            });
            // Whoever fails here is asked for the rows themselves.
            let gathered = self.prometheus.fleet.rows(wanted.collect(), window, Addressees::Rrdcached).await;
            for (host, _, rows) in gathered.hosts {
                for metric in rows.metrics {
                    let owner = self.prometheus.fleet.owner(TierId::FIRST, &host).target;
                    let names = metric.sources.iter().map(|source| Box::from(&*source.name)).collect();
                    self.prometheus.sources.learn(Kind::new(owner, &metric.instance), names);
                }
            }
        }
        Ok(())
    }

    async fn admitted(&self, questions: usize) -> Result<crate::budget::crowd::Admitted, Refused> {
        let Prometheus { fleet, patience, .. } = self.prometheus;
        Ok(fleet.crowd.admit(questions * EACH, *patience).await?)
    }

    /// Adds the series of these files.
    async fn read(
        &mut self,
        query: &Query,
        window: Window,
        end: i64,
        mut files: Vec<Candidate>,
        series: &mut Vec<TimeSeries>,
    ) -> Result<(), Refused> {
        files.sort_by(|one, other| (&one.host, &one.file).cmp(&(&other.host, &other.file)));
        let of_plugin =
            files.chunk_by(|one, other| (&one.host, &one.file.plugin) == (&other.host, &other.file.plugin));
        let wanted: Vec<_> = of_plugin
            .map(|files| Wanted {
                host: Arc::clone(&files[0].host),
                plugin: files[0].file.plugin.to_vec(),
                instances: files.iter().map(|candidate| candidate.file.instance.to_vec()).collect(),
            })
            .collect();
        for some in wanted.chunks(TOGETHER) {
            let _admitted = self.admitted(some.len()).await?;
            let mut gathered = self.prometheus.fleet.rows(some.to_vec(), window, Addressees::Rrdcached).await;
            self.failed.append(&mut gathered.failed);
            for (host, nodes, rows) in gathered.hosts {
                let before = series.len();
                self.add(query, end, &host, &rows, series).await?;
                if series.len() > before {
                    self.tiers.extend(nodes.iter().map(|node| node.tier));
                }
            }
        }
        Ok(())
    }

    /// Adds the series of a host that are meant.
    async fn add(
        &mut self,
        query: &Query,
        end: i64,
        host: &Host,
        rows: &HostRows,
        series: &mut Vec<TimeSeries>,
    ) -> Result<(), Refused> {
        let Prometheus { limits, patience, .. } = self.prometheus;
        for metric in &rows.metrics {
            let file = File { plugin: metric.plugin.clone(), instance: metric.instance.clone() };
            for source in &metric.sources {
                let Some(is_rate) = source.is_rate else { continue };
                let labels = labels_of_rows(&identifier(host, &file), &source.name, is_rate);
                if !query.selector.admits_name(name(&labels)) {
                    continue;
                }
                self.points += source.rows.grid().rows();
                if self.points > limits.points {
                    return Err(self.prometheus.too_many_points());
                }
                let samples = samples(source, query.start, end);
                if samples.is_empty() {
                    continue;
                }
                self.series += 1;
                if self.series > limits.series {
                    let message = format!("more than {} series (graphite.max_series)", limits.series);
                    return Err(Refused::bad(message));
                }
                let names: usize = labels.iter().map(|label| label.name.len() + label.value.len()).sum();
                let bytes = EACH_SERIES + names + samples.capacity() * size_of::<Sample>();
                self.held.grow_in_turn(bytes, *patience).await?;
                self.samples += samples.len();
                series.push(TimeSeries { labels, samples });
            }
        }
        Ok(())
    }
}

/// What collectd called a metric, as far as its file tells.
fn identifier<'a>(host: &'a [u8], file: &'a File) -> IdentifierRef<'a> {
    let parted = |name: &'a [u8]| match name.iter().position(|byte| *byte == b'-') {
        Some(dash) => (&name[..dash], &name[dash + 1..]),
        None => (name, &b""[..]),
    };
    let ((plugin, plugin_instance), (type_name, type_instance)) =
        (parted(&file.plugin), parted(&file.instance));
    IdentifierRef { host, plugin, plugin_instance, type_name, type_instance }
}

fn name(labels: &[remote_write::message::Label]) -> &str {
    labels.iter().find(|label| label.name == NAME).map_or("", |label| &label.value)
}
