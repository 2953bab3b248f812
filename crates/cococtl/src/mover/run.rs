//! `cococtl move run` and `cococtl move verify`: all hosts, side by side, with what came of each told and written down.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use coco_core::placement::migration::Stage;
use coco_core::text;
use serde_json::{Value, json};

use super::carry::{Carried, carry};
use super::crew::{Crew, Desk};
use super::journal::Entry;
use super::latecomers::Latecomers;
use super::options::{Options, Purpose};
use super::plan::{Plan, bytes, warn};
use super::record::Record;
use super::steps::Course;
use super::survey::Survey;
use super::way::Passage;
use crate::failure::{Failure, Outcome};
use crate::node::protocol::Text;

/// How often people are told how far it is.
const BETWEEN_TELLING: Duration = Duration::from_secs(1);

/// Times that what was moved is checked, until nothing has to be changed.
const CHECKS: u32 = 4;

/// So many steps of its files pass before.
const STEPS_TO_WAIT: u64 = 2;

/// Steps longer than that, in seconds, are not waited for.
const MOST_STEP: u64 = 300;

/// Moves what may be moved.
pub(super) fn run(options: &Options) -> Result<Outcome, Failure> {
    let tiers = options.tiers()?;
    let ways = options.ways(&tiers, Some(Purpose::Move))?;
    let launcher = options.launcher(&ways)?;
    let crew = Crew::new(&launcher, options.parallel.into());
    let mut desk = crew.desk();
    let survey = Survey::take(&ways, &mut desk)?;
    let mut silent = survey.told()?;
    let way = ways.label();
    let journal = Record::look(&options.journal, &way)?;
    let all = survey.passages(&ways, |stage| stage == Stage::Both);
    let is_left = |passage: &&Passage| {
        let state = journal.state(&passage.host, &passage.from, &passage.to);
        !state.moved || state.unfinished > 0
    };
    let passages: Vec<_> = all.iter().filter(is_left).cloned().collect();
    let plan = Plan::new(&mut desk, &passages)?;
    // Hosts on their way to one of them fail one by one, and the others go on.
    silent.extend(plan.silent.iter().filter(|told| !silent.contains(told)).cloned().collect::<Vec<_>>());
    warn(&silent)?;
    refuse_without_room(&plan)?;
    let latecomers = Latecomers::new(&plan, &passages);
    desk.finish();
    let mut report = Report { verb: "moved", json: options.json };
    report.begin(&format!(
        "{} hosts to move, {} moved before; {} more are not written to both owners yet",
        passages.len(),
        all.len() - passages.len(),
        survey.standing.old
    ))?;
    if options.dry_run {
        report.would(&passages)?;
        return Ok(Outcome::Fine);
    }
    let mut record = Record::open(&options.journal, &way)?;
    let mut totals = Totals::default();
    let work = Work { crew: &crew, latecomers, start: Instant::now() };
    let moved = |passage: &Passage, carried: &Carried| entry(passage, carried, false);
    work.on(passages, &mut record, &report, &mut totals, |_| Course::of_a_move(), moved)?;
    report.verb = "checked";
    check(&work, &all, &mut record, &report, &mut totals)?;
    report.verb = "moved";
    report.end(&totals, work.start.elapsed())?;
    Ok(Outcome::finding(!totals.failed.is_empty() || !silent.is_empty()))
}

/// Looks again at hosts that were moved, until nothing more was changed.
fn check(
    work: &Work<'_>,
    all: &[Passage],
    record: &mut Record,
    report: &Report,
    totals: &mut Totals,
) -> Result<(), Failure> {
    for _ in 0..CHECKS {
        let is_left = |passage: &&Passage| {
            let state = record.journal.state(&passage.host, &passage.from, &passage.to);
            state.moved && !state.checked
        };
        let passages: Vec<_> = all.iter().filter(is_left).cloned().collect();
        if passages.is_empty() {
            break;
        }
        // A value that the new owner missed while its file was exchanged shows once the next one has arrived.
        thread::sleep(Duration::from_secs(STEPS_TO_WAIT * totals.step.clamp(1, MOST_STEP)));
        let checked = |passage: &Passage, carried: &Carried| entry(passage, carried, carried.changed == 0);
        work.on(passages, record, report, totals, |_| Course::of_a_check(), checked)?;
    }
    Ok(())
}

