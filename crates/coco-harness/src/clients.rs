//! HTTP clients that don't behave.

use std::io::{ErrorKind, Read as _};
use std::net::TcpStream;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// More than a daemon has places for.
const IDLE: u64 = 5_000;

/// Connections that a daemon has at a time.
pub const PLACES: u64 = 1_024;

/// What this process and a daemon need beside their connections, at most.
pub const OTHER_DESCRIPTORS: u64 = 200;

/// As many idle connections as this process may hold, and 5,000 at most; more than a daemon has places for.
///
/// # Panics
/// When they would not be more.
#[must_use]
pub fn idle_connections() -> u64 {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("the soft limit may rise to the hard one");
    let connections = IDLE.min(hard - OTHER_DESCRIPTORS);
    assert!(connections > PLACES, "a limit of {hard} descriptors leaves too few to fill a daemon's table");
    connections
}

/// What the server sends until it closes the connection, by FIN or by RST.
///
/// # Panics
/// When it doesn't close it.
#[must_use]
pub fn read_to_the_end(mut client: &TcpStream) -> String {
    let mut answer = Vec::new();
    match client.read_to_end(&mut answer) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("a client is kept for ever: {error}"),
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// Whether the server has closed the connection, without waiting for it.
///
/// # Panics
/// When it is no connection.
#[must_use]
pub fn is_closed(mut client: &TcpStream) -> bool {
    client.set_nonblocking(true).expect("O_NONBLOCK");
    let result = client.read(&mut [0; 1024]);
    client.set_nonblocking(false).expect("O_NONBLOCK");
    match result {
        Ok(length) => length == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}
