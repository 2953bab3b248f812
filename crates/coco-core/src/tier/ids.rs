//! Numbers of tiers, and of targets in their tier, so that none is taken for the other.

/// A tier, by its place in the order of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TierId(usize);

impl TierId {
    /// The one that is asked first.
    pub const FIRST: Self = Self(0);

    /// By its number, from 0.
    #[inline]
    pub fn new(number: usize) -> Self {
        Self(number)
    }

    /// Its number.
    #[inline]
    pub fn number(self) -> usize {
        self.0
    }
}

/// A target, by its place in its tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetId(usize);

impl TargetId {
    /// By its number, from 0.
    #[inline]
    pub fn new(number: usize) -> Self {
        Self(number)
    }

    /// Its number.
    #[inline]
    pub fn number(self) -> usize {
        self.0
    }
}
