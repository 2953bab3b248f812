//! What the tiers of two processes are to each other: alike, in the middle of a safe step, or apart.

use std::collections::BTreeMap;

use coco_core::tier::Step;
use serde::Serialize;

use crate::disjoint;
use crate::tier_state::{TierState, difference_of};

/// Whether two processes may run at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// They route alike.
    Alike,
    /// Hosts are on the same way in both, which write a whole set of owners of each in common.
    Safe,
    /// Hosts are on the same way in both, and some are written to disjoint owners.
    Unsafe,
    /// They place hosts otherwise, or nobody can say.
    Apart,
}

impl Verdict {
    /// Whether hosts are read and written as they have to be.
    pub fn is_fine(self) -> bool {
        matches!(self, Self::Alike | Self::Safe)
    }

    fn of(step: Option<Step>) -> Self {
        match step {
            Some(Step::None) => Self::Alike,
            Some(Step::Safe) => Self::Safe,
            Some(Step::Unsafe { .. }) => Self::Unsafe,
            Some(Step::Other) | None => Self::Apart,
        }
    }
}

/// In what one process differs from another.
#[derive(Debug)]
pub struct Difference {
    /// For people.
    pub what: String,
    /// What that means.
    pub verdict: Verdict,
    /// See [`disjoint::shares`].
    pub disjoint: Option<BTreeMap<String, f64>>,
}

impl Difference {
    /// Of two whose fingerprints differ.
    pub fn between(here: &[TierState], there: &[TierState]) -> Self {
        let disjoint = disjoint::shares(here, there);
        let apart = |what| Self { what, verdict: Verdict::Apart, disjoint: disjoint.clone() };
        let difference = difference_of(here, there);
        let names = |tiers: &[TierState]| tiers.iter().map(|tier| tier.name.clone()).collect::<Vec<_>>();
        if names(here) != names(there) {
            return apart(difference.unwrap_or_default());
        }
        let steps = here.iter().zip(there).map(|(here, there)| {
            let step = here.rebuilt().zip(there.rebuilt()).map(|(here, there)| Step::between(&here, &there));
            (Verdict::of(step), here, there)
        });
        let steps: Vec<_> = steps.collect();
        let has = |wanted: Verdict| steps.iter().find(|(verdict, ..)| *verdict == wanted);
        let told = |(_, here, there): &(Verdict, &TierState, &TierState)| {
            format!("tier {}: {}, there {}", here.name, here.headway(), there.headway())
        };
        if has(Verdict::Apart).is_some() {
            return apart(difference.unwrap_or_else(|| "nobody can say in what".to_owned()));
        }
        if let Some(step) = has(Verdict::Unsafe) {
            let what = format!("not safe at the same time: {}", told(step));
            return Self { what, verdict: Verdict::Unsafe, disjoint };
        }
        match has(Verdict::Safe) {
            Some(step) => {
                let what = format!("in the middle of a step, safe: {}", told(step));
                Self { what, verdict: Verdict::Safe, disjoint }
            }
            None => Self { what: "the tiers are alike now".to_owned(), verdict: Verdict::Alike, disjoint },
        }
    }

    /// Where a process could not be asked in what it differs.
    pub fn unknown(reason: &str) -> Self {
        Self { what: format!("cannot say in what: {reason}"), verdict: Verdict::Apart, disjoint: None }
    }
}
