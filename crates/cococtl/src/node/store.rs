//! The files below a node's data directory: listed, copied byte by byte, exchanged whole.
//!
//! librrd never opens any of them here: who writes them would meet its lock. Nothing is followed that is a symbolic link.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, chown};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::sys::statvfs::statvfs;
use rrd::file::{HEAD, Head, RrdFile};
use rrd::layout::FormatError;
use thiserror::Error;

use super::beside::{Beside, BesideError, Looks};
use super::name::{self, FileName};
use super::protocol::{Extent, Listed, Text};

/// How often a file is read anew that is being written, or locked.
const READINGS: u32 = 40;

/// The pause between two readings.
const BETWEEN_READINGS: Duration = Duration::from_millis(5);

/// A lock that lasts longer than so many readings is nobody's who is about to write.
const LOCKED_READINGS: u32 = 10;

/// The part of a file system that stays free: a hundredth.
const KEPT_FREE: u64 = 100;

/// Why a file can't be had or put there.
#[derive(Debug, Error)]
pub(super) enum StoreError {
    /// The system refuses.
    #[error("{}: {source}", path.display())]
    System {
        /// What it is about.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It leads somewhere else.
    #[error("{}: it is a symbolic link, or no file or directory", _0.display())]
    Foreign(PathBuf),
    /// It is nothing that can be merged.
    #[error("{}: {source}", path.display())]
    Format {
        /// Which file.
        path: PathBuf,
        /// What it is.
        source: FormatError,
    },
    /// It changes faster than it can be read.
    #[error("{}: it is written all the time", _0.display())]
    Busy(PathBuf),
    /// The file system would be too full.
    #[error("no room: {available} of {total} bytes are free, and a hundredth of them stays so")]
    Room {
        /// Bytes that are free.
        available: u64,
        /// Bytes of the file system.
        total: u64,
    },
    /// What was to be put in its place.
    #[error(transparent)]
    Beside(#[from] BesideError),
}

/// A copy of a file, and the file itself, which may go on.
#[derive(Debug)]
pub(super) struct Copy {
    pub(super) file: RrdFile,
    pub(super) mode: u32,
    pub(super) modified: SystemTime,
    owner: (u32, u32),
    accessed: SystemTime,
    opened: File,
}

/// Whether a file could be put in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Put {
    Done,
    /// Somebody wrote the former one, or made one, meanwhile, or another cococtl is about to.
    Overtaken,
}

/// A data directory.
#[derive(Debug)]
pub(super) struct Store {
    root: PathBuf,
}

impl Store {
    /// Looks whether the directory is there.
    pub(super) fn open(root: &Path) -> Result<Self, StoreError> {
        let found = fs::metadata(root).map_err(|source| system(root, source))?;
        if !found.is_dir() {
            return Err(StoreError::Foreign(root.to_owned()));
        }
        Ok(Self { root: root.to_owned() })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Bytes that are free, and all.
    pub(super) fn room(&self) -> Result<(u64, u64), StoreError> {
        let found = statvfs(&self.root).map_err(|errno| system(&self.root, errno.into()))?;
        let unit = found.fragment_size();
        Ok((found.blocks_available() * unit, found.blocks() * unit))
    }

    /// The directories that can be those of hosts, sorted.
    pub(super) fn hosts(&self) -> Result<Vec<Text>, StoreError> {
        let entries = entries(&self.root)?;
        Ok(entries
            .into_iter()
            .filter(|(_, is_directory)| *is_directory)
            .map(|(name, _)| Text(name))
            .collect())
    }

    /// The files of a host, sorted, and how much else is there.
    pub(super) fn files(&self, host: &[u8]) -> Result<(Vec<Listed>, u64), StoreError> {
        let (mut files, mut others) = (Vec::new(), 0);
        self.walk(host, |file, path| match file {
            Some(file) => {
                files.push(listed(file, &path)?);
                Ok(())
            }
            None => {
                others += 1;
                Ok(())
            }
        })?;
        Ok((files, others))
    }

    /// How much there is of a host.
    pub(super) fn extent(&self, host: &[u8]) -> Result<Extent, StoreError> {
        let mut extent = Extent::default();
        self.walk(host, |file, path| {
            if file.is_some() {
                let bytes = fs::symlink_metadata(&path).map_err(|source| system(&path, source))?.len();
                extent = Extent { files: extent.files + 1, bytes: extent.bytes + bytes };
            }
            Ok(())
        })?;
        Ok(extent)
    }

    fn walk(
        &self,
        host: &[u8],
        mut visit: impl FnMut(Option<FileName>, PathBuf) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let top = self.root.join(std::ffi::OsStr::from_bytes(host));
        if name::check(host).is_err() || !is_directory(&top)? {
            return Ok(());
        }
        for (plugin, is_directory) in entries(&top)? {
            let middle = top.join(std::ffi::OsStr::from_bytes(&plugin));
            if !is_directory {
                visit(None, middle)?;
                continue;
            }
            for (file, is_directory) in entries(&middle)? {
                let path = middle.join(std::ffi::OsStr::from_bytes(&file));
                let name = FileName::new(&[host, &plugin, &file].join(&b'/'));
                let is_hidden = file.starts_with(b".");
                visit(name.ok().filter(|_| !is_directory && !is_hidden && is_file(&path)), path)?;
            }
        }
        Ok(())
    }

    /// Reads a file until it is the same twice, with nobody writing in between; none where there is none.
    pub(super) fn copy(&self, name: &FileName) -> Result<Option<Copy>, StoreError> {
        let Some(path) = self.existing(name)? else { return Ok(None) };
        for reading in 0..READINGS {
            let opened = OpenOptions::new().read(true).custom_flags(OFlag::O_NOFOLLOW.bits()).open(&path);
            let opened = match opened {
                Ok(opened) => opened,
                Err(problem) if problem.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(problem) => return Err(system(&path, problem)),
            };
            let found = opened.metadata().map_err(|source| system(&path, source))?;
            let bytes = read(&opened).map_err(|source| system(&path, source))?;
            let is_quiet = reading >= LOCKED_READINGS || !is_locked(&opened);
            if is_quiet && read(&opened).map_err(|source| system(&path, source))? == bytes {
                let file = RrdFile::read(bytes)
                    .map_err(|source| StoreError::Format { path: path.clone(), source })?;
                let time = |time: io::Result<SystemTime>| time.unwrap_or(UNIX_EPOCH);
                return Ok(Some(Copy {
                    file,
                    mode: found.mode() & 0o7777,
                    owner: (found.uid(), found.gid()),
                    modified: time(found.modified()),
                    accessed: time(found.accessed()),
                    opened,
                }));
            }
            thread::sleep(BETWEEN_READINGS);
        }
        Err(StoreError::Busy(path))
    }

    /// The head of a file as it is now; none where there is none, or it is no RRD file.
    pub(super) fn head(&self, name: &FileName) -> Result<Option<Head>, StoreError> {
        let Some(path) = self.existing(name)? else { return Ok(None) };
        head(&path)
    }

    /// Puts bytes in the place of a file that is still as it was copied. Its owner, mode and times stay.
    pub(super) fn exchange(&self, name: &FileName, bytes: &[u8], former: &Copy) -> Result<Put, StoreError> {
        let Some(path) = self.existing(name)? else { return Ok(Put::Overtaken) };
        let looks = Looks { mode: former.mode, modified: former.modified };
        let written = self.write_beside(&path, bytes, looks, former.owner, former.accessed)?;
        let Some(written) = written else { return Ok(Put::Overtaken) };
        let is_as_copied = || read(&former.opened).map(|bytes| bytes == former.file.bytes());
        let is_there = fs::symlink_metadata(&path).is_ok_and(|found| {
            former.opened.metadata().is_ok_and(|own| (own.dev(), own.ino()) == (found.dev(), found.ino()))
        });
        if !is_there || !is_as_copied().map_err(|source| system(&path, source))? {
            return Ok(Put::Overtaken);
        }
        written.rename(&path)?;
        // Who had it open by then wrote where nobody looks any more.
        match is_as_copied().map_err(|source| system(&path, source))? {
            true => Ok(Put::Done),
            false => Ok(Put::Overtaken),
        }
    }

    /// Makes a file where there is none, with the directories that it stands in. They belong to whom the data directory
    /// belongs to.
    pub(super) fn create(&self, name: &FileName, bytes: &[u8], looks: Looks) -> Result<Put, StoreError> {
        let root = fs::metadata(&self.root).map_err(|source| system(&self.root, source))?;
        let owner = (root.uid(), root.gid());
        let mut path = self.root.clone();
        let [host, plugin, file] = name.parts();
        for part in [host, plugin] {
            path.push(std::ffi::OsStr::from_bytes(part));
            if !is_directory(&path)? {
                let made = fs::DirBuilder::new().mode(root.mode() & 0o777).create(&path);
                match made {
                    Ok(()) => belong_to(&path, owner)?,
                    // collectd was first.
                    Err(problem) if problem.kind() == io::ErrorKind::AlreadyExists => {}
                    Err(problem) => return Err(system(&path, problem)),
                }
            }
        }
        path.push(std::ffi::OsStr::from_bytes(file));
        let written = self.write_beside(&path, bytes, looks, owner, looks.modified)?;
        let Some(written) = written else { return Ok(Put::Overtaken) };
        match written.link(&path) {
            Ok(()) => Ok(Put::Done),
            Err(problem) if problem.kind() == io::ErrorKind::AlreadyExists => Ok(Put::Overtaken),
            Err(problem) => Err(system(&path, problem)),
        }
    }

    /// Removes a file, and the directories that are empty without it. Returns how large it was.
    pub(super) fn remove(&self, name: &FileName) -> Result<u64, StoreError> {
        let Some(path) = self.existing(name)? else { return Ok(0) };
        let bytes = fs::symlink_metadata(&path).map_err(|source| system(&path, source))?.len();
        fs::remove_file(&path).map_err(|source| system(&path, source))?;
        for directory in path.ancestors().skip(1).take(2) {
            // Fails where something is left.
            if fs::remove_dir(directory).is_err() {
                break;
            }
        }
        Ok(bytes)
    }

    /// Where a file is, if it is there and nothing on the way leads elsewhere.
    fn existing(&self, name: &FileName) -> Result<Option<PathBuf>, StoreError> {
        let mut path = self.root.clone();
        let [host, plugin, file] = name.parts();
        for part in [host, plugin] {
            path.push(std::ffi::OsStr::from_bytes(part));
            if !is_directory(&path)? {
                return Ok(None);
            }
        }
        path.push(std::ffi::OsStr::from_bytes(file));
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_file() => Ok(Some(path)),
            Ok(_) => Err(StoreError::Foreign(path)),
            Err(problem) if problem.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(problem) => Err(system(&path, problem)),
        }
    }

