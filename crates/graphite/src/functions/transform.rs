//! Functions of single values.

use crate::function::{Arguments, Context, Function, Kind, Made, Parameter, SERIES};
use crate::text::number::{general, round};

const ONE: &[Parameter] = &[SERIES];
const FACTOR: Parameter = Parameter::required("factor", Kind::Float);

pub(super) const FUNCTIONS: &[Function] = &[
    Function::plain("absolute", "Transform", ONE, "Each value without its sign.", |_, arguments| {
        each(arguments, "absolute", f64::abs)
    }),
    Function::plain(
        "invert",
        "Transform",
        ONE,
        "1 divided by each value; unknown where that is 0.",
        |_, arguments| {
            each(arguments, "invert", |value| if value == 0.0 { f64::NAN } else { value.powi(-1) })
        },
    ),
    Function::plain("squareRoot", "Transform", ONE, "The square root of each value.", |_, arguments| {
        each(arguments, "squareRoot", f64::sqrt)
    }),
    Function::plain("scale", "Transform", &[SERIES, FACTOR], "Each value times a factor.", scale)
        .per_series(),
    Function::plain("offset", "Transform", &[SERIES, FACTOR], "Each value plus a number.", offset)
        .per_series(),
    Function::plain(
        "scaleToSeconds",
        "Transform",
        &[SERIES, Parameter::required("seconds", Kind::Float)],
        "Each value as if it were counted in so many seconds instead of the step, with 6 decimal digits.",
        scale_to_seconds,
    )
    .per_series(),
    Function::plain(
        "round",
        "Transform",
        &[SERIES, Parameter::optional("precision", Kind::Integer).with_default("0")],
        "Each value with so many decimal digits.",
        to_precision,
    )
    .per_series(),
    Function::plain(
        "isNonNull",
        "Combine",
        ONE,
        "1 where a value is known, 0 where it is not.",
        |_, arguments| each(arguments, "isNonNull", |value| if value.is_nan() { 0.0 } else { 1.0 }),
    ),
];

fn each(mut arguments: Arguments, name: &'static str, of: fn(f64) -> f64) -> Made {
    let mut all = arguments.series()?;
    for series in &mut all {
        series.tags.set(name, "1");
        series.has_integers &= matches!(name, "absolute" | "isNonNull");
        series.wrap(format!("{name}({})", series.name));
        series.values_mut().iter_mut().for_each(|value| *value = of(*value));
    }
    Ok(all)
}

fn scale(_: &mut Context<'_, '_>, mut arguments: Arguments) -> Made {
    let (factor, noted) = (arguments.number(1)?, arguments.printed(1));
    let mut all = arguments.series()?;
    for series in &mut all {
        series.tags.set("scale", noted.clone());
        series.has_integers = false;
        series.wrap(format!("scale({},{})", series.name, general(factor)));
        series.values_mut().iter_mut().for_each(|value| *value *= factor);
    }
    Ok(all)
}

fn offset(_: &mut Context<'_, '_>, mut arguments: Arguments) -> Made {
    let (summand, noted) = (arguments.number(1)?, arguments.printed(1));
    let mut all = arguments.series()?;
    for series in &mut all {
        series.tags.set("offset", noted.clone());
        series.has_integers = false;
        series.wrap(format!("offset({},{})", series.name, general(summand)));
        series.values_mut().iter_mut().for_each(|value| *value += summand);
    }
    Ok(all)
}

fn scale_to_seconds(_: &mut Context<'_, '_>, mut arguments: Arguments) -> Made {
    let (seconds, noted) = (arguments.number(1)?, arguments.printed(1));
    if !seconds.is_finite() {
        return Err(arguments.wrong("seconds must be finite"));
    }
    let mut all = arguments.series()?;
    for series in &mut all {
        series.tags.set("scaleToSeconds", noted.clone());
        series.has_integers = false;
        series.wrap(format!("scaleToSeconds({},{:.0})", series.name, seconds.trunc()));
        let factor = seconds / series.step as f64;
        series.values_mut().iter_mut().for_each(|value| *value = round(*value * factor, 6));
    }
    Ok(all)
}

fn to_precision(_: &mut Context<'_, '_>, mut arguments: Arguments) -> Made {
    let precision = match arguments.optional_number(1)? {
        None => None,
        Some(_) => Some(arguments.integer(1)?),
    };
    let mut all = arguments.series()?;
    for series in &mut all {
        series.tags.set("round", precision.unwrap_or(0).to_string());
        series.wrap(match precision {
            None => format!("round({})", series.name),
            Some(precision) => format!("round({},{})", series.name, general(precision as f64)),
        });
        series.values_mut().iter_mut().for_each(|value| *value = round(*value, precision.unwrap_or(0)));
    }
    Ok(all)
}
