//! Coco for a long time under everyday load and unrest: a reload a minute, a target that comes and goes. What must not
//! happen is growth, and a book that does not balance.

use std::collections::BTreeMap;
use std::fmt::Arguments;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};

use crate::blast::{Load, Sent, blast};
use crate::corpus::{Corpus, Kind};
use crate::cpus::Kept;
use crate::error::{Doing, Error};
use crate::http;
use crate::procfs;
use crate::sink::{IDLE, Sink};
use crate::statistics::median;
use crate::subject::{COCO, Place, Running, Subject, TIERS};

/// Seconds between two samples, between two reloads, and until the target that comes and goes does so.
const SAMPLE: u64 = 10;
const RELOAD: u64 = 60;
const COME_OR_GO: u64 = 25;

/// Memory may move this much, as a share of it and in KiB: allocators keep and give back.
const SHARE: f64 = 0.02;
const SLACK: f64 = 1024.0;

/// What to do for how long.
pub(crate) struct Soak<'a> {
    pub(crate) place: &'a Place,
    pub(crate) minutes: u64,
    /// Datagrams a second.
    pub(crate) rate: u64,
    pub(crate) hosts: usize,
    pub(crate) progress: fn(Arguments<'_>),
}

/// What was seen at one moment.
struct Sample {
    second: u64,
    /// In KiB.
    memory: u64,
    descriptors: usize,
}

/// Rows of `/metrics` with their values.
type Metrics = BTreeMap<String, u64>;

/// Everything at work.
struct Work<'a> {
    soak: &'a Soak<'a>,
    running: Running,
    api: SocketAddr,
    /// The targets that stay: two of the first tier, one of the second; and one that a reload adds to the first.
    steady: Sink,
    /// The second tier's other target.
    fickle: Option<Sink>,
    fickle_at: SocketAddr,
    /// What it got before it went the last time, and what was sent to it while it was away.
    got: u64,
    missed: u64,
    /// What had been sent to it when it went.
    sent_when_it_went: u64,
    /// The files that take turns.
    configs: [String; 2],
    reloads: u64,
    sent: Sent,
}

impl Soak<'_> {
    /// Runs, and returns what is wrong: nothing, hopefully.
    pub(crate) fn run(&self) -> Result<Vec<String>, Error> {
        let corpus = Corpus::generate(Kind::Agents, self.hosts)?;
        let mut work = Work::start(self)?;
        let load = Load { corpus: &corpus, rate: self.rate, datagrams: self.rate, sockets: 4 };
        let mut samples = Vec::new();
        let start = Instant::now();
        for second in 1..=self.minutes * 60 {
            work.sent += blast(work.running.listen, &load, work.sent.datagrams)?;
            work.running.child.alive()?;
            if second % COME_OR_GO == 0 {
                work.come_or_go()?;
            }
            if second % RELOAD == 0 {
                work.reload()?;
            }
            if second % SAMPLE == 0 {
                let sample = work.sample(start.elapsed().as_secs())?;
                let drops = work.running.drops()?;
                let Sample { second, memory, descriptors } = sample;
                (self.progress)(format_args!(
                    "{second:>5} s: {:.1} MiB, {descriptors} descriptors, {} datagrams, {drops} dropped, {} reloads",
                    memory as f64 / 1024.0,
                    work.sent.datagrams,
                    work.reloads
                ));
                samples.push(sample);
            }
        }
        work.finish(&samples)
    }
}

impl<'a> Work<'a> {
    fn start(soak: &'a Soak<'a>) -> Result<Self, Error> {
        let steady = Sink::anywhere(4)?;
        let fickle = Sink::anywhere(1)?;
        let fickle_at = fickle.addresses()[0];
        let [one, other, second, added] = steady.addresses() else {
            return Err(Error::Meaningless("four ports were asked for".to_owned()));
        };
        let targets = [*one, *other, *second, fickle_at];
        let running = Running::start(soak.place, Subject::Coco(COCO), &targets, &Kept::default())?;
        let api = running.api.ok_or_else(|| Error::Meaningless("coco has an API".to_owned()))?;
        let text = COCO.text(&targets);
        let [pair, three] = [vec![one, other], vec![other, added, one]]
            .map(|targets| format!("{:?}", targets.into_iter().map(ToString::to_string).collect::<Vec<_>>()));
        let configs = [text.replace(&pair, &three), text];
        let (got, missed, sent_when_it_went, reloads) = (0, 0, 0, 0);
        let (fickle, sent) = (Some(fickle), Sent::default());
        Ok(Self {
            soak,
            running,
            api,
            steady,
            fickle,
            fickle_at,
            got,
            missed,
            sent_when_it_went,
            configs,
            reloads,
            sent,
        })
    }

