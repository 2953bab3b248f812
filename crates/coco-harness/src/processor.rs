//! How long threads wanted a processor and got none: what a busy machine adds to every time that is measured on it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

/// How long threads have waited for a processor until now, by their numbers.
#[derive(Debug)]
pub struct Waits(BTreeMap<OsString, Duration>);

impl Waits {
    /// Of the threads of a process.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn of(process: u32) -> Self {
        let threads = std::fs::read_dir(format!("/proc/{process}/task")).expect("a process");
        let threads = threads.filter_map(Result::ok);
        // One that ends meanwhile waits no more.
        Self(threads.filter_map(|thread| Some((thread.file_name(), waited(&thread.path())?))).collect())
    }

    /// Of this thread alone.
    ///
    /// # Panics
    /// Where the kernel does not tell.
    #[must_use]
    pub fn of_this_thread() -> Self {
        let waited = waited(Path::new("/proc/thread-self")).expect("schedstat");
        Self(BTreeMap::from([(OsString::new(), waited)]))
    }

    /// How long that one waited since then which waited longest.
    #[must_use]
    pub fn longest_since(&self, earlier: &Self) -> Duration {
        let since = |(thread, waited): (_, &Duration)| {
            waited.saturating_sub(earlier.0.get(thread).copied().unwrap_or_default())
        };
        self.0.iter().map(since).max().unwrap_or_default()
    }
}

/// The second figure of `schedstat`: nanoseconds on the queue of a processor (`Documentation/scheduler/sched-stats.rst`
/// of Linux).
fn waited(thread: &Path) -> Option<Duration> {
    let text = std::fs::read_to_string(thread.join("schedstat")).ok()?;
    Some(Duration::from_nanos(text.split_whitespace().nth(1)?.parse().ok()?))
}
