//! Datagrams and readers that want memory.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::Scene;
use super::datagrams::{Flood, Kind, LARGE, LARGEST};
use super::stage::{Finding, Stage, unread_targets};
use crate::error::{Doing, Error};
use crate::http;
use crate::socket;

/// Targets beside the honest one.
const TARGETS: usize = 3;

/// Coco's `state.max_memory` by default, and the share of it from which on it is called full.
const STATE: f64 = (256 << 20) as f64;
const FULL: f64 = 0.98;

/// What a client that doesn't read takes all the same.
const LITTLE_ROOM: usize = 4096;

/// Of two senders without a pause the kernel would throw away nearly all.
const BREATH: Duration = Duration::from_micros(200);

/// Many hosts of as many metrics as are remembered, two clients that take `/tiers` slowly, and a flood beside them.
pub(crate) fn slow_tiers(scene: &Scene<'_>) -> Result<Finding, Error> {
    let (_targets, addresses) = unread_targets(TARGETS)?;
    let mut stage = Stage::coco(scene.place, &addresses, "")?;
    let listen = stage.listen()?;
    let metrics = fill(listen, stage.api, scene.size(8_000, 300) as u64)?;
    let readers: Vec<TcpStream> =
        (0..2).map(|_| ask_and_leave(stage.api, "/tiers")).collect::<Result<_, _>>()?;
    std::thread::sleep(Duration::from_secs(scene.size(10, 2) as u64));
    let mut sent = 0;
    for kind in [Kind::Dense, Kind::Alternating, Kind::LongNames] {
        let time = Duration::from_secs(scene.size(4, 1) as u64);
        sent +=
            Flood { kind, size: LARGEST, pause: BREATH, datagrams: 10_000, time, seed: 1 }.send(listen)?;
    }
    stage.notes.push(format!("{sent} datagrams of 65,507 bytes beside"));
    let finding = stage.finish(format!("{:.1} million metrics, 2 readers", metrics as f64 / 1e6));
    drop(readers);
    finding
}

/// Sends hosts with all their metrics until the state is full or so many datagrams are sent. Returns how many metrics
/// are held.
pub(crate) fn fill(listen: SocketAddr, api: SocketAddr, most: u64) -> Result<u64, Error> {
    let (mut sent, mut held) = (0, 0);
    for seed in 1.. {
        let time = Duration::from_secs(10);
        let pause = Duration::from_micros(1_500);
        let datagrams = 300.min(most - sent);
        sent +=
            Flood { kind: Kind::SharedNames, size: LARGE, pause, datagrams, time, seed }.send(listen)?.max(1);
        let vars = http::get_json(api, "/debug/vars")?;
        let state = &vars["coco"]["state"];
        held = state["metrics"].as_u64().unwrap_or_default();
        if sent >= most || state["bytes"].as_f64().unwrap_or(STATE) > FULL * STATE {
            break;
        }
    }
    Ok(held)
}

/// Asks, and reads nothing.
fn ask_and_leave(server: SocketAddr, path: &str) -> Result<TcpStream, Error> {
    let ask = || {
        let mut client = socket::connect_with_room(server, LITTLE_ROOM)?;
        write!(client, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")?;
        Ok::<_, std::io::Error>(client)
    };
    ask().doing(|| format!("ask {server}"))
}

/// Floods of the densest datagrams of few hosts, from two senders, into a lane of so many threads.
pub(crate) fn dense(scene: &Scene<'_>, threads: u32) -> Result<Finding, Error> {
    let (_targets, addresses) = unread_targets(TARGETS)?;
    let stage = Stage::coco(scene.place, &addresses, &format!("[pipeline]\nthreads = {threads}\n"))?;
    let listen = stage.listen()?;
    let kinds = [Kind::Dense, Kind::Alternating, Kind::LongNames, Kind::Empty, Kind::Unknown];
    let time = Duration::from_secs(scene.size(3, 1) as u64);
    let mut sent = 0;
    for kind in kinds {
        let flood = |seed| Flood { kind, size: LARGEST, pause: BREATH, datagrams: 20_000, time, seed };
        sent += std::thread::scope(|scope| {
            let other = scope.spawn(|| flood(2).send(listen));
            let own = flood(1).send(listen);
            let other =
                other.join().unwrap_or_else(|_| Err(Error::Meaningless("a sender panicked".to_owned())));
            Ok::<_, Error>(own? + other?)
        })?;
    }
    stage.finish(format!("{sent} datagrams of 65,507 bytes, threads = {threads}"))
}

/// Names that change in kind every few seconds, forgotten after one.
pub(crate) fn changing_names(scene: &Scene<'_>) -> Result<Finding, Error> {
    let (_targets, addresses) = unread_targets(TARGETS)?;
    let more = "[state]\nexpire = \"1s\"\n[measure]\ninterval = \"500ms\"\n";
    let mut stage = Stage::coco(scene.place, &addresses, more)?;
    let listen = stage.listen()?;
    let seconds = scene.size(5, 1) as u64;
    let rounds = scene.size(3, 1) as u64;
    let (start, mut sent) = (Instant::now(), 0);
    for round in 0..rounds {
        for (place, kind) in (0..).zip([Kind::FreshNames, Kind::SharedNames, Kind::LongHosts]) {
            let seed = 1 + round * 3 + place;
            let (pause, time) = (Duration::from_micros(1_500), Duration::from_secs(seconds));
            sent += Flood { kind, size: LARGE, pause, datagrams: 10_000, time, seed }.send(listen)?;
        }
    }
    let size = format!("{sent} datagrams of 60,000 bytes in {} s", start.elapsed().as_secs());
    // What is silent is forgotten.
    std::thread::sleep(Duration::from_secs(4));
    let vars = http::get_json(stage.api, "/debug/vars")?;
    stage.notes.push(format!("4 s later: state.bytes {}", vars["coco"]["state"]["bytes"]));
    stage.finish(size)
}
