//! `noodle [--check] [CONFIG]`: one address that answers for all storage nodes as Visage would.

#![forbid(unsafe_code)]

use std::error::Error;
use std::process::ExitCode;

use coco_core::config::{Config, Program};
use coco_daemon::command_line::{CommandLine, give_up, load};
use coco_daemon::logging;
use coco_daemon::signals::Signals;
use noodle::service::{Service, check};

fn main() -> ExitCode {
    let about = "Answers Visage's requests from the storage node that owns the host";
    let arguments = CommandLine::parse(Program::Noodle, env!("CARGO_PKG_VERSION"), about);
    let config = match load(&arguments.config, Program::Noodle) {
        Ok(config) => config,
        Err(problems) => return give_up(problems),
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(problem) => return give_up(problem),
    };
    let result = if arguments.check {
        runtime.block_on(check_only(&config))
    } else {
        logging::init(config.log.level);
        runtime.block_on(serve(config))
    };
    // A resolver that does not answer must not hold up the exit.
    runtime.shutdown_background();
    result.map_or_else(
        |problem| give_up(format_args!("{}: {problem}", arguments.config.display())),
        |()| ExitCode::SUCCESS,
    )
}

async fn check_only(config: &Config) -> Result<(), Box<dyn Error>> {
    for warning in check(config).await? {
        give_up(format_args!("warning: {warning}"));
    }
    Ok(())
}

async fn serve(config: Config) -> Result<(), Box<dyn Error>> {
    // Before anything is bound, so that no signal ends the process half way.
    let signals = Signals::new()?;
    Ok(Service::prepare(config)?.run(signals).await?)
}
