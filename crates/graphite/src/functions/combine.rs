//! Combining series into one: sumSeries and its like.

use std::collections::HashSet;

use crate::aggregate::{Aggregation, is_enough, known};
use crate::align::{Aligned, Grid};
use crate::error::Error;
use crate::function::{Arguments, Context, Function, Kind, Made, Parameter, SERIES, SERIES_LISTS};
use crate::percentile::percentile;
use crate::series::TimeSeries;
use crate::text::number::general;

const LISTS: &[Parameter] = &[SERIES_LISTS];

const fn combine(
    name: &'static str,
    help: &'static str,
    run: fn(&mut Context<'_, '_>, Arguments) -> Made,
) -> Function {
    Function::plain(name, "Combine", LISTS, help, run)
}

pub(super) const FUNCTIONS: &[Function] = &[
    combine(
        "sumSeries",
        "The sum of all series, row by row; unknown values are left out.",
        |context, arguments| all(context, arguments, "sum"),
    )
    .also(&["sum"]),
    combine(
        "averageSeries",
        "The mean of all series, row by row; unknown values are left out.",
        |context, arguments| all(context, arguments, "average"),
    )
    .also(&["avg"]),
    combine("minSeries", "The least of all series, row by row.", |context, arguments| {
        all(context, arguments, "min")
    }),
    combine("maxSeries", "The greatest of all series, row by row.", |context, arguments| {
        all(context, arguments, "max")
    }),
    combine("diffSeries", "The first series less all others, row by row.", |context, arguments| {
        all(context, arguments, "diff")
    }),
    combine("stddevSeries", "The standard deviation of all series, row by row.", |context, arguments| {
        all(context, arguments, "stddev")
    }),
    combine(
        "rangeOfSeries",
        "The greatest less the least of all series, row by row.",
        |context, arguments| all(context, arguments, "rangeOf"),
    ),
    combine(
        "multiplySeries",
        "The product of all series, row by row; unknown if one of them is unknown. A single series stays what it is.",
        multiply,
    ),
    combine("countSeries", "How many series there are, in every row, whether known or not.", count),
    Function::plain(
        "aggregate",
        "Combine",
        &[
            SERIES,
            Parameter::required("func", Kind::AggFunc),
            Parameter::optional("xFilesFactor", Kind::Float),
        ],
        "All series as one by an aggregation, row by row; unknown where a smaller share than xFilesFactor is known.",
        by_name,
    ),
    Function::plain(
        "percentileOfSeries",
        "Combine",
        &[
            SERIES,
            Parameter::required("n", Kind::Float),
            Parameter::optional("interpolate", Kind::Boolean).with_default("false"),
        ],
        "The n-th percentile of all series, row by row.",
        percentile_of_rows,
    ),
];

fn all(context: &mut Context<'_, '_>, mut arguments: Arguments, name: &str) -> Made {
    let Some(series) = arguments.all_series()? else { return Ok(Vec::new()) };
    let combined = aggregate(context, &series, name, None)?;
    Ok(combined.into_iter().collect())
}

/// All series as one; None if there are none. The name of the aggregation may end in "Series".
pub(super) fn aggregate(
    context: &mut Context<'_, '_>,
    series: &[TimeSeries],
    name: &str,
    x_files_factor: Option<f64>,
) -> Result<Option<TimeSeries>, Error> {
    let short = name.strip_suffix("Series").unwrap_or(name);
    let unsupported = |_| Error::Unsupported { what: "aggregation function", name: name.to_owned() };
    let aggregation = Aggregation::named(short).map_err(unsupported)?;
    let references: Vec<_> = series.iter().collect();
    let Some(aligned) = Aligned::of(&references)? else { return Ok(None) };
    context.budget.work(aligned.len().saturating_mul(series.len()))?;
    context.budget.take_points(aligned.len())?;
    let wanted = x_files_factor.unwrap_or(context.x_files_factor);
    let values = aligned.rows(|row| {
        let is_enough = is_enough(known(row).count(), row.len() as f64, wanted);
        Ok(if is_enough { aggregation.of(row) } else { f64::NAN })
    })?;
    let name = format!("{short}Series({})", path_expressions(series));
    let own = x_files_factor.unwrap_or(context.x_files_factor);
    let mut combined = aligned.grid.series(name, values, own);
    combined.tags = common_tags(series, &combined.name);
    combined.tags.set("aggregatedBy", short);
    combined.has_integers = aggregation.keeps_integers() && series.iter().all(|one| one.has_integers);
    Ok(Some(combined))
}

