//! What Visage answers, as JSON generators lay it out.

use std::fmt::Write;

/// Series of an answer, and values of a series: an hour at 10 seconds.
const SERIES: usize = 3;
const VALUES: usize = 360;

/// Where JSON has space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Nowhere.
    Compact,
    /// Behind each comma and colon, as Python's `json.dumps` puts it.
    Blanks,
    /// Each value on a line of its own, as Ruby's `JSON.pretty_generate` puts it.
    Indented,
}

impl Layout {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Compact, Self::Blanks, Self::Indented];

    /// Three series of an hour; 10.9 KB without space.
    pub(crate) fn answer(self) -> String {
        let compact = compact();
        let mut text = String::with_capacity(4 * compact.len());
        let mut depth = 0;
        // No string in it holds any of these.
        for character in compact.chars() {
            match (self, character) {
                (Self::Blanks, ',' | ':') | (Self::Indented, ':') => text.extend([character, ' ']),
                (Self::Indented, '{' | '[' | ',') => {
                    depth += usize::from(character != ',');
                    text.push(character);
                    start_line(&mut text, depth);
                }
                (Self::Indented, '}' | ']') => {
                    depth -= 1;
                    start_line(&mut text, depth);
                    text.push(character);
                }
                _ => text.push(character),
            }
        }
        text
    }
}

fn start_line(text: &mut String, depth: usize) {
    text.push('\n');
    text.extend(std::iter::repeat_n("  ", depth));
}

fn compact() -> String {
    let mut text = "{\"web-1.example.org\":{\"load\":{".to_owned();
    let mut add =
        |arguments: std::fmt::Arguments<'_>| text.write_fmt(arguments).expect("a string takes anything");
    for series in 0..SERIES {
        let comma = if series == 0 { "" } else { "," };
        add(format_args!(
            "{comma}\"load-{series}\":{{\"value\":{{\"start\":1700000000,\"finish\":1700003600,\"data\":["
        ));
        for value in 0..VALUES {
            let comma = if value == 0 { "" } else { "," };
            let load = 20.0 + 7.0 * ((series * VALUES + value) as f64 / 7.0).sin();
            add(format_args!("{comma}{}", (load * 1e6).round() / 1e6));
        }
        add(format_args!("]}}}}"));
    }
    text + "}}}"
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn the_answer_is_as_large_as_agreed_and_visages() {
        let answer = Layout::Compact.answer();
        assert_eq!((answer.len() + 50) / 100, 109, "{} bytes", answer.len());
        let parsed: Value = serde_json::from_str(&answer).unwrap();
        let series = parsed["web-1.example.org"]["load"].as_object().unwrap();
        assert_eq!(series.len(), SERIES);
        for series in series.values() {
            assert_eq!(series["value"]["data"].as_array().unwrap().len(), VALUES);
        }
    }

    #[test]
    fn layouts_differ_in_nothing_but_space() {
        let compact = Layout::Compact.answer();
        let parsed: Value = serde_json::from_str(&compact).unwrap();
        for layout in [Layout::Blanks, Layout::Indented] {
            let answer = layout.answer();
            assert_eq!(answer.split_whitespace().collect::<String>(), compact);
            assert_eq!(serde_json::from_str::<Value>(&answer).unwrap(), parsed);
        }
    }

    #[test]
    fn space_is_where_generators_put_it() {
        let begins = |layout: Layout, text: &str| assert!(layout.answer().starts_with(text), "{layout:?}");
        begins(
            Layout::Blanks,
            "{\"web-1.example.org\": {\"load\": {\"load-0\": {\"value\": {\"start\": 1700000000, \"finish\": ",
        );
        let indented = "{\n  \"web-1.example.org\": {\n    \"load\": {\n      \"load-0\": {\n        \"value\": {\n          \
                        \"start\": 1700000000,\n          \"finish\": 1700003600,\n          \"data\": [\n            20,\n";
        begins(Layout::Indented, indented);
        assert!(Layout::Indented.answer().ends_with("\n          ]\n        }\n      }\n    }\n  }\n}"));
    }
}
