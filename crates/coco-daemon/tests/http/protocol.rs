//! What RFC 9110 and 9112 ask of a server, and what balancers ask for.

use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use coco_daemon::http::{Answer, Limits, Rendered, Route, Router, Shared, body};
use hyper::StatusCode;
use serde_json::json;

use crate::client::Server;

fn router() -> Router<Shared> {
    Router::new("coco", "1.2.3", Arc::new(Shared::new()))
        .routes([
            Route::new("/small", "A little.", |_, _| body::json(&json!({"a": 1})).into()),
            Route::new("/slow", "Later.", |_, _| {
                Answer::later(async {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    body::json(&json!({"a": 1}))
                })
            }),
            Route::new("/view", "Shared.", |view: &Arc<Shared>, _| {
                let view = Arc::clone(view);
                Answer::later(async move { view.answer(|| Rendered::new(body::JSON, "{\"a\":2}\n")).await })
            }),
            Route::new("/busy", "Never.", |_, _| body::error(StatusCode::SERVICE_UNAVAILABLE, "no").into()),
        ])
        .health("Well?", |_| body::json(&json!({"status": "ok"})))
}

/// netcat, health checks and old clients close their sending half behind the request.
#[test]
fn who_has_sent_all_that_it_will_still_gets_its_answer() {
    let server = Server::start(router(), Limits::default());
    for path in ["/small", "/slow", "/view", "/healthz", "/"] {
        for request in
            [format!("GET {path} HTTP/1.0\r\n\r\n"), format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")]
        {
            for _ in 0..60 {
                let mut client = server.connect();
                client.send(&request);
                client.0.get_ref().shutdown(Shutdown::Write).unwrap();
                let answer = String::from_utf8(client.read_to_end()).unwrap();
                assert!(answer.contains(" 200 OK\r\n") && answer.ends_with("}\n"), "{request}: {answer:?}");
            }
        }
    }
    let mut client = server.connect();
    client.send(&"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n".repeat(20));
    client.0.get_ref().shutdown(Shutdown::Write).unwrap();
    let answers = String::from_utf8(client.read_to_end()).unwrap();
    assert_eq!(answers.matches(" 200 OK\r\n").count(), 20, "{answers}");
    server.join();
}

#[test]
fn requests_without_one_valid_host_are_refused_before_any_route() {
    let server = Server::start(router(), Limits::default());
    for path in ["/small", "/healthz", "/nowhere"] {
        for fields in
            ["", "Host: a\r\nHost: a\r\n", "Host: a b\r\n", "Host: a/b\r\n", "Host: u@a\r\n", "Host: a:x\r\n"]
        {
            let mut client = server.connect();
            client.send(&format!("GET {path} HTTP/1.1\r\n{fields}\r\n"));
            assert_eq!(client.read_head().status, 400, "{path} {fields:?}");
        }
    }
    for request in ["GET /small HTTP/1.0\r\n\r\n", "GET /small HTTP/1.1\r\nHost:\r\n\r\n"] {
        let mut client = server.connect();
        client.send(request);
        assert_eq!(client.read_head().status, 200, "{request:?}");
    }
    server.join();
}

/// As HAProxy's `option httpchk` asks unless it is told more.
#[test]
fn options_need_no_more_than_a_status() {
    let server = Server::start(router(), Limits::default());
    for request in [
        "OPTIONS / HTTP/1.0\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        "OPTIONS /small HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let mut client = server.connect();
        client.send(request);
        let answer = client.read_head();
        assert_eq!((answer.status, &*answer.fields["allow"]), (204, "GET, HEAD, OPTIONS"), "{request:?}");
    }
    server.join();
}

#[test]
fn who_is_to_come_again_is_told_when() {
    let server = Server::start(router(), Limits::default());
    let mut client = server.connect();
    for path in ["/busy", "/busy", "/small"] {
        let answer = client.ask("GET", path);
        assert_eq!(answer.fields.get("retry-after").map(String::as_str), (path == "/busy").then_some("1"));
    }
    server.join();
}

#[test]
fn an_idle_connection_is_kept_for_as_long_as_it_is_told() {
    // A head would have to come at once.
    let limits = Limits {
        head_timeout: Duration::from_millis(200),
        idle_timeout: Duration::from_secs(1),
        ..Limits::default()
    };
    let server = Server::start(router(), limits);
    for path in ["/small", "/healthz"] {
        let mut client = server.connect();
        for _ in 0..2 {
            let answer = client.ask("GET", path);
            assert_eq!(answer.fields["keep-alive"], "timeout=1");
            std::thread::sleep(Duration::from_secs(1));
        }
        assert_eq!(client.ask("GET", path).status, 200);
        assert!(client.read_to_end().is_empty(), "and no longer");
    }
    // Once a head has begun it is in no more of a hurry than the first.
    let mut client = server.connect();
    assert_eq!(client.ask("GET", "/small").status, 200);
    client.send("GET /small HT");
    assert!(client.read_to_end().is_empty());
    server.join();
}

#[test]
fn each_answer_is_the_last_of_its_connection_once_a_stop_is_near() {
    let leaving = Arc::new(AtomicBool::new(false));
    let server = Server::start(router().leaving(Arc::clone(&leaving)), Limits::default());
    for path in ["/small", "/healthz"] {
        leaving.store(false, Ordering::Relaxed);
        let mut client = server.connect();
        assert_eq!(client.ask("GET", path).fields.get("connection"), None);
        leaving.store(true, Ordering::Relaxed);
        let answer = client.ask("GET", path);
        assert_eq!((answer.status, &*answer.fields["connection"]), (200, "close"));
        assert!(client.read_to_end().is_empty());
    }
    server.join();
}

/// A body behind a head that is answered at once is not taken for the next head.
#[test]
fn what_follows_a_check_is_the_next_request_unless_it_is_a_body() {
    let server = Server::start(router(), Limits::default());
    let mut client = server.connect();
    client.send(
        "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /small HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    );
    let answers = String::from_utf8(client.read_to_end()).unwrap();
    assert!(answers.contains("{\"status\":\"ok\"}\n") && answers.ends_with("{\"a\":1}\n"), "{answers}");
    let smuggled = "GET /small HTTP/1.1\r\nHost: x\r\n\r\n";
    for head in ["GET /healthz", "OPTIONS /"] {
        let mut client = server.connect();
        let length = smuggled.len();
        client.send(&format!("{head} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{smuggled}"));
        let answers = String::from_utf8(client.read_to_end()).unwrap();
        assert_eq!(answers.matches("HTTP/1.1 ").count(), 1, "{answers}");
    }
    server.join();
}
