//! A datagram from anyone.

/// Any bytes decode without panic, and what came out survives being packed again, in every way.
pub fn holds(bytes: &[u8]) {
    coco_core::wire::round_trip::survives(bytes);
}
