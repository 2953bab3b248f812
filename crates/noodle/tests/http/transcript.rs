//! Transcripts of a real Visage, from `testdata/visage`.

use std::collections::BTreeMap;
use std::path::Path;

/// A request, and what Visage said.
pub(crate) struct Transcript {
    pub(crate) name: String,
    pub(crate) method: String,
    pub(crate) path: String,
    /// Of the request, but Host and Connection.
    pub(crate) fields: String,
    pub(crate) status: u16,
    pub(crate) body: String,
    /// Whether only a part of the body is there.
    pub(crate) is_cut: bool,
}

/// All transcripts by name; bodies that were cut are closed, so that they are JSON again.
pub(crate) fn transcripts() -> BTreeMap<String, Transcript> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/visage");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "txt"));
    files
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name.clone(), read(name, &std::fs::read_to_string(path).unwrap()))
        })
        .collect()
}

fn read(name: String, text: &str) -> Transcript {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let lines = |mark: &'static str| head.lines().filter_map(move |line| line.strip_prefix(mark));
    let mut request = lines("> ");
    let mut first = request.next().unwrap().split(' ').map(str::to_owned);
    let fields = request.filter(|line| !line.starts_with("Host:") && !line.starts_with("Connection:"));
    let status = lines("< ").next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let (body, is_cut) = match body.split_once("\n[... body of ") {
        Some((body, _)) => (body, true),
        None => (body.strip_suffix('\n').unwrap_or(body), false),
    };
    Transcript {
        name,
        method: first.next().unwrap(),
        path: first.next().unwrap(),
        fields: fields.map(|line| format!("{line}\r\n")).collect(),
        status,
        body: if is_cut { closed(body) } else { body.to_owned() },
        is_cut,
    }
}

/// Ends what is open in a text that was cut.
fn closed(text: &str) -> String {
    let (mut open, mut in_string) = (Vec::new(), false);
    for c in text.chars() {
        match c {
            '"' => in_string = !in_string,
            '(' => open.push(')'),
            '[' => open.push(']'),
            '{' => open.push('}'),
            ')' | ']' | '}' => drop(open.pop()),
            _ => {}
        }
    }
    let text = text.trim_end_matches([',', '.', '-']);
    let quote = if in_string { "\"" } else { "" };
    let text = format!("{text}{quote}{}", open.iter().rev().collect::<String>());
    // Some are cut in the middle of a null.
    ["n]", "nu]", "nul]"].iter().fold(text, |text, null| text.replace(null, "null]"))
}
