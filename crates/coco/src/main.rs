//! `coco [--check] [CONFIG]`: a consistent-hashing sharder for collectd's binary protocol.

#![forbid(unsafe_code)]

use std::io::{self, Write as _};
use std::process::ExitCode;

use coco::service::Service;
use coco::start::check;
use coco::watch::Capacity;
use coco_core::config::CocoConfig;
use coco_daemon::process;

/// The memory of hosts comes and goes as strangers will, and has a bound.
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
        coco::ABOUT,
        async |config: &CocoConfig, warnings| {
            check(config, warnings).await?;
            // Fails only where nobody reads it.
            let _ = writeln!(io::stdout(), "{}", Capacity::here(config.listen.receive_buffer));
            Ok(())
        },
        async |config, handed_over, mut signals, deadline, source| {
            let service = Service::prepare_with(config, handed_over).await?;
            Ok(service
                .run(async || signals.next().await, deadline, async || source.load_again().await)
                .await?)
        },
    )
}
