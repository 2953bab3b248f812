//! Reading the body of an answer into memory that is accounted for.

use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

use super::cause;
use crate::budget::{Budget, Held};
use crate::failure::Failure;

/// Room behind a body for what Noodle adds, so that it need not be moved for that.
const ROOM: usize = 512;

/// How much of a body that nobody reads is taken from the connection, so that the connection can be used again.
const WORTH_DRAINING: usize = 64 * 1024;

/// Reads all of a body, which must not be larger than `max`.
pub(super) async fn read(mut body: Incoming, max: usize, budget: &Budget) -> Result<Held, Failure> {
    let hint = body.size_hint();
    let announced = hint.lower().max(hint.upper().unwrap_or(0));
    let announced = usize::try_from(announced).ok().filter(|announced| *announced <= max);
    let announced = announced.ok_or(Failure::TooLarge(max))?;
    let reservation = budget.reserve(announced + ROOM)?;
    let mut held = Held { bytes: Vec::with_capacity(announced + ROOM), reservation };
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Failure::BrokenOff(cause(&error).to_string()))?;
        let Some(data) = frame.data_ref() else { continue };
        let length = held.bytes.len() + data.len();
        if length > max {
            return Err(Failure::TooLarge(max));
        }
        if length > held.bytes.capacity() {
            // Twice as much each time, as a vector grows; reserved before it does.
            let capacity = (2 * length).min(max) + ROOM;
            held.reservation.resize(capacity)?;
            held.bytes.reserve_exact(capacity - held.bytes.len());
        }
        held.bytes.extend_from_slice(data);
    }
    Ok(held)
}

/// Takes what is left of a body off the connection, if it is little. Returns whether that is all of it.
pub(super) async fn drain(mut body: Incoming) -> bool {
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
