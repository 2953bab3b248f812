//! The metrics of one host: which there are, when each was last seen, and which follows which.

use std::mem::offset_of;

use hashbrown::HashTable;

use super::chunk;
use super::names::{MAX_NAMES, NameId};

/// The filter's verdict on a metric, and when it was last seen. Four bytes, since there may be millions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cell(u32);

/// The low 31 bits of Unix seconds are kept.
const SECONDS: u32 = u32::MAX >> 1;

impl Cell {
    /// No metric.
    const NONE: Self = Self(u32::MAX);

    pub(super) fn new(seen: u32, rejected: bool) -> Self {
        // The last second of 68 years is left to `NONE`.
        Self((seen & SECONDS).min(SECONDS - 1) << 1 | u32::from(rejected))
    }

    pub(super) fn rejected(self) -> bool {
        self.0 & 1 == 1
    }

    /// For how many seconds it has been silent at `now`; not at all if it was seen in what is the future by now, since
    /// the clock was set back.
    pub(super) fn silence(self, now: u32) -> u32 {
        let passed = now.wrapping_sub(self.0 >> 1) & SECONDS;
        if passed <= SECONDS / 2 { passed } else { 0 }
    }

    /// When it was last seen, in Unix seconds: `now` at the latest.
    pub(super) fn seen(self, now: u32) -> u32 {
        now.saturating_sub(self.silence(now))
    }

    /// Has it be silent from `now` on, at the latest.
    pub(super) fn settle(&mut self, now: u32) {
        if self.silence(now) == 0 {
            *self = Self::new(now, self.rejected());
        }
    }

    /// Takes note that it is seen now. Returns whether it is rejected.
    #[inline]
    pub(super) fn see(&mut self, now: u32) -> bool {
        let rejected = self.rejected();
        *self = Self::new(now, rejected);
        rejected
    }

    pub(super) fn decide(&mut self, rejected: bool) {
        self.0 = self.0 & !1 | u32::from(rejected);
    }
}

/// See the module.
///
/// Names are numbered as they are first seen, so those that most hosts have, have small numbers: they are looked up in
/// an array, by a single access. The array stays in proportion to the number of metrics in it; what lies beyond it is
/// in a hash table.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Metrics {
    /// At the index of a name's number.
    common: Vec<Cell>,
    /// Number of metrics in `common`.
    in_common: u32,
    /// The name of the one that was seen last in a run.
    last: NameId,
    /// At the index of a name's number, the metric that followed the last time. As long as `common`, or shorter.
    following: Vec<Following>,
    /// Those with names beyond `common`.
    rare: HashTable<Rare>,
}

#[derive(Debug)]
struct Rare {
    name: NameId,
    cell: Cell,
    following: Following,
}

/// The metric that followed on another one of the host, if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Following(u32);

impl Following {
    const NONE: Self = Self(u32::MAX);

    fn new(Expected { name, alike }: Expected) -> Self {
        Self(name << 2 | alike as u32)
    }

    #[inline]
    fn get(self) -> Option<Expected> {
        (self != Self::NONE).then_some(Expected { name: self.0 >> 2, alike: self.0 as usize & 3 })
    }
}

const _: () = assert!(MAX_NAMES << 2 <= u32::MAX as usize);

/// A metric that is expected to come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) name: NameId,
    /// Number of parts of its name, from the first on, that are those of the one that came last: up to three.
    pub(super) alike: usize,
}

const NO_NAME: NameId = NameId::MAX;

/// Length of the array for a host of no metrics, and what each metric in it adds.
const REACH: usize = 32;
const REACH_OF_METRIC: usize = 3;

impl Default for Metrics {
    fn default() -> Self {
        Self {
            common: Vec::new(),
            in_common: 0,
            last: NO_NAME,
            following: Vec::new(),
            rare: HashTable::new(),
        }
    }
}

impl Metrics {
    /// Number of its bytes that a look-up touches: those of the array and what tells which metric is expected.
    pub(super) const HOT: usize = offset_of!(Self, following);

    /// Number of metrics.
    pub(super) fn len(&self) -> usize {
        self.in_common as usize + self.rare.len()
    }

