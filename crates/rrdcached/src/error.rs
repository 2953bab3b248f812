//! What a reply can be instead of an answer, by what to do next.

use std::fmt;

use thiserror::Error;

/// The longest line that is waited for, in bytes. A complaint about the longest [`name`](crate::name) fits, behind the
/// longest path of a base directory.
pub const LONGEST_LINE: usize = 8192;

/// The reply is not one of rrdcached's: the connection is of no more use, since nobody knows where the next reply
/// begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Malformed {
    /// A line that does not end.
    #[error("a line of more than {LONGEST_LINE} bytes")]
    Line,
    /// The first line has no number of lines.
    #[error("no status in the first line")]
    Status,
    /// Another line than the one that is due.
    #[error("no {0} where it is due")]
    Missing(&'static str),
    /// Lines that speak of another number than there are.
    #[error("the number of {0} is not the one that was announced")]
    Count(&'static str),
    /// Start, end and step that make no rows.
    #[error("no whole number of rows between start and end")]
    Rows,
    /// Values of another size than 8 bytes, or in an unknown order of bytes.
    #[error("values in an unknown form")]
    Form,
    /// A number that is none.
    #[error("no number where one is due")]
    Number,
    /// Rows that are not those of the window that was asked for.
    #[error("rows of another window than the one that was asked for")]
    Window,
    /// A row that is not the next.
    #[error("a row of another time than the one that is due")]
    Time,
}

/// Why there is no reply.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Error {
    /// The daemon refuses; the connection goes on.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// What came is no reply; the connection must be closed.
    #[error("not a reply of rrdcached: {0}")]
    Malformed(#[from] Malformed),
}

/// What the daemon refuses, in its own words.
///
/// They hold paths of the daemon's machine, and bytes that strangers chose: not for clients, and for a log only when
/// escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What it means.
    pub kind: RefusalKind,
    /// The daemon's words, which need not be UTF-8.
    pub text: Vec<u8>,
}

/// What a refusal means to who asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// There is no such file or directory.
    NotFound,
    /// The file is there, but is no RRD file, or is cut off.
    NotRrd,
    /// The file has no rows of this consolidation function.
    NoArchive,
    /// The socket has not this command (`-P`), or the file is outside of the base directory (`-B`).
    Denied,
    /// A daemon that does not know this command.
    UnknownCommand,
    /// Anything else.
    Other,
}

impl Refusal {
    pub(crate) fn new(text: &[u8]) -> Self {
        Self { kind: RefusalKind::of(text), text: text.to_vec() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused: {}", self.text.escape_ascii())
    }
}

impl std::error::Error for Refusal {}

impl RefusalKind {
    /// By the words of rrd_daemon.c, librrd and strerror(3). They stand behind the name of the file, so a name can't
    /// say them for the daemon.
    fn of(text: &[u8]) -> Self {
        let ends = |words: &[u8]| text.trim_ascii_end().ends_with(words);
        if ends(b"No such file or directory")
            || ends(b"Not a directory")
            || text.starts_with(b"No such file:")
        {
            Self::NotFound
        } else if ends(b"is not an RRD file") || is_cut_off(text) {
            Self::NotRrd
        } else if ends(b"the RRD does not contain an RRA matching the chosen CF") {
            Self::NoArchive
        } else if ends(b"Permission denied.") || ends(b"Permission denied") {
            Self::Denied
        } else if text.starts_with(b"Unknown command:") {
            Self::UnknownCommand
        } else {
            Self::Other
        }
    }
}

/// Whether a file is shorter than it says, or empty. What stands behind the header's name is a part of it.
fn is_cut_off(text: &[u8]) -> bool {
    let text = text.trim_ascii_end();
    let told = [b"rrd_fetch_r failed: ".as_slice(), b"RRD Error: "];
    let told = told.iter().find_map(|front| text.strip_prefix(*front)).unwrap_or(text);
    let is_too_small = || {
        let front = text.strip_suffix(b" bytes)")?;
        let digits = front.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        Some(front[..front.len() - digits].ends_with(b"' is too small (should be "))
    };
    told.starts_with(b"reached EOF while loading header")
        || told.starts_with(b"mmaping file ") && text.ends_with(b"': Invalid argument")
        || is_too_small() == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_apart_by_words_that_no_name_can_say() {
        let kind = |text: &str| RefusalKind::of(text.as_bytes());
        for (text, expected) in [
            (
                "rrd_fetch_r failed: opening '/base/nosuch.rrd': No such file or directory",
                RefusalKind::NotFound,
            ),
            ("RRD Error: opening '/base/nosuch.rrd': No such file or directory", RefusalKind::NotFound),
            ("List /base/nosuch: No such file or directory", RefusalKind::NotFound),
            ("No such file: /base/nosuch.rrd.", RefusalKind::NotFound),
            ("rrd_fetch_r failed: '/base/x.rrd' is not an RRD file", RefusalKind::NotRrd),
            ("rrd_fetch_r failed: reached EOF while loading header rrd->stat_head", RefusalKind::NotRrd),
            ("RRD Error: mmaping file '/base/x.rrd': Invalid argument", RefusalKind::NotRrd),
            ("rrd_fetch_r failed: mmaping file '/base/x.rrd': Cannot allocate memory", RefusalKind::Other),
            ("rrd_fetch_r failed: '/base/x.rrd' is too small (should be 49448 bytes)", RefusalKind::NotRrd),
            (
                "rrd_fetch_r failed: the RRD does not contain an RRA matching the chosen CF",
                RefusalKind::NoArchive,
            ),
            ("rrd_fetch_r failed: opening '/base/x.rrd': Permission denied", RefusalKind::Denied),
            ("Permission denied.", RefusalKind::Denied),
            ("/base/../../etc/passwd: Permission denied", RefusalKind::Denied),
            ("Unknown command: NOSUCH", RefusalKind::UnknownCommand),
            ("rrd_fetch_r failed: unknown consolidation function 'FOO'", RefusalKind::Other),
            ("opening '/base/Permission denied.': Input/output error", RefusalKind::Other),
        ] {
            assert_eq!(kind(text), expected, "{text}");
        }
    }
}
