//! Bringing arguments to what the table says, and to the places of the parameters.
//!
//! Graphite converts all arguments of a call, or none: if one of them is not what the table says, the function gets
//! all of them as they were written, and may still find them good enough.

use super::{Arguments, Function, Kind, Parameter, Value};
use crate::aggregate::Aggregation;
use crate::error::Error;
use crate::time::interval;

/// The arguments of one call by the places of the parameters.
pub(crate) fn bind(
    function: &'static Function,
    called: &str,
    positional: Vec<Value>,
    keywords: Vec<(String, Value)>,
) -> Result<Arguments, Error> {
    let parameters = function.parameters;
    let wrong = |problem: String| Error::Argument { function: called.to_owned(), problem };
    let is_open = parameters.last().is_some_and(|last| last.multiple);
    if positional.len() > parameters.len() && !is_open {
        return Err(wrong(format!("takes {} arguments, not {}", parameters.len(), positional.len())));
    }
    let (positional, keywords) = match conversions(parameters, &positional, &keywords) {
        Some((of_positional, of_keywords)) => (
            positional
                .into_iter()
                .zip(of_positional)
                .map(|(value, converted)| converted.unwrap_or(value))
                .collect(),
            keywords
                .into_iter()
                .zip(of_keywords)
                .map(|((name, value), converted)| (name, converted.unwrap_or(value)))
                .collect(),
        ),
        None => (positional, keywords),
    };
    let count = positional.len();
    let mut values = positional.into_iter();
    let places = if is_open { parameters.len() - 1 } else { parameters.len() };
    let mut fixed: Vec<_> = (0..places).map(|_| values.next()).collect();
    for (name, value) in keywords {
        let place = parameters[..places].iter().position(|parameter| parameter.name == name);
        match place {
            None => return Err(wrong(format!("has no argument {name}"))),
            Some(place) if place < count => return Err(wrong(format!("is given {name} twice"))),
            Some(place) => fixed[place] = Some(value),
        }
    }
    Ok(Arguments::new(called, parameters, fixed, values.collect()))
}

type Conversions = Vec<Option<Value>>;

/// What each argument becomes, or None where it stays what it is; None for all if one of them is not as it has to be.
fn conversions(
    parameters: &[Parameter],
    positional: &[Value],
    keywords: &[(String, Value)],
) -> Option<(Conversions, Conversions)> {
    let is_full = positional.len() + keywords.len() > parameters.len();
    let last = parameters.last()?;
    if is_full && !last.multiple {
        return None;
    }
    let named = if is_full { &[] } else { parameters.get(positional.len()..).unwrap_or_default() };
    let given = |parameter: &Parameter| {
        let found = keywords.iter().find(|(name, _)| name == parameter.name).map(|(_, value)| value);
        found.filter(|value| !matches!(value, Value::None))
    };
    if named.iter().any(|parameter| parameter.required && given(parameter).is_none()) {
        return None;
    }
    let of_positional = positional.iter().enumerate().map(|(place, value)| {
        let parameter = parameters.get(place).unwrap_or(last);
        conversion(parameter, value)
    });
    let of_keywords = keywords.iter().map(|(name, _)| {
        let parameter = named.iter().find(|parameter| parameter.name == name)?;
        conversion(parameter, given(parameter)?)
    });
    Some((of_positional.collect::<Option<_>>()?, of_keywords.collect::<Option<_>>()?))
}

/// None if it is not as it has to be, Some(None) if it stays what it is.
fn conversion(parameter: &Parameter, value: &Value) -> Option<Option<Value>> {
    if matches!(value, Value::None) && (parameter.default.is_some() || !parameter.required) {
        return Some(None);
    }
    if !parameter.options.is_empty() {
        let is_option = matches!(value, Value::Text(text) if parameter.options.contains(&text.as_str()));
        return is_option.then_some(None);
    }
    match (parameter.kind, value) {
        (Kind::Boolean, _) => boolean(value).map(|is_true| Some(Value::Boolean(is_true))),
        (Kind::Float, _) => value.to_float().map(|number| Some(Value::Float(number))),
        (Kind::Integer | Kind::Node, _) => integer(value).map(Some),
        (Kind::IntOrInf, _) => {
            let infinite = || value.to_float().filter(|number| *number == f64::INFINITY).map(Value::Float);
            integer(value).or_else(infinite).map(Some)
        }
        (Kind::Interval, Value::Text(text)) => interval(text).is_ok().then_some(None),
        (Kind::AggFunc, Value::Text(text)) => Aggregation::named(text).is_ok().then_some(None),
        (Kind::SeriesList, Value::Series(_)) => Some(None),
        (Kind::Interval | Kind::AggFunc | Kind::SeriesList, _) => None,
        (Kind::Any | Kind::AggOrSeriesFunc | Kind::IntOrInterval | Kind::NodeOrTag | Kind::String, _) => {
            Some(None)
        }
    }
}

fn integer(value: &Value) -> Option<Value> {
    match value {
        Value::Float(_) => None,
        other => other.to_integer().map(Value::Integer),
    }
}

fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Text(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::Text(text) if text.eq_ignore_ascii_case("false") => Some(false),
        Value::Text(_) => None,
        Value::Integer(_) | Value::Float(_) => match value.number() {
            Some(0.0) => Some(false),
            Some(1.0) => Some(true),
            _ => None,
        },
        other => Some(other.is_true()),
    }
}
