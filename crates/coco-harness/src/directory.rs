//! A directory that lives as long as the value.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

/// A fresh directory below the system's temporary directory, removed with all it holds on drop.
#[derive(Debug)]
pub struct Directory(PathBuf);

impl Directory {
    /// Makes the directory; `name` only helps whoever looks for it.
    ///
    /// # Panics
    /// When it can't be made.
    #[must_use]
    pub fn new(name: &str) -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let unique = format!("coco-{}-{}-{name}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(unique);
        std::fs::create_dir(&path).unwrap_or_else(|error| panic!("can't make {}: {error}", path.display()));
        Self(path)
    }

    /// Writes a file into the directory and returns its path.
    ///
    /// # Panics
    /// When it can't be written.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("can't write {}: {error}", path.display()));
        path
    }

    /// Makes a named pipe in the directory, in the place of a file if there is one, and returns its path.
    ///
    /// # Panics
    /// When it can't be made.
    pub fn pipe(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        let _ = std::fs::remove_file(&path);
        mkfifo(&path, Mode::S_IRWXU).unwrap_or_else(|error| panic!("can't make {}: {error}", path.display()));
        path
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // A failure here must not hide the reason why a test fails; the system clears the rest.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
