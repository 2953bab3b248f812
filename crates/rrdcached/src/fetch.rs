//! Rows of a file, as FETCHBIN and FETCH give them.
//!
//! ```text
//! 6 Success                                  lines: 5, and one for each data source     11 Success   6, and the rows
//! FlushVersion: 1                                                                       FlushVersion: 1
//! Start: 1795199980                          exclusive, seconds since 1970              Start: 1795199980
//! End: 1795200010                            inclusive                                  End: 1795200030
//! Step: 10                                   seconds                                    Step: 10
//! DSCount: 1                                                                            DSCount: 1
//! DSName-value: BinaryData 3 8 LITTLE        name, rows, bytes of a value, their order  DSName: value
//! <3 * 8 bytes, a line feed>                                                            1795199990: 4.79e-01
//!                                                                                       1795200000: -nan
//! ```
//!
//! A row is the value of the `step` seconds that end at its time. Unknown values are NaN of any bits. The head comes
//! first, so that a reader sees how much it would be before it takes it.

use crate::cursor::Cursor;
use crate::error::{Error, Malformed};
use crate::status::{Status, field, integer};

/// The form in which rows come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// FETCHBIN
    Binary,
    /// FETCH
    Text,
}

/// What stands before the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    start: i64,
    end: i64,
    step: i64,
    data_sources: u64,
}

/// The rows of a data source.
#[derive(Debug, Clone, PartialEq)]
pub struct DataSource {
    /// Its name, as the file has it.
    pub name: Vec<u8>,
    /// A value for each row; unknown ones are [`f64::NAN`].
    pub values: Vec<f64>,
}

/// The order of bytes of the daemon's machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

impl Head {
    /// Reads the head of a reply to FETCHBIN; `None` where not all of it is there yet.
    ///
    /// # Errors
    /// A refusal, which is a whole reply, or what is no reply.
    pub fn read_binary(cursor: &mut Cursor<'_>) -> Result<Option<Self>, Error> {
        cursor.whole(|cursor| {
            let Some((head, lines)) = Self::read(cursor)? else { return Ok(None) };
            let is_announced = head.data_sources.checked_add(5) == Some(lines);
            if is_announced { Ok(Some(head)) } else { Err(Malformed::Count("data sources").into()) }
        })
    }

    /// Reads the head of a reply to FETCH, and the names of its data sources.
    fn read_text(cursor: &mut Cursor<'_>) -> Result<Option<(Self, Vec<DataSource>)>, Error> {
        cursor.whole(|cursor| {
            let Some((head, lines)) = Self::read(cursor)? else { return Ok(None) };
            if head.rows().checked_add(6) != Some(lines) {
                return Err(Malformed::Count("rows").into());
            }
            let Some(line) = cursor.line()? else { return Ok(None) };
            let names = field(line, "DSName")?.split(|byte| *byte == b' ');
            let sources: Vec<_> =
                names.map(|name| DataSource { name: name.to_vec(), values: Vec::new() }).collect();
            let is_announced = sources.len() as u64 == head.data_sources;
            if is_announced {
                Ok(Some((head, sources)))
            } else {
                Err(Malformed::Count("data sources").into())
            }
        })
    }

    /// The lines that both forms have, and how many lines the status announced.
    fn read(cursor: &mut Cursor<'_>) -> Result<Option<(Self, u64)>, Error> {
        let Some(status) = Status::read(cursor)? else { return Ok(None) };
        let mut numbers = [0; 5];
        for (number, label) in numbers.iter_mut().zip(["FlushVersion", "Start", "End", "Step", "DSCount"]) {
            let Some(line) = cursor.line()? else { return Ok(None) };
            *number = integer(field(line, label)?).ok_or(Malformed::Number)?;
        }
        let [_, start, end, step, data_sources] = numbers;
        let time = |number: u64| i64::try_from(number).map_err(|_| Malformed::Number);
        let head = Self { start: time(start)?, end: time(end)?, step: time(step)?, data_sources };
        let makes_rows = head.step > 0 && head.end > head.start && (head.end - head.start) % head.step == 0;
        if makes_rows && data_sources > 0 {
            Ok(Some((head, status.lines)))
        } else {
            Err(Malformed::Rows.into())
        }
    }

    /// When the interval of the first row begins, in seconds since 1970.
    #[must_use]
    pub const fn start(&self) -> i64 {
        self.start
    }

    /// When the interval of the last row ends, which is its time.
    #[must_use]
    pub const fn end(&self) -> i64 {
        self.end
    }

    /// Seconds from row to row.
    #[must_use]
    pub const fn step(&self) -> i64 {
        self.step
    }

    /// How many rows follow, at least one.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        ((self.end - self.start) / self.step) as u64
    }

    /// How many data sources they have, at least one.
    #[must_use]
    pub const fn data_sources(&self) -> u64 {
        self.data_sources
    }

    /// How many values follow: what they take in memory is eight times that.
    #[must_use]
    pub const fn values(&self) -> u64 {
        self.rows().saturating_mul(self.data_sources)
    }
}

