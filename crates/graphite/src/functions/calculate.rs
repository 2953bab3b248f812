//! Lines and deviations that are calculated of whole series.

use super::legend::as_python_tells;
use super::lines::constant;
use super::made::of_each;
use crate::aggregate::{Aggregation, mean};
use crate::function::{
    Arguments, Awaited, Context, FirstArgument, Function, Kind, Made, Parameter, SERIES, Value,
};
use crate::percentile::percentile;
use crate::text::number::{general, round};
use crate::time::interval;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::plain(
        "aggregateLine",
        "Calculate",
        &[
            SERIES,
            Parameter::optional("func", Kind::AggFunc).with_default("average"),
            Parameter::optional("keepStep", Kind::Boolean).with_default("false"),
        ],
        "An aggregation of each series, as a line.",
        aggregate_line,
    ),
    Function::plain(
        "stdev",
        "Calculate",
        &[
            SERIES,
            Parameter::required("points", Kind::Integer),
            Parameter::optional("windowTolerance", Kind::Float).with_default("0.1"),
        ],
        "The standard deviation of so many rows up to each; unknown where a smaller share is known.",
        moving_deviation,
    )
    .per_series(),
    Function::windowed(
        "exponentialMovingAverage",
        "Calculate",
        &[SERIES, Parameter::required("windowSize", Kind::IntOrInterval)],
        "An average in which the weight of older rows falls off, by so many rows or so much time.",
        exponential_moving_average,
    ),
    Function::plain(
        "integralByInterval",
        "Transform",
        &[SERIES, Parameter::required("intervalUnit", Kind::Interval)],
        "The sum of all values so far, beginning anew after each interval.",
        integral_by_interval,
    ),
    Function::plain(
        "averageOutsidePercentile",
        "Filter Series",
        &[SERIES, Parameter::required("n", Kind::Float)],
        "Series whose means are not between those of the n-th percentile and its opposite.",
        average_outside,
    ),
];

fn aggregate_line(context: &mut Context<'_, '_>, mut given: Arguments) -> Made {
    let (aggregation, keeps_step) = (given.aggregation(1, Aggregation::Average)?, given.is_true(2));
    let mut lines = Vec::new();
    for series in given.series()? {
        let value = aggregation.of(series.values());
        let told = if value.is_nan() { "None".to_owned() } else { general(value) };
        let name = format!("aggregateLine({}, {told})", series.name);
        let line = if keeps_step {
            context.budget.take_points(series.values().len())?;
            series.renamed(name, vec![value; series.values().len()])
        } else {
            let mut line = constant(context, value, &as_python_tells(&series, aggregation, value))?;
            line.wrap(name);
            line
        };
        lines.push(line);
    }
    Ok(lines)
}

fn moving_deviation(context: &mut Context<'_, '_>, mut given: Arguments) -> Made {
    let points = usize::try_from(given.integer(1)?).ok();
    let Some(points) = points else { return Err(given.wrong("points must not be negative")) };
    let tolerance = given.optional_number(2)?.unwrap_or(0.1);
    let all = given.series()?;
    of_each(context, all, |series| {
        series.tags.set("stdev", points.to_string());
        series.has_integers = false;
        let (mut known, mut sum, mut squares) = (0.0, 0.0, 0.0);
        let values = series.values();
        let deviations = values.iter().enumerate().map(|(row, value)| {
            let dropped = row.checked_sub(points).map_or(f64::NAN, |row| values[row]);
            if !dropped.is_nan() {
                (known, sum, squares) = (known - 1.0, sum - dropped, squares - dropped * dropped);
            }
            if !value.is_nan() {
                (known, sum, squares) = (known + 1.0, sum + value, squares + value * value);
            }
            let is_enough = known > 0.0 && known / points as f64 >= tolerance;
            if is_enough { (known * squares - sum * sum).sqrt() / known } else { f64::NAN }
        });
        let deviations = deviations.collect();
        Ok(series.renamed(format!("stdev({},{points})", series.name), deviations))
    })
}