fn entry(passage: &Passage, carried: &Carried, checked: bool) -> Entry {
    Entry::Moved {
        host: Text(passage.host.clone()),
        from: passage.from.clone(),
        to: passage.to.clone(),
        files: carried.files,
        changed: carried.changed,
        unfinished: carried.unfinished,
        checked,
    }
}

fn refuse_without_room(plan: &Plan) -> Result<(), Failure> {
    let full: Vec<_> = plan.full().map(|full| Failure::Refused(full.to_string())).collect();
    if full.is_empty() { Ok(()) } else { Err(Failure::Several(full)) }
}

/// Compares what former owners have with what the new ones have.
pub(super) fn verify(options: &Options) -> Result<Outcome, Failure> {
    let tiers = options.tiers()?;
    let ways = options.ways(&tiers, None)?;
    let launcher = options.launcher(&ways)?;
    let crew = Crew::new(&launcher, options.parallel.into());
    let mut desk = crew.desk();
    let survey = Survey::take(&ways, &mut desk)?;
    let silent = survey.told()?;
    warn(&silent)?;
    desk.finish();
    let passages = survey.passages(&ways, |stage| matches!(stage, Stage::Both | Stage::New));
    let ended = survey.passages(&ways, |stage| stage == Stage::New);
    let report = Report { verb: "verified", json: options.json };
    report.begin(&format!("{} hosts to compare", passages.len()))?;
    if options.dry_run {
        report.would(&passages)?;
        return Ok(Outcome::Fine);
    }
    let mut record = Record::open(&options.journal, &ways.label())?;
    let run = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis());
    let run = u64::try_from(run).unwrap_or(u64::MAX);
    let ended: HashSet<Passage> = ended.into_iter().collect();
    let course = |passage: &Passage| Course::of_a_comparison(ended.contains(passage));
    let entry = |passage: &Passage, carried: &Carried| {
        let (host, to) = (Text(passage.host.clone()), passage.to.clone());
        // What may still differ is as good as it can be told, and counts for nothing.
        match carried.unfinished {
            0 => Entry::Verified { host, from: passage.from.clone(), to, run },
            _ => Entry::Differs { host, to },
        }
    };
    let work = Work { crew: &crew, latecomers: Latecomers::default(), start: Instant::now() };
    let mut totals = Totals::default();
    work.on(passages, &mut record, &report, &mut totals, course, entry)?;
    record.write(&Entry::Ended { run })?;
    report.end(&totals, work.start.elapsed())?;
    Ok(Outcome::finding(!totals.failed.is_empty() || !silent.is_empty()))
}

/// A crew that began at a time.
struct Work<'a> {
    crew: &'a Crew<'a>,
    latecomers: Latecomers,
    start: Instant,
}

impl Work<'_> {
    /// Has the crew do it, and tells and writes down what came of each.
    fn on(
        &self,
        passages: Vec<Passage>,
        record: &mut Record,
        report: &Report,
        totals: &mut Totals,
        course: impl Fn(&Passage) -> Course + Sync,
        entry: impl Fn(&Passage, &Carried) -> Entry,
    ) -> Result<(), Failure> {
        let of = passages.len() as u64;
        let (done, results) = channel();
        thread::scope(|scope| {
            let act = |passage: &Passage, desk: &mut Desk<'_>| match self.latecomers.admit(passage, desk) {
                Ok(()) => carry(passage, desk, &course(passage)),
                Err(reason) => Carried::failed(&reason),
            };
            scope.spawn(move || self.crew.work(passages, act, done));
            let (mut last_told, mut hosts) = (Instant::now(), 0);
            loop {
                match results.recv_timeout(BETWEEN_TELLING) {
                    Ok((passage, carried)) => {
                        hosts += 1;
                        totals.add(&passage, &carried);
                        let (host, to) = (Text(passage.host.clone()), passage.to.clone());
                        let differs = Entry::Differs { host, to };
                        // Who returns here drops the receiver, which stops the crew.
                        record.write(&if carried.is_well() { entry(&passage, &carried) } else { differs })?;
                        report.host(&passage, &carried)?;
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return Ok(()),
                }
                if last_told.elapsed() >= BETWEEN_TELLING {
                    last_told = Instant::now();
                    report.progress(hosts, of, totals, self.start.elapsed())?;
                }
            }
        })
    }
}

