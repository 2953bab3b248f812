//! Faults that no datagram causes, for the tests of this crate: a datagram that says so makes a stage panic or hang.

use crate::batch::Batch;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Set when what hangs may go on.
pub(crate) static RELEASED: AtomicBool = AtomicBool::new(false);

/// Panics or hangs if a datagram says so of this place.
pub(crate) fn provoke(place: &str, batch: &Batch) {
    for datagram in &batch.datagrams {
        let says = |what: &str| {
            let words = format!("{place} {what}");
            batch.bytes(datagram).windows(words.len()).any(|window| window == words.as_bytes())
        };
        assert!(!says("panics"), "as the datagram says");
        while says("hangs") && !RELEASED.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
