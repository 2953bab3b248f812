//! Series of another time.

use crate::function::{Arguments, Awaited, Context, FirstArgument, Function, Kind, Parameter, SERIES};
use crate::time::interval;

pub(super) const FUNCTIONS: &[Function] = &[Function::windowed(
    "timeShift",
    "Transform",
    &[
        SERIES,
        Parameter::required("timeShift", Kind::Interval),
        Parameter::optional("resetEnd", Kind::Boolean).with_default("true"),
        Parameter::optional("alignDST", Kind::Boolean).with_default("false"),
    ],
    "The series of so much time ago, drawn as if they were of now. Without a sign the time is in the past.",
    time_shift,
)];

fn time_shift(
    context: &mut Context<'_, '_>,
    first: &mut dyn FirstArgument,
    arguments: &Arguments,
) -> Awaited {
    let mut text = arguments.text(1)?.to_owned();
    if text.is_empty() {
        return Err(arguments.wrong("timeShift is empty").into());
    }
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        text.insert(0, '-');
    }
    let mut seconds = interval(&text)?;
    if arguments.is_true(3) {
        seconds = seconds.saturating_add(change_of_clocks(context, seconds));
    }
    let resets_end = arguments.value(2).is_none() || arguments.is_true(2);
    let (now, then) = (context.window, context.window.moved(seconds));
    let current = first.series(context, now);
    let shifted = first.series(context, then);
    let Some((start, end)) = current?.first().map(|first| (first.start, first.end)) else {
        return Ok(Vec::new());
    };
    let mut shifted = shifted?;
    context.take_names(shifted.len(), text.len() + 16)?;
    for series in &mut shifted {
        series.tags.set("timeShift", text.clone());
        series.name = format!("timeShift({}, \"{text}\")", series.name);
        series.end = if resets_end { end } else { series.end - series.start + start };
        series.start = start;
    }
    Ok(shifted)
}

/// The hour that the shifted window begins and ends off by, if all of it has summer time and now has not, or the other
/// way round.
fn change_of_clocks(context: &Context<'_, '_>, seconds: i64) -> i64 {
    let is_summer = |time: i64| {
        let exact = jiff::Timestamp::from_second(time).ok();
        exact.map(|exact| context.zone.to_offset_info(exact).dst().is_dst())
    };
    let (now, then) = (context.window, context.window.moved(seconds));
    match (is_summer(now.from), is_summer(now.until), is_summer(then.from), is_summer(then.until)) {
        (Some(true), Some(true), Some(false), Some(false)) => 3_600,
        (Some(false), Some(false), Some(true), Some(true)) => -3_600,
        _ => 0,
    }
}
