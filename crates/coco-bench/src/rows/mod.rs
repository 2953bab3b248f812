//! The rows of the table: what they measure, and what is asked of them.
//!
//! A new row is a line of [`ROWS`] and a function in a file of its noun.

mod capacity;
mod cost;
mod instructions;
mod latency;
mod panel;
mod proxied;
mod reads;
mod remote_write;
mod scale;

use serde::Serialize;
use serde_json::Value;

use crate::blast::Load;
use crate::corpus::{Corpus, Kind};
use crate::error::Error;
use crate::measure::{Measurement, measure};
use crate::proxy::Tools;
use crate::statistics::{median, range};
use crate::subject::{Place, Subject};

/// What is measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Group {
    /// CPU per delivered value list over the relay's, one host per datagram
    Agents,
    /// The same, hosts share datagrams
    Mixed,
    /// The same as agents, with packets of up to 8952 bytes
    Jumbo,
    /// Peak memory with the metrics of 1,500 hosts
    Memory,
    /// Highest rate without loss as a share of the relay's
    Lossless,
    /// Ten times the hosts: peak memory, and CPU against the ordinary number
    Large,
    /// 200 targets per tier against 2
    Fanout,
    /// Delay added to the relay's
    Delay,
    /// The API fetched once a second under half the lossless rate
    Api,
    /// CPU per proxied request over nginx's, and Noodle's peak memory (needs nginx and wrk)
    Noodle,
    /// A panel of 2,000 series for Graphite's clients over graphite-web's CPU, and the names of 20,000 hosts (only when asked
    /// for; needs rrdtool, rrdcached and graphite-web)
    Graphite,
    /// Reading without Visage: CPU per request, requests a second, a glob over 20 nodes (needs rrdtool and rrdcached; only
    /// when asked for)
    Rrdcached,
    /// Samples by remote write: CPU over that of a node, of snappy and of collectd, and many of them into a VictoriaMetrics
    /// (needs collectd and victoria-metrics; only when asked for)
    RemoteWrite,
    /// Metric names that no two hosts share (only when asked for)
    Unique,
    /// Ten million random names against a bounded state (only when asked for)
    Flood,
    /// Instructions per value list for 1, 2 and 4 lanes, by rendezvous, and with copies, counted by valgrind, which it needs
    /// (only when asked for)
    Instructions,
}

impl Group {
    /// What is measured unless something is asked for.
    pub(crate) const USUAL: [Self; 10] = [
        Self::Agents,
        Self::Mixed,
        Self::Jumbo,
        Self::Lossless,
        Self::Memory,
        Self::Large,
        Self::Fanout,
        Self::Delay,
        Self::Api,
        Self::Noodle,
    ];
}

/// A figure and what is asked of it.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) key: &'static str,
    pub(crate) title: &'static str,
    pub(crate) unit: &'static str,
    /// What it must reach.
    pub(crate) bar: Option<f64>,
    /// What it should reach.
    pub(crate) hoped: Option<f64>,
    pub(crate) better: Better,
}

/// Which way is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    Less,
    More,
}

