//! Samples that wait, gathered into what may be sent together.

use std::collections::VecDeque;
use std::ops::Range;

use crate::series::Number;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Waiting {
    pub(crate) series: Number,
    pub(crate) milliseconds: i64,
    pub(crate) value: f64,
}

/// Samples that are sent together, a range of them at least.
#[derive(Debug)]
pub struct Batch {
    pub(crate) samples: Vec<Waiting>,
    pub(crate) since: i64,
}

impl Batch {
    /// How many samples there are.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// When the first of them came.
    pub fn since(&self) -> i64 {
        self.since
    }

    /// Milliseconds of the newest of some.
    pub fn newest(&self, range: Range<usize>) -> Option<i64> {
        self.samples[range].iter().map(|sample| sample.milliseconds).max()
    }

    fn bytes(&self) -> usize {
        self.samples.capacity() * size_of::<Waiting>()
    }
}

/// See the module. A batch that was taken counts until it is finished, as do its samples until they are done with.
#[derive(Debug, Default)]
pub(crate) struct Batches {
    batches: VecDeque<Batch>,
    /// The memory of a batch that was finished, which counts too, for the next one.
    spare: Vec<Waiting>,
    bytes: usize,
    waiting: usize,
}

impl Batches {
    /// Samples that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Bytes in use.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The oldest.
    pub(crate) fn front(&self) -> Option<&Batch> {
        self.batches.front()
    }

    /// How many there are that were not taken.
    pub(crate) fn len(&self) -> usize {
        self.batches.len()
    }

    /// Whether all were taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Adds a sample to the newest, of up to so many.
    #[inline]
    pub(crate) fn add(&mut self, sample: Waiting, most: usize, now: i64) {
        self.waiting += 1;
        match self.batches.back_mut() {
            Some(batch) if batch.len() < most.min(batch.samples.capacity()) => batch.samples.push(sample),
            _ => self.begin(sample, most, now),
        }
    }

    #[cold]
    fn begin(&mut self, sample: Waiting, most: usize, now: i64) {
        if self.spare.capacity() < most {
            self.free_spare();
        }
        let mut batch = Batch { samples: std::mem::take(&mut self.spare), since: now };
        if batch.samples.capacity() == 0 {
            batch.samples.reserve_exact(most);
            self.bytes += batch.bytes();
        }
        batch.samples.push(sample);
        self.batches.push_back(batch);
    }

    /// Takes the oldest.
    pub(crate) fn take(&mut self) -> Option<Batch> {
        self.batches.pop_front()
    }

    /// Takes note that so many samples of batches that were taken no longer wait.
    pub(crate) fn done(&mut self, samples: usize) {
        self.waiting -= samples;
    }

    /// Takes the memory of a batch back that was taken.
    pub(crate) fn finish(&mut self, mut batch: Batch) {
        batch.samples.clear();
        self.free_spare();
        self.spare = batch.samples;
    }

    /// Frees the memory that is kept for the next batch.
    pub(crate) fn free_spare(&mut self) {
        let spare = std::mem::take(&mut self.spare);
        self.bytes -= spare.capacity() * size_of::<Waiting>();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_batch_is_used_again_and_counts_until_it_is_freed() {
        const MOST: usize = 8;
        let mut batches = Batches::default();
        let fill = |batches: &mut Batches, most| {
            batches.add(Waiting { series: 0, milliseconds: 0, value: 0.0 }, most, 0);
            let batch = batches.take().unwrap();
            batches.done(batch.len());
            let place = batch.samples.as_ptr();
            batches.finish(batch);
            (place, batches.bytes())
        };
        let first = fill(&mut batches, MOST);
        assert!(first.1 >= MOST * size_of::<Waiting>());
        assert_eq!(fill(&mut batches, MOST), first);
        // One that is too small for what is wished now makes way.
        assert!(fill(&mut batches, 2 * MOST).1 >= 2 * MOST * size_of::<Waiting>());
        batches.free_spare();
        assert_eq!(batches.bytes(), 0);
    }
}