    /// None where another process is about to write the same file.
    fn write_beside(
        &self,
        path: &Path,
        bytes: &[u8],
        looks: Looks,
        owner: (u32, u32),
        accessed: SystemTime,
    ) -> Result<Option<Beside>, StoreError> {
        let (available, total) = self.room()?;
        if available.saturating_sub(bytes.len() as u64) < total / KEPT_FREE {
            return Err(StoreError::Room { available, total });
        }
        let mut beside = match Beside::open(path) {
            Err(BesideError::Taken(_)) => return Ok(None),
            opened => opened?,
        };
        beside.write(bytes, looks, owner, accessed)?;
        Ok(Some(beside))
    }
}

fn system(path: &Path, source: io::Error) -> StoreError {
    StoreError::System { path: path.to_owned(), source }
}

fn read(mut file: &File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(usize::try_from(file.metadata()?.len()).unwrap_or(0) + 1);
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether somebody has a lock on a file, as librrd has while it writes. It is asked for, not taken.
fn is_locked(file: &File) -> bool {
    let mut lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(file, FcntlArg::F_GETLK(&mut lock)).is_ok() && lock.l_type != libc::F_UNLCK as libc::c_short
}

fn belong_to(path: &Path, owner: (u32, u32)) -> Result<(), StoreError> {
    let found = fs::symlink_metadata(path).map_err(|source| system(path, source))?;
    if (found.uid(), found.gid()) == owner {
        return Ok(());
    }
    chown(path, Some(owner.0), Some(owner.1)).map_err(|source| system(path, source))
}

/// Whether there is a directory. What leads to one is refused.
fn is_directory(path: &Path) -> Result<bool, StoreError> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => Ok(true),
        Ok(_) => Err(StoreError::Foreign(path.to_owned())),
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(problem) => Err(system(path, problem)),
    }
}

