//! Slow, greedy and many clients.

use std::io::{BufRead as _, Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, TcpStream};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use coco_daemon::http::{Answer, Limits, Refusals, Route, Router, bind, body};
use serde_json::json;

use crate::client::{Client, Server};

type Report = Mutex<mpsc::Sender<()>>;

fn small<S>() -> Route<S> {
    Route::new("/small", "A little.", |_, _| body::json(&json!({"a": 1})).into())
}

fn router() -> Router<()> {
    Router::new("coco", "1.2.3", Arc::new(())).routes([small()])
}

#[test]
fn a_head_that_does_not_come_ends_the_connection() {
    let limits = Limits { head_timeout: Duration::from_millis(50), ..Limits::default() };
    let server = Server::start(router(), limits);
    for begin in ["", "GET /small HTTP/1.1\r\nHost: lo"] {
        let mut client = server.connect();
        client.send(begin);
        let answer = String::from_utf8(client.read_to_end()).unwrap();
        assert!(!answer.contains("200 OK"), "{answer}");
    }
    server.join();
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let limits = Limits { head_size: 16 * 1024, head_fields: 20, ..Limits::default() };
    let server = Server::start(router(), limits);
    let mut client = server.connect();
    client.send(&format!("GET /small HTTP/1.1\r\nHost: {}\r\n\r\n", "x".repeat(15 * 1024)));
    assert_eq!(client.read_head().status, 200);
    let mut client = server.connect();
    client.send(&format!("GET /small HTTP/1.1\r\nHost: {}", "x".repeat(17 * 1024)));
    assert_eq!(client.read_head().status, 431, "without waiting for the end of the head");
    let mut client = server.connect();
    client.send(&format!("GET /small HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(21)));
    assert_eq!(client.read_head().status, 431);
    server.join();
}

/// Large heads cost memory, of which there is so much for all of them: one more is told to come again, not cut off.
#[test]
fn one_large_head_more_than_there_may_be_is_told_to_come_again() {
    const AT_A_TIME: usize = 64;
    let limits =
        Limits { head_size: 80 * 1024, head_timeout: Duration::from_secs(3600), ..Limits::default() };
    let refusals = Arc::<Refusals>::default();
    let server = Server::start(router().count_refusals(Arc::clone(&refusals)), limits);
    let begin = format!("GET /small?{} HTTP/1.1\r\n", "x".repeat(40 * 1024));
    let mut clients: Vec<_> = (0..=AT_A_TIME).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(&begin);
    }
    // Nobody else hears anything before the end of its head.
    let refused = loop {
        let hears = |client: &Client| {
            let stream = client.0.get_ref();
            stream.set_nonblocking(true).unwrap();
            let heard = stream.peek(&mut [0]).is_ok();
            stream.set_nonblocking(false).unwrap();
            heard
        };
        match clients.iter().position(hears) {
            Some(refused) => break refused,
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    let answer = clients.remove(refused).read_head();
    assert_eq!((answer.status, &*answer.fields["retry-after"]), (503, "1"));
    for client in &mut clients {
        client.send("Host: x\r\n\r\n");
        assert_eq!(client.read_head().status, 200);
    }
    let mut next = server.connect();
    next.send(&format!("{begin}Host: x\r\n\r\n"));
    assert_eq!(next.read_head().status, 200, "there is room again");
    assert_eq!(refusals.count(), 1);
    server.join();
}

/// Before there is a request there is nobody of ours to answer it.
#[test]
fn what_is_no_request_gets_a_status_without_a_body() {
    let server = Server::start(router(), Limits::default());
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(1 << 17));
    for (head, status) in
        [("nonsense\r\n\r\n", 400), ("GET /small HTTP/1.1\r\nH\0: x\r\n\r\n", 400), (&long, 431)]
    {
        let mut client = server.connect();
        // It may be refused before all of it is sent.
        let _ = client.0.get_mut().write_all(head.as_bytes());
        let answer = client.read_head();
        assert_eq!((answer.status, &*answer.fields["content-length"]), (status, "0"));
        assert_eq!(client.read_to_end(), b"");
    }
    server.join();
}

#[test]
fn a_full_table_makes_room_for_the_newest() {
    let server = Server::start(router(), Limits { connections: 3, ..Limits::default() });
    let (mut a, mut b, mut c) = (server.connect(), server.connect(), server.connect());
    for client in [&mut a, &mut b, &mut c] {
        assert_eq!(client.ask("GET", "/small").status, 200);
    }
    assert_eq!(a.ask("GET", "/small").status, 200);
    let mut d = server.connect();
    assert_eq!(d.ask("GET", "/small").status, 200);
    assert!(b.read_to_end().is_empty(), "b was idle for longest");
    let mut e = server.connect();
    assert_eq!(e.ask("GET", "/small").status, 200);
    assert!(c.read_to_end().is_empty());
    for client in [&mut a, &mut d, &mut e] {
        assert_eq!(client.ask("GET", "/small").status, 200);
    }
    server.join();
}

#[test]
fn a_client_that_does_not_read_its_answer_has_to_go() {
    let (report, ended) = mpsc::channel();
    let endless = Route::new("/endless", "Never ends.", |report: &Arc<Report>, _| {
        let report = Arc::clone(report);
        body::stream("text/plain", move |out| {
            loop {
                if let Err(problem) = out.write_all(&[b'x'; 65536]) {
                    report.lock().unwrap().send(()).unwrap();
                    return Err(problem);
                }
            }
        })
        .into()
    });
    let router = Router::new("coco", "1.2.3", Arc::new(Mutex::new(report))).routes([small(), endless]);
    // Nothing but the stall is to end it.
    let limits = Limits {
        connections: 1,
        stall_timeout: Duration::from_millis(50),
        answer_timeout: Duration::from_secs(3600),
        ..Limits::default()
    };
    let server = Server::start(router, limits);
    let mut stalled = server.connect();
    stalled.send("GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(stalled.read_head().status, 200);
    let mut waiting = server.connect();
    assert_eq!(waiting.ask("GET", "/small").status, 200);
    ended.recv().unwrap();
    server.join();
}

/// What counts is that bytes are taken, not how long the kernel holds those that it was given.
#[test]
fn a_client_that_takes_a_little_all_the_while_is_not_cut_off() {
    const STALL: Duration = Duration::from_secs(2);
    const PIECES: usize = 150;
    let long = Route::new("/long", "More than all buffers hold.", |_, _| {
        body::stream("text/plain", |out| (0..64).try_for_each(|_| out.write_all(&[b'x'; 65536]))).into()
    });
    let router = router().routes([long]);
    let limits =
        Limits { stall_timeout: STALL, answer_timeout: Duration::from_secs(3600), ..Limits::default() };
    let server = Server::start(router, limits);
    let mut slow = server.connect();
    socket2::SockRef::from(slow.0.get_ref()).set_recv_buffer_size(16 * 1024).unwrap();
    slow.send("GET /long HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_eq!(slow.read_head().status, 200);
    let started = Instant::now();
    let mut piece = [0; 4096];
    for number in 0..PIECES {
        slow.0.read_exact(&mut piece).unwrap_or_else(|problem| panic!("behind {number} pieces: {problem}"));
        std::thread::sleep(STALL / 40);
    }
    assert!(started.elapsed() > 3 * STALL, "it was slow");
    let rest = slow.read_to_end().len();
    assert!(rest > 64 * 65536 - (PIECES + 8) * 4096, "{rest}");
    server.join();
}

/// Whoever holds a place and does not read has it for no longer than others wait patiently, and meanwhile who asks
/// whether all is well needs none.
#[test]
fn clients_that_do_not_read_make_room_for_newcomers() {
    let endless = Route::new("/endless", "Never ends.", |_, _| {
        body::stream("text/plain", |out| {
            loop {
                out.write_all(&[b'x'; 65536])?;
            }
        })
        .into()
    });
    let router = router().routes([endless]).health("Well?", |_| body::json(&json!("well")));
    let limits = Limits {
        connections: 4,
        contended_stall_timeout: Duration::from_millis(50),
        answer_timeout: Duration::from_secs(3600),
        stall_timeout: Duration::from_secs(3600),
        ..Limits::default()
    };
    let server = Server::start(router, limits);
    let mut greedy: Vec<_> = (0..4).map(|_| server.connect()).collect();
    for client in &mut greedy {
        client.send("GET /endless HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(client.read_head().status, 200);
    }
    for _ in 0..8 {
        assert_eq!(server.connect().ask("GET", "/healthz").json(), json!("well"));
        let mut newcomer = server.connect();
        assert_eq!(newcomer.ask("GET", "/small").status, 200);
    }
    server.join();
}

#[test]
fn who_pipelines_without_end_makes_room_with_its_next_answer() {
    let server = Server::start(router(), Limits { connections: 1, ..Limits::default() });
    let mut busy = server.connect();
    // So that it has the place before anyone else comes.
    assert_eq!(busy.ask("GET", "/small").status, 200);
    busy.0.get_ref().set_write_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut writes = busy.0.get_ref().try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        while writes.write_all(&b"GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100)).is_ok() {}
    });
    let reader = std::thread::spawn(move || busy.read_to_end());
    assert_eq!(server.connect().ask("GET", "/small").status, 200);
    reader.join().unwrap();
    writer.join().unwrap();
    server.join();
}

/// Nobody waits without end, and who would is told so.
#[test]
fn when_too_many_wait_for_a_place_the_next_is_told_to_come_again() {
    let (arrived, arrival) = mpsc::channel();
    let never = Route::new("/never", "Never answers.", |report: &Arc<Report>, _| {
        report.lock().unwrap().send(()).unwrap();
        Answer::later(std::future::pending::<coco_daemon::http::Response>())
    });
    let router = Router::new("coco", "1.2.3", Arc::new(Mutex::new(arrived))).routes([small(), never]);
    let limits = Limits { connections: 2, grace: Duration::from_millis(1), ..Limits::default() };
    let refusals = Arc::<Refusals>::default();
    let server = Server::start(router.count_refusals(Arc::clone(&refusals)), limits);
    let mut holding: Vec<_> = (0..2).map(|_| server.connect()).collect();
    for client in &mut holding {
        client.send("GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n");
        arrival.recv().unwrap();
    }
    let mut waiting = Vec::new();
    let refused = loop {
        let mut client = server.connect();
        client.0.get_ref().set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        client.send("GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n");
        if client.0.fill_buf().is_ok() {
            break client.read_head();
        }
        waiting.push(client);
        assert!(waiting.len() < 30, "they wait without end");
    };
    assert_eq!((refused.status, &*refused.fields["retry-after"]), (503, "1"));
    assert_eq!(refusals.count(), 1);
    server.join();
}

#[test]
fn a_taken_port_is_an_error() {
    let listener = bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let problem = bind(&address.to_string().parse().unwrap()).unwrap_err().to_string();
    assert!(problem.starts_with(&format!("cannot listen on {address} for HTTP: ")), "{problem}");
    assert!(bind(&format!(":{}", address.port()).parse().unwrap()).is_err());
}

#[test]
fn all_addresses_are_those_of_both_families() {
    let listener = bind(&":0".parse().unwrap()).unwrap();
    let port = listener.local_addr().unwrap().port();
    Client::connect((Ipv4Addr::LOCALHOST, port).into());
    // Where IPv6 is off there is no loopback address to bind to either.
    if std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
        TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap();
    }
}
