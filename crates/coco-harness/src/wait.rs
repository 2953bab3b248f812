//! Waiting for other processes.

use std::fmt::Display;
use std::time::{Duration, Instant};

/// How long a test waits for something that a healthy machine does within a second or two.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The pause after the first look; it doubles up to [`LONGEST_PAUSE`], for what is awaited is either near or far.
const SHORTEST_PAUSE: Duration = Duration::from_micros(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// Waits until `look` finds something, and returns it. `what` is only formatted when it doesn't.
///
/// # Panics
/// When `deadline` has passed. The processes of the test then print what they wrote as they are dropped.
pub fn wait_for<T>(deadline: Duration, what: impl Display, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    let mut pause = SHORTEST_PAUSE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < deadline, "waited {deadline:?} in vain for {what}");
        std::thread::sleep(pause);
        pause = LONGEST_PAUSE.min(2 * pause);
    }
}

/// Waits until `condition` holds; panics as [`wait_for`] does.
pub fn wait_until(deadline: Duration, what: impl Display, mut condition: impl FnMut() -> bool) {
    wait_for(deadline, what, || condition().then_some(()));
}