/// All figures, in the order of the table.
#[rustfmt::skip]
pub(crate) static ROWS: &[Row] = &[
    row("agents", "CPU per delivered value list over the floor, agents", "x relay", Better::Less, Some(2.0), Some(1.25)),
    row("mixed", "the same, mixed", "x relay", Better::Less, Some(2.5), Some(1.5)),
    row("jumbo", "the same, agents, max_packet_size 8952", "x relay", Better::Less, Some(1.2), Some(0.6)),
    row("lossless", "highest rate without any loss", "x relay", Better::More, Some(0.6), Some(0.85)),
    row("memory", "peak memory, 200,000 metrics in two tiers", "MiB", Better::Less, Some(64.0), Some(40.0)),
    row("large-memory", "peak memory, 2,000,000 metrics", "MiB", Better::Less, Some(400.0), Some(250.0)),
    row("large-cpu", "CPU per value list there against 200,000", "x", Better::Less, Some(1.6), Some(1.25)),
    row("fanout", "CPU per value list, 200 targets per tier against 2", "x", Better::Less, Some(1.5), Some(1.2)),
    row("delay", "added delay, p99 at 5,000 datagrams/s", "ms", Better::Less, Some(1.0), Some(0.2)),
    row("api", "value lists lost, API fetched at half the lossless rate", "lost", Better::Less, Some(0.0), None),
    row("noodle", "noodle: CPU per proxied request over nginx's", "x nginx", Better::Less, Some(2.0), Some(1.3)),
    row("noodle-memory", "peak memory there", "MiB", Better::Less, Some(32.0), None),
    row("panel", "graphite: 10 targets over 200 hosts, 360 rows each, not asked for before", "s", Better::Less, Some(1.0), None),
    row("panel-cpu", "CPU of Noodle for that over graphite-web's from whisper files", "x", Better::Less, Some(0.1), None),
    row("names", "graphite: names of 20,000 hosts from a known tree", "ms", Better::Less, Some(20.0), None),
    row("rrdcached", "noodle: CPU per request of an hour from rrdcached over that from Visage", "x Visage", Better::Less, Some(1.5), None),
    row("rrdcached-rate", "requests of one series from rrdcached, none kept", "1/s", Better::More, Some(2000.0), None),
    row("rrdcached-many", "1,000 hosts by a glob over 20 nodes, an hour each", "ms", Better::Less, Some(1000.0), None),
    row("rrdcached-many-memory", "peak memory there", "MiB", Better::Less, Some(64.0), None),
    row("remote-write", "CPU per sample by remote write, over a node's value list and 4 x snappy", "x", Better::Less, Some(1.0), None),
    row("remote-write-collectd", "the same over collectd's network and write_prometheus", "x collectd", Better::Less, Some(0.2), None),
    row("remote-write-lost", "samples lost at 200,000/s into a VictoriaMetrics", "lost", Better::Less, Some(0.0), None),
    row("remote-write-memory", "peak memory there", "MB", Better::Less, Some(128.0), None),
    row("unique", "as agents, no metric name shared by hosts", "x relay", Better::Less, None, None),
    row("unique-memory", "peak memory there", "MiB", Better::Less, None, None),
    row("flood", "peak memory, 10 million random names, state of 64 MiB", "MiB", Better::Less, None, None),
    row("instructions", "instructions per value list, 1, 2, 4 lanes: largest over least", "x", Better::Less, Some(1.03), None),
    // What is not to cost more may differ by what the same configuration does from one run to the next.
    row("rendezvous", "instructions per value list by rendezvous, over a ring", "x", Better::Less, Some(1.03), None),
    row("copies", "instructions per value list, 2 copies in one tier over two tiers", "x", Better::Less, Some(1.01), None),
    row("rendezvous-mixed", "by rendezvous over a ring, hosts share datagrams", "x", Better::Less, Some(1.03), None),
    row("copies-mixed", "2 copies over two tiers, hosts share datagrams", "x", Better::Less, Some(1.01), None),
];

const fn row(
    key: &'static str,
    title: &'static str,
    unit: &'static str,
    better: Better,
    bar: Option<f64>,
    hoped: Option<f64>,
) -> Row {
    Row { key, title, unit, bar, hoped, better }
}

/// A row with its figure.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    #[serde(flatten)]
    pub(crate) row: &'static Row,
    pub(crate) measured: f64,
    pub(crate) verdict: &'static str,
    /// Least and largest of the figures that `measured` is the median of.
    pub(crate) range: Option<(f64, f64)>,
    /// What a reader must know beside the figure.
    pub(crate) notes: Vec<String>,
    /// What went wrong: the figure stands on runs that lost something or whose books do not balance.
    pub(crate) complaints: Vec<String>,
    /// What it was made from.
    pub(crate) measurements: Vec<Value>,
}

