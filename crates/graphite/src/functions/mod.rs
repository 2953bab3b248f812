//! The table of all functions.

mod alias;
mod calculate;
mod combine;
mod counters;
mod divide;
mod filter;
mod gaps;
mod graph;
mod group;
mod legend;
mod lines;
mod made;
mod mathematics;
mod moving;
mod nodes;
mod remove;
mod shift;
mod sort;
mod summarize;
mod transform;

use crate::function::Function;

const TABLE: [&[Function]; 18] = [
    alias::FUNCTIONS,
    calculate::FUNCTIONS,
    combine::FUNCTIONS,
    counters::FUNCTIONS,
    divide::FUNCTIONS,
    filter::FUNCTIONS,
    gaps::FUNCTIONS,
    graph::FUNCTIONS,
    group::FUNCTIONS,
    legend::FUNCTIONS,
    lines::FUNCTIONS,
    mathematics::FUNCTIONS,
    moving::FUNCTIONS,
    remove::FUNCTIONS,
    shift::FUNCTIONS,
    sort::FUNCTIONS,
    summarize::FUNCTIONS,
    transform::FUNCTIONS,
];

/// All functions.
///
/// ```
/// assert!(graphite::functions().any(|function| function.name == "sumSeries" && function.aliases == ["sum"]));
/// ```
pub fn functions() -> impl Iterator<Item = &'static Function> {
    TABLE.into_iter().flatten()
}

/// The one of this name, or that has this other name.
pub fn function(name: &str) -> Option<&'static Function> {
    functions().find(|function| function.name == name || function.aliases.contains(&name))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn rows_of_the_table_are_whole() {
        let mut names = HashSet::new();
        for function in functions() {
            for name in function.aliases.iter().chain([&function.name]) {
                assert!(names.insert(*name), "{name} is there twice");
            }
            assert!(function.help.ends_with('.') && function.help.len() < 250, "{}", function.name);
            let (last, others) = function.parameters.split_last().unwrap();
            assert!(others.iter().all(|parameter| !parameter.multiple), "{}", function.name);
            assert!(!last.multiple || last.default.is_none());
        }
        assert!(names.len() > 90);
    }
}
