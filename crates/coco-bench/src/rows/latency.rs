//! Delay at a rate at which nothing queues.

use std::net::UdpSocket;

use super::{Bench, Outcome};
use crate::delay::{Delays, delay as measure_delay};
use crate::error::{Doing, Error};
use crate::socket;
use crate::statistics::median;
use crate::subject::{COCO, Running, Subject, TIERS};

/// Datagrams a second.
const RATE: u64 = 5_000;

/// The p99 of the delay through Coco less that through the relay.
pub(super) fn delay(bench: &Bench) -> Result<Vec<Outcome>, Error> {
    let subjects = [Subject::Relay, Subject::Coco(COCO)];
    let mut delays = subjects.map(|_| Vec::new());
    for round in 1..=bench.rounds {
        for (subject, delays) in subjects.into_iter().zip(&mut delays) {
            let sockets: Result<Vec<UdpSocket>, _> =
                (0..subject.targets()).map(|_| socket::bind(0)).collect();
            let sockets = sockets.doing(|| "open sockets to receive on".to_owned())?;
            let targets: Result<Vec<_>, _> = sockets.iter().map(UdpSocket::local_addr).collect();
            let targets = targets.doing(|| "read back a port".to_owned())?;
            let mut running = Running::start(&bench.place, subject, &targets)?;
            let measured = measure_delay(running.listen, &sockets, RATE, bench.seconds)?;
            running.child.alive()?;
            (bench.progress)(format_args!(
                "{round}. {}: delay p50 {:.0} us, p95 {:.0}, p99 {:.0}, max {:.0}",
                subject.name(),
                measured.p50,
                measured.p95,
                measured.p99,
                measured.max
            ));
            delays.push(measured);
        }
    }
    let [relay, coco] = &delays;
    let all = |delays: &[Delays], which: fn(&Delays) -> f64| delays.iter().map(which).collect::<Vec<_>>();
    // What disturbs the machine only adds, and most of all to the slowest: the least p99 is the nearest to the truth.
    let p99 = |delays: &[Delays]| all(delays, |delays| delays.p99).into_iter().fold(f64::INFINITY, f64::min);
    let p50 = |delays: &[Delays]| median(&all(delays, |delays| delays.p50));
    let mut outcome = Outcome::new("delay", &[(p99(coco) - p99(relay)) / 1e3]).note(format!(
        "p50 {:.0} us against {:.0}, p99 {:.0} us against {:.0} (the least of {} rounds)",
        p50(coco),
        p50(relay),
        p99(coco),
        p99(relay),
        bench.rounds
    ));
    for (subject, delays) in subjects.iter().zip(&delays) {
        for delays in delays {
            let missing = (delays.sent * TIERS as u64).saturating_sub(delays.received);
            if missing > 0 {
                outcome.complaints.push(format!("{}: {missing} of {} lost", subject.name(), delays.sent));
            }
            outcome.measurements.extend(serde_json::to_value(delays));
        }
    }
    Ok(vec![outcome])
}
