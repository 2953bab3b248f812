//! What listens where rrdcached should.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use coco_core::tier::DaemonAddress;
use noodle::budget::Budget;
use noodle::upstream::Room;
use noodle::upstream::rrdcached::{Found, Path, Rrdcached, Terms, Trouble};
use rrdcached::command::Window;
use rrdcached::error::Malformed;
use tokio::runtime::Runtime;

/// Answers each connection with these bytes as soon as a line has come, and closes it.
fn answering(replies: &'static [&'static [u8]]) -> Rrdcached {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    thread::spawn(move || {
        for reply in replies {
            let Ok((client, _)) = listener.accept() else { return };
            answer(client, reply);
        }
    });
    let terms = Terms {
        timeout: Duration::from_secs(10),
        most_kept: 4,
        max_rows: 1_000_000,
        tree_age: Duration::from_secs(60),
    };
    let address = DaemonAddress::Internet(address.to_string().parse().expect("an address"));
    Rrdcached::new(address, terms, Room::new(), Arc::default())
}

/// Where this reply is the answer to whatever is asked, on so many connections.
pub(crate) fn listening(reply: &[u8], connections: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    let reply = reply.to_vec();
    thread::spawn(move || {
        for client in listener.incoming().take(connections) {
            let Ok(client) = client else { return };
            let reply = reply.clone();
            thread::spawn(move || answer(client, &reply));
        }
    });
    address
}

fn answer(mut client: TcpStream, reply: &[u8]) {
    let mut line = [0; 1];
    while client.read_exact(&mut line).is_ok() && line != *b"\n" {}
    // Who has heard enough closes the connection.
    let _ = client.write_all(reply);
    let _ = client.shutdown(std::net::Shutdown::Write);
    let _ = client.read_to_end(&mut Vec::new());
}

const FINISH: i64 = 1_795_200_000;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn fetch(runtime: &Runtime, node: &Rrdcached) -> Result<Vec<Found>, Trouble> {
    let mut reservation = Budget::new(1 << 20).reserve(0).expect("nothing is there");
    // Two rows: the one in which the finish lies is the last.
    let window = Window::new(FINISH - 20, FINISH - 10).expect("a window");
    runtime.block_on(node.rows(&[Path::new(b"a", b"load", b"load")], window, FINISH, false, &mut reservation))
}

const HEAD: &[u8] = b"6 Success\nFlushVersion: 1\nStart: 1795199980\nEnd: 1795200000\nStep: 10\nDSCount: 1\n";

#[test]
fn what_is_no_reply_is_an_error_and_not_an_answer() {
    const REPLIES: &[&[u8]] = &[
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\n",
        b"3 Success\nFlushVersion: 1\nStart: 1795199980\nEnd: 1795200000\nStep: 10\nDSCount: 1\n",
        b"6 Success\nFlushVersion: 1\nStart: 1795200000\nEnd: 1795199980\nStep: 10\nDSCount: 1\n",
        b"6 Success\nFlushVersion: 1\nStart: 0\nEnd: 20\nStep: 0\nDSCount: 1\n",
        b"6 Success\nFlushVersion: 1\nStart: 1795199980\nEnd: 1795200000\nStep: 10\nDSCount: 1\nDSName-v: BinaryData 3 8 LITTLE\n",
        b"6 Success\nFlushVersion: 1\nStart: 1795199980\nEnd: 1795200000\nStep: 10\nDSCount: 1\nDSName-v: BinaryData 2 4 LITTLE\n",
    ];
    let runtime = runtime();
    let node = answering(REPLIES);
    for reply in REPLIES {
        match fetch(&runtime, &node) {
            Err(Trouble::Malformed(_)) => {}
            other => panic!("{}: {other:?}", reply.escape_ascii()),
        }
    }
}

#[test]
fn half_a_reply_is_an_error() {
    const REPLIES: &[&[u8]] = &[b"", b"6 Succ", HEAD];
    let runtime = runtime();
    let node = answering(REPLIES);
    for reply in REPLIES {
        match fetch(&runtime, &node) {
            Err(Trouble::Io(_)) => {}
            other => panic!("{}: {other:?}", reply.escape_ascii()),
        }
    }
}

#[test]
fn ten_million_rows_are_refused_by_their_head() {
    let runtime = runtime();
    let node = answering(&[
        b"6 Success\nFlushVersion: 1\nStart: 1000000000\nEnd: 1100000000\nStep: 10\nDSCount: 1\n",
        b"6 Success\nFlushVersion: 1\nStart: 1795199980\nEnd: 1795200000\nStep: 10\nDSCount: 999999999999\n",
    ]);
    match fetch(&runtime, &node) {
        Err(Trouble::TooManyRows { rows: 10_000_000, .. }) => {}
        other => panic!("{other:?}"),
    }
    // More data sources than lines are no reply, whatever the number.
    match fetch(&runtime, &node) {
        Err(Trouble::Malformed(_)) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_second_reply_answers_nobody() {
    const ROWS: &[u8] =
        b"6 Success\nFlushVersion: 1\nStart: 1795199980\nEnd: 1795200000\nStep: 10\nDSCount: 1\n\
        DSName-v: BinaryData 2 8 LITTLE\n\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\xf0\x3f\n\
        6 Success\nFlushVersion: 1\nStart: 1795199980\nEnd: 1795200000\nStep: 10\nDSCount: 1\n\
        DSName-v: BinaryData 2 8 LITTLE\n\0\0\0\0\0\0\0\x40\0\0\0\0\0\0\0\x40\n";
    let runtime = runtime();
    let node = answering(&[ROWS, b"-1 Permission denied.\n", b"-1 No such file: a.\n"]);
    let rows = fetch(&runtime, &node).unwrap();
    assert_eq!(rows[0].as_ref().unwrap().as_ref().unwrap().sources[0].rows.nan_values(), [1.0, 1.0]);
    // Asked anew, on a connection of its own, in binary and then as text.
    let again = fetch(&runtime, &node);
    assert!(matches!(again.as_deref(), Ok([Ok(None)])), "{again:?}");
}

/// Its window is not the one that was asked for, so it was meant for another command.
#[test]
fn a_reply_about_another_window_is_none() {
    let other = String::from_utf8_lossy(HEAD).replace("1795200000", "1795199990").into_bytes();
    let earlier =
        String::from_utf8_lossy(HEAD).replace("17951999", "17951998").replace("17952000", "17951999");
    for reply in [other, earlier.into_bytes()] {
        let replies: Vec<&'static [u8]> = vec![reply.clone().leak()];
        let node = answering(replies.leak());
        match fetch(&runtime(), &node) {
            Err(Trouble::Malformed(Malformed::Window)) => {}
            other => panic!("{}: {other:?}", reply.escape_ascii()),
        }
    }
}
