//! `noodle [--check] [CONFIG]`: one address that answers for all storage nodes as Visage would.

#![forbid(unsafe_code)]

use coco_core::config::NoodleConfig;
use coco_daemon::process;
use noodle::service::{Service, check};
use std::process::ExitCode;

fn main() -> ExitCode {
    process::run(
        env!("CARGO_PKG_VERSION"),
        noodle::ABOUT,
        async |config: &NoodleConfig, warnings| {
            warnings.extend(check(config).await);
            Ok(())
        },
        async |config, signals, deadline, source| {
            Ok(Service::prepare(config)?.run(signals, deadline, async || source.load_again().await).await?)
        },
    )
}
