//! The programs that have a manual.

use clap::Command;
use coco_checks::question::Check;
use coco_core::config::Program;
use coco_daemon::command_line;

/// A program.
#[derive(Debug)]
pub struct Manual {
    /// What it takes.
    pub command: Command,
    /// The section of its page: 1 for what everybody runs, 8 for administrators.
    pub section: char,
    /// The sections behind its arguments, in order: their heading, and the chapter of `docs/` that is in them.
    pub chapters: &'static [(&'static str, &'static str)],
    /// What else to read.
    pub see_also: &'static [&'static str],
}

/// All of them.
pub fn programs() -> [Manual; 5] {
    let daemon = |program, about| command_line::command(program, env!("CARGO_PKG_VERSION"), about);
    [
        Manual {
            command: daemon(Program::Coco, coco::ABOUT),
            section: '8',
            chapters: &[
                ("EXIT STATUS AND SIGNALS", "## Command line, exit statuses, signals"),
                ("SERVICE MANAGER", "## Service manager"),
                ("RELOAD", "## Reload"),
                ("LOG", "# Log"),
                ("HOW VALUES TRAVEL", "# How values travel"),
                ("API", "# API"),
                ("COUNTERS", "# Counters"),
                ("SECURITY", "# Security"),
                ("HOW IT WILL BREAK", "# How it will break"),
                ("GROWING A RING", "# Growing a ring"),
            ],
            see_also: &["coco.conf(5)", "noodle(8)", "cococtl(1)", "collectd(1)", "collectd.conf(5)"],
        },
        Manual {
            command: daemon(Program::Noodle, noodle::ABOUT),
            section: '8',
            chapters: &[
                ("EXIT STATUS AND SIGNALS", "## Command line, exit statuses, signals"),
                ("SERVICE MANAGER", "## Service manager"),
                ("RELOAD", "## Reload"),
                ("LOG", "# Log"),
                ("READING", "# Noodle"),
                ("COUNTERS", "## Counters of Noodle"),
            ],
            see_also: &["coco.conf(5)", "coco(8)", "cococtl(1)"],
        },
        Manual {
            command: cococtl::command(),
            section: '1',
            chapters: &[("USE", "# cococtl")],
            see_also: &["coco(8)", "noodle(8)", "coco.conf(5)"],
        },
        check(Check::Send),
        check(Check::Errors),
    ]
}

fn check(check: Check) -> Manual {
    Manual {
        command: check.command(),
        section: '8',
        chapters: &[("MONITORING", "# Monitoring")],
        see_also: match check {
            Check::Send => &["anomalous_coco_errors(8)", "coco(8)", "noodle(8)"],
            Check::Errors => &["anomalous_coco_send(8)", "coco(8)", "noodle(8)"],
        },
    }
}
