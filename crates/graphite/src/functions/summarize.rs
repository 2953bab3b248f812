//! summarize, smartSummarize and hitcount: values in buckets of time.

use jiff::ToSpan;
use jiff::civil::Time;

use crate::aggregate::{Aggregation, is_enough};
use crate::error::Error;
use crate::function::{
    Arguments, Awaited, Context, FirstArgument, Function, Kind, Made, Parameter, SERIES, Value,
};
use crate::series::TimeSeries;
use crate::time::{Window, interval, local, seconds_of, unit};

const INTERVAL: Parameter = Parameter::required("intervalString", Kind::Interval);
const FUNC: Parameter = Parameter::optional("func", Kind::AggFunc).with_default("sum");

pub(super) const FUNCTIONS: &[Function] = &[
    Function::plain(
        "summarize",
        "Transform",
        &[SERIES, INTERVAL, FUNC, Parameter::optional("alignToFrom", Kind::Boolean).with_default("false")],
        "Values in buckets of so much time, each as one. Buckets begin at multiples of the interval, or where the \
         series begins.",
        summarize,
    ),
    Function::windowed(
        "smartSummarize",
        "Transform",
        &[SERIES, INTERVAL, FUNC, Parameter::optional("alignTo", Kind::Any)],
        "Values in buckets of so much time, each as one, from where the series begins, or from the beginning of its \
         year, month, week, day, hour or minute.",
        smart_summarize,
    ),
    Function::windowed(
        "hitcount",
        "Transform",
        &[SERIES, INTERVAL, Parameter::optional("alignToInterval", Kind::Boolean).with_default("false")],
        "Values as rates per second, counted in buckets of so much time.",
        hitcount,
    ),
];

/// How long a bucket is, which matters only if there are series.
fn seconds_of_bucket(arguments: &Arguments, all: &[TimeSeries]) -> Result<i64, Error> {
    match interval(arguments.text(1)?)? {
        ..=0 if !all.is_empty() => Err(arguments.wrong("the interval must be longer than 0")),
        seconds => Ok(seconds),
    }
}

fn function_name(arguments: &Arguments) -> Result<String, Error> {
    Ok(match arguments.value(2) {
        None => "sum".to_owned(),
        Some(_) => arguments.text(2)?.to_owned(),
    })
}

fn summarize(context: &mut Context<'_, '_>, mut arguments: Arguments) -> Made {
    let all = arguments.series()?;
    let seconds = seconds_of_bucket(&arguments, &all)?;
    let (text, func, from_start) = (arguments.text(1)?, function_name(&arguments)?, arguments.is_true(3));
    context.take_names(all.len(), text.len() + func.len() + 20)?;
    let mut made = Vec::with_capacity(all.len());
    for mut series in all {
        let (start, end) = match from_start {
            true => (series.start, series.end),
            false => {
                let floor = |time: i64| time - time.rem_euclid(seconds);
                (floor(series.start), floor(series.end) + seconds)
            }
        };
        let (values, aligned_end) = buckets(context, &series, &func, seconds, start, end)?;
        series.tags.set("summarize", text);
        series.tags.set("summarizeFunction", func.clone());
        let aligned = if from_start { ", true" } else { "" };
        let name = format!("summarize({}, \"{text}\", \"{func}\"{aligned})", series.name);
        let mut summary = series.renamed(name, values);
        summary.has_integers &= Aggregation::named(&func)?.keeps_integers();
        (summary.start, summary.step) = (start, seconds);
        summary.end = if from_start { aligned_end } else { end };
        made.push(summary);
    }
    Ok(made)
}

/// A value for each bucket from `start` to before `end`, and where the last one ends.
fn buckets(
    context: &mut Context<'_, '_>,
    series: &TimeSeries,
    func: &str,
    seconds: i64,
    start: i64,
    end: i64,
) -> Result<(Vec<f64>, i64), Error> {
    let aggregation = Aggregation::named(func)?;
    let values = series.values();
    let rows_of_time = (series.end - series.start).max(0) as u64;
    let rows_of_time = rows_of_time.div_ceil(series.step.unsigned_abs());
    let rows = values.len().min(usize::try_from(rows_of_time).unwrap_or(usize::MAX));
    let count = (end - start).max(0) as u64;
    let count = usize::try_from(count.div_ceil(seconds.unsigned_abs())).unwrap_or(usize::MAX);
    context.budget.take_points(count)?;
    context.budget.work(count.saturating_add(rows))?;
    let wanted = seconds as f64 / series.step as f64;
    let time = |row: usize| series.start + row as i64 * series.step;
    let (mut made, mut row, mut begin) = (Vec::with_capacity(count), 0, start);
    while begin < end {
        let (mut first, mut known) = (row, 0);
        while row < rows && time(row) < begin + seconds {
            if time(row) <= begin {
                first = row;
            }
            if time(row) >= begin && !values[row].is_nan() {
                known += 1;
            }
            row += 1;
        }
        let is_enough = is_enough(known, wanted, series.x_files_factor);
        made.push(if is_enough { aggregation.of(&values[first..row]) } else { f64::NAN });
        begin += seconds;
    }
    Ok((made, begin))
}

