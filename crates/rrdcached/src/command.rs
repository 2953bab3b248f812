//! Commands, a line each.

use std::io::Write;

use crate::name::{self, NameError};

/// A window of time, in seconds since 1970, both ends after that: rrdcached takes 0 and below as relative to now.
///
/// The rows that librrd gives for it reach from the first step after `start` to the first after `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    start: i64,
    end: i64,
}

impl Window {
    /// None when an end is not after 1970, or the start is after the end: librrd then runs out of memory it never
    /// asked for, or answers about another window.
    #[must_use]
    pub const fn new(start: i64, end: i64) -> Option<Self> {
        if start >= 1 && start <= end { Some(Self { start, end }) } else { None }
    }

    /// Its start, exclusive: the first row ends after it.
    #[must_use]
    pub const fn start(self) -> i64 {
        self.start
    }

    /// Its end, inclusive.
    #[must_use]
    pub const fn end(self) -> i64 {
        self.end
    }
}

/// What a reader asks, and what who exchanges files asks besides. Names of data sources are never sent: rrdcached 1.7.2 answers an unknown one with memory that it
/// has freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command<'a> {
    /// Is it there? [`status`](crate::status) `0 PONG`.
    Ping,
    /// The rows of a file as text; see [`fetch`](crate::fetch).
    Fetch {
        /// Relative to the base directory.
        file: &'a [u8],
        /// The consolidation function: `AVERAGE`, `MIN`, `MAX`, `LAST`.
        function: &'a str,
        /// Which rows.
        window: Window,
    },
    /// The same in binary: a quarter of the bytes.
    FetchBinary {
        /// Relative to the base directory.
        file: &'a [u8],
        /// The consolidation function.
        function: &'a str,
        /// Which rows.
        window: Window,
    },
    /// What stands in a directory, which begins with `/`, the base directory; see [`list`](crate::list).
    List {
        /// The directory.
        directory: &'a [u8],
    },
    /// All RRD files at any depth below a directory. Quadratic in rrdcached 1.7.2: not for `/`.
    ListRecursive {
        /// The directory.
        directory: &'a [u8],
    },
    /// What a file is made of; see [`info`](crate::info).
    Info {
        /// Relative to the base directory.
        file: &'a [u8],
    },
    /// The time of the last update, that of values still in memory included.
    Last {
        /// Relative to the base directory.
        file: &'a [u8],
    },
    /// The time of the first row of an archive.
    First {
        /// Relative to the base directory.
        file: &'a [u8],
        /// Which archive, from 0.
        archive: u32,
    },
    /// Write what is in memory. Reading does so by itself.
    Flush {
        /// Relative to the base directory.
        file: &'a [u8],
    },
    /// Write nothing any more until [`Resume`](Self::Resume). Where nothing is in memory, rrdcached 1.7.2 closes the
    /// connection instead.
    Suspend {
        /// The file.
        file: &'a [u8],
    },
    /// Write again.
    Resume {
        /// The file.
        file: &'a [u8],
    },
    /// The updates that are in memory, a line each: `TIME:VALUE:VALUE`.
    Pending {
        /// The file.
        file: &'a [u8],
    },
}

impl Command<'_> {
    /// Appends the line of this command.
    ///
    /// # Errors
    /// When its name can't be sent. Then nothing is appended.
    pub fn write(&self, lines: &mut Vec<u8>) -> Result<(), NameError> {
        let before = lines.len();
        let written = self.write_unended(lines);
        match written {
            Ok(()) => lines.push(b'\n'),
            Err(_) => lines.truncate(before),
        }
        written
    }

    fn write_unended(&self, lines: &mut Vec<u8>) -> Result<(), NameError> {
        match *self {
            Self::Ping => lines.extend_from_slice(b"PING"),
            Self::Fetch { file, function, window } => fetch(b"FETCH ", file, function, window, lines)?,
            Self::FetchBinary { file, function, window } => {
                fetch(b"FETCHBIN ", file, function, window, lines)?;
            }
            Self::List { directory } => listing(b"LIST ", directory, lines)?,
            Self::ListRecursive { directory } => listing(b"LIST RECURSIVE ", directory, lines)?,
            Self::Info { file } => named(b"INFO ", file, lines)?,
            Self::Last { file } => named(b"LAST ", file, lines)?,
            Self::First { file, archive } => {
                named(b"FIRST ", file, lines)?;
                append(lines, format_args!(" {archive}"));
            }
            Self::Flush { file } => named(b"FLUSH ", file, lines)?,
            Self::Suspend { file } => named(b"SUSPEND ", file, lines)?,
            Self::Resume { file } => named(b"RESUME ", file, lines)?,
            Self::Pending { file } => named(b"PENDING ", file, lines)?,
        }
        Ok(())
    }
}

