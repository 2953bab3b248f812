//! Series that are made of nothing but the window.

use crate::error::Error;
use crate::function::{Arguments, Context, Function, Kind, Made, Parameter, Value};
use crate::series::TimeSeries;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::plain(
        "constantLine",
        "Special",
        &[Parameter::required("value", Kind::Float)],
        "A line at a value.",
        |context, given| Ok(vec![line(context, &given)?]),
    ),
    Function::plain(
        "threshold",
        "Graph",
        &[
            Parameter::required("value", Kind::Float),
            Parameter::optional("label", Kind::String),
            Parameter::optional("color", Kind::String),
        ],
        "A line at a value, with a name.",
        |context, given| {
            let mut line = line(context, &given)?;
            if let Some(label) = given.optional_text(1)?.filter(|label| !label.is_empty()) {
                line.name = label.to_owned();
            }
            Ok(vec![line])
        },
    ),
    Function::plain(
        "identity",
        "Calculate",
        &[Parameter::required("name", Kind::String)],
        "The time itself, every 60 seconds.",
        |context, given| identity(context, &given),
    ),
];

fn line(context: &Context<'_, '_>, given: &Arguments) -> Result<TimeSeries, Error> {
    match given.value(0) {
        None => Err(given.wrong("needs value")),
        Some(Value::None) => constant(context, f64::NAN, "None"),
        Some(value) => {
            let number = value.number().ok_or_else(|| given.wrong("value must be float"))?;
            constant(context, number, &value.printed().unwrap_or_default())
        }
    }
}

/// Three values: where the window begins, in its middle, where it ends.
pub(super) fn constant(context: &Context<'_, '_>, value: f64, name: &str) -> Result<TimeSeries, Error> {
    let window = context.window;
    let step = (window.until.saturating_sub(window.from) / 2).max(1);
    let mut line = TimeSeries::made(name.to_owned(), window.from, window.until, step, vec![value; 3]);
    line.path_expression = format!("constantLine({name})");
    line.x_files_factor = context.x_files_factor;
    Ok(line)
}

fn identity(context: &mut Context<'_, '_>, given: &Arguments) -> Made {
    const STEP: usize = 60;
    let name = given.text(0)?;
    let window = context.window;
    let seconds = usize::try_from(window.until - window.from).unwrap_or_default();
    context.budget.take_points(seconds.div_ceil(STEP))?;
    let times = (window.from..window.until).step_by(STEP).map(|time| time as f64).collect();
    let mut series = TimeSeries::made(name.to_owned(), window.from, window.until, STEP as i64, times);
    series.path_expression = format!("identity(\"{name}\")");
    series.x_files_factor = context.x_files_factor;
    Ok(vec![series])
}
