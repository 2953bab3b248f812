//! Functions that compare each value with those before: differences, sums, changes.

use super::made::of_each;
use crate::function::{Arguments, Context, Function, Kind, Made, Parameter, SERIES};
use crate::text::number::round;

const ONE: &[Parameter] = &[SERIES];
const BOUNDED: &[Parameter] =
    &[SERIES, Parameter::optional("maxValue", Kind::Float), Parameter::optional("minValue", Kind::Float)];

pub(super) const FUNCTIONS: &[Function] = &[
    Function::plain("derivative", "Transform", ONE, "Each value less the one before.", derivative),
    Function::plain(
        "nonNegativeDerivative",
        "Transform",
        BOUNDED,
        "Each value less the one before; where it falls, unknown, or, if maxValue is given, as a counter that wrapped.",
        |context, arguments| {
            differences(context, arguments, "nonNegativeDerivative", |difference, _| difference)
        },
    ).per_series(),
    Function::plain(
        "perSecond",
        "Transform",
        BOUNDED,
        "The growth of a counter per second, with 6 decimal digits; where it falls, unknown or wrapped.",
        |context, arguments| {
            differences(context, arguments, "perSecond", |difference, step| round(difference / step, 6))
        },
    ).per_series(),
    Function::plain("integral", "Transform", ONE, "The sum of all values so far.", integral),
    Function::plain(
        "changed",
        "Special",
        ONE,
        "1 where a value differs from the last known one, else 0.",
        changed,
    ),
    Function::plain(
        "delay",
        "Transform",
        &[SERIES, Parameter::required("steps", Kind::Integer)],
        "Moves the values by so many rows to later, or to earlier if negative.",
        delay,
    ).per_series(),
];

fn derivative(context: &mut Context<'_, '_>, mut arguments: Arguments) -> Made {
    let all = arguments.series()?;
    of_each(context, all, |series| {
        series.tags.set("derivative", "1");
        let mut previous = f64::NAN;
        let values = series.values().iter().map(|value| value - std::mem::replace(&mut previous, *value));
        let values = values.collect();
        Ok(series.renamed(format!("derivative({})", series.name), values))
    })
}

fn differences(
    context: &mut Context<'_, '_>,
    mut arguments: Arguments,
    name: &'static str,
    of: fn(f64, f64) -> f64,
) -> Made {
    let (max, min) = (arguments.optional_number(1)?, arguments.optional_number(2)?);
    let all = arguments.series()?;
    of_each(context, all, |series| {
        let mut previous = f64::NAN;
        let mut values = Vec::with_capacity(series.values().len());
        for value in series.values() {
            if value.is_nan() && (max.is_some() || min.is_some()) {
                return Err(arguments.wrong("a value is unknown, which cannot be held against a bound"));
            }
            let (difference, kept) = difference(*value, previous, max, min);
            values.push(of(difference, series.step as f64));
            previous = kept;
        }
        series.tags.set(name, "1");
        series.has_integers &= name != "perSecond";
        Ok(series.renamed(format!("{name}({})", series.name), values))
    })
}

/// How much a counter has grown, and what the next value is compared with.
fn difference(value: f64, previous: f64, max: Option<f64>, min: Option<f64>) -> (f64, f64) {
    if max.is_some_and(|max| value > max) || min.is_some_and(|min| value < min) {
        return (f64::NAN, f64::NAN);
    }
    if previous.is_nan() || value.is_nan() {
        return (f64::NAN, value);
    }
    let grown = match (max, min) {
        _ if value >= previous => value - previous,
        (Some(max), min) => max + 1.0 + value - previous - min.unwrap_or(0.0),
        (None, Some(min)) => value - min,
        (None, None) => f64::NAN,
    };
    (grown, value)
}

fn integral(context: &mut Context<'_, '_>, mut arguments: Arguments) -> Made {
    let all = arguments.series()?;
    of_each(context, all, |series| {
        series.tags.set("integral", "1");
        series.has_integers = false;
        let mut sum = 0.0;
        let values = series.values().iter().map(|value| {
            if !value.is_nan() {
                sum += value;
            }
            if value.is_nan() { f64::NAN } else { sum }
        });
        let values = values.collect();
        Ok(series.renamed(format!("integral({})", series.name), values))
    })
}

fn changed(_: &mut Context<'_, '_>, mut arguments: Arguments) -> Made {
    let mut all = arguments.series()?;
    for series in &mut all {
        series.wrap(format!("changed({})", series.name));
        let mut previous = f64::NAN;
        for value in series.values_mut() {
            let is_change = !previous.is_nan() && !value.is_nan() && *value != previous;
            if previous.is_nan() || is_change {
                previous = *value;
            }
            *value = f64::from(u8::from(is_change));
        }
    }
    Ok(all)
}

fn delay(context: &mut Context<'_, '_>, mut arguments: Arguments) -> Made {
    let steps = arguments.integer(1)?;
    let all = arguments.series()?;
    of_each(context, all, |series| {
        let values = delayed(series.values(), steps);
        series.tags.set("delay", steps.to_string());
        Ok(series.renamed(format!("delay({},{steps})", series.name), values))
    })
}

fn delayed(values: &[f64], steps: i64) -> Vec<f64> {
    let length = values.len();
    let by = usize::try_from(steps.unsigned_abs()).unwrap_or(usize::MAX).min(length);
    let unknown = std::iter::repeat_n(f64::NAN, by);
    match steps {
        // "All but the last 0" are none.
        0 => Vec::new(),
        1.. => unknown.chain(values[..length - by].iter().copied()).collect(),
        _ => values[by..].iter().copied().chain(unknown).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_wraps_only_below_a_bound() {
        for (value, previous, max, min, expected) in [
            (5.0, 3.0, None, None, 2.0),
            (3.0, 250.0, Some(255.0), None, 9.0),
            (60.0, 250.0, Some(255.0), Some(50.0), 16.0),
            (60.0, 250.0, None, Some(50.0), 10.0),
        ] {
            assert_eq!(difference(value, previous, max, min), (expected, value));
        }
        assert!(difference(3.0, 250.0, None, None).0.is_nan());
        assert!(difference(300.0, 250.0, Some(255.0), None).1.is_nan());
    }
}
