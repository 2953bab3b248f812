//! The only place that slices what a daemon sent.

use crate::error::{LONGEST_LINE, Malformed};

/// What has arrived of a reply, from the front.
///
/// Reading takes off what it returns. Where something is not there yet, `None` comes back and nothing is taken, so a
/// reader starts again when more has arrived.
#[derive(Debug, Clone, Copy)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Cursor<'a> {
    /// At the front of what has arrived.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// How many bytes have been read.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.position
    }

    /// What has arrived and is not read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.position..).unwrap_or_default()
    }

    /// The next line, without its end.
    pub(crate) fn line(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        let rest = self.rest();
        let visible = &rest[..rest.len().min(LONGEST_LINE)];
        match visible.iter().position(|byte| *byte == b'\n') {
            Some(length) => {
                self.position += length + 1;
                Ok(Some(&visible[..length]))
            }
            None if rest.len() >= LONGEST_LINE => Err(Malformed::Line),
            None => Ok(None),
        }
    }

    /// So many bytes.
    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.rest().get(..length)?;
        self.position += length;
        Some(taken)
    }

    /// Reads with `read`, and takes off nothing as long as something is missing. A refusal is a whole reply, and taken
    /// off like one.
    pub(crate) fn whole<T, E>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<Option<T>, E>,
    ) -> Result<Option<T>, E> {
        let mut ahead = *self;
        let found = read(&mut ahead);
        if !matches!(found, Ok(None)) {
            *self = ahead;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_when_its_end_is_there() {
        let mut cursor = Cursor::new(b"0 PONG\n1 x");
        assert_eq!(cursor.line(), Ok(Some(b"0 PONG".as_slice())));
        assert_eq!(cursor.line(), Ok(None));
        assert_eq!(cursor.rest(), b"1 x");
        assert_eq!(cursor.take(4), None);
        assert_eq!(cursor.take(3), Some(b"1 x".as_slice()));
        assert_eq!(cursor.position(), 10);
    }

    #[test]
    fn a_line_that_never_ends_is_not_waited_for() {
        let endless = vec![b'a'; LONGEST_LINE];
        assert_eq!(Cursor::new(&endless).line(), Err(Malformed::Line));
        assert_eq!(Cursor::new(&endless[1..]).line(), Ok(None));
    }
}
