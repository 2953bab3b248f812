//! The table for people, and the JSON for everyone else.

use std::fmt::{self, Write};

use serde::Serialize;
use serde_json::{Value, json};

use crate::procfs::Machine;
use crate::rows::{Better, Outcome, ROWS};
use crate::statistics::median;

/// Everything, for programs.
pub(crate) fn json(machine: &Machine, setting: &Setting, outcomes: &[Outcome]) -> Value {
    json!({"machine": machine, "setting": setting, "rows": outcomes, "foreign_cores": foreign_cores(outcomes)})
}

/// The table of docs/performance.md, then what must be known beside it.
pub(crate) fn table(machine: &Machine, setting: &Setting, outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    let mut line = |arguments: fmt::Arguments<'_>| {
        text.write_fmt(arguments).expect("a string takes anything");
        text.push('\n');
    };
    let others = foreign_cores(outcomes);
    let others =
        others.map_or_else(String::new, |cores| format!("; others used up to {cores:.2} cores meanwhile"));
    line(format_args!("{machine}{others}"));
    line(format_args!("{setting}\n"));
    line(format_args!("| what | bar | hoped for | measured | range | verdict |\n|---|---|---|---|---|---|"));
    let of = |key| outcomes.iter().find(|outcome| outcome.row.key == key);
    for outcome in ROWS.iter().filter_map(|row| of(row.key)) {
        line(format_args!("{}", Figure(outcome)));
    }
    // Of what was not measured, only what somebody set a bar for is missing.
    let missing: Vec<&str> =
        ROWS.iter().filter(|row| row.bar.is_some() && of(row.key).is_none()).map(|row| row.key).collect();
    if !missing.is_empty() {
        line(format_args!("\nnot measured: {}", missing.join(", ")));
    }
    line(format_args!("\n{}", circumstances(outcomes)));
    line(format_args!("{}", Losses::of(outcomes)));
    for outcome in outcomes {
        for note in &outcome.notes {
            line(format_args!("{}: {note}", outcome.row.key));
        }
        for complaint in &outcome.complaints {
            line(format_args!("{}: FLAW: {complaint}", outcome.row.key));
        }
    }
    text
}

/// How all was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Setting {
    pub(crate) rate: u64,
    pub(crate) seconds: u64,
    pub(crate) rounds: usize,
    pub(crate) hosts: usize,
    pub(crate) large_hosts: usize,
    pub(crate) cpus: String,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rate, seconds, rounds, cpus, .. } = self;
        write!(f, "medians of {rounds} pairs of runs of {seconds} s, {rate} datagrams/s; CPUs: {cpus}")
    }
}

/// A line of the table.
struct Figure<'a>(&'a Outcome);

impl fmt::Display for Figure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome { row, measured, beside, verdict, range, complaints, .. } = self.0;
        let sign = if row.better == Better::Less { "≤" } else { "≥" };
        let wanted =
            |wanted: Option<f64>| wanted.map_or_else(|| "-".to_owned(), |wanted| format!("{sign} {wanted}"));
        let (bar, hoped, title) = (wanted(row.bar), wanted(row.hoped), row.title);
        let measured = format!("{} {}", number(*measured), row.unit);
        let measured = measured.trim_end();
        let beside = if beside.is_empty() { String::new() } else { format!(" ({beside})") };
        let range = range.map(|(least, most)| format!("{} to {}", number(least), number(most)));
        let range = range.unwrap_or_default();
        let flaw = if complaints.is_empty() { "" } else { ", FLAWED" };
        write!(f, "| {title} | {bar} | {hoped} | {measured}{beside} | {range} | {verdict}{flaw} |")
    }
}

/// With as many digits as mean something.
fn number(figure: f64) -> String {
    let digits = if figure.abs() >= 100.0 { 0 } else { 2 };
    format!("{figure:.digits$}")
}

/// How often each subject was switched, and what others used, row by row: medians, and the most of the latter.
fn circumstances(outcomes: &[Outcome]) -> String {
    let mut text = "| row | subject | runs | its context switches a second, by itself | forced | others' cores | at most |\n\
                    |---|---|---|---|---|---|---|\n"
        .to_owned();
    let mut told: Vec<&Value> = Vec::new();
    for outcome in outcomes {
        // Runs that stand behind several figures are told of once.
        let new: Vec<&Value> = outcome.measurements.iter().filter(|run| !told.contains(run)).collect();
        let runs: Vec<(&str, [f64; 3])> = new.iter().copied().filter_map(circumstance).collect();
        told.extend(new);
        let mut subjects: Vec<&str> = runs.iter().map(|(subject, _)| *subject).collect();
        subjects.sort_unstable();
        subjects.dedup();
        for subject in subjects {
            let of = |which: usize| {
                let own = runs.iter().filter(|(other, _)| *other == subject);
                own.map(|(_, figures)| figures[which]).collect::<Vec<f64>>()
            };
            let [own, forced, others] = [0, 1, 2].map(|which| median(&of(which)));
            let most = of(2).into_iter().fold(0.0, f64::max);
            let (key, count) = (outcome.row.key, of(0).len());
            writeln!(
                text,
                "| {key} | {subject} | {count} | {own:.0} | {forced:.0} | {others:.2} | {most:.2} |"
            )
            .expect("a string takes anything");
        }
    }
    text
}

/// Who was measured in a run, its switches of both kinds and what others used.
fn circumstance(run: &Value) -> Option<(&str, [f64; 3])> {
    let figure = |key: &str| run[key].as_f64();
    let figures = [figure("voluntary_switches")?, figure("involuntary_switches")?, figure("foreign_cores")?];
    Some((run["subject"].as_str()?, figures))
}

