//! How much memory the answers under way take together.
//!
//! One request may be for a whole fleet, and many may come at a time; what bounds a single answer does not bound
//! them all. Who holds bytes of an answer, or what is made of them, holds a reservation for them, until they have left
//! for the client. Who needs more than there is waits for it in turn, and meanwhile who holds bytes for a client longest
//! has to go: `ledger` knows them. [`crowd`] is what of it requests to many targets may take, [`forms`] what clients send, [`pace`] says whether a
//! queue is too long; [`turns`] bound what takes processor time, as all of it bounds what takes memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use coco_daemon::http::HangUp;
use tokio::time::sleep_until;

use ledger::{Ledger, Waiter};

pub mod crowd;
pub mod forms;
mod ledger;
pub mod pace;
pub mod turns;

/// A number of bytes that are lent.
#[derive(Debug, Clone)]
pub struct Budget {
    limit: usize,
    ledger: Arc<Mutex<Ledger>>,
}

/// All is lent: try again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exhausted;

impl Budget {
    /// This many bytes, none of them lent.
    pub fn new(limit: usize) -> Self {
        Self { limit, ledger: Arc::default() }
    }

    /// The same with another limit: what is lent stays lent.
    #[must_use]
    pub fn with_limit(&self, limit: usize) -> Self {
        Self { limit, ledger: Arc::clone(&self.ledger) }
    }

    /// How many bytes there are.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Lends bytes at once.
    pub fn reserve(&self, bytes: usize) -> Result<Reservation, Exhausted> {
        let mut reservation = Reservation::none(self);
        reservation.grow(bytes)?;
        Ok(reservation)
    }

    /// Lends bytes if nobody has to wait for them.
    pub fn lend_at_once(&self, bytes: usize) -> Option<Reservation> {
        if !self.ledger().lend_to_first(bytes, self.limit) {
            return None;
        }
        let mut reservation = Reservation::none(self);
        reservation.bytes = bytes;
        Some(reservation)
    }

    /// A reservation of nothing, to grow.
    pub fn nothing(&self) -> Reservation {
        Reservation::none(self)
    }

    /// Lends bytes, within so long.
    pub async fn lend(&self, bytes: usize, patience: Duration) -> Result<Reservation, Exhausted> {
        let mut reservation = Reservation::none(self);
        reservation.grow_in_turn(bytes, patience).await?;
        Ok(reservation)
    }

