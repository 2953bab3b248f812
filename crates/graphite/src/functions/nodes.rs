//! Nodes of names, and groups of series that have some of them in common.

use std::collections::HashMap;

use crate::error::Error;
use crate::expression::first_path;
use crate::function::{Context, Value};
use crate::series::TimeSeries;
use crate::text::number::repr;

/// The nodes and tags of a series that were asked for, joined by dots. A name that functions have wrapped is the first
/// path inside.
pub(super) fn group_key(
    context: &mut Context<'_, '_>,
    series: &TimeSeries,
    nodes: &[Value],
) -> Result<String, Error> {
    let wrong = |problem: &str| Error::Argument { function: "nodes".to_owned(), problem: problem.to_owned() };
    context.budget.work(series.name.len())?;
    let inner = match series.name.chars().next_back() {
        None => return Err(wrong("a series without a name has none")),
        Some(')') => first_path(&series.name, context.budget.limits)?,
        Some(_) => None,
    };
    let path = inner.as_deref().unwrap_or(&series.name);
    let path = path.split(';').next().unwrap_or_default();
    let mut key = String::new();
    for (place, node) in nodes.iter().enumerate() {
        if place > 0 {
            key.push('.');
        }
        match node {
            Value::Text(tag) => key.push_str(series.tags.get(tag).unwrap_or_default()),
            // It is not the number of a node, so it is taken for the name of a tag.
            Value::Float(number) if number.is_finite() && number.fract() != 0.0 => {
                key.push_str(series.tags.get(&repr(*number)).unwrap_or_default());
            }
            node => {
                let number =
                    node.index().ok_or_else(|| wrong("a node is a whole number or the name of a tag"))?;
                let printed = || node.printed().unwrap_or_default();
                match node_at(path, number) {
                    Some(found) => key.push_str(found),
                    None => key.push_str(series.tags.get(&printed()).unwrap_or_default()),
                }
            }
        }
    }
    Ok(key)
}

/// The node of this number, from the end if it is negative.
fn node_at(path: &str, number: i64) -> Option<&str> {
    if number >= 0 {
        return path.split('.').nth(usize::try_from(number).ok()?);
    }
    path.rsplit('.').nth(usize::try_from(-(number + 1)).ok()?)
}

/// Groups in the order in which they turn up.
pub(super) fn grouped<'s>(
    context: &mut Context<'_, '_>,
    series: &'s [TimeSeries],
    key_of: impl Fn(&mut Context<'_, '_>, &TimeSeries) -> Result<String, Error>,
) -> Result<Vec<(String, Vec<&'s TimeSeries>)>, Error> {
    let mut groups: Vec<(String, Vec<&TimeSeries>)> = Vec::new();
    let mut places = HashMap::new();
    for one in series {
        let key = key_of(context, one)?;
        let place = *places.entry(key).or_insert_with_key(|key| {
            groups.push((key.clone(), Vec::new()));
            groups.len() - 1
        });
        groups[place].1.push(one);
    }
    Ok(groups)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_counted_from_either_end() {
        for (number, expected) in
            [(0, Some("a")), (2, Some("c")), (3, None), (-1, Some("c")), (-3, Some("a")), (-4, None)]
        {
            assert_eq!(node_at("a.b.c", number), expected, "{number}");
        }
        assert_eq!(node_at("a.b.c", i64::MIN), None);
    }
}
