//! Instructions of Coco's own code per value list, by callgrind: what more lanes cost where there are no more cores.

use super::{Bench, Outcome};
use crate::blast::Load;
use crate::corpus::{Corpus, Kind};
use crate::error::{Doing, Error};
use crate::sink::Sink;
use crate::subject::{COCO, Configuration, Running, Subject};
use std::time::Duration;

/// Slow enough for a program that runs fifty times slower, with the receive buffer's help.
const RATE: u64 = 2_000;

/// How long such a program may be silent.
const IDLE: Duration = Duration::from_secs(3);

/// Enough source ports that the kernel gives every lane some.
const SOCKETS: usize = 64;

const LANES: [usize; 3] = [1, 2, 4];

/// The largest count over the least.
pub(super) fn lanes(bench: &Bench) -> Result<Vec<Outcome>, Error> {
    let corpus = bench.corpus(Kind::Agents, bench.hosts.min(300))?;
    let mut counts = Vec::new();
    for lanes in LANES {
        let subject = Subject::Coco(Configuration { lanes, ..COCO });
        // What starting, ending and the first pass cost is the same in both and falls out of the difference.
        let (few, few_lists) = instructions(bench, subject, &corpus, 2)?;
        let (many, many_lists) = instructions(bench, subject, &corpus, 6)?;
        let count = (many as f64 - few as f64) / (many_lists - few_lists) as f64;
        (bench.progress)(format_args!("{}: {count:.1} instructions per value list", subject.name()));
        counts.push(count);
    }
    let (least, largest) =
        (counts.iter().copied().fold(f64::MAX, f64::min), counts.iter().copied().fold(0.0, f64::max));
    let note = format!("{counts:.1?} instructions for {LANES:?} lanes, without the kernel's");
    Ok(vec![Outcome::new("instructions", &[largest / least]).note(note)])
}

/// Instructions of a whole run and the value lists that came in.
fn instructions(bench: &Bench, subject: Subject, corpus: &Corpus, passes: u64) -> Result<(u64, u64), Error> {
    let out = bench.place.folder.join("callgrind");
    let log = bench.place.folder.join("valgrind");
    let wrapper = [
        "valgrind".to_owned(),
        "--tool=callgrind".to_owned(),
        format!("--callgrind-out-file={}", out.display()),
        format!("--log-file={}", log.display()),
    ];
    let sink = Sink::anywhere(subject.targets())?;
    let running = Running::start_under(&bench.place, subject, sink.addresses(), &wrapper)?;
    let load = Load { corpus, rate: RATE, datagrams: passes * corpus.len() as u64, sockets: SOCKETS };
    let sent = crate::blast::blast(running.listen, &load, 0)?;
    let delivered = sink.settle(subject.delivers(sent.content), IDLE).value_lists;
    running.child.stop()?;
    let said = std::fs::read_to_string(&log).doing(|| format!("read {}", log.display()))?;
    // ==1234== Collected : 987654321
    let count = said.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
    let missing = || Error::Answer { from: "valgrind".to_owned(), problem: format!("no count in:\n{said}") };
    let lost = subject.delivers(sent.content) - delivered;
    if lost > 0 {
        return Err(Error::Meaningless(format!("{lost} value lists lost under valgrind")));
    }
    Ok((count.ok_or_else(missing)?, sent.content.value_lists))
}