    fn reload(&mut self) -> Result<(), Error> {
        let path = self.soak.place.folder.join("coco.conf");
        let text = &self.configs[self.reloads as usize % 2];
        std::fs::write(&path, text).doing(|| format!("write {}", path.display()))?;
        kill(self.running.child.pid(), Signal::SIGHUP).doing(|| "ask for a reload".to_owned())?;
        self.reloads += 1;
        Ok(())
    }

    /// Nothing is under way when the fickle target comes or goes, so that what it misses is known.
    fn come_or_go(&mut self) -> Result<(), Error> {
        let sent = self.sent_to(&self.at_rest()?, self.fickle_at);
        match self.fickle.take() {
            Some(sink) => {
                self.got += sink.settle(sent - self.missed - self.got, IDLE).value_lists;
                self.sent_when_it_went = sent;
            }
            None => {
                self.missed += sent - self.sent_when_it_went;
                self.fickle = Some(Sink::start([self.fickle_at.port()])?);
            }
        }
        Ok(())
    }

    /// The counters once they no longer change.
    fn at_rest(&self) -> Result<Metrics, Error> {
        let mut last = self.metrics()?;
        loop {
            std::thread::sleep(Duration::from_millis(100));
            let next = self.metrics()?;
            let counters = |metrics: &Metrics| -> Vec<(String, u64)> {
                let total =
                    metrics.iter().filter(|(row, _)| row.contains("_total") && !row.contains("kernel"));
                total.map(|(row, value)| (row.clone(), *value)).collect()
            };
            if counters(&next) == counters(&last) {
                return Ok(next);
            }
            last = next;
        }
    }

    fn metrics(&self) -> Result<Metrics, Error> {
        let text = String::from_utf8_lossy(&http::get(self.api, "/metrics")?).into_owned();
        let row = |line: &str| {
            let (row, value) = line.rsplit_once(' ')?;
            Some((row.to_owned(), value.parse().ok()?))
        };
        Ok(text.lines().filter(|line| !line.starts_with('#')).filter_map(row).collect())
    }

    fn sent_to(&self, metrics: &Metrics, target: SocketAddr) -> u64 {
        sum(metrics, "coco_send_total", &format!("target=\"{target}\""))
    }

    fn sample(&self, second: u64) -> Result<Sample, Error> {
        let pid = self.running.child.pid();
        Ok(Sample { second, memory: procfs::memory(pid)?, descriptors: procfs::descriptors(pid)? })
    }

