//! The highest rate at which nothing is lost, and what half of it leaves room for.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{Bench, Outcome};
use crate::blast::Load;
use crate::corpus::{Corpus, Kind};
use crate::error::Error;
use crate::http;
use crate::measure::{Measurement, Run, measure};
use crate::statistics::Search;
use crate::subject::{COCO, Subject};

/// Seconds of each try.
const SECONDS: u64 = 4;

/// A rate holds if one of so many tries loses nothing: what disturbs a run can only take away.
const TRIES: usize = 2;

/// A sender that falls behind by more has not offered the rate.
const OFFERED: f64 = 0.97;

/// What operators and their monitoring fetch.
const PATHS: [&str; 3] = ["/tiers", "/debug/vars", "/metrics"];

/// Both rows: the second needs Coco's figure of the first.
pub(super) fn outcomes(bench: &Bench, lossless: bool, api: bool) -> Result<Vec<Outcome>, Error> {
    let mut outcomes = Vec::new();
    if !(lossless || api) {
        return Ok(outcomes);
    }
    let corpus = bench.corpus(Kind::Agents, bench.hosts)?;
    let coco = Subject::Coco(COCO);
    let found = if lossless {
        let found = highest_lossless(bench, &[coco, Subject::Relay], &corpus)?;
        let [coco, relay] = found[..] else { return Ok(outcomes) };
        if relay == 0 {
            return Err(Error::Meaningless("the relay loses datagrams at any rate".to_owned()));
        }
        let note = format!("{coco} datagrams/s against {relay}");
        outcomes.push(Outcome::new("lossless", &[coco as f64 / relay as f64]).note(note));
        found
    } else {
        highest_lossless(bench, &[coco], &corpus)?
    };
    if let (true, Some(coco)) = (api, found.first()) {
        outcomes.push(fetched_under_load(bench, &corpus, coco / 2)?);
    }
    Ok(outcomes)
}

/// The rate of each subject, found in turns.
fn highest_lossless(bench: &Bench, subjects: &[Subject], corpus: &Corpus) -> Result<Vec<u64>, Error> {
    let mut searches: Vec<_> =
        subjects.iter().map(|&subject| (subject, Search::new(8_000, 256_000, 4))).collect();
    while searches.iter().any(|(_, search)| search.next().is_some()) {
        for (subject, search) in &mut searches {
            if let Some(rate) = search.next() {
                search.record(holds(bench, *subject, corpus, rate)?);
            }
        }
    }
    Ok(searches.iter().map(|(_, search)| search.found()).collect())
}

fn holds(bench: &Bench, subject: Subject, corpus: &Corpus, rate: u64) -> Result<bool, Error> {
    let load = Load { corpus, rate, datagrams: rate * SECONDS, sockets: 4 };
    for try_number in 1..=TRIES {
        let run = measure(&bench.place, subject, &load)?;
        let holds = run.is_clean() && run.rate >= OFFERED * rate as f64;
        (bench.progress)(format_args!(
            "{} at {rate}/s, try {try_number}: offered {:.0}, {} lost, kernel drops {} before, {} behind: {}",
            subject.name(),
            run.rate,
            run.lost,
            run.dropped_before,
            run.dropped_behind,
            if holds { "holds" } else { "does not hold" }
        ));
        if holds {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The run that lost least of several, which ends with the first that loses nothing.
fn fetched_under_load(bench: &Bench, corpus: &Corpus, rate: u64) -> Result<Outcome, Error> {
    let mut best: Option<(Measurement, Fetches)> = None;
    for try_number in 1..=TRIES {
        let tried = run_with_fetches(bench, corpus, rate)?;
        bench.tell(try_number, &tried.0);
        let clean = tried.0.is_clean();
        if best.as_ref().is_none_or(|(best, _)| tried.0.lost.abs() < best.lost.abs()) {
            best = Some(tried);
        }
        if clean {
            break;
        }
    }
    let (run, fetches) = best.ok_or_else(|| Error::Meaningless("nothing was tried".to_owned()))?;
    let mut outcome = Outcome::new("api", &[run.lost as f64]).from([&run]).note(format!(
        "at {rate} datagrams/s {} answers of {:.1} MB in all, the slowest after {:.0} ms",
        fetches.answers,
        fetches.bytes as f64 / 1e6,
        fetches.slowest.as_secs_f64() * 1e3
    ));
    outcome.complaints.extend(fetches.failures);
    Ok(outcome)
}

fn run_with_fetches(bench: &Bench, corpus: &Corpus, rate: u64) -> Result<(Measurement, Fetches), Error> {
    let load = Load { rate: rate.max(1), datagrams: rate.max(1) * bench.seconds, ..bench.load(corpus) };
    let mut run = Run::start(&bench.place, Subject::Coco(COCO))?;
    let done = AtomicBool::new(false);
    let api = run.running.api;
    let (loaded, fetches) = std::thread::scope(|scope| {
        let fetches = scope.spawn(|| api.map(|api| fetch_every_second(api, &done)));
        let loaded = run.load(&load);
        done.store(true, Ordering::Relaxed);
        (loaded, fetches.join())
    });
    loaded?;
    let fetches =
        fetches.ok().flatten().ok_or_else(|| Error::Meaningless("nothing was fetched".to_owned()))?;
    Ok((run.finish()?, fetches))
}

#[derive(Default)]
struct Fetches {
    answers: u64,
    bytes: u64,
    slowest: Duration,
    failures: Vec<String>,
}

fn fetch_every_second(api: SocketAddr, done: &AtomicBool) -> Fetches {
    let mut fetches = Fetches::default();
    let mut due = Instant::now();
    while !done.load(Ordering::Relaxed) {
        if Instant::now() < due {
            std::thread::sleep(Duration::from_millis(20));
            continue;
        }
        due += Duration::from_secs(1);
        for path in PATHS {
            let start = Instant::now();
            match http::get(api, path) {
                Ok(body) => {
                    fetches.answers += 1;
                    fetches.bytes += body.len() as u64;
                    fetches.slowest = fetches.slowest.max(start.elapsed());
                }
                Err(failure) => fetches.failures.push(failure.to_string()),
            }
        }
    }
    fetches
}
