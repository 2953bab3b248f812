//! CPU per value list over that of the relay, and the memory that goes with it.

use super::{Bench, Outcome, absolute, peak, ratios, warm};
use crate::corpus::{Corpus, Kind};
use crate::error::Error;
use crate::measure::Measurement;
use crate::subject::{COCO, Configuration, Subject};

/// One host per datagram, and the memory of it.
pub(super) fn agents(bench: &Bench) -> Result<Vec<Outcome>, Error> {
    let corpus = bench.corpus(Kind::Agents, bench.hosts)?;
    let (outcome, coco) = over_relay(bench, "agents", &corpus, COCO)?;
    Ok(vec![outcome, Outcome::new("memory", &[peak(&coco)]).from(&coco)])
}

/// Hosts share datagrams.
pub(super) fn mixed(bench: &Bench) -> Result<Vec<Outcome>, Error> {
    let corpus = bench.corpus(Kind::Mixed, bench.hosts)?;
    Ok(vec![over_relay(bench, "mixed", &corpus, COCO)?.0])
}

/// As agents, with packets as large as a network may carry.
pub(super) fn jumbo(bench: &Bench) -> Result<Vec<Outcome>, Error> {
    let corpus = bench.corpus(Kind::Agents, bench.hosts)?;
    let configuration = Configuration { max_packet_size: 8952, ..COCO };
    Ok(vec![over_relay(bench, "jumbo", &corpus, configuration)?.0])
}

/// So many targets per tier, which the relay sends no more datagrams to than to one.
pub(super) fn fanout(bench: &Bench, targets_per_tier: usize, keys: [&str; 2]) -> Result<Vec<Outcome>, Error> {
    let configuration = Configuration { targets_per_tier, ..COCO };
    let mut outcomes = Vec::new();
    for (kind, key) in [Kind::Agents, Kind::Mixed].into_iter().zip(keys) {
        let corpus = bench.corpus(kind, bench.hosts)?;
        outcomes.push(over_relay(bench, key, &corpus, configuration)?.0);
    }
    Ok(outcomes)
}

/// More lanes, and more threads a lane.
pub(super) fn threads(bench: &Bench) -> Result<Vec<Outcome>, Error> {
    let corpus = bench.corpus(Kind::Agents, bench.hosts)?;
    let rows = [
        ("two-lanes", Configuration { lanes: 2, ..COCO }),
        ("two-threads", Configuration { threads: 2, ..COCO }),
        ("three-threads", Configuration { threads: 3, ..COCO }),
    ];
    let row = |(key, configuration)| Ok(over_relay(bench, key, &corpus, configuration)?.0);
    rows.into_iter().map(row).collect()
}

/// Names that no two hosts share.
pub(super) fn unique(bench: &Bench) -> Result<Vec<Outcome>, Error> {
    let corpus = bench.corpus(Kind::Unique, bench.hosts)?;
    let (outcome, coco) = over_relay(bench, "unique", &corpus, COCO)?;
    Ok(vec![outcome, Outcome::new("unique-memory", &[peak(&coco)]).from(&coco)])
}

/// A row of pairs, relay and Coco in turns, and Coco's runs.
fn over_relay(
    bench: &Bench,
    key: &str,
    corpus: &Corpus,
    configuration: Configuration,
) -> Result<(Outcome, Vec<Measurement>), Error> {
    let load = bench.load(corpus);
    let mut runs = bench.alternate(&[(Subject::Relay, load), (Subject::Coco(configuration), load)])?;
    let (coco, relay) = (runs.pop().unwrap_or_default(), runs.pop().unwrap_or_default());
    let outcome = Outcome::new(key, &ratios(&coco, &relay))
        .beside(absolute(&coco))
        .note(format!("{} against {}; {}", absolute(&coco), absolute(&relay), warm(&coco, &relay)))
        .from(&relay)
        .from(&coco);
    Ok((outcome, coco))
}
