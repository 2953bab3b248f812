//! Choosing owners so that their zones differ as long as zones are left.
//!
//! One after the other is chosen: of the targets that are left, those whose zone was chosen least often, and of these
//! the one that ranks best. Put otherwise: give every target the *turn* of its zone in which it comes, 1 for the best of
//! the zone, 2 for the next; then the owners are the first by turn, and within a turn by rank.
//!
//! ```text
//!           best ------- rank ------> worst
//! zone a:   s1           s4    s5              turn 1: s1 s2 s3, in order of rank
//! zone b:        s2                 s6         turn 2: s4 s6
//! zone c:           s3                         turn 3: s5
//! ```
//!
//! So one pass over the targets is enough, whatever their order. A target that is not among the first of those seen so
//! far never comes back: another one of a zone makes every turn of that zone better or leaves it as it was.

use std::cmp::Ordering;
use std::collections::HashMap;

use smallvec::SmallVec;

use super::error::MAX_REPLICAS;

/// A target that may be chosen.
pub(super) trait Candidate {
    /// The number of its zone.
    fn zone(&self) -> u32;

    /// Its rank: `Less` is better. Never `Equal`, but with itself.
    fn rank(&self, other: &Self) -> Ordering;
}

/// The best candidates of those seen so far, in order.
pub(super) struct Chosen<C> {
    limit: usize,
    /// With one place more than can be chosen, for the one that then leaves.
    list: SmallVec<[InTurn<C>; MAX_REPLICAS + 1]>,
}

struct InTurn<C> {
    turn: u32,
    candidate: C,
}

impl<C: Candidate> Chosen<C> {
    /// None yet, of at most `limit`.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, list: SmallVec::new() }
    }

    /// Looks at one more.
    pub(super) fn offer(&mut self, candidate: C) {
        let zone = candidate.zone();
        let better = self.list.iter().rev().find(|chosen| {
            chosen.candidate.zone() == zone && chosen.candidate.rank(&candidate) == Ordering::Less
        });
        let new = InTurn { turn: better.map_or(1, |better| better.turn + 1), candidate };
        let is_full = self.list.len() >= self.limit;
        if is_full && self.list.last().is_some_and(|last| last.order(&new) == Ordering::Less) {
            return;
        }
        for chosen in &mut self.list {
            if chosen.candidate.zone() == zone && chosen.turn >= new.turn {
                chosen.turn += 1;
            }
        }
        self.list.push(new);
        self.list.sort_unstable_by(InTurn::order);
        self.list.truncate(self.limit);
    }

    /// Those that are chosen, the first owner first.
    pub(super) fn into_iter(self) -> impl Iterator<Item = C> {
        self.list.into_iter().map(|chosen| chosen.candidate)
    }
}

impl<C: Candidate> InTurn<C> {
    fn order(&self, other: &Self) -> Ordering {
        self.turn.cmp(&other.turn).then_with(|| self.candidate.rank(&other.candidate))
    }
}

/// A number for each zone, in the order in which they are met; what has no zone is all of one.
pub(super) fn number<'a>(zones: impl Iterator<Item = Option<&'a str>>) -> Vec<u32> {
    let mut numbers = HashMap::new();
    let numbered = zones.map(|zone| {
        let next = numbers.len() as u32;
        *numbers.entry(zone).or_insert(next)
    });
    numbered.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq)]
    struct Plain {
        zone: u32,
        rank: usize,
    }

    impl Candidate for Plain {
        fn zone(&self) -> u32 {
            self.zone
        }

        fn rank(&self, other: &Self) -> Ordering {
            self.rank.cmp(&other.rank)
        }
    }

    /// As the rule says it: one after the other, of the zones chosen least often the best.
    fn one_by_one(mut left: Vec<Plain>, limit: usize) -> Vec<Plain> {
        let mut chosen: Vec<Plain> = Vec::new();
        while chosen.len() < limit && !left.is_empty() {
            let times = |zone| chosen.iter().filter(|candidate| candidate.zone == zone).count();
            let next = (0..left.len()).min_by_key(|&at| (times(left[at].zone), left[at].rank)).unwrap();
            chosen.push(left.swap_remove(next));
        }
        chosen
    }

    proptest! {
        #[test]
        fn one_pass_chooses_what_the_rule_chooses_one_by_one(
            zones in proptest::collection::vec(0_u32..5, 1..30),
            limit in 1_usize..=MAX_REPLICAS,
            shuffle in any::<u64>(),
        ) {
            let mut all: Vec<_> =
                zones.into_iter().enumerate().map(|(rank, zone)| Plain { zone, rank }).collect();
            all.sort_by_key(|candidate| (candidate.rank as u64 + 1).wrapping_mul(shuffle | 1));
            let mut chosen = Chosen::new(limit);
            all.iter().for_each(|&candidate| chosen.offer(candidate));
            let chosen: Vec<_> = chosen.into_iter().collect();
            prop_assert_eq!(chosen, one_by_one(all, limit));
        }
    }

    #[test]
    fn zones_are_numbered_as_they_are_met() {
        assert_eq!(number([Some("b"), Some("a"), Some("b")].into_iter()), [0, 1, 0]);
        assert_eq!(number([None, None].into_iter()), [0, 0]);
    }
}
