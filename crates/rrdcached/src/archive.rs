//! Which archive of a file librrd reads, without asking: `rrd_fetch_fn` of rrd_fetch.c, 1.7.2, for a step of -1, which is
//! what rrdcached asks with.

use crate::command::Window;
use crate::info::{Archive, Info};

/// Whether an archive serves a consolidation function: its own, or any of the four where a row is one data point.
fn serves(archive: &Archive, function: &[u8]) -> bool {
    const ALIKE: [&[u8]; 4] = [b"AVERAGE", b"MIN", b"MAX", b"LAST"];
    let is_alike = |name: &[u8]| ALIKE.contains(&name);
    archive.function == function
        || archive.points_per_row == 1 && is_alike(&archive.function) && is_alike(function)
}

/// What an archive holds: when its first row begins, and its last ends.
fn span(info: &Info, archive: &Archive) -> (i64, i64, i64) {
    let step = info.step * archive.points_per_row;
    let end = info.last_update - info.last_update % step;
    (end - step * archive.rows, end, step)
}

/// Seconds from row to row in what librrd gives for a window; `None` where no archive has this consolidation function.
///
/// The finest archive that reaches back to the start of the window; where none does, the one that covers most of it,
/// and of those the finest.
#[must_use]
pub fn step(info: &Info, function: &str, window: Window) -> Option<i64> {
    let fitting = info.archives.iter().filter(|archive| serves(archive, function.as_bytes()));
    let spans: Vec<_> = fitting.map(|archive| span(info, archive)).collect();
    let reaching = spans.iter().filter(|(begin, _, _)| *begin <= window.start());
    let whole = reaching.map(|(_, _, step)| *step).min();
    // Rust's min_by_key takes the first of equal ones, as librrd does.
    let nearest = spans.iter().min_by_key(|(begin, _, step)| (*begin, *step)).map(|(_, _, step)| *step);
    whole.or(nearest)
}

/// When the longest archive of a consolidation function begins: rows that end before it are unknown.
#[must_use]
pub fn oldest(info: &Info, function: &str) -> Option<i64> {
    let fitting = info.archives.iter().filter(|archive| serves(archive, function.as_bytes()));
    fitting.map(|archive| span(info, archive).0).min()
}
