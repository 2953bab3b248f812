//! Which of a host's metrics has a name.

use super::names::NameId;
use hashbrown::HashTable;

/// The number of a metric among its host's.
pub type MetricId = u32;

/// From a name's number to a metric's.
///
/// Names are numbered as they are first seen, so those that most hosts have, have small numbers: they are looked up in
/// an array of two bytes each, which takes a quarter of a hash table's memory and half of its cache misses. The
/// array stays in proportion to the number of metrics; what lies beyond it is in a hash table.
#[derive(Debug, Default)]
pub(super) struct MetricIndex {
    /// At the index of a name's number, the metric's number and 1; 0 for none.
    common: Vec<u16>,
    rare: HashTable<MetricId>,
}

/// How far the array reaches for a host of no metrics, and for each that it has.
const REACH: usize = 64;
const REACH_OF_METRIC: usize = 4;

/// What the array costs at most beyond the cost of each metric.
pub(super) const OVERHEAD: usize = 2 * REACH * size_of::<u16>();

/// What a metric costs at most in either.
pub(super) const METRIC_COST: usize = 2 * REACH_OF_METRIC * size_of::<u16>();

impl MetricIndex {
    /// The metric that has a name. `is_named` says whether a metric does, `hash` is the name's.
    #[inline]
    pub(super) fn find(
        &self,
        name: NameId,
        hash: u64,
        is_named: impl Fn(MetricId) -> bool,
    ) -> Option<MetricId> {
        match self.common.get(name as usize) {
            Some(&slot) if slot > 0 => Some(MetricId::from(slot) - 1),
            _ => self.rare.find(hash, |&metric| is_named(metric)).copied(),
        }
    }

    /// Adds a metric whose name has none yet. `hash_of` is the hash of a metric's name.
    pub(super) fn insert(&mut self, name: NameId, metric: MetricId, hash_of: impl Fn(&MetricId) -> u64) {
        let reach = REACH + REACH_OF_METRIC * metric as usize;
        match u16::try_from(metric + 1) {
            Ok(slot) if (name as usize) < reach => {
                if self.common.len() <= name as usize {
                    self.common.resize(name as usize + 1, 0);
                }
                self.common[name as usize] = slot;
            }
            _ => {
                self.rare.insert_unique(hash_of(&metric), metric, hash_of);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        /// Whatever the numbers of the names are, and in whichever order they come.
        #[test]
        fn every_metric_is_found_by_its_name_and_nothing_else(
            names in proptest::collection::vec(prop_oneof![0..100_u32, 0..5000_u32, any::<u32>()], 0..300),
            absent in any::<u32>(),
        ) {
            let mut seen = BTreeSet::new();
            let names: Vec<_> = names.into_iter().filter(|name| seen.insert(*name)).collect();
            let hash = |name: NameId| u64::from(name).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mut index = MetricIndex::default();
            for (metric, &name) in names.iter().enumerate() {
                index.insert(name, metric as MetricId, |&metric| hash(names[metric as usize]));
            }
            let find = |name| index.find(name, hash(name), |metric| names[metric as usize] == name);
            for (metric, &name) in names.iter().enumerate() {
                prop_assert_eq!(find(name), Some(metric as MetricId));
            }
            prop_assert!(seen.contains(&absent) || find(absent).is_none());
            prop_assert!(index.common.capacity() * 2 <= OVERHEAD + names.len() * METRIC_COST);
        }
    }
}
