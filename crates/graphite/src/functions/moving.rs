//! Moving windows: for each row, an aggregation of it and the rows before it.
//!
//! The rows before the first one are asked for, too: as many as the window has, or as much time.

use crate::aggregate::{Aggregation, is_enough};
use crate::error::Error;
use crate::function::{
    Arguments, Awaited, Context, FirstArgument, Function, Kind, Parameter, SERIES, Value, Windowed,
};
use crate::sliding::windows;
use crate::time::interval;

const WINDOW: Parameter = Parameter::required("windowSize", Kind::IntOrInterval);
const SHARE: Parameter = Parameter::optional("xFilesFactor", Kind::Float);
const MOVING: &[Parameter] = &[SERIES, WINDOW, SHARE];

const fn moving_by(name: &'static str, help: &'static str, run: Windowed) -> Function {
    Function::windowed(name, "Calculate", MOVING, help, run)
}

pub(super) const FUNCTIONS: &[Function] = &[
    moving_by(
        "movingAverage",
        "The mean of so many rows, or of so much time, up to each row.",
        |context, first, given| moving(context, first, given, "average", 2),
    ),
    moving_by(
        "movingMedian",
        "The median of so many rows, or of so much time, up to each row.",
        |context, first, given| moving(context, first, given, "median", 2),
    ),
    moving_by(
        "movingSum",
        "The sum of so many rows, or of so much time, up to each row.",
        |context, first, given| moving(context, first, given, "sum", 2),
    ),
    moving_by(
        "movingMin",
        "The least of so many rows, or of so much time, up to each row.",
        |context, first, given| moving(context, first, given, "min", 2),
    ),
    moving_by(
        "movingMax",
        "The greatest of so many rows, or of so much time, up to each row.",
        |context, first, given| moving(context, first, given, "max", 2),
    ),
    Function::windowed(
        "movingWindow",
        "Calculate",
        &[SERIES, WINDOW, Parameter::optional("func", Kind::AggFunc).with_default("average"), SHARE],
        "An aggregation of so many rows, or of so much time, up to each row.",
        |context, first, given| {
            let func = match given.value(2) {
                None => "average",
                Some(_) => given.text(2)?,
            };
            moving(context, first, given, func, 3)
        },
    ),
];

/// How long the window is.
enum Length {
    Rows(i64),
    Seconds(i64),
}

fn length(arguments: &Arguments) -> Result<Length, Error> {
    match arguments.value(1) {
        None => Err(arguments.wrong("needs windowSize")),
        Some(Value::Text(text)) => Ok(Length::Seconds(interval(text)?.abs())),
        Some(value) => {
            let rows = value.to_integer().filter(|rows| rows.abs() < 1 << 40);
            let rows =
                rows.ok_or_else(|| arguments.wrong("windowSize is a number of rows or a length of time"))?;
            Ok(Length::Rows(rows))
        }
    }
}

fn moving(
    context: &mut Context<'_, '_>,
    first: &mut dyn FirstArgument,
    arguments: &Arguments,
    func: &str,
    share: usize,
) -> Awaited {
    let (now, held) = (context.window, context.budget.held());
    let read =
        || Ok::<_, Error>((Aggregation::named(func)?, arguments.optional_number(share)?, length(arguments)?));
    let (aggregation, share, length) = match read() {
        Ok(read) => read,
        // What is wrong with it does not matter to no series.
        Err(_) if arguments.value(1).is_some() && first.series(context, now)?.is_empty() => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error.into()),
    };
    let (preview, all) = match length {
        // A path has the same series in the longer window, so that there is no need to look at the shorter one.
        Length::Seconds(seconds) if first.is_path() => {
            (seconds, first.series(context, now.starting_earlier(seconds))?)
        }
        Length::Seconds(seconds) => {
            let current = first.series(context, now);
            let longer = first.series(context, now.starting_earlier(seconds));
            if current?.is_empty() {
                return Ok(Vec::new());
            }
            (seconds, longer?)
        }
        Length::Rows(rows) => {
            let step = first.series(context, now)?.iter().map(|series| series.step).max();
            let Some(step) = step else { return Ok(Vec::new()) };
            context.budget.back_to(held);
            let seconds = step.saturating_mul(rows);
            (seconds, first.series(context, now.starting_earlier(seconds))?)
        }
    };
    let (noted, quote) = match arguments.value(1) {
        Some(Value::Text(text)) => (text.clone(), "\""),
        _ => (arguments.printed(1), ""),
    };
    let tag = format!("moving{}", capitalized(func));
    context.take_names(all.len(), tag.len() * 2 + noted.len() + 5)?;
    let mut made = Vec::with_capacity(all.len());
    for mut series in all {
        let rows = match length {
            Length::Seconds(seconds) => seconds / series.step,
            Length::Rows(rows) => rows,
        };
        let wanted = share.unwrap_or(series.x_files_factor);
        let values = slide(context, series.values(), rows, aggregation, wanted)?;
        series.tags.set(tag.clone(), noted.clone());
        let mut moved = series.renamed(format!("{tag}({},{quote}{noted}{quote})", series.name), values);
        moved.start = series.start.saturating_add(preview);
        moved.has_integers &= aggregation.keeps_integers();
        made.push(moved);
    }
    Ok(made)
}

fn slide(
    context: &mut Context<'_, '_>,
    values: &[f64],
    rows: i64,
    aggregation: Aggregation,
    wanted: f64,
) -> Result<Vec<f64>, Error> {
    let Ok(window) = usize::try_from(rows) else {
        // A window that ends before it begins: no row has one, but there are more of them.
        let more = usize::try_from(rows.unsigned_abs()).unwrap_or(usize::MAX);
        context.budget.take_points(values.len().saturating_add(more))?;
        return Ok(vec![f64::NAN; values.len() + more]);
    };
    context.budget.take_points(values.len())?;
    if window == 0 {
        return Ok(vec![f64::NAN; values.len()]);
    }
    let each = if aggregation.is_of_parts() { 8 } else { window.min(values.len()) };
    context.budget.work(values.len().saturating_mul(each))?;
    let is_known = |(known, value)| if is_enough(known, window as f64, wanted) { value } else { f64::NAN };
    Ok(windows(values, window, aggregation).into_iter().map(is_known).collect())
}

/// The first letter large, the others small.
fn capitalized(name: &str) -> String {
    let mut characters = name.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(characters.map(|other| other.to_ascii_lowercase())).collect()
}
