//! Numbers of what hosts are parted into, so that none is taken for another.

use smallvec::SmallVec;

/// A part of the hosts: what one target of each tier that parts them alike gets. See [`Partitions`](crate::plan::Partitions).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

/// The shares that a host is in, one for each of its copies: partition by partition, and of each its first owner first.
/// Most configurations have few.
pub type Shares = SmallVec<[Share; 4]>;

/// Where the shares of a host start in [those of a batch](crate::batch::Batch::shares).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Start(u32);

impl Start {
    /// Behind so many shares.
    #[inline]
    pub fn behind(shares: usize) -> Self {
        // Two bytes each: a batch never takes as much memory.
        Self(shares as u32)
    }

    /// As an index.
    #[inline]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}
