//! What a file is made of, as INFO says it: `<n> Info for <path> follows`, then lines of key, kind and value.
//!
//! ```text
//! step 1 10
//! last_update 1 1795200000
//! ds[value].type 2 GAUGE
//! ds[value].minimal_heartbeat 1 20
//! rra[0].cf 2 AVERAGE
//! rra[0].rows 1 120
//! rra[0].pdp_per_row 1 1
//! ```
//!
//! Keys that are of no use to a reader of rows are passed over.

use crate::cursor::Cursor;
use crate::error::{Error, Malformed};
use crate::status::{Status, integer};

/// The most lines that are read: those of 100 data sources in 40 archives.
pub const MOST_LINES: u64 = 20_000;

/// The most bytes that they have together.
pub const MOST_BYTES: usize = 1 << 20;

/// What a file is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Info {
    /// Seconds of a primary data point, at least 1.
    pub step: i64,
    /// The time of the last update, in seconds since 1970.
    pub last_update: i64,
    /// In the order of the file.
    pub data_sources: Vec<Source>,
    /// In the order of the file.
    pub archives: Vec<Archive>,
}

/// A data source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// Its name.
    pub name: Vec<u8>,
    /// `GAUGE`, `COUNTER`, `DERIVE`, `ABSOLUTE` or another.
    pub kind: Vec<u8>,
    /// How long a value lasts, in seconds.
    pub heartbeat: i64,
}

/// A round robin archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Archive {
    /// Its consolidation function.
    pub function: Vec<u8>,
    /// How many rows it holds.
    pub rows: i64,
    /// How many primary data points a row consolidates, at least 1.
    pub points_per_row: i64,
}

impl Info {
    /// Reads a whole reply; `None` where not all of it is there yet.
    ///
    /// # Errors
    /// A refusal, which is a whole reply, or what is no reply.
    pub fn read(cursor: &mut Cursor<'_>) -> Result<Option<Self>, Error> {
        cursor.whole(|cursor| {
            let Some(mut reading) = Reading::begin(cursor)? else { return Ok(None) };
            if reading.read(cursor)? { reading.finish().map(Some).map_err(Error::from) } else { Ok(None) }
        })
    }

    fn note_line(&mut self, line: &[u8]) -> Result<(), Malformed> {
        let mut words = line.splitn(3, |byte| *byte == b' ');
        let (Some(key), Some(_kind), Some(value)) = (words.next(), words.next(), words.next()) else {
            return Err(Malformed::Missing("value"));
        };
        if let Some((name, member)) = indexed(key, b"ds[") {
            self.note_source(name, member, value)
        } else if let Some((index, member)) = indexed(key, b"rra[") {
            self.note_archive(index, member, value)
        } else {
            match key {
                b"step" => self.step = number(value)?,
                b"last_update" => self.last_update = number(value)?,
                _ => {}
            }
            Ok(())
        }
    }

    /// The lines of a data source follow one another, the one of its index first.
    fn note_source(&mut self, name: &[u8], member: &[u8], value: &[u8]) -> Result<(), Malformed> {
        if self.data_sources.last().is_none_or(|source| source.name != name) {
            self.data_sources.push(Source { name: name.to_vec(), ..Source::default() });
        }
        let source = self.data_sources.last_mut().expect("one was pushed");
        match member {
            b"type" => source.kind = value.to_vec(),
            b"minimal_heartbeat" => source.heartbeat = number(value)?,
            _ => {}
        }
        Ok(())
    }

    fn note_archive(&mut self, index: &[u8], member: &[u8], value: &[u8]) -> Result<(), Malformed> {
        let index = integer(index).ok_or(Malformed::Number)?;
        if index == self.archives.len() as u64 {
            self.archives.push(Archive::default());
        }
        let last = self.archives.len() as u64;
        let archive = self.archives.last_mut().filter(|_| index + 1 == last);
        let archive = archive.ok_or(Malformed::Count("archives"))?;
        match member {
            b"cf" => archive.function = value.to_vec(),
            b"rows" => archive.rows = number(value)?,
            b"pdp_per_row" => archive.points_per_row = number(value)?,
            _ => {}
        }
        Ok(())
    }

    /// What later arithmetic relies on.
    fn checked(self) -> Result<Self, Malformed> {
        let has_steps = self.archives.iter().all(|archive| {
            let seconds = self.step.checked_mul(archive.points_per_row).filter(|seconds| *seconds > 0);
            archive.rows > 0 && seconds.and_then(|seconds| seconds.checked_mul(archive.rows)).is_some()
        });
        if self.step < 1 {
            Err(Malformed::Missing("step"))
        } else if self.archives.is_empty() || !has_steps {
            Err(Malformed::Missing("archives"))
        } else if self.data_sources.is_empty() {
            Err(Malformed::Missing("data sources"))
        } else {
            Ok(self)
        }
    }
}

/// A reply as it arrives, line by line.
#[derive(Debug)]
pub struct Reading {
    left: u64,
    bytes: usize,
    info: Info,
}

