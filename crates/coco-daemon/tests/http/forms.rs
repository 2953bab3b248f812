//! Requests with a form, and clients that send one slowly or without end.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use coco_daemon::http::{Answer, FormTerms, Limits, Loan, Request, Route, Router, body};
use serde_json::json;

use crate::client::{Client, Server};

const LARGEST: usize = 64 * 1024;
const MEMORY: usize = 160 * 1024;

/// What forms have been lent.
#[derive(Default)]
struct Memory(Arc<AtomicUsize>);

struct Lent {
    lent: Arc<AtomicUsize>,
    bytes: usize,
}

impl Loan for Lent {
    fn grow(&mut self, bytes: usize) -> bool {
        let fits = |lent: usize| (lent + bytes <= MEMORY).then_some(lent + bytes);
        let grows = self.lent.fetch_update(Ordering::SeqCst, Ordering::SeqCst, fits).is_ok();
        self.bytes += if grows { bytes } else { 0 };
        grows
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.lent.fetch_sub(self.bytes, Ordering::SeqCst);
    }
}

fn router(memory: &Arc<Memory>) -> Router<Memory> {
    let echo = |_: &Arc<Memory>, request: Request| -> Answer {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let pairs: Vec<_> = request.parameters().map(|(name, value)| (text(&name), value.len())).collect();
        body::json(&json!({ "bytes": request.form().map(<[u8]>::len), "pairs": pairs })).into()
    };
    Router::new("noodle", "1.2.3", Arc::clone(memory))
        .routes([
            Route::new("/render", "Graphs.", echo).with_forms().with_slash(),
            Route::new("/data", "No forms.", echo),
        ])
        .forms(|memory| FormTerms {
            largest: LARGEST,
            key: "fetch.max_form",
            loan: Box::new(Lent { lent: Arc::clone(&memory.0), bytes: 0 }),
        })
        .health("Well?", |_| body::json(&json!("well")))
}

fn post(client: &mut Client, path: &str, fields: &str, form: &str) -> (u16, String) {
    let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\n{fields}Content-Length: {}\r\n\r\n", form.len());
    client.send(&head);
    // Who is refused may not be read to the end.
    let _ = client.0.get_mut().write_all(form.as_bytes());
    let mut answer = client.read_head();
    answer.body.resize(answer.fields["content-length"].parse().unwrap(), 0);
    std::io::Read::read_exact(&mut client.0, &mut answer.body).unwrap();
    (answer.status, String::from_utf8(answer.body).unwrap())
}

#[test]
fn parameters_come_from_the_query_and_then_from_the_form() {
    let memory = Arc::<Memory>::default();
    let server = Server::start(router(&memory), Limits::default());
    let mut client = server.connect();
    let expected = "{\"bytes\":12,\"pairs\":[[\"q\",1],[\"b\",0],[\"a\",3],[\"a\",1]]}\n";
    for path in ["/render?q=1&b", "/render/?q=1&b"] {
        assert_eq!(post(&mut client, path, "", "a=1%2B2&&a=1").1, expected);
    }
    let multipart = "Content-Type: multipart/form-data; boundary=B\r\n";
    let form = "--B\r\nContent-Disposition: form-data; name=\"target\"\r\n\r\na.*\r\n--B--\r\n";
    let (status, text) = post(&mut client, "/render/", multipart, form);
    assert_eq!((status, text.contains("[[\"target\",3]]")), (200, true), "{text}");
    assert_eq!(client.ask("GET", "/render?q=1").json()["pairs"], json!([["q", 1]]));
    client
        .send("POST /render HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\na=12\r\n0\r\n\r\n");
    assert_eq!(client.read_head().status, 200);
    server.join();
    assert_eq!(memory.0.load(Ordering::SeqCst), 0);
}

