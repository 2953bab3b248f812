//! Bodies in chunks (RFC 9112, 7.1).
//!
//! ```text
//! 1a; extension CRLF    as many bytes CRLF    0 CRLF    field: value CRLF    CRLF
//! ```

use super::malformed::Malformed;

/// Bytes of extensions and of fields behind the last chunk, at most: nobody reads them.
const MOST_BESIDE: usize = 16 * 1024;

/// How far a body is read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Chunks {
    at: At,
    /// Of the chunk, as far as it is known.
    left: u64,
    beside: usize,
}

/// What comes next.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum At {
    /// The first digit of a length.
    #[default]
    Start,
    Digits,
    Blanks,
    Extension,
    EndOfLength,
    Data,
    EndOfData,
    EndOfDataLine,
    /// A field behind the last chunk, or the end.
    Line,
    Field,
    EndOfField,
    EndOfBody,
    Over,
}

impl Chunks {
    /// Whether the body has ended.
    pub fn is_over(&self) -> bool {
        self.at == At::Over
    }

    /// Passes what stands before the next bytes of the body. Returns how much that is, and how many bytes of the body
    /// follow in `came`: 0 where more must come, or it is over.
    pub fn next(&mut self, came: &[u8]) -> Result<(usize, usize), Malformed> {
        let mut passed = 0;
        while !matches!(self.at, At::Data | At::Over) {
            let Some(byte) = came.get(passed) else { return Ok((passed, 0)) };
            self.at = self.step(*byte)?;
            passed += 1;
        }
        if self.is_over() {
            return Ok((passed, 0));
        }
        let behind = came.len() - passed;
        let length = usize::try_from(self.left).map_or(behind, |left| left.min(behind));
        self.left -= length as u64;
        if self.left == 0 {
            self.at = At::EndOfData;
        }
        Ok((passed, length))
    }

    fn step(&mut self, byte: u8) -> Result<At, Malformed> {
        let digit = char::from(byte).to_digit(16);
        Ok(match (self.at, byte) {
            (At::Start | At::Digits, _) if digit.is_some() => {
                let longer = self.left.checked_mul(16).zip(digit);
                self.left =
                    longer.map(|(length, digit)| length | u64::from(digit)).ok_or(Malformed::Chunk)?;
                At::Digits
            }
            (At::Digits | At::Blanks, b' ' | b'\t') => At::Blanks,
            (At::Digits | At::Blanks, b';') => At::Extension,
            (At::Digits | At::Blanks | At::Extension, b'\r') => At::EndOfLength,
            (At::EndOfLength, b'\n') if self.left > 0 => At::Data,
            (At::EndOfLength, b'\n') => At::Line,
            (At::EndOfData, b'\r') => At::EndOfDataLine,
            (At::EndOfDataLine, b'\n') => At::Start,
            (At::Line, b'\r') => At::EndOfBody,
            (At::EndOfBody, b'\n') => At::Over,
            (At::Field, b'\r') => self.pass(At::EndOfField)?,
            (At::EndOfField, b'\n') => At::Line,
            // A line that ends in another way may be one for others.
            (At::Extension | At::Line | At::Field, b'\n') => return Err(Malformed::Chunk),
            (At::Extension, _) => self.pass(At::Extension)?,
            (At::Line | At::Field, _) => self.pass(At::Field)?,
            _ => return Err(Malformed::Chunk),
        })
    }

    fn pass(&mut self, at: At) -> Result<At, Malformed> {
        self.beside += 1;
        if self.beside > MOST_BESIDE { Err(Malformed::Trailer) } else { Ok(at) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The body, and what stands behind it, of a text that comes in pieces of so many bytes.
    fn read(text: &[u8], piece: usize) -> Result<(Vec<u8>, usize), Malformed> {
        let (mut chunks, mut body, mut rest) = (Chunks::default(), Vec::new(), text);
        while !chunks.is_over() && !rest.is_empty() {
            let came = &rest[..piece.min(rest.len())];
            let (passed, length) = chunks.next(came)?;
            body.extend_from_slice(&came[passed..passed + length]);
            rest = &rest[passed + length..];
        }
        if chunks.is_over() { Ok((body, rest.len())) } else { Err(Malformed::CutOff) }
    }

    #[test]
    fn chunks_are_joined_however_they_come() {
        for (text, body, behind) in [
            ("0\r\n\r\n", "", 0),
            ("3\r\nabc\r\n00\r\n\r\n", "abc", 0),
            ("1\r\na\r\nA;x=\"y\"\r\n0123456789\r\n0 ;x\r\nTrailer: a\r\nb: c\r\n\r\nHTTP", "a0123456789", 4),
        ] {
            for piece in 1..=text.len() {
                let expected = (body.as_bytes().to_vec(), behind);
                assert_eq!(read(text.as_bytes(), piece), Ok(expected), "{text:?} in pieces of {piece}");
            }
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for text in [
            "\r\n",
            "x\r\n",
            "-1\r\n",
            "0x1\r\n",
            "1\na\r\n",
            "1;x\na\r\n",
            "1\r\nab\r\n",
            "1\r\na\n0\r\n\r\n",
            "1 1\r\n",
            "10000000000000000\r\n",
            "0\r\n\rx",
            "0\r\na: b\n\r\n",
        ] {
            assert_eq!(read(text.as_bytes(), 3), Err(Malformed::Chunk), "{text:?}");
        }
        for text in [format!("1;{}", "x".repeat(MOST_BESIDE + 1)), format!("0\r\n{}", "a\r\n".repeat(9000))] {
            assert_eq!(read(text.as_bytes(), 4096), Err(Malformed::Trailer));
        }
    }

    proptest! {
        #[test]
        fn any_body_in_any_chunks_is_itself(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..8),
            piece in 1..50_usize,
        ) {
            let mut text = Vec::new();
            for piece in &pieces {
                text.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                text.extend_from_slice(piece);
                text.extend_from_slice(b"\r\n");
            }
            text.extend_from_slice(b"0\r\n\r\n");
            prop_assert_eq!(read(&text, piece), Ok((pieces.concat(), 0)));
        }
    }
}
