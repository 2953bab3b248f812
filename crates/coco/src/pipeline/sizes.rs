//! The size of batches and the number of them that may be under way, so that those of all lanes together stay within a
//! bound.
//!
//! The bound is divided before anything is taken: no lane ever waits for what another one holds.

use tracing::info;

use crate::batch::{most_bytes, most_received};

/// Bytes that the batches of all lanes take together, at most, as far as the [smallest](SMALLEST) ones allow.
pub(super) const MOST: usize = 32 << 20;

/// Datagrams of a batch, below which each would cost too much.
const SMALLEST: usize = 8;

/// The threads of all lanes, and what else decides how many batches are under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) lanes: usize,
    pub(super) threads: usize,
    /// Whether every lane hands on to every other.
    pub(super) spreads: bool,
    /// Copies that are sent of each host. A reload that asks for more changes nothing.
    pub(super) copies: usize,
}

/// The size of batches and queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes {
    /// Datagrams in a batch.
    pub(super) batch: usize,
    /// Batches that a queue holds.
    pub(super) queue: usize,
}

impl Shape {
    /// The most batches of a lane that are under way at once: what queues between threads hold, one in the hands of
    /// each thread, and one for each lane that is handed on in parts.
    pub(super) fn under_way(self, sizes: Sizes) -> usize {
        let hands_on = if self.spreads { self.lanes } else { 1 };
        // Of stages on one thread, the later one has taken a batch before the earlier one has another.
        (self.threads - 1) * sizes.queue + self.threads + hands_on
    }

    /// Bytes that the batches of all lanes take at most.
    fn most(self, sizes: Sizes) -> usize {
        let Self { lanes, copies, .. } = self;
        lanes * (self.under_way(sizes) * most_bytes(sizes.batch, copies) + most_received(sizes.batch))
    }

    /// The largest sizes up to those that are wanted with which all lanes stay within so many bytes: queues get shorter
    /// first, since stages go on as long as one batch waits, then batches smaller.
    fn within(self, most: usize, wanted: Sizes) -> Sizes {
        let halve = |batch: &usize| (*batch > SMALLEST).then(|| (batch / 2).max(SMALLEST));
        let mut sizes = std::iter::successors(Some(wanted.batch), halve)
            .flat_map(|batch| (1..=wanted.queue).rev().map(move |queue| Sizes { batch, queue }));
        let smallest = Sizes { batch: wanted.batch.min(SMALLEST), queue: 1 };
        sizes.find(|&sizes| self.most(sizes) <= most).unwrap_or(smallest)
    }

    /// The sizes that lanes get where these are wanted.
    pub(super) fn sizes(self, wanted: Sizes) -> Sizes {
        let sizes = self.within(MOST, wanted);
        if sizes != wanted {
            let Sizes { batch, queue } = sizes;
            info!(
                batch,
                queue,
                "fewer datagrams together than configured, so that those of all lanes take little memory"
            );
        }
        sizes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;
    const WANTED: Sizes = Sizes { batch: 64, queue: 8 };

    fn shape(lanes: usize, threads: usize) -> Shape {
        Shape { lanes, threads, spreads: false, copies: 2 }
    }

    #[test]
    fn one_lane_has_what_it_wants() {
        for threads in 1..=3 {
            assert_eq!(shape(1, threads).within(MOST, WANTED), WANTED);
        }
        let alone = Sizes { batch: 1, queue: 1 };
        assert_eq!(shape(64, 3).within(MOST, alone), alone);
    }

    #[test]
    fn batches_of_all_lanes_stay_within_the_bound() {
        for wanted in [WANTED, Sizes { batch: 1, queue: 1024 }, Sizes { batch: 1024, queue: 1024 }] {
            for (threads, lanes, of_spread) in [(1, 28, 1), (2, 17, 7), (3, 12, 6)] {
                for lanes in 1..=lanes {
                    for spreads in [false, threads > 1 && (2..=of_spread).contains(&lanes)] {
                        let shape = Shape { spreads, ..shape(lanes, threads) };
                        let sizes = shape.within(MOST, wanted);
                        let most = shape.most(sizes);
                        assert!(most <= MOST, "{shape:?} {sizes:?}: {most}");
                        assert!((1..=wanted.batch).contains(&sizes.batch));
                        assert!((1..=wanted.queue).contains(&sizes.queue));
                    }
                }
            }
            // Beyond that, so much for each.
            for threads in 1..=3 {
                let shape = shape(64, threads);
                let most = shape.most(shape.within(MOST, wanted));
                assert!(most <= 64 * 3 * MIB, "{shape:?}: {most}");
            }
        }
    }

    /// Those of each value list travel with it.
    #[test]
    fn with_many_copies_of_hosts_batches_are_smaller() {
        let sizes = |copies| Shape { copies, ..shape(4, 2) }.within(MOST, WANTED);
        assert!(sizes(48).queue < sizes(1).queue || sizes(48).batch < sizes(1).batch);
        for copies in [1, 2, 8, 48] {
            let shape = Shape { copies, ..shape(4, 2) };
            let Sizes { batch, .. } = sizes(copies);
            let shares = 2 * 59 * batch * copies;
            assert!(shape.most(sizes(copies)) > shape.lanes * shape.under_way(sizes(copies)) * shares);
            assert!(shape.most(sizes(copies)) <= MOST);
        }
    }

    #[test]
    fn queues_get_shorter_before_batches_get_smaller() {
        let sizes = |lanes, threads| {
            let Sizes { batch, queue } = shape(lanes, threads).within(MOST, WANTED);
            (batch, queue)
        };
        assert_eq!(
            [sizes(2, 1), sizes(2, 3), sizes(4, 1), sizes(4, 3)],
            [(64, 8), (64, 2), (64, 8), (32, 1)]
        );
    }
}
