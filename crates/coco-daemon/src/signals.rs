//! Signals, by which the operator tells a running daemon to stop or to reload.

#![expect(clippy::disallowed_methods, reason = "this is the place")]

use std::io;

use tokio::signal::unix::{self, SignalKind, signal};

/// The wish behind a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM or SIGINT: finish what is at hand and exit.
    Stop,
    /// SIGHUP: read the configuration again.
    Reload,
}

/// The signals of this process, from [`Signals::new`] on. Those that arrive before [`Signals::next`] is called
/// wait for it; several of one kind count as one, as everywhere in Unix.
#[derive(Debug)]
pub struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
    hangup: unix::Signal,
}

impl Signals {
    /// Takes the signals over from the system's defaults, which would end the process. Must be called within a
    /// tokio runtime with input and output.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next signal, a stop before a reload. May be dropped and called again without losing one.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.hangup.recv() => Signal::Reload,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn raise(name: &str) {
        let command = format!("kill -{name} {}", std::process::id());
        assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success());
    }

    #[test]
    fn signals_become_wishes() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut signals = Signals::new().unwrap();
            for (name, wish) in [("HUP", Signal::Reload), ("TERM", Signal::Stop), ("INT", Signal::Stop)] {
                raise(name);
                assert_eq!(signals.next().await, wish, "{name}");
            }
        });
    }
}
