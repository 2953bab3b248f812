//! What the daemons Coco and Noodle have in common.

#![forbid(unsafe_code)]

pub mod command_line;
pub mod counters;
pub mod http;
pub mod logging;
pub mod resolve;
pub mod signals;
