//! The metrics that Prometheus' client libraries have of any program: CPU, memory, descriptors, and since when it runs.

use metrics::with_local_recorder;
use metrics_exporter_prometheus::PrometheusBuilder;
use metrics_process::Collector;

use super::prometheus::sorted;

/// The families `process_*` of this process at this moment, in the text format, by name.
pub fn process() -> String {
    let recorder = PrometheusBuilder::new().build_recorder();
    with_local_recorder(&recorder, || {
        let collector = Collector::default();
        collector.describe();
        collector.collect();
    });
    let mut families = sorted(&recorder.handle().render());
    families.sort();
    families.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_that_dashboards_know() {
        let text = process();
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.and_then(|value| value.parse::<f64>().ok()).unwrap_or_else(|| panic!("{name} in {text}"))
        };
        assert!(value("process_resident_memory_bytes") > 65_536.0);
        assert!(value("process_open_fds") >= 3.0 && value("process_open_fds") <= value("process_max_fds"));
        assert!(value("process_start_time_seconds") > 1.7e9);
        assert!(value("process_cpu_seconds_total") >= 0.0);
    }
}
