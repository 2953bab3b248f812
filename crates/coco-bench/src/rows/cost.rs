//! CPU per value list over that of the relay, and the memory that goes with it.

use super::{Bench, Outcome, absolute, datagrams, peak, ratios, warm};
use crate::corpus::{Corpus, Kind};
use crate::error::Error;
use crate::subject::{COCO, Configuration, Subject};

/// One host per datagram, and the memory of it.
pub(super) fn agents(bench: &Bench) -> Result<Vec<Outcome>, Error> {
    with_memory(bench, Kind::Agents, ["agents", "memory"])
}

/// Hosts share datagrams.
pub(super) fn mixed(bench: &Bench) -> Result<Vec<Outcome>, Error> {
    let corpus = bench.corpus(Kind::Mixed, bench.hosts)?;
    Ok(over_relay(bench, &corpus, &[("mixed", COCO)])?.0)
}

/// As agents, with packets as large as a network may carry.
pub(super) fn jumbo(bench: &Bench) -> Result<Vec<Outcome>, Error> {
    let corpus = bench.corpus(Kind::Agents, bench.hosts)?;
    Ok(over_relay(bench, &corpus, &[("jumbo", Configuration { max_packet_size: 8952, ..COCO })])?.0)
}

/// So many targets per tier, of which the relay has one: as it comes, and with packets that wait until they are full. Keys of
/// either, for agents and for datagrams that hosts share.
pub(super) fn fanout(
    bench: &Bench,
    targets_per_tier: usize,
    keys: [[&str; 2]; 2],
) -> Result<Vec<Outcome>, Error> {
    let at_once = Configuration { targets_per_tier, ..COCO };
    let held_back = Configuration { linger: 10, ..at_once };
    let mut outcomes = Vec::new();
    for (kind, [plain, linger]) in [Kind::Agents, Kind::Mixed].into_iter().zip(keys) {
        let corpus = bench.corpus(kind, bench.hosts)?;
        outcomes.extend(over_relay(bench, &corpus, &[(plain, at_once), (linger, held_back)])?.0);
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
    Ok(over_relay(bench, &corpus, &rows)?.0)
}

/// Names that no two hosts share.
pub(super) fn unique(bench: &Bench) -> Result<Vec<Outcome>, Error> {
    with_memory(bench, Kind::Unique, ["unique", "unique-memory"])
}

fn with_memory(bench: &Bench, kind: Kind, [cpu, memory]: [&str; 2]) -> Result<Vec<Outcome>, Error> {
    let corpus = bench.corpus(kind, bench.hosts)?;
    let (mut outcomes, peak) = over_relay(bench, &corpus, &[(cpu, COCO)])?;
    let mut memory = Outcome::new(memory, &[peak]);
    // The same runs stand behind both.
    for outcome in &outcomes {
        memory.complaints.clone_from(&outcome.complaints);
        memory.measurements.clone_from(&outcome.measurements);
    }
    outcomes.push(memory);
    Ok(outcomes)
}

/// The relay and these in turns: a row for each of these, and their peak memory.
fn over_relay(
    bench: &Bench,
    corpus: &Corpus,
    rows: &[(&str, Configuration)],
) -> Result<(Vec<Outcome>, f64), Error> {
    let load = bench.load(corpus);
    let configured = rows.iter().map(|&(_, configuration)| Subject::Coco(configuration));
    let subjects: Vec<_> =
        [Subject::Relay].into_iter().chain(configured).map(|subject| (subject, load)).collect();
    let runs = bench.alternate(&subjects)?;
    let (mut outcomes, mut most) = (Vec::new(), 0.0_f64);
    if let [relay, cocos @ ..] = &runs[..] {
        for ((key, _), coco) in rows.iter().zip(cocos) {
            let (warm, datagrams) = (warm(coco, relay), datagrams(coco, relay));
            let note = format!("{} against {}; {warm}; {datagrams}", absolute(coco), absolute(relay));
            let outcome = Outcome::new(key, &ratios(coco, relay)).beside(absolute(coco)).note(note);
            outcomes.push(outcome.from(relay).from(coco));
            most = most.max(peak(coco));
        }
    }
    Ok((outcomes, most))
}
