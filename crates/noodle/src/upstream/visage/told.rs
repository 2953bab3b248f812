//! Rows as a Visage tells them: values without times, for a window.

use std::collections::BTreeMap;

use ::series::grid::{Grid, Step};
use ::series::series::Series;
use serde::Deserialize;

use crate::ask::Window;
use crate::ask::rows::{HostRows, MetricRows, SourceRows};
use crate::ask::text::Text;
use crate::failure::Failure;

/// What a value takes while it is read, in bytes: twice that of the list that it stands in, which grows.
const VALUE: usize = 48;

/// Rows of this many seconds, 34 years, and longer ones are no rows.
const LONGEST_STEP: i64 = 1 << 30;

/// `{PLUGIN: {INSTANCE: {DATA SOURCE: {"data": [...]}}}}`
type Told = BTreeMap<String, BTreeMap<String, BTreeMap<String, Source>>>;

#[derive(Deserialize)]
struct Source {
    data: Vec<Option<f64>>,
}

/// The rows of a host in an answer for a window.
///
/// # Errors
/// When it is no such answer, or takes more memory than there is.
pub fn rows(host: &[u8], answer: Text, window: Window) -> Result<HostRows, Failure> {
    let Text { body, object, .. } = answer;
    let (bytes, mut reservation) = (body.bytes, body.reservation);
    let member = object.member(&String::from_utf8_lossy(host)).ok_or(Failure::OtherHost)?;
    let text = &bytes[member.value.clone()];
    // Each value is a digit and a comma at least.
    reservation.grow(text.len() / 2 * VALUE)?;
    let told: Told = serde_json::from_slice(text).map_err(|_| Failure::NoList("series"))?;
    let mut metrics = Vec::new();
    for (plugin, instances) in told {
        for (instance, sources) in instances {
            let source = |(name, source): (String, Source)| {
                let rows = series(&source.data, window)?;
                Some(SourceRows { name: name.into_bytes().into(), is_rate: None, rows })
            };
            metrics.push(MetricRows {
                plugin: plugin.clone().into_bytes().into(),
                instance: instance.into_bytes().into(),
                sources: sources.into_iter().filter_map(source).collect(),
            });
        }
    }
    Ok(HostRows { metrics, listed: None, unread: None, reservation })
}

/// Values on the grid that they are most likely of. None where there are no values.
fn series(values: &[Option<f64>], window: Window) -> Option<Series> {
    let (start, finish) = (window.start.max(0), window.finish.max(0));
    let count = i64::try_from(values.len()).ok().filter(|count| *count > 0)?;
    let step = step(start, finish, count)?;
    // Those that Visage has made fewer of lie between the rows of any grid: each counts for the row that it is nearest to.
    let grid = Grid::new(start.div_euclid(step) * step, Step::new(u32::try_from(step).ok()?)?, values.len());
    Series::new(grid.ok()?, values).ok()
}

/// The step of rows of which there are so many in a window, less the last: one that fits, in whole tens of seconds if one
/// of those does, as collectd's mostly are.
fn step(start: i64, finish: i64, count: i64) -> Option<i64> {
    let about = (finish - start) / count;
    let fits = |step: &i64| *step > 0 && finish / step - start / step == count;
    let near = (about - about / count - 2).max(1)..=(about + about / count + 2);
    let found = near.clone().filter(|step| step % 10 == 0).find(fits).or_else(|| near.clone().find(fits));
    Some(found.unwrap_or(about).max(1)).filter(|step| *step < LONGEST_STEP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_is_the_one_that_the_number_of_values_fits() {
        for (window, step) in
            [(3_600, 10), (86_400, 70), (604_800, 500), (2_678_400, 2230), (300, 1), (1_196, 10)]
        {
            let start = 1_795_200_903;
            let count = (start + window) / step - start / step;
            assert_eq!(super::step(start, start + window, count), Some(step), "{window}");
        }
    }

    #[test]
    fn rows_end_where_those_of_the_file_do() {
        let window = Window { start: 1_003, finish: 1_027, now: 2_000 };
        let rows = series(&[Some(1.0), None], window).unwrap();
        assert_eq!(rows.grid().ends().collect::<Vec<_>>(), [1_010, 1_020]);
        assert_eq!(rows.values().collect::<Vec<_>>(), [Some(1.0), None]);
        assert!(series(&[], window).is_none());
    }
}
