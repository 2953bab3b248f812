//! Clients that are idle, slow, greedy or speak gibberish: another client is served all the while, and Noodle's
//! memory has an end.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use coco_harness::clients::{OTHER_DESCRIPTORS, PLACES, idle_connections, is_closed, read_to_the_end};
use coco_harness::coco::Config;
use coco_harness::directory::Directory;
use coco_harness::noodle::Noodle;
use coco_harness::rrd;
use coco_harness::visage::Visage;
use coco_harness::wait::{PATIENCE, wait_until};

/// What Noodle may take, in KiB: 1,024 connections with a full buffer each, and itself.
const MOST_MEMORY: u64 = 64 * 1024;

/// Clients that have more than 16 KiB of a request each at a time.
const LARGE_HEADS: usize = 64;

const FINISH: i64 = 1_700_000_000;

/// A Noodle in front of a storage node with one series.
struct Scene {
    noodle: Noodle,
    _visage: Visage,
    _directory: Directory,
}

impl Scene {
    fn start() -> Self {
        let directory = Directory::new("rrd");
        rrd::create(&directory.path().join("web1/load/load.rrd"), FINISH, &[1.5, 2.5, 3.5]);
        let visage = Visage::start(directory.path());
        let target = "127.0.0.1:25826";
        let config = Config::new(&[("shortterm", &[target])]).fetch(target, &visage.url());
        Self { noodle: Noodle::start(&config.text()), _visage: visage, _directory: directory }
    }

    fn connect(&self) -> TcpStream {
        let client = TcpStream::connect(self.noodle.address).expect("Noodle accepts");
        client.set_read_timeout(Some(PATIENCE)).expect("SO_RCVTIMEO");
        client
    }

    /// That a client that behaves gets its answer, and Noodle keeps within its limits.
    fn assert_serves(&self) {
        let answer = self.noodle.json(&format!("/data/web1/load?start={}&finish={FINISH}", FINISH - 3));
        let data = &answer["web1"]["load"]["load"]["value"]["data"];
        assert_eq!(*data, serde_json::json!([1.5, 2.5, 3.5]), "{answer}");
        let memory = self.noodle.process.resident_memory();
        assert!(memory < MOST_MEMORY, "{memory} KiB");
        let descriptors = self.noodle.process.descriptors();
        assert!(descriptors < PLACES + OTHER_DESCRIPTORS, "{descriptors} descriptors");
    }

    fn end(self) {
        self.assert_serves();
        assert!(self.noodle.stop().success());
    }
}

#[test]
fn thousands_of_idle_connections_take_no_place_from_others() {
    let scene = Scene::start();
    let connections = idle_connections();
    let mut idle = Vec::new();
    for number in 0..connections {
        idle.push(scene.connect());
        if number % 500 == 0 {
            scene.assert_serves();
        }
    }
    scene.assert_serves();
    // The longest idle had to go, as they must for newcomers.
    let surplus = usize::try_from(connections - PLACES).expect("a number of connections");
    wait_until(PATIENCE, "an end of the longest idle", || idle[..surplus].iter().all(is_closed));
    scene.end();
}

#[test]
fn a_head_that_never_ends_is_cut_off() {
    let scene = Scene::start();
    let clients: Vec<_> = (0..300).map(|_| scene.connect()).collect();
    let mut open: Vec<_> = clients.iter().collect();
    let mut head = b"GET /data/web1/load HTTP/1.1\r\nHost: slow\r\nX-Filler: "
        .iter()
        .copied()
        .chain(std::iter::repeat(b'x'));
    // Every byte comes in time for somebody who waits for the next byte only.
    wait_until(PATIENCE, "the end of slow clients", || {
        let byte = [head.next().expect("an endless head")];
        open.retain(|client| (&mut &**client).write_all(&byte).is_ok() && !is_closed(client));
        scene.assert_serves();
        open.is_empty()
    });
    scene.end();
}

