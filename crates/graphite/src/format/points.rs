//! Making points fewer, so that there are not more than a client can draw.
//!
//! The groups lie at multiples of their length, so that a picture does not jitter when it is drawn anew a little later;
//! what stands before the first multiple is lost. A group is labelled with the time of its second row.

use std::borrow::Cow;

use super::Options;
use crate::consolidate::consolidate;
use crate::error::Error;
use crate::series::TimeSeries;

/// The points of one series.
#[derive(Debug)]
pub(super) struct Points<'a> {
    pub(super) series: &'a TimeSeries,
    pub(super) start: i64,
    pub(super) step: i64,
    pub(super) values: Cow<'a, [f64]>,
}

impl Points<'_> {
    /// Values and their times, as many as there is time for.
    pub(super) fn iter(&self) -> impl Iterator<Item = (f64, i64)> {
        let times = (0..).map(|row| self.start + row * self.step);
        let end = self.series.end;
        self.values.iter().copied().zip(times).take_while(move |(_, time)| *time <= end)
    }
}

/// The points of all series.
pub(super) fn consolidated<'a>(all: &'a [TimeSeries], options: &Options) -> Result<Vec<Points<'a>>, Error> {
    if all.iter().all(|series| series.values().is_empty()) {
        return Ok(Vec::new());
    }
    let start = all.iter().map(|series| series.start).min().unwrap_or_default();
    let end = all.iter().map(|series| series.end).max().unwrap_or_default();
    let most = options.max_data_points.filter(|most| *most > 0);
    all.iter().map(|series| points_of(series, end.saturating_sub(start), most)).collect()
}

fn points_of(series: &TimeSeries, range: i64, most: Option<usize>) -> Result<Points<'_>, Error> {
    let fewer = |values: &[f64], rows| {
        consolidate(values, rows, &series.consolidation, series.x_files_factor).map(Cow::Owned)
    };
    let (step, start) = (series.step, series.start);
    let rows = range as f64 / step as f64;
    match most {
        Some(1) => {
            let rows = series.values().len().max(1);
            let values = fewer(series.values(), rows)?;
            Ok(Points { series, start, step: step.saturating_mul(rows as i64), values })
        }
        Some(most) if (most as f64) < rows => {
            let group = (rows / most as f64).ceil() as i64;
            let width = group.saturating_mul(step);
            let nudge = width + start.rem_euclid(step) - start.rem_euclid(width);
            let lost = usize::try_from(nudge / step - 1).unwrap_or_default().min(series.values().len());
            let values = fewer(&series.values()[lost..], usize::try_from(group).unwrap_or(1))?;
            Ok(Points { series, start: start + nudge, step: width, values })
        }
        _ => Ok(Points { series, start, step, values: Cow::Borrowed(series.values()) }),
    }
}
