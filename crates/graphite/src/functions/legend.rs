//! Names that tell values.

use crate::aggregate::{Aggregation, known};
use crate::function::{Arguments, Context, Function, Kind, Made, Parameter, SERIES, Value};
use crate::series::TimeSeries;
use crate::text::number::repr;

const SYSTEM: Parameter = Parameter::optional("system", Kind::String).one_of(&["si", "binary"]);

pub(super) const FUNCTIONS: &[Function] = &[
    Function::plain(
        "legendValue",
        "Alias",
        &[SERIES, Parameter::optional("valuesTypes", Kind::Any).many()],
        "Appends aggregations of each series to its name, with units if the last argument is si or binary.",
        legend_value,
    ),
    Function::plain(
        "cactiStyle",
        "Special",
        &[SERIES, SYSTEM, Parameter::optional("units", Kind::String)],
        "Names with columns of the last, greatest and least value.",
        cacti_style,
    )
    .per_series(),
];

fn legend_value(context: &mut Context<'_, '_>, mut given: Arguments) -> Made {
    let mut all = given.series()?;
    let types: Option<Vec<_>> = given.rest().iter().map(Value::printed).collect();
    let types = types.ok_or_else(|| given.wrong("what to tell must be named"))?;
    let Some((last, others)) = types.split_last() else { return Err(given.wrong("needs what to tell")) };
    let (system, types) = match last.as_str() {
        "si" | "binary" => (Some(last.as_str()), others),
        _ => (None, &types[..]),
    };
    let longest = types.iter().map(|name| name.len() + 50).sum();
    context.take_names(all.len(), longest)?;
    for name in types {
        let aggregation = Aggregation::named(name).ok();
        for series in &mut all {
            let value = aggregation.map(|aggregation| (aggregation, aggregation.of(series.values())));
            match system {
                None => {
                    let text =
                        value.map_or("(?)".to_owned(), |(by, value)| as_python_tells(series, by, value));
                    series.name.push_str(&format!(" ({name}: {text})"));
                }
                Some(system) => {
                    let text = match value {
                        None => "(?)".to_owned(),
                        Some((_, value)) if value.is_nan() => "None".to_owned(),
                        Some((_, value)) => {
                            let (value, prefix) = with_prefix(value, system);
                            format!("{value:.2}{prefix}")
                        }
                    };
                    series.name = format!("{:<20}{name:<5}{text:<10}", series.name);
                }
            }
        }
    }
    Ok(all)
}

/// An aggregation of a series as Python prints it: one of integers is an integer.
pub(super) fn as_python_tells(series: &TimeSeries, aggregation: Aggregation, value: f64) -> String {
    let is_one_of_them = aggregation == Aggregation::Median && known(series.values()).count() % 2 == 1;
    let is_integer = aggregation == Aggregation::Count
        || series.has_integers && (aggregation.keeps_integers() || is_one_of_them) && value.fract() == 0.0;
    match is_integer {
        _ if value.is_nan() => "None".to_owned(),
        true => format!("{value:.0}"),
        false => repr(value),
    }
}

/// The value in the largest unit that is not larger than it.
fn with_prefix(value: f64, system: &str) -> (f64, &'static str) {
    let (base, prefixes) = match system {
        "binary" => (1024.0_f64, ["Pi", "Ti", "Gi", "Mi", "Ki"]),
        _ => (1000.0, ["P", "T", "G", "M", "k"]),
    };
    let found = (1..=5).rev().zip(prefixes).find(|(power, _)| value.abs() >= base.powi(*power));
    let (size, prefix) = found.map_or((1.0, ""), |(power, prefix)| (base.powi(power), prefix));
    let scaled = value / size;
    let is_whole = scaled - scaled.floor() < 1e-11 && value > 1.0;
    (if is_whole { scaled.floor() } else { scaled }, prefix)
}

fn cacti_style(context: &mut Context<'_, '_>, mut given: Arguments) -> Made {
    let mut all = given.series()?;
    let (system, units) = (given.optional_text(1)?, given.optional_text(2)?);
    let (system, units) = (system.filter(|text| !text.is_empty()), units.filter(|text| !text.is_empty()));
    if system.is_some_and(|system| !["si", "binary"].contains(&system)) {
        return Err(given.wrong("system is si or binary"));
    }
    let format = |value: f64| {
        let (value, prefix) = system.map_or((value, ""), |system| with_prefix(value, system));
        match units {
            Some(units) => format!("{value:.2} {prefix}{units}"),
            None => format!("{value:.2}{prefix}"),
        }
    };
    let columns = [("Current", Aggregation::Last), ("Max", Aggregation::Max), ("Min", Aggregation::Min)];
    let width_of = |by: Aggregation| {
        let lengths = all.iter().map(|series| format(of_column(series, by)).chars().count());
        lengths.max().unwrap_or_default() + 3
    };
    let widths = columns.map(|(_, by)| width_of(by));
    let longest = all.iter().map(|series| series.name.chars().count()).max().unwrap_or_default();
    context.take_names(all.len(), longest + widths.iter().sum::<usize>() + 30)?;
    for series in &mut all {
        let mut name = format!("{:<longest$}", series.name);
        for ((title, by), width) in columns.iter().zip(widths) {
            let value = by.of(series.values());
            let text = if value.is_nan() { "nan".to_owned() } else { format(value) };
            name.push_str(&format!(" {title}:{text:<width$}"));
        }
        series.name = name + " ";
    }
    Ok(all)
}

/// By what the width of a column is told: whole numbers, and 3 where there is nothing to tell.
fn of_column(series: &TimeSeries, by: Aggregation) -> f64 {
    let value = by.of(series.values());
    if value.is_nan() || value == 0.0 { 3.0 } else { value.trunc() }
}
