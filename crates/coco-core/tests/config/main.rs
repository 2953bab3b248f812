//! What a text means, and what is said about one that is wrong.

use coco_core::config::{Config, Program};

/// Single values and their defaults.
mod values;

/// Tiers and targets: order, names, what can't be one.
mod tiers;

/// How hosts are placed on targets.
mod placement;

/// Hosts on their way from targets to others.
mod migration;

/// Who may send, and as whom a tier is sent to.
mod security;

/// Engines that take samples, as the targets of a tier.
mod engines;

/// Names for Graphite's clients.
mod graphite;

/// What is said about everything else that is wrong.
mod problems;

/// The least that Coco starts with.
const TIER: &str = "[tiers.a]\ntargets = ['10.1.1.1:25826']\n";

fn coco(text: &str) -> Config {
    Config::parse(text, Program::Coco).unwrap_or_else(|problems| panic!("{text}\n{problems}"))
}

/// All problems, one a line.
fn problems(text: &str, program: Program) -> String {
    match Config::parse(text, program) {
        Ok(_) => panic!("no problem in\n{text}"),
        Err(problems) => {
            let told = problems.to_string();
            assert_eq!(told.lines().count(), problems.iter().count(), "{told}");
            told
        }
    }
}
