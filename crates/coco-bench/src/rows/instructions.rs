//! Instructions of Coco's own code per value list, and of Noodle's per request, by callgrind: figures that no neighbour on the
//! machine changes.

use std::time::Duration;

use super::{Bench, Outcome};
use crate::answer::Layout;
use crate::blast::{Load, blast};
use crate::callgrind::Callgrind;
use crate::corpus::{Corpus, Kind};
use crate::cpus::Kept;
use crate::error::Error;
use crate::proxy::REQUEST;
use crate::reads::{Reader, visage};
use crate::sink::Sink;
use crate::subject::{COCO, Configuration, Placing, Running, Subject};

/// How long a program that runs fifty times slower may be silent.
const IDLE: Duration = Duration::from_secs(3);

/// Hosts, of four datagrams each: 40 bursts a pass. With as many source ports every host keeps to one port, as agents
/// do, and so to one lane; enough that the kernel gives every lane some.
const HOSTS: usize = 320;
const SOCKETS: usize = 40;

/// More lanes cost nothing where there are no more cores.
const LANES: [usize; 3] = [1, 2, 4];

/// Of a value list in a datagram of one host and in one of many, and of a request for each layout of its answer.
pub(super) fn counts(bench: &Bench) -> Result<Vec<Outcome>, Error> {
    let mut outcomes = Vec::new();
    for (kind, key) in [(Kind::Agents, "instructions-agents"), (Kind::Mixed, "instructions-mixed")] {
        let count = per_value_list(bench, COCO, &bench.corpus(kind, HOSTS)?)?;
        outcomes.push(Outcome::new(key, &[count]));
    }
    for (layout, key) in
        Layout::ALL.into_iter().zip(["instructions-request", "instructions-blanks", "instructions-indents"])
    {
        outcomes.push(Outcome::new(key, &[per_request(bench, layout)?]));
    }
    Ok(outcomes)
}

/// The largest count over the least. What it costs besides to spread hosts over lanes is in the note.
pub(super) fn lanes(bench: &Bench) -> Result<Vec<Outcome>, Error> {
    let corpus = bench.corpus(Kind::Agents, HOSTS)?;
    let mut counts = Vec::new();
    let spread = Configuration { lanes: 4, threads: 2, spread_hosts: true, ..COCO };
    for configuration in LANES.map(|lanes| Configuration { lanes, ..COCO }).into_iter().chain([spread]) {
        counts.push(per_value_list(bench, configuration, &corpus)?);
    }
    let spread = counts.pop().unwrap_or_default();
    let (least, largest) =
        (counts.iter().copied().fold(f64::MAX, f64::min), counts.iter().copied().fold(0.0, f64::max));
    let note = format!(
        "{counts:.1?} instructions for {LANES:?} lanes, without the kernel's; {spread:.1} for 4 with hosts spread"
    );
    Ok(vec![Outcome::new("instructions-lanes", &[largest / least]).note(note)])
}

/// By rendezvous over on a ring, and two copies of a host in one tier over two tiers of one.
pub(super) fn placings(bench: &Bench) -> Result<Vec<Outcome>, Error> {
    let mut outcomes = Vec::new();
    for (kind, [rendezvous_key, copies_key]) in
        [(Kind::Agents, ["rendezvous", "copies"]), (Kind::Mixed, ["rendezvous-mixed", "copies-mixed"])]
    {
        let corpus = bench.corpus(kind, HOSTS)?;
        let count = |placing| per_value_list(bench, Configuration { placing, ..COCO }, &corpus);
        let ring = count(Placing::Ring)?;
        let rendezvous = count(Placing::Rendezvous)?;
        let apart = count(Placing::Apart)?;
        let copies = count(Placing::Copies)?;
        let note = format!("{rendezvous:.1} instructions, on a ring {ring:.1}, without the kernel's");
        outcomes.push(Outcome::new(rendezvous_key, &[rendezvous / ring]).note(note));
        let note = format!(
            "{copies:.1} instructions; two tiers that part hosts each in its own way {apart:.1}, two that part them alike \
             and are packed for once {rendezvous:.1}"
        );
        outcomes.push(Outcome::new(copies_key, &[copies / apart]).note(note));
    }
    Ok(outcomes)
}

/// What starting, ending and the first pass cost is the same in few passes and many, and falls out of the difference.
fn per_value_list(bench: &Bench, configuration: Configuration, corpus: &Corpus) -> Result<f64, Error> {
    let subject = Subject::Coco(configuration);
    // The same targets for both, so that they differ in nothing but their passes.
    let sink = Sink::anywhere(subject.targets())?;
    let (few, few_lists) = of_passes(bench, subject, &sink, corpus, 2)?;
    let (many, many_lists) = of_passes(bench, subject, &sink, corpus, 8)?;
    let count = (many as f64 - few as f64) / (many_lists - few_lists) as f64;
    (bench.progress)(format_args!("{}: {count:.1} instructions per value list", subject.name()));
    Ok(count)
}

/// Instructions of a whole run and the value lists that came in.
fn of_passes(
    bench: &Bench,
    subject: Subject,
    sink: &Sink,
    corpus: &Corpus,
    passes: u64,
) -> Result<(u64, u64), Error> {
    let callgrind = Callgrind::new(&bench.place);
    let before = sink.total().value_lists;
    let anywhere = Kept::default();
    let running =
        Running::start_under(&bench.place, subject, sink.addresses(), &anywhere, &callgrind.wrapper())?;
    // All of it waits in the receive buffer before the first is received: so batches are full, whoever else runs.
    running.child.pause()?;
    let load = Load { corpus, rate: 0, datagrams: passes * corpus.len() as u64, sockets: SOCKETS };
    let sent = blast(running.listen, &load, 0)?;
    running.child.resume()?;
    let expected = subject.delivers(sent.content);
    let delivered = sink.settle(before + expected, IDLE).value_lists - before;
    running.child.stop()?;
    let count = callgrind.collected()?;
    if delivered != expected {
        return Err(Error::Meaningless(format!(
            "{delivered} of {expected} value lists came through valgrind"
        )));
    }
    Ok((count, sent.content.value_lists))
}

/// The same for requests that follow each other on one connection; the first ones warm caches and connections up.
fn per_request(bench: &Bench, layout: Layout) -> Result<f64, Error> {
    const FEW: u64 = 100;
    const MANY: u64 = 500;
    let target = [visage(layout.answer().as_bytes())?];
    let of_requests = |requests| {
        let callgrind = Callgrind::new(&bench.place);
        let reader = Reader::start_under(&bench.place, "counted", &target, &callgrind.wrapper())?;
        reader.ask(REQUEST, requests)?;
        reader.stop()?;
        callgrind.collected()
    };
    let (few, many) = (of_requests(FEW)?, of_requests(MANY)?);
    let count = (many as f64 - few as f64) / (MANY - FEW) as f64;
    (bench.progress)(format_args!("noodle, {layout:?}: {count:.0} instructions per request"));
    Ok(count)
}
