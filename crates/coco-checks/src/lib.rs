//! Two checks for Nagios and its kin: has the rate changed at which Coco sends to a target, and have its errors?
//!
//! collectd reads Coco's counters (`etc/collectd/coco.conf`) and stores them as rates. A check fetches the rates of a
//! window of time, cuts the window in two, and compares the halves. In the order in which a run meets the modules:
//!
//! - [`question`] holds the words that the others share, [`command_line`] reads a question;
//! - [`visage`] fetches the rates from Noodle, or from Visage itself;
//! - [`halves`] cuts them in two and says how much the halves differ, which takes a [`kolmogorov_smirnov`] test;
//! - [`limits`] decides whether that is too much;
//! - [`output`] is what Nagios reads: a line, its figures, an exit status. [`plot`] draws for people.
//!
//! The programs in `bin/` name the check and nothing else.

#![forbid(unsafe_code)]

pub mod command_line;
pub mod halves;
pub mod kolmogorov_smirnov;
pub mod limits;
pub mod output;
pub mod plot;
pub mod question;
pub mod visage;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::SystemTime;

use halves::Halves;
use output::{Output, Status};
use question::{Check, Problem, Rates, Request};

/// Runs a check with the arguments of this process: prints what Nagios reads, and returns the exit status.
///
/// Whatever keeps it from an answer is UNKNOWN: wrong usage, no connection, too few points. So is `--help`, as the
/// Monitoring Plugins Interface wants it.
#[must_use]
pub fn run(check: Check) -> ExitCode {
    let output = match check.parse(std::env::args_os()) {
        Ok(request) => answer(check, &request, io::stdout().is_terminal()),
        Err(usage) => usage,
    };
    // Without standard output there is nobody to tell; the status still does.
    let _ = write!(io::stdout(), "{output}");
    ExitCode::from(output.status as u8)
}

/// The answer to a request; `draw` says whether it is for a terminal.
fn answer(check: Check, request: &Request, draw: bool) -> Output {
    let compared = fetch(request).and_then(|rates| {
        let halves = Halves::of(&rates.points, request.window)?;
        Ok((rates, halves))
    });
    let (rates, halves) = match compared {
        Ok(compared) => compared,
        Err(problem) => return Output::unknown(check, &problem.to_string()),
    };
    let difference = halves.difference();
    let status = if request.limits.are_exceeded_by(&difference) { Status::Critical } else { Status::Ok };
    let mut output = Output::verdict(check, status, &request.subject, &difference, &request.limits);
    if request.debug {
        output.explain(&rates, &halves);
        if draw {
            output.details.push_str(&plot::draw(&halves));
        }
    }
    output
}

fn fetch(request: &Request) -> Result<Rates, Problem> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|problem| Problem::System(problem.to_string()))?;
    let rates = runtime.block_on(visage::fetch(request, SystemTime::now()));
    // A resolver that does not answer must not hold up the answer.
    runtime.shutdown_background();
    rates
}
