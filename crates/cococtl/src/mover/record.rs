//! The journal as a file: read once, then written line by line by one process at a time.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::journal::{self, Entry, Journal, JournalError};
use crate::failure::Failure;

/// An open journal.
#[derive(Debug)]
pub(super) struct Record {
    path: PathBuf,
    file: File,
    /// What it says.
    pub(super) journal: Journal,
}

impl Record {
    /// Opens the journal of a way, and makes it if there is none. Nobody else has it then.
    pub(super) fn open(path: &Path, way: &str) -> Result<Self, Failure> {
        let failure = |source| Failure::file(path, source);
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = opened.map_err(failure)?;
        if file.try_lock().is_err() {
            return Err(Failure::Refused(format!("{}: another cococtl move is at it", path.display())));
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(failure)?;
        let journal = Journal::read(&text, way).map_err(|problem| told(path, &problem))?;
        // What was torn by a kill is no line, and none is written behind it.
        let whole = text.rfind('\n').map_or(0, |end| end as u64 + 1);
        file.set_len(whole).map_err(failure)?;
        file.seek(SeekFrom::Start(whole)).map_err(failure)?;
        let mut record = Self { path: path.to_owned(), file, journal };
        if whole == 0 {
            record.write(&Entry::Way(way.to_owned()))?;
        }
        Ok(record)
    }

    /// What a journal of a way says, if there is one; nothing is made or written.
    pub(super) fn look(path: &Path, way: &str) -> Result<Journal, Failure> {
        match std::fs::read_to_string(path) {
            Ok(text) => Journal::read(&text, way).map_err(|problem| told(path, &problem)),
            Err(problem) if problem.kind() == io::ErrorKind::NotFound => Ok(Journal::default()),
            Err(problem) => Err(Failure::file(path, problem)),
        }
    }

    /// Writes what was done.
    pub(super) fn write(&mut self, entry: &Entry) -> Result<(), Failure> {
        let written = self.file.write_all(journal::line(entry).as_bytes());
        written.map_err(|source| Failure::file(&self.path, source))?;
        self.journal.note(entry);
        Ok(())
    }
}

fn told(path: &Path, problem: &JournalError) -> Failure {
    Failure::Refused(format!("{}: {problem}", path.display()))
}
