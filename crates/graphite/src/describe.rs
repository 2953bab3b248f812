//! The table of functions as documents: what editors of queries ask for, and a page for people.

use serde_json::{Map, Value, json};

use crate::aggregate::Aggregation;
use crate::function::{Function, Kind, Parameter};
use crate::functions::functions;

/// What `/functions` answers: an object that has each function by its name, and by its other names.
///
/// ```
/// let all = graphite::functions_as_json();
/// assert_eq!(all["sum"]["params"][0]["name"], "seriesLists");
/// assert_eq!(all["limit"]["function"], "limit(seriesList, n)");
/// ```
pub fn functions_as_json() -> Value {
    let mut all = Map::new();
    for function in functions() {
        for name in [&function.name].into_iter().chain(function.aliases) {
            all.insert((*name).to_owned(), described(function, name));
        }
    }
    Value::Object(all)
}

/// What `/functions?grouped=1` answers: the same, parted by group.
pub fn functions_by_group_as_json() -> Value {
    let mut groups = Map::new();
    for function in functions() {
        let group = groups.entry(function.group).or_insert_with(|| Value::Object(Map::new()));
        for name in [&function.name].into_iter().chain(function.aliases) {
            group[*name] = described(function, name);
        }
    }
    Value::Object(groups)
}

fn described(function: &Function, name: &str) -> Value {
    json!({
        "name": name,
        "function": signature(function, name),
        "description": function.help,
        "module": "graphite",
        "group": function.group,
        "params": function.parameters.iter().map(parameter).collect::<Vec<_>>(),
    })
}

fn signature(function: &Function, name: &str) -> String {
    let parameters =
        function.parameters.iter().map(|parameter| match (parameter.multiple, parameter.default) {
            (true, _) => format!("*{}", parameter.name),
            (false, Some(default)) => format!("{}={default}", parameter.name),
            (false, None) if !parameter.required => format!("{}=None", parameter.name),
            (false, None) => parameter.name.to_owned(),
        });
    format!("{name}({})", parameters.collect::<Vec<_>>().join(", "))
}

fn parameter(parameter: &Parameter) -> Value {
    let mut described = json!({ "name": parameter.name, "type": parameter.kind.name() });
    if parameter.required {
        described["required"] = true.into();
    }
    if parameter.multiple {
        described["multiple"] = true.into();
    }
    if let Some(default) = parameter.default {
        // A number or a truth as itself, anything else as text: strict JSON knows no Infinity.
        let value = serde_json::from_str(default).ok().filter(|value: &Value| !value.is_string());
        described["default"] = value.unwrap_or_else(|| default.into());
    }
    let mut options = parameter.options.to_vec();
    if matches!(parameter.kind, Kind::AggFunc | Kind::AggOrSeriesFunc) {
        options.extend(Aggregation::NAMES.map(|(name, _)| name));
    }
    if !options.is_empty() {
        described["options"] = options.into();
    }
    described
}

/// A table of all functions for people, by group.
pub fn functions_as_markdown() -> String {
    let mut groups: Vec<_> = functions().map(|function| function.group).collect();
    groups.sort_unstable();
    groups.dedup();
    let mut page = String::new();
    for group in groups {
        page.push_str(&format!("### {group}\n\n| function | what it makes |\n|---|---|\n"));
        let mut rows: Vec<_> = functions().filter(|function| function.group == group).collect();
        rows.sort_by_key(|function| function.name);
        for function in rows {
            let others = function.aliases.iter().map(|alias| format!(", `{alias}`")).collect::<String>();
            let help = function.help.replace('|', "\\|");
            page.push_str(&format!("| `{}`{others} | {help} |\n", signature(function, function.name)));
        }
        page.push('\n');
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_in_every_document() {
        let (all, grouped, page) =
            (functions_as_json(), functions_by_group_as_json(), functions_as_markdown());
        for function in functions() {
            assert_eq!(all[function.name]["group"], function.group);
            assert_eq!(grouped[function.group][function.name], all[function.name]);
            assert!(page.contains(&format!("| `{}(", function.name)), "{}", function.name);
        }
        assert_eq!(all["keepLastValue"]["params"][1]["default"], "Infinity");
        assert_eq!(all["round"]["params"][1]["default"], 0);
    }
}
