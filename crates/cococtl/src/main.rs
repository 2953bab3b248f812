//! `cococtl COMMAND`: the operator's tool for Coco and Noodle.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    cococtl::run(std::env::args_os())
}
