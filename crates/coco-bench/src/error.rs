//! What can keep a measurement from being made. Losses and unbalanced books do not: they are results.

use std::io;
use std::process::ExitStatus;

/// Why there is no measurement.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The system refused.
    #[error("cannot {doing}: {source}")]
    Io {
        /// Completes "cannot".
        doing: String,
        /// What the system says.
        source: io::Error,
    },
    /// What is measured ended before its time.
    #[error("{name} ended ({status}); it said:\n{output}")]
    Ended {
        /// Which program.
        name: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of its output.
        output: String,
    },
    /// What is measured did not come up.
    #[error("{name} is not ready after {seconds} s; it said:\n{output}")]
    NotReady {
        /// Which program.
        name: String,
        /// How long was waited.
        seconds: u64,
        /// The end of its output.
        output: String,
    },
    /// An answer that makes no sense.
    #[error("{from} answered what was not expected: {problem}")]
    Answer {
        /// The URL or program.
        from: String,
        /// What is wrong.
        problem: String,
    },
    /// A measurement that means nothing.
    #[error("{0}")]
    Meaningless(String),
}

/// Adds what was being done to an error of the system.
pub(crate) trait Doing<T> {
    /// `doing` completes "cannot".
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T, Error>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T, Error> {
        self.map_err(|source| Error::Io { doing: doing(), source: source.into() })
    }
}
