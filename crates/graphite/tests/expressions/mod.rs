//! Expressions made of the table of functions, over metrics `web-0.load.short` and the like.

use graphite::{Function, Kind, functions};
use proptest::prelude::*;

fn path() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("*.*.*".to_owned()),
        Just("web-[01].load.*".to_owned()),
        Just("*.{load,df}.*".to_owned()),
        Just("web-2.*.s*".to_owned()),
        Just("nosuch.*".to_owned()),
        (0..4_u8).prop_map(|host| format!("web-{host}.load.short")),
    ]
}

/// An argument of this kind that is not series.
fn plain(kind: Kind, options: &'static [&'static str]) -> BoxedStrategy<String> {
    let aggregation = prop::sample::select(vec![
        "sum", "average", "max", "min", "diff", "median", "stddev", "last", "count", "range",
    ]);
    let quoted = |text: &str| format!("\"{text}\"");
    if !options.is_empty() {
        return prop::sample::select(options).prop_map(quoted).boxed();
    }
    match kind {
        Kind::AggFunc | Kind::AggOrSeriesFunc => aggregation.prop_map(quoted).boxed(),
        Kind::Boolean => prop_oneof![Just("true".to_owned()), Just("false".to_owned())].boxed(),
        Kind::Float | Kind::Any => {
            prop_oneof![Just("0.5".to_owned()), (-9..99_i32).prop_map(|n| n.to_string())].boxed()
        }
        Kind::IntOrInf | Kind::Integer => (-1..6_i32).prop_map(|number| number.to_string()).boxed(),
        Kind::Node | Kind::NodeOrTag => (-3..4_i32).prop_map(|number| number.to_string()).boxed(),
        Kind::IntOrInterval => prop_oneof![Just("3".to_owned()), Just("\"40s\"".to_owned())].boxed(),
        Kind::Interval => prop_oneof![Just("\"30s\"".to_owned()), Just("\"1min\"".to_owned())].boxed(),
        Kind::String | Kind::SeriesList => {
            prop_oneof![Just("\"o\"".to_owned()), Just("'^w(.)b'".to_owned())].boxed()
        }
    }
}

fn call(function: &'static Function, inner: &BoxedStrategy<String>) -> BoxedStrategy<String> {
    let mut arguments: Vec<BoxedStrategy<Vec<String>>> = Vec::new();
    for parameter in function.parameters {
        let one = match parameter.kind {
            Kind::SeriesList => inner.clone(),
            kind => plain(kind, parameter.options),
        };
        let count = match (parameter.required, parameter.multiple) {
            (true, false) => 1..=1,
            (false, false) => 0..=1,
            (true, true) => 1..=3,
            (false, true) => 0..=2,
        };
        arguments.push(prop::collection::vec(one, count).boxed());
    }
    // An optional argument that is missing has none behind it.
    let text = move |arguments: Vec<Vec<String>>| {
        let given: Vec<_> =
            arguments.into_iter().take_while(|argument| !argument.is_empty()).flatten().collect();
        format!("{}({})", function.name, given.join(","))
    };
    arguments.prop_map(text).boxed()
}

/// Any expression of the table.
pub(crate) fn expression() -> impl Strategy<Value = String> {
    // The height of a stack depends on what was drawn before, on purpose.
    let table: Vec<_> = functions().filter(|function| function.name != "stacked").collect();
    path().prop_recursive(3, 12, 3, move |inner| {
        let inner = inner.boxed();
        prop::sample::select(table.clone()).prop_flat_map(move |function| call(function, &inner))
    })
}