fn exponential_moving_average(
    context: &mut Context<'_, '_>,
    first: &mut dyn FirstArgument,
    given: &Arguments,
) -> Awaited {
    let (now, held) = (context.window, context.budget.held());
    let current = first.series(context, now)?;
    let Some(step) = current.iter().map(|series| series.step).max() else { return Ok(Vec::new()) };
    drop(current);
    context.budget.back_to(held);
    let (preview, rows, noted) = match given.value(1) {
        None => return Err(given.wrong("needs windowSize").into()),
        Some(Value::Text(text)) => (interval(text)?.abs(), None, format!("\"{text}\"")),
        Some(value) => {
            let rows = value.to_integer().filter(|rows| (0..1 << 40).contains(rows));
            let rows =
                rows.ok_or_else(|| given.wrong("windowSize is a number of rows or a length of time"))?;
            (step.saturating_mul(rows), Some(rows), given.printed(1))
        }
    };
    let weight = 2.0 / (rows.unwrap_or(preview) as f64 + 1.0);
    let all = first.series(context, now.starting_earlier(preview))?;
    context.take_names(all.len(), noted.len() + 30)?;
    let averages = of_each(context, all, |series| {
        let rows = usize::try_from(rows.unwrap_or(preview / series.step)).unwrap_or(usize::MAX);
        let (before, behind) = series.values().split_at(rows.min(series.values().len()));
        let mut average = Some(mean(before)).filter(|mean| !mean.is_nan()).unwrap_or(0.0);
        let mut values = Vec::with_capacity(behind.len() + 1);
        values.push(round(average, 6));
        for value in behind {
            if !value.is_nan() {
                average = weight * value + (1.0 - weight) * average;
            }
            values.push(if value.is_nan() { f64::NAN } else { round(average, 6) });
        }
        series.tags.set("exponentialMovingAverage", given.printed(1));
        series.has_integers = false;
        let mut made = series.renamed(format!("exponentialMovingAverage({},{noted})", series.name), values);
        made.start = series.start.saturating_add(preview);
        Ok(made)
    })?;
    Ok(averages)
}

fn integral_by_interval(context: &mut Context<'_, '_>, mut given: Arguments) -> Made {
    let text = given.text(1)?.to_owned();
    let duration = interval(&text)?.abs();
    let all = given.series()?;
    if duration == 0 && !all.is_empty() {
        return Err(given.wrong("the interval must be longer than 0"));
    }
    context.take_names(all.len(), text.len() + 24)?;
    let from = context.window.from;
    of_each(context, all, |series| {
        let mut sum = 0.0;
        let mut time = series.start - from;
        let values = series.values().iter().map(|value| {
            if time.div_euclid(duration) != (time - series.step).div_euclid(duration) {
                sum = 0.0;
            }
            if !value.is_nan() {
                sum += value;
            }
            time += series.step;
            sum
        });
        let values = values.collect();
        series.tags.set("integralByInterval", text.clone());
        series.has_integers = false;
        Ok(series.renamed(format!("integralByInterval({},'{text}')", series.name), values))
    })
}

fn average_outside(_: &mut Context<'_, '_>, mut given: Arguments) -> Made {
    let n = given.number(1)?;
    let n = if n < 50.0 { 100.0 - n } else { n };
    let mut all = given.series()?;
    let averages: Vec<_> = all.iter().map(|series| mean(series.values())).collect();
    let of = |n| percentile(&averages, n, false).map_err(|_| given.wrong("there is no such percentile"));
    let (low, high) = (of(100.0 - n)?, of(n)?);
    if averages.iter().any(|average| average.is_nan()) {
        return Err(given.wrong("a series of which nothing is known has no mean"));
    }
    let is_between = |average: f64| low < average && average < high;
    all.retain(|series| !is_between(mean(series.values())));
    Ok(all)
}