    /// Brings everything to rest and looks at the books.
    fn finish(mut self, samples: &[Sample]) -> Result<Vec<String>, Error> {
        let mut complaints = Vec::new();
        let mut expect = |what: &str, found: u64, expected: u64| {
            if found != expected {
                complaints.push(format!("{what}: {found}, not {expected}"));
            }
        };
        if self.fickle.is_none() {
            self.come_or_go()?;
        }
        if self.reloads % 2 == 1 {
            self.reload()?;
        }
        // Stages without work let go of the last routing within half a second.
        std::thread::sleep(2 * IDLE);
        let books = self.at_rest()?;
        let of = |row: &str| books.get(row).copied().unwrap_or_default();
        let drops = self.running.drops()?;
        expect("reloads", of("coco_reloads_total"), self.reloads);
        expect("datagrams received and dropped", of("coco_listen_raw_total") + drops, self.sent.datagrams);
        let (decoded, accepted) = (of("coco_listen_decoded_total"), of("coco_filter_accepted_total"));
        expect("accepted and rejected", accepted + of("coco_filter_rejected_total"), decoded);
        if drops == 0 {
            expect("decoded", decoded, self.sent.content.value_lists);
            expect("accepted", accepted, self.sent.content.accepted);
        }
        for tier in 0..TIERS {
            let tier = format!("tier=\"tier{tier}\"");
            let families =
                ["coco_send_total", "coco_errors_send_write_total", "coco_errors_send_disconnected_total"];
            let dealt_with = families.iter().map(|family| sum(&books, family, &tier)).sum();
            expect(&format!("sent and lost, {tier}"), dealt_with, accepted);
        }
        for (address, tally) in self.steady.addresses().iter().zip(self.steady.tallies()) {
            expect(&format!("received at {address}"), tally.value_lists, self.sent_to(&books, *address));
            expect(&format!("malformed at {address}"), tally.malformed, 0);
        }
        let sent = self.sent_to(&books, self.fickle_at);
        let got = self.got + self.fickle.as_ref().map_or(0, |sink| sink.total().value_lists);
        expect(
            "received at the target that comes and goes, and missed while it was away",
            got + self.missed,
            sent,
        );
        expect("dropped by the benchmark itself", self.steady.drops()?, 0);
        let refused = sum(&books, "coco_errors_send_refused_total", "");
        let mut last = self.sample(0)?;
        if let Some(first) = samples.first() {
            // The connection of the last look at the books may be about to be closed.
            let start = Instant::now();
            while last.descriptors > first.descriptors && start.elapsed() < Duration::from_secs(5) {
                std::thread::sleep(Duration::from_millis(100));
                last = self.sample(0)?;
            }
            expect("descriptors", last.descriptors as u64, first.descriptors as u64);
        }
        complaints.extend(growth(samples));
        (self.soak.progress)(format_args!(
            "{} datagrams, {drops} dropped; {decoded} value lists decoded, {accepted} accepted; {} reloads; {} missed by the \
             target that came and went, {refused} refused; {:.1} MiB, {} descriptors",
            self.sent.datagrams,
            self.reloads,
            self.missed,
            last.memory as f64 / 1024.0,
            last.descriptors
        ));
        Ok(complaints)
    }
}

/// The sum of a family's rows with this label.
fn sum(metrics: &Metrics, family: &str, label: &str) -> u64 {
    let of = |row: &&String| row.strip_prefix(family).is_some_and(|labels| labels.starts_with('{'));
    metrics.iter().filter(|(row, _)| of(row) && row.contains(label)).map(|(_, value)| value).sum()
}

/// Whether memory grew behind the first five minutes, or the first half of a short run: by the medians of the first and
/// of the last third of what is behind.
fn growth(samples: &[Sample]) -> Option<String> {
    let end = samples.last()?.second;
    let warm = (5 * 60).min(end / 2);
    let warm: Vec<f64> =
        samples.iter().filter(|sample| sample.second > warm).map(|sample| sample.memory as f64).collect();
    let third = warm.len().div_ceil(3);
    let [first, last] = [median(&warm[..third]), median(&warm[warm.len() - third..])];
    let grown = last - first;
    (grown > SLACK + SHARE * first).then(|| format!("memory grew from {first:.0} to {last:.0} KiB"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_may_grow_at_first_and_then_hardly() {
        let grown = |memory: fn(u64) -> u64| {
            let sample = |second| Sample { second, memory: memory(second), descriptors: 0 };
            growth(&(1..=180).map(|number| sample(number * 10)).collect::<Vec<_>>())
        };
        assert_eq!(grown(|second| 20_000 + 100 * second.min(300)), None);
        assert_eq!(grown(|second| 20_000 + second % 700), None);
        assert!(grown(|second| 20_000 + 5 * second).is_some());
        assert_eq!(growth(&[]), None);
    }

    #[test]
    fn rows_are_summed_by_family_and_label() {
        let rows = [
            ("a_total{tier=\"x\",target=\"1\"}", 1),
            ("a_total{tier=\"y\",target=\"1\"}", 2),
            ("a_total_b{tier=\"x\"}", 4),
        ];
        let metrics = rows.map(|(row, value)| (row.to_owned(), value)).into_iter().collect();
        assert_eq!([sum(&metrics, "a_total", "tier=\"x\""), sum(&metrics, "a_total", "")], [1, 3]);
    }
}
