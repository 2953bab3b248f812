//! The way back: Noodle against nginx.

use super::{Bench, Outcome};
use crate::answer::Layout;
use crate::error::Error;
use crate::proxy::{Proxies, Proxy, Run, Tools};
use crate::statistics::median;

/// A pair of such runs need not be longer: nothing in it is different at the start.
const SECONDS: u64 = 3;

/// CPU per request that Noodle proxies over that of nginx in the same round, for each layout of the answer, and Noodle's
/// peak memory.
pub(super) fn noodle(bench: &Bench, tools: &Tools) -> Result<Vec<Outcome>, Error> {
    let (mut outcomes, mut most) = (Vec::new(), 0.0_f64);
    for (layout, key) in Layout::ALL.into_iter().zip(["noodle", "noodle-blanks", "noodle-indents"]) {
        let (outcome, peak) = over_nginx(bench, tools, layout, key)?;
        outcomes.push(outcome);
        most = most.max(peak);
    }
    let mut memory = Outcome::new("noodle-memory", &[most]);
    // The same runs stand behind all of them.
    for outcome in &outcomes {
        memory.complaints.extend_from_slice(&outcome.complaints);
        memory.measurements.extend_from_slice(&outcome.measurements);
    }
    outcomes.push(memory);
    Ok(outcomes)
}

/// A row of pairs, and the peak memory of Noodle.
fn over_nginx(bench: &Bench, tools: &Tools, layout: Layout, key: &str) -> Result<(Outcome, f64), Error> {
    let proxies = Proxies::start(&bench.place, tools, layout)?;
    let mut runs = Vec::new();
    for round in 1..=bench.rounds {
        for proxy in [Proxy::Nginx, Proxy::Noodle] {
            let run = proxies.run(proxy, bench.seconds.min(SECONDS))?;
            (bench.progress)(format_args!(
                "{round}. {}, {layout:?}: {:.0} requests/s, {:.2} µs per request, {:.1} MB, others used {:.2} cores",
                run.subject,
                run.requests_per_second,
                run.cpu_us_per_request,
                peak(&run),
                run.beside.foreign_cores
            ));
            runs.push(run);
        }
    }
    let ratios: Vec<f64> =
        runs.chunks_exact(2).map(|round| round[1].cpu_us_per_request / round[0].cpu_us_per_request).collect();
    let of = |proxy: Proxy| runs.iter().filter(move |run| run.subject == proxy.name());
    let middle = |proxy, figure: fn(&Run) -> f64| median(&of(proxy).map(figure).collect::<Vec<_>>());
    let cpu = |proxy| middle(proxy, |run| run.cpu_us_per_request);
    let rate = |proxy| middle(proxy, |run| run.requests_per_second);
    let mut outcome =
        Outcome::new(key, &ratios).beside(format!("{:.1} µs", cpu(Proxy::Noodle))).note(format!(
            "{:.2} µs against {:.2}; {:.0} requests/s against {:.0}; answers of {} bytes",
            cpu(Proxy::Noodle),
            cpu(Proxy::Nginx),
            rate(Proxy::Noodle),
            rate(Proxy::Nginx),
            layout.answer().len()
        ));
    let problems = |run: &Run| {
        run.problems.iter().map(|problem| format!("{}: {problem}", run.subject)).collect::<Vec<_>>()
    };
    outcome.complaints = runs.iter().flat_map(problems).chain(proxies.finish()?).collect();
    outcome.measurements = runs.iter().filter_map(|run| serde_json::to_value(run).ok()).collect();
    let most = of(Proxy::Noodle).map(peak).fold(0.0, f64::max);
    Ok((outcome, most))
}

/// In MB.
fn peak(run: &Run) -> f64 {
    run.peak_memory_kib as f64 * 1024.0 / 1e6
}
