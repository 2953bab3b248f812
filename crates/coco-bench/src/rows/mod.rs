//! The rows of the table: what they measure, and what is asked of them.
//!
//! A new row is a line of [`ROWS`] and a function in a file of its noun.

mod bars;
mod capacity;
mod cost;
mod instructions;
mod latency;
mod outcome;
mod panel;
mod proxied;
mod reads;
mod remote_write;
mod scale;

pub(crate) use bars::{Better, MISSED, ROWS};
pub(crate) use outcome::Outcome;

use crate::blast::Load;
use crate::callgrind::Callgrind;
use crate::corpus::{Corpus, Kind};
use crate::error::Error;
use crate::measure::{Measurement, measure};
use crate::proxy::Tools;
use crate::statistics::median;
use crate::subject::{Place, Subject};

/// What is measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Group {
    /// CPU per delivered value list over the relay's, one host per datagram; peak memory with the metrics of 1,500 hosts
    Agents,
    /// The same CPU, hosts share datagrams
    Mixed,
    /// The same as agents, with packets of up to 8952 bytes
    Jumbo,
    /// 200 targets per tier over the relay, one host per datagram and many; the same with `send.linger`
    Fanout,
    /// 2 lanes, and a lane of 2 and of 3 threads, over the relay
    Threads,
    /// Ten times the hosts: peak memory, and CPU against the ordinary number, hosts share datagrams
    Large,
    /// 2,000,000 metrics that nobody knows within three seconds: what is lost
    ColdStart,
    /// Highest rate without loss as a share of the relay's
    Lossless,
    /// Delay added to the relay's
    Delay,
    /// The API fetched once a second under half the lossless rate
    Api,
    /// CPU per proxied request over nginx's for three layouts of JSON, and Noodle's peak memory (needs nginx and wrk)
    Noodle,
    /// Instructions per value list and per request, counted by valgrind, which it needs
    Instructions,
    /// Instructions per value list for 1, 2 and 4 lanes, by rendezvous, and with copies (only when asked for; needs valgrind)
    Placings,
    /// 1,000 targets per tier over the relay, and with `send.linger` (only when asked for)
    #[value(name = "fanout-1000")]
    Fanout1000,
    /// A panel of 2,000 series for Graphite's clients over graphite-web's CPU, and the names of 20,000 hosts (only when asked
    /// for; needs rrdtool, rrdcached and graphite-web)
    Graphite,
    /// Reading without Visage: CPU per request, requests a second, a glob over 20 nodes (needs rrdtool and rrdcached; only
    /// when asked for)
    Rrdcached,
    /// Noodle's CPU per request by how JSON is laid out, without nginx (only when asked for)
    Layouts,
    /// Samples by remote write: CPU over that of a node, of snappy and of collectd, and many of them into a VictoriaMetrics
    /// (needs collectd and victoria-metrics; only when asked for)
    RemoteWrite,
    /// Metric names that no two hosts share (only when asked for)
    Unique,
    /// Ten million random names against a bounded state (only when asked for)
    Flood,
}