impl Reading {
    /// Reads the first line; `None` where it is not there yet.
    ///
    /// # Errors
    /// A refusal, which is a whole reply, or what is no reply.
    pub fn begin(cursor: &mut Cursor<'_>) -> Result<Option<Self>, Error> {
        let Some(status) = Status::read(cursor)? else { return Ok(None) };
        if status.lines > MOST_LINES {
            return Err(Malformed::Count("lines").into());
        }
        Ok(Some(Self { left: status.lines, bytes: 0, info: Info::default() }))
    }

    /// Goes on with what has arrived. Takes off what it reads; returns true when the last line is there.
    ///
    /// It takes about as much memory as it takes off.
    ///
    /// # Errors
    /// What is no line of such a reply, or more bytes than any has.
    pub fn read(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, Malformed> {
        while self.left > 0 {
            let Some(line) = cursor.line()? else { return Ok(false) };
            self.bytes += line.len();
            if self.bytes > MOST_BYTES {
                return Err(Malformed::Count("bytes"));
            }
            self.info.note_line(line)?;
            self.left -= 1;
        }
        Ok(true)
    }

    /// What the file is made of.
    ///
    /// # Errors
    /// When no rows can be counted by what was said.
    pub fn finish(self) -> Result<Info, Malformed> {
        self.info.checked()
    }
}

/// What stands in brackets, and the member behind them: `value` and `type` of `ds[value].type`.
fn indexed<'a>(key: &'a [u8], start: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let rest = key.strip_prefix(start)?;
    let end = rest.windows(2).position(|pair| pair == b"].")?;
    Some((&rest[..end], &rest[end + 2..]))
}

fn number(text: &[u8]) -> Result<i64, Malformed> {
    integer(text).and_then(|number| i64::try_from(number).ok()).ok_or(Malformed::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLY: &str = "9 Info for /base/a.rrd follows\nfilename 2 /base/a b.rrd\nstep 1 10\n\
        last_update 1 1795200000\nds[value].index 1 0\nds[value].type 2 GAUGE\n\
        ds[value].minimal_heartbeat 1 20\nrra[0].cf 2 AVERAGE\nrra[0].rows 1 120\nrra[0].pdp_per_row 1 7\n";

    fn read(reply: &str) -> Result<Option<Info>, Error> {
        Info::read(&mut Cursor::new(reply.as_bytes()))
    }

    #[test]
    fn a_file_is_read_when_all_of_it_is_there() {
        let info = read(REPLY).unwrap().unwrap();
        assert_eq!((info.step, info.last_update), (10, 1_795_200_000));
        let source = Source { name: b"value".to_vec(), kind: b"GAUGE".to_vec(), heartbeat: 20 };
        assert_eq!(info.data_sources, [source]);
        let archive = Archive { function: b"AVERAGE".to_vec(), rows: 120, points_per_row: 7 };
        assert_eq!(info.archives, [archive]);
        for end in 0..REPLY.len() {
            assert_eq!(read(&REPLY[..end]), Ok(None), "{end}");
        }
    }

    /// Read anew from its front whenever a piece came, a long reply took time that grew with the square of its length.
    #[test]
    fn what_is_read_is_taken_off_line_by_line_and_is_bounded() {
        let (first, rest) = REPLY.split_at(REPLY.find('\n').unwrap() + 1);
        let mut reading = Reading::begin(&mut Cursor::new(first.as_bytes())).unwrap().unwrap();
        let (arrived, late) = rest.split_at(60);
        let mut cursor = Cursor::new(arrived.as_bytes());
        assert_eq!(reading.read(&mut cursor), Ok(false));
        assert_eq!(cursor.position(), arrived.rfind('\n').unwrap() + 1);
        let left = [&arrived[cursor.position()..], late].concat();
        assert_eq!(reading.read(&mut Cursor::new(left.as_bytes())), Ok(true));
        assert_eq!(reading.finish().ok(), read(REPLY).unwrap());

        let line = format!("filename 2 /{}\n", "a".repeat(8000));
        let mut reading = Reading::begin(&mut Cursor::new(b"20000 Info for a follows\n")).unwrap().unwrap();
        let lines = (0..200).find_map(|read| {
            reading.read(&mut Cursor::new(line.as_bytes())).err().map(|error| (read, error))
        });
        assert_eq!(lines, Some((MOST_BYTES / (line.len() - 1), Malformed::Count("bytes"))));
    }

    #[test]
    fn what_no_rows_can_be_counted_by_is_refused() {
        for (from, to, error) in [
            ("step 1 10", "step 1 0", Malformed::Missing("step")),
            ("rows 1 120", "rows 1 0", Malformed::Missing("archives")),
            ("pdp_per_row 1 7", "pdp_per_row 1 9223372036854775807", Malformed::Missing("archives")),
            ("rra[0].rows", "rra[7].rows", Malformed::Count("archives")),
            ("9 Info", "20001 Info", Malformed::Count("lines")),
            ("step 1 10", "step 1 ten", Malformed::Number),
            ("step 1 10", "step", Malformed::Missing("value")),
        ] {
            assert_eq!(read(&REPLY.replace(from, to)), Err(error.into()), "{to}");
        }
    }
}
