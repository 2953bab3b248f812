//! Reading files that an operator names: bounded in bytes and in time, whatever stands behind the name.
//!
//! A pipe that nobody writes to, a device or a file on a server that is gone would hold up whoever reads it, for ever.
//! So each access has a thread of its own, which is left behind if it takes too long.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_channel::bounded;
use nix::fcntl::OFlag;
use zeroize::Zeroizing;

/// Bytes of the largest file that is read: more than anyone writes.
const LARGEST: usize = 16 << 20;

/// Bytes that a pipe brings without room being made for more.
const PIPED: usize = 1 << 20;

/// The time that a file may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Accesses under way at a time, those that were left behind among them.
const MOST: usize = 16;

static UNDER_WAY: UnderWay = UnderWay(AtomicUsize::new(0));

/// The kinds of files that may stand behind a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accept {
    /// A regular file: what can be read again at any time, while a daemon runs.
    Files,
    /// A pipe, too: at the start, or when an operator waits for the result.
    Pipes,
}

/// The bytes that were read, wiped when they are dropped.
#[derive(Debug)]
pub struct Contents {
    /// All of it.
    pub bytes: Zeroizing<Vec<u8>>,
    /// As it was before it was read, so that it is seen to differ if it was written to meanwhile.
    pub metadata: Metadata,
}

/// Reads a file. Takes a few seconds at most.
pub fn read(path: &Path, accept: Accept) -> io::Result<Contents> {
    let path = path.to_owned();
    in_time(move || {
        let file = open(&path, accept)?;
        let metadata = file.metadata()?;
        // With room for all: what a vector leaves behind when it grows is not wiped.
        let room = if metadata.is_file() { metadata.len().min(LARGEST as u64) as usize + 1 } else { PIPED };
        let mut bytes = Zeroizing::new(Vec::with_capacity(room));
        if file.take(LARGEST as u64 + 1).read_to_end(&mut bytes)? > LARGEST {
            return Err(io::Error::other("larger than 16 MiB"));
        }
        Ok(Contents { bytes, metadata })
    })
}

/// Reads a file of text.
pub fn read_text(path: &Path, accept: Accept) -> io::Result<String> {
    let mut contents = read(path, accept)?;
    String::from_utf8(std::mem::take(&mut contents.bytes)).map_err(|problem| {
        io::Error::new(ErrorKind::InvalidData, format!("not UTF-8: {}", problem.utf8_error()))
    })
}

/// Whether a file could be read. What a pipe brings stays in it.
pub fn can_read(path: &Path, accept: Accept) -> io::Result<()> {
    let path = path.to_owned();
    in_time(move || {
        let is_pipe = accept == Accept::Pipes && path.metadata()?.file_type().is_fifo();
        if is_pipe { Ok(()) } else { open(&path, accept).map(drop) }
    })
}

/// The facts by which a file is known again.
pub fn metadata(path: &Path) -> io::Result<Metadata> {
    let path = path.to_owned();
    in_time(move || path.metadata())
}

/// Does work that reads files in a thread of its own, for tasks that others share a thread with.
pub async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let (tell, told) = tokio::sync::oneshot::channel();
    let work = move || _ = tell.send(work());
    std::thread::Builder::new().name("files".to_owned()).spawn(work)?;
    told.await.map_err(|_| io::Error::other("reading files has panicked"))
}

fn open(path: &Path, accept: Accept) -> io::Result<File> {
    // Merely opening a device may do something.
    let kind = path.metadata()?.file_type();
    if accept == Accept::Pipes && kind.is_fifo() {
        // Waits for somebody who writes.
        return File::open(path);
    }
    if !kind.is_file() {
        return Err(refusal(accept));
    }
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
    // It may be another one by now.
    if file.metadata()?.is_file() { Ok(file) } else { Err(refusal(accept)) }
}

fn refusal(accept: Accept) -> io::Error {
    io::Error::other(match accept {
        Accept::Files => "not a regular file",
        Accept::Pipes => "neither a regular file nor a pipe",
    })
}

fn in_time<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    UNDER_WAY.wait_for(PATIENCE, work)
}

/// The number of accesses.
struct UnderWay(AtomicUsize);

impl UnderWay {
    fn wait_for<T: Send + 'static>(
        &'static self,
        patience: Duration,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let place = self.enter()?;
        let (tell, told) = bounded(1);
        std::thread::Builder::new().name("file".to_owned()).spawn(move || {
            let _place = place;
            // Nobody may be waiting any more.
            let _ = tell.send(work());
        })?;
        told.recv_timeout(patience).unwrap_or_else(|_| {
            Err(io::Error::new(ErrorKind::TimedOut, format!("gave nothing for {} s", patience.as_secs())))
        })
    }

    fn enter(&'static self) -> io::Result<Place> {
        let place = Place(self);
        if self.0.fetch_add(1, Ordering::Relaxed) < MOST {
            return Ok(place);
        }
        Err(io::Error::other("too many files are waited for already"))
    }
}

struct Place(&'static UnderWay);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::PathBuf;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("coco-files-{}-{name}", std::process::id()))
    }

    #[test]
    fn regular_files_are_read_whatever_is_accepted() {
        let path = path("regular");
        std::fs::write(&path, "text").unwrap();
        for accept in [Accept::Files, Accept::Pipes] {
            assert_eq!(**read(&path, accept).unwrap().bytes, *b"text");
            can_read(&path, accept).unwrap();
        }
        std::fs::write(&path, b"\xff").unwrap();
        assert_eq!(read_text(&path, Accept::Files).unwrap_err().kind(), ErrorKind::InvalidData);
        File::create(&path).unwrap().set_len(LARGEST as u64 + 1).unwrap();
        assert!(read(&path, Accept::Files).unwrap_err().to_string().contains("16 MiB"));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read(&path, Accept::Files).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_pipe_is_read_at_the_start_alone_and_only_once() {
        let path = path("pipe");
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        for result in [read(&path, Accept::Files).map(drop), can_read(&path, Accept::Files)] {
            assert_eq!(result.unwrap_err().to_string(), "not a regular file");
        }
        can_read(&path, Accept::Pipes).unwrap();
        let written = path.clone();
        let writer = std::thread::spawn(move || {
            OpenOptions::new().write(true).open(written).unwrap().write_all(b"text").unwrap();
        });
        assert_eq!(read_text(&path, Accept::Pipes).unwrap(), "text");
        writer.join().unwrap();
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn devices_and_directories_are_not_read() {
        for path in ["/dev/zero", "/dev/null", "/"] {
            for accept in [Accept::Files, Accept::Pipes] {
                assert!(read(Path::new(path), accept).is_err(), "{path}");
                assert!(can_read(Path::new(path), accept).is_err(), "{path}");
            }
        }
    }

    #[test]
    fn what_hangs_is_left_behind_and_no_more_than_some_are() {
        static OF_THIS_TEST: UnderWay = UnderWay(AtomicUsize::new(0));
        let (hold, held) = bounded::<()>(0);
        let hang = || {
            let held = held.clone();
            let hung = OF_THIS_TEST.wait_for(Duration::ZERO, move || Ok(_ = held.recv()));
            hung.unwrap_err().to_string()
        };
        (0..MOST).for_each(|_| assert_eq!(hang(), "gave nothing for 0 s"));
        (0..2).for_each(|_| assert_eq!(hang(), "too many files are waited for already"));
        drop(hold);
        while OF_THIS_TEST.0.load(Ordering::Relaxed) > 0 {
            std::thread::yield_now();
        }
        assert!(OF_THIS_TEST.wait_for(Duration::from_secs(60), || Ok(())).is_ok(), "there is room again");
    }
}
