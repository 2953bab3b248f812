//! Judges what was found, and prints it.

use std::fmt::{self, Display, Write};
use std::time::Duration;

use super::Row;
use super::honest::{HEALTH_LIMIT, Served};
use super::stage::Finding;
use crate::error::Error;
use crate::procfs::Machine;

/// The longest time without a sign of life.
const GAP: Duration = Duration::from_millis(2_500);

/// `stop.grace` by default, with a second for a busy machine.
const STOP: Duration = Duration::from_secs(5);

/// A line of the table.
pub(super) struct Line {
    title: &'static str,
    most_memory: u64,
    outcome: Result<Finding, Error>,
    missed: Vec<String>,
}

impl Line {
    pub(super) fn new(row: &Row, outcome: Result<Finding, Error>) -> Self {
        let missed = match &outcome {
            Ok(finding) => missed(row, finding),
            Err(error) => vec![error.to_string()],
        };
        Self { title: row.title, most_memory: row.most_memory, outcome, missed }
    }

    pub(super) fn is_sound(&self) -> bool {
        self.missed.is_empty()
    }
}

/// The bars that were missed, in words.
fn missed(row: &Row, finding: &Finding) -> Vec<String> {
    let mut missed = Vec::new();
    let mut expect = |holds: bool, complaint: String| {
        if !holds {
            missed.push(complaint);
        }
    };
    let peak = finding.peak_memory_kib;
    let most = row.most_memory;
    expect(peak <= most * 1024, format!("memory is more than {most} MiB"));
    match finding.gap {
        None => expect(false, "no sign of life for the watchdog".to_owned()),
        Some(gap) => {
            expect(gap <= GAP, format!("a gap of the watchdog of more than {} s", GAP.as_secs_f64()));
        }
    }
    let Served { asked, served, .. } = &finding.visits.health;
    expect(*asked > 0 && served == asked, format!("/healthz not within {} s", HEALTH_LIMIT.as_secs()));
    let Served { asked, served, .. } = &finding.visits.view;
    expect(!row.serves_view || served == asked, "honest requests were not served".to_owned());
    if let Some(values) = finding.values {
        let excused = values.dropped_behind + if row.may_lose { finding.dropped } else { 0 };
        expect(values.sent > 0 && values.lost <= excused, "values were lost".to_owned());
    }
    match finding.status {
        None => expect(false, "SIGTERM was not obeyed".to_owned()),
        // Past its grace it says 1, and what was left.
        Some(status) => expect(
            matches!(status.code(), Some(0 | 1)) && finding.stop <= STOP,
            format!("stopped after {:.1} s with {status}", finding.stop.as_secs_f64()),
        ),
    }
    missed
}

impl Display for Line {
    /// As a line of Markdown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict =
            if self.is_sound() { "ok".to_owned() } else { format!("MISSED: {}", self.missed.join("; ")) };
        let Ok(finding) = &self.outcome else {
            return write!(f, "| {} | | | | | | | | {verdict} |", self.title);
        };
        let seconds = |time: Duration| format!("{:.2} s", time.as_secs_f64());
        let served =
            |served: &Served| format!("{} of {}, {}", served.served, served.asked, seconds(served.longest));
        let lost = finding.values.map_or_else(
            || "-".to_owned(),
            |values| {
                let behind = if finding.dropped > 0 {
                    format!(" ({} datagrams dropped by the kernel)", finding.dropped)
                } else {
                    String::new()
                };
                format!("{} of {}{behind}", values.lost, values.sent)
            },
        );
        write!(
            f,
            "| {} | {} | {:.1} of {} MiB | {} | {} | {} | {lost} | {} | {verdict} |",
            self.title,
            finding.size,
            finding.peak_memory_kib as f64 / 1024.0,
            self.most_memory,
            finding.gap.map_or_else(|| "-".to_owned(), seconds),
            served(&finding.visits.health),
            served(&finding.visits.view),
            seconds(finding.stop),
        )
    }
}

