//! The end of a stop, whatever any thread of the process does: a thread that waits for a signal, and then for the time
//! that a stop may take, and ends the process unless it has ended.

#![expect(clippy::disallowed_methods, reason = "whatever hangs, the process ends")]

use std::io::{self, Write};
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use coco_core::config::Stop;

use crate::logging::LAST_WORDS;
use crate::signals::{Signal, Signals};

/// The time beyond that of the configuration that the process has to end by itself: to say what was left, and to flush
/// its log.
const MARGIN: Duration = Duration::from_secs(1);

/// When a stop must be over. Without [`Deadline::enforce`] it is only a wish.
#[derive(Default)]
pub struct Deadline(Mutex<State>);

#[derive(Default)]
struct State {
    drain: Duration,
    grace: Duration,
    left: Option<Box<dyn Fn() -> String + Send>>,
    is_enforced: bool,
}

impl Deadline {
    /// Ends this process, with status 1, when it takes too long to stop after SIGTERM or SIGINT, or after
    /// [`Deadline::begin`]. A second signal skips the drain.
    pub fn enforce() -> io::Result<Arc<Self>> {
        let deadline = Arc::new(Self::default());
        deadline.lock().is_enforced = true;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut signals = {
            let _within = runtime.enter();
            Signals::new()?
        };
        let ends = Arc::clone(&deadline);
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async {
                let mut stop = async || while signals.next().await != Signal::Stop {};
                stop().await;
                let Stop { drain, grace } = ends.terms();
                end_after(drain + grace, &ends);
                stop().await;
                ends.begin();
            });
        })?;
        Ok(deadline)
    }

    /// The configuration from now on.
    pub fn set(&self, stop: &Stop) {
        let mut state = self.lock();
        (state.drain, state.grace) = (stop.drain, stop.grace);
    }

    /// The last configuration.
    pub fn terms(&self) -> Stop {
        let state = self.lock();
        Stop { drain: state.drain, grace: state.grace }
    }

    /// `left` is what to say of whatever is not done at the end.
    pub fn tell(&self, left: impl Fn() -> String + Send + 'static) {
        self.lock().left = Some(Box::new(left));
    }

    /// A stop begins now, for another reason than a signal, or in more of a hurry.
    pub fn begin(self: &Arc<Self>) {
        if self.lock().is_enforced {
            end_after(self.terms().grace, self);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn end_after(time: Duration, deadline: &Arc<Deadline>) {
    let deadline = Arc::clone(deadline);
    let waiting = thread::Builder::new().name("deadline".to_owned()).spawn(move || {
        thread::sleep(time + MARGIN);
        // Nor must whoever does not read them, nor a lock that is never given back, hold up the end.
        let saying = thread::Builder::new().spawn(move || {
            let left = deadline.lock().left.as_ref().map(|left| left());
            let left = left.unwrap_or_else(|| "nothing is known of what was left".to_owned());
            let _ = writeln!(io::stderr(), "stopped by force past stop.grace: {left}");
            process::exit(1);
        });
        if saying.is_ok() {
            thread::sleep(LAST_WORDS);
        }
        process::exit(1);
    });
    // Then the process ends by itself, or by whoever loses patience.
    drop(waiting);
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Instant;

    use super::*;

    const CHILD: &str = "COCO_TEST_HANGS_AT_ITS_STOP";

    /// Runs itself once more as a process whose main thread never looks at its signals.
    #[test]
    fn a_process_that_hangs_ends_and_says_what_was_left() {
        if std::env::var_os(CHILD).is_some() {
            let deadline = Deadline::enforce().unwrap();
            deadline.set(&Stop { drain: Duration::from_secs(3600), grace: Duration::from_millis(10) });
            deadline.tell(|| "7 value lists".to_owned());
            // The first begins the drain; the second has no time for it.
            for _ in 0..2 {
                let command = format!("kill -TERM {}", process::id());
                assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
                thread::sleep(Duration::from_millis(100));
            }
            loop {
                thread::park();
            }
        }
        let start = Instant::now();
        let output = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "deadline::tests::a_process_that_hangs_ends_and_says_what_was_left",
                "--nocapture",
            ])
            .env(CHILD, "")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.ends_with("stopped by force past stop.grace: 7 value lists\n"), "{said}");
        assert!(start.elapsed() < Duration::from_secs(3600), "it did not wait for the drain");
    }
}
