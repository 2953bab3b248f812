#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| coco_fuzz::remote_read::holds(bytes));
