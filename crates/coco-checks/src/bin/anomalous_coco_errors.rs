//! `anomalous_coco_errors`: has the rate of Coco's errors changed?

#![forbid(unsafe_code)]

use std::process::ExitCode;

use coco_checks::question::Check;

fn main() -> ExitCode {
    coco_checks::run(Check::Errors)
}