    /// The metric of a name.
    #[inline]
    pub(super) fn get_mut(&mut self, name: NameId) -> Option<&mut Cell> {
        match self.common.get_mut(name as usize) {
            Some(cell) => (*cell != Cell::NONE).then_some(cell),
            None => Some(&mut self.rare.find_mut(hash(name), |rare| rare.name == name)?.cell),
        }
    }

    /// A copy of the metric of a name.
    pub(super) fn get(&self, name: NameId) -> Option<Cell> {
        match self.common.get(name as usize) {
            Some(cell) => (*cell != Cell::NONE).then_some(*cell),
            None => Some(self.rare.find(hash(name), |rare| rare.name == name)?.cell),
        }
    }

    /// Adds a metric whose name has none yet.
    pub(super) fn insert(&mut self, name: NameId, cell: Cell) {
        self.put(Rare { name, cell, following: Following::NONE });
    }

    /// The length of an array that has a place for this name, if it is to get longer.
    fn longer_for(&self, name: NameId) -> Option<usize> {
        let place = name as usize;
        let reach = REACH + REACH_OF_METRIC * self.in_common as usize;
        let length = reach.min((place + 1) * 5 / 4 + 8);
        // A quarter at least, so that it seldom grows.
        let grows = place >= self.common.len() && place < length && length >= self.common.len() * 5 / 4;
        grows.then_some(length)
    }

    /// Bytes that it takes to insert a metric of this name, at most.
    pub(super) fn growth(&self, name: NameId) -> usize {
        if let Some(length) = self.longer_for(name) {
            return size_of_arrays(length) - size_of_arrays(self.common.capacity());
        }
        let is_rare = name as usize >= self.common.len();
        if !is_rare || self.rare.len() < self.rare.capacity() {
            return 0;
        }
        let size = self.rare.allocation_size();
        chunk(2 * size + 112) - chunk(size)
    }

    fn put(&mut self, metric: Rare) {
        let place = metric.name as usize;
        if let Some(length) = self.longer_for(metric.name) {
            self.grow(length);
        }
        let Rare { name, cell, following } = metric;
        if let Some(common) = self.common.get_mut(place) {
            *common = cell;
            self.in_common += 1;
            self.set_following(name, following);
        } else {
            self.rare.insert_unique(hash(name), metric, |rare| hash(rare.name));
        }
    }

    /// Makes the array longer, and takes over from the table what lies in it now.
    fn grow(&mut self, length: usize) {
        self.common.reserve_exact(length - self.common.len());
        self.common.resize(length, Cell::NONE);
        let moves: Vec<_> = self.rare.extract_if(|rare| (rare.name as usize) < length).collect();
        if !moves.is_empty() {
            self.rare.shrink_to_fit(|rare| hash(rare.name));
            moves.into_iter().for_each(|rare| self.put(rare));
        }
    }

    /// The metric that followed the last time on the one that was seen last in a run: agents send the same ones in the
    /// same order again. Both are there.
    #[inline]
    pub(super) fn expected(&self) -> Option<Expected> {
        self.following_of(self.last)?.get()
    }

    /// The name of the one that was seen last in a run, if it is still there.
    pub(super) fn last(&self) -> Option<NameId> {
        self.get(self.last).map(|_| self.last)
    }

    /// Takes note that the one that was expected has come.
    #[inline]
    pub(super) fn go_on(&mut self, name: NameId) {
        self.last = name;
    }

    /// Takes note that another one has come than was expected.
    pub(super) fn learn_order(&mut self, now: Expected) {
        if self.last().is_some() {
            self.set_following(self.last, Following::new(now));
        }
        self.last = now.name;
    }

    #[inline]
    fn following_of(&self, name: NameId) -> Option<Following> {
        match self.following.get(name as usize) {
            Some(following) => Some(*following),
            None => Some(self.rare.find(hash(name), |rare| rare.name == name)?.following),
        }
    }

