//! RRD files as the `rrdtool` program shows and makes them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::wait::{PATIENCE, wait_for};

/// The values of each data source as `rrdtool fetch` prints them (`1.5000000000e+00`), none where it prints NaN.
pub type Values = BTreeMap<String, Vec<Option<String>>>;

/// The averages of a file in a window, in Visage's choice of rows: the last is "always wack" and left out.
///
/// rrdtool prints the names of the data sources, an empty line, and lines of `SECONDS: VALUE VALUE ...`, the first for
/// the end of the step behind the one that `start` lies in, the last for the end of the one that `finish` lies in.
///
/// # Panics
/// When rrdtool can't read the file.
#[must_use]
pub fn fetch(file: &Path, start: i64, finish: i64) -> Values {
    let window = [format!("--start={start}"), format!("--end={finish}")];
    let text = rrdtool(&["fetch", path(file), "AVERAGE", &window[0], &window[1]]);
    let mut lines = text.lines();
    let names: Vec<_> = lines.next().expect("a line of names").split_whitespace().collect();
    let mut rows: Vec<Vec<_>> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(_, values)| values.split_whitespace().map(number).collect())
        .collect();
    rows.pop();
    let column = |(index, name): (usize, &&str)| {
        ((*name).to_owned(), rows.iter().map(|row| row[index].clone()).collect())
    };
    names.iter().enumerate().map(column).collect()
}

/// What is true of a file: `step` and the like, by the key that `rrdtool info` gives it.
///
/// # Panics
/// When rrdtool can't read the file.
#[must_use]
pub fn info(file: &Path) -> BTreeMap<String, String> {
    let text = rrdtool(&["info", path(file)]);
    let facts = text.lines().filter_map(|line| line.split_once(" = "));
    facts.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The second of the last update of a file.
///
/// # Panics
/// When rrdtool can't read the file.
#[must_use]
pub fn last(file: &Path) -> i64 {
    rrdtool(&["last", path(file)]).trim().parse().expect("a number of seconds")
}

/// Makes a file of one data source, `value`, with these values, one a second, the last of them at `finish`. NaN is unknown.
///
/// # Panics
/// When rrdtool can't.
pub fn create(file: &Path, finish: i64, values: &[f64]) {
    let start = finish - values.len() as i64;
    std::fs::create_dir_all(file.parent().expect("a file is in a directory")).expect("a directory");
    let begin = format!("--start={start}");
    let archive = format!("RRA:AVERAGE:0.5:1:{}", values.len() + 10);
    rrdtool(&["create", path(file), &begin, "--step=1", "DS:value:GAUGE:10:U:U", &archive]);
    let updates = values.iter().zip(start + 1..).map(|(value, second)| match value.is_nan() {
        true => format!("{second}:U"),
        false => format!("{second}:{value}"),
    });
    let arguments: Vec<_> = ["update".to_owned(), path(file).to_owned()].into_iter().chain(updates).collect();
    rrdtool(&arguments.iter().map(String::as_str).collect::<Vec<_>>());
}

/// Makes a file as collectd has them of `load`, a row each ten seconds, with these values of all three averages, by their
/// seconds.
///
/// # Panics
/// When rrdtool can't.
pub fn create_load(file: &Path, values: impl Iterator<Item = (i64, f64)>) {
    std::fs::create_dir_all(file.parent().expect("a file is in a directory")).expect("a directory");
    let updates: Vec<_> =
        values.map(|(second, value)| (second, format!("{second}:{value}:{value}:{value}"))).collect();
    let begin = format!("--start={}", updates.first().expect("values").0 - 10);
    let sources = ["shortterm", "midterm", "longterm"].map(|name| format!("DS:{name}:GAUGE:20:0:5000"));
    let [one, two, three] = &sources;
    rrdtool(&["create", path(file), &begin, "--step=10", one, two, three, "RRA:AVERAGE:0.5:1:2000"]);
    let updates = updates.iter().map(|(_, update)| update.as_str());
    rrdtool(&["update", path(file)].into_iter().chain(updates).collect::<Vec<_>>());
}

/// Makes a file of so many data sources, `source0` and on, with a row each second, so many of them and all of one value, the
/// last of them at `finish`.
///
/// # Panics
/// When rrdtool can't.
pub fn create_constant(file: &Path, finish: i64, rows: u32, sources: usize, value: f64) {
    std::fs::create_dir_all(file.parent().expect("a file is in a directory")).expect("a directory");
    let begin = format!("--start={}", finish - i64::from(rows));
    let archive = format!("RRA:AVERAGE:0.5:1:{}", rows + 10);
    // One update says what was so ever since the file begins.
    let sources: Vec<_> =
        (0..sources).map(|number| format!("DS:source{number}:GAUGE:{}:U:U", 2 * rows)).collect();
    let update = sources.iter().fold(finish.to_string(), |update, _| format!("{update}:{value}"));
    let create = ["create", path(file), &begin, "--step=1", &archive].into_iter();
    rrdtool(&create.chain(sources.iter().map(String::as_str)).collect::<Vec<_>>());
    rrdtool(&["update", path(file), &update]);
}

fn number(printed: &str) -> Option<String> {
    (!printed.ends_with("nan")).then(|| printed.to_owned())
}

fn path(file: &Path) -> &str {
    file.to_str().expect("paths of the tests are UTF-8")
}

/// What it prints. While a collectd writes the file it is locked, and rrdtool does not wait.
fn rrdtool(arguments: &[&str]) -> String {
    let output = wait_for(PATIENCE, format_args!("rrdtool {arguments:?}"), || {
        let output = Command::new("rrdtool").args(arguments).output().expect("rrdtool is installed");
        let is_locked = String::from_utf8_lossy(&output.stderr).contains("could not lock RRD");
        (!is_locked).then_some(output)
    });
    assert!(output.status.success(), "rrdtool {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("rrdtool prints ASCII")
}
