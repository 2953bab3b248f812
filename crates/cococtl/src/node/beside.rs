//! A file beside the place that it is for, until it is whole: one process at a time writes it, and nobody else's work is
//! ever written over, whoever was killed in the middle of what.

use std::fs::{self, File, FileTimes, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::fcntl::OFlag;
use thiserror::Error;

use super::name;

/// Why a file can't be written, or put in its place.
#[derive(Debug, Error)]
pub(super) enum BesideError {
    /// The system refuses.
    #[error("{}: {source}", path.display())]
    System {
        /// What it is about.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Another process is about to write the same file.
    #[error("{}: another cococtl is writing it", _0.display())]
    Taken(PathBuf),
}

/// What a new file is to be like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Looks {
    pub(super) mode: u32,
    pub(super) modified: SystemTime,
}

/// See the module. It is gone when this is dropped, unless it was put in its place.
#[derive(Debug)]
pub(super) struct Beside {
    path: PathBuf,
    /// Locked until it is in its place, or gone: whoever comes then opens another.
    file: File,
    is_in_place: bool,
}

impl Beside {
    /// Makes it, or takes what a killed process has left. That must not be its place already: who writes there would write
    /// over what has arrived since.
    pub(super) fn open(place: &Path) -> Result<Self, BesideError> {
        let path = name::while_written(place);
        let at = |source| system(&path, source);
        loop {
            let opened = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .custom_flags(OFlag::O_NOFOLLOW.bits())
                .open(&path);
            let file = opened.map_err(at)?;
            let found = file.metadata().map_err(at)?;
            let is_here = || {
                fs::symlink_metadata(&path)
                    .is_ok_and(|here| (here.dev(), here.ino()) == (found.dev(), found.ino()))
            };
            // Who had the lock until now may have put it in its place.
            if file.try_lock().is_err() || !is_here() {
                return Err(BesideError::Taken(path));
            }
            if file.metadata().map_err(at)?.nlink() == 1 {
                return Ok(Self { path, file, is_in_place: false });
            }
            // A link to it was made in its place, and there was no time left to remove this one.
            fs::remove_file(&path).map_err(at)?;
        }
    }

    /// Fills it, for good.
    pub(super) fn write(
        &mut self,
        bytes: &[u8],
        looks: Looks,
        owner: (u32, u32),
        accessed: SystemTime,
    ) -> Result<(), BesideError> {
        self.try_to_write(bytes, looks, owner, accessed).map_err(|source| system(&self.path, source))
    }

    fn try_to_write(
        &mut self,
        bytes: &[u8],
        looks: Looks,
        owner: (u32, u32),
        accessed: SystemTime,
    ) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.write_all(bytes)?;
        let found = self.file.metadata()?;
        if (found.uid(), found.gid()) != owner {
            fchown(&self.file, Some(owner.0), Some(owner.1))?;
        }
        self.file.set_permissions(Permissions::from_mode(looks.mode))?;
        self.file.set_times(FileTimes::new().set_accessed(accessed).set_modified(looks.modified))?;
        // A machine that fails now has the former file or this one, whole.
        self.file.sync_data()
    }

    /// Puts it in a place where there is a file.
    pub(super) fn rename(mut self, place: &Path) -> Result<(), BesideError> {
        fs::rename(&self.path, place).map_err(|source| system(place, source))?;
        self.is_in_place = true;
        Ok(())
    }

    /// Puts it in a place where there is none; an error if there is one meanwhile.
    pub(super) fn link(self, place: &Path) -> io::Result<()> {
        fs::hard_link(&self.path, place)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if !self.is_in_place {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn system(path: &Path, source: io::Error) -> BesideError {
    BesideError::System { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;
    use std::time::UNIX_EPOCH;

    use coco_harness::directory::Directory;

    use super::*;

    fn place(directory: &Directory) -> PathBuf {
        directory.path().join("cpu-idle.rrd")
    }

    fn fill(beside: &mut Beside, bytes: &[u8]) {
        let found = beside.file.metadata().unwrap();
        let looks = Looks { mode: 0o644, modified: UNIX_EPOCH };
        beside.write(bytes, looks, (found.uid(), found.gid()), UNIX_EPOCH).unwrap();
    }

    #[test]
    fn one_at_a_time_has_it_until_it_is_in_its_place_or_gone() {
        let directory = Directory::new("beside");
        let place = place(&directory);
        let left = || fs::read_dir(directory.path()).unwrap().count();
        let is_taken = || matches!(Beside::open(&place), Err(BesideError::Taken(_)));
        let mut first = Beside::open(&place).unwrap();
        fill(&mut first, b"one");
        assert!(is_taken());
        first.link(&place).unwrap();
        let mut second = Beside::open(&place).unwrap();
        fill(&mut second, b"two");
        assert!(is_taken());
        assert_eq!((fs::read(&place).unwrap(), left()), (b"one".to_vec(), 2));
        second.rename(&place).unwrap();
        assert_eq!((fs::read(&place).unwrap(), left()), (b"two".to_vec(), 1));
        drop(Beside::open(&place).unwrap());
        assert_eq!(left(), 1);
    }

    /// As it is where a process was killed right behind the link, and values have arrived since.
    #[test]
    fn what_a_killed_one_has_left_in_its_place_already_is_not_written_over() {
        let directory = Directory::new("beside");
        let place = place(&directory);
        fs::write(&place, b"values").unwrap();
        fs::hard_link(&place, name::while_written(&place)).unwrap();
        let mut beside = Beside::open(&place).unwrap();
        fill(&mut beside, b"others");
        assert_eq!(fs::read(&place).unwrap(), b"values");
        drop(beside);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        // Half of one that never came to its place is.
        fs::write(name::while_written(&place), b"half of a longer one").unwrap();
        let mut beside = Beside::open(&place).unwrap();
        fill(&mut beside, b"others");
        beside.rename(&place).unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"others");
    }

    #[test]
    fn whoever_reads_finds_it_whole_however_many_write() {
        let directory = Directory::new("beside");
        let place = &place(&directory);
        let whole = |writer: u8| vec![writer; 100_000];
        fs::write(place, whole(9)).unwrap();
        let is_over = AtomicBool::new(false);
        let written: usize = thread::scope(|scope| {
            let write = |writer: u8| {
                let exchange = || {
                    let mut beside = Beside::open(place).ok()?;
                    fill(&mut beside, &whole(writer));
                    beside.rename(place).unwrap();
                    Some(())
                };
                (0..300).filter_map(|_| exchange()).count()
            };
            let writers: Vec<_> = (0..3).map(|writer| scope.spawn(move || write(writer))).collect();
            let reader = scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let bytes = fs::read(place).unwrap();
                    assert_eq!(bytes, whole(bytes[0]));
                }
            });
            let written = writers.into_iter().map(|writer| writer.join().unwrap()).sum();
            is_over.store(true, Ordering::Relaxed);
            reader.join().unwrap();
            written
        });
        assert!(written >= 100, "{written}");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
