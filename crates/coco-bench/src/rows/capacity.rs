//! The highest rate at which nothing is lost, and what half of it leaves room for.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Bench, Outcome};
use crate::blast::Load;
use crate::corpus::{Corpus, Kind};
use crate::error::Error;
use crate::http;
use crate::measure::{Measurement, Run};
use crate::sink::Counting;
use crate::statistics::{Search, median};
use crate::subject::{COCO, Subject};

/// Seconds of each try.
const SECONDS: u64 = 2;

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
        let (found, tries) = highest_lossless(bench, &[Subject::Relay, coco], &corpus, bench.rounds)?;
        let [relay, coco] = &found[..] else { return Ok(outcomes) };
        if relay.contains(&0) {
            return Err(Error::Meaningless("the relay loses datagrams at any rate".to_owned()));
        }
        let ratios: Vec<f64> =
            coco.iter().zip(relay).map(|(&coco, &relay)| coco as f64 / relay as f64).collect();
        let note = format!("{:.0} datagrams/s against {:.0}; {tries}", middle(coco), middle(relay));
        let mut outcome =
            Outcome::new("lossless", &ratios).beside(format!("{:.0} datagrams/s", middle(coco))).note(note);
        outcome.measurements = tries.runs;
        outcomes.push(outcome);
        middle(coco)
    } else {
        middle(&highest_lossless(bench, &[coco], &corpus, 1)?.0.concat())
    };
    if api {
        outcomes.push(fetched_under_load(bench, &corpus, found as u64 / 2)?);
    }
    Ok(outcomes)
}

fn middle(rates: &[u64]) -> f64 {
    median(&rates.iter().map(|&rate| rate as f64).collect::<Vec<_>>())
}

/// The rates of each subject, round by round, found in turns.
fn highest_lossless(
    bench: &Bench,
    subjects: &[Subject],
    corpus: &Corpus,
    rounds: usize,
) -> Result<(Vec<Vec<u64>>, Tries), Error> {
    let mut found = vec![Vec::new(); subjects.len()];
    let mut tries = Tries::default();
    for _ in 0..rounds {
        let mut searches: Vec<Search> = found.iter().map(|found| search(found)).collect();
        while searches.iter().any(|search| search.next().is_some()) {
            for (&subject, search) in subjects.iter().zip(&mut searches) {
                if let Some(rate) = search.next() {
                    search.record(holds(bench, subject, corpus, rate, &mut tries)?);
                }
            }
        }
        for (found, search) in found.iter_mut().zip(&searches) {
            found.push(search.found());
        }
    }
    Ok((found, tries))
}

/// From far below at first, then from a little below the best that was found: its double is above it, too.
fn search(found: &[u64]) -> Search {
    match found.iter().max() {
        None | Some(0) => Search::new(8_000, 256_000, 4),
        Some(best) => Search::new(best * 5 / 8, best * 5 / 4, 4),
    }
}

/// Why rates did not hold.
#[derive(Default)]
struct Tries {
    lost: usize,
    not_offered: usize,
    /// How quiet the machine was meanwhile.
    runs: Vec<Value>,
}

impl std::fmt::Display for Tries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { lost, not_offered, .. } = self;
        write!(
            f,
            "of the tries that did not hold {lost} lost something, and in {not_offered} the sender could not send so fast"
        )
    }
}

fn holds(
    bench: &Bench,
    subject: Subject,
    corpus: &Corpus,
    rate: u64,
    tries: &mut Tries,
) -> Result<bool, Error> {
    let load = Load { corpus, rate, datagrams: rate * SECONDS, sockets: 4 };
    for try_number in 1..=TRIES {
        // Who looks into each datagram could not follow.
        let mut run = Run::start_counting(&bench.place, subject, Counting::Datagrams)?;
        run.send(&load, 0)?;
        let run = run.finish()?;
        // Without its losses, which are what is looked for, and no flaw of the figure.
        let mut beside = json!(run.beside);
        beside["subject"] = json!(run.subject);
        tries.runs.push(beside);
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
        tries.lost += usize::from(!run.is_clean());
        tries.not_offered += usize::from(run.is_clean());
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