/// Everything, in Markdown.
pub(super) fn table(machine: &Machine, lines: &[Line]) -> String {
    let Machine { processor, cores, memory_mib, kernel } = machine;
    let foreign = |line: &Line| line.outcome.as_ref().map_or(0.0, |finding| finding.foreign_cores);
    let foreign = lines.iter().map(foreign).fold(0.0, f64::max);
    let mut text = format!(
        "{processor}, {cores} cores, {memory_mib} MiB, Linux {kernel}; others used up to {foreign:.2} cores meanwhile\n\n\
         | attack | size | peak memory | longest gap of the watchdog | `/healthz` within 1 s, longest | a view, longest | \
         values lost | stop | verdict |\n|---|---|---|---|---|---|---|---|---|\n"
    );
    for line in lines {
        text.write_fmt(format_args!("{line}\n")).expect("a string takes anything");
    }
    text.push('\n');
    for line in lines {
        let Ok(finding) = &line.outcome else { continue };
        let visits = &finding.visits;
        let mut notes = finding.notes.clone();
        for (path, served) in [("/healthz", &visits.health), ("the view", &visits.view)] {
            let answers = served.refused.iter().map(|(status, times)| format!("{path}: {times} of {status}"));
            notes.extend(answers);
        }
        text.write_fmt(format_args!(
            "{}: others used {:.2} cores, and kept this program waiting for up to {:.2} s{}{}\n",
            line.title,
            finding.foreign_cores,
            visits.kept_waiting.as_secs_f64(),
            if notes.is_empty() { "" } else { "; " },
            notes.join("; ")
        ))
        .expect("a string takes anything");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::honest::{Values, Visits};
    use super::super::nodes;
    use super::super::{Attack, Row};
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    fn sound() -> Finding {
        let served = Served { asked: 5, served: 5, longest: Duration::from_millis(20), ..Served::default() };
        Finding {
            size: "much".to_owned(),
            peak_memory_kib: 300 << 10,
            gap: Some(Duration::from_secs(2)),
            visits: Visits { health: served.clone(), view: served, ..Visits::default() },
            values: Some(Values { sent: 100, lost: 0, dropped_behind: 0 }),
            dropped: 7,
            stop: Duration::from_secs(1),
            status: Some(ExitStatus::from_raw(0)),
            foreign_cores: 0.0,
            notes: Vec::new(),
        }
    }

    fn judged(row: &Row, change: fn(&mut Finding)) -> Vec<String> {
        let mut finding = sound();
        change(&mut finding);
        missed(row, &finding)
    }

    #[test]
    fn every_bar_can_be_missed() {
        let strict = Row { serves_view: true, ..Row::new(Attack::Globs, "strict", 320, nodes::globs) };
        assert_eq!(judged(&strict, |_| {}), [""; 0]);
        type Change = fn(&mut Finding);
        let misses: [(Change, &str); 8] = [
            (|finding| finding.peak_memory_kib = (320 << 10) + 1, "memory is more than 320 MiB"),
            (|finding| finding.gap = None, "no sign of life for the watchdog"),
            (
                |finding| finding.gap = Some(Duration::from_secs(3)),
                "a gap of the watchdog of more than 2.5 s",
            ),
            (|finding| finding.visits.health.served = 4, "/healthz not within 1 s"),
            (|finding| finding.visits.view.served = 4, "honest requests were not served"),
            (|finding| finding.values = Some(Values { lost: 1, ..Values::default() }), "values were lost"),
            (|finding| finding.status = None, "SIGTERM was not obeyed"),
            (|finding| finding.stop = Duration::from_secs(6), "stopped after 6.0 s with exit status: 0"),
        ];
        for (change, complaint) in misses {
            assert_eq!(judged(&strict, change), [complaint]);
        }
    }

    #[test]
    fn what_the_kernel_dropped_is_not_held_against_a_flooded_daemon() {
        let flood = Row::flood(Attack::Globs, "flood", 320, nodes::globs);
        let lost =
            |finding: &mut Finding| finding.values = Some(Values { sent: 100, lost: 7, dropped_behind: 0 });
        assert_eq!(judged(&flood, lost), [""; 0]);
        let more =
            |finding: &mut Finding| finding.values = Some(Values { sent: 100, lost: 8, dropped_behind: 0 });
        assert_eq!(judged(&flood, more), ["values were lost"]);
    }

    #[test]
    fn a_line_says_what_was_missed() {
        let row = Row::new(Attack::Globs, "strict", 320, nodes::globs);
        let line = Line::new(&row, Ok(sound()));
        assert_eq!(
            line.to_string(),
            "| strict | much | 300.0 of 320 MiB | 2.00 s | 5 of 5, 0.02 s | 5 of 5, 0.02 s | 0 of 100 (7 datagrams \
             dropped by the kernel) | 1.00 s | ok |"
        );
        let line = Line::new(&row, Err(Error::Meaningless("it ended".to_owned())));
        assert!(!line.is_sound() && line.to_string().ends_with("| MISSED: it ended |"), "{line}");
    }
}
