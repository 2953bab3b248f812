//! `anomalous_coco_send`: has the rate changed at which Coco sends to a target?

#![forbid(unsafe_code)]

use coco_checks::question::Check;
use std::process::ExitCode;

fn main() -> ExitCode {
    coco_checks::run(Check::Send)
}
