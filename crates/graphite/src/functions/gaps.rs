//! Functions that fill what is unknown.

use crate::align::Aligned;
use crate::error::Error;
use crate::function::{Arguments, Context, Function, Kind, Made, Parameter, SERIES, Value};
use crate::series::TimeSeries;
use crate::text::number::general;

const LIMIT: Parameter = Parameter::optional("limit", Kind::IntOrInf).with_default("Infinity");

pub(super) const FUNCTIONS: &[Function] = &[
    Function::plain(
        "keepLastValue",
        "Transform",
        &[SERIES, LIMIT],
        "Fills gaps of at most so many values with the last known one; longer ones stay as they are.",
        keep_last_value,
    )
    .per_series(),
    Function::plain(
        "interpolate",
        "Transform",
        &[SERIES, LIMIT],
        "Fills gaps of at most so many values with a straight line; longer ones stay as they are.",
        interpolate,
    )
    .per_series(),
    Function::plain(
        "transformNull",
        "Transform",
        &[
            SERIES,
            Parameter::optional("default", Kind::Float).with_default("0"),
            Parameter::optional("referenceSeries", Kind::SeriesList),
        ],
        "Puts a number where a value is unknown; with reference series, only where one of them is known.",
        transform_null,
    )
    .per_series(),
];

fn limit(arguments: &Arguments) -> Result<f64, Error> {
    match arguments.value(1) {
        None => Ok(f64::INFINITY),
        Some(_) => arguments.number(1),
    }
}

fn keep_last_value(_: &mut Context<'_, '_>, mut arguments: Arguments) -> Made {
    let limit = limit(&arguments)?;
    let mut all = arguments.series()?;
    for series in &mut all {
        series.wrap(format!("keepLastValue({})", series.name));
        fill(series.values_mut(), limit, true, |last, _, _| last);
    }
    Ok(all)
}

fn interpolate(_: &mut Context<'_, '_>, mut arguments: Arguments) -> Made {
    let limit = limit(&arguments)?;
    let mut all = arguments.series()?;
    for series in &mut all {
        series.wrap(format!("interpolate({})", series.name));
        series.has_integers = false;
        fill(series.values_mut(), limit, false, |last, next, (place, length)| {
            last + place * (next - last) / (length + 1.0)
        });
    }
    Ok(all)
}

/// Fills each gap between known values that is not longer than `limit`, and the one at the end if asked to. `of` gets
/// the values around the gap, the place in it, counted from 1, and its length.
fn fill(values: &mut [f64], limit: f64, fills_end: bool, of: fn(f64, f64, (f64, f64)) -> f64) {
    let mut last: Option<usize> = None;
    for row in 0..=values.len() {
        let next = match values.get(row) {
            Some(value) if value.is_nan() => continue,
            Some(value) => *value,
            None if fills_end => f64::NAN,
            None => break,
        };
        if let Some(last) = last {
            let gap = row - last - 1;
            let before = values[last];
            if gap as f64 <= limit {
                for place in 1..=gap {
                    values[last + place] = of(before, next, (place as f64, gap as f64));
                }
            }
        }
        last = Some(row);
    }
}

fn transform_null(context: &mut Context<'_, '_>, mut arguments: Arguments) -> Made {
    let (default, noted) = match arguments.value(1) {
        None => (0.0, "0".to_owned()),
        Some(_) => (arguments.number(1)?, arguments.printed(1)),
    };
    let mut all = arguments.series()?;
    let references = match arguments.value(2) {
        None | Some(Value::None) => Vec::new(),
        Some(_) => arguments.series_at(2)?,
    };
    let defaults = defaults(context, &references, default)?;
    for series in &mut all {
        series.tags.set("transformNull", noted.clone());
        let of = if references.is_empty() { "" } else { ",referenceSeries" };
        if !references.is_empty() {
            series.tags.set("referenceSeries", "1");
        }
        series.wrap(format!("transformNull({},{}{of})", series.name, general(default)));
        let values = series.values_mut();
        match &defaults {
            Some(defaults) => {
                let rows = values.len();
                let length = rows.max(defaults.len());
                context.budget.take_points(length)?;
                values.resize(length, f64::NAN);
                for (row, value) in values.iter_mut().enumerate().filter(|(_, value)| value.is_nan()) {
                    *value = defaults.get(row).copied().unwrap_or(f64::NAN);
                }
                // Where the references have more rows, graphite-web has always kept the last ones.
                values.drain(..length - rows);
            }
            None => values.iter_mut().filter(|value| value.is_nan()).for_each(|value| *value = default),
        }
    }
    Ok(all)
}

/// What to put into each row; None if it is the same in all.
fn defaults(
    context: &mut Context<'_, '_>,
    references: &[TimeSeries],
    default: f64,
) -> Result<Option<Vec<f64>>, Error> {
    if references.is_empty() {
        return Ok(None);
    }
    // Rows are paired as they are, whatever the steps.
    let mut alike = references.to_vec();
    alike.iter_mut().for_each(|one| one.step = 1);
    let Some(aligned) = Aligned::of(&alike.iter().collect::<Vec<_>>())? else { return Ok(None) };
    context.budget.work(aligned.len().saturating_mul(references.len()))?;
    context.budget.take_points(aligned.len())?;
    let is_known = |row: &[f64]| row.iter().any(|value| !value.is_nan());
    let defaults = aligned.rows(|row| Ok(if is_known(row) { default } else { f64::NAN }))?;
    Ok((!defaults.is_empty()).then_some(defaults))
}

#[cfg(test)]
mod tests {
    use super::*;

    const U: f64 = f64::NAN;

    fn kept(mut values: Vec<f64>, limit: f64) -> String {
        fill(&mut values, limit, true, |last, _, _| last);
        format!("{values:?}")
    }

    #[test]
    fn a_gap_is_filled_whole_or_not_at_all() {
        assert_eq!(kept(vec![U, 1.0, U, 2.0, U, U, 3.0, U], 1.0), "[NaN, 1.0, 1.0, 2.0, NaN, NaN, 3.0, 3.0]");
        assert_eq!(kept(vec![1.0, U, U], 1.0), "[1.0, NaN, NaN]");
        assert_eq!(kept(vec![1.0, U, U], f64::INFINITY), "[1.0, 1.0, 1.0]");
        assert_eq!(kept(vec![U, U], f64::INFINITY), "[NaN, NaN]");
    }
}
