//! One file of two that hold the same metric.
//!
//! Every row that one of them knows is known in what is made of them, as far back as the archives reach. Where both know
//! it, one of them counts: [`Precedence`].
//!
//! What is in progress, steps and rows that are not full yet, can't be put together: it comes from the file that was
//! updated last, whole. If that is both of them, it comes from the one in which less of it is unknown.

use crate::file::{Last, RrdFile, unknown_of_row, unknown_of_step};
use crate::layout::LayoutDifference;

/// Which of two known values counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Precedence {
    /// That of the former owner, who has had all of the host.
    Former,
    /// That of the new owner: a further former owner only fills in what is unknown.
    New,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// The file.
    pub file: RrdFile,
    /// Values that the new file did not know, or knew otherwise.
    pub values: u64,
    /// Whether there is anything that the new file does not have.
    pub is_news: bool,
    /// Whether what is in progress is as good as it is anywhere: false where the new file was updated after the former.
    pub is_exact: bool,
}

/// Makes one file of that of a former owner and that of a new one.
pub fn merge(former: &RrdFile, new: &RrdFile, precedence: Precedence) -> Result<Merged, LayoutDifference> {
    if let Some(difference) = former.layout.difference(&new.layout) {
        return Err(difference);
    }
    let [former_last, new_last] = [former, new].map(RrdFile::last);
    let newer = if former_last > new_last { former } else { new };
    let mut file = newer.clone();
    let layout = &newer.layout;
    let mut values = 0;
    for archive in 0..layout.archives.len() {
        for end in newer.ends(archive) {
            for source in 0..layout.sources.len() {
                let [former, new] = [former, new].map(|file| known(file, archive, source, end));
                let chosen = match precedence {
                    Precedence::Former => former.or(new),
                    Precedence::New => new.or(former),
                };
                let (Some(value), Some(place)) = (chosen, newer.place(archive, source, end)) else {
                    continue;
                };
                values += u64::from(!new.is_some_and(|new| is_same(new, value)));
                file.bytes[place..place + 8].copy_from_slice(&value.to_bits().to_le_bytes());
            }
        }
    }
    if former_last == new_last {
        take_states(former, new, precedence, &mut file);
    }
    let is_news = file.bytes != new.bytes;
    Ok(Merged { file, values, is_news, is_exact: former_last >= new_last })
}

/// What is in progress, of two files that were updated last at the same time.
fn take_states(former: &RrdFile, new: &RrdFile, precedence: Precedence, file: &mut RrdFile) {
    let layout = file.layout.clone();
    // On a tie it is that of the file which counts.
    let is_better = |former: (u64, bool), new: (u64, bool)| match precedence {
        Precedence::Former => former <= new,
        Precedence::New => former < new,
    };
    for source in 0..layout.sources.len() {
        let (state, other) = (former.step_state(source), new.step_state(source));
        if is_better(unknown_of_step(state), unknown_of_step(other)) {
            let at = layout.step_state(source);
            file.bytes[at..at + state.len()].copy_from_slice(state);
        }
        for archive in 0..layout.archives.len() {
            let (state, other) = (former.row_state(archive, source), new.row_state(archive, source));
            if is_better((unknown_of_row(state), false), (unknown_of_row(other), false)) {
                let at = layout.row_state(archive, source);
                file.bytes[at..at + state.len()].copy_from_slice(state);
            }
        }
    }
}

/// A value, if it is there and known.
pub(crate) fn known(file: &RrdFile, archive: usize, source: usize, end: i64) -> Option<f64> {
    file.value(archive, source, end).filter(|value| !value.is_nan())
}

/// Whether two known values are one.
pub(crate) fn is_same(one: f64, other: f64) -> bool {
    one.to_bits() == other.to_bits() || one == other
}

impl Merged {
    /// When it was updated last.
    pub fn last(&self) -> Last {
        self.file.last()
    }
}
