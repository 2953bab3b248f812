//! What a file is made of, and where in its bytes.

use std::fmt;

use thiserror::Error;

/// Bytes of the head.
const HEAD: usize = 128;

/// Bytes of what defines a data source, and of what defines an archive.
const DEFINITION: usize = 120;

/// Bytes of the time of the last update.
const LIVE_HEAD: usize = 16;

/// Bytes of a data source's step in progress.
pub(crate) const STEP_STATE: usize = 112;

/// Bytes of an archive's row in progress, for each data source.
pub(crate) const ROW_STATE: usize = 80;

/// A double that has other bytes on every other kind of machine (`FLOAT_COOKIE`).
const FLOAT_COOKIE: f64 = 8.642_135E130;

/// Most data sources and most archives of a file: far more than anybody has, so that sizes stay numbers.
const MOST: usize = 10_000;

/// How an archive makes one value of several steps.
const FUNCTIONS: [&str; 4] = ["AVERAGE", "MIN", "MAX", "LAST"];

/// Why bytes are no file that can be read here.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FormatError {
    /// Something else.
    #[error("it is no RRD file")]
    NoFile,
    /// Made by an rrdtool that is much older or newer.
    #[error("its format is {0:?}: expected 0003 or 0004")]
    Version(String),
    /// Of another kind of machine, with other sizes of numbers or another order of bytes.
    #[error("it was made on another kind of machine: rrdtool dump and restore take it along")]
    Machine,
    /// Not as long as what it says it is made of.
    #[error("it has {bytes} bytes and is made of {expected}")]
    Length {
        /// What there is.
        bytes: usize,
        /// What there should be.
        expected: usize,
    },
    /// What it says it is made of makes no sense.
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    /// Functions that forecast keep more than rows.
    #[error("it has an archive of {0}: expected AVERAGE, MIN, MAX or LAST")]
    Function(String),
}

/// A data source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSource {
    /// Its name.
    pub name: String,
    /// `GAUGE` and so on.
    pub kind: String,
    /// Bytes that define it.
    pub(crate) definition: Vec<u8>,
}

/// An archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// Its function: `AVERAGE`, `MIN`, `MAX` or `LAST`.
    pub function: String,
    /// How many rows it keeps.
    pub rows: usize,
    /// How many steps make a row.
    pub steps: u64,
    /// Which part of a row may be unknown, as bits.
    pub(crate) xff: u64,
    /// Where its rows begin.
    pub(crate) offset: usize,
}

/// What a file is made of. Two files of equal layout can be merged and compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Seconds of a step.
    pub step: u64,
    /// Data sources, in their order.
    pub sources: Vec<DataSource>,
    /// Archives, in their order.
    pub archives: Vec<Archive>,
}

/// How many of each there are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    sources: usize,
    archives: usize,
    pub(crate) step: u64,
}

impl Counts {
    /// Reads the first bytes of a file.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.len() < HEAD || &bytes[..4] != b"RRD\0" {
            return Err(FormatError::NoFile);
        }
        let version = text(&bytes[4..9]);
        if version != "0003" && version != "0004" {
            return Err(FormatError::Version(version));
        }
        if number(bytes, 16) != FLOAT_COOKIE.to_bits() {
            return Err(FormatError::Machine);
        }
        let count = |at| usize::try_from(number(bytes, at)).ok().filter(|count| (1..=MOST).contains(count));
        let sources = count(24).ok_or(FormatError::Damaged("the number of data sources"))?;
        let archives = count(32).ok_or(FormatError::Damaged("the number of archives"))?;
        let step = number(bytes, 40);
        if !(1..=1 << 32).contains(&step) {
            return Err(FormatError::Damaged("the step"));
        }
        Ok(Self { sources, archives, step })
    }

    /// Where the time of the last update is.
    pub(crate) fn live_head(self) -> usize {
        HEAD + (self.sources + self.archives) * DEFINITION
    }
}