impl Group {
    /// What is measured unless something is asked for.
    pub(crate) const USUAL: [Self; 12] = [
        Self::Agents,
        Self::Mixed,
        Self::Jumbo,
        Self::Fanout,
        Self::Threads,
        Self::Large,
        Self::ColdStart,
        Self::Lossless,
        Self::Delay,
        Self::Api,
        Self::Noodle,
        Self::Instructions,
    ];
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
        let all = groups == Group::USUAL;
        let tools = self.or_leave_out(all, wants(Group::Noodle).then(Tools::find))?;
        let counts = wants(Group::Instructions) || wants(Group::Placings);
        let callgrind = self.or_leave_out(all, counts.then(Callgrind::find))?;
        let mut outcomes = Vec::new();
        let mut add = |is_wanted: bool, measure: &dyn Fn() -> Result<Vec<Outcome>, Error>| {
            if is_wanted {
                outcomes.extend(measure()?);
            }
            Ok::<_, Error>(())
        };
        add(wants(Group::Agents), &|| cost::agents(self))?;
        add(wants(Group::Mixed), &|| cost::mixed(self))?;
        add(wants(Group::Jumbo), &|| cost::jumbo(self))?;
        add(wants(Group::Fanout), &|| {
            let keys = [["fanout-agents", "linger-agents"], ["fanout-mixed", "linger-mixed"]];
            cost::fanout(self, 200, keys)
        })?;
        add(wants(Group::Fanout1000), &|| {
            let agents = ["fanout-1000-agents", "linger-1000-agents"];
            cost::fanout(self, 1_000, [agents, ["fanout-1000-mixed", "linger-1000-mixed"]])
        })?;
        add(wants(Group::Threads), &|| cost::threads(self))?;
        add(wants(Group::Large), &|| scale::large(self))?;
        add(wants(Group::ColdStart), &|| scale::cold_start(self))?;
        add(wants(Group::Delay), &|| latency::delay(self))?;
        add(wants(Group::Graphite), &|| panel::graphite(self))?;
        add(wants(Group::Unique), &|| cost::unique(self))?;
        add(wants(Group::Flood), &|| scale::flood(self))?;
        add(wants(Group::Instructions) && callgrind.is_some(), &|| instructions::counts(self))?;
        add(wants(Group::Placings), &|| instructions::lanes(self))?;
        add(wants(Group::Placings), &|| instructions::placings(self))?;
        add(wants(Group::Rrdcached), &|| reads::rrdcached(self))?;
        add(wants(Group::Layouts), &|| reads::layouts(self))?;
        add(wants(Group::RemoteWrite), &|| remote_write::cost(self))?;
        add(wants(Group::RemoteWrite), &|| remote_write::many(self))?;
        outcomes.extend(capacity::outcomes(self, wants(Group::Lossless), wants(Group::Api))?);
        if let Some(tools) = tools {
            outcomes.extend(proxied::noodle(self, &tools)?);
        }
        outcomes.sort_by_key(|outcome| ROWS.iter().position(|row| row.key == outcome.row.key));
        Ok(outcomes)
    }

    /// What was found; nothing if it is not there and everything is measured that can be.
    fn or_leave_out<T>(&self, all: bool, found: Option<Result<T, Error>>) -> Result<Option<T>, Error> {
        match found.transpose() {
            Err(missing) if all => {
                (self.progress)(format_args!("left out: {missing}"));
                Ok(None)
            }
            found => found,
        }
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
            "{round}. {}: {:.0} datagrams/s, {:.4} µs per value list, {:.1} MB, {} lost, others used {:.2} cores",
            run.subject,
            run.rate,
            run.cpu_us_per_value_list,
            run.peak_memory(),
            run.lost,
            run.beside.foreign_cores
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

/// CPU per value list of several runs.
fn absolute(runs: &[Measurement]) -> String {
    let costs: Vec<f64> = runs.iter().map(|run| run.cpu_us_per_value_list).collect();
    format!("{:.3} µs", median(&costs))
}

/// What to say beside a ratio that the first pass has a part in.
fn warm(over: &[Measurement], under: &[Measurement]) -> String {
    match warm_ratios(over, under).as_slice() {
        [] => "all of it the first pass".to_owned(),
        ratios => format!("without the first pass {:.2} ×", median(ratios)),
    }
}

/// How many datagrams left for each value list, over how many of the others' did.
fn datagrams(over: &[Measurement], under: &[Measurement]) -> String {
    let each = |run: &Measurement| run.delivered.datagrams as f64 / run.delivered.value_lists as f64;
    let ratios: Vec<f64> = over.iter().zip(under).map(|(over, under)| each(over) / each(under)).collect();
    format!("{:.2} × the datagrams", median(&ratios))
}

/// The largest peak of several runs, in MB.
fn peak(runs: &[Measurement]) -> f64 {
    runs.iter().map(Measurement::peak_memory).fold(0.0, f64::max)
}
