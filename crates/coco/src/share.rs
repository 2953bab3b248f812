//! Numbers of what hosts are parted into and sent to, so that none is taken for another.

use coco_core::id;
use coco_core::recycle::recycle;
use smallvec::SmallVec;

/// A part of the hosts: what one target of each tier that parts them alike gets. See [`Partitions`](crate::plan::Partitions).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u16);

impl Share {
    /// By its number. There are no more than targets in all tiers, of which a configuration has at most
    /// [as many](coco_core::tier::MAX_TARGETS) as there are numbers.
    pub fn new(number: usize) -> Self {
        Self(number.try_into().expect("a configuration has no more targets"))
    }

    /// Its number.
    #[inline]
    pub fn number(self) -> usize {
        self.0.into()
    }
}

/// A way to part all hosts, by its number among [`Partitions`](crate::plan::Partitions).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionId(u16);

impl PartitionId {
    /// By its number. There are no more than tiers.
    pub fn new(number: usize) -> Self {
        Self(number.try_into().expect("a configuration has no more tiers"))
    }

    /// Its number.
    #[inline]
    pub fn number(self) -> usize {
        self.0.into()
    }
}

id! {
    /// An outlet, by its number among [`Outlets`](crate::outlets::Outlets): tier by tier, in the order of the configuration.
    OutletId
}

id! {
    /// A lane: where it counts what it does at an [`Outlet`](crate::outlets::Outlet).
    LaneId
}

/// The shares that a host is in, one for each of its copies: partition by partition, and of each its first owner first.
/// Most configurations have few.
pub type Shares = SmallVec<[Share; 4]>;

/// Shares of many hosts, one list behind the other. Before each stands how long it is, as hosts that are on their way to
/// other targets have more than others.
#[derive(Debug, Default)]
pub struct ShareLists(Vec<Share>);

/// Where the list of a host starts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Start(u32);

impl ShareLists {
    /// Adds a list behind the others.
    #[inline]
    pub fn add(&mut self, shares: &[Share]) -> Start {
        // Two bytes each: a batch never takes as much memory.
        let start = Start(self.0.len() as u32);
        match shares {
            // In most configurations; it needs one look at the room that is left.
            [only] => self.0.extend([Share(1), *only]),
            _ => self.extend(shares),
        }
        start
    }

    #[inline(never)]
    fn extend(&mut self, shares: &[Share]) {
        self.0.push(Share::new(shares.len()));
        // One by one: they are few, and a copy of any length is a call.
        shares.iter().for_each(|share| self.0.push(*share));
    }

    /// The list that starts there.
    #[inline]
    pub fn get(&self, start: Start) -> &[Share] {
        let lists = &self.0[start.0 as usize..];
        &lists[1..=lists[0].number()]
    }

    /// Forgets all, and keeps memory for about so many.
    pub fn recycle(&mut self, kept: usize) {
        recycle(&mut self.0, kept);
    }

    /// The number of shares and lists together.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