fn common_tags(series: &[TimeSeries], name: &str) -> crate::series::Tags {
    let mut tags = series.first().map(|first| first.tags.clone()).unwrap_or_default();
    for other in series {
        tags.retain_common(&other.tags);
    }
    if tags.get("name").is_none() {
        tags.set("name", name);
    }
    tags
}

/// The path expressions of all, each once.
pub(super) fn path_expressions(series: &[TimeSeries]) -> String {
    let mut seen = HashSet::new();
    let once =
        series.iter().map(|one| one.path_expression.as_str()).filter(|expression| seen.insert(*expression));
    once.collect::<Vec<_>>().join(",")
}

fn by_name(context: &mut Context<'_, '_>, mut arguments: Arguments) -> Made {
    let series = arguments.series()?;
    let wanted = arguments.optional_number(2)?;
    let name = arguments.text(1)?;
    // A wrong name is wrong for no series, too.
    Aggregation::named(name.strip_suffix("Series").unwrap_or(name))?;
    Ok(aggregate(context, &series, name, wanted)?.into_iter().collect())
}

fn multiply(context: &mut Context<'_, '_>, mut arguments: Arguments) -> Made {
    let is_one = arguments.rest().len() == 1;
    let Some(series) = arguments.all_series()? else { return Ok(Vec::new()) };
    if is_one && series.len() == 1 {
        return Ok(series);
    }
    Ok(aggregate(context, &series, "multiply", None)?.into_iter().collect())
}

fn count(context: &mut Context<'_, '_>, mut arguments: Arguments) -> Made {
    let Some(series) = arguments.all_series()? else {
        let mut nothing = super::lines::constant(context, 0.0, "0")?;
        nothing.path_expression = "countSeries()".to_owned();
        return Ok(vec![nothing]);
    };
    let references: Vec<_> = series.iter().collect();
    let Some(aligned) = Aligned::of(&references)? else { return Ok(Vec::new()) };
    context.budget.take_points(aligned.len())?;
    let name = format!("countSeries({})", path_expressions(&series));
    let values = vec![series.len() as f64; aligned.len()];
    Ok(vec![aligned.grid.series(name, values, context.x_files_factor)])
}

fn percentile_of_rows(context: &mut Context<'_, '_>, mut arguments: Arguments) -> Made {
    let n = arguments.number(1)?;
    if n <= 0.0 {
        return Err(arguments.wrong("n must be greater than 0"));
    }
    let series = arguments.series()?;
    let Some(first) = series.first() else { return Ok(Vec::new()) };
    let name = format!("percentileOfSeries({},{})", first.path_expression, general(n));
    let references: Vec<_> = series.iter().collect();
    let Some(aligned) = Aligned::of(&references)? else { return Ok(Vec::new()) };
    context.budget.work(aligned.len().saturating_mul(series.len()).saturating_mul(4))?;
    context.budget.take_points(aligned.len())?;
    let is_interpolated = arguments.is_true(2);
    let of_row =
        |row: &[f64]| percentile(row, n, is_interpolated).map_err(|_| arguments.wrong("n is too large"));
    let values = aligned.rows(of_row)?;
    Ok(vec![aligned.grid.series(name, values, context.x_files_factor)])
}

/// Two series as one, row by row; None if a series is missing.
pub(super) fn pair(
    context: &mut Context<'_, '_>,
    one: &TimeSeries,
    other: &TimeSeries,
    of_row: fn(f64, f64) -> f64,
) -> Result<(Grid, Vec<f64>), Error> {
    let aligned = Aligned::of(&[one, other])?.ok_or(Error::NoSeries)?;
    context.budget.work(aligned.len())?;
    context.budget.take_points(aligned.len())?;
    let values = aligned.rows(|row| Ok(of_row(row[0], row[1])))?;
    Ok((aligned.grid, values))
}
