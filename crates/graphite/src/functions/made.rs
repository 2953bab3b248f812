//! Making a new series of each.

use crate::error::Error;
use crate::function::{Context, Made};
use crate::series::TimeSeries;

/// A series of each, with at most as many values.
pub(super) fn of_each(
    context: &mut Context<'_, '_>,
    all: Vec<TimeSeries>,
    mut make: impl FnMut(&mut TimeSeries) -> Result<TimeSeries, Error>,
) -> Made {
    let mut made = Vec::with_capacity(all.len());
    for mut series in all {
        context.budget.work(series.values().len())?;
        context.budget.take_points(series.values().len())?;
        made.push(make(&mut series)?);
    }
    Ok(made)
}
