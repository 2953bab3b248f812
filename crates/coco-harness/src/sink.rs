//! A target that keeps every datagram it gets.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use coco_core::value_list::ValueList;
use coco_core::wire::{Decoder, Event};
use socket2::SockRef;

use crate::traffic;

/// As much as the system allows; a thread reads all the time besides.
const RECEIVE_BUFFER: usize = 8 << 20;

/// A UDP socket on a free port of loopback, and a thread that reads it.
#[derive(Debug)]
pub struct Sink {
    /// Where it listens.
    pub address: SocketAddr,
    kept: Arc<Kept>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread and the test share.
#[derive(Debug, Default)]
struct Kept {
    datagrams: Mutex<Vec<Vec<u8>>>,
    value_lists: AtomicU64,
    stop: AtomicBool,
}

impl Sink {
    /// Starts to listen.
    ///
    /// # Panics
    /// When loopback doesn't work.
    #[must_use]
    pub fn start() -> Self {
        Self::with_forward(None)
    }

    /// A sink that passes every datagram on, so that a test sees what a sender sends.
    ///
    /// # Panics
    /// When loopback doesn't work.
    #[must_use]
    pub fn tee(to: SocketAddr) -> Self {
        Self::with_forward(Some(traffic::sender(to)))
    }

    /// Listens on this socket.
    ///
    /// # Panics
    /// When it is no socket to receive on.
    #[must_use]
    pub fn on(socket: UdpSocket) -> Self {
        Self::reading(socket, None)
    }

    fn with_forward(forward: Option<UdpSocket>) -> Self {
        Self::reading(UdpSocket::bind("127.0.0.1:0").expect("a free port"), forward)
    }

    fn reading(socket: UdpSocket, forward: Option<UdpSocket>) -> Self {
        SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER).expect("SO_RCVBUF");
        // Often enough to see that the test is over.
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("SO_RCVTIMEO");
        let address = socket.local_addr().expect("a bound socket");
        let kept = Arc::new(Kept::default());
        let thread = std::thread::spawn({
            let kept = Arc::clone(&kept);
            move || kept.keep(&socket, forward.as_ref())
        });
        Self { address, kept, thread: Some(thread) }
    }

    /// The datagrams so far, in the order they came.
    #[must_use]
    pub fn datagrams(&self) -> Vec<Vec<u8>> {
        self.kept.datagrams().clone()
    }

    /// How many datagrams have come so far.
    #[must_use]
    pub fn datagram_count(&self) -> usize {
        self.kept.datagrams().len()
    }

    /// The last datagram so far.
    #[must_use]
    pub fn last(&self) -> Option<Vec<u8>> {
        self.kept.datagrams().last().cloned()
    }

    /// The value lists so far, in the order they came.
    ///
    /// # Panics
    /// When a datagram holds anything else.
    #[must_use]
    pub fn value_lists(&self) -> Vec<ValueList> {
        self.datagrams().iter().flat_map(|datagram| value_lists(datagram)).collect()
    }

    /// The number of value lists so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.kept.value_lists.load(Ordering::Acquire)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.kept.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Kept {
    fn keep(&self, socket: &UdpSocket, forward: Option<&UdpSocket>) {
        let mut buffer = vec![0; 1 << 16];
        while !self.stop.load(Ordering::Relaxed) {
            let Ok(length) = socket.recv(&mut buffer) else {
                continue;
            };
            let datagram = &buffer[..length];
            if let Some(forward) = forward {
                forward.send(datagram).expect("whoever it is passed to listens");
            }
            self.datagrams().push(datagram.to_vec());
            let value_lists = Decoder::new(datagram).filter(|event| matches!(event, Ok(Event::ValueList(_))));
            self.value_lists.fetch_add(value_lists.count() as u64, Ordering::Release);
        }
    }

    fn datagrams(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.datagrams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The value lists of a datagram.
///
/// # Panics
/// When it holds anything else.
#[must_use]
pub fn value_lists(datagram: &[u8]) -> Vec<ValueList> {
    let value_list = |event| match event {
        Ok(Event::ValueList(spans)) => spans.of(datagram).to_owned(),
        other => panic!("a target got {other:?} in {datagram:?}"),
    };
    Decoder::new(datagram).map(value_list).collect()
}
