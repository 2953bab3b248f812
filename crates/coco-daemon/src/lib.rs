//! What the daemons Coco and Noodle have in common.

#![forbid(unsafe_code)]

pub mod counters;
