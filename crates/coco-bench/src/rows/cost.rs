//! CPU per value list over that of the relay, and the memory that goes with it.

use super::{Bench, Outcome, absolute, peak, ratios};
use crate::corpus::Kind;
use crate::error::Error;
use crate::subject::{COCO, Configuration, Subject};

/// One host per datagram: as it comes, with larger packets, and the memory of it.
pub(super) fn agents(bench: &Bench, cost: bool, jumbo: bool, memory: bool) -> Result<Vec<Outcome>, Error> {
    let mut outcomes = Vec::new();
    if !(cost || jumbo || memory) {
        return Ok(outcomes);
    }
    let corpus = bench.corpus(Kind::Agents, bench.hosts)?;
    let load = bench.load(&corpus);
    let mut subjects = Vec::new();
    if cost || jumbo {
        subjects.push(Subject::Relay);
    }
    if cost || memory {
        subjects.push(Subject::Coco(COCO));
    }
    if jumbo {
        subjects.push(Subject::Coco(Configuration { max_packet_size: 8952, ..COCO }));
    }
    let runs = bench.alternate(&subjects.iter().map(|&subject| (subject, load)).collect::<Vec<_>>())?;
    let runs_of = |subject| subjects.iter().position(|&own| own == subject).map(|position| &runs[position]);
    if let (true, Some(coco), Some(relay)) = (cost, runs_of(Subject::Coco(COCO)), runs_of(Subject::Relay)) {
        outcomes.push(
            Outcome::new("agents", &ratios(coco, relay)).note(absolute(coco, relay)).from(relay).from(coco),
        );
    }
    if let (true, Some(coco), Some(relay)) = (jumbo, runs.last(), runs_of(Subject::Relay)) {
        outcomes.push(
            Outcome::new("jumbo", &ratios(coco, relay)).note(absolute(coco, relay)).from(relay).from(coco),
        );
    }
    if let (true, Some(coco)) = (memory, runs_of(Subject::Coco(COCO))) {
        outcomes.push(Outcome::new("memory", &[peak(coco)]).from(coco));
    }
    Ok(outcomes)
}

/// Hosts share datagrams.
pub(super) fn mixed(bench: &Bench) -> Result<Vec<Outcome>, Error> {
    let corpus = bench.corpus(Kind::Mixed, bench.hosts)?;
    let load = bench.load(&corpus);
    let runs = bench.alternate(&[(Subject::Relay, load), (Subject::Coco(COCO), load)])?;
    let [relay, coco] = &runs[..] else { return Ok(Vec::new()) };
    Ok(vec![Outcome::new("mixed", &ratios(coco, relay)).note(absolute(coco, relay)).from(relay).from(coco)])
}

/// Names that no two hosts share.
pub(super) fn unique(bench: &Bench) -> Result<Vec<Outcome>, Error> {
    let corpus = bench.corpus(Kind::Unique, bench.hosts)?;
    let load = bench.load(&corpus);
    let runs = bench.alternate(&[(Subject::Relay, load), (Subject::Coco(COCO), load)])?;
    let [relay, coco] = &runs[..] else { return Ok(Vec::new()) };
    Ok(vec![
        Outcome::new("unique", &ratios(coco, relay)).note(absolute(coco, relay)).from(relay).from(coco),
        Outcome::new("unique-memory", &[peak(coco)]).from(coco),
    ])
}