    /// Bytes lent now.
    pub fn lent(&self) -> usize {
        self.ledger().lent()
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes of a [`Budget`] that are given back when this is dropped.
#[derive(Debug)]
pub struct Reservation {
    budget: Budget,
    bytes: usize,
    /// Of these, what is not yet put to use.
    spare: usize,
    /// While a client is to take it: by which number, and of how many bytes, the ledger knows that.
    holder: Option<(u64, usize)>,
}

impl Reservation {
    fn none(budget: &Budget) -> Self {
        Self { budget: budget.clone(), bytes: 0, spare: 0, holder: None }
    }

    /// Lends more, what is spared first. Nothing changes when there is not enough.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Exhausted> {
        let more = bytes.saturating_sub(self.spare);
        if more > 0 && !self.budget.ledger().lend(more, self.budget.limit) {
            return Err(Exhausted);
        }
        self.spare = self.spare.saturating_sub(bytes);
        self.bytes += more;
        Ok(())
    }

    /// Lends more, within so long.
    pub async fn grow_in_turn(&mut self, bytes: usize, patience: Duration) -> Result<(), Exhausted> {
        let Budget { limit, .. } = self.budget;
        if bytes > limit {
            return Err(Exhausted);
        }
        let waiter = self.budget.ledger().lend_in_turn(bytes, limit);
        if let Some(waiter) = waiter {
            Waiting { budget: &self.budget, waiter: Some(waiter), bytes }.served(patience).await?;
        }
        self.bytes += bytes;
        Ok(())
    }

    /// A reservation of nothing, from the same budget.
    pub fn nothing(&self) -> Self {
        Self::none(&self.budget)
    }

    /// Gives so many back.
    pub fn give_back(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.budget.ledger().take_back(bytes);
        self.bytes -= bytes;
    }

    /// Has what another one was lent, too: both are of one budget.
    pub fn take_over(&mut self, mut other: Self) {
        self.bytes += std::mem::take(&mut other.bytes);
    }

    /// So many of these bytes are not put to use yet: they are what [`Self::grow`] lends first.
    pub fn spare(&mut self, bytes: usize) {
        self.spare = bytes.min(self.bytes);
    }

    /// Lends more, or gives back, so that it comes to `bytes`, none of them spared.
    pub fn resize(&mut self, bytes: usize) -> Result<(), Exhausted> {
        self.spare = 0;
        match self.bytes.checked_sub(bytes) {
            None => self.grow(bytes - self.bytes),
            Some(0) => Ok(()),
            Some(surplus) => {
                self.budget.ledger().take_back(surplus);
                self.bytes = bytes;
                Ok(())
            }
        }
    }

    /// From now on this is held until a client has taken what it is for; if others need it, the longest goes first.
    pub fn hold_for(&mut self, hang_up: HangUp) {
        self.holder = Some((self.budget.ledger().hold(self.bytes, hang_up), self.bytes));
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut ledger = self.budget.ledger();
        if let Some((holder, bytes)) = self.holder {
            ledger.let_go(holder, bytes);
        }
        if self.bytes > 0 {
            ledger.take_back(self.bytes);
        }
    }
}

/// A place in the queue, which is left when this is dropped.
struct Waiting<'a> {
    budget: &'a Budget,
    /// Until it has what it waits for.
    waiter: Option<Arc<Waiter>>,
    bytes: usize,
}

impl Waiting<'_> {
    async fn served(mut self, patience: Duration) -> Result<(), Exhausted> {
        let Some(waiter) = self.waiter.clone() else { return Ok(()) };
        let deadline = Instant::now() + patience;
        loop {
            let next = self.budget.ledger().make_room(Instant::now());
            let wake = next.map_or(deadline, |next| next.min(deadline));
            tokio::select! {
                biased;
                () = waiter.is_served.notified() => {
                    self.waiter = None;
                    return Ok(());
                }
                () = sleep_until(wake.into()) => {
                    if Instant::now() >= deadline {
                        return Err(Exhausted);
                    }
                }
            }
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(waiter) = &self.waiter {
            let mut ledger = self.budget.ledger();
            if ledger.leave(waiter) {
                ledger.take_back(self.bytes);
            }
        }
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
    fn what_is_spared_is_put_to_use_first() {
        let budget = Budget::new(100);
        let mut reservation = budget.reserve(60).unwrap();
        reservation.spare(20);
        reservation.grow(15).unwrap();
        assert_eq!(budget.lent(), 60);
        reservation.grow(15).unwrap();
        assert_eq!(budget.lent(), 70);
        reservation.resize(10).unwrap();
        assert_eq!(budget.lent(), 10);
    }

    #[test]
    fn who_waits_has_it_when_it_comes_back_or_leaves_nothing_behind() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let budget = Budget::new(100);
            let first = budget.reserve(80).unwrap();
            assert_eq!(budget.lend(101, Duration::MAX / 2).await.unwrap_err(), Exhausted);
            assert_eq!(budget.lend(50, Duration::ZERO).await.unwrap_err(), Exhausted);
            let waits = budget.lend(50, Duration::from_secs(60));
            let comes_back = async {
                tokio::task::yield_now().await;
                drop(first);
            };
            let (second, ()) = tokio::join!(waits, comes_back);
            assert_eq!(budget.lent(), 50);
            drop(second);
            assert_eq!(budget.lent(), 0);
        });
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
