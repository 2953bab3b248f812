//! What is said between `cococtl move` and the `cococtl node` that it starts on each storage node: a line of JSON, behind
//! it as many bytes as the line says, and an answer of the same form.

use std::io::{self, BufRead, Read, Write};

use rrd::file::Last;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::name::FileName;

/// The version of all that stands here. Both sides must have the same.
pub const PROTOCOL: u32 = 1;

/// Longest line.
const LONGEST_LINE: u64 = 64 << 20;

/// Largest file.
const LARGEST_FILE: u64 = 256 << 20;

/// What is asked of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Ask {
    /// Who are you? Answered by [`Answer::Hello`].
    Hello,
    /// Which hosts are there? [`Answer::Hosts`].
    Hosts,
    /// How much is there of these hosts? [`Answer::Surveyed`].
    Survey {
        /// Names of directories.
        hosts: Vec<Text>,
    },
    /// Which files of a host are there? [`Answer::Files`].
    List {
        /// The name of its directory.
        host: Text,
    },
    /// Have a file written, and give its bytes: [`Answer::Copy`] or [`Answer::Absent`].
    Export {
        /// Which.
        file: FileName,
    },
    /// Take the bytes of another owner's file into a file: [`Answer::Imported`].
    Import {
        /// Which.
        file: FileName,
        /// What the other owner's file is, where there is none here yet.
        copy: Copied,
        /// Whether what the other owner knows counts where both know something.
        counts: bool,
        /// Whether steps and rows in progress need not be as good as they can be.
        inexact: bool,
    },
    /// Compare the bytes of another owner's file with a file: [`Answer::Compared`], or [`Answer::Absent`].
    Compare {
        /// Which.
        file: FileName,
        /// Whether what the other owner knows counts where both know something.
        counts: bool,
        /// Whether files that were not updated last at the same time are worth an answer.
        inexact: bool,
    },
    /// Remove a file that is still as it was: [`Answer::Removed`] or [`Answer::Absent`].
    Remove {
        /// Which.
        file: FileName,
        /// When it was updated last.
        last: Time,
    },
}

/// What a node answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// Who it is.
    Hello {
        /// That of cococtl.
        version: String,
        /// [`PROTOCOL`].
        protocol: u32,
        /// Bytes that are free for whoever asks.
        available: u64,
        /// Bytes of the file system.
        total: u64,
    },
    /// Directories right below the data directory.
    Hosts {
        /// Their names.
        hosts: Vec<Text>,
    },
    /// In the order of the question.
    Surveyed {
        /// Of each host.
        hosts: Vec<Extent>,
    },
    /// Sorted by name.
    Files {
        /// RRD files.
        files: Vec<Listed>,
        /// What else is there, and stays.
        others: u64,
    },
    /// A file, whose bytes follow.
    Copy(Copied),
    /// There is no such file.
    Absent,
    /// What became of an import.
    Imported(Imported),
    /// The file here was updated later than the one that came, which may lack something: ask for it once more.
    Later,
    /// It was written meanwhile: all over again.
    Again,
    /// What a comparison found.
    Compared(Compared),
    /// It is gone.
    Removed {
        /// How large it was.
        bytes: u64,
    },
    /// It is not as it was, and stays.
    Changed,
    /// It can't be done.
    Problem {
        /// Why.
        reason: String,
    },
}

/// How much there is of a host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// RRD files.
    pub files: u64,
    /// Bytes of them.
    pub bytes: u64,
}

/// A file in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Which.
    pub file: FileName,
    /// How large it is.
    pub bytes: u64,
    /// Seconds of a step; none where it is no RRD file.
    pub step: Option<u64>,
    /// When it was updated last, as far as it is written.
    pub last: Option<Time>,
}

/// What is to be known of a copy besides its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    /// When the file was updated last.
    pub last: Time,
    /// The bits of its mode.
    pub mode: u32,
    /// When its bytes were written last, in Unix seconds.
    pub modified: i64,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// What was done.
    pub done: Done,
    /// Values that it had not before.
    pub values: u64,
    /// Bytes that were written.
    pub bytes: u64,
    /// Whether steps and rows in progress are as good as they can be.
    pub is_exact: bool,
}

/// What was done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    /// Nothing: it had all.
    Nothing,
    /// There was none, and is now.
    Created,
    /// It was exchanged for one that has what both had.
    Merged,
}

