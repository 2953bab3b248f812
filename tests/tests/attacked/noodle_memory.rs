//! Noodle's memory, whatever strangers do: `fetch.max_memory`, and what it takes itself. And who behaves is served.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use coco_harness::clients::{idle_connections, read_to_the_end};
use coco_harness::noodle::Noodle;
use coco_harness::wait::{PATIENCE, wait_until};

/// What Noodle may take in KiB, as SECURITY.md and the unit say: the default of `fetch.max_memory`, and 64 MiB.
const MOST_MEMORY: u64 = (256 + 64) * 1024;

/// Of an answer that is large: near `fetch.max_body`.
const LARGE: usize = 15 << 20;

/// A Noodle with these targets in one tier, at its defaults, but for the time that a busy machine may take.
fn noodle(targets: impl Iterator<Item = SocketAddr>, timeout: &str) -> Noodle {
    let targets: Vec<_> = targets
        .enumerate()
        .map(|(number, node)| format!("{{ address = \"target{number}:1\", fetch = \"http://{node}\" }}"))
        .collect();
    Noodle::start(&format!(
        "[tiers.shortterm]\ntargets = [ {} ]\n[fetch]\nbind = \"127.0.0.1:0\"\n\
         proxy_timeout = \"{timeout}\"\n",
        targets.join(", ")
    ))
}

/// A node that answers every path with so many bytes about its host.
fn node(length: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    let filler: Arc<[u8]> = vec![b'x'; length].into();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let filler = Arc::clone(&filler);
            thread::spawn(move || converse(client, &filler));
        }
    });
    address
}

/// An error is a Noodle that went away.
fn converse(mut client: TcpStream, filler: &[u8]) -> std::io::Result<()> {
    let mut lines = BufReader::new(client.try_clone()?).lines();
    while let Some(request) = lines.next().transpose()? {
        while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        let host = request.split('/').nth(2).unwrap_or_default().to_owned();
        let length = host.len() + filler.len() + "{'':''}".len();
        write!(client, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{{\"{host}\":\"")?;
        client.write_all(filler)?;
        client.write_all(b"\"}")?;
    }
    Ok(())
}

/// A client that asks and does not read.
fn ask(noodle: &Noodle, path: &str) -> TcpStream {
    let mut client = TcpStream::connect(noodle.address).expect("Noodle accepts");
    client.set_read_timeout(Some(PATIENCE)).expect("SO_RCVTIMEO");
    write!(client, "GET {path} HTTP/1.1\r\nHost: noodle.example.org\r\nConnection: close\r\n\r\n")
        .expect("it is read");
    client
}

fn assert_within_limits(noodle: &Noodle) {
    let peak = noodle.process.peak_memory();
    assert!(peak <= MOST_MEMORY, "{} MiB", peak / 1024);
}

/// Accepts and says nothing. It lets go of connections before which Noodle has as many later ones as it may have to all
/// targets: those it has closed itself.
fn hold(listener: &TcpListener) {
    const MOST: usize = 200 * 64;
    let mut held = VecDeque::new();
    for client in listener.incoming() {
        held.push_back(client);
        if held.len() > MOST {
            held.pop_front();
        }
    }
}

/// A thousand requests are two hundred thousand to targets, none of which says anything.
#[test]
fn a_thousand_globs_over_two_hundred_silent_targets() {
    assert!(idle_connections() >= 1000, "descriptors for as many clients");
    let listener = TcpListener::bind("0.0.0.0:0").expect("a free port");
    let port = listener.local_addr().expect("a bound socket").port();
    thread::spawn(move || hold(&listener));
    let noodle = noodle((1..=200).map(|number| SocketAddr::from(([127, 0, 1, number], port))), "3s");
    let clients: Vec<_> = (0..1000).map(|number| ask(&noodle, &format!("/data/h{number}*/p/i"))).collect();
    for client in &clients {
        let answer = read_to_the_end(client);
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(["503", "504"].contains(&status), "{answer:.200}");
        assert!(status != "503" || answer.to_ascii_lowercase().contains("retry-after: "), "{answer:.200}");
    }
    assert_within_limits(&noodle);
    wait_until(PATIENCE, "all that was lent", || noodle.count(&["fetch.memory"]) == 0);
    assert!(noodle.stop().success());
}

#[test]
fn clients_that_do_not_take_large_answers_give_way_to_one_that_does() {
    let node = node(LARGE);
    let noodle = noodle([node].into_iter(), "60s");
    let slow: Vec<_> = (0..40).map(|number| ask(&noodle, &format!("/data/slow{number}/p/i"))).collect();
    wait_until(PATIENCE, "answers that fill the memory", || {
        noodle.count(&["fetch.target.response.codes", "200"]) >= 16
    });
    for number in 0..10 {
        let mut answer = Vec::new();
        let mut honest = ask(&noodle, &format!("/data/honest{number}/p/i"));
        honest.read_to_end(&mut answer).expect("all of it");
        assert!(answer.starts_with(b"HTTP/1.1 200 OK"), "{}", String::from_utf8_lossy(&answer[..200]));
        assert!(answer.len() > LARGE);
    }
    assert_within_limits(&noodle);
    drop(slow);
    assert!(noodle.stop().success());
}

/// A node that says to be an rrdcached with so many hosts of so many files each, all of whose rows are 1.
fn daemon(hosts: usize, files: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    let list = |count: usize, name: fn(usize) -> String| -> Arc<[u8]> {
        let names: String = (0..count).map(name).collect();
        format!("{count} RRDs\n{names}").into_bytes().into()
    };
    let hosts = list(hosts, |number| format!("web{number:05}\n"));
    let files = list(files, |number| format!("plugin{number}/gauge-x.rrd\n"));
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (hosts, files) = (Arc::clone(&hosts), Arc::clone(&files));
            thread::spawn(move || tell(client, &hosts, &files));
        }
    });
    address
}

