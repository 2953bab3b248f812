//! A datagram from anyone.

// A law of coco-core's own tests, which is not shipped with it.
#[path = "../../coco-core/tests/support/round_trip.rs"]
mod round_trip;

/// Any bytes decode without panic, and what came out survives being packed again, in every way.
pub fn holds(bytes: &[u8]) {
    round_trip::survives(bytes);
}