#[test]
fn what_is_no_form_or_too_large_is_refused_before_memory_is_taken() {
    let memory = Arc::<Memory>::default();
    let server = Server::start(router(&memory), Limits::default());
    let form = "x".repeat(LARGEST + 1);
    for (path, fields, form, status) in [
        ("/render", "", &form[..LARGEST], 200),
        ("/render", "", &form[..], 413),
        ("/render", "Content-Type: application/json\r\n", "{}", 415),
        ("/data", "", "a=1", 405),
        ("/healthz", "", "a=1", 405),
    ] {
        let (found, text) = post(&mut server.connect(), path, fields, form);
        assert_eq!(found, status, "{path} {fields} {text}");
        assert_eq!(status == 413, text.contains("fetch.max_form"), "{text}");
    }
    // One that does not say how much comes is refused when it has come.
    let mut client = server.connect();
    client.send("POST /render HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunk = format!("{:x}\r\n{}\r\n", 4096, "x".repeat(4096));
    for _ in 0..20 {
        let _ = client.0.get_mut().write_all(chunk.as_bytes());
    }
    assert_eq!(client.read_head().status, 413);
    server.join();
    assert_eq!(memory.0.load(Ordering::SeqCst), 0);
}

/// No thread waits for them, no more memory is lent than a little ahead of what they have sent, and they are given up.
#[test]
fn who_sends_a_form_slowly_takes_nothing_that_others_need() {
    let memory = Arc::<Memory>::default();
    let limits = Limits { head_timeout: Duration::from_millis(400), ..Limits::default() };
    let server = Server::start(router(&memory), limits);
    let mut slow: Vec<_> = (0..20).map(|_| server.connect()).collect();
    for client in &mut slow {
        client.send("POST /render HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\na=");
    }
    // Who comes behind them is answered while they hold what they hold.
    for _ in 0..5 {
        assert_eq!(post(&mut server.connect(), "/render", "", "a=1").0, 200);
        assert_eq!(server.connect().ask("GET", "/healthz").json(), json!("well"));
    }
    assert!(memory.0.load(Ordering::SeqCst) <= 20 * 4096);
    for client in &mut slow {
        assert_eq!(client.read_head().status, 408);
    }
    assert_eq!(memory.0.load(Ordering::SeqCst), 0);
    server.join();
}

/// Who has sent half of one and sends nothing more would hold up the stop for all of its grace.
#[test]
fn a_form_that_does_not_come_to_its_end_does_not_hold_up_the_stop() {
    const LONG: Duration = Duration::from_secs(24 * 60 * 60);
    let memory = Arc::<Memory>::default();
    let limits = Limits { grace: LONG, head_timeout: LONG, form_timeout: LONG, ..Limits::default() };
    let mut server = Server::start(router(&memory), limits);
    let mut clients = [(); 2].map(|()| server.connect());
    for (number, client) in clients.iter_mut().enumerate() {
        client.send("POST /render HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\na=");
        while memory.0.load(Ordering::SeqCst) < (number + 1) * 4096 {
            std::thread::yield_now();
        }
    }
    server.stop();
    let [mut goes_on, mut hangs] = clients;
    goes_on.send("1234");
    assert_eq!(goes_on.read_head().status, 200, "it is all there");
    assert_eq!(hangs.read_head().status, 503);
    server.join();
    assert_eq!(memory.0.load(Ordering::SeqCst), 0);
}

#[test]
fn forms_for_which_there_is_no_memory_are_told_to_come_again() {
    let memory = Arc::<Memory>::default();
    let limits = Limits { head_timeout: Duration::from_secs(2), ..Limits::default() };
    let server = Server::start(router(&memory), limits);
    let begun = "x".repeat(60_000);
    let greedy = [(); 4].map(|()| {
        let mut client = server.connect();
        client.send("POST /render HTTP/1.1\r\nHost: x\r\nContent-Length: 60001\r\n\r\n");
        let _ = client.0.get_mut().write_all(begun.as_bytes());
        client
    });
    // Two and a half of them have room; none ever sends its last byte.
    let statuses = greedy.map(|mut client| client.read_head().status);
    assert!(statuses.contains(&503), "{statuses:?}");
    assert!(statuses.iter().all(|status| [408, 503].contains(status)), "{statuses:?}");
    assert_eq!(memory.0.load(Ordering::SeqCst), 0);
    server.join();
}
