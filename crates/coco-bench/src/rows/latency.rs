//! Delay at a rate at which nothing queues.

use std::net::UdpSocket;

use serde::Serialize;

use super::{Bench, Outcome};
use crate::delay::{Delays, delay as measure_delay};
use crate::error::{Doing, Error};
use crate::meters::{Beside, Meters};
use crate::socket;
use crate::statistics::median;
use crate::subject::{COCO, Running, Subject, TIERS};

/// Datagrams a second.
const RATE: u64 = 5_000;

/// Seconds of a run: 15,000 datagrams say what their slowest hundredth is.
const SECONDS: u64 = 3;

/// One run.
#[derive(Serialize)]
struct Measured {
    subject: String,
    #[serde(flatten)]
    delays: Delays,
    #[serde(flatten)]
    beside: Beside,
}

/// The p99 of the delay through Coco less that through the relay.
pub(super) fn delay(bench: &Bench) -> Result<Vec<Outcome>, Error> {
    let subjects = [Subject::Relay, Subject::Coco(COCO)];
    let mut runs = subjects.map(|_| Vec::new());
    for round in 1..=bench.rounds {
        for (subject, runs) in subjects.into_iter().zip(&mut runs) {
            // Before the sockets' threads: these run where this one may.
            let cpus = bench.place.cpus.keep(subject.threads())?;
            let sockets: Result<Vec<UdpSocket>, _> =
                (0..subject.targets()).map(|_| socket::bind(0)).collect();
            let sockets = sockets.doing(|| "open sockets to receive on".to_owned())?;
            let targets: Result<Vec<_>, _> = sockets.iter().map(UdpSocket::local_addr).collect();
            let targets = targets.doing(|| "read back a port".to_owned())?;
            let mut running = Running::start(&bench.place, subject, &targets, &cpus)?;
            let start = Meters::read(&running.child, &[])?;
            let delays = measure_delay(running.listen, &sockets, RATE, bench.seconds.min(SECONDS))?;
            let beside = Meters::read(&running.child, &[])?.beside_since(&start);
            running.child.alive()?;
            let measured = Measured { subject: subject.name(), delays, beside };
            (bench.progress)(format_args!(
                "{round}. {}: delay p50 {:.0} us, p95 {:.0}, p99 {:.0}, max {:.0}",
                subject.name(),
                measured.delays.p50,
                measured.delays.p95,
                measured.delays.p99,
                measured.delays.max
            ));
            runs.push(measured);
        }
    }
    let [relay, coco] = &runs;
    let all = |runs: &[Measured], which: fn(&Delays) -> f64| {
        runs.iter().map(|run| which(&run.delays)).collect::<Vec<_>>()
    };
    // What disturbs the machine only adds, and most of all to the slowest: the least p99 is the nearest to the truth.
    let p99 = |runs: &[Measured]| all(runs, |delays| delays.p99).into_iter().fold(f64::INFINITY, f64::min);
    let p50 = |runs: &[Measured]| median(&all(runs, |delays| delays.p50));
    let mut outcome = Outcome::new("delay", &[(p99(coco) - p99(relay)) / 1e3]).note(format!(
        "p50 {:.0} µs against {:.0}, p99 {:.0} µs against {:.0} (the least of {} rounds)",
        p50(coco),
        p50(relay),
        p99(coco),
        p99(relay),
        bench.rounds
    ));
    for run in runs.iter().flatten() {
        let Measured { subject, delays, .. } = run;
        let missing = (delays.sent * TIERS as u64).saturating_sub(delays.received);
        if missing > 0 {
            outcome.complaints.push(format!("{subject}: {missing} of {} lost", delays.sent));
        }
        outcome.measurements.extend(serde_json::to_value(run));
    }
    Ok(vec![outcome])
}
