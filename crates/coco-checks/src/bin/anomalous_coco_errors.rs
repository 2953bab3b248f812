//! `anomalous_coco_errors`: has the rate of Coco's errors changed?

#![forbid(unsafe_code)]

use coco_checks::question::Check;
use std::process::ExitCode;

fn main() -> ExitCode {
    coco_checks::run(Check::Errors)
}
