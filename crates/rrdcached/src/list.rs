//! Names in a directory, as LIST gives them: `<n> RRDs`, then a name a line.
//!
//! Names come in the order of readdir(3), relative to the directory, and are bytes. Of LIST RECURSIVE they are those of
//! RRD files, of LIST those of directories, too. A directory whose name ends in `.rrd` looks like a file.

use crate::cursor::Cursor;
use crate::error::{Error, Malformed};
use crate::status::Status;

/// Names as they arrive.
#[derive(Debug)]
pub struct Listing {
    /// How many have not been read yet.
    left: u64,
}

impl Listing {
    /// Reads the first line; `None` where it is not there yet.
    ///
    /// # Errors
    /// A refusal, which is a whole reply, or what is no reply.
    pub fn begin(cursor: &mut Cursor<'_>) -> Result<Option<Self>, Error> {
        Ok(Status::read(cursor)?.map(|status| Self { left: status.lines }))
    }

    /// How many names are still to come, as the daemon said. A bound is the reader's.
    #[must_use]
    pub const fn left(&self) -> u64 {
        self.left
    }

    /// The next name; `None` where it is not there yet, or none is left.
    ///
    /// # Errors
    /// A line that does not end.
    pub fn next_name<'a>(&mut self, cursor: &mut Cursor<'a>) -> Result<Option<&'a [u8]>, Malformed> {
        if self.left == 0 {
            return Ok(None);
        }
        let name = cursor.line()?;
        self.left -= u64::from(name.is_some());
        Ok(name)
    }
}
