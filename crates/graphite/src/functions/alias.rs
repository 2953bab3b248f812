//! Functions that give series other names.

use super::nodes::group_key;
use crate::error::Error;
use crate::function::{Arguments, Context, Function, Kind, Made, Parameter, SERIES, Value};
use crate::text::pattern::Pattern;
use crate::text::replacement::Replacement;

const NODES: &[Parameter] = &[SERIES, Parameter::required("nodes", Kind::NodeOrTag).many()];
const CASE: &[Parameter] = &[SERIES, Parameter::optional("pos", Kind::Integer).many()];

pub(super) const FUNCTIONS: &[Function] = &[
    Function::plain(
        "alias",
        "Alias",
        &[SERIES, Parameter::required("newName", Kind::String)],
        "Names every series so.",
        alias,
    ).per_series(),
    Function::plain(
        "aliasByNode",
        "Alias",
        NODES,
        "Names each series by nodes of its name, counted from 0, or from the end if negative, or by tags.",
        by_nodes,
    ),
    Function::plain(
        "aliasByTags",
        "Alias",
        NODES,
        "Names each series by tags, or by nodes of its name.",
        by_nodes,
    ),
    Function::plain(
        "aliasByMetric",
        "Alias",
        &[SERIES],
        "Names each series by the last node of its name, without the functions around it.",
        |_, mut given| {
            let mut all = given.series()?;
            all.iter_mut().for_each(|series| series.name = part_of(&series.name, -1, 0));
            Ok(all)
        },
    ),
    Function::plain(
        "aliasSub",
        "Alias",
        &[SERIES, Parameter::required("search", Kind::String), Parameter::required("replace", Kind::String)],
        "Replaces what a regular expression matches in each name; \\1 is its first group. There is no look-around.",
        substitute,
    ).per_series(),
    Function::plain(
        "upper",
        "Alias",
        CASE,
        "Names in capital letters, or letters at some places.",
        |_, given| in_case(given, str::to_uppercase),
    ),
    Function::plain(
        "lower",
        "Alias",
        CASE,
        "Names in small letters, or letters at some places.",
        |_, given| in_case(given, str::to_lowercase),
    ),
    Function::plain(
        "substr",
        "Special",
        &[
            SERIES,
            Parameter::optional("start", Kind::Node).with_default("0"),
            Parameter::optional("stop", Kind::Node).with_default("0"),
        ],
        "Names each series by the nodes from start to before stop, without the functions around it.",
        substr,
    ).per_series(),
];

fn alias(context: &mut Context<'_, '_>, mut given: Arguments) -> Made {
    let name = given.text(1)?.to_owned();
    let mut all = given.series()?;
    context.take_names(all.len(), name.len())?;
    all.iter_mut().for_each(|series| series.name.clone_from(&name));
    Ok(all)
}

fn by_nodes(context: &mut Context<'_, '_>, mut given: Arguments) -> Made {
    let mut all = given.series()?;
    for series in &mut all {
        series.name = group_key(context, series, given.rest())?;
        context.take_names(1, series.name.len())?;
    }
    Ok(all)
}

fn substitute(context: &mut Context<'_, '_>, mut given: Arguments) -> Made {
    context.budget.compile()?;
    let pattern = Pattern::new(given.text(1)?, context.budget.limits)?;
    let mut all = given.series()?;
    if all.is_empty() {
        given.text(2)?;
        return Ok(all);
    }
    let replacement = Replacement::new(given.text(2)?, &pattern)?;
    let longest = context.budget.limits.name_bytes;
    for series in &mut all {
        context.budget.work(series.name.len())?;
        let replaced = replacement.in_name(&pattern, &series.name, longest);
        series.name = replaced.ok_or_else(|| Error::limit("bytes of a name", longest))?;
        context.take_names(1, series.name.len())?;
    }
    Ok(all)
}

fn substr(_: &mut Context<'_, '_>, mut given: Arguments) -> Made {
    let number = |place: usize| match given.value(place) {
        None => Ok(0),
        Some(value) => {
            let index = match value {
                Value::None => None,
                value => value.to_integer(),
            };
            index.ok_or_else(|| given.wrong("start and stop are numbers of nodes"))
        }
    };
    let (start, stop) = (number(1)?, number(2)?);
    let mut all = given.series()?;
    all.iter_mut().for_each(|series| series.name = part_of(&series.name, start, stop));
    Ok(all)
}

fn in_case(mut given: Arguments, of: fn(&str) -> String) -> Made {
    let places: Option<Vec<_>> = given.rest().iter().map(Value::index).collect();
    let places = places.ok_or_else(|| given.wrong("pos is a number"))?;
    let mut all = given.series()?;
    for series in &mut all {
        if places.is_empty() {
            series.name = of(&series.name);
            continue;
        }
        let mut letters: Vec<_> = series.name.chars().map(String::from).collect();
        for place in &places {
            let place = if *place < 0 { place.saturating_add(letters.len() as i64) } else { *place };
            let letter = usize::try_from(place).ok().and_then(|place| letters.get_mut(place));
            if let Some(letter) = letter {
                *letter = of(letter);
            }
        }
        series.name = letters.concat();
    }
    Ok(all)
}

/// The nodes `start..stop` of what stands between the last opening and the first closing parenthesis, up to a comma.
fn part_of(name: &str, start: i64, stop: i64) -> String {
    let left = name.rfind('(').map_or(0, |position| position + 1);
    let right = name.find(')').unwrap_or(name.len());
    let nodes: Vec<_> = name.get(left..right).unwrap_or_default().split('.').collect();
    let at = |index: i64| {
        let count = nodes.len() as i64;
        let index = if index < 0 { index.saturating_add(count) } else { index };
        usize::try_from(index.clamp(0, count)).unwrap_or_default()
    };
    let end = if stop == 0 { nodes.len() } else { at(stop) };
    let part = nodes.get(at(start)..end).unwrap_or_default().join(".");
    part.split(',').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_of_the_innermost_path() {
        for (name, start, stop, expected) in [
            ("a.b.c", 1, 0, "b.c"),
            ("a.b.c", -1, 0, "c"),
            ("a.b.c", -2, -1, "b"),
            ("a.b.c", 2, 1, ""),
            ("a.b.c", -9, 9, "a.b.c"),
            ("f(g(a.b,1),c.d)", 1, 0, "b"),
            (")(", 0, 0, ""),
        ] {
            assert_eq!(part_of(name, start, stop), expected, "{name} {start} {stop}");
        }
    }
}
