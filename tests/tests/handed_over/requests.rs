//! Noodle: every request is answered, whichever process there is when it comes.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use coco_harness::coco::Config;
use coco_harness::program::Program;
use coco_harness::text::replaced;
use coco_harness::wait::{PATIENCE, wait_until};

use crate::holder::Holder;

const CLIENTS: usize = 8;

/// Requests that are answered by each process.
const MANY: u64 = 400;

/// What Noodle answers by itself.
const REQUEST: &[u8] = b"GET /lookup?name=web1.example.org HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

/// Asks once, by a connection of its own.
fn ask(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(REQUEST)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn restart_under_load(times: usize) {
    let holder = Holder::new(0);
    let bind = format!("[fetch]\nbind = \"{}\"\n", holder.http());
    let text = Config::new(&[("a", &["127.0.0.1:1"])]).text();
    let config = replaced(&text, &[("[fetch]\nbind = \"127.0.0.1:0\"\n", &bind)]);
    let mut noodle = holder.start_until_ready(Program::Noodle, &config);
    let (answers, ends) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
    let client = |address| {
        let (answers, ends) = (Arc::clone(&answers), Arc::clone(&ends));
        thread::spawn(move || {
            while !ends.load(Ordering::SeqCst) {
                let answer = ask(address).unwrap_or_else(|error| error.to_string());
                assert!(answer.starts_with("HTTP/1.1 200 ") && answer.trim_end().ends_with('}'), "{answer}");
                answers.fetch_add(1, Ordering::SeqCst);
            }
        })
    };
    let clients = [(); CLIENTS].map(|()| client(holder.http()));
    let go_on = || {
        let until = answers.load(Ordering::SeqCst) + MANY;
        wait_until(PATIENCE, "more answers", || {
            assert!(clients.iter().all(|client| !client.is_finished()), "a request was not answered");
            answers.load(Ordering::SeqCst) >= until
        });
    };
    for _ in 0..times {
        go_on();
        assert!(noodle.stop().success());
        noodle = holder.start_until_ready(Program::Noodle, &config);
    }
    go_on();
    ends.store(true, Ordering::SeqCst);
    clients.into_iter().for_each(|client| client.join().expect("answers"));
    assert!(noodle.stop().success());
}

#[test]
fn a_restart_of_noodle_on_a_socket_that_stays_refuses_no_request() {
    restart_under_load(3);
}

#[test]
#[ignore = "long: forty restarts"]
fn forty_restarts_of_noodle_on_a_socket_that_stays_refuse_no_request() {
    restart_under_load(40);
}
