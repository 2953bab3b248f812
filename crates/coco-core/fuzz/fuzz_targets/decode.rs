//! Any bytes decode without panic, and what came out survives being packed again.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| coco_core::wire::round_trip::survives(bytes));
