//! The sections of a status page: facts, and tables of them.

use serde_json::Value;

use super::curve::{curve, shown_rate};
use super::html::Html;

/// Rows of a table that are shown.
pub const ROWS: usize = 200;

/// A part of the page with a heading.
#[derive(Debug, Clone, Default)]
pub struct Section {
    /// Its heading.
    pub title: String,
    /// Facts, each with its name.
    pub facts: Vec<(String, Shown)>,
    /// Tables below the facts.
    pub tables: Vec<Table>,
}

/// A table, whose first column names what the others tell of.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// The title of the table.
    pub caption: String,
    /// The names of its columns.
    pub heads: Vec<&'static str>,
    /// Its rows, as long as that.
    pub rows: Vec<Vec<Shown>>,
    /// A line below the last row that is shown, or in place of rows.
    pub rest: String,
}

/// Something that is shown.
#[derive(Debug, Clone, PartialEq)]
pub enum Shown {
    /// A text, whoever chose it.
    Text(String),
    /// A text that says whether all is well.
    Mood(Mood, String),
    /// A number of `/debug/vars`, with the pointer to it there (RFC 6901).
    Counted(String, Value),
    /// The same as bytes.
    Bytes(String, Value),
    /// A rate per second.
    Rate(Option<f64>),
    /// Rates of the last minutes.
    Curve(Vec<Option<f64>>),
    /// Seconds of `/debug/vars`.
    Seconds(String, Value),
    /// One of another, which is its limit.
    Of(Box<[Shown; 2]>),
    /// Some things by their names, one behind the other.
    List(Vec<(String, Shown)>),
}

/// Whether all is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// It is.
    Good,
    /// It may not be.
    Doubtful,
    /// It is not.
    Bad,
}

impl Mood {
    const fn class(self) -> &'static str {
        match self {
            Self::Good => "<span class=\"good\">",
            Self::Doubtful => "<span class=\"warn\">",
            Self::Bad => "<span class=\"bad\">",
        }
    }

    /// Of a target in a state, by its name.
    pub fn of_state(state: &str) -> Self {
        match state {
            "up" => Self::Good,
            "down" => Self::Bad,
            _ => Self::Doubtful,
        }
    }
}

/// The numbers of `/debug/vars` at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Numbers<'a>(pub &'a Value);

impl<'a> Numbers<'a> {
    /// The value at a path of keys.
    pub fn at(&self, path: &[&str]) -> &'a Value {
        self.0.pointer(&pointer(path)).unwrap_or(&Value::Null)
    }

    /// The number at a path of keys, as it is shown.
    pub fn counted(&self, path: &[&str]) -> Shown {
        Shown::Counted(pointer(path), self.at(path).clone())
    }

    /// The same, of bytes.
    pub fn bytes(&self, path: &[&str]) -> Shown {
        Shown::Bytes(pointer(path), self.at(path).clone())
    }

    /// The same, of seconds.
    pub fn seconds(&self, path: &[&str]) -> Shown {
        Shown::Seconds(pointer(path), self.at(path).clone())
    }

    /// All numbers below a path that are not 0, with their paths below it.
    pub fn beyond_zero(&self, path: &[&str]) -> Vec<(String, Shown)> {
        let mut found = Vec::new();
        collect(self.at(path), &pointer(path), "", &mut found);
        found
    }
}

fn collect(value: &Value, at: &str, name: &str, found: &mut Vec<(String, Shown)>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                let name = if name.is_empty() { key.clone() } else { format!("{name} {key}") };
                collect(member, &format!("{at}{}", pointer(&[key])), &name, found);
            }
        }
        number if number.as_f64().is_some_and(|number| number != 0.0) => {
            found.push((name.to_owned(), Shown::Counted(at.to_owned(), number.clone())));
        }
        _ => {}
    }
}

fn pointer(path: &[&str]) -> String {
    path.iter().map(|key| format!("/{}", key.replace('~', "~0").replace('/', "~1"))).collect()
}

