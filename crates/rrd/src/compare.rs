//! What of one file is not in another.

use crate::file::{RrdFile, unknown_of_row, unknown_of_step};
use crate::layout::{LayoutDifference, number};
use crate::merge::{is_same, known};

/// Most differences that are told one by one.
const TOLD: usize = 20;

/// What a comparison found. Only what the former file knows counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Comparison {
    /// Values that the former file knows, up to where both are full.
    pub values: u64,
    /// Those that the new file does not know.
    pub missing: u64,
    /// Those that it knows otherwise.
    pub different: u64,
    /// Some of both, the oldest first.
    pub told: Vec<Difference>,
    /// Steps and rows in progress of which the new file knows less, or otherwise: what they become will differ. None
    /// where the files were not updated last at the same time, so that nobody can tell.
    pub unfinished: Option<u64>,
}

/// A value that is not as it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Which archive, from 0.
    pub archive: usize,
    /// The name of the data source.
    pub source: String,
    /// The end of the row, in Unix seconds.
    pub end: i64,
    /// What the former file has.
    pub former: f64,
    /// What the new one has, if it knows it.
    pub new: Option<f64>,
}

impl Comparison {
    /// Whether nothing that the former file knows is missing or different.
    pub fn is_clean(&self) -> bool {
        self.missing == 0 && self.different == 0
    }

    /// Whether that will stay so, for all that can be told.
    pub fn is_settled(&self) -> bool {
        self.is_clean() && self.unfinished.unwrap_or(0) == 0
    }
}

/// Whether values that both know have to be the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Strictness {
    /// They have to.
    Same,
    /// It is enough that they are known: another former owner counts.
    Known,
}

/// Compares every row of every archive that both files may have: those that ended before either was updated last, less
/// those that the new file keeps no more.
pub fn compare(
    former: &RrdFile,
    new: &RrdFile,
    strictness: Strictness,
) -> Result<Comparison, LayoutDifference> {
    if let Some(difference) = former.layout.difference(&new.layout) {
        return Err(difference);
    }
    let mut found = Comparison::default();
    let layout = &former.layout;
    for archive in 0..layout.archives.len() {
        let newest = new.newest(archive);
        for end in former.ends(archive).take_while(|end| *end <= newest) {
            for source in 0..layout.sources.len() {
                let Some(expected) = known(former, archive, source, end) else { continue };
                let Some(value) = new.value(archive, source, end) else { continue };
                found.values += 1;
                let is_known = !value.is_nan();
                if is_known && (strictness == Strictness::Known || is_same(expected, value)) {
                    continue;
                }
                found.missing += u64::from(!is_known);
                found.different += u64::from(is_known);
                if found.told.len() < TOLD {
                    let source = layout.sources[source].name.clone();
                    let new = is_known.then_some(value);
                    found.told.push(Difference { archive, source, end, former: expected, new });
                }
            }
        }
    }
    found.unfinished = (former.last() == new.last()).then(|| unfinished(former, new, strictness));
    Ok(found)
}

/// How many states of the new file are worse than those of the former.
fn unfinished(former: &RrdFile, new: &RrdFile, strictness: Strictness) -> u64 {
    let mut worse = 0;
    let has_to_be_same = strictness == Strictness::Same;
    for source in 0..former.layout.sources.len() {
        let (state, other) = (former.step_state(source), new.step_state(source));
        let (unknown, known) = (unknown_of_step(state), unknown_of_step(other));
        let differs =
            known == unknown && has_to_be_same && !is_same_sum(number(state, 40), number(other, 40));
        worse += u64::from(known > unknown || differs);
        for archive in 0..former.layout.archives.len() {
            let (state, other) = (former.row_state(archive, source), new.row_state(archive, source));
            let (unknown, known) = (unknown_of_row(state), unknown_of_row(other));
            let differs =
                known == unknown && has_to_be_same && !is_same_sum(number(state, 0), number(other, 0));
            worse += u64::from(known > unknown || differs);
        }
    }
    worse
}

/// Whether two sums are one; unknown ones are.
fn is_same_sum(one: u64, other: u64) -> bool {
    let [one, other] = [one, other].map(f64::from_bits);
    is_same(one, other) || one.is_nan() && other.is_nan()
}
