//! Who writes the RRD files of a node, and how it is told to write what it keeps in memory, or nothing for a while.

use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rrdcached::command::Command;
use thiserror::Error;

use super::name::FileName;

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A signal has everything written, so it is sent this often at most.
const BETWEEN_SIGNALS: Duration = Duration::from_secs(2);

/// Most lines of an answer that are read.
const LINES: u64 = 1_000_000;

/// Who writes, as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Writer {
    /// Nobody, or somebody who keeps nothing in memory: collectd's rrdtool plugin with `CacheTimeout 0`.
    None,
    /// collectd's rrdtool plugin; the socket is that of its unixsock plugin.
    Collectd(PathBuf),
    /// collectd's rrdtool plugin; the file is that which `PIDFile` names.
    Signal(PathBuf),
    /// rrdcached, at a socket that takes all commands.
    Rrdcached(PathBuf),
}

impl FromStr for Writer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self::None);
        }
        let (kind, path) = text.split_once(':').unwrap_or((text, ""));
        let made = match kind {
            "collectd" => Self::Collectd,
            "signal" => Self::Signal,
            "rrdcached" => Self::Rrdcached,
            _ => return Err("expected collectd:SOCKET, signal:PIDFILE, rrdcached:SOCKET or none".to_owned()),
        };
        match path.starts_with('/') {
            true => Ok(made(PathBuf::from(path))),
            false => Err(format!("expected an absolute path, as in {kind}:/run/{kind}")),
        }
    }
}

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Collectd(path) => write!(f, "collectd:{}", path.display()),
            Self::Signal(path) => write!(f, "signal:{}", path.display()),
            Self::Rrdcached(path) => write!(f, "rrdcached:{}", path.display()),
        }
    }
}

/// Why a writer does not do what it is told.
#[derive(Debug, Error)]
pub enum WriterError {
    /// It is not there, or does not answer.
    #[error("{writer}: {source}")]
    Unreachable {
        /// Who.
        writer: Writer,
        /// What the system says.
        source: io::Error,
    },
    /// It refuses.
    #[error("{writer} says: {text}")]
    Refused {
        /// Who.
        writer: Writer,
        /// What it said.
        text: String,
    },
    /// It can't be told about such a file.
    #[error("no command can name the file: {0}")]
    Name(#[from] rrdcached::name::NameError),
}

/// A writer that is being talked to.
#[derive(Debug)]
pub(super) struct Hand {
    writer: Writer,
    connection: Option<BufReader<UnixStream>>,
    signalled: Option<Instant>,
}

/// The first line of an answer, and those behind it.
struct Said {
    is_refusal: bool,
    text: String,
    lines: Vec<String>,
}

impl Hand {
    pub(super) fn new(writer: Writer) -> Self {
        Self { writer, connection: None, signalled: None }
    }

    /// Whether it can be told to write nothing for a while.
    pub(super) fn can_wait(&self) -> bool {
        matches!(self.writer, Writer::Rrdcached(_))
    }

    /// Whether it is still at it when it has taken the order to write.
    pub(super) fn is_slow(&self) -> bool {
        matches!(self.writer, Writer::Collectd(_) | Writer::Signal(_))
    }

    /// Has it write what it keeps of a file. Only an rrdcached has done so when this returns.
    pub(super) fn flush(&mut self, root: &Path, file: &FileName) -> Result<(), WriterError> {
        match &self.writer {
            Writer::None => Ok(()),
            Writer::Signal(path) => {
                let path = path.clone();
                self.signal(&path)
            }
            Writer::Collectd(_) => {
                // Whatever it keeps nothing of is an error among those that it counts, and none.
                let mut line = b"FLUSH plugin=rrdtool identifier=\"".to_vec();
                for &byte in file.identifier() {
                    line.extend(matches!(byte, b'"' | b'\\').then_some(b'\\'));
                    line.push(byte);
                }
                line.extend_from_slice(b"\"\n");
                self.command(&line).map(drop)
            }
            Writer::Rrdcached(_) => {
                let said = self.say(root, file, |file| Command::Flush { file })?;
                match said.is_refusal && !said.text.starts_with("No such file") {
                    true => Err(self.refused(said)),
                    false => Ok(()),
                }
            }
        }
    }

    /// Has it keep what comes in memory. False where it keeps nothing of the file, and so writes nothing soon either.
    pub(super) fn suspend(&mut self, root: &Path, file: &FileName) -> Result<bool, WriterError> {
        if !self.can_wait() {
            return Ok(false);
        }
        match self.say(root, file, |file| Command::Suspend { file }) {
            Ok(said) => Ok(!said.is_refusal),
            // It closes the connection instead of an answer.
            Err(WriterError::Unreachable { source, .. }) if is_closed(&source) => {
                self.connection = None;
                Ok(false)
            }
            Err(problem) => Err(problem),
        }
    }

