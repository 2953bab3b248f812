//! `noodle [--check] [CONFIG]`: one address that answers for all storage nodes as Visage would.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use coco_core::config::NoodleConfig;
use coco_daemon::process;
use noodle::service::{Service, check};

/// A request takes some fifty pieces of memory, and gives them back at once.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The allocator is built with what this says.
const _: &str = env!(
    "JEMALLOC_SYS_WITH_MALLOC_CONF",
    "without it memory is given back late: build within the workspace, whose .cargo/config.toml sets it, or set it to the same"
);

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