/// An error is a Noodle that went away.
fn tell(mut client: TcpStream, hosts: &[u8], files: &[u8]) -> std::io::Result<()> {
    for line in BufReader::new(client.try_clone()?).lines() {
        match &*line? {
            "LIST /" => client.write_all(hosts)?,
            line if line.starts_with("LIST RECURSIVE") => client.write_all(files)?,
            line => client.write_all(&ones(line))?,
        }
    }
    Ok(())
}

/// The reply to `FETCHBIN file AVERAGE start end`: each row is 1.
fn ones(line: &str) -> Vec<u8> {
    const STEP: i64 = 10;
    let window: Vec<i64> = line.split(' ').skip(3).map(|time| time.parse().expect("Unix seconds")).collect();
    let [start, end] = window[..] else { panic!("not the rows of a window: {line}") };
    let (start, end) = (start - start % STEP, end - end % STEP + STEP);
    let rows = (end - start) / STEP;
    let mut reply = format!(
        "6 Success\nFlushVersion: 1\nStart: {start}\nEnd: {end}\nStep: {STEP}\nDSCount: 1\n\
        DSName-value: BinaryData {rows} 8 LITTLE\n"
    )
    .into_bytes();
    reply.extend((0..rows).flat_map(|_| 1_f64.to_le_bytes()));
    reply.push(b'\n');
    reply
}

#[test]
#[ignore = "long: a million names"]
fn a_glob_that_means_a_million_series_is_refused_with_the_number_and_the_key() {
    let node = daemon(20_000, 50);
    let noodle = Noodle::start(&format!(
        "[tiers.t]\ntargets = [ {{ address = \"a:1\", fetch = \"rrdcached://{node}\" }} ]\n\
         [fetch]\nbind = \"127.0.0.1:0\"\nproxy_timeout = \"60s\"\n"
    ));
    for _ in 0..2 {
        let answer = noodle.get("/render?target=*.*.*&from=-1h");
        assert_eq!((answer.status, &*answer.body), (400, "more than 20000 series (graphite.max_series)\n"));
    }
    assert_eq!(noodle.get("/render?target=web00000.*.*&from=-1h").status, 200);
    assert_within_limits(&noodle);
}