/// Rows as they arrive.
#[derive(Debug)]
pub struct Reading {
    form: Form,
    head: Head,
    /// Those that are complete, or of text all of them, row by row.
    sources: Vec<DataSource>,
}

impl Reading {
    /// Reads what stands before the rows; `None` where not all of it is there yet.
    ///
    /// # Errors
    /// A refusal, which is a whole reply, or what is no reply.
    pub fn begin(form: Form, cursor: &mut Cursor<'_>) -> Result<Option<Self>, Error> {
        let begun = match form {
            Form::Binary => Head::read_binary(cursor)?.map(|head| (head, Vec::new())),
            Form::Text => Head::read_text(cursor)?,
        };
        Ok(begun.map(|(head, sources)| Self { form, head, sources }))
    }

    /// What was announced. Who finds it too much closes the connection.
    #[must_use]
    pub const fn head(&self) -> &Head {
        &self.head
    }

    /// Goes on with what has arrived. Takes off what it reads; returns true when the last row is there.
    ///
    /// It takes no more memory than has arrived, whatever was announced.
    ///
    /// # Errors
    /// What is not what was announced.
    pub fn read(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, Malformed> {
        match self.form {
            Form::Binary => self.read_binary(cursor),
            Form::Text => self.read_text(cursor),
        }
    }

    /// The data sources, in the order of the file.
    #[must_use]
    pub fn finish(self) -> Vec<DataSource> {
        self.sources
    }

    fn read_binary(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, Malformed> {
        let rows = self.head.rows();
        while (self.sources.len() as u64) < self.head.data_sources {
            match cursor.whole(|cursor| binary_source(cursor, rows))? {
                Some(source) => self.sources.push(source),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    fn read_text(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, Malformed> {
        let known = |sources: &[DataSource]| sources[0].values.len() as u64;
        while known(&self.sources) < self.head.rows() {
            let Some(line) = cursor.line()? else { return Ok(false) };
            let time = self.head.start + self.head.step * (known(&self.sources) as i64 + 1);
            text_row(line, time, &mut self.sources)?;
        }
        Ok(true)
    }
}

/// `DSName-<name>: BinaryData <rows> 8 <order>`, the values, a line feed.
fn binary_source(cursor: &mut Cursor<'_>, rows: u64) -> Result<Option<DataSource>, Malformed> {
    let Some(line) = cursor.line()? else { return Ok(None) };
    let (name, form) = binary_heading(line)?;
    let mut words = form.split(|byte| *byte == b' ');
    if words.next().and_then(integer) != Some(rows) {
        return Err(Malformed::Count("rows"));
    }
    let order = match (words.next(), words.next(), words.next()) {
        (Some(b"8"), Some(b"LITTLE"), None) => Order::Little,
        (Some(b"8"), Some(b"BIG"), None) => Order::Big,
        _ => return Err(Malformed::Form),
    };
    let length =
        usize::try_from(rows).ok().and_then(|rows| rows.checked_mul(8)).ok_or(Malformed::Count("rows"))?;
    let (Some(bytes), Some(end)) = (cursor.take(length), cursor.take(1)) else { return Ok(None) };
    if end != b"\n" {
        return Err(Malformed::Missing("end of the values"));
    }
    Ok(Some(DataSource { name: name.to_vec(), values: values(bytes, order) }))
}

fn binary_heading(line: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    const WORD: &[u8] = b": BinaryData ";
    let rest = line.strip_prefix(b"DSName-").ok_or(Malformed::Missing("DSName-"))?;
    let found = rest.windows(WORD.len()).rposition(|window| window == WORD);
    let end = found.ok_or(Malformed::Missing("BinaryData"))?;
    Ok((&rest[..end], &rest[end + WORD.len()..]))
}

fn values(bytes: &[u8], order: Order) -> Vec<f64> {
    let (chunks, _) = bytes.as_chunks();
    match order {
        Order::Little => chunks.iter().map(|chunk| canonical(f64::from_le_bytes(*chunk))).collect(),
        Order::Big => chunks.iter().map(|chunk| canonical(f64::from_be_bytes(*chunk))).collect(),
    }
}

/// A row of text: `%10lu: ` and the values.
fn text_row(line: &[u8], time: i64, sources: &mut [DataSource]) -> Result<(), Malformed> {
    let colon = line.iter().position(|byte| *byte == b':').ok_or(Malformed::Missing("time of a row"))?;
    let found = integer(line[..colon].trim_ascii()).ok_or(Malformed::Number)?;
    if i64::try_from(found) != Ok(time) {
        return Err(Malformed::Time);
    }
    let mut words = line[colon + 1..].trim_ascii().split(|byte| *byte == b' ');
    for source in sources {
        let word = words.next().ok_or(Malformed::Count("values"))?;
        let value = std::str::from_utf8(word).ok().and_then(|word| word.parse().ok());
        source.values.push(canonical(value.ok_or(Malformed::Number)?));
    }
    if words.next().is_some() { Err(Malformed::Count("values")) } else { Ok(()) }
}

/// One unknown for the many bits that NaN can have.
fn canonical(value: f64) -> f64 {
    if value.is_nan() { f64::NAN } else { value }
}
