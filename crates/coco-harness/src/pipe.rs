//! Output that nobody reads.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Stdio;

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::wait::{PATIENCE, wait_until};

/// The smallest that Linux makes: a page.
const SIZE: i32 = 4096;

/// A small pipe. Who writes into it waits, once it is full, until somebody reads.
#[derive(Debug)]
pub struct UnreadPipe {
    reader: PipeReader,
    writer: PipeWriter,
    text: String,
}

impl UnreadPipe {
    /// A pipe, with its writing end as standard output and standard error.
    ///
    /// # Panics
    /// When the system has no pipes.
    #[must_use]
    pub fn new() -> (Self, [Stdio; 2]) {
        let (reader, writer) = io::pipe().expect("a pipe");
        fcntl(&writer, FcntlArg::F_SETPIPE_SZ(SIZE)).expect("a small pipe");
        // This end is ours alone.
        fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).expect("a flag");
        let ends = [(); 2].map(|()| writer.try_clone().expect("a descriptor").into());
        (Self { reader, writer, text: String::new() }, ends)
    }

    /// Reads until this has been written; returns all that has been read so far.
    ///
    /// # Panics
    /// When it doesn't come, or something else than UTF-8 does.
    pub fn read_until(&mut self, words: &str) -> &str {
        let mut buffer = [0; SIZE as usize];
        wait_until(PATIENCE, words, || {
            match self.reader.read(&mut buffer) {
                Ok(count) => self.text += std::str::from_utf8(&buffer[..count]).expect("a log is UTF-8"),
                Err(problem) => assert_eq!(problem.kind(), ErrorKind::WouldBlock, "{problem}"),
            }
            self.text.contains(words)
        });
        &self.text
    }

    /// What has been read so far.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Fills it, so that whoever writes from now on waits.
    ///
    /// # Panics
    /// When the pipe can't be opened once more.
    pub fn fill(&self) {
        // Opened anew: the others that have this end must not become non-blocking.
        let path = format!("/proc/self/fd/{}", self.writer.as_raw_fd());
        let mut options = OpenOptions::new();
        let options = options.write(true).custom_flags(nix::libc::O_NONBLOCK);
        let mut end: File = options.open(path).expect("the writing end");
        loop {
            match end.write(b"\n") {
                Ok(_) => {}
                Err(problem) if problem.kind() == ErrorKind::WouldBlock => return,
                Err(problem) => panic!("{problem}"),
            }
        }
    }
}
