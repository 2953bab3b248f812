//! What few hosts are, kept with each: whoever meets one asks for all of it at once.

use std::ops::BitOrAssign;

/// A bit for each thing that has value lists of a host looked at once more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Marks(u8);

impl Marks {
    /// collectd stores the host under another name.
    pub const RENAMED: Self = Self(1);
    /// It is not simply written to all of its owners.
    pub const UNSETTLED: Self = Self(2);

    /// Of a host that is so or not.
    pub fn new(renamed: bool, unsettled: bool) -> Self {
        let mut marks = Self::default();
        for (mark, is_so) in [(Self::RENAMED, renamed), (Self::UNSETTLED, unsettled)] {
            marks |= if is_so { mark } else { Self::default() };
        }
        marks
    }

    /// Whether there is none, as of most.
    #[inline]
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }

    /// Whether one of them is there.
    #[inline]
    pub fn has(self, mark: Self) -> bool {
        self.0 & mark.0 != 0
    }
}

impl BitOrAssign for Marks {
    #[inline]
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}