fn named(word: &[u8], file: &[u8], lines: &mut Vec<u8>) -> Result<(), NameError> {
    lines.extend_from_slice(word);
    name::write(file, lines)
}

fn listing(word: &[u8], directory: &[u8], lines: &mut Vec<u8>) -> Result<(), NameError> {
    // rrdcached refuses it as a way out of the base directory, wherever in a name it stands.
    if directory.windows(2).any(|pair| pair == b"..") {
        return Err(NameError::Dots);
    }
    named(word, directory, lines)
}

fn fetch(
    word: &[u8],
    file: &[u8],
    function: &str,
    window: Window,
    lines: &mut Vec<u8>,
) -> Result<(), NameError> {
    named(word, file, lines)?;
    lines.push(b' ');
    name::write(function.as_bytes(), lines)?;
    append(lines, format_args!(" {} {}", window.start, window.end));
    Ok(())
}

fn append(lines: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    lines.write_fmt(text).expect("a vector takes all");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_lines_of_fields() {
        let window = Window::new(10, 20).unwrap();
        for (command, line) in [
            (Command::Ping, "PING"),
            (Command::Fetch { file: b"a b.rrd", function: "MAX", window }, "FETCH a\\ b.rrd MAX 10 20"),
            (Command::FetchBinary { file: b"a.rrd", function: "MIN", window }, "FETCHBIN a.rrd MIN 10 20"),
            (Command::List { directory: b"/" }, "LIST /"),
            (Command::ListRecursive { directory: b"/a" }, "LIST RECURSIVE /a"),
            (Command::Info { file: b"a\\b.rrd" }, "INFO a\\\\b.rrd"),
            (Command::Last { file: b"a.rrd" }, "LAST a.rrd"),
            (Command::First { file: b"a.rrd", archive: 3 }, "FIRST a.rrd 3"),
            (Command::Flush { file: b"a.rrd" }, "FLUSH a.rrd"),
            (Command::Suspend { file: b"a b.rrd" }, "SUSPEND a\\ b.rrd"),
            (Command::Resume { file: b"a.rrd" }, "RESUME a.rrd"),
            (Command::Pending { file: b"a.rrd" }, "PENDING a.rrd"),
        ] {
            let mut lines = Vec::new();
            command.write(&mut lines).unwrap();
            assert_eq!(String::from_utf8(lines).unwrap(), format!("{line}\n"));
        }
    }

    #[test]
    fn a_command_that_cannot_be_sent_leaves_nothing() {
        let mut lines = b"PING\n".to_vec();
        let window = Window::new(10, 20).unwrap();
        assert_eq!(Command::List { directory: b"/a..b" }.write(&mut lines), Err(NameError::Dots));
        assert_eq!(Command::Info { file: b"a\nb" }.write(&mut lines), Err(NameError::Control));
        let function = "AVERAGE\nFLUSHALL";
        assert_eq!(
            Command::Fetch { file: b"a", function, window }.write(&mut lines),
            Err(NameError::Control)
        );
        assert_eq!(lines, b"PING\n");
    }

    #[test]
    fn a_window_is_after_1970_and_not_backwards() {
        assert_eq!(Window::new(0, 10), None);
        assert_eq!(Window::new(-3600, 10), None);
        assert_eq!(Window::new(20, 10), None);
        assert!(Window::new(10, 10).is_some());
    }
}