/// What came of all hosts so far.
#[derive(Debug, Default)]
struct Totals {
    hosts: HashSet<Passage>,
    /// Those that were not well when they were looked at last.
    failed: HashSet<Passage>,
    /// Files with rows in progress that may differ, of those that have any.
    unfinished: HashMap<Passage, u64>,
    step: u64,
    files: u64,
    changed: u64,
    values: u64,
    compared: u64,
    bytes: u64,
}

impl Totals {
    fn add(&mut self, passage: &Passage, carried: &Carried) {
        let is_first = self.hosts.insert(passage.clone());
        self.failed.remove(passage);
        if !carried.is_well() {
            self.failed.insert(passage.clone());
        }
        self.unfinished.remove(passage);
        if carried.unfinished > 0 {
            self.unfinished.insert(passage.clone(), carried.unfinished);
        }
        self.step = self.step.max(carried.step);
        self.files += if is_first { carried.files } else { 0 };
        self.changed += carried.changed;
        self.values += carried.values;
        self.compared += carried.compared;
        self.bytes += carried.bytes;
    }
}

/// What is told, to people or to programs.
struct Report {
    verb: &'static str,
    json: bool,
}

impl Report {
    fn begin(&self, line: &str) -> io::Result<()> {
        if self.json { Ok(()) } else { say(line) }
    }

    fn would(&self, passages: &[Passage]) -> io::Result<()> {
        for passage in passages {
            let (host, from, to) = (text::name(&passage.host), passage.from.join(", "), &passage.to);
            match self.json {
                true => say(&json!({"event": "would", "host": text::in_json(&passage.host), "from": passage.from, "to": to}).to_string())?,
                false => say(&format!("{host}: {from} -> {to}"))?,
            }
        }
        Ok(())
    }

    fn host(&self, passage: &Passage, carried: &Carried) -> io::Result<()> {
        if self.json {
            return say(&self.object(passage, carried).to_string());
        }
        // Of thousands that went well there is nothing to say.
        for wrong in &carried.wrong {
            let (host, to) = (text::name(&passage.host), &passage.to);
            say(&format!("{host} -> {to}: {}", text::Line(wrong)))?;
        }
        Ok(())
    }

    fn object(&self, passage: &Passage, carried: &Carried) -> Value {
        let event = if carried.is_well() { self.verb } else { "failed" };
        let Carried { files, changed, values, compared, bytes, unfinished, wrong, .. } = carried;
        json!({"event": event, "host": text::in_json(&passage.host), "from": passage.from, "to": passage.to, "files": files,
               "changed": changed, "values": values, "compared": compared, "bytes": bytes, "unfinished": unfinished,
               "wrong": wrong})
    }

    fn progress(&self, hosts: u64, of: u64, totals: &Totals, elapsed: Duration) -> io::Result<()> {
        if self.json {
            return say(&json!({"event": "progress", "hosts": hosts, "of": of}).to_string());
        }
        let rate = hosts as f64 / elapsed.as_secs_f64();
        let left = if rate > 0.0 {
            format!(", about {:.0} s left", (of - hosts) as f64 / rate)
        } else {
            String::new()
        };
        say(&format!(
            "{} {hosts} of {of} hosts, {} files, {}{left}",
            self.verb,
            totals.files,
            bytes(totals.bytes)
        ))
    }

    fn end(&self, totals: &Totals, elapsed: Duration) -> io::Result<()> {
        let Totals { files, changed, values, compared, bytes: written, .. } = totals;
        let (hosts, failed) = (totals.hosts.len(), totals.failed.len());
        let unfinished: u64 = totals.unfinished.values().sum();
        let seconds = elapsed.as_secs_f64();
        if self.json {
            let object = json!({"event": "done", "hosts": hosts, "failed": failed, "files": files, "changed": changed,
                "values": values, "compared": compared, "bytes": written, "unfinished": unfinished, "seconds": seconds});
            return say(&object.to_string());
        }
        say(&format!(
            "{} {} hosts, {failed} failed: {files} files, {changed} changed, {values} values that were missing or others, {compared} \
             compared, {} written in {seconds:.1} s ({:.0} files/s)",
            self.verb,
            hosts - failed,
            bytes(*written),
            *files as f64 / seconds.max(0.001)
        ))?;
        if unfinished > 0 {
            say(&format!(
                "{unfinished} files have rows in progress that may differ: do it again when they are full, at the latest when the \
                 longest row has passed since hosts are written to both owners"
            ))?;
        }
        Ok(())
    }
}

/// Writes a line at once: whoever watches goes by it.
fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
