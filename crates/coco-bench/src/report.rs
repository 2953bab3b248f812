//! The table for people, and the JSON for everyone else.

use std::fmt::{self, Write};

use serde_json::{Value, json};

use crate::procfs::Machine;
use crate::rows::{Better, Outcome, ROWS};

/// Everything, for programs.
pub(crate) fn json(machine: &Machine, options: &Value, outcomes: &[Outcome]) -> Value {
    json!({"machine": machine, "options": options, "rows": outcomes, "foreign_cores": foreign_cores(outcomes)})
}

/// A table in Markdown, then what must be known beside it.
pub(crate) fn table(machine: &Machine, outcomes: &[Outcome]) -> String {
    let mut text = format!(
        "{}, {} cores, {} MiB, Linux {}; others used up to {:.2} cores meanwhile\n\n\
         | what | bar | hoped for | measured | range | verdict |\n|---|---|---|---|---|---|\n",
        machine.processor,
        machine.cores,
        machine.memory_mib,
        machine.kernel,
        foreign_cores(outcomes)
    );
    let mut line = |arguments: fmt::Arguments<'_>| {
        text.write_fmt(arguments).expect("a string takes anything");
        text.push('\n');
    };
    for row in ROWS {
        let outcome = outcomes.iter().find(|outcome| outcome.row.key == row.key);
        // Of what was not measured, the table shows only what somebody set a bar for.
        if outcome.is_none() && row.bar.is_none() {
            continue;
        }
        let sign = if row.better == Better::Less { "≤" } else { "≥" };
        let wanted =
            |wanted: Option<f64>| wanted.map_or_else(|| "-".to_owned(), |wanted| format!("{sign} {wanted}"));
        let (bar, hoped) = (wanted(row.bar), wanted(row.hoped));
        let (title, unit) = (row.title, row.unit);
        match outcome {
            None => line(format_args!("| {title} | {bar} | {hoped} | not measured | | |")),
            Some(outcome) => {
                let range =
                    outcome.range.map(|(least, most)| format!("{least:.2} to {most:.2}")).unwrap_or_default();
                let (measured, verdict) = (outcome.measured, outcome.verdict);
                let flaw = if outcome.complaints.is_empty() { "" } else { ", FLAWED" };
                line(format_args!(
                    "| {title} | {bar} | {hoped} | {measured:.2} {unit} | {range} | {verdict}{flaw} |"
                ));
            }
        }
    }
    line(format_args!("\n{}", Losses::of(outcomes)));
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

/// The most that others took of the machine during a run.
fn foreign_cores(outcomes: &[Outcome]) -> f64 {
    let runs = outcomes.iter().flat_map(|outcome| &outcome.measurements);
    runs.filter_map(|run| run["foreign_cores"].as_f64()).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine { processor: "Z80".to_owned(), cores: 1, memory_mib: 1, kernel: "6.18".to_owned() }
    }

    #[test]
    fn the_table_shows_figures_gaps_and_flaws() {
        let mut outcome = Outcome::new("agents", &[1.0, 2.2, 1.3]);
        outcome.complaints.push("coco: 3 of 10 value lists lost".to_owned());
        let table = table(&machine(), &[outcome.note("0.1 us against 0.2".to_owned())]);
        assert!(table.contains("| ≤ 2 | ≤ 1.25 | 1.30 x relay | 1.00 to 2.20 | bar, FLAWED |"), "{table}");
        assert!(table.contains("nginx's | ≤ 2 | ≤ 1.3 | not measured | | |"), "{table}");
        assert!(table.contains("agents: FLAW: coco: 3 of 10"), "{table}");
        assert!(!table.contains("random names"), "{table}");
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
        let json = json(&machine(), &json!({"rate": 1}), &[Outcome::new("delay", &[0.5])]);
        let row = &json["rows"][0];
        assert_eq!((row["key"].as_str(), row["bar"].as_f64()), (Some("delay"), Some(1.0)));
        assert_eq!((row["measured"].as_f64(), row["verdict"].as_str()), (Some(0.5), Some("bar")));
        assert_eq!(json["machine"]["cores"], 1);
    }
}
