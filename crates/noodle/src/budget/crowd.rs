//! Requests that are many requests to targets: what they may take together, so that others have their turn.
//!
//! Each such request, each request to a target that comes of it, and each connection for that takes memory before there
//! is an answer. It is lent from the [`Budget`] of the answers before it is taken, and no more than a part of that: a
//! quarter for requests, half for connections. Who is beyond waits outside, where it costs nothing but its connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::pace::Pace;
use super::{Budget, Exhausted, Reservation};

/// What a request to a target takes while it waits for its turn, and what is noted of it behind that.
pub const WAITING: usize = 2 * 1024;

/// What a connection takes, with its buffers and what goes on on it.
pub const CONNECTION: usize = 32 * 1024;

/// The bounds of all of them.
#[derive(Debug, Clone)]
pub struct Crowd {
    all: Budget,
    requests: Budget,
    connections: Budget,
    /// Bytes that those wait for who are outside.
    outside: Arc<AtomicUsize>,
    pace: Arc<Pace>,
}

/// The right to ask many targets.
#[derive(Debug)]
pub struct Admitted {
    since: Instant,
    pace: Arc<Pace>,
    _reservations: [Reservation; 2],
}

/// What a connection takes, lent.
#[derive(Debug)]
pub struct Lent(#[expect(dead_code, reason = "held, not read")] (Option<Reservation>, Reservation));

impl Crowd {
    /// Within this.
    pub fn new(all: &Budget) -> Self {
        let part = |part| Budget::new(all.limit() / part);
        let (requests, connections) = (part(4), part(2));
        Self { all: all.clone(), requests, connections, outside: Arc::default(), pace: Arc::default() }
    }

    /// The same within other limits: what is lent stays lent.
    #[must_use]
    pub fn within(&self, all: &Budget) -> Self {
        Self {
            all: all.clone(),
            requests: self.requests.with_limit(all.limit() / 4),
            connections: self.connections.with_limit(all.limit() / 2),
            ..self.clone()
        }
    }

    /// Admits a request that takes so many bytes, within so long; at once says no to one whose turn would not come.
    pub async fn admit(&self, bytes: usize, patience: Duration) -> Result<Admitted, Exhausted> {
        let outside = Outside::new(&self.outside, bytes);
        if self.pace.wait(outside.ahead, self.requests.limit()) > patience {
            return Err(Exhausted);
        }
        let deadline = Instant::now() + patience;
        let part = self.requests.lend(bytes, patience).await?;
        let whole = self.all.lend(bytes, deadline.saturating_duration_since(Instant::now())).await?;
        Ok(Admitted { since: Instant::now(), pace: Arc::clone(&self.pace), _reservations: [part, whole] })
    }

    /// Lends what a connection takes, one of many or of one.
    pub async fn connection(&self, is_of_many: bool, patience: Duration) -> Result<Lent, Exhausted> {
        if !is_of_many {
            return Ok(Lent((None, self.all.lend(CONNECTION, patience).await?)));
        }
        let deadline = Instant::now() + patience;
        let part = self.connections.lend(CONNECTION, patience).await?;
        let left = deadline.saturating_duration_since(Instant::now());
        Ok(Lent((Some(part), self.all.lend(CONNECTION, left).await?)))
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.pace.note_turn(self.since);
    }
}

/// Who waits outside, or is about to.
struct Outside<'a> {
    all: &'a AtomicUsize,
    bytes: usize,
    /// What others wait for.
    ahead: usize,
}

impl<'a> Outside<'a> {
    fn new(all: &'a AtomicUsize, bytes: usize) -> Self {
        Self { all, bytes, ahead: all.fetch_add(bytes, Ordering::Relaxed) }
    }
}

impl Drop for Outside<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(1);

    #[test]
    fn many_take_a_part_of_the_memory_and_leave_the_rest_to_others() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let all = Budget::new(8 * CONNECTION);
            let crowd = Crowd::new(&all);
            let admitted = crowd.admit(2 * CONNECTION, MOMENT).await.unwrap();
            assert_eq!(crowd.admit(1, MOMENT).await.unwrap_err(), Exhausted);
            let mut lent = Vec::new();
            for _ in 0..4 {
                lent.push(crowd.connection(true, MOMENT).await.unwrap());
            }
            assert_eq!(crowd.connection(true, MOMENT).await.unwrap_err(), Exhausted);
            lent.push(crowd.connection(false, MOMENT).await.unwrap());
            assert_eq!(all.lent(), 7 * CONNECTION);
            drop((lent, admitted));
            assert_eq!(all.lent(), 0);
            crowd.admit(1, MOMENT).await.unwrap();
        });
    }

    /// Half an hour is no time to wait in a test either.
    #[test]
    fn whose_turn_would_come_too_late_is_told_at_once() {
        const LONG: Duration = Duration::from_secs(1800);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let crowd = Crowd::new(&Budget::new(400));
            let mut long_ago = crowd.admit(1, LONG).await.unwrap();
            long_ago.since -= 2 * LONG;
            drop(long_ago);
            let first = crowd.admit(100, LONG).await.unwrap();
            let second = crowd.admit(100, LONG);
            let third = async {
                tokio::task::yield_now().await;
                let third = crowd.admit(100, LONG).await;
                drop(first);
                third
            };
            let (second, third) = tokio::join!(second, third);
            assert!(second.is_ok());
            assert_eq!(third.unwrap_err(), Exhausted);
        });
    }
}
