//! One run: a load through a subject, what became of it, and what it cost.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use crate::blast::{Load, Sent, blast};
use crate::cpus::Kept;
use crate::error::Error;
use crate::http;
use crate::meters::{Beside, Meters};
use crate::procfs;
use crate::sink::{Counting, IDLE, Sink, Tally};
use crate::subject::{Place, Running, Subject, TIERS};

/// How long counters may take to agree once nothing is under way any more.
const AT_REST: Duration = Duration::from_secs(2);

/// What a run took in, gave out and cost.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Measurement {
    pub(crate) subject: String,
    /// Datagrams a second that were offered.
    pub(crate) rate: f64,
    pub(crate) sent: Sent,
    /// Value lists that should have been delivered, to all tiers together; datagrams, where the sink counts these.
    pub(crate) expected: u64,
    pub(crate) delivered: Tally,
    /// How many of them are missing at the sink; below zero, too many came.
    pub(crate) lost: i64,
    /// Datagrams that the kernel dropped at the subject's sockets.
    pub(crate) dropped_before: u64,
    /// Datagrams that the kernel dropped at the sink's sockets: not the subject's fault.
    pub(crate) dropped_behind: u64,
    pub(crate) cpu_seconds: f64,
    /// The first pass over the corpus included, in which all metrics are new.
    pub(crate) cpu_us_per_value_list: f64,
    /// Without the first pass; none if there was no second.
    pub(crate) cpu_us_per_value_list_warm: Option<f64>,
    pub(crate) peak_memory_kib: u64,
    #[serde(flatten)]
    pub(crate) beside: Beside,
    /// What is wrong with the run beyond losses: books that do not balance, a bad end.
    pub(crate) problems: Vec<String>,
}

impl Measurement {
    /// Everything arrived, once, and the books say so too.
    pub(crate) fn is_clean(&self) -> bool {
        self.lost == 0 && self.delivered.malformed == 0 && self.problems.is_empty()
    }

    /// In MB.
    pub(crate) fn peak_memory(&self) -> f64 {
        self.peak_memory_kib as f64 * 1024.0 / 1e6
    }

    /// What was not as it should be, for people; empty if nothing.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let mut complaints = self.problems.clone();
        if self.lost != 0 || self.delivered.malformed != 0 {
            complaints.push(format!(
                "{} of {} value lists lost, {} malformed datagrams ({} send errors, kernel drops: {} before, {} behind)",
                self.lost,
                self.expected,
                self.delivered.malformed,
                self.sent.errors,
                self.dropped_before,
                self.dropped_behind
            ));
        }
        complaints.iter().map(|complaint| format!("{}: {complaint}", self.subject)).collect()
    }
}

/// A subject with its sink, the meters read.
pub(crate) struct Run {
    pub(crate) subject: Subject,
    pub(crate) running: Running,
    sink: Sink,
    counting: Counting,
    start: Meters,
    sent: Sent,
    warm: Option<(Meters, u64)>,
    /// Kept until all is over.
    _cpus: Kept,
}

impl Run {
    /// Starts a subject in front of a new sink.
    pub(crate) fn start(place: &Place, subject: Subject) -> Result<Self, Error> {
        Self::start_counting(place, subject, Counting::ValueLists)
    }

    /// The same, the sink counts only these.
    pub(crate) fn start_counting(place: &Place, subject: Subject, counting: Counting) -> Result<Self, Error> {
        // Before the sink: its thread runs where this one may.
        let cpus = place.cpus.keep(subject.threads())?;
        let sink = Sink::counting(counting, subject.targets())?;
        let running = Running::start(place, subject, sink.addresses(), &cpus)?;
        let start = Meters::read(&running.child, &[])?;
        Ok(Self { subject, running, sink, counting, start, sent: Sent::default(), warm: None, _cpus: cpus })
    }

    /// Sends one pass over the corpus, the part in which all metrics are new, then the rest of the load.
    pub(crate) fn load(&mut self, load: &Load<'_>) -> Result<(), Error> {
        let pass = load.corpus.len() as u64;
        if load.datagrams < 2 * pass {
            return self.send(load, 0);
        }
        self.send(&Load { datagrams: pass, ..*load }, 0)?;
        let delivered = self.settle();
        self.warm = Some((Meters::read(&self.running.child, &[])?, delivered.value_lists));
        self.send(&Load { datagrams: load.datagrams - pass, ..*load }, pass)
    }

    /// Sends a load from datagram number `first` of its corpus on.
    pub(crate) fn send(&mut self, load: &Load<'_>, first: u64) -> Result<(), Error> {
        self.sent += blast(self.running.listen, load, first)?;
        self.running.child.alive()
    }

    /// Waits for what is under way.
    pub(crate) fn settle(&self) -> Tally {
        let expected = match (self.counting, self.subject) {
            (Counting::ValueLists, subject) => subject.delivers(self.sent.content),
            (Counting::Datagrams, Subject::Relay) => TIERS as u64 * self.sent.datagrams,
            // How full its datagrams are is Coco's affair, and its books say when it is done.
            (Counting::Datagrams, Subject::Coco(_)) => return self.sink.settle(u64::MAX, IDLE / 4),
        };
        self.sink.settle(expected, IDLE)
    }

