//! Engines that answer as none does: slowly, without end, much, or for another. Samples wait meanwhile, and other tiers go on.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use coco_harness::coco::Coco;
use coco_harness::engine::{Answer, Scripted};
use coco_harness::sink::Sink;

use super::{TAKEN, config, lists, node_has, nodes, now, send, settled};

/// Writes the same again and again, until nobody reads it.
fn repeat(stream: &mut TcpStream, bytes: &[u8]) {
    while stream.write_all(bytes).is_ok() {}
}

/// A head of which a byte comes now and then.
fn drip(stream: &mut TcpStream) {
    for byte in b"HTTP/1.1 204 No Content\r\nX: ".iter().chain(std::iter::repeat(&b'y')) {
        if stream.write_all(&[*byte]).is_err() {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A head without end.
fn headers(stream: &mut TcpStream) {
    let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n");
    repeat(stream, &b"X-More: and more\r\n".repeat(1000));
}

/// One line without end.
fn long_line(stream: &mut TcpStream) {
    let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nX: ");
    repeat(stream, &[b'y'; 1 << 16]);
}

/// Other answers before the one, without end.
fn informational(stream: &mut TcpStream) {
    repeat(stream, &b"HTTP/1.1 100 Continue\r\n\r\n".repeat(100));
}

/// A body of a tebibyte, which says that it is compressed.
fn body(stream: &mut TcpStream) {
    let head = b"HTTP/1.1 500 No\r\nContent-Encoding: gzip\r\nContent-Length: 1099511627776\r\n\r\n";
    let _ = stream.write_all(head);
    repeat(stream, &[0x1f; 1 << 16]);
}

/// A body without end, of chunks.
fn chunks(stream: &mut TcpStream) {
    let _ = stream.write_all(b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n");
    repeat(stream, b"1\r\ny\r\n");
}

/// A refusal for now, and an acceptance of what was not asked yet.
fn for_the_next(stream: &mut TcpStream) {
    let answers = b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
    let _ = stream.write_all(answers);
    // It stays open for who would read the second one.
    std::thread::sleep(Duration::from_secs(1));
}

/// What is no answer.
fn nonsense(stream: &mut TcpStream) {
    repeat(stream, &[0x16, 0x03, 0x01, 0x00]);
}

#[test]
fn answers_without_sense_or_end_cost_a_while_and_nothing_else() {
    const ATTACKS: [fn(&mut TcpStream); 8] =
        [drip, headers, long_line, informational, body, chunks, for_the_next, nonsense];
    let script = |_: &_, number: usize| ATTACKS.get(number).map_or(TAKEN, |attack| Answer::With(*attack));
    let (engine, sink) = (Scripted::start(script), Sink::start());
    let lines = format!("timeout = \"1s\"\n{}", nodes(&sink));
    let mut coco = Coco::start(&config(&engine.url(), &lines));
    send(&mut coco, &lists(100, now().as_millis() as u64));
    node_has(&mut coco, &sink, 100);
    assert_eq!(settled(&mut coco, &engine.url(), 100), (100, BTreeMap::new()));
    assert_eq!(engine.samples(), 100);
    let retries = coco.counters().count(&["remote_write.retries", &engine.url()]);
    assert_eq!(retries, ATTACKS.len() as u64);
    let peak = coco.process.peak_memory();
    assert!(peak < 64 << 20, "{peak}");
    assert!(coco.stop().success());
}

/// Whom it has no time for at once is not asked at once: it would get nothing but questions.
#[test]
fn an_engine_that_has_no_time_for_no_time_is_asked_seldom() {
    let asked = Arc::new(AtomicUsize::new(0));
    let begin = Instant::now();
    let script = {
        let asked = Arc::clone(&asked);
        move |_: &_, _| {
            asked.fetch_add(1, Ordering::AcqRel);
            let is_over = begin.elapsed() > Duration::from_secs(3);
            if is_over { TAKEN } else { Answer::Say(429, "Retry-After: 0\r\n", "slow down") }
        }
    };
    let (engine, sink) = (Scripted::start(script), Sink::start());
    let mut coco = Coco::start(&config(&engine.url(), &nodes(&sink)));
    send(&mut coco, &lists(10, now().as_millis() as u64));
    node_has(&mut coco, &sink, 10);
    assert_eq!(settled(&mut coco, &engine.url(), 10), (10, BTreeMap::new()));
    // Waits that double, each of them by chance: a few. Without them it is thousands.
    let asked = asked.load(Ordering::Acquire);
    assert!(asked < 100, "{asked} requests");
    assert!(coco.stop().success());
}

/// Samples, and as whom they are written, go to nobody whom the configuration does not name.
#[test]
fn who_says_that_it_is_elsewhere_is_not_followed() {
    let elsewhere = Scripted::start(|_, _| TAKEN);
    let location: &'static str = Box::leak(format!("Location: {}\r\n", elsewhere.url()).into_boxed_str());
    let (engine, sink) = (Scripted::start(move |_, _| Answer::Say(307, location, "")), Sink::start());
    let mut coco = Coco::start(&format!("stop.grace = \"1s\"\n{}", config(&engine.url(), &nodes(&sink))));
    send(&mut coco, &lists(10, now().as_millis() as u64));
    node_has(&mut coco, &sink, 10);
    let (api, url) = (coco.api, engine.url());
    coco.process.wait_for("it to be blocked", |_| {
        let tiers = coco_harness::curl::json(&format!("http://{api}/tiers"));
        let engine = &tiers[0]["connections"][&url];
        (engine["blocked"] == true && engine["waiting"] == 10).then_some(())
    });
    assert_eq!(elsewhere.taken().len(), 0);
    assert_eq!(coco.process.stop().code(), Some(1));
}
