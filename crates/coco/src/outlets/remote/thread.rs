//! The thread of an engine, which begins anew when its work has panicked.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use coco_daemon::logging::Throttle;
use tracing::error;

use super::Remote;
use super::worker::Worker;

/// How long it waits after a panic: what panics at once again shall take little.
const BEGIN_ANEW: Duration = Duration::from_secs(1);

/// Sends until it is told to end and nothing is left. A panic costs what waits, which is counted, and then it begins anew.
pub(super) fn run(remote: &Arc<Remote>) {
    let mut panics = Throttle::default();
    while let Err(lists) = work(remote) {
        remote.counts.panicked(lists);
        if let Some(suppressed) = panics.pass(Instant::now()) {
            let Remote { tier, target, .. } = &**remote;
            error!(%tier, %target, suppressed, "the thread of an engine has panicked: what waited is lost, it begins anew");
        }
        if remote.ends_at().is_some() {
            break;
        }
        std::thread::sleep(BEGIN_ANEW);
    }
    remote.ended.store(true, Ordering::Release);
}

/// Works to the end. A panic is an error: how many value lists were in hand, and counted nowhere.
fn work(remote: &Arc<Remote>) -> Result<(), u64> {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(problem) => {
            remote.counts.set_problem(Some("there is nothing to send it by"), true);
            error!(tier = %remote.tier, target = %remote.target, %problem, "an engine can't be written to");
            return Ok(());
        }
    };
    let mut worker = Worker::new(remote);
    let work = AssertUnwindSafe(|| runtime.block_on(worker.work()));
    catch_unwind(work).map_err(|_| worker.give_up())
}