impl Section {
    /// Without anything in it.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// With a fact more.
    #[must_use]
    pub fn fact(mut self, label: impl Into<String>, shown: Shown) -> Self {
        self.facts.push((label.into(), shown));
        self
    }

    /// With a table more.
    #[must_use]
    pub fn table(mut self, table: Table) -> Self {
        self.tables.push(table);
        self
    }

    pub(super) fn html(&self) -> Html {
        let mut html = Html::new().markup("<section>\n<h2>").text(&self.title).markup("</h2>\n");
        if !self.facts.is_empty() {
            html = html.markup("<dl>\n").each(&self.facts, |html, (label, shown)| {
                html.markup("<div><dt>")
                    .text(label)
                    .markup("</dt><dd>")
                    .html(&shown.html())
                    .markup("</dd></div>\n")
            });
            html = html.markup("</dl>\n");
        }
        html.each(&self.tables, |html, table| html.html(&table.html())).markup("</section>\n")
    }
}

impl Table {
    fn html(&self) -> Html {
        let mut html = Html::new();
        if !self.rows.is_empty() {
            html = html
                .markup("<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"")
                .text(&self.caption);
            html = html.markup("\"><table>\n<caption>").text(&self.caption).markup("</caption>\n<thead><tr>");
            html = html
                .each(&self.heads, |html, head| html.markup("<th scope=\"col\">").text(head).markup("</th>"));
            html = html
                .markup("</tr></thead>\n<tbody>\n")
                .each(&self.rows, |html, row| html.html(&row_html(row)));
            html = html.markup("</tbody></table></div>\n");
        }
        if self.rest.is_empty() {
            return html;
        }
        html.markup("<p>").text(&self.rest).markup("</p>\n")
    }
}

fn row_html(row: &[Shown]) -> Html {
    let cells = row.iter().enumerate();
    let row = Html::new().markup("<tr>").each(cells, |html, (place, shown)| match (place, shown) {
        (0, _) => html.markup("<th scope=\"row\">").html(&shown.html()).markup("</th>"),
        (_, Shown::Text(_) | Shown::Mood(..) | Shown::List(_)) => {
            html.markup("<td>").html(&shown.html()).markup("</td>")
        }
        _ => html.markup("<td class=\"number\">").html(&shown.html()).markup("</td>"),
    });
    row.markup("</tr>\n")
}

impl Shown {
    /// A text.
    #[expect(clippy::needless_pass_by_value, reason = "numbers and texts alike")]
    pub fn text(text: impl ToString) -> Self {
        Self::Text(text.to_string())
    }

    /// One of another, which is its limit.
    #[must_use]
    pub fn of(self, limit: Self) -> Self {
        Self::Of(Box::new([self, limit]))
    }

