//! divideSeries and asPercent.

use std::collections::HashMap;

use super::combine::{pair, path_expressions};
use super::nodes::{group_key, grouped};
use crate::aggregate::Aggregation;
use crate::align::{Aligned, Grid};
use crate::consolidate::consolidate;
use crate::error::Error;
use crate::function::{Arguments, Context, Function, Kind, Made, Parameter, SERIES, Value};
use crate::series::TimeSeries;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::plain(
        "divideSeries",
        "Combine",
        &[
            Parameter::required("dividendSeriesList", Kind::SeriesList),
            Parameter::required("divisorSeries", Kind::SeriesList),
        ],
        "Each series divided by exactly one other, row by row; unknown where that is 0 or unknown.",
        divide,
    ),
    Function::plain(
        "asPercent",
        "Combine",
        &[
            SERIES,
            Parameter::optional("total", Kind::Any),
            Parameter::optional("nodes", Kind::NodeOrTag).many(),
        ],
        "Each series in percent of a total: their sum, a number, one series, or as many series, paired by name. With \
         nodes, in percent of the total of its group.",
        as_percent,
    )
    .also(&["pct"]),
];

/// Python's `a / b`, where nothing and 0 divide nothing.
fn quotient(dividend: f64, divisor: f64) -> f64 {
    if divisor == 0.0 { f64::NAN } else { dividend / divisor }
}

fn percent(part: f64, total: f64) -> f64 {
    quotient(part, total) * 100.0
}

fn divide(context: &mut Context<'_, '_>, mut arguments: Arguments) -> Made {
    let mut dividends = arguments.series_at(0)?;
    let divisors = arguments.series_at(1)?;
    let divisor = match &divisors[..] {
        [divisor] => divisor,
        [] => {
            for series in &mut dividends {
                series.wrap(format!("divideSeries({},MISSING)", series.name));
                series.values_mut().fill(f64::NAN);
            }
            return Ok(dividends);
        }
        several => {
            return Err(
                arguments.wrong(format!("divisorSeries must be exactly 1 series, not {}", several.len()))
            );
        }
    };
    context.take_names(dividends.len(), divisor.name.len() + 16)?;
    let mut quotients = Vec::with_capacity(dividends.len());
    for dividend in &dividends {
        let name = format!("divideSeries({},{})", dividend.name, divisor.name);
        let (grid, values) = pair(context, dividend, divisor, quotient)?;
        quotients.push(grid.series(name, values, context.x_files_factor));
    }
    Ok(quotients)
}

fn as_percent(context: &mut Context<'_, '_>, mut arguments: Arguments) -> Made {
    let series = arguments.series()?;
    let Some(grid) = Grid::of(series.iter())? else { return Ok(Vec::new()) };
    let total = match arguments.value(1) {
        Some(Value::Series(_)) => Some(arguments.series_at(1)?),
        _ => None,
    };
    if !arguments.rest().is_empty() {
        let without_total = matches!(arguments.value(1), None | Some(Value::None));
        if total.is_none() && !without_total {
            return Err(arguments.wrong("with nodes, total must be None or series"));
        }
        return of_groups(context, &arguments, &series, total.as_deref());
    }
    match (total, arguments.value(1)) {
        (Some(total), _) => of_series(context, &arguments, &series, &total),
        (None, None | Some(Value::None)) => {
            let references: Vec<_> = series.iter().collect();
            let Some(aligned) = Aligned::of(&references)? else { return Ok(Vec::new()) };
            context.budget.work(aligned.len().saturating_mul(series.len()))?;
            let totals = aligned.rows(|row| Ok(Aggregation::Sum.of(row)))?;
            let name = format!("sumSeries({})", path_expressions(&series));
            by_totals(context, &series, grid, &totals, &name)
        }
        (None, Some(number)) => {
            let text = number.printed().unwrap_or_default();
            let number =
                number.number().ok_or_else(|| arguments.wrong("total must be a number or series"))?;
            let totals = vec![number; series[0].values().len()];
            by_totals(context, &series, grid, &totals, &text)
        }
    }
}

/// Each in percent of the same rows. They keep their own step, as they always did, even where rows were made fewer.
fn by_totals(
    context: &mut Context<'_, '_>,
    series: &[TimeSeries],
    grid: Grid,
    totals: &[f64],
    total: &str,
) -> Made {
    context.take_names(series.len(), total.len() + 16)?;
    let mut percents = Vec::with_capacity(series.len());
    for one in series {
        let values = grid.values(one)?;
        let length = values.len().max(totals.len());
        context.budget.take_points(length)?;
        let at = |values: &[f64], row: usize| values.get(row).copied().unwrap_or(f64::NAN);
        let values = (0..length).map(|row| percent(at(&values, row), at(totals, row))).collect();
        let total = if total.is_empty() { &one.path_expression } else { total };
        let name = format!("asPercent({},{total})", one.name);
        let own = Grid { start: one.start, end: one.end, step: one.step };
        percents.push(own.series(name, values, context.x_files_factor));
    }
    Ok(percents)
}

