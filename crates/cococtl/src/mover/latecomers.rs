//! Nodes that were away when it was asked what goes where, and are back: nothing is copied to one before it is known that
//! there is room for all that is to come.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use super::crew::Desk;
use super::plan::Plan;
use super::way::{Node, Passage};
use crate::failure::Failure;

/// See the module. By the nodes that hosts go to; each lets one passage at a time ask.
#[derive(Debug, Default)]
pub(super) struct Latecomers(BTreeMap<Node, Mutex<Unplanned>>);

/// What was not planned of what goes to one node.
#[derive(Debug, Default)]
struct Unplanned {
    /// The nodes that it comes from.
    from: BTreeSet<Node>,
    /// All that goes there, planned or not.
    passages: Vec<Passage>,
    /// What is told of it once it is known to have no room.
    full: Option<String>,
}

impl Latecomers {
    /// Those that a plan of these passages does without.
    pub(super) fn new(plan: &Plan, passages: &[Passage]) -> Self {
        let mut unplanned: BTreeMap<Node, Unplanned> = BTreeMap::new();
        for Passage { from, to, .. } in passages.iter().filter(|passage| !plan.has(passage)) {
            unplanned.entry(to.clone()).or_default().from.insert(from[0].clone());
        }
        for passage in passages {
            if let Some(unplanned) = unplanned.get_mut(&passage.to) {
                unplanned.passages.push(passage.clone());
            }
        }
        Self(unplanned.into_iter().map(|(node, unplanned)| (node, Mutex::new(unplanned))).collect())
    }

    /// Lets a passage begin if there is room where it goes for all that goes there.
    pub(super) fn admit(&self, passage: &Passage, desk: &mut Desk<'_>) -> Result<(), Failure> {
        let Some(unplanned) = self.0.get(&passage.to) else { return Ok(()) };
        let Unplanned { from, passages, full } =
            &mut *unplanned.lock().unwrap_or_else(PoisonError::into_inner);
        if full.is_none() && from.contains(&passage.from[0]) {
            // First whether it is there at all: to ask for what all hosts have takes a while.
            desk.room(&passage.to)?;
            let plan = Plan::new(desk, passages)?;
            if !plan.has(passage) {
                return Err(Failure::Refused(plan.silent.join("; ")));
            }
            *full = plan.full().next().map(|full| full.to_string());
            passages.iter().filter(|passage| plan.has(passage)).for_each(|passage| {
                from.remove(&passage.from[0]);
            });
        }
        match full {
            Some(told) => Err(Failure::Refused(told.clone())),
            None => Ok(()),
        }
    }
}
