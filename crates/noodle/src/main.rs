//! `noodle [--check] [CONFIG]`: one address that answers for all storage nodes as Visage would.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use coco_core::config::NoodleConfig;
use coco_daemon::process;
use noodle::service::{Service, check};

fn main() -> ExitCode {
    process::run(
        env!("CARGO_PKG_VERSION"),
        noodle::ABOUT,
        async |config: &NoodleConfig, warnings| {
            warnings.extend(check(config).await);
            Ok(())
        },
        async |config, handed_over, signals, deadline, source| {
            let service = Service::prepare_with(config, handed_over)?;
            Ok(service.run(signals, deadline, async || source.load_again().await).await?)
        },
    )
}
