//! Grouping series, and combining each group.

use super::combine::aggregate;
use super::nodes::{group_key, grouped};
use crate::error::Error;
use crate::function::{
    Arguments, Context, Function, Kind, Made, Parameter, Run, SERIES, SERIES_LISTS, Value,
};
use crate::series::TimeSeries;

const CALLBACK: Parameter = Parameter::required("callback", Kind::AggOrSeriesFunc);
const POSITIONS: Parameter = Parameter::optional("position", Kind::Node).many();

pub(super) const FUNCTIONS: &[Function] = &[
    Function::plain(
        "group",
        "Combine",
        &[SERIES_LISTS],
        "All series of all arguments, as one list.",
        |_, mut given| Ok(given.all_series()?.unwrap_or_default()),
    ),
    Function::plain(
        "groupByNode",
        "Combine",
        &[
            SERIES,
            Parameter::required("nodeNum", Kind::NodeOrTag),
            Parameter::optional("callback", Kind::AggOrSeriesFunc).with_default("average"),
        ],
        "Combines the series that have a node of their names in common; it becomes their name.",
        by_node,
    ),
    Function::plain(
        "groupByNodes",
        "Combine",
        &[SERIES, CALLBACK, Parameter::required("nodes", Kind::NodeOrTag).many()],
        "Combines the series that have several nodes of their names in common; they become their name.",
        by_nodes,
    ),
    Function::plain(
        "aggregateWithWildcards",
        "Combine",
        &[SERIES, Parameter::required("func", Kind::AggFunc), POSITIONS],
        "Combines the series whose names differ in some nodes only, by an aggregation.",
        |context, mut given| {
            let series = given.series()?;
            with_wildcards(context, &series, given.text(1)?, given.rest())
        },
    ),
    Function::plain(
        "sumSeriesWithWildcards",
        "Combine",
        &[SERIES, POSITIONS],
        "Sums the series whose names differ in some nodes only.",
        |context, mut given| {
            let series = given.series()?;
            with_wildcards(context, &series, "sum", given.rest())
        },
    ),
    Function::plain(
        "averageSeriesWithWildcards",
        "Combine",
        &[SERIES, POSITIONS],
        "The mean of the series whose names differ in some nodes only.",
        |context, mut given| {
            let series = given.series()?;
            with_wildcards(context, &series, "average", given.rest())
        },
    ),
    Function::plain(
        "multiplySeriesWithWildcards",
        "Combine",
        &[SERIES, POSITIONS],
        "The product of the series whose names differ in some nodes only.",
        |context, mut given| {
            let series = given.series()?;
            with_wildcards(context, &series, "multiply", given.rest())
        },
    ),
];

fn by_node(context: &mut Context<'_, '_>, mut arguments: Arguments) -> Made {
    let series = arguments.series()?;
    let Some(node) = arguments.value(1).cloned() else { return Err(arguments.wrong("needs nodeNum")) };
    let callback = match arguments.value(2) {
        None => "average",
        Some(_) => arguments.text(2)?,
    };
    combine_groups(context, &series, callback, &[node])
}

fn by_nodes(context: &mut Context<'_, '_>, mut arguments: Arguments) -> Made {
    let series = arguments.series()?;
    combine_groups(context, &series, arguments.text(1)?, arguments.rest())
}

fn combine_groups(
    context: &mut Context<'_, '_>,
    series: &[TimeSeries],
    callback: &str,
    nodes: &[Value],
) -> Made {
    let groups = grouped(context, series, |context, one| group_key(context, one, nodes))?;
    let mut combined = Vec::with_capacity(groups.len());
    for (key, members) in groups {
        let members: Vec<_> = members.into_iter().cloned().collect();
        let mut one = call(context, callback, members)?;
        one.name = key;
        combined.push(one);
    }
    Ok(combined)
}

/// One series of many, by a function of the table or an aggregation.
fn call(context: &mut Context<'_, '_>, name: &str, series: Vec<TimeSeries>) -> Result<TimeSeries, Error> {
    let wrong = |problem: &str| Error::Argument { function: name.to_owned(), problem: problem.to_owned() };
    let Some(function) = (context.table)(name) else {
        return aggregate(context, &series, name, None)?.ok_or(Error::NoSeries);
    };
    let Run::Plain(run) = function.run else { return Err(wrong("cannot be the function of a group")) };
    context.budget.call()?;
    let made = run(context, Arguments::of_series(name, function.parameters, series))?;
    made.into_iter().next().ok_or_else(|| wrong("makes nothing of a group"))
}

fn with_wildcards(
    context: &mut Context<'_, '_>,
    series: &[TimeSeries],
    name: &str,
    positions: &[Value],
) -> Made {
    let is_wild = |place: usize| positions.iter().any(|position| position.number() == Some(place as f64));
    let groups = grouped(context, series, |_, one| {
        let nodes = one.name.split('.').enumerate().filter(|(place, _)| !is_wild(*place));
        Ok(nodes.map(|(_, node)| node).collect::<Vec<_>>().join("."))
    })?;
    let mut combined = Vec::with_capacity(groups.len());
    for (key, members) in groups {
        let members: Vec<_> = members.into_iter().cloned().collect();
        let mut one = aggregate(context, &members, name, None)?.ok_or(Error::NoSeries)?;
        one.name = key;
        combined.push(one);
    }
    Ok(combined)
}
