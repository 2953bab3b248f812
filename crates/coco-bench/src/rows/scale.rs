//! More hosts, more targets, more names than anyone has.

use super::{Bench, Outcome, absolute, peak, ratios};
use crate::blast::Load;
use crate::corpus::{Corpus, Kind};
use crate::error::Error;
use crate::measure::Run;
use crate::subject::{COCO, Configuration, Subject};

/// Names of the flood, and how many are made at a time.
const FLOOD: usize = 10_000_000;
const WAVE: usize = 500_000;

/// What the state may take in the flood.
const FLOOD_STATE: usize = 64 << 20;

/// Ten times the hosts.
pub(super) fn large(bench: &Bench) -> Result<Vec<Outcome>, Error> {
    let small = bench.corpus(Kind::Agents, bench.hosts)?;
    let large = bench.corpus(Kind::Agents, bench.large_hosts)?;
    // As many datagrams of either, so that both are as warm as the other's numbers allow.
    let datagrams = (bench.rate * bench.seconds).max(3 * large.len() as u64);
    let load = |corpus| Load { datagrams, ..bench.load(corpus) };
    let subject = Subject::Coco(COCO);
    let runs = bench.alternate(&[(subject, load(&small)), (subject, load(&large))])?;
    let [small, large] = &runs[..] else { return Ok(Vec::new()) };
    Ok(vec![
        Outcome::new("large-memory", &[peak(large)]).from(large),
        Outcome::new("large-cpu", &ratios(large, small)).note(absolute(large, small)).from(small).from(large),
    ])
}

/// A hundred times the targets.
pub(super) fn fanout(bench: &Bench) -> Result<Vec<Outcome>, Error> {
    let corpus = bench.corpus(Kind::Agents, bench.hosts)?;
    let load = bench.load(&corpus);
    let many = Configuration { targets_per_tier: 200, ..COCO };
    let runs = bench.alternate(&[(Subject::Coco(COCO), load), (Subject::Coco(many), load)])?;
    let [few, many] = &runs[..] else { return Ok(Vec::new()) };
    Ok(vec![Outcome::new("fanout", &ratios(many, few)).note(absolute(many, few)).from(few).from(many)])
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
