#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| coco_fuzz::head::holds(bytes));