    fn set_following(&mut self, name: NameId, following: Following) {
        let place = name as usize;
        if place >= self.common.len() {
            if let Some(rare) = self.rare.find_mut(hash(name), |rare| rare.name == name) {
                rare.following = following;
            }
            return;
        }
        if place >= self.following.len() && following != Following::NONE {
            self.following.reserve_exact(self.common.len() - self.following.len());
            self.following.resize(self.common.len(), Following::NONE);
        }
        if let Some(place) = self.following.get_mut(place) {
            *place = following;
        }
    }

    /// Names and cells, in the order of the names' numbers if they are common.
    pub(super) fn iter(&self) -> impl Iterator<Item = (NameId, Cell)> {
        let common = (0..).zip(&self.common).filter(|(_, cell)| **cell != Cell::NONE);
        common.map(|(name, cell)| (name, *cell)).chain(self.rare.iter().map(|rare| (rare.name, rare.cell)))
    }

    /// As [`iter`](Self::iter).
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (NameId, &mut Cell)> {
        let common = (0..).zip(&mut self.common).filter(|(_, cell)| **cell != Cell::NONE);
        common.chain(self.rare.iter_mut().map(|rare| (rare.name, &mut rare.cell)))
    }

    /// Forgets those that are not to stay, and gives back the memory.
    pub(super) fn retain(&mut self, mut stays: impl FnMut(NameId, &mut Cell) -> bool) {
        let before = self.len();
        for (name, cell) in (0..).zip(&mut self.common) {
            if *cell != Cell::NONE && !stays(name, cell) {
                *cell = Cell::NONE;
                self.in_common -= 1;
            }
        }
        self.rare.retain(|rare| stays(rare.name, &mut rare.cell));
        if self.len() == before {
            return;
        }
        let old = std::mem::take(self);
        self.last = old.last;
        for (name, cell) in old.iter() {
            // A number that is free may be that of another name soon.
            let following = old.following_of(name).and_then(Following::get);
            let following = following.filter(|following| old.get(following.name).is_some());
            self.put(Rare { name, cell, following: following.map_or(Following::NONE, Following::new) });
        }
    }

    /// Bytes on the heap, at most.
    pub(super) fn size(&self) -> usize {
        size_of_arrays(self.common.capacity()) + chunk(self.rare.allocation_size())
    }

    #[cfg(test)]
    fn true_size(&self) -> usize {
        self.common.capacity() * size_of::<Cell>()
            + self.following.capacity() * size_of::<Following>()
            + self.rare.allocation_size()
    }
}

/// Bytes of both arrays, of which `following` gets as long as `common` sooner or later.
fn size_of_arrays(length: usize) -> usize {
    chunk(length * size_of::<Cell>()) + chunk(length * size_of::<Following>())
}

