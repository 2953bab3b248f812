//! Reading the body of an answer into memory that is accounted for.

use std::pin::pin;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use tokio::time::{Instant, sleep_until};

use super::cause;
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

/// Reads all of a body until `deadline`. What it takes to wait for memory does not count.
pub(in crate::upstream) async fn read(
    mut body: Incoming,
    deadline: Instant,
    limits: Limits<'_>,
) -> Result<Held, Failure> {
    let Limits { most, timeout, budget } = limits;
    let hint = body.size_hint();
    let announced = hint.lower().max(hint.upper().unwrap_or(0));
    let announced = usize::try_from(announced).ok().filter(|announced| *announced <= most);
    let capacity = announced.ok_or(Failure::TooLarge(most))? + ROOM;
    let mut late = pin!(sleep_until(deadline));
    let asked = Instant::now();
    let reservation = budget.lend(capacity + SPARE, timeout).await?;
    late.as_mut().reset(deadline + asked.elapsed());
    let mut held = Held { bytes: Vec::with_capacity(capacity), reservation };
    held.reservation.spare(SPARE);
    loop {
        let frame = tokio::select! {
            biased;
            frame = body.frame() => frame,
            () = &mut late => return Err(Failure::BodyTimeout(timeout)),
        };
        let Some(frame) = frame else { return Ok(held) };
        let frame = frame.map_err(|error| Failure::BrokenOff(cause(&error).to_string()))?;
        let Some(data) = frame.data_ref() else { continue };
        let length = held.bytes.len() + data.len();
        if length > most {
            return Err(Failure::TooLarge(most));
        }
        if length > held.bytes.capacity() {
            let asked = Instant::now();
            grow(&mut held, (2 * length).min(most) + ROOM, timeout).await?;
            let deadline = late.deadline() + asked.elapsed();
            late.as_mut().reset(deadline);
        }
        held.bytes.extend_from_slice(data);
    }
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
pub(in crate::upstream) async fn drain(mut body: Incoming) -> bool {
    let mut left = WORTH_DRAINING;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        match left.checked_sub(frame.data_ref().map_or(0, bytes::Bytes::len)) {
            Some(less) => left = less,
            None => return false,
        }
    }
    true
}
