//! What became of a batch.

use smallvec::SmallVec;

use crate::batch::Verdict;
use crate::memory::Marks;
use crate::outlets::Written;
use crate::share::Start;

/// See the module.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) accepted: u64,
    pub(super) rejected: u64,
    pub(super) unremembered: u64,
    pub(super) renamed: u64,
    /// Those of all hosts of the stretch at hand.
    pub(super) marks: Marks,
    /// Accepted ones of unsettled hosts.
    pub(super) unsettled: u64,
    /// To whom these are sent, by partition.
    pub(super) written: SmallVec<[Written; 4]>,
}

impl Tally {
    #[inline]
    pub(super) fn verdict(&mut self, rejected: bool, shares: Start) -> Verdict {
        self.rejected += u64::from(rejected);
        self.accepted += u64::from(!rejected);
        verdict(rejected, shares)
    }
}

/// That of the filter, uncounted.
#[inline]
pub(super) fn verdict(rejected: bool, shares: Start) -> Verdict {
    if rejected { Verdict::Rejected } else { Verdict::Accepted(shares) }
}
