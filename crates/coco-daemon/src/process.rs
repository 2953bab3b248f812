//! A daemon's process, from its arguments to its exit status.

use std::cell::RefCell;
use std::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use coco_core::config::Configuration;
use coco_core::text::Line;
use coco_core::tier::Tiers;
use tracing::warn;

use crate::command_line::{CommandLine, Source, give_up, load_and_note};
use crate::deadline::Deadline;
use crate::descriptors;
use crate::files::Accept;
use crate::handed_over::HandedOver;
use crate::logging::{self, LAST_WORDS};
use crate::signals::Signals;
use crate::tiers;

/// The reason why a daemon ends early, for the operator to read.
pub type Reason = Box<dyn Error>;

/// Runs a daemon: reads the configuration, checks it or serves, and says on standard error what went wrong.
///
/// `check` adds warnings and binds nothing; what it fails by may be one line a problem, as may be what `serve` fails
/// by. `serve` starts, runs until a signal says stop, and stops; it runs on a runtime of this one thread, and can read
/// the file again. Exit statuses: 0 all is well, 1 it is not, 2 wrong usage.
pub fn run<C: Configuration>(
    version: &'static str,
    about: &'static str,
    check: impl AsyncFnOnce(&C, &mut Vec<String>) -> Result<(), Reason>,
    serve: impl AsyncFnOnce(C, HandedOver, Signals, &Arc<Deadline>, &Source) -> Result<(), Reason>,
) -> ExitCode {
    let arguments = CommandLine::parse(C::PROGRAM, version, about);
    let give_up: fn(String) -> ExitCode =
        if arguments.check { |reason| give_up(reason) } else { give_up_in_time };
    let read = RefCell::default();
    let config = match load_and_note::<C>(&arguments.config, Accept::Pipes, &read) {
        Ok(config) => config,
        Err(problems) => return give_up(problems.to_string()),
    };
    if arguments.print_config {
        // Fails only where nobody reads it.
        let written = io::stdout().write_all(config.to_toml().as_bytes());
        return if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    // Before there is another thread.
    let handed_over = match HandedOver::take() {
        Ok(handed_over) => handed_over,
        Err(problem) => return give_up(problem.to_string()),
    };
    descriptors::raise_limit();
    if let Err(problem) = descriptors::ensure() {
        return give_up(problem);
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(problem) => return give_up(format!("cannot start the runtime: {problem}")),
    };
    let result = runtime.block_on(async {
        if arguments.check {
            let mut warnings: Vec<_> = config.file().warnings.iter().map(ToString::to_string).collect();
            let result = check(&config, &mut warnings).await;
            let summary =
                || tiers::summary(config.tiers()) + &found(&arguments.config, config.tiers(), &read.borrow());
            tell_of_check(&warnings, result.is_ok().then(summary));
            return result;
        }
        logging::init(config.log()).map_err(|problem| format!("cannot start the log: {problem}"))?;
        // Before anything is bound, so that no signal ends the process half way.
        let signals = Signals::new().map_err(|problem| format!("cannot take signals: {problem}"))?;
        let deadline = Deadline::enforce().map_err(|problem| format!("cannot take signals: {problem}"))?;
        deadline.set(config.stop());
        config.file().warnings.iter().for_each(|warning| warn!("{warning}"));
        let source = Source { path: arguments.config.clone() };
        serve(config, handed_over, signals, &deadline, &source).await
    });
    // A resolver that does not answer must not hold up the exit.
    runtime.shutdown_background();
    logging::finish();
    let Err(reason) = result else { return ExitCode::SUCCESS };
    let file = arguments.config.display();
    let lines: Vec<_> = reason.to_string().lines().map(|line| format!("{file}: {line}")).collect();
    give_up(lines.join("\n"))
}

/// Says what `--check` warns of, and what it found if all is well.
fn tell_of_check(warnings: &[String], found: Option<String>) {
    for warning in warnings {
        give_up(format!("warning: {warning}"));
    }
    if let Some(found) = found {
        // Fails only where nobody reads it.
        let _ = io::stdout().write_all(found.as_bytes());
    }
}

/// A sentence on the files that a check read and found in order.
fn found(file: &Path, tiers: &Tiers, read: &[PathBuf]) -> String {
    let targets: usize = tiers.iter().map(|tier| tier.targets().len()).sum();
    let files = match read {
        [] => String::new(),
        files => {
            let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
            format!(", files that it names: {}", files.join(" "))
        }
    };
    let (file, count, fingerprint) = (file.display(), tiers.len(), tiers.fingerprint());
    let line = format!("{file}: fine, tiers: {count}, targets: {targets}, fingerprint {fingerprint}{files}");
    format!("{}\n", Line(&line))
}

/// As [`give_up`], for a daemon, which ends whether or not somebody reads why.
fn give_up_in_time(reason: String) -> ExitCode {
    let (end, ended) = crossbeam_channel::bounded::<()>(0);
    let said = std::thread::Builder::new().spawn(move || {
        let _said_when_dropped = end;
        give_up(reason);
    });
    if said.is_ok() {
        let _ = ended.recv_timeout(LAST_WORDS);
    }
    ExitCode::FAILURE
}
