//! How much memory the answers under way take together.
//!
//! One request may be for a whole fleet, and many may come at a time; what bounds a single answer does not bound
//! them all. Who holds bytes of an answer, or what is made of them, holds a reservation for them, until they have left
//! for the client.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A number of bytes that are lent.
#[derive(Debug, Clone)]
pub struct Budget {
    limit: usize,
    lent: Arc<AtomicUsize>,
}

/// All is lent: try again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted;

impl Budget {
    /// This many bytes, none of them lent.
    pub fn new(limit: usize) -> Self {
        Self { limit, lent: Arc::default() }
    }

    /// The same with another limit: what is lent stays lent.
    #[must_use]
    pub fn with_limit(&self, limit: usize) -> Self {
        Self { limit, lent: Arc::clone(&self.lent) }
    }

    /// Lends bytes.
    pub fn reserve(&self, bytes: usize) -> Result<Reservation, Exhausted> {
        let mut reservation = Reservation { budget: self.clone(), bytes: 0 };
        reservation.grow(bytes)?;
        Ok(reservation)
    }

    /// Bytes lent now.
    pub fn lent(&self) -> usize {
        self.lent.load(Ordering::Relaxed)
    }
}

/// Bytes of a [`Budget`] that are given back when this is dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: Budget,
    bytes: usize,
}

impl Reservation {
    /// Lends more. Nothing changes when there is not enough.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Exhausted> {
        let Budget { limit, lent } = &self.budget;
        let add = |lent: usize| lent.checked_add(bytes).filter(|lent| lent <= limit);
        lent.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).map_err(|_| Exhausted)?;
        self.bytes += bytes;
        Ok(())
    }

    /// Lends more, or gives back, so that it comes to `bytes`.
    pub fn resize(&mut self, bytes: usize) -> Result<(), Exhausted> {
        match self.bytes.checked_sub(bytes) {
            None => self.grow(bytes - self.bytes),
            Some(spare) => {
                self.budget.lent.fetch_sub(spare, Ordering::Relaxed);
                self.bytes = bytes;
                Ok(())
            }
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.lent.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What an allocator takes for a short text beside the text, at most.
const ALLOCATION: usize = 32;

/// Appends to a list, for whose growth `lend` pays before it grows: with the text that the item holds.
pub(crate) fn push<T, E>(
    list: &mut Vec<T>,
    item: T,
    text: usize,
    mut lend: impl FnMut(usize) -> Result<(), E>,
) -> Result<(), E> {
    if list.len() == list.capacity() {
        let more = list.len().max(4);
        lend(more * size_of::<T>())?;
        list.reserve_exact(more);
    }
    if text > 0 {
        lend(text + ALLOCATION)?;
    }
    list.push(item);
    Ok(())
}

/// Bytes with the reservation that pays for them.
#[derive(Debug)]
pub struct Held {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// For as many of them as there were when it was last looked after, and for what was made of them.
    pub reservation: Reservation,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_list_takes_is_paid_for_before_it_grows() {
        let budget = Budget::new(1000);
        let mut reservation = budget.reserve(0).unwrap();
        let mut list: Vec<[u8; 100]> = Vec::new();
        for _ in 0..8 {
            push(&mut list, [0; 100], 0, |bytes| reservation.grow(bytes)).unwrap();
            assert_eq!(budget.lent(), 100 * list.capacity());
        }
        assert_eq!(push(&mut list, [0; 100], 0, |bytes| reservation.grow(bytes)), Err(Exhausted));
        assert_eq!((list.len(), list.capacity()), (8, 8));
        let mut texts = Vec::new();
        push(&mut texts, "a".to_owned(), 1, |bytes| reservation.grow(bytes)).unwrap();
        assert_eq!(budget.lent(), 800 + 4 * size_of::<String>() + 1 + ALLOCATION);
    }

    #[test]
    fn no_more_is_lent_than_there_is_and_all_comes_back() {
        let budget = Budget::new(100);
        let mut one = budget.reserve(60).unwrap();
        assert_eq!(budget.reserve(41).unwrap_err(), Exhausted);
        assert_eq!(one.grow(usize::MAX), Err(Exhausted));
        one.grow(40).unwrap();
        assert_eq!(budget.lent(), 100);
        one.resize(10).unwrap();
        let other = budget.reserve(90).unwrap();
        assert_eq!(one.resize(11), Err(Exhausted));
        drop(one);
        assert_eq!(budget.lent(), 90);
        drop(other);
        assert_eq!(budget.lent(), 0);
    }
}
