//! Samples for engines: what they cost over value lists for nodes, over the snappy encoder and over collectd; and whether a
//! VictoriaMetrics gets all of many.

use super::{Bench, Outcome};
use crate::bridge::{Pace, Run, Taker, victoria_metrics};
use crate::engine::Engine;
use crate::error::Error;
use crate::samples::Samples;
use crate::sink::Sink;
use crate::statistics::median;

/// Value lists a second: what one collectd takes in with half a core.
const RATE: u64 = 50_000;

/// Samples a second for VictoriaMetrics.
const MANY: u64 = 200_000;

/// Times that the snappy encoder may be paid for.
const SNAPPY: f64 = 4.0;

/// What one round took.
struct Round {
    node: Run,
    engine: Run,
    collectd: Run,
    snappy: f64,
}

/// CPU per sample against what it may be, and against collectd's.
pub(super) fn cost(bench: &Bench) -> Result<Vec<Outcome>, Error> {
    let mut rounds = Vec::new();
    for number in 1..=bench.rounds {
        let round = round(bench)?;
        for run in [&round.node, &round.engine, &round.collectd] {
            tell(bench, number, run);
        }
        (bench.progress)(format_args!("{number}. snappy alone: {:.4} us per sample", round.snappy));
        rounds.push(round);
    }
    let figures = |of: fn(&Round) -> f64| rounds.iter().map(of).collect::<Vec<_>>();
    let middle = |of: fn(&Round) -> f64| median(&figures(of));
    let allowed = figures(|round| {
        round.engine.cpu_us_per_value_list / (round.node.cpu_us_per_value_list + SNAPPY * round.snappy)
    });
    let collectd = figures(|round| round.engine.cpu_us_per_value_list / round.collectd.cpu_us_per_value_list);
    let note = format!(
        "{:.3} us against {:.3} for a node, {:.4} for snappy alone and {:.3} for collectd",
        middle(|round| round.engine.cpu_us_per_value_list),
        middle(|round| round.node.cpu_us_per_value_list),
        middle(|round| round.snappy),
        middle(|round| round.collectd.cpu_us_per_value_list),
    );
    let mut outcomes =
        [Outcome::new("remote-write", &allowed).note(note), Outcome::new("remote-write-collectd", &collectd)];
    let runs = || rounds.iter().flat_map(|round| [&round.node, &round.engine, &round.collectd]);
    for outcome in &mut outcomes {
        outcome.measurements = runs().filter_map(|run| serde_json::to_value(run).ok()).collect();
        outcome.complaints = runs().filter_map(complaint).collect();
    }
    Ok(outcomes.into())
}

/// Each in turn, so that what disturbs the machine for a while disturbs all of them.
fn round(bench: &Bench) -> Result<Round, Error> {
    let pace = Pace { rate: RATE, seconds: bench.seconds };
    let mut samples = Samples::new()?;
    let sink = Sink::anywhere(1)?;
    let address = sink.addresses()[0];
    let node = Taker::coco(&bench.place, "coco, a node", &format!("[tiers.t]\ntargets = [\"{address}\"]\n"))?;
    let node = node.run(&mut samples, pace, &|_| Ok(Some(sink.total().value_lists)))?;
    let engine = Engine::start()?;
    let taker = Taker::coco(&bench.place, "coco, an engine", &tier(&engine.url()))?;
    let written = taker.run(&mut samples, pace, &|_| Ok(Some(engine.samples())))?;
    let snappy = engine.snappy()?;
    let collectd = Taker::collectd(&bench.place)?.run(&mut samples, pace, &|_| Ok(None))?;
    Ok(Round { node, engine: written, collectd, snappy })
}

/// Many for long into a VictoriaMetrics: what it did not get, and what that took of memory.
pub(super) fn many(bench: &Bench) -> Result<Vec<Outcome>, Error> {
    let (victoria, url) = victoria_metrics(&bench.place)?;
    let taker = Taker::coco(&bench.place, "coco, VictoriaMetrics", &tier(&url))?;
    let pace = Pace { rate: MANY, seconds: bench.sustained };
    (bench.progress)(format_args!("{MANY} samples a second into a VictoriaMetrics for {} s", pace.seconds));
    let run =
        taker.run(&mut Samples::new()?, pace, &|taker| taker.count("remote_write.delivered").map(Some))?;
    let of_victoria = victoria.cpu_time()?.as_secs_f64();
    tell(bench, 1, &run);
    let note = format!(
        "{:.0} samples a second for {} s; {:.3} us of CPU a sample, VictoriaMetrics {of_victoria:.1} s of it",
        run.value_lists_per_second, pace.seconds, run.cpu_us_per_value_list
    );
    let mut outcomes = [
        Outcome::new("remote-write-lost", &[run.lost as f64]).note(note),
        Outcome::new("remote-write-memory", &[run.peak_memory_mb]),
    ];
    for outcome in &mut outcomes {
        outcome.measurements = serde_json::to_value(&run).into_iter().collect();
        outcome.complaints = complaint(&run).into_iter().collect();
    }
    Ok(outcomes.into())
}

fn tier(url: &str) -> String {
    format!("[tiers.t]\nkind = \"remote_write\"\nurls = [{url:?}]\n")
}

fn complaint(run: &Run) -> Option<String> {
    let Run { subject, value_lists, lost, .. } = run;
    (*lost > 0).then(|| format!("{subject}: {lost} of {value_lists} value lists lost"))
}

fn tell(bench: &Bench, round: usize, run: &Run) {
    (bench.progress)(format_args!(
        "{round}. {}: {:.0} value lists/s, {:.4} us each, {:.1} MB, {} lost, others used {:.2} cores",
        run.subject,
        run.value_lists_per_second,
        run.cpu_us_per_value_list,
        run.peak_memory_mb,
        run.lost,
        run.foreign_cores
    ));
}
