//! What comes back.

use std::io;
use std::sync::{Arc, Mutex, mpsc};

use coco_daemon::http::{Limits, Route, Router, body};
use serde_json::json;

use crate::client::{Client, Server};

const LINE: &[u8] = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\n";
const LINES: usize = 1024 * 1024;

type Report = Mutex<mpsc::Sender<io::ErrorKind>>;

fn router() -> Router<()> {
    Router::new("coco", "1.2.3", Arc::new(())).routes([
        Route::new("/small", "A little.", |_, _| body::json(&json!({"a": 1})).into()),
        Route::new("/large", "64 MiB.", |_, _| {
            body::stream("text/plain", |out| (0..LINES).try_for_each(|_| out.write_all(LINE))).into()
        }),
        Route::new("/broken", "Half of it.", |_, _| {
            body::stream("text/plain", |out| {
                out.write_all(LINE)?;
                Err(io::Error::other("on purpose"))
            })
            .into()
        }),
    ])
}

#[test]
fn a_connection_serves_many_requests() {
    let server = Server::start(router(), Limits::default());
    let mut client = server.connect();
    for _ in 0..3 {
        let answer = client.ask("GET", "/small?x=1");
        assert_eq!((answer.status, answer.json()), (200, json!({"a": 1})));
    }
    let root = client.ask("GET", "/").json();
    assert_eq!(root["routes"]["/large"], "64 MiB.");
    server.join();
}

#[test]
fn head_is_get_without_the_body() {
    let server = Server::start(router(), Limits::default());
    let mut client = server.connect();
    let get = client.ask("GET", "/small");
    let head = client.ask("HEAD", "/small");
    assert_eq!(head.status, 200);
    for field in ["content-type", "content-length"] {
        assert_eq!(head.fields[field], get.fields[field]);
    }
    assert_eq!(client.ask("HEAD", "/large").status, 200);
    assert_eq!(client.ask("HEAD", "/nowhere").status, 404);
    assert_eq!(client.ask("GET", "/small").json(), json!({"a": 1}), "nothing of a body was left between");
    server.join();
}

#[test]
fn errors_are_json_with_an_honest_status() {
    let server = Server::start(router(), Limits::default());
    let mut client = server.connect();
    let missing = client.ask("GET", "/nowhere");
    assert_eq!((missing.status, missing.json()["error"].is_string()), (404, true));
    let method = client.ask("DELETE", "/small");
    assert_eq!((method.status, method.json()["error"].is_string()), (405, true));
    assert_eq!(method.fields["allow"], "GET, HEAD, OPTIONS");
    server.join();
}

#[test]
fn requests_with_a_body_are_refused() {
    let server = Server::start(router(), Limits::default());
    for (method, status) in [("GET", 413), ("POST", 405)] {
        let mut client = server.connect();
        client.send(&format!("{method} /small HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{{}}"));
        let answer = client.read_head();
        assert_eq!(answer.status, status);
        assert_eq!(answer.fields["content-type"], body::JSON);
    }
    let mut client = server.connect();
    client.send("GET /small HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(client.read_head().status, 413, "an endless body is not waited for");
    server.join();
}

fn download(client: &mut Client, path: &str) -> Vec<u8> {
    client.send(&format!("GET {path} HTTP/1.0\r\n\r\n"));
    assert_eq!(client.read_head().status, 200);
    client.read_to_end()
}

#[test]
fn a_large_answer_arrives_whole() {
    let server = Server::start(router(), Limits::default());
    let bytes = download(&mut server.connect(), "/large");
    assert_eq!(bytes.len(), LINES * LINE.len());
    assert!(bytes.chunks(LINE.len()).all(|line| line == LINE));
    server.join();
}

#[test]
fn an_answer_that_breaks_off_does_not_end_well() {
    let server = Server::start(router(), Limits::default());
    let mut client = server.connect();
    client.send("GET /broken HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answer = client.read_to_end();
    assert!(!answer.ends_with(b"0\r\n\r\n"), "{answer:?}");
    server.join();
}

#[test]
fn a_client_that_leaves_ends_the_producer() {
    let (report, ended) = mpsc::channel();
    let endless = Route::new("/endless", "Never ends.", |report: &Arc<Report>, _| {
        let report = Arc::clone(report);
        body::stream("text/plain", move |out| {
            loop {
                if let Err(problem) = out.write_all(LINE) {
                    report.lock().unwrap().send(problem.kind()).unwrap();
                    return Err(problem);
                }
            }
        })
        .into()
    });
    let router = Router::new("coco", "1.2.3", Arc::new(Mutex::new(report))).routes([endless]);
    let server = Server::start(router, Limits::default());
    let mut client = server.connect();
    client.send("GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(client.read_head().status, 200);
    drop(client);
    assert_eq!(ended.recv().unwrap(), io::ErrorKind::BrokenPipe);
    server.join();
}