    /// Waits for what is under way, reads the meters and the books, and stops the subject.
    pub(crate) fn finish(mut self) -> Result<Measurement, Error> {
        self.settle();
        self.running.child.alive()?;
        let end = Meters::read(&self.running.child, &[])?;
        let peak_memory_kib = procfs::peak_memory(self.running.child.pid())?;
        let dropped_before = self.running.drops()?;
        let arrived = self.sent.datagrams - dropped_before.min(self.sent.datagrams);
        let (mut problems, forwarded) = match self.running.api {
            Some(api) => balance(api, arrived)?,
            None => (Vec::new(), TIERS as u64 * arrived),
        };
        match self.running.child.stop()? {
            None => problems.push("did not stop, had to be killed".to_owned()),
            Some(status) if !status.success() && self.subject != Subject::Relay => {
                problems.push(format!("stopped with {status}"));
            }
            Some(_) => {}
        }
        let dropped_behind = self.sink.drops()?;
        let expected = match self.counting {
            Counting::ValueLists => self.subject.delivers(self.sent.content),
            // What did not even arrive is missing in each tier.
            Counting::Datagrams => forwarded + TIERS as u64 * dropped_before,
        };
        let delivered = self.sink.settle(expected, if dropped_behind > 0 { Duration::ZERO } else { IDLE });
        let cpu = end.cpu_since(&self.start).as_secs_f64();
        let per_list = |cpu: f64, lists: u64| cpu * 1e6 / lists.max(1) as f64;
        Ok(Measurement {
            subject: self.subject.name(),
            rate: self.sent.rate(),
            sent: self.sent,
            expected,
            delivered,
            lost: expected as i64 - delivered.counted(self.counting) as i64,
            dropped_before,
            dropped_behind,
            cpu_seconds: cpu,
            cpu_us_per_value_list: per_list(cpu, delivered.value_lists),
            cpu_us_per_value_list_warm: self.warm.map(|(meters, before)| {
                per_list(end.cpu_since(&meters).as_secs_f64(), delivered.value_lists - before)
            }),
            peak_memory_kib,
            beside: end.beside_since(&self.start),
            problems,
        })
    }
}

/// Runs a load through a subject.
pub(crate) fn measure(place: &Place, subject: Subject, load: &Load<'_>) -> Result<Measurement, Error> {
    let mut run = Run::start(place, subject)?;
    run.load(load)?;
    run.finish()
}

/// Fetches Coco's counters until they balance. Returns what does not, and how many datagrams it has sent.
fn balance(api: SocketAddr, arrived: u64) -> Result<(Vec<String>, u64), Error> {
    let start = Instant::now();
    loop {
        let coco = &http::get_json(api, "/debug/vars")?["coco"];
        let problems = unbalanced(coco, arrived);
        if problems.is_empty() || start.elapsed() > AT_REST {
            let sent = coco["send.datagrams"].as_object().into_iter().flatten();
            return Ok((problems, sent.filter_map(|(_, count)| count.as_u64()).sum()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What Coco's counters must say once `arrived` datagrams are through.
fn unbalanced(coco: &Value, arrived: u64) -> Vec<String> {
    let count = |group: &str, key: &str| coco[group][key].as_u64();
    let sum = |counts: &[Option<u64>]| counts.iter().copied().sum::<Option<u64>>();
    let accepted = count("filter", "accepted");
    [
        ("datagrams that arrived = listen.raw", Some(arrived), count("listen", "raw")),
        (
            "listen.decoded = filter.accepted + filter.rejected",
            count("listen", "decoded"),
            sum(&[accepted, count("filter", "rejected")]),
        ),
        (
            "tiers x filter.accepted = send.total + errors.send.write + errors.send.disconnected",
            accepted.map(|accepted| accepted * TIERS as u64),
            sum(&[
                count("send", "total"),
                count("errors", "send.write"),
                count("errors", "send.disconnected"),
            ]),
        ),
        ("errors.send.write = 0", Some(0), count("errors", "send.write")),
        ("errors.fetch.receive = 0", Some(0), count("errors", "fetch.receive")),
    ]
    .into_iter()
    .filter(|(_, left, right)| left.is_none() || left != right)
    .map(|(rule, left, right)| {
        let say = |side: Option<u64>| side.map_or_else(|| "missing".to_owned(), |count| count.to_string());
        format!("books: {rule} does not hold: {}, {}", say(left), say(right))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn books() -> Value {
        json!({
            "listen": {"raw": 10, "decoded": 100}, "filter": {"accepted": 90, "rejected": 10},
            "send": {"total": 175}, "errors": {"send.write": 0, "send.disconnected": 5, "fetch.receive": 0}
        })
    }

    #[test]
    fn balanced_books_are_not_complained_about() {
        assert_eq!(unbalanced(&books(), 10), Vec::<String>::new());
    }

    #[test]
    fn each_count_that_is_off_is_told() {
        for (group, key) in [
            ("listen", "raw"),
            ("listen", "decoded"),
            ("filter", "accepted"),
            ("filter", "rejected"),
            ("send", "total"),
            ("errors", "send.write"),
            ("errors", "send.disconnected"),
            ("errors", "fetch.receive"),
        ] {
            let mut books = books();
            books[group][key] = json!(books[group][key].as_u64().unwrap() + 1);
            assert!(!unbalanced(&books, 10).is_empty(), "{group}.{key}");
            books[group].as_object_mut().unwrap().remove(key);
            assert!(unbalanced(&books, 10).iter().any(|p| p.contains("missing")), "{group}.{key}");
        }
    }
}