fn of_series(
    context: &mut Context<'_, '_>,
    arguments: &Arguments,
    series: &[TimeSeries],
    total: &[TimeSeries],
) -> Made {
    if total.len() == series.len() {
        let longest = total.iter().map(|one| one.name.len()).sum();
        context.take_names(1, longest)?;
        let mut percents = Vec::with_capacity(series.len());
        for (one, other) in by_name(series).into_iter().zip(by_name(total)) {
            percents.push(percent_of(context, one, other)?);
        }
        return Ok(percents);
    }
    let [total] = total else {
        return Err(arguments
            .wrong("total must be missing, a number, exactly 1 series or as many as there are series"));
    };
    let Some(grid) = Grid::of(series.iter().chain([total]))? else { return Ok(Vec::new()) };
    let totals = grid.values(total)?;
    by_totals(context, series, grid, &totals, &total.name)
}

fn percent_of(
    context: &mut Context<'_, '_>,
    one: &TimeSeries,
    total: &TimeSeries,
) -> Result<TimeSeries, Error> {
    let (grid, values) = pair(context, one, total, percent)?;
    Ok(grid.series(format!("asPercent({},{})", one.name, total.name), values, context.x_files_factor))
}

fn by_name(series: &[TimeSeries]) -> Vec<&TimeSeries> {
    let mut sorted: Vec<_> = series.iter().collect();
    sorted.sort_by(|one, other| one.name.cmp(&other.name));
    sorted
}

/// Each in percent of the total of its group: the sum of what there is of it among the totals, or the series.
fn of_groups(
    context: &mut Context<'_, '_>,
    arguments: &Arguments,
    series: &[TimeSeries],
    total: Option<&[TimeSeries]>,
) -> Made {
    let groups = grouped(context, series, |context, one| group_key(context, one, arguments.rest()))?;
    let total_groups = match total {
        Some(total) => grouped(context, total, |context, one| group_key(context, one, arguments.rest()))?,
        None => groups.iter().map(|(key, members)| (key.clone(), members.clone())).collect(),
    };
    let mut latest = None;
    let mut totals = HashMap::new();
    for (key, members) in &total_groups {
        totals.insert(key.as_str(), total_of(context, members, &mut latest)?);
    }
    let known: HashMap<_, _> = groups.iter().map(|(key, members)| (key.as_str(), members)).collect();
    let only_totals = total_groups.iter().map(|(key, _)| key.as_str()).filter(|key| !known.contains_key(key));
    let keys: Vec<_> = groups.iter().map(|(key, _)| key.as_str()).chain(only_totals).collect();
    let longest = totals.values().map(|total| total.name.len()).max().unwrap_or_default();
    context.take_names(series.len(), longest + 16)?;
    let mut percents = Vec::new();
    for key in keys {
        let Some(members) = known.get(key) else {
            let total = &totals[key];
            let name = format!("asPercent(MISSING,{})", total.name);
            percents.push(missing(context, arguments, name, total, latest)?);
            continue;
        };
        for one in *members {
            let Some(total) = totals.get(key) else {
                let name = format!("asPercent({},MISSING)", one.name);
                percents.push(missing(context, arguments, name, one, latest)?);
                continue;
            };
            let percent = percent_of(context, one, total)?;
            latest = Some(Grid { start: percent.start, end: percent.end, step: percent.step });
            percents.push(percent);
        }
    }
    Ok(percents)
}

fn total_of(
    context: &mut Context<'_, '_>,
    members: &[&TimeSeries],
    latest: &mut Option<Grid>,
) -> Result<TimeSeries, Error> {
    if let [only] = members {
        return Ok((*only).clone());
    }
    let aligned = Aligned::of(members)?.ok_or(Error::NoSeries)?;
    context.budget.work(aligned.len().saturating_mul(members.len()))?;
    context.budget.take_points(aligned.len())?;
    let values = aligned.rows(|row| Ok(Aggregation::Sum.of(row)))?;
    *latest = Some(aligned.grid);
    let owned: Vec<_> = members.iter().map(|one| (*one).clone()).collect();
    let name = format!("sumSeries({})", path_expressions(&owned));
    Ok(aligned.grid.series(name, values, context.x_files_factor))
}

/// A series or a total without its counterpart: nothing is known, on the grid that was calculated on last.
fn missing(
    context: &mut Context<'_, '_>,
    arguments: &Arguments,
    name: String,
    like: &TimeSeries,
    latest: Option<Grid>,
) -> Result<TimeSeries, Error> {
    let grid = latest.ok_or_else(|| arguments.wrong("no series has a total"))?;
    let rows = usize::try_from(grid.step / like.step).unwrap_or(1).max(1);
    let values = consolidate(like.values(), rows, &like.consolidation, 0.0)?;
    context.budget.take_points(values.len())?;
    Ok(grid.series(name, vec![f64::NAN; values.len()], context.x_files_factor))
}
