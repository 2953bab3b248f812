//! News for the service manager: sd_notify(3), the protocol of systemd and of others. Without `NOTIFY_SOCKET` in
//! the environment nobody is told, and nothing else changes.
//!
//! A daemon is ready once its sockets are bound and its threads run, so `Type=notify` and `Type=notify-reload` both
//! fit.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use tracing::debug;

/// The time between two looks whether a daemon is well; the watchdog is fed and the status told as often, at most.
const LOOK: Duration = Duration::from_millis(500);

/// The time that an end may take beyond that which it is given.
const MARGIN: Duration = Duration::from_secs(2);

/// It has started, or has read its configuration again.
pub fn ready(status: &str) {
    tell(&format!("READY=1\nSTATUS={status}\n"));
}

/// It reads its configuration again; [`ready`] must follow, however that goes.
pub fn reloading() {
    match clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from) {
        Ok(now) => tell(&format!("RELOADING=1\nMONOTONIC_USEC={}\n", now.as_micros())),
        Err(problem) => debug!(%problem, "no clock"),
    }
}

/// It is about to end, within this time unless it hangs.
pub fn stopping(longest: Duration, status: &str) {
    // So that a longer drain needs no longer TimeoutStopSec.
    let longest = longest.saturating_add(MARGIN).as_micros();
    tell(&format!("STOPPING=1\nSTATUS={status}\nEXTEND_TIMEOUT_USEC={longest}\n"));
}

/// Feeds the watchdog for as long as `is_well` says so at every look, and tells the status whenever it changes. Never
/// ends; to be dropped when the daemon stops.
pub async fn watch(mut is_well: impl FnMut() -> bool, status: impl Fn() -> String) {
    // Half of the time that the service manager waits, as sd_watchdog_enabled(3) wants it.
    let feed = watchdog().map(|patience| patience / 2);
    let mut looks = tokio::time::interval(feed.map_or(LOOK, |feed| LOOK.min(feed)));
    let mut told = String::new();
    loop {
        looks.tick().await;
        if is_well() && feed.is_some() {
            tell("WATCHDOG=1\n");
        }
        let status = status();
        if status != told {
            tell(&format!("STATUS={status}\n"));
            told = status;
        }
    }
}

/// The time that the service manager waits for a sign of life, if it waits for one of this process.
fn watchdog() -> Option<Duration> {
    let number = |name| env::var(name).ok()?.parse::<u64>().ok();
    let is_ours = number("WATCHDOG_PID").is_none_or(|process| process == u64::from(std::process::id()));
    number("WATCHDOG_USEC").filter(|patience| is_ours && *patience > 1).map(Duration::from_micros)
}

fn tell(message: &str) {
    let Some(path) = env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty()) else { return };
    if let Err(problem) = send(&path, message) {
        debug!(%problem, "cannot tell the service manager");
    }
}

/// Does not wait: whoever does not read what it is told must not hold up the daemon.
fn send(path: &OsStr, message: &str) -> io::Result<()> {
    let address = match path.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(path)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.send_to_addr(message.as_bytes(), &address).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_have_paths_or_abstract_names() {
        let name = format!("coco-daemon-test-{}", std::process::id());
        let path = env::temp_dir().join(&name);
        let sockets = [
            (UnixDatagram::bind(&path).unwrap(), path.clone().into_os_string()),
            (
                UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap(),
                format!("@{name}").into(),
            ),
        ];
        for (socket, path) in &sockets {
            send(path, "READY=1\n").unwrap();
            let mut buffer = [0; 100];
            let length = socket.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..length], b"READY=1\n");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(send(path.as_os_str(), "READY=1\n").is_err());
    }
}
