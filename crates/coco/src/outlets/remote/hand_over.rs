//! Packets on their way from lanes to the thread of an engine: bounded in bytes, and nobody waits.

use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};
use tokio::sync::Notify;

use super::buffer;

/// Most times that lanes hand over before it is looked at.
const PLACES: usize = 4096;

/// Buffers that are kept to be filled again, as many as small ones are handed over between two looks.
const SPARE: usize = 256;

/// Bytes of all that are kept.
const MOST_SPARE: usize = 1 << 22;

/// Bytes that may wait until terms say how many.
const FIRST_LIMIT: usize = 1 << 18;

/// Bytes that wait until they are news: who takes them looks for himself ten times a second.
const NEWS: usize = 1 << 17;

/// See the module.
#[derive(Debug)]
pub(super) struct HandOver {
    full_in: Sender<Vec<u8>>,
    full_out: Receiver<Vec<u8>>,
    spare_in: Sender<Vec<u8>>,
    spare_out: Receiver<Vec<u8>>,
    spare_bytes: AtomicUsize,
    bytes: AtomicUsize,
    limit: AtomicUsize,
    news: Notify,
}

impl Default for HandOver {
    fn default() -> Self {
        let (full_in, full_out) = bounded(PLACES);
        let (spare_in, spare_out) = bounded(SPARE);
        let [spare_bytes, bytes, limit] = [0, 0, FIRST_LIMIT].map(AtomicUsize::new);
        Self { full_in, full_out, spare_in, spare_out, spare_bytes, bytes, limit, news: Notify::new() }
    }
}

impl HandOver {
    /// Takes a copy of packets, if there is room for all of them.
    pub(super) fn give<'p>(&self, packets: impl Iterator<Item = &'p [u8]> + Clone) -> bool {
        let size = buffer::size(packets.clone());
        let before = self.bytes.fetch_add(size, Ordering::AcqRel);
        let is_taken = before + size <= self.limit.load(Ordering::Relaxed) && {
            let mut spare = self.spare();
            buffer::fill(&mut spare, packets, size);
            self.full_in.try_send(spare).is_ok()
        };
        if !is_taken {
            self.bytes.fetch_sub(size, Ordering::AcqRel);
        } else if before < NEWS && before + size >= NEWS {
            self.news.notify_one();
        }
        is_taken
    }

    /// The buffer that was handed over first.
    pub(super) fn take(&self) -> Option<Vec<u8>> {
        let buffer = self.full_out.try_recv().ok()?;
        self.bytes.fetch_sub(buffer.len(), Ordering::AcqRel);
        Some(buffer)
    }

    /// Gives a buffer back that was taken. It is kept if there is room for it among those that are.
    pub(super) fn give_back(&self, mut buffer: Vec<u8>) {
        let size = buffer.capacity();
        buffer.clear();
        let before = self.spare_bytes.fetch_add(size, Ordering::AcqRel);
        if before + size > MOST_SPARE || self.spare_in.try_send(buffer).is_err() {
            self.spare_bytes.fetch_sub(size, Ordering::AcqRel);
        }
    }

    /// An empty buffer.
    fn spare(&self) -> Vec<u8> {
        let Ok(buffer) = self.spare_out.try_recv() else { return Vec::new() };
        self.spare_bytes.fetch_sub(buffer.capacity(), Ordering::AcqRel);
        buffer
    }

    /// Bytes that may wait.
    pub(super) fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Wakes up who takes.
    pub(super) fn tell(&self) {
        self.news.notify_one();
    }

    /// Until there is much to take, or something else to know.
    pub(super) async fn news(&self) {
        self.news.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_is_taken_in_order_and_no_more_than_there_is_room_for() {
        let hand_over = HandOver::default();
        hand_over.set_limit(20);
        let give = |packets: &[&[u8]]| hand_over.give(packets.iter().copied());
        assert!(give(&[b"ab", b"c"]));
        assert!(!give(&[b"more than is left"]));
        assert!(give(&[b"defg"]));
        let taken: Vec<_> = std::iter::from_fn(|| hand_over.take()).collect();
        let all: Vec<_> = taken.iter().flat_map(|buffer| buffer::packets(buffer)).collect();
        assert_eq!(all, [&b"ab"[..], b"c", b"defg"]);
        assert!(give(&[b"room for it"]));
        assert_eq!(hand_over.take().map(|buffer| buffer.len()), Some(15));
    }

    #[test]
    fn buffers_are_filled_again_and_no_more_are_kept_than_there_is_room_for() {
        let hand_over = HandOver::default();
        let kept = || hand_over.spare_bytes.load(Ordering::Relaxed);
        for size in [1000, MOST_SPARE / 2, MOST_SPARE / 2, MOST_SPARE] {
            hand_over.give_back(Vec::with_capacity(size));
        }
        assert_eq!(kept(), 1000 + MOST_SPARE / 2);
        assert_eq!([hand_over.spare().capacity(), hand_over.spare().capacity()], [1000, MOST_SPARE / 2]);
        assert_eq!((hand_over.spare().capacity(), kept()), (0, 0));
        for _ in 0..2 * SPARE {
            hand_over.give_back(Vec::with_capacity(8));
        }
        assert_eq!(kept(), 8 * SPARE);
    }
}