impl Outcome {
    /// Of one or several figures of which the median counts.
    pub(crate) fn new(key: &str, figures: &[f64]) -> Self {
        let row = ROWS.iter().find(|row| row.key == key).expect("outcomes are named as rows are");
        let measured = median(figures);
        let range = range(figures).filter(|_| figures.len() > 1);
        let (notes, complaints, measurements) = (Vec::new(), Vec::new(), Vec::new());
        Self { row, measured, verdict: row.verdict(measured), range, notes, complaints, measurements }
    }

    /// Says something beside the figure.
    pub(crate) fn note(mut self, note: String) -> Self {
        self.notes.push(note);
        self
    }

    /// Adds the runs that the figure was made from, and what is wrong with them.
    pub(crate) fn from<'a>(mut self, measurements: impl IntoIterator<Item = &'a Measurement>) -> Self {
        for measurement in measurements {
            self.complaints.extend(measurement.complaints());
            self.measurements.extend(serde_json::to_value(measurement));
        }
        self
    }
}

impl Row {
    fn verdict(&self, measured: f64) -> &'static str {
        let reaches = |wanted: f64| match self.better {
            Better::Less => measured <= wanted,
            Better::More => measured >= wanted,
        };
        match (self.bar, self.hoped) {
            (_, Some(hoped)) if reaches(hoped) => "hoped",
            (Some(bar), _) if reaches(bar) => "bar",
            (None, _) => "-",
            _ => "MISSED",
        }
    }
}

/// How to measure.
pub(crate) struct Bench {
    pub(crate) place: Place,
    /// Datagrams a second.
    pub(crate) rate: u64,
    /// Of each run.
    pub(crate) seconds: u64,
    /// How many runs of each subject, in turns.
    pub(crate) rounds: usize,
    pub(crate) hosts: usize,
    pub(crate) large_hosts: usize,
    /// Seconds of the run into a VictoriaMetrics.
    pub(crate) sustained: u64,
    /// Where progress is told.
    pub(crate) progress: fn(std::fmt::Arguments<'_>),
}

impl Bench {
    /// Measures everything that is asked for.
    pub(crate) fn outcomes(&self, groups: &[Group]) -> Result<Vec<Outcome>, Error> {
        let wants = |group| groups.contains(&group);
        // What is missing is told before anything is measured. Unless it was asked for, the rest is measured without
        // it.
        let tools = match wants(Group::Noodle).then(Tools::find).transpose() {
            Err(missing) if groups == Group::USUAL => {
                (self.progress)(format_args!("row noodle is left out: {missing}"));
                None
            }
            found => found?,
        };
        let mut outcomes =
            cost::agents(self, wants(Group::Agents), wants(Group::Jumbo), wants(Group::Memory))?;
        let mut add = |group, measure: &dyn Fn() -> Result<Vec<Outcome>, Error>| {
            if wants(group) {
                outcomes.extend(measure()?);
            }
            Ok::<_, Error>(())
        };
        add(Group::Mixed, &|| cost::mixed(self))?;
        add(Group::Large, &|| scale::large(self))?;
        add(Group::Fanout, &|| scale::fanout(self))?;
        add(Group::Delay, &|| latency::delay(self))?;
        add(Group::Graphite, &|| panel::graphite(self))?;
        add(Group::Unique, &|| cost::unique(self))?;
        add(Group::Flood, &|| scale::flood(self))?;
        add(Group::Instructions, &|| instructions::lanes(self))?;
        add(Group::Instructions, &|| instructions::placings(self))?;
        add(Group::Rrdcached, &|| reads::rrdcached(self))?;
        add(Group::RemoteWrite, &|| remote_write::cost(self))?;
        add(Group::RemoteWrite, &|| remote_write::many(self))?;
        outcomes.extend(capacity::outcomes(self, wants(Group::Lossless), wants(Group::Api))?);
        if let Some(tools) = tools {
            outcomes.extend(proxied::noodle(self, tools)?);
        }
        outcomes.sort_by_key(|outcome| ROWS.iter().position(|row| row.key == outcome.row.key));
        Ok(outcomes)
    }