#[test]
fn huge_heads_are_refused() {
    let scene = Scene::start();
    let long_target = format!("GET /data/{} HTTP/1.1\r\n", "x".repeat(1 << 20));
    let long_field = format!("GET /healthz HTTP/1.1\r\nX: {}\r\n", "x".repeat(1 << 20));
    let many_fields = format!("GET /healthz HTTP/1.1\r\n{}", "X: y\r\n".repeat(100_000));
    for _ in 0..50 {
        for head in [&long_target, &long_field, &many_fields] {
            let mut client = scene.connect();
            // Noodle may close before all is written.
            let _ = client.write_all(head.as_bytes());
            let answer = read_to_the_end(&client);
            let is_refused = |status| answer.starts_with(&format!("HTTP/1.1 {status}"));
            assert!(answer.is_empty() || is_refused(431) || is_refused(414) || is_refused(400), "{answer}");
        }
        scene.assert_serves();
    }
    scene.end();
}

#[test]
fn one_large_head_too_many_is_told_to_come_again_and_counted() {
    let scene = Scene::start();
    let refused = || {
        let vars = scene.noodle.json("/debug/vars");
        vars["noodle"]["errors"]["api.refused"].as_u64().expect("a count")
    };
    let large = format!("GET /data/{}/load HTTP/1.1\r\nConnection: close\r\n", "x,".repeat(10 << 10));
    let clients: Vec<_> = (0..=LARGE_HEADS).map(|_| scene.connect()).collect();
    for mut client in &clients {
        client.write_all(large.as_bytes()).expect("it has room");
    }
    wait_until(PATIENCE, "one to be refused", || refused() > 0);
    let answers: Vec<_> = clients
        .iter()
        .map(|mut client| {
            // The one is closed.
            let _ = client.write_all(b"Host: x\r\n\r\n");
            read_to_the_end(client)
        })
        .collect();
    let told: Vec<_> = answers.iter().filter(|answer| answer.starts_with("HTTP/1.1 503 ")).collect();
    assert!(told.len() == 1 && told[0].to_ascii_lowercase().contains("\nretry-after: "), "{told:?}");
    assert!(answers.iter().all(|answer| answer.starts_with("HTTP/1.1 ")), "{answers:?}");
    assert_eq!(refused(), 1);
    scene.end();
}

#[test]
fn garbage_ends_a_connection_and_nothing_else() {
    let scene = Scene::start();
    let good = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    let noise: Vec<u8> =
        (0_u32..1_000).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let garbage: [&[u8]; 6] = [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET  HTTP/1.1\r\n\r\n",
        b"GET /data/web1/load HTTP/9.9\r\nHost: x\r\n\r\n",
        b"POST /data/web1 HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzzzz\r\n",
        &noise,
    ];
    for garbage in garbage {
        let mut client = scene.connect();
        let pipelined = [good.repeat(20).as_bytes(), garbage, good.repeat(20).as_bytes()].concat();
        let _ = client.write_all(&pipelined);
        // Noodle may have closed it by now.
        let _ = client.shutdown(std::net::Shutdown::Write);
        let answer = read_to_the_end(&client);
        let served = answer.matches("HTTP/1.1 200 OK").count();
        assert_eq!(served, 20, "what came before the garbage {garbage:?}: {answer}");
        let (_, refusal) = answer.rsplit_once("HTTP/1.1 ").expect("twenty answers");
        assert!(["400", "413"].iter().any(|status| refusal.starts_with(status)), "{refusal}");
        scene.assert_serves();
    }
    scene.end();
}

#[test]
fn who_asks_much_and_reads_nothing_waits_alone() {
    let scene = Scene::start();
    let request = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(1000);
    let greedy: Vec<_> = (0..50)
        .map(|_| {
            let mut client = scene.connect();
            client.set_write_timeout(Some(Duration::from_millis(100))).expect("SO_SNDTIMEO");
            // Until no buffer on the way takes more.
            while client.write_all(request.as_bytes()).is_ok() {}
            scene.assert_serves();
            client
        })
        .collect();
    scene.assert_serves();
    drop(greedy);
    scene.end();
}