/// Of numbers that follow one another, or that a stranger has chosen.
#[inline]
fn hash(name: NameId) -> u64 {
    u64::from(name).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// The most bytes of a metric: in the arrays, or in the table, which is up to 9/16 empty after it has grown;
    /// rounded up by a quarter.
    const METRIC_COST: usize = 38;

    /// Bytes of a host's arrays and table at their smallest.
    const SMALLEST: usize = REACH * 8 + 160;

    fn expected(name: NameId) -> Expected {
        Expected { name, alike: name as usize % 4 }
    }

    fn names() -> impl Strategy<Value = NameId> {
        prop_oneof![0..100_u32, 0..5000_u32, 0..MAX_NAMES as u32]
    }

    proptest! {
        /// Whatever the numbers of the names are, and in whichever order they come.
        #[test]
        fn every_metric_is_found_by_its_name_and_nothing_else(
            names in proptest::collection::vec((names(), any::<bool>()), 0..300),
            absent in names(),
            modulus in 1_u32..5,
        ) {
            let (mut metrics, mut model) = (Metrics::default(), BTreeMap::new());
            for (name, rejected) in names {
                let cell = Cell::new(name, rejected);
                if model.insert(name, cell).is_none() {
                    let most = metrics.size() + metrics.growth(name);
                    metrics.insert(name, cell);
                    prop_assert!(metrics.size() <= most);
                }
                metrics.get_mut(name).unwrap().decide(rejected);
                metrics.learn_order(expected(name));
                model.insert(name, Cell::new(name, rejected));
                prop_assert!(metrics.true_size() <= metrics.size());
                prop_assert!(metrics.size() <= SMALLEST + model.len() * METRIC_COST);
            }
            for round in 0..2 {
                for (&name, cell) in &model {
                    prop_assert_eq!(metrics.get_mut(name), Some(&mut cell.clone()));
                }
                prop_assert!(model.contains_key(&absent) || metrics.get_mut(absent).is_none());
                prop_assert_eq!(metrics.len(), model.len());
                prop_assert_eq!(metrics.iter().collect::<BTreeMap<_, _>>(), model.clone());
                prop_assert_eq!(metrics.iter_mut().map(|(name, cell)| (name, *cell)).collect::<BTreeMap<_, _>>(), model.clone());
                if round == 0 {
                    metrics.retain(|name, _| name % modulus == 0);
                    model.retain(|name, _| name % modulus == 0);
                    prop_assert!(metrics.true_size() <= metrics.size());
                    prop_assert!(metrics.size() <= SMALLEST + model.len() * METRIC_COST);
                }
            }
        }

        /// Also across what moves from the table to the array, and what is forgotten meanwhile.
        #[test]
        fn what_came_in_an_order_once_is_expected_in_that_order(
            names in proptest::collection::btree_set(names(), 2..300),
            seed in any::<u32>(),
            modulus in 2_u32..5,
        ) {
            let mut names: Vec<_> = names.into_iter().collect();
            names.sort_by_key(|name| name.wrapping_mul(seed | 1));
            let mut metrics = Metrics::default();
            for &name in &names {
                metrics.insert(name, Cell::new(1, false));
                metrics.learn_order(expected(name));
            }
            metrics.learn_order(expected(names[0]));
            metrics.insert(MAX_NAMES as u32, Cell::new(0, false));
            metrics.retain(|name, _| name != MAX_NAMES as u32);
            for &name in names.iter().skip(1).chain(&names[..1]) {
                prop_assert_eq!(metrics.expected(), Some(expected(name)));
                metrics.go_on(name);
            }
            metrics.retain(|name, _| name % modulus == 0);
            for pair in names.windows(2).filter(|pair| pair[0] % modulus == 0) {
                metrics.go_on(pair[0]);
                let stays = pair[1] % modulus == 0 || names.iter().all(|name| name % modulus == 0);
                prop_assert_eq!(metrics.expected(), stays.then_some(expected(pair[1])), "only who is there is expected");
            }
        }

        /// Now, a life of a daemon ago, or ahead because the clock was set back; in any year.
        #[test]
        fn a_time_is_what_it_was_and_never_ahead(
            now in any::<u32>(),
            ago in -1_000_000_000_i64..1_000_000_000,
            rejected in any::<bool>(),
        ) {
            let seen = now.wrapping_sub(ago as u32);
            let mut cell = Cell::new(seen, rejected);
            prop_assert!(cell != Cell::NONE);
            prop_assert_eq!(cell.rejected(), rejected);
            if seen & SECONDS != SECONDS {
                prop_assert_eq!(i64::from(cell.silence(now)), ago.max(0));
                prop_assert_eq!(cell.seen(now), now.saturating_sub(ago.max(0) as u32));
            }
            cell.settle(now);
            prop_assert_eq!(cell.rejected(), rejected);
            if now & SECONDS != SECONDS && seen & SECONDS != SECONDS {
                let later = now.wrapping_add(77);
                prop_assert_eq!(i64::from(cell.silence(later)), ago.max(0) + 77, "it is silent from now on");
            }
            prop_assert_eq!(cell.see(now), rejected);
            cell.decide(!rejected);
            prop_assert_eq!(cell, Cell::new(now, !rejected));
        }
    }

    #[test]
    fn the_last_second_of_68_years_is_taken_for_the_one_before() {
        let cell = Cell::new(SECONDS, true);
        assert!(cell != Cell::NONE && cell.rejected());
        assert_eq!(cell.seen(SECONDS + 10), SECONDS - 1);
    }
}