/// What was sent and where it was lost, over all runs whose figures stand in the table.
#[derive(Default)]
struct Losses {
    runs: u64,
    sent: u64,
    errors: u64,
    dropped_before: u64,
    dropped_behind: u64,
    lost: i64,
    expected: u64,
}

impl Losses {
    fn of(outcomes: &[Outcome]) -> Self {
        let mut losses = Self::default();
        let runs = outcomes.iter().flat_map(|outcome| &outcome.measurements);
        let mut seen: Vec<&Value> = Vec::new();
        // Delays are runs too, but their measurements hold no loads.
        for run in runs.filter(|run| run["expected"].is_u64()) {
            // One run may stand behind several figures.
            if seen.contains(&run) {
                continue;
            }
            seen.push(run);
            let count = |count: &Value| count.as_u64().unwrap_or_default();
            losses.runs += 1;
            losses.sent += count(&run["sent"]["datagrams"]);
            losses.errors += count(&run["sent"]["errors"]);
            losses.dropped_before += count(&run["dropped_before"]);
            losses.dropped_behind += count(&run["dropped_behind"]);
            losses.lost += run["lost"].as_i64().unwrap_or_default();
            losses.expected += count(&run["expected"]);
        }
        losses
    }
}

impl fmt::Display for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runs, sent, errors, dropped_before, dropped_behind, lost, expected } = self;
        write!(
            f,
            "loss in the {runs} runs of these figures: sender {errors} failed calls for {sent} datagrams; kernel \
             {dropped_before} datagrams before, {dropped_behind} behind; sink {lost} of {expected} value lists missing"
        )
    }
}

/// The most that others took of the machine during a run; none where it does not matter.
fn foreign_cores(outcomes: &[Outcome]) -> Option<f64> {
    let runs = outcomes.iter().flat_map(|outcome| &outcome.measurements);
    runs.filter_map(|run| run["foreign_cores"].as_f64()).reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine { processor: "Z80".to_owned(), cores: 1, memory_mib: 1, kernel: "6.18".to_owned() }
    }

    fn setting() -> Setting {
        Setting { rate: 1, seconds: 1, rounds: 3, hosts: 1, large_hosts: 1, cpus: "not pinned".to_owned() }
    }

    #[test]
    fn the_table_shows_figures_gaps_and_flaws() {
        let mut outcome = Outcome::new("memory", &[30.0, 52.2, 41.3]).beside("of 2".to_owned());
        outcome.complaints.push("coco: 3 of 10 value lists lost".to_owned());
        let outcomes = [outcome.note("0.1 us against 0.2".to_owned())];
        let table = table(&machine(), &setting(), &outcomes);
        assert!(
            table.contains("| ≤ 64 | ≤ 40 | 41.30 MB (of 2) | 30.00 to 52.20 | bar, FLAWED |"),
            "{table}"
        );
        assert!(table.contains("not measured: agents, mixed, "), "{table}");
        assert!(table.contains("memory: FLAW: coco: 3 of 10"), "{table}");
        assert!(!table.contains("random names"), "{table}");
    }

    #[test]
    fn switches_and_the_load_of_others_are_told_of_each_subject() {
        let run = |subject, switches, cores| {
            json!({
                "subject": subject, "voluntary_switches": switches, "involuntary_switches": 1.0, "foreign_cores": cores
            })
        };
        let mut outcome = Outcome::new("agents", &[1.0]);
        outcome.measurements = vec![
            run("relay", 900.0, 0.1),
            run("coco", 500.0, 0.2),
            run("coco", 700.0, 0.4),
            json!({"p99": 1.0}),
        ];
        let mut other = Outcome::new("memory", &[1.0]);
        other.measurements.clone_from(&outcome.measurements);
        let table = circumstances(&[outcome, other]);
        assert!(!table.contains("memory"), "{table}");
        assert!(table.contains("| agents | coco | 2 | 600 | 1 | 0.30 | 0.40 |"), "{table}");
        assert!(table.contains("| agents | relay | 1 | 900 | 1 | 0.10 | 0.10 |"), "{table}");
    }

    #[test]
    fn losses_are_added_up_over_runs_and_each_run_counts_once() {
        let run = json!({
            "sent": {"datagrams": 10, "errors": 1}, "dropped_before": 2, "dropped_behind": 3, "lost": 4, "expected": 50
        });
        let mut outcome = Outcome::new("agents", &[1.0]);
        let mut other = run.clone();
        other["cpu_seconds"] = json!(1.5);
        outcome.measurements = vec![run.clone(), run, other, json!({"p99": 1.0})];
        let expected = "loss in the 2 runs of these figures: sender 2 failed calls for 20 datagrams; kernel 4 datagrams \
                        before, 6 behind; sink 8 of 100 value lists missing";
        assert_eq!(Losses::of(&[outcome]).to_string(), expected);
    }

    #[test]
    fn json_carries_the_row_and_its_figure() {
        let json = json(&machine(), &setting(), &[Outcome::new("delay", &[0.5])]);
        let row = &json["rows"][0];
        assert_eq!((row["key"].as_str(), row["bar"].as_f64()), (Some("delay"), Some(1.0)));
        assert_eq!((row["measured"].as_f64(), row["verdict"].as_str()), (Some(0.5), Some("bar")));
        assert_eq!(json["machine"]["cores"], 1);
    }
}
