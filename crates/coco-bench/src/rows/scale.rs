//! More metrics and more names than anyone has, and many at once.

use super::{Bench, Outcome, absolute, peak, ratios, warm_ratios};
use crate::blast::Load;
use crate::corpus::{Corpus, Kind};
use crate::error::Error;
use crate::measure::{Run, measure};
use crate::statistics::median;
use crate::subject::{COCO, Configuration, Subject};

/// A cold start: nobody of these is known, and all come within so many seconds.
const COLD_HOSTS: usize = 20_000;
const COLD_METRICS: usize = 100;
const COLD_SECONDS: u64 = 3;

/// Names of the flood, and how many are made at a time.
const FLOOD: usize = 10_000_000;
const WAVE: usize = 500_000;

/// What the state may take in the flood.
const FLOOD_STATE: usize = 64 << 20;

/// Ten times the hosts, which share datagrams.
pub(super) fn large(bench: &Bench) -> Result<Vec<Outcome>, Error> {
    let small = bench.corpus(Kind::Mixed, bench.hosts)?;
    let large = bench.corpus(Kind::Mixed, bench.large_hosts)?;
    // As many datagrams of either, so that both are as warm as the other's numbers allow.
    let datagrams = (bench.rate * bench.seconds).max(2 * large.len() as u64);
    let load = |corpus| Load { datagrams, ..bench.load(corpus) };
    let subject = Subject::Coco(COCO);
    let runs = bench.alternate(&[(subject, load(&small)), (subject, load(&large))])?;
    let [small, large] = &runs[..] else { return Ok(Vec::new()) };
    // The first pass is half of the one's run and a twentieth of the other's: it is the cold start's row.
    let note = format!(
        "once all metrics are known; {} against {} with the first pass, {:.2} ×",
        absolute(large),
        absolute(small),
        median(&ratios(large, small))
    );
    Ok(vec![
        Outcome::new("large-memory", &[peak(large)]).from(large),
        Outcome::new("large-cpu", &warm_ratios(large, small)).note(note).from(small).from(large),
    ])
}

/// A sharder that has just been started while all agents go on: what it loses at the most.
pub(super) fn cold_start(bench: &Bench) -> Result<Vec<Outcome>, Error> {
    let corpus = Corpus::generate_some(Kind::Agents, COLD_HOSTS, COLD_METRICS)?;
    let datagrams = corpus.len() as u64;
    let load = Load { rate: datagrams.div_ceil(COLD_SECONDS), datagrams, ..bench.load(&corpus) };
    // With the receive buffer that Coco takes by itself: a larger one would hold much of this.
    let subject = Subject::Coco(Configuration { receive_buffer: None, ..COCO });
    let mut runs = Vec::new();
    for round in 1..=bench.rounds {
        let run = measure(&bench.place, subject, &load)?;
        bench.tell(round, &run);
        runs.push(run);
    }
    let seconds = median(&runs.iter().map(|run| run.sent.seconds).collect::<Vec<_>>());
    let note = format!(
        "the most of {} runs: {datagrams} datagrams within {seconds:.2} s; {}, peak memory {:.1} MB",
        runs.len(),
        absolute(&runs),
        peak(&runs)
    );
    let most = runs.iter().map(|run| run.lost.unsigned_abs()).max().unwrap_or_default();
    Ok(vec![Outcome::new("cold-start", &[most as f64]).note(note).from(&runs)])
}

/// Names that never come again.
pub(super) fn flood(bench: &Bench) -> Result<Vec<Outcome>, Error> {
    let subject = Subject::Coco(Configuration { max_memory: Some(FLOOD_STATE), ..COCO });
    let mut run = Run::start(&bench.place, subject)?;
    for wave in 0..FLOOD / WAVE {
        let corpus = Corpus::flood(WAVE, wave as u64)?;
        let load = Load { datagrams: corpus.len() as u64, ..bench.load(&corpus) };
        run.send(&load, 0)?;
        run.settle();
    }
    let run = run.finish()?;
    bench.tell(1, &run);
    Ok(vec![Outcome::new("flood", &[run.peak_memory()]).from([&run])])
}