    fn html(&self) -> Html {
        let html = Html::new();
        match self {
            Self::Text(text) => html.text(text),
            Self::Mood(mood, text) => html.markup(mood.class()).text(text).markup("</span>"),
            Self::Counted(pointer, value) => data(pointer, value, grouped(value)),
            Self::Bytes(pointer, value) => data(pointer, value, bytes(value)),
            Self::Rate(None) => html.text("–"),
            Self::Rate(Some(rate)) => html.text(shown_rate(*rate)),
            Self::Curve(rates) => curve(rates),
            Self::Seconds(pointer, value) => data(pointer, value, seconds(value)),
            Self::Of(both) => html.html(&both[0].html()).text(" of ").html(&both[1].html()),
            Self::List(things) if things.is_empty() => html.text("–"),
            Self::List(things) => html.each(things.iter().enumerate(), |html, (place, (name, shown))| {
                let html = if place > 0 { html.text(", ") } else { html };
                html.text(name).text(" ").html(&shown.html())
            }),
        }
    }
}

fn data(pointer: &str, value: &Value, shown: String) -> Html {
    let html = Html::new().markup("<data value=\"").text(value).markup("\" data-vars=\"").text(pointer);
    html.markup("\">").text(shown).markup("</data>")
}

/// `1234567` as `1,234,567`.
fn grouped(value: &Value) -> String {
    let Some(integer) = value.as_u64() else {
        return value.as_f64().map_or_else(|| "–".to_owned(), |real| format!("{real:.1}"));
    };
    let digits = integer.to_string();
    let (mut shown, first) = (String::new(), digits.len() % 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && place % 3 == first {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

fn bytes(value: &Value) -> String {
    shown_bytes(value.as_f64().unwrap_or_default())
}

/// `12 ms`, `1.3 s`.
fn seconds(value: &Value) -> String {
    match value.as_f64() {
        None => "–".to_owned(),
        Some(seconds) if seconds < 1.0 => format!("{:.0} ms", seconds * 1000.0),
        Some(seconds) => format!("{seconds:.1} s"),
    }
}

/// Bytes in a unit in which they are few.
pub fn shown_bytes(bytes: f64) -> String {
    let units = ["B", "KiB", "MiB", "GiB"];
    let unit = units.iter().rposition(|unit| bytes >= of_unit(unit)).unwrap_or_default();
    let decimals = usize::from(unit > 0);
    format!("{:.decimals$} {}", bytes / of_unit(units[unit]), units[unit])
}

fn of_unit(unit: &str) -> f64 {
    match unit {
        "KiB" => 1024.0,
        "MiB" => 1_048_576.0,
        "GiB" => 1_073_741_824.0,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_shown_for_people_and_told_for_programs() {
        let vars = json!({ "coco": { "send": { "a/b~:1": 1_234_567 }, "state": { "bytes": 3_145_728 } } });
        let numbers = Numbers(&vars);
        assert_eq!(
            numbers.counted(&["coco", "send", "a/b~:1"]).html().as_str(),
            "<data value=\"1234567\" data-vars=\"/coco/send/a~1b~0:1\">1,234,567</data>"
        );
        assert_eq!(
            numbers.bytes(&["coco", "state", "bytes"]).html().as_str(),
            "<data value=\"3145728\" data-vars=\"/coco/state/bytes\">3.0 MiB</data>"
        );
        for (number, shown) in [(0, "0"), (12, "12"), (123, "123"), (1_000, "1,000"), (123_456, "123,456")] {
            assert_eq!(grouped(&json!(number)), shown);
        }
        assert_eq!([0.0, 0.25, 99.0, 513.4].map(shown_rate), ["0/s", "0.2/s", "99.0/s", "513/s"]);
        assert_eq!([7.0, 2048.0].map(shown_bytes), ["7 B", "2.0 KiB"]);
    }

    #[test]
    fn what_is_not_zero_is_found_by_its_path() {
        let vars = json!({ "coco": { "errors": { "send.write": 0, "fetch.receive": 3, "by": { "x": 1 } } } });
        let found = Numbers(&vars).beyond_zero(&["coco", "errors"]);
        let expected = [
            ("fetch.receive".to_owned(), Shown::Counted("/coco/errors/fetch.receive".to_owned(), json!(3))),
            ("by x".to_owned(), Shown::Counted("/coco/errors/by/x".to_owned(), json!(1))),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_section_is_read_in_its_order_and_names_its_columns() {
        let table = Table {
            caption: "Targets".to_owned(),
            heads: vec!["Target", "State"],
            rows: vec![vec![Shown::text("<a>"), Shown::Mood(Mood::of_state("down"), "down".to_owned())]],
            rest: "and 3 more".to_owned(),
        };
        let html = Section::new("S & T").fact("Age", Shown::text("4 s")).table(table).html();
        let expected = "<section>\n<h2>S &amp; T</h2>\n<dl>\n<div><dt>Age</dt><dd>4 s</dd></div>\n</dl>\n\
            <div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Targets\"><table>\n\
            <caption>Targets</caption>\n<thead><tr><th scope=\"col\">Target</th><th scope=\"col\">State</th></tr></thead>\n\
            <tbody>\n<tr><th scope=\"row\">&lt;a&gt;</th><td><span class=\"bad\">down</span></td></tr>\n</tbody></table></div>\n\
            <p>and 3 more</p>\n</section>\n";
        assert_eq!(html.as_str(), expected);
    }
}
