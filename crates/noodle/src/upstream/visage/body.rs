//! Reading the body of an answer into memory that is accounted for.

use std::io;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::connection::Connection;
use super::head::Length;
use super::malformed::Malformed;
use crate::budget::{Budget, Held};
use crate::failure::Failure;

/// Room behind a body for what Noodle adds, so that it need not be moved for that.
const ROOM: usize = 512;

/// How much of a body that nobody reads is taken from the connection, so that the connection can be used again.
const WORTH_DRAINING: usize = 64 * 1024;

/// What of it is spared for what stands in an answer: enough for those of one host, so that who had to wait for memory
/// has to once.
const SPARE: usize = 16 * 1024;

/// How an answer is read.
#[derive(Debug, Clone, Copy)]
pub(in crate::upstream) struct Limits<'a> {
    /// Bytes, at most.
    pub(in crate::upstream) most: usize,
    /// For all of it, and for memory each time that more is needed.
    pub(in crate::upstream) timeout: Duration,
    pub(in crate::upstream) budget: &'a Budget,
}

/// A body that is being read.
pub(in crate::upstream) struct Body<'a> {
    pub(super) connection: &'a mut Connection,
    pub(super) length: Length,
}

/// Until when it must be complete.
struct Deadline {
    at: Instant,
    timeout: Duration,
}

/// Reads all of a body until `deadline`. What it takes to wait for memory does not count.
pub(in crate::upstream) async fn read(
    mut body: Body<'_>,
    deadline: Instant,
    limits: Limits<'_>,
) -> Result<Held, Failure> {
    let Limits { most, timeout, budget } = limits;
    let mut deadline = Deadline { at: deadline, timeout };
    let announced = if let Length::Known(length) = body.length { length } else { 0 };
    let announced = usize::try_from(announced).ok().filter(|announced| *announced <= most);
    let capacity = announced.ok_or(Failure::TooLarge(most))? + ROOM;
    let reservation = match budget.lend_at_once(capacity + SPARE) {
        Some(reservation) => reservation,
        None => deadline.besides(budget.lend(capacity + SPARE, timeout)).await?,
    };
    let mut held = Held { bytes: Vec::with_capacity(capacity), reservation };
    held.reservation.spare(SPARE);
    while let Some(came) = deadline.keep(body.next()).await? {
        let length = held.bytes.len() + came;
        if length > most {
            return Err(Failure::TooLarge(most));
        }
        if length > held.bytes.capacity() {
            deadline.besides(grow(&mut held, (2 * length).min(most) + ROOM, timeout)).await?;
        }
        held.bytes.extend_from_slice(&body.connection.came()[..came]);
        body.connection.take(came);
        while let Length::Known(left @ 1..) = &mut body.length {
            *left -= deadline.keep(body.connection.read_into(&mut held.bytes, *left)).await?;
        }
    }
    Ok(held)
}

/// Twice as much each time, as a vector grows. While it moves there are both the old and the new.
async fn grow(held: &mut Held, capacity: usize, patience: Duration) -> Result<(), Failure> {
    let old = held.bytes.capacity();
    held.reservation.grow_in_turn(capacity, patience).await?;
    held.bytes.reserve_exact(capacity - held.bytes.len());
    held.reservation.give_back(old);
    Ok(())
}

/// Takes what is left of a body off the connection, if it is little. Returns whether that is all of it.
pub(in crate::upstream) async fn drain(mut body: Body<'_>) -> bool {
    let mut left = WORTH_DRAINING;
    loop {
        match body.next().await {
            Ok(None) => return true,
            Ok(Some(came)) if came <= left => {
                body.connection.take(came);
                left -= came;
            }
            Ok(Some(_)) | Err(_) => return false,
        }
    }
}

impl Body<'_> {
    /// How many bytes of it have come; none at its end.
    async fn next(&mut self) -> io::Result<Option<usize>> {
        loop {
            let came = self.connection.came();
            let length = match &mut self.length {
                Length::Known(left) => {
                    let length = usize::try_from(*left).map_or(came.len(), |left| left.min(came.len()));
                    *left -= length as u64;
                    length
                }
                Length::Chunked(chunks) => {
                    let (passed, length) = chunks.next(came)?;
                    self.connection.take(passed);
                    length
                }
                Length::Open => came.len(),
            };
            if length > 0 {
                return Ok(Some(length));
            }
            let is_over = match &self.length {
                Length::Known(left) => *left == 0,
                Length::Chunked(chunks) => chunks.is_over(),
                Length::Open => false,
            };
            if is_over {
                self.connection.finish();
                return Ok(None);
            }
            if !self.connection.read().await? {
                return if self.length == Length::Open { Ok(None) } else { Err(Malformed::CutOff.into()) };
            }
        }
    }
}

impl Deadline {
    /// What is read, in time.
    async fn keep<T>(&self, read: impl Future<Output = io::Result<T>>) -> Result<T, Failure> {
        match timeout_at(self.at, read).await {
            Ok(read) => read.map_err(|problem| Failure::BrokenOff(problem.to_string())),
            Err(_) => Err(Failure::BodyTimeout(self.timeout)),
        }
    }

    /// Waits for what has a time of its own.
    async fn besides<T>(&mut self, other: impl Future<Output = T>) -> T {
        let asked = Instant::now();
        let waited = other.await;
        self.at += asked.elapsed();
        waited
    }
}
