//! The first line of every reply: `<number of lines that follow> <text>`, or a refusal where the number is below 0.

use crate::cursor::Cursor;
use crate::error::{Error, Malformed, Refusal};

/// The first line of a reply that is no refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status<'a> {
    /// How many lines follow.
    pub lines: u64,
    /// What stands behind the number.
    pub text: &'a [u8],
}

impl<'a> Status<'a> {
    /// Reads it; `None` where it is not there yet.
    ///
    /// # Errors
    /// A refusal, which is a whole reply, or what is no reply.
    pub fn read(cursor: &mut Cursor<'a>) -> Result<Option<Self>, Error> {
        let Some(line) = cursor.line()? else { return Ok(None) };
        let end = line.iter().position(|byte| *byte == b' ').unwrap_or(line.len());
        let (number, text) = line.split_at(end);
        let text = text.strip_prefix(b" ").unwrap_or(text);
        match number.strip_prefix(b"-") {
            Some(code) if integer(code).is_some() => Err(Refusal::new(text).into()),
            Some(_) => Err(Malformed::Status.into()),
            None => {
                let lines = integer(number).ok_or(Malformed::Status)?;
                Ok(Some(Self { lines, text }))
            }
        }
    }

    /// The time in a reply to LAST or FIRST, in seconds since 1970.
    ///
    /// # Errors
    /// Where there is none.
    pub fn time(&self) -> Result<i64, Malformed> {
        let time = integer(self.text.trim_ascii()).ok_or(Malformed::Number)?;
        i64::try_from(time).map_err(|_| Malformed::Number)
    }
}

/// A whole number in decimal digits alone.
pub(crate) fn integer(text: &[u8]) -> Option<u64> {
    let digits_alone = text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| digits_alone)?.parse().ok()
}

/// What stands behind `label: ` in a line.
pub(crate) fn field<'a>(line: &'a [u8], label: &'static str) -> Result<&'a [u8], Malformed> {
    let behind = line.strip_prefix(label.as_bytes()).and_then(|rest| rest.strip_prefix(b": "));
    behind.ok_or(Malformed::Missing(label))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::RefusalKind;

    #[test]
    fn a_status_is_a_number_and_text() {
        let read = |line: &'static [u8]| Status::read(&mut Cursor::new(line));
        assert_eq!(read(b"0 PONG\n"), Ok(Some(Status { lines: 0, text: b"PONG" })));
        assert_eq!(read(b"22 RRDs\nx"), Ok(Some(Status { lines: 22, text: b"RRDs" })));
        assert_eq!(read(b"0 1795200000\n").unwrap().unwrap().time(), Ok(1_795_200_000));
        assert_eq!(read(b"22 RRD"), Ok(None));
        for garbage in [b"\n".as_slice(), b"OK\n", b"- x\n", b"+3 x\n", b"99999999999999999999 x\n"] {
            assert_eq!(read(garbage), Err(Malformed::Status.into()), "{}", garbage.escape_ascii());
        }
        let Err(Error::Refused(refusal)) = read(b"-1 Permission denied.\n") else { panic!("not refused") };
        assert_eq!(refusal, Refusal { kind: RefusalKind::Denied, text: b"Permission denied.".to_vec() });
    }
}
