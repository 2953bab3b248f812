//! How it ends.

use std::future::pending;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use coco_daemon::http::{Answer, Limits, Response, Route, Router, body};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::client::Server;

/// Nobody waits for this.
const LONG: Duration = Duration::from_secs(24 * 60 * 60);

/// Requests that are answered when the gate opens.
struct Slow {
    arrived: Mutex<mpsc::Sender<()>>,
    gate: Arc<Semaphore>,
}

#[test]
fn idle_clients_are_not_waited_for() {
    let limits = Limits { grace: LONG, head_timeout: LONG, ..Limits::default() };
    let mut server = Server::start(Router::new("coco", "1.2.3", Arc::new(())), limits);
    let mut fresh = server.connect();
    let mut idle = server.connect();
    assert_eq!(idle.ask("GET", "/").status, 200);
    server.stop();
    assert!(fresh.read_to_end().is_empty());
    assert!(idle.read_to_end().is_empty());
    server.join();
}

#[test]
fn requests_in_progress_are_answered() {
    let (arrived, arrival) = mpsc::channel();
    let gate = Arc::new(Semaphore::new(0));
    let slow = Route::new("/slow", "Takes its time.", |slow: &Arc<Slow>, _| {
        slow.arrived.lock().unwrap().send(()).unwrap();
        let slow = Arc::clone(slow);
        Answer::later(async move {
            slow.gate.acquire().await.unwrap().forget();
            body::json(&json!("done"))
        })
    });
    let state = Slow { arrived: Mutex::new(arrived), gate: Arc::clone(&gate) };
    let router = Router::new("coco", "1.2.3", Arc::new(state)).routes([slow]);
    let mut server = Server::start(router, Limits { grace: LONG, ..Limits::default() });
    let mut client = server.connect();
    client.send("GET /slow HTTP/1.1\r\nHost: localhost\r\n\r\n");
    arrival.recv().unwrap();
    let mut idle = server.connect();
    server.stop();
    // Its end shows that the server is stopping before the answer is there.
    assert!(idle.read_to_end().is_empty());
    gate.add_permits(1);
    assert_eq!(client.read_head().status, 200);
    assert_eq!(client.read_to_end(), b"\"done\"\n", "and the connection ends with it");
    server.join();
}

#[test]
fn requests_that_take_too_long_are_cut_off() {
    let (arrived, arrival) = mpsc::channel();
    let never = Route::new("/never", "Never answers.", |arrived: &Arc<Mutex<mpsc::Sender<()>>>, _| {
        arrived.lock().unwrap().send(()).unwrap();
        Answer::later(pending::<Response>())
    });
    let router = Router::new("coco", "1.2.3", Arc::new(Mutex::new(arrived))).routes([never]);
    let limits = Limits { grace: Duration::from_millis(50), ..Limits::default() };
    let server = Server::start(router, limits);
    let mut client = server.connect();
    client.send("GET /never HTTP/1.1\r\nHost: localhost\r\n\r\n");
    arrival.recv().unwrap();
    server.join();
    assert!(client.read_to_end().is_empty());
}