fn is_file(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_file())
}

/// What stands in a directory, sorted, and whether it is a directory. What is gone meanwhile has nothing in it.
fn entries(path: &Path) -> Result<Vec<(Vec<u8>, bool)>, StoreError> {
    let read = match fs::read_dir(path) {
        Ok(read) => read,
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(problem) => return Err(system(path, problem)),
    };
    let mut found = Vec::new();
    for entry in read {
        let entry = entry.map_err(|source| system(path, source))?;
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        found.push((entry.file_name().as_bytes().to_vec(), is_directory));
    }
    found.sort();
    Ok(found)
}

fn head(path: &Path) -> Result<Option<Head>, StoreError> {
    let mut bytes = Vec::new();
    let file = OpenOptions::new().read(true).custom_flags(OFlag::O_NOFOLLOW.bits()).open(path);
    file.and_then(|file| file.take(HEAD as u64).read_to_end(&mut bytes))
        .map_err(|source| system(path, source))?;
    Ok(Head::read(&bytes).ok())
}

fn listed(file: FileName, path: &Path) -> Result<Listed, StoreError> {
    let bytes = fs::symlink_metadata(path).map_err(|source| system(path, source))?.len();
    let head = head(path)?;
    Ok(Listed { file, bytes, step: head.map(|head| head.step), last: head.map(|head| head.last.into()) })
}
