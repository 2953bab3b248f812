//! A file whose bytes fit its layout.

use crate::layout::{Counts, FormatError, Layout, ROW_STATE, STEP_STATE, number};

/// A copy of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RrdFile {
    pub(crate) layout: Layout,
    pub(crate) bytes: Vec<u8>,
}

/// When a file was updated last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Last {
    /// Unix seconds.
    pub seconds: i64,
    /// Millionths of a second.
    pub microseconds: i64,
}

impl Last {
    fn at(bytes: &[u8], place: usize) -> Self {
        let number = |at| i64::from_le_bytes(number(bytes, at).to_le_bytes());
        Self { seconds: number(place), microseconds: number(place + 8) }
    }
}

impl RrdFile {
    /// Takes bytes that are a file, and refuses all others.
    pub fn read(bytes: Vec<u8>) -> Result<Self, FormatError> {
        let layout = Layout::read(&bytes)?;
        for (index, archive) in layout.archives.iter().enumerate() {
            if number(&bytes, layout.pointer(index)) >= archive.rows as u64 {
                return Err(FormatError::Damaged("which row was written last"));
            }
        }
        let file = Self { layout, bytes };
        if !(0..1 << 40).contains(&file.last().seconds) {
            return Err(FormatError::Damaged("the time of the last update"));
        }
        Ok(file)
    }

    /// What it is made of.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// When it was updated last.
    pub fn last(&self) -> Last {
        Last::at(&self.bytes, self.layout.live_head())
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its bytes, to be written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The value of a data source in the row of an archive that ends at a time: NaN where it is unknown. None where the
    /// archive has no such row, or has it no more.
    pub fn value(&self, archive: usize, source: usize, end: i64) -> Option<f64> {
        self.place(archive, source, end).map(|place| f64::from_bits(number(&self.bytes, place)))
    }

    /// The ends of the rows of an archive, the oldest first.
    pub fn ends(&self, archive: usize) -> impl Iterator<Item = i64> + use<> {
        let (period, rows, newest) =
            (self.layout.period(archive), self.layout.archives[archive].rows, self.newest(archive));
        (0..rows as i64).rev().map(move |back| newest.saturating_sub(back.saturating_mul(period)))
    }

    /// The end of the newest row of an archive.
    pub(crate) fn newest(&self, archive: usize) -> i64 {
        let (last, period) = (self.last().seconds, self.layout.period(archive));
        last - last % period
    }

    /// Where the value of a row is.
    pub(crate) fn place(&self, archive: usize, source: usize, end: i64) -> Option<usize> {
        let (period, rows) = (self.layout.period(archive), self.layout.archives[archive].rows);
        let behind = self.newest(archive).checked_sub(end)?;
        let back = usize::try_from(behind / period).ok().filter(|_| behind >= 0 && behind % period == 0)?;
        if back >= rows {
            return None;
        }
        let current = number(&self.bytes, self.layout.pointer(archive)) as usize;
        let row = (current + rows - back) % rows;
        let sources = self.layout.sources.len();
        Some(self.layout.archives[archive].offset + (row * sources + source) * 8)
    }

    /// The bytes of a data source's step in progress.
    pub(crate) fn step_state(&self, source: usize) -> &[u8] {
        &self.bytes[self.layout.step_state(source)..][..STEP_STATE]
    }

    /// The bytes of an archive's row in progress.
    pub(crate) fn row_state(&self, archive: usize, source: usize) -> &[u8] {
        &self.bytes[self.layout.row_state(archive, source)..][..ROW_STATE]
    }
}

/// How many bytes of a file [`Head::read`] takes at most: those of a hundred data sources and archives.
pub const HEAD: usize = 16 * 1024;

/// What a file is, by its first bytes alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Head {
    /// Seconds of a step.
    pub step: u64,
    /// When it was updated last.
    pub last: Last,
}

impl Head {
    /// Reads the first bytes of a file, up to [`HEAD`] of them.
    pub fn read(bytes: &[u8]) -> Result<Self, FormatError> {
        let counts = Counts::read(bytes)?;
        let live = counts.live_head();
        if bytes.len() < live + 16 {
            return Err(FormatError::Length { bytes: bytes.len(), expected: live + 16 });
        }
        Ok(Self { step: counts.step, last: Last::at(bytes, live) })
    }
}

/// How much of a step in progress is unknown: less is better. Without a last value the next one of a counter is unknown,
/// too.
pub(crate) fn unknown_of_step(state: &[u8]) -> (u64, bool) {
    (number(state, 32), state.starts_with(b"U"))
}

/// How many steps of a row in progress are unknown.
pub(crate) fn unknown_of_row(state: &[u8]) -> u64 {
    number(state, 8)
}
