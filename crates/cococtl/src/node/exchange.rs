//! What a node does with one file at a time, in the order that loses no row while values keep arriving.
//!
//! The former owner misses nothing while both are written to, so its file is the truth up to its last update. A file that
//! was updated last at the same time can take all of it, steps and rows in progress, too; one that was updated later
//! waits for a newer copy, one that was updated earlier for what is on its way to it.

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rrd::compare::{Comparison, Strictness, compare};
use rrd::file::{Last, RrdFile};
use rrd::layout::{FormatError, LayoutDifference};
use rrd::merge::{Merged, Precedence, merge};
use thiserror::Error;

use super::beside::Looks;
use super::name::FileName;
use super::protocol::{Answer, Compared, Copied, Done, Imported, Time};
use super::store::{Copy, Put, Store, StoreError};
use super::writer::{Hand, WriterError};

/// How long a file may take to have what the other owner's has already.
const CATCH_UP: Duration = Duration::from_secs(5);

/// What is older than that is on its way to nobody any more.
const RECENT: i64 = 60;

/// How long a writer that does not say when it is done may take for one file.
const FLUSHED: Duration = Duration::from_millis(20);

/// The pause between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(2);

/// Why nothing can be done with a file.
#[derive(Debug, Error)]
pub(super) enum ExchangeError {
    /// The file, or where it is to be.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Who writes it.
    #[error(transparent)]
    Writer(#[from] WriterError),
    /// The bytes that came.
    #[error("what came: {0}")]
    Format(#[from] FormatError),
    /// The two files are not of the same metric.
    #[error("{0}")]
    Layout(#[from] LayoutDifference),
}

/// A data directory and who writes there.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) store: Store,
    pub(super) hand: Hand,
}

impl Exchange {
    /// Has a file written and copies it.
    pub(super) fn export(&mut self, name: &FileName) -> Result<(Answer, Vec<u8>), ExchangeError> {
        self.flush(name)?;
        let Some(copy) = self.store.copy(name)? else { return Ok((Answer::Absent, Vec::new())) };
        Ok((Answer::Copy(copied(&copy)), copy.file.into_bytes()))
    }

    /// Takes another owner's file into the one here.
    pub(super) fn import(
        &mut self,
        name: &FileName,
        copy: Copied,
        bytes: Vec<u8>,
        terms: Terms,
    ) -> Result<Answer, ExchangeError> {
        let former = RrdFile::read(bytes)?;
        // A run that was killed may have left it so.
        self.hand.resume(self.store.root(), name)?;
        let done = self.import_while_suspended(name, copy, &former, terms);
        let resumed = self.hand.resume(self.store.root(), name);
        let answer = done?;
        resumed?;
        Ok(answer)
    }

    fn import_while_suspended(
        &mut self,
        name: &FileName,
        copy: Copied,
        former: &RrdFile,
        terms: Terms,
    ) -> Result<Answer, ExchangeError> {
        let Some(current) = self.caught_up(name, former.last())? else {
            let modified = UNIX_EPOCH + Duration::from_secs(u64::try_from(copy.modified).unwrap_or(0));
            let put = self.store.create(name, former.bytes(), Looks { mode: copy.mode & 0o777, modified })?;
            let bytes = former.bytes().len() as u64;
            return Ok(answer(put, Imported { done: Done::Created, values: 0, bytes, is_exact: true }));
        };
        if current.file.last() > former.last() && !terms.inexact {
            return Ok(Answer::Later);
        }
        let precedence = if terms.counts { Precedence::Former } else { Precedence::New };
        let Merged { file, values, is_news, is_exact } = merge(former, &current.file, precedence)?;
        if !is_news {
            return Ok(Answer::Imported(Imported { done: Done::Nothing, values: 0, bytes: 0, is_exact }));
        }
        // What is not newer than the file it is written to is refused, and all that is written with it.
        let last = file.last();
        let pending = self.hand.pending(self.store.root(), name)?;
        if pending.is_some_and(|pending| pending <= last.seconds as f64 + last.microseconds as f64 * 1e-6) {
            return Ok(Answer::Again);
        }
        let bytes = file.bytes().len() as u64;
        let put = self.store.exchange(name, file.bytes(), &current)?;
        Ok(answer(put, Imported { done: Done::Merged, values, bytes, is_exact }))
    }

    /// Compares another owner's file with the one here.
    pub(super) fn compare(
        &mut self,
        name: &FileName,
        bytes: Vec<u8>,
        terms: Terms,
    ) -> Result<Answer, ExchangeError> {
        let former = RrdFile::read(bytes)?;
        let current = self.caught_up(name, former.last());
        let resumed = self.hand.resume(self.store.root(), name);
        let Some(current) = current? else { return Ok(Answer::Absent) };
        resumed?;
        if current.file.last() > former.last() && !terms.inexact {
            return Ok(Answer::Later);
        }
        let strictness = if terms.counts { Strictness::Same } else { Strictness::Known };
        let found = compare(&former, &current.file, strictness)?;
        Ok(Answer::Compared(compared(&former, &found, current.file.last())))
    }

    /// Removes a file that is as it was when it was last updated then.
    pub(super) fn remove(&mut self, name: &FileName, last: Time) -> Result<Answer, ExchangeError> {
        self.flush(name)?;
        match self.store.head(name)? {
            None => Ok(Answer::Absent),
            Some(head) if Time::from(head.last) != last => Ok(Answer::Changed),
            Some(_) => Ok(Answer::Removed { bytes: self.store.remove(name)? }),
        }
    }

    /// Has the file here written, no more after that where this can be had, and copies it. Waits for what the other owner
    /// had already, if that is on its way.
    fn caught_up(&mut self, name: &FileName, other: Last) -> Result<Option<Copy>, ExchangeError> {
        let start = Instant::now();
        loop {
            self.flush(name)?;
            self.hand.suspend(self.store.root(), name)?;
            let copy = self.store.copy(name)?;
            let is_behind = copy.as_ref().is_some_and(|copy| copy.file.last() < other);
            if !is_behind || !is_recent(other) || start.elapsed() > CATCH_UP {
                return Ok(copy);
            }
            self.hand.resume(self.store.root(), name)?;
            thread::sleep(FLUSHED);
        }
    }

    fn flush(&mut self, name: &FileName) -> Result<(), ExchangeError> {
        let before = self.store.head(name)?;
        self.hand.flush(self.store.root(), name)?;
        let start = Instant::now();
        // It is in a queue now, if anything is kept of it at all.
        while self.hand.is_slow() && before.is_some() && start.elapsed() < FLUSHED {
            if self.store.head(name)? != before {
                break;
            }
            thread::sleep(BETWEEN_LOOKS);
        }
        Ok(())
    }
}

/// On what terms a file is taken or compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// Whether what the other owner knows counts where both know something.
    pub(super) counts: bool,
    /// Whether the file here may have been updated later.
    pub(super) inexact: bool,
}

fn answer(put: Put, imported: Imported) -> Answer {
    match put {
        Put::Done => Answer::Imported(imported),
        Put::Overtaken => Answer::Again,
    }
}

fn is_recent(last: Last) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    i64::try_from(now).unwrap_or(i64::MAX) - last.seconds < RECENT
}

fn copied(copy: &Copy) -> Copied {
    let modified = copy.modified.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let modified = i64::try_from(modified).unwrap_or(i64::MAX);
    Copied { last: copy.file.last().into(), mode: copy.mode, modified }
}

fn compared(former: &RrdFile, found: &Comparison, last: Last) -> Compared {
    let told = found.told.iter().map(|difference| {
        let archive = &former.layout().archives[difference.archive];
        let period = former.layout().period(difference.archive);
        let (function, source) = (&archive.function, &difference.source);
        let (end, value) = (difference.end, difference.former);
        let here = difference.new.map_or("unknown".to_owned(), |new| new.to_string());
        format!("{source} {function} of {period} s until {end}: {value} there, {here} here")
    });
    Compared {
        values: found.values,
        missing: found.missing,
        different: found.different,
        unfinished: found.unfinished,
        last: last.into(),
        told: told.collect(),
    }
}
