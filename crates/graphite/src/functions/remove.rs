//! Percentiles of series, and values that are above or below something.

use crate::aggregate::known;
use crate::function::{Arguments, Context, Function, Kind, Made, Parameter, SERIES};
use crate::percentile::percentile;
use crate::series::TimeSeries;
use crate::text::number::general;

const N: &[Parameter] = &[SERIES, Parameter::required("n", Kind::Float)];

pub(super) const FUNCTIONS: &[Function] = &[
    Function::plain(
        "nPercentile",
        "Calculate",
        N,
        "The n-th percentile of each series, as a line.",
        n_percentile,
    )
    .per_series(),
    Function::plain(
        "removeAbovePercentile",
        "Filter Data",
        N,
        "Values above the n-th percentile of their series become unknown.",
        |_, given| by_percentile(given, "removeAbovePercentile", |value, bound| value > bound),
    )
    .per_series(),
    Function::plain(
        "removeBelowPercentile",
        "Filter Data",
        N,
        "Values below the n-th percentile of their series become unknown.",
        |_, given| by_percentile(given, "removeBelowPercentile", |value, bound| value < bound),
    )
    .per_series(),
    Function::plain("removeAboveValue", "Filter Data", N, "Values above n become unknown.", |_, given| {
        by_value(given, "removeAboveValue", |value, bound| value > bound)
    })
    .per_series(),
    Function::plain("removeBelowValue", "Filter Data", N, "Values below n become unknown.", |_, given| {
        by_value(given, "removeBelowValue", |value, bound| value < bound)
    })
    .per_series(),
];

/// The percentile and its line; None if nothing is known.
fn of(
    given: &Arguments,
    series: &mut TimeSeries,
    n: f64,
) -> Result<Option<(f64, usize)>, crate::error::Error> {
    if n == 0.0 {
        return Err(given.wrong("n must not be 0"));
    }
    let found =
        percentile(series.values(), n, false).map_err(|_| given.wrong("there is no such percentile"))?;
    if found.is_nan() {
        return Ok(None);
    }
    series.tags.set("nPercentile", given.printed(1));
    let rows = (series.end - series.start) / series.step;
    Ok(Some((found, usize::try_from(rows).unwrap_or_default())))
}

fn n_percentile(context: &mut Context<'_, '_>, mut given: Arguments) -> Made {
    let n = given.number(1)?;
    let mut lines = Vec::new();
    for mut series in given.series()? {
        context.budget.work(series.values().len().saturating_mul(16))?;
        let Some((value, rows)) = of(&given, &mut series, n)? else { continue };
        context.budget.take_points(rows)?;
        let name = format!("nPercentile({}, {})", series.name, general(n));
        lines.push(series.renamed(name, vec![value; rows]));
    }
    Ok(lines)
}

fn by_percentile(mut given: Arguments, name: &str, is_removed: fn(f64, f64) -> bool) -> Made {
    let n = given.number(1)?;
    let mut all = given.series()?;
    for series in &mut all {
        series.wrap(format!("{name}({}, {})", series.name, general(n)));
        let Some((bound, 1..)) = of(&given, series, n)? else { continue };
        remove(series, bound, is_removed);
    }
    Ok(all)
}

fn by_value(mut given: Arguments, name: &str, is_removed: fn(f64, f64) -> bool) -> Made {
    let n = given.number(1)?;
    let mut all = given.series()?;
    for series in &mut all {
        series.wrap(format!("{name}({}, {})", series.name, general(n)));
        remove(series, n, is_removed);
    }
    Ok(all)
}

fn remove(series: &mut TimeSeries, bound: f64, is_removed: fn(f64, f64) -> bool) {
    if known(series.values()).any(|value| is_removed(value, bound)) {
        let values = series.values_mut().iter_mut();
        values.filter(|value| is_removed(**value, bound)).for_each(|value| *value = f64::NAN);
    }
}