/// What a comparison found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// Values that the other owner knows.
    pub values: u64,
    /// Those that are unknown here.
    pub missing: u64,
    /// Those that are others here.
    pub different: u64,
    /// Steps and rows in progress that will differ; none where nobody can tell.
    pub unfinished: Option<u64>,
    /// When the file here was updated last.
    pub last: Time,
    /// Some of what differs, in words.
    pub told: Vec<String>,
}

/// Seconds and microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Time(pub i64, pub i64);

impl From<Last> for Time {
    fn from(last: Last) -> Self {
        Self(last.seconds, last.microseconds)
    }
}

/// The name of a host's directory, whatever bytes it has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Text(pub Vec<u8>);

impl Serialize for Text {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&coco_core::text::in_json(&self.0))
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let shown = String::deserialize(deserializer)?;
        Ok(Self(coco_core::text::from_json(&shown).into_owned()))
    }
}

/// A message and how many bytes follow its line.
#[derive(Debug, Serialize, Deserialize)]
struct Line<T> {
    #[serde(default)]
    follow: u64,
    #[serde(flatten)]
    message: T,
}

/// Writes a message and the bytes that belong to it.
pub fn write(out: &mut impl Write, message: &impl Serialize, bytes: &[u8]) -> io::Result<()> {
    let mut line = serde_json::to_vec(&Line { follow: bytes.len() as u64, message })?;
    line.push(b'\n');
    out.write_all(&line)?;
    out.write_all(bytes)?;
    out.flush()
}

/// Reads a message and the bytes that belong to it; none where the other side has closed.
pub fn read<T: DeserializeOwned>(input: &mut impl BufRead) -> io::Result<Option<(T, Vec<u8>)>> {
    let mut line = Vec::new();
    input.take(LONGEST_LINE).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.last() != Some(&b'\n') {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ended in the middle of a line"));
    }
    let Line { follow: expected, message } = serde_json::from_slice(&line).map_err(|problem| {
        let shown = coco_core::text::name(&line[..line.len().min(200)]);
        io::Error::new(io::ErrorKind::InvalidData, format!("it said {shown}: {problem}"))
    })?;
    if expected > LARGEST_FILE {
        let problem = format!("a file of {expected} bytes, more than {LARGEST_FILE}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
    }
    let mut bytes = Vec::new();
    input.take(expected).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != expected {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ended in the middle of a file"));
    }
    Ok(Some((message, bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_read_back_with_the_bytes_behind_them() {
        let file = FileName::new(b"h\xe9/cpu/idle.rrd").unwrap();
        let copy = Copied { last: Time(7, 8), mode: 0o644, modified: -3 };
        let asks = [
            (Ask::Hello, &b""[..]),
            (Ask::Survey { hosts: vec![Text(b"h\xe9".to_vec()), Text(b"a\nb".to_vec())] }, b""),
            (Ask::Import { file, copy, counts: true, inexact: false }, b"RRD\0\n{}\n"),
            (Ask::Hosts, b""),
        ];
        let mut written = Vec::new();
        for (ask, bytes) in &asks {
            write(&mut written, ask, bytes).unwrap();
        }
        let mut input = written.as_slice();
        for (ask, bytes) in asks {
            assert_eq!(read::<Ask>(&mut input).unwrap(), Some((ask, bytes.to_vec())));
        }
        assert_eq!(read::<Ask>(&mut input).unwrap(), None);
        let imported = Imported { done: Done::Merged, values: 1, bytes: 2, is_exact: true };
        for answer in [Answer::Copy(copy), Answer::Imported(imported), Answer::Removed { bytes: 3 }] {
            let mut written = Vec::new();
            write(&mut written, &answer, b"x").unwrap();
            assert_eq!(read::<Answer>(&mut written.as_slice()).unwrap(), Some((answer, b"x".to_vec())));
        }
    }

    #[test]
    fn what_is_no_message_is_an_error_that_shows_it() {
        for (said, told) in [
            (&b"Last login: \x1b[2J\n"[..], "it said Last login: \\u{1b}[2J\\n: "),
            (b"{\"ask\":\"hello\"", "in the middle of a line"),
            (b"{\"ask\":\"hello\",\"follow\":3}\nab", "in the middle of a file"),
            (b"{\"ask\":\"hello\",\"follow\":99999999999}\n", "a file of 99999999999 bytes"),
            (b"{\"ask\":\"list\"}\n", "missing field"),
            (b"{\"ask\":\"export\",\"file\":\"../a/b.rrd\"}\n", "\"..\""),
        ] {
            let problem = read::<Ask>(&mut &*said).unwrap_err().to_string();
            assert!(problem.contains(told), "{problem}");
        }
    }
}
