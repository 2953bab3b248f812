//! Graphite's clients: a panel against graphite-web, and names.

use super::{Bench, Outcome};
use crate::error::Error;
use crate::panel::{HOSTS, METRICS, NAMES, Panel, find};
use crate::statistics::median;

/// How often names are asked for.
const TIMES: usize = 20;

/// Time of a panel and its CPU over graphite-web's; time of the names of all hosts.
pub(super) fn graphite(bench: &Bench) -> Result<Vec<Outcome>, Error> {
    (bench.progress)(format_args!("files of {HOSTS} hosts with {METRICS} metrics each"));
    let panel = Panel::start(&bench.place)?;
    // The first finds hosts, files and data sources.
    panel.render(bench.rounds as u64 + 1)?;
    let mut renderings = Vec::new();
    for round in 1..=bench.rounds {
        let rendering = panel.render(round as u64)?;
        (bench.progress)(format_args!(
            "{round}. noodle: {:.3} s, {:.3} s of CPU, {:.3} s of its nodes, {} bytes",
            rendering.seconds, rendering.cpu_seconds, rendering.cpu_seconds_of_nodes, rendering.bytes
        ));
        renderings.push(rendering);
    }
    let others = panel.render_by_graphite_web(bench.rounds)?;
    let seconds: Vec<f64> = renderings.iter().map(|rendering| rendering.seconds).collect();
    let cpu: Vec<f64> = renderings.iter().map(|rendering| rendering.cpu_seconds).collect();
    let ratios: Vec<f64> = cpu.iter().zip(&others).map(|(ours, theirs)| ours / theirs).collect();
    let note = format!(
        "{:.3} s of CPU, and {:.3} of its nodes, against {:.3}; peak memory of Noodle {:.1} MiB",
        median(&cpu),
        median(&renderings.iter().map(|rendering| rendering.cpu_seconds_of_nodes).collect::<Vec<_>>()),
        median(&others),
        panel.peak_memory()? as f64 / 1024.0
    );
    let mut time = Outcome::new("panel", &seconds);
    time.measurements =
        renderings.iter().filter_map(|rendering| serde_json::to_value(rendering).ok()).collect();
    let names = find(&bench.place, TIMES)?;
    (bench.progress)(format_args!("names of {NAMES} hosts: {:.1} ms", median(&names)));
    Ok(vec![time, Outcome::new("panel-cpu", &ratios).note(note), Outcome::new("names", &names)])
}