    fn corpus(&self, kind: Kind, hosts: usize) -> Result<Corpus, Error> {
        let corpus = Corpus::generate(kind, hosts)?;
        (self.progress)(format_args!(
            "corpus {kind:?}: {hosts} hosts, {} datagrams, {} bytes",
            corpus.len(),
            corpus.bytes()
        ));
        Ok(corpus)
    }

    fn load<'a>(&self, corpus: &'a Corpus) -> Load<'a> {
        Load { corpus, rate: self.rate, datagrams: self.rate * self.seconds, sockets: 4 }
    }

    /// Runs subjects in turns, so that what disturbs the machine for a while disturbs all of them.
    /// Returns the runs of each.
    fn alternate(&self, runs: &[(Subject, Load<'_>)]) -> Result<Vec<Vec<Measurement>>, Error> {
        let mut measurements = vec![Vec::new(); runs.len()];
        for round in 1..=self.rounds {
            for ((subject, load), measurements) in runs.iter().zip(&mut measurements) {
                let run = measure(&self.place, *subject, load)?;
                self.tell(round, &run);
                measurements.push(run);
            }
        }
        Ok(measurements)
    }

    fn tell(&self, round: usize, run: &Measurement) {
        (self.progress)(format_args!(
            "{round}. {}: {:.0} datagrams/s, {:.4} us per value list, {:.1} MiB, {} lost, others used {:.2} cores",
            run.subject,
            run.rate,
            run.cpu_us_per_value_list,
            run.peak_memory(),
            run.lost,
            run.foreign_cores
        ));
        for complaint in run.complaints() {
            (self.progress)(format_args!("   {complaint}"));
        }
    }
}

/// CPU per value list of each run over that of the run before it in the same round.
fn ratios(over: &[Measurement], under: &[Measurement]) -> Vec<f64> {
    let ratio = |(over, under): (&Measurement, &Measurement)| {
        over.cpu_us_per_value_list / under.cpu_us_per_value_list
    };
    over.iter().zip(under).map(ratio).collect()
}

/// The same without the first pass.
fn warm_ratios(over: &[Measurement], under: &[Measurement]) -> Vec<f64> {
    let ratio = |(over, under): (&Measurement, &Measurement)| {
        Some(over.cpu_us_per_value_list_warm? / under.cpu_us_per_value_list_warm?)
    };
    over.iter().zip(under).filter_map(ratio).collect()
}

/// What to say of two subjects' CPU beside the ratio.
fn absolute(over: &[Measurement], under: &[Measurement]) -> String {
    let cost =
        |runs: &[Measurement]| median(&runs.iter().map(|run| run.cpu_us_per_value_list).collect::<Vec<_>>());
    format!(
        "{:.3} us against {:.3}; without the first pass {:.2} x",
        cost(over),
        cost(under),
        median(&warm_ratios(over, under))
    )
}

/// The largest peak of several runs, in MiB.
fn peak(runs: &[Measurement]) -> f64 {
    runs.iter().map(Measurement::peak_memory).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_verdict_knows_which_way_is_up() {
        let verdict = |key: &str, measured| Outcome::new(key, &[measured]).verdict;
        assert_eq!(["hoped", "bar", "MISSED"], [1.25, 2.0, 2.01].map(|measured| verdict("agents", measured)));
        assert_eq!(
            ["hoped", "bar", "MISSED"],
            [0.85, 0.6, 0.59].map(|measured| verdict("lossless", measured))
        );
        assert_eq!(["bar", "MISSED"], [0.0, 1.0].map(|measured| verdict("api", measured)));
        assert_eq!("-", verdict("flood", 1e9));
        assert_eq!("MISSED", verdict("agents", f64::NAN));
    }

    #[test]
    fn rows_have_names_of_their_own_and_bars_below_hopes() {
        assert_eq!(ROWS.iter().map(|row| row.key).collect::<HashSet<_>>().len(), ROWS.len());
        for row in ROWS {
            if let (Some(bar), Some(hoped)) = (row.bar, row.hoped) {
                assert_eq!(bar > hoped, row.better == Better::Less, "{}", row.key);
            }
        }
    }
}
