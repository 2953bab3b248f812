//! Functions that choose among series.

use std::collections::HashSet;

use crate::aggregate::{Aggregation, is_enough, known, mean};
use crate::error::Error;
use crate::function::{Arguments, Context, Function, Kind, Made, Parameter, SERIES, SERIES_LISTS, Value};
use crate::series::TimeSeries;
use crate::text::pattern::Pattern;

const OPERATORS: &[&str] = &["!=", "<", "<=", "=", ">", ">="];
const THRESHOLD: &[Parameter] = &[SERIES, Parameter::required("n", Kind::Float)];
const PATTERN: &[Parameter] = &[SERIES, Parameter::required("pattern", Kind::String)];

const fn choose(
    name: &'static str,
    parameters: &'static [Parameter],
    help: &'static str,
    run: fn(&mut Context<'_, '_>, Arguments) -> Made,
) -> Function {
    Function::plain(name, "Filter Series", parameters, help, run)
}

pub(super) const FUNCTIONS: &[Function] = &[
    choose("currentAbove", THRESHOLD, "Series whose last known value is above n.", |_, given| {
        filter(given, Aggregation::Last, ">")
    })
    .per_series(),
    choose("currentBelow", THRESHOLD, "Series whose last known value is n or below.", |_, given| {
        filter(given, Aggregation::Last, "<=")
    })
    .per_series(),
    choose("maximumAbove", THRESHOLD, "Series whose greatest value is above n.", |_, given| {
        filter(given, Aggregation::Max, ">")
    })
    .per_series(),
    choose("maximumBelow", THRESHOLD, "Series whose greatest value is n or below.", |_, given| {
        filter(given, Aggregation::Max, "<=")
    })
    .per_series(),
    choose("minimumAbove", THRESHOLD, "Series whose least value is above n.", |_, given| {
        filter(given, Aggregation::Min, ">")
    })
    .per_series(),
    choose("minimumBelow", THRESHOLD, "Series whose least value is n or below.", |_, given| {
        filter(given, Aggregation::Min, "<=")
    })
    .per_series(),
    choose("averageAbove", THRESHOLD, "Series whose mean is above n.", |_, given| {
        filter(given, Aggregation::Average, ">")
    })
    .per_series(),
    choose("averageBelow", THRESHOLD, "Series whose mean is n or below.", |_, given| {
        filter(given, Aggregation::Average, "<=")
    })
    .per_series(),
    choose(
        "filterSeries",
        &[
            SERIES,
            Parameter::required("func", Kind::AggFunc),
            Parameter::required("operator", Kind::String).one_of(OPERATORS),
            Parameter::required("threshold", Kind::Float),
        ],
        "Series an aggregation of which compares with a threshold.",
        filter_series,
    ),
    choose("grep", PATTERN, "Series whose names a regular expression matches.", |context, given| {
        by_pattern(context, given, true)
    }),
    choose(
        "exclude",
        PATTERN,
        "Series whose names a regular expression does not match.",
        |context, given| by_pattern(context, given, false),
    ),
    choose(
        "limit",
        &[SERIES, Parameter::required("n", Kind::Integer)],
        "The first n series.",
        |_, mut given| {
            let n = match given.value(1) {
                Some(Value::None) => i64::MAX,
                _ => given.integer(1)?,
            };
            Ok(first(given.series()?, n))
        },
    ),
    choose(
        "mostDeviant",
        &[SERIES, Parameter::required("n", Kind::Integer)],
        "The n series that deviate the most from their means.",
        most_deviant,
    ),
    choose(
        "removeEmptySeries",
        &[SERIES, Parameter::optional("xFilesFactor", Kind::Float)],
        "Series of which something is known, or at least a share.",
        |_, mut given| {
            let wanted = given.optional_number(1)?.unwrap_or(0.0);
            let mut all = given.series()?;
            all.retain(|one| is_enough(known(one.values()).count(), one.values().len() as f64, wanted));
            Ok(all)
        },
    ),
    choose("unique", &[SERIES_LISTS], "The first series of each name.", |_, mut given| {
        let mut seen = HashSet::new();
        let mut all = given.all_series()?.unwrap_or_default();
        all.retain(|one| seen.insert(one.name.clone()));
        Ok(all)
    }),
];

/// Python's `series[:n]`.
pub(super) fn first(mut all: Vec<TimeSeries>, n: i64) -> Vec<TimeSeries> {
    let n_of_them = usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX);
    all.truncate(if n >= 0 { n_of_them } else { all.len().saturating_sub(n_of_them) });
    all
}

/// A series of which nothing is known is below anything.
fn compares(value: f64, operator: &str, threshold: f64) -> bool {
    match operator {
        "=" => value == threshold,
        "!=" => value != threshold,
        ">" => value > threshold,
        ">=" => value >= threshold,
        "<" => value.is_nan() || value < threshold,
        _ => value.is_nan() || value <= threshold,
    }
}

fn filter(mut given: Arguments, aggregation: Aggregation, operator: &str) -> Made {
    let n = given.number(1)?;
    let mut all = given.series()?;
    all.retain(|one| compares(aggregation.of(one.values()), operator, n));
    Ok(all)
}

fn filter_series(_: &mut Context<'_, '_>, mut given: Arguments) -> Made {
    let aggregation = Aggregation::named(given.text(1)?)?;
    let operator = given.text(2)?;
    if !OPERATORS.contains(&operator) {
        return Err(Error::Unsupported { what: "operator", name: operator.to_owned() });
    }
    let (operator, threshold) = (operator.to_owned(), given.number(3)?);
    let mut all = given.series()?;
    all.retain(|one| compares(aggregation.of(one.values()), &operator, threshold));
    Ok(all)
}

fn by_pattern(context: &mut Context<'_, '_>, mut given: Arguments, keeps: bool) -> Made {
    context.budget.compile()?;
    let pattern = Pattern::new(given.text(1)?, context.budget.limits)?;
    let mut all = given.series()?;
    all.retain(|one| pattern.is_in(&one.name) == keeps);
    Ok(all)
}

fn most_deviant(_: &mut Context<'_, '_>, mut given: Arguments) -> Made {
    let n = given.integer(1)?;
    let deviation = |series: &TimeSeries| {
        let mean = mean(series.values());
        let squares: f64 = known(series.values()).map(|value| (value - mean).powi(2)).sum();
        squares / known(series.values()).count() as f64
    };
    let with_deviation = given.series()?.into_iter().map(|series| (deviation(&series), series));
    let mut known: Vec<_> = with_deviation.filter(|(deviation, _)| !deviation.is_nan()).collect();
    known.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    Ok(first(known.into_iter().map(|(_, series)| series).collect(), n))
}