impl Layout {
    /// Reads the head of a file, whose length has to be that of what it is made of.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, FormatError> {
        let counts = Counts::read(bytes)?;
        let Counts { sources, archives, step } = counts;
        let mut layout = Self { step, sources: Vec::new(), archives: Vec::new() };
        let definitions = counts.live_head();
        let live = definitions + LIVE_HEAD;
        let rows = live + sources * STEP_STATE + archives * sources * ROW_STATE + archives * 8;
        if bytes.len() < rows {
            return Err(FormatError::Length { bytes: bytes.len(), expected: rows });
        }
        let (sources, archives) = bytes[HEAD..definitions].split_at(sources * DEFINITION);
        layout.sources.extend(sources.chunks_exact(DEFINITION).map(DataSource::read));
        let mut offset = rows;
        for definition in archives.chunks_exact(DEFINITION) {
            let archive = Archive::read(definition, offset)?;
            let length = archive.rows.checked_mul(8 * layout.sources.len());
            let end = length.and_then(|length| offset.checked_add(length));
            offset = end.ok_or(FormatError::Damaged("the number of rows"))?;
            layout.archives.push(archive);
        }
        if offset != bytes.len() {
            return Err(FormatError::Length { bytes: bytes.len(), expected: offset });
        }
        Ok(layout)
    }

    /// Seconds from the end of a row of an archive to the end of the next.
    pub fn period(&self, archive: usize) -> i64 {
        // Both were held against limits.
        i64::try_from(self.step * self.archives[archive].steps).unwrap_or(i64::MAX)
    }

    /// In what another layout is not like this one, of which the file is the former.
    pub fn difference(&self, other: &Self) -> Option<LayoutDifference> {
        if self.step != other.step {
            return Some(LayoutDifference::Step { former: self.step, new: other.step });
        }
        let names = |layout: &Self| layout.sources.iter().map(ToString::to_string).collect::<Vec<_>>();
        if self.sources != other.sources {
            return Some(LayoutDifference::Sources { former: names(self), new: names(other) });
        }
        let archives = |layout: &Self| layout.archives.iter().map(ToString::to_string).collect::<Vec<_>>();
        (self.archives != other.archives)
            .then(|| LayoutDifference::Archives { former: archives(self), new: archives(other) })
    }

    /// Where the time of the last update is.
    pub(crate) fn live_head(&self) -> usize {
        let (sources, archives) = (self.sources.len(), self.archives.len());
        Counts { sources, archives, step: self.step }.live_head()
    }

    /// Where a data source's step in progress is.
    pub(crate) fn step_state(&self, source: usize) -> usize {
        self.live_head() + LIVE_HEAD + source * STEP_STATE
    }

    /// Where an archive's row in progress is.
    pub(crate) fn row_state(&self, archive: usize, source: usize) -> usize {
        self.step_state(self.sources.len()) + (archive * self.sources.len() + source) * ROW_STATE
    }

    /// Where it stands which row of an archive was written last.
    pub(crate) fn pointer(&self, archive: usize) -> usize {
        self.row_state(self.archives.len(), 0) + archive * 8
    }
}

/// In what two files differ that were to be of one metric.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LayoutDifference {
    /// Seconds of a step.
    #[error("the former file has a step of {former} s, the new one of {new} s")]
    Step {
        /// That of the former file.
        former: u64,
        /// That of the new one.
        new: u64,
    },
    /// Names, types, heartbeats, limits, or their order.
    #[error("the former file has the data sources {}, the new one {}", former.join(" "), new.join(" "))]
    Sources {
        /// Those of the former file.
        former: Vec<String>,
        /// Those of the new one.
        new: Vec<String>,
    },
    /// Functions, rows, steps, or their order.
    #[error("the former file has the archives {}, the new one {}", former.join(" "), new.join(" "))]
    Archives {
        /// Those of the former file.
        former: Vec<String>,
        /// Those of the new one.
        new: Vec<String>,
    },
}

impl DataSource {
    fn read(definition: &[u8]) -> Self {
        let (name, kind) = (text(&definition[..20]), text(&definition[20..40]));
        // Behind names that end in a zero stands whatever was there.
        let definition = definition[40..64].to_vec();
        Self { name, kind, definition }
    }
}

impl Archive {
    fn read(definition: &[u8], offset: usize) -> Result<Self, FormatError> {
        let function = text(&definition[..20]);
        if !FUNCTIONS.contains(&function.as_str()) {
            return Err(FormatError::Function(function));
        }
        let rows = usize::try_from(number(definition, 24)).ok().filter(|rows| (1..=1 << 32).contains(rows));
        let rows = rows.ok_or(FormatError::Damaged("the number of rows"))?;
        let steps = number(definition, 32);
        if !(1..=1 << 24).contains(&steps) {
            return Err(FormatError::Damaged("the steps of a row"));
        }
        Ok(Self { function, rows, steps, xff: number(definition, 40), offset })
    }
}

/// As rrdtool takes it, so that it can be compared by eye.
impl fmt::Display for DataSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = |at| f64::from_bits(number(&self.definition, at));
        let (heartbeat, minimum, maximum) = (number(&self.definition, 0), limit(8), limit(16));
        write!(f, "DS:{}:{}:{heartbeat}:{minimum}:{maximum}", self.name, self.kind)
    }
}

impl fmt::Display for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RRA:{}:{}:{}:{}", self.function, f64::from_bits(self.xff), self.steps, self.rows)
    }
}

/// A text up to the zero that ends it.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// The eight bytes at a place that is there.
pub(crate) fn number(bytes: &[u8], at: usize) -> u64 {
    let (head, _) = bytes[at..].split_first_chunk().expect("its place was held against the length");
    u64::from_le_bytes(*head)
}
