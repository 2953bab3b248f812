//! Clients that ask on and on: pipelined requests for a large view, with or without reading the answers.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use super::Scene;
use super::honest::Agent;
use super::stage::{Daemon, Finding, Output, Stage, coco_config, noodle_config, unread_targets};
use crate::error::Error;

/// What each client writes at once.
const REQUESTS: usize = 400;

/// Targets of the daemons; each has many rows in `/metrics`.
const TARGETS: usize = 600;

/// Clients on a thread of their own, until this is dropped.
pub(crate) struct Clients {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Clients {
    /// So many clients at once, each of which connects again when it is cut off.
    pub(crate) fn begin(server: SocketAddr, count: usize, reads: bool) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            let requests = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(REQUESTS);
            let mut buffer = vec![0; 1 << 20];
            let mut clients: Vec<TcpStream> = (0..count).filter_map(|_| connect(server)).collect();
            while !stopped.load(Ordering::Relaxed) {
                clients.retain_mut(|client| {
                    let goes_on = turn(client, requests.as_bytes(), reads.then_some(&mut buffer));
                    goes_on || connect(server).map(|another| *client = another).is_some()
                });
                // Leaves the processor to others, which a remote attacker does too.
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        Self { over, thread: Some(thread) }
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        // A panic of the thread has been printed.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Writes and reads what is possible at once. Whether the connection lives.
fn turn(client: &mut TcpStream, requests: &[u8], buffer: Option<&mut Vec<u8>>) -> bool {
    let sent = client.write(requests);
    let read = buffer.map_or(Ok(1), |buffer| client.read(buffer));
    let lives = |result: std::io::Result<usize>| match result {
        Ok(length) => length > 0,
        Err(error) => !matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
    };
    lives(sent) && lives(read)
}

/// None once nobody listens any more.
fn connect(server: SocketAddr) -> Option<TcpStream> {
    let client = TcpStream::connect_timeout(&server, Duration::from_secs(1)).ok()?;
    client.set_nonblocking(true).ok()?;
    Some(client)
}

/// Three hundred that pipeline `/metrics` of six hundred targets and read.
pub(crate) fn readers(scene: &Scene<'_>, daemon: Daemon) -> Result<Finding, Error> {
    attack(scene, daemon, scene.size(300, 60), true)
}

/// Eleven hundred that don't read: more than there are places.
pub(crate) fn idlers(scene: &Scene<'_>, daemon: Daemon) -> Result<Finding, Error> {
    // Below that, nobody would have to wait for a place.
    attack(scene, daemon, 1_100, false)
}

fn attack(scene: &Scene<'_>, daemon: Daemon, clients: usize, reads: bool) -> Result<Finding, Error> {
    let (_targets, addresses) = unread_targets(TARGETS)?;
    let stage = match daemon {
        Daemon::Coco => {
            let agent = Agent::new()?;
            let config = coco_config(agent.target(), &addresses, "");
            Stage::start(scene.place, daemon, &config, Some(agent), "/debug/vars", &Output::File)
        }
        Daemon::Noodle => {
            let config = noodle_config(&addresses);
            Stage::start(scene.place, daemon, &config, None, "/debug/vars", &Output::File)
        }
    }?;
    let attack = Clients::begin(stage.api, clients, reads);
    let seconds = scene.size(10, 3);
    std::thread::sleep(Duration::from_secs(seconds as u64));
    let what = if reads { "that read" } else { "that don't read" };
    // The stop is asked for while they go on.
    let finding = stage.finish(format!("{clients} clients {what}, {TARGETS} targets, {seconds} s"));
    drop(attack);
    finding
}
