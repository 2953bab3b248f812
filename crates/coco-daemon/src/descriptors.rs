//! The limit of files and sockets that this process may have open.

use std::fs::File;
use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the limit of this process as far as it may by itself. The usual 1024 are a precaution for programs that call
/// `select`, which none of ours does.
pub fn raise_limit() {
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // Else it stays as it is.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

/// Descriptors that a process needs beside those for its configuration: a runtime, signals, files opened for a moment.
const LEAST: usize = 16;

/// Says what is wrong if there are too few left to start with, where what needs them would only say so.
pub fn ensure() -> Result<(), String> {
    let opened: io::Result<Vec<_>> = (0..LEAST).map(|_| File::open("/dev/null")).collect();
    opened.map(drop).map_err(|problem| {
        format!("cannot start with fewer than {LEAST} more files open (`ulimit -n`, LimitNOFILE): {problem}")
    })
}

/// The limit of this process as it is.
pub fn limit() -> usize {
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1024, 1024));
    usize::try_from(soft).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_what_the_system_grants() {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        raise_limit();
        assert_eq!(limit() as u64, hard);
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), (hard, hard));
    }
}
