//! Functions that order series, and those that take the first of an order. What is equal stays as it was.

use super::filter::first;
use crate::aggregate::Aggregation;
use crate::error::Error;
use crate::function::{Arguments, Context, Function, Kind, Made, Parameter, SERIES};
use crate::series::TimeSeries;

const ONE: &[Parameter] = &[SERIES];
const SOME: &[Parameter] = &[SERIES, Parameter::required("n", Kind::Integer)];
const SOME_BY: &[Parameter] = &[
    SERIES,
    Parameter::required("n", Kind::Integer),
    Parameter::optional("func", Kind::AggFunc).with_default("average"),
];
const REVERSE: Parameter = Parameter::optional("reverse", Kind::Boolean).with_default("false");

const fn order(
    name: &'static str,
    parameters: &'static [Parameter],
    help: &'static str,
    run: fn(&mut Context<'_, '_>, Arguments) -> Made,
) -> Function {
    Function::plain(name, "Sorting", parameters, help, run)
}

const fn choose(
    name: &'static str,
    parameters: &'static [Parameter],
    help: &'static str,
    run: fn(&mut Context<'_, '_>, Arguments) -> Made,
) -> Function {
    Function::plain(name, "Filter Series", parameters, help, run)
}

pub(super) const FUNCTIONS: &[Function] = &[
    order(
        "sortBy",
        &[SERIES, Parameter::optional("func", Kind::AggFunc).with_default("average"), REVERSE],
        "In the order of an aggregation of each.",
        |_, mut given| {
            let (by, is_reverse) = (given.aggregation(1, Aggregation::Average)?, given.is_true(2));
            Ok(sorted(given.series()?, by, is_reverse))
        },
    ),
    order(
        "sortByName",
        &[SERIES, Parameter::optional("natural", Kind::Boolean).with_default("false"), REVERSE],
        "In the order of their names; natural: numbers in them by what they count.",
        by_name,
    ),
    order("sortByTotal", ONE, "The greatest sum first.", |_, mut given| {
        Ok(sorted(given.series()?, Aggregation::Sum, true))
    }),
    order("sortByMaxima", ONE, "The greatest maximum first.", |_, mut given| {
        Ok(sorted(given.series()?, Aggregation::Max, true))
    }),
    order(
        "sortByMinima",
        ONE,
        "The least minimum first; series that are never above 0 are left out.",
        |_, mut given| {
            let mut all = given.series()?;
            all.retain(|one| Aggregation::Max.of(one.values()) > 0.0);
            Ok(sorted(all, Aggregation::Min, false))
        },
    ),
    choose("highest", SOME_BY, "The n series with the greatest aggregation.", |_, given| {
        let by = given.aggregation(2, Aggregation::Average)?;
        some(given, by, true)
    }),
    choose("lowest", SOME_BY, "The n series with the least aggregation.", |_, given| {
        let by = given.aggregation(2, Aggregation::Average)?;
        some(given, by, false)
    }),
    choose("highestAverage", SOME, "The n series with the greatest mean.", |_, given| {
        needed(given, Aggregation::Average, true)
    }),
    choose("highestCurrent", SOME, "The n series with the greatest last value.", |_, given| {
        needed(given, Aggregation::Last, true)
    }),
    choose("highestMax", SOME, "The n series with the greatest maximum.", |_, given| {
        needed(given, Aggregation::Max, true)
    }),
    choose("lowestAverage", SOME, "The n series with the least mean.", |_, given| {
        needed(given, Aggregation::Average, false)
    }),
    choose("lowestCurrent", SOME, "The n series with the least last value.", |_, given| {
        needed(given, Aggregation::Last, false)
    }),
];

/// A series of which nothing is known comes first, or last in reverse.
fn sorted(all: Vec<TimeSeries>, by: Aggregation, is_reverse: bool) -> Vec<TimeSeries> {
    let key = |series: &TimeSeries| match by.of(series.values()) {
        unknown if unknown.is_nan() => f64::NEG_INFINITY,
        // 0 and -0 are equal.
        known => known + 0.0,
    };
    let mut keyed: Vec<_> = all.into_iter().map(|series| (key(&series), series)).collect();
    keyed
        .sort_by(|(one, _), (other, _)| if is_reverse { other.total_cmp(one) } else { one.total_cmp(other) });
    keyed.into_iter().map(|(_, series)| series).collect()
}

fn needed(given: Arguments, by: Aggregation, is_highest: bool) -> Made {
    match given.value(1) {
        None => Err(given.wrong("needs n")),
        Some(_) => some(given, by, is_highest),
    }
}

fn some(mut given: Arguments, by: Aggregation, is_highest: bool) -> Made {
    let n = match given.value(1) {
        None => 1,
        Some(value) => value.to_integer().ok_or_else(|| given.wrong("n must be a number"))?,
    };
    Ok(first(sorted(given.series()?, by, is_highest), n))
}

fn by_name(_: &mut Context<'_, '_>, mut given: Arguments) -> Made {
    let (is_natural, is_reverse) = (given.is_true(1), given.is_true(2));
    let all = given.series()?;
    let key = |series: &TimeSeries| if is_natural { natural(&series.name) } else { series.name.clone() };
    let mut keyed: Vec<_> = all.into_iter().map(|series| (key(&series), series)).collect();
    keyed.sort_by(|(one, _), (other, _)| if is_reverse { other.cmp(one) } else { one.cmp(other) });
    Ok::<_, Error>(keyed.into_iter().map(|(_, series)| series).collect())
}

/// The name with all its numbers as long as ten digits.
fn natural(name: &str) -> String {
    let mut padded = String::with_capacity(name.len() + 10);
    let mut rest = name;
    while let Some(begin) = rest.find(|character: char| character.is_ascii_digit()) {
        let (before, behind) = rest.split_at(begin);
        let end = behind.find(|character: char| !character.is_ascii_digit()).unwrap_or(behind.len());
        let digits = behind[..end].trim_start_matches('0');
        padded.push_str(before);
        padded.extend(std::iter::repeat_n('0', 10_usize.saturating_sub(digits.len())));
        padded.push_str(digits);
        rest = &behind[end..];
    }
    padded + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_count() {
        let mut names = ["cpu-10", "cpu-9", "cpu-010a", "cpu", "cpu-12345678901"];
        names.sort_by_key(|name| natural(name));
        assert_eq!(names, ["cpu", "cpu-9", "cpu-10", "cpu-010a", "cpu-12345678901"]);
    }
}