fn smart_summarize(
    context: &mut Context<'_, '_>,
    first: &mut dyn FirstArgument,
    arguments: &Arguments,
) -> Awaited {
    let (text, func) = (arguments.text(1)?.to_owned(), function_name(arguments)?);
    let window = match arguments.value(3) {
        None | Some(Value::None | Value::Boolean(_)) => context.window,
        Some(Value::Text(text)) => {
            let from = aligned(context, text).ok_or_else(|| arguments.wrong("alignTo is a unit of time"))?;
            Window { from, ..context.window }
        }
        Some(_) => return Err(arguments.wrong("alignTo is a unit of time").into()),
    };
    let all = first.series(context, window)?;
    let seconds = seconds_of_bucket(arguments, &all)?;
    context.take_names(all.len(), text.len() + func.len() + 20)?;
    let mut made = Vec::with_capacity(all.len());
    for mut series in all {
        let (values, end) = buckets(context, &series, &func, seconds, series.start, series.end)?;
        series.tags.set("smartSummarize", text.clone());
        series.tags.set("smartSummarizeFunction", func.clone());
        let name = format!("smartSummarize({}, \"{text}\", \"{func}\")", series.name);
        let mut summary = series.renamed(name, values);
        summary.has_integers &= Aggregation::named(&func)?.keeps_integers();
        (summary.end, summary.step) = (end, seconds);
        made.push(summary);
    }
    Ok(made)
}

/// The beginning of the unit of time in which the window begins; a week may begin on another day, "w2" on Tuesday.
fn aligned(context: &Context<'_, '_>, text: &str) -> Option<i64> {
    const MINUTE: i64 = 60;
    let from = context.window.from;
    let now = local(from, context.zone)?;
    let midnight = Time::midnight();
    let date = now.date();
    let to = match unit(text)? {
        1 => return Some(from),
        MINUTE => now.date().to_datetime(Time::new(now.hour(), now.minute(), 0, 0).ok()?),
        3_600 => now.date().to_datetime(Time::new(now.hour(), 0, 0, 0).ok()?),
        86_400 => date.to_datetime(midnight),
        604_800 => {
            let last = text.chars().next_back()?;
            let first = if last.is_alphabetic() { 1 } else { last.to_digit(10)? as i8 };
            let days = date.weekday().to_monday_one_offset() - first;
            let days = i64::from(if days < 0 { days + 7 } else { days });
            date.checked_sub(days.days()).ok()?.to_datetime(midnight)
        }
        2_592_000 => date.first_of_month().to_datetime(midnight),
        _ => date.first_of_year().to_datetime(midnight),
    };
    seconds_of(to, context.zone)
}

fn hitcount(context: &mut Context<'_, '_>, first: &mut dyn FirstArgument, arguments: &Arguments) -> Awaited {
    let (text, is_aligned) = (arguments.text(1)?.to_owned(), arguments.is_true(2));
    let mut window = context.window;
    if is_aligned {
        let to = match interval(&text)? {
            86_400.. => "day",
            3_600.. => "hour",
            60.. => "min",
            _ => "s",
        };
        window.from = aligned(context, to).unwrap_or(window.from);
    }
    let mut all = first.series(context, window)?;
    let seconds = seconds_of_bucket(arguments, &all)?;
    if is_aligned {
        for series in &mut all {
            series.end = series.start + (series.end - series.start).div_euclid(seconds) * seconds + seconds;
        }
    }
    context.take_names(all.len(), text.len() + 20)?;
    let mut counts = Vec::with_capacity(all.len());
    for mut series in all {
        let (values, start) = hits(context, &series, seconds)?;
        series.tags.set("hitcount", text.clone());
        let aligned = if is_aligned { ", true" } else { "" };
        let mut count = series.renamed(format!("hitcount({}, \"{text}\"{aligned})", series.name), values);
        (count.start, count.step) = (start, seconds);
        counts.push(count);
    }
    Ok(counts)
}

/// The hits of each bucket, the last of which ends with the series, and where the first begins.
fn hits(context: &mut Context<'_, '_>, series: &TimeSeries, seconds: i64) -> Result<(Vec<f64>, i64), Error> {
    let duration = (series.end - series.start).max(0).unsigned_abs();
    let count = usize::try_from(duration.div_ceil(seconds.unsigned_abs())).unwrap_or(usize::MAX);
    context.budget.take_points(count)?;
    context.budget.work(count.saturating_add(series.values().len()))?;
    let start = series.end - count as i64 * seconds;
    let mut buckets = vec![f64::NAN; count];
    let mut add = |bucket: i64, hits: f64| {
        let found = usize::try_from(bucket).ok().and_then(|bucket| buckets.get_mut(bucket));
        if let Some(sum) = found {
            *sum = if sum.is_nan() { hits } else { *sum + hits };
        }
    };
    for (row, value) in series.values().iter().enumerate().filter(|(_, value)| !value.is_nan()) {
        let begin = series.start + row as i64 * series.step - start;
        let end = begin + series.step;
        let (first, first_rest) = (begin.div_euclid(seconds), begin.rem_euclid(seconds));
        let (mut last, mut last_rest) = (end.div_euclid(seconds), end.rem_euclid(seconds));
        if last >= count as i64 {
            (last, last_rest) = (count as i64 - 1, seconds);
        }
        if first == last {
            add(first, value * (last_rest - first_rest) as f64);
            continue;
        }
        add(first, value * (seconds - first_rest) as f64);
        for bucket in (first + 1).max(0)..last {
            add(bucket, value * seconds as f64);
        }
        if last_rest > 0 {
            add(last, value * last_rest as f64);
        }
    }
    Ok((buckets, start))
}
