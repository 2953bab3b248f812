//! Faults that no datagram causes, for the tests of this crate: a datagram that says so makes a stage panic or hang.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::batch::Batch;

/// Whether what hangs has to wait.
static HELD: AtomicBool = AtomicBool::new(false);

/// As long as this is there, what hangs hangs, also when a test has failed meanwhile. One at a time.
pub(crate) struct Hold(());

impl Hold {
    pub(crate) fn new() -> Self {
        assert!(!HELD.swap(true, Ordering::Relaxed), "two tests that hang at a time");
        Self(())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        HELD.store(false, Ordering::Relaxed);
    }
}

/// Panics or hangs if a datagram of a batch says so of this place.
pub(crate) fn provoke(place: &str, batch: &Batch) {
    batch.datagrams.iter().for_each(|datagram| provoke_by(place, batch.bytes(datagram)));
}

/// Panics or hangs if a datagram says so of this place.
pub(crate) fn provoke_by(place: &str, datagram: &[u8]) {
    let says = |what: &str| {
        let words = format!("{place} {what}");
        datagram.windows(words.len()).any(|window| window == words.as_bytes())
    };
    assert!(!says("panics"), "as the datagram says");
    while says("hangs") && HELD.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(1));
    }
}
