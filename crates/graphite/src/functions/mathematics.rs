//! Functions of single values from mathematics. Where they are not defined, the value is unknown.

use crate::aggregate::Aggregation;
use crate::function::{Arguments, Context, Function, Kind, Made, Parameter, SERIES};
use crate::series::TimeSeries;
use crate::text::number::{general, repr};

const ONE: &[Parameter] = &[SERIES];

pub(super) const FUNCTIONS: &[Function] = &[
    Function::plain(
        "add",
        "Transform",
        &[SERIES, Parameter::required("constant", Kind::Float)],
        "Each value plus a number.",
        add,
    )
    .per_series(),
    Function::plain("exp", "Transform", ONE, "e to the power of each value.", |_, given| {
        each(given, "exp", "e", |value| finite(value.exp()))
    }),
    Function::plain("sigmoid", "Transform", ONE, "1/(1+exp(-value)) of each value.", |_, given| {
        each(given, "sigmoid", "sigmoid", |value| finite(1.0 / (1.0 + (-value).exp())))
    }),
    Function::plain(
        "logit",
        "Transform",
        ONE,
        "log(value/(1-value)) of each value between 0 and 1.",
        |_, given| each(given, "logit", "logit", |value| finite((value / (1.0 - value)).ln())),
    ),
    Function::plain(
        "pow",
        "Transform",
        &[SERIES, Parameter::required("factor", Kind::Float)],
        "Each value to a power.",
        power,
    )
    .per_series(),
    Function::plain(
        "log",
        "Transform",
        &[SERIES, Parameter::optional("base", Kind::Integer).with_default("10")],
        "The logarithm of each value above 0.",
        logarithm,
    )
    .per_series(),
    Function::plain(
        "minMax",
        "Transform",
        ONE,
        "Each value between the least, 0, and the greatest, 1.",
        min_max,
    ),
    Function::plain(
        "offsetToZero",
        "Transform",
        ONE,
        "Each value less the least of its series.",
        offset_to_zero,
    ),
];

/// Unknown where it is too large for a number, or there is none.
fn finite(value: f64) -> f64 {
    if value.is_finite() { value } else { f64::NAN }
}

fn each(mut given: Arguments, name: &'static str, note: &str, of: fn(f64) -> f64) -> Made {
    let mut all = given.series()?;
    for series in &mut all {
        series.tags.set(name, note);
        wrap(series, format!("{name}({})", series.name));
        series.values_mut().iter_mut().for_each(|value| *value = of(*value));
    }
    Ok(all)
}

/// Names it so; its values are no integers any more.
fn wrap(series: &mut TimeSeries, name: String) {
    series.wrap(name);
    series.has_integers = false;
}

fn add(_: &mut Context<'_, '_>, mut given: Arguments) -> Made {
    let (constant, noted) = (given.number(1)?, given.printed(1));
    if !constant.is_finite() {
        return Err(given.wrong("constant must be finite"));
    }
    let mut all = given.series()?;
    for series in &mut all {
        series.tags.set("add", noted.clone());
        wrap(series, format!("add({},{:.0})", series.name, constant.trunc()));
        series.values_mut().iter_mut().for_each(|value| *value += constant);
    }
    Ok(all)
}

fn power(_: &mut Context<'_, '_>, mut given: Arguments) -> Made {
    let (factor, noted) = (given.number(1)?, given.printed(1));
    let mut all = given.series()?;
    for series in &mut all {
        series.tags.set("pow", noted.clone());
        wrap(series, format!("pow({},{})", series.name, general(factor)));
        // Nothing to the power of 0 is nothing, too.
        let of = |value: f64| if value.is_nan() { value } else { finite(value.powf(factor)) };
        series.values_mut().iter_mut().for_each(|value| *value = of(*value));
    }
    Ok(all)
}

fn logarithm(context: &mut Context<'_, '_>, mut given: Arguments) -> Made {
    let (base, noted) = match given.value(1) {
        None => (10.0, "10".to_owned()),
        Some(_) => (given.number(1)?, given.printed(1)),
    };
    if base <= 0.0 || base == 1.0 || !base.is_finite() {
        return Err(given.wrong("base must be above 0, and not 1"));
    }
    let all = given.series()?;
    super::made::of_each(context, all, |series| {
        series.tags.set("log", noted.clone());
        series.has_integers = false;
        let of = |value: &f64| if *value <= 0.0 { f64::NAN } else { value.ln() / base.ln() };
        let values = series.values().iter().map(of).collect();
        Ok(series.renamed(format!("log({}, {noted})", series.name), values))
    })
}

fn min_max(_: &mut Context<'_, '_>, mut given: Arguments) -> Made {
    let mut all = given.series()?;
    for series in &mut all {
        wrap(series, format!("minMax({})", series.name));
        let (least, greatest) = (Aggregation::Min.of(series.values()), Aggregation::Max.of(series.values()));
        let range = greatest - least;
        let of = |value: f64| if range == 0.0 { value * 0.0 } else { (value - least) / range };
        series.values_mut().iter_mut().for_each(|value| *value = of(*value));
    }
    Ok(all)
}

fn offset_to_zero(_: &mut Context<'_, '_>, mut given: Arguments) -> Made {
    let mut all = given.series()?;
    for series in &mut all {
        let least = Aggregation::Min.of(series.values());
        let noted = match series.has_integers && least.fract() == 0.0 {
            _ if least.is_nan() => "None".to_owned(),
            true => format!("{least:.0}"),
            false => repr(least),
        };
        series.tags.set("offsetToZero", noted);
        series.wrap(format!("offsetToZero({})", series.name));
        series.values_mut().iter_mut().for_each(|value| *value -= least);
    }
    Ok(all)
}
