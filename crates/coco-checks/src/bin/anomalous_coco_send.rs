//! `anomalous_coco_send`: has the rate changed at which Coco sends to a target?

#![forbid(unsafe_code)]

use std::process::ExitCode;

use coco_checks::question::Check;

fn main() -> ExitCode {
    coco_checks::run(Check::Send)
}