    /// The earliest of the updates that it keeps of a file, in seconds.
    pub(super) fn pending(&mut self, root: &Path, file: &FileName) -> Result<Option<f64>, WriterError> {
        if !self.can_wait() {
            return Ok(None);
        }
        let said = self.say(root, file, |file| Command::Pending { file })?;
        let times = said.lines.iter().filter_map(|line| line.split(':').next()?.trim().parse::<f64>().ok());
        Ok(if said.is_refusal { None } else { times.min_by(f64::total_cmp) })
    }

    /// Has it write again, if it was told not to.
    pub(super) fn resume(&mut self, root: &Path, file: &FileName) -> Result<(), WriterError> {
        if self.can_wait() {
            self.say(root, file, |file| Command::Resume { file })?;
        }
        Ok(())
    }

    fn say(
        &mut self,
        root: &Path,
        file: &FileName,
        command: impl for<'a> Fn(&'a [u8]) -> Command<'a>,
    ) -> Result<Said, WriterError> {
        // It knows files by the names that collectd gives them, which are absolute.
        let path = [root.as_os_str().as_encoded_bytes(), b"/", file.as_bytes()].concat();
        let mut line = Vec::new();
        command(&path).write(&mut line)?;
        self.command(&line)
    }

    fn command(&mut self, line: &[u8]) -> Result<Said, WriterError> {
        let kept = self.connection.is_some();
        match self.try_command(line) {
            // Who was restarted has closed what was kept.
            Err(problem) if kept && is_closed(&problem) => {
                self.connection = None;
                self.try_command(line)
            }
            done => done,
        }
        .map_err(|source| {
            self.connection = None;
            WriterError::Unreachable { writer: self.writer.clone(), source }
        })
    }

    fn try_command(&mut self, line: &[u8]) -> io::Result<Said> {
        let (Writer::Collectd(path) | Writer::Rrdcached(path)) = &self.writer else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                none.insert(BufReader::new(stream))
            }
        };
        connection.get_mut().write_all(line)?;
        let first = read_line(connection)?;
        let (number, text) = first.split_once(' ').unwrap_or((&first, ""));
        let garbage = || io::Error::new(io::ErrorKind::InvalidData, format!("it says {first:?}"));
        let count: i64 = number.parse().map_err(|_| garbage())?;
        let behind = u64::try_from(count).unwrap_or(0);
        if behind > LINES {
            return Err(garbage());
        }
        let lines = (0..behind).map(|_| read_line(connection)).collect::<io::Result<_>>()?;
        Ok(Said { is_refusal: count < 0, text: text.to_owned(), lines })
    }

    fn signal(&mut self, path: &Path) -> Result<(), WriterError> {
        if self.signalled.is_some_and(|signalled| signalled.elapsed() < BETWEEN_SIGNALS) {
            return Ok(());
        }
        let send = || {
            let text = std::fs::read_to_string(path)?;
            let number: i32 = text.trim().parse().map_err(|_| io::Error::other("no number of a process"))?;
            if number < 2 {
                return Err(io::Error::other("no number of a process of its own"));
            }
            kill(Pid::from_raw(number), Signal::SIGUSR1).map_err(io::Error::from)
        };
        send().map_err(|source| WriterError::Unreachable { writer: self.writer.clone(), source })?;
        self.signalled = Some(Instant::now());
        Ok(())
    }

    fn refused(&self, said: Said) -> WriterError {
        WriterError::Refused { writer: self.writer.clone(), text: said.text }
    }
}

fn read_line(connection: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    if connection.read_until(b'\n', &mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(String::from_utf8_lossy(line.trim_ascii_end()).into_owned())
}

fn is_closed(problem: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    [BrokenPipe, ConnectionReset, UnexpectedEof].contains(&problem.kind())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writers_are_read_as_they_are_shown() {
        for text in
            ["none", "collectd:/run/collectd-unixsock", "signal:/run/collectd.pid", "rrdcached:/a b:c"]
        {
            assert_eq!(text.parse::<Writer>().unwrap().to_string(), text);
        }
        for (text, told) in [
            ("", "expected collectd:SOCKET"),
            ("carbon:/x", "expected"),
            ("collectd", "absolute"),
            ("rrdcached:x", "absolute"),
        ] {
            assert!(text.parse::<Writer>().unwrap_err().contains(told), "{text}");
        }
    }
}
