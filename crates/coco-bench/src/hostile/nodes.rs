//! Requests to Noodle that its targets don't answer, and answers that clients don't take.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Scene;
use super::stage::{Daemon, Finding, Output, Stage, noodle_config};
use crate::error::{Doing, Error};
use crate::socket;

/// Near `fetch.max_body`.
const LARGE: usize = 15 << 20;

/// What the system holds for a client that has not read it yet.
const ROOM: usize = 64 << 10;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A thousand globs: each is a request to each of two hundred targets, which say nothing.
pub(crate) fn globs(scene: &Scene<'_>) -> Result<Finding, Error> {
    let (count, targets) = (scene.size(1_000, 100), 200);
    let (_nodes, addresses) = silent_nodes(targets)?;
    let config = noodle_config(&addresses);
    let mut stage = Stage::start(scene.place, Daemon::Noodle, &config, None, "/debug/vars", &Output::File)?;
    let ask = |number| ask(stage.api, &format!("/data/h{number}*/p/i"));
    let clients: Vec<TcpStream> = (0..count).map(ask).collect::<Result<_, _>>()?;
    let mut statuses = BTreeMap::<String, usize>::new();
    for mut client in clients {
        let mut answer = Vec::new();
        let read = client.read_to_end(&mut answer);
        let status = String::from_utf8_lossy(answer.get(9..12).unwrap_or_default()).into_owned();
        let what = if status.is_empty() { format!("none: {read:?}") } else { status };
        *statuses.entry(what).or_default() += 1;
    }
    let statuses: Vec<String> =
        statuses.iter().map(|(status, count)| format!("{count} of {status}")).collect();
    stage.notes.push(format!("answers: {}", statuses.join(", ")));
    stage.finish(format!("{count} globs over {targets} targets"))
}

/// Asks, and leaves the answer for later.
fn ask(noodle: SocketAddr, path: &str) -> Result<TcpStream, Error> {
    let ask = || {
        let mut client = socket::connect_with_room(noodle, ROOM)?;
        client.set_read_timeout(Some(PATIENCE))?;
        write!(client, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
        Ok::<_, std::io::Error>(client)
    };
    ask().doing(|| format!("ask {noodle}"))
}

/// Seventeen clients that take 20 KB/s of an answer of 15 MiB. The honest client asks for one as large.
pub(crate) fn slow_clients(scene: &Scene<'_>) -> Result<Finding, Error> {
    let node = large_node()?;
    let (config, view) = (noodle_config(&[node]), "/data/honest/p/i");
    let mut stage = Stage::start(scene.place, Daemon::Noodle, &config, None, view, &Output::File)?;
    let count = 17;
    let slow = |number| -> Result<TcpStream, Error> {
        let client = ask(stage.api, &format!("/data/slow{number}/p/i"))?;
        client.set_nonblocking(true).doing(|| "read without waiting".to_owned())?;
        Ok(client)
    };
    let mut clients: Vec<TcpStream> = (0..count).map(slow).collect::<Result<_, _>>()?;
    let seconds = scene.size(40, 8) as u64;
    let (start, mut cut_off) = (Instant::now(), 0);
    let mut buffer = vec![0; 2_000];
    while start.elapsed() < Duration::from_secs(seconds) {
        for client in &mut clients {
            let ended = match client.read(&mut buffer) {
                Ok(length) => length == 0,
                Err(error) => error.kind() != ErrorKind::WouldBlock,
            };
            if ended {
                cut_off += 1;
                *client = slow(count + cut_off)?;
            }
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    stage.notes.push(format!("slow clients were cut off {cut_off} times, and came again"));
    stage.finish(format!("{count} clients, 15 MiB at 20 KB/s, {seconds} s"))
}

/// Targets that take a connection and say nothing: the kernel accepts for them.
fn silent_nodes(count: usize) -> Result<(Vec<TcpListener>, Vec<SocketAddr>), Error> {
    let listeners: Result<Vec<_>, _> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0")).collect();
    let listeners = listeners.doing(|| format!("listen on {count} ports"))?;
    let addresses: Result<_, _> = listeners.iter().map(TcpListener::local_addr).collect();
    Ok((listeners, addresses.doing(|| "read back a port".to_owned())?))
}

/// A node whose answer to every path is large and about the host that was asked for. It ends with this program.
fn large_node() -> Result<SocketAddr, Error> {
    let listener = TcpListener::bind("127.0.0.1:0").doing(|| "listen on loopback".to_owned())?;
    let address = listener.local_addr().doing(|| "read back a port".to_owned())?;
    let filler: Arc<[u8]> = vec![b'x'; LARGE].into();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let filler = Arc::clone(&filler);
            // An error is a Noodle that went away.
            std::thread::spawn(move || converse(client, &filler));
        }
    });
    Ok(address)
}

fn converse(mut client: TcpStream, filler: &[u8]) -> std::io::Result<()> {
    let mut lines = BufReader::new(client.try_clone()?).lines();
    while let Some(request) = lines.next().transpose()? {
        while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        let host = request.split('/').nth(2).unwrap_or_default();
        let length = host.len() + filler.len() + "{'':''}".len();
        write!(client, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{{\"{host}\":\"")?;
        client.write_all(filler)?;
        client.write_all(b"\"}")?;
    }
    Ok(())
}
