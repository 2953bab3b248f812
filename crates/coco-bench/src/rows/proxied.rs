//! The way back: Noodle against nginx.

use super::{Bench, Outcome};
use crate::error::Error;
use crate::proxy::{Proxies, Proxy, Run, Tools};
use crate::statistics::median;

/// CPU per request that Noodle proxies over that of nginx in the same round, and Noodle's peak memory.
pub(super) fn noodle(bench: &Bench, tools: Tools) -> Result<Vec<Outcome>, Error> {
    let proxies = Proxies::start(&bench.place, tools)?;
    let mut runs = Vec::new();
    for round in 1..=bench.rounds {
        for proxy in [Proxy::Nginx, Proxy::Noodle] {
            let run = proxies.run(proxy, bench.seconds)?;
            (bench.progress)(format_args!(
                "{round}. {}: {:.0} requests/s, {:.2} us per request, {:.1} MiB, others used {:.2} cores",
                run.proxy,
                run.requests_per_second,
                run.cpu_us_per_request,
                peak(&run),
                run.foreign_cores
            ));
            runs.push(run);
        }
    }
    let ratios: Vec<f64> =
        runs.chunks_exact(2).map(|round| round[1].cpu_us_per_request / round[0].cpu_us_per_request).collect();
    let of = |proxy: Proxy| runs.iter().filter(move |run| run.proxy == proxy.name());
    let middle = |proxy, figure: fn(&Run) -> f64| median(&of(proxy).map(figure).collect::<Vec<_>>());
    let cpu = |proxy| middle(proxy, |run| run.cpu_us_per_request);
    let rate = |proxy| middle(proxy, |run| run.requests_per_second);
    let mut outcome = Outcome::new("noodle", &ratios).note(format!(
        "{:.2} us against {:.2}; {:.0} requests/s against {:.0}",
        cpu(Proxy::Noodle),
        cpu(Proxy::Nginx),
        rate(Proxy::Noodle),
        rate(Proxy::Nginx)
    ));
    let problems = |run: &Run| {
        run.problems.iter().map(|problem| format!("{}: {problem}", run.proxy)).collect::<Vec<_>>()
    };
    outcome.complaints = runs.iter().flat_map(problems).chain(proxies.finish()?).collect();
    outcome.measurements = runs.iter().filter_map(|run| serde_json::to_value(run).ok()).collect();
    let mut memory = Outcome::new("noodle-memory", &[of(Proxy::Noodle).map(peak).fold(0.0, f64::max)]);
    // The same runs stand behind both.
    memory.complaints.clone_from(&outcome.complaints);
    memory.measurements.clone_from(&outcome.measurements);
    Ok(vec![outcome, memory])
}

/// In MiB.
fn peak(run: &Run) -> f64 {
    run.peak_memory_kib as f64 / 1024.0
}
