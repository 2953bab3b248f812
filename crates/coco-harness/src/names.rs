//! A name server for a host of a test (RFC 1035): answers for addresses (A), from a table that the test changes.

use std::collections::HashMap;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::namespace::Host;
use crate::wait::{PATIENCE, wait_until};

/// What makes the C library ask it, and nobody else.
pub const ETC: &[(&str, &str)] = &[
    ("resolv.conf", "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"),
    ("nsswitch.conf", "hosts: dns\n"),
];

const HEADER: usize = 12;
const TYPE_A: [u8; 2] = [0, 1];
const NO_SUCH_NAME: u8 = 3;

/// A name server at 127.0.0.1, until it is dropped.
#[derive(Debug)]
pub struct Names {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    table: Mutex<HashMap<String, Vec<Ipv4Addr>>>,
    questions: AtomicU64,
    stop: AtomicBool,
}

impl Names {
    /// Serves a host that was made with [`ETC`]. No name has an address yet.
    ///
    /// # Panics
    /// When there is a name server already.
    #[must_use]
    pub fn serve(host: &Host) -> Self {
        let socket = host.run(|| UdpSocket::bind("127.0.0.1:53")).expect("a host of its own");
        // Often enough to see that the test is over.
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("SO_RCVTIMEO");
        let shared = Arc::<Shared>::default();
        let thread = std::thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.answer(&socket)
        });
        Self { shared, thread: Some(thread) }
    }

    /// From now on a name has these addresses, or, with none, does not exist.
    pub fn set(&self, name: &str, addresses: &[Ipv4Addr]) {
        self.shared.table().insert(name.to_owned(), addresses.to_vec());
    }

    /// Waits until a name has been asked for again, and the answer was made use of: that is, once more.
    pub fn await_question(&self) {
        let asked = || self.shared.questions.load(Ordering::Relaxed);
        let before = asked();
        // A question may be for more than one kind of address.
        wait_until(PATIENCE, "a name to be looked up twice", || asked() >= before + 4);
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn answer(&self, socket: &UdpSocket) {
        let mut question = [0; 512];
        while !self.stop.load(Ordering::Relaxed) {
            let Ok((length, from)) = socket.recv_from(&mut question) else { continue };
            if let Some(answer) = self.answer_to(&question[..length]) {
                socket.send_to(&answer, from).expect("who asked listens");
            }
        }
    }

    fn answer_to(&self, question: &[u8]) -> Option<Vec<u8>> {
        let (name, end) = name(question)?;
        let asked = question.get(HEADER..end + 4)?;
        self.questions.fetch_add(1, Ordering::Relaxed);
        let table = self.table();
        let addresses = table.get(&name).map_or(&[][..], |addresses| addresses);
        let code = if addresses.is_empty() { NO_SUCH_NAME } else { 0 };
        let addresses = if question[end..end + 2] == TYPE_A { addresses } else { &[] };

        let count = u8::try_from(addresses.len()).expect("few addresses");
        let mut answer = question[..2].to_vec();
        // An answer, recursion desired and available; one question.
        answer.extend([0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0]);
        answer.extend(asked);
        for address in addresses {
            // The name in the question; A, IN; not to be kept; 4 bytes.
            answer.extend([0xc0, HEADER as u8, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
            answer.extend(address.octets());
        }
        Some(answer)
    }

    fn table(&self) -> MutexGuard<'_, HashMap<String, Vec<Ipv4Addr>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name that is asked for, and where it ends.
fn name(question: &[u8]) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    let mut at = HEADER;
    loop {
        let length = usize::from(*question.get(at)?);
        at += 1;
        if length == 0 {
            return Some((labels.join("."), at));
        }
        labels.push(String::from_utf8_lossy(question.get(at..at + length)?).to_lowercase());
        at += length;
    }
}
