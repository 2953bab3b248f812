//! Counts instructions: a program under valgrind's callgrind, which is the same whatever else the machine does.

use std::path::PathBuf;

use crate::error::{Doing, Error};
use crate::subject::Place;

/// One count.
pub(crate) struct Callgrind {
    log: PathBuf,
    out: PathBuf,
}

impl Callgrind {
    /// Says what to install if it is not there.
    pub(crate) fn find() -> Result<(), Error> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path).any(|folder| folder.join("valgrind").is_file());
        found.then_some(()).ok_or_else(|| {
            Error::Meaningless(
                "no valgrind on the PATH, which counts instructions: install it (Debian: valgrind)"
                    .to_owned(),
            )
        })
    }

    /// Its files are those of the place.
    pub(crate) fn new(place: &Place) -> Self {
        Self { log: place.folder.join("valgrind"), out: place.folder.join("callgrind") }
    }

    /// What runs a program under it.
    pub(crate) fn wrapper(&self) -> [String; 4] {
        [
            "valgrind".to_owned(),
            "--tool=callgrind".to_owned(),
            format!("--callgrind-out-file={}", self.out.display()),
            format!("--log-file={}", self.log.display()),
        ]
    }

    /// Instructions of the whole run of a program that has ended, without the kernel's.
    pub(crate) fn collected(&self) -> Result<u64, Error> {
        let said = std::fs::read_to_string(&self.log).doing(|| format!("read {}", self.log.display()))?;
        // ==1234== Collected : 987654321
        let count = said.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok());
        count.ok_or_else(|| Error::Answer {
            from: "valgrind".to_owned(),
            problem: format!("no count in:\n{said}"),
        })
    }
}
