//! Takes the place of the service manager: hears what a daemon says of its life, sd_notify(3).

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::error::{Doing, Error};

/// What `WATCHDOG_USEC` says: a daemon that gives no sign of life for so long would be killed.
pub(crate) const WATCHDOG: Duration = Duration::from_secs(4);

/// Listens on a socket of its own.
pub(crate) struct Manager {
    path: PathBuf,
    over: Arc<AtomicBool>,
    thread: JoinHandle<Option<Duration>>,
}

impl Manager {
    /// Listens in this folder.
    pub(crate) fn start(folder: &Path) -> Result<Self, Error> {
        let path = folder.join("notify");
        // Of the run before.
        let _ = std::fs::remove_file(&path);
        let doing = || format!("listen at {}", path.display());
        let socket = UnixDatagram::bind(&path).doing(doing)?;
        socket.set_read_timeout(Some(Duration::from_millis(50))).doing(doing)?;
        let over = Arc::new(AtomicBool::new(false));
        let thread = {
            let over = Arc::clone(&over);
            std::thread::spawn(move || longest_gap(&socket, &over))
        };
        Ok(Self { path, over, thread })
    }

    /// What a daemon has to find in its environment.
    pub(crate) fn environment(&self) -> [(&'static str, String); 2] {
        [
            ("NOTIFY_SOCKET", self.path.display().to_string()),
            ("WATCHDOG_USEC", WATCHDOG.as_micros().to_string()),
        ]
    }

    /// The longest time without a sign of life since the first; none if there was no sign at all.
    pub(crate) fn longest_gap(self) -> Option<Duration> {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().ok().flatten()
    }
}

fn longest_gap(socket: &UnixDatagram, over: &AtomicBool) -> Option<Duration> {
    let (mut last, mut longest, mut buffer) = (None::<Instant>, None, [0; 4096]);
    while !over.load(Ordering::Relaxed) {
        let length = socket.recv(&mut buffer).unwrap_or_default();
        let gap = last.map(|last| last.elapsed());
        longest = longest.max(gap);
        if buffer[..length].split(|byte| *byte == b'\n').any(|line| line == b"WATCHDOG=1") {
            last = Some(Instant::now());
        }
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gap_runs_from_sign_to_sign_and_to_the_end() {
        let folder = std::env::temp_dir().join(format!("coco-bench-manager-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let silent = Manager::start(&folder).unwrap();
        let manager = {
            assert_eq!(silent.longest_gap(), None);
            Manager::start(&folder).unwrap()
        };
        let daemon = UnixDatagram::unbound().unwrap();
        daemon.send_to(b"READY=1\nWATCHDOG=1", folder.join("notify")).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        assert!(manager.longest_gap() >= Some(Duration::from_millis(200)));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
