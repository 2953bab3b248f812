//! What Visage said, said again over an rrdcached whose files hold what Visage's held: keys in the same order, numbers
//! in the same spelling, but for Visage's faults.
//!
//! Transcripts that were cut are left out, pages of HTML but for their status, and answers up to now.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::process::Command;

use coco_harness::directory::Directory;
use coco_harness::rrdcached::Rrdcached as Daemon;
use serde_json::{Value, json};

use crate::noodle::Noodle;
use crate::proxy::{tiers, url};
use crate::transcript::{Transcript, transcripts};

/// What Visage should have said.
#[derive(Debug, Clone)]
enum Instead {
    /// Unknown, for rows of an instance that its file does not know: Visage puts the value there that came before.
    Unknown(&'static str, Range<usize>),
    /// What it said to the same question in other words.
    Like(&'static str),
    /// The same names in the order of one host.
    Sorted,
    /// This.
    Text(&'static str),
    /// An answer of its own, with this status.
    Status(u16),
}

/// Visage's own faults.
const FAULTS: [(&str, Instead); 18] = [
    // What a browser calls `map` of.
    ("02d-data-host-missing", Instead::Text("{\"metrics\":[]}")),
    // What only a later host has, behind all others.
    ("02b-data-hosts-comma", Instead::Sorted),
    ("02c-data-host-glob", Instead::Sorted),
    // A slash at the end, which asks for the same.
    ("02e-data-host-slash", Instead::Status(200)),
    ("04b-whole-plugin-slash", Instead::Status(200)),
    ("17-host-with-colon-slash", Instead::Status(200)),
    // Lists of hosts with commas, which its manual promises.
    ("06-comma-hosts", Instead::Like("06b-brace-hosts")),
    // Braces and brackets as they are.
    ("06h-brace-raw", Instead::Status(200)),
    // Errors of the request, told as errors of the server; what is no time is as good as none.
    ("07f-bad-times", Instead::Status(200)),
    ("07g-start-after-finish", Instead::Status(400)),
    // Bytes that it drops, or makes others of.
    ("15c-nul", Instead::Status(400)),
    ("15e-backslash-glob", Instead::Status(400)),
    // Means of 300 s of steps that do not divide it, and files that can't be read, which cost everything.
    ("08f-percentiles-uneven", Instead::Status(200)),
    ("11d-corrupt-rrd", Instead::Status(200)),
    ("11e-corrupt-glob", Instead::Status(200)),
    // Gaps filled, by values of another series, too; and with percentiles, taken out.
    ("10-gap", Instead::Unknown("gauge-gap", 3..24)),
    ("10c-leak-between-series", Instead::Unknown("gauge-b", 0..19)),
    ("08h-percentiles-no-data", Instead::Unknown("gauge-b", 0..10)),
];

/// The rows of a file, and where they stand.
struct File<'a> {
    path: String,
    sources: Vec<&'a String>,
    columns: Vec<Vec<Option<f64>>>,
    step: i64,
    start: i64,
}

/// What the files of an answer with series held.
fn files(answer: &Value) -> Vec<File<'_>> {
    let members = |value: &'_ Value| value.as_object().expect("an object").clone();
    let mut files = Vec::new();
    for (host, plugins) in answer.as_object().expect("an object") {
        for (plugin, instances) in members(plugins) {
            for (instance, _) in members(&instances) {
                let sources = answer[host][&plugin][&instance].as_object().expect("an object");
                let (_, first) = sources.iter().next().expect("a data source");
                let (start, finish) =
                    (first["start"].as_i64().expect("seconds"), first["finish"].as_i64().expect("seconds"));
                let column = |(_, source): (&String, &Value)| {
                    source["data"].as_array().expect("rows").iter().map(Value::as_f64).collect()
                };
                let columns: Vec<Vec<_>> = sources.iter().map(column).collect();
                let rows = i64::try_from(columns[0].len()).expect("rows");
                // No transcript is of another step.
                let has = |step: &i64| finish.div_euclid(*step) - start.div_euclid(*step) == rows;
                let step = [1, 10].into_iter().find(has).unwrap_or_else(|| panic!("{rows}: {first}"));
                files.push(File {
                    path: format!("{host}/{plugin}/{instance}.rrd"),
                    sources: sources.keys().collect(),
                    columns,
                    step,
                    start: start.div_euclid(step) * step,
                });
            }
        }
    }
    files
}

impl File<'_> {
    fn make(&self, base: &Path) {
        let path = base.join(&self.path);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        let Self { step, start, .. } = *self;
        let rows = self.columns[0].len();
        let rrdtool = |words: Vec<String>| {
            let status = Command::new("rrdtool").args(&words).status().expect("rrdtool is installed");
            assert!(status.success(), "{words:?}");
        };
        let path = path.to_str().expect("UTF-8").to_owned();
        let mut words =
            vec!["create".to_owned(), path.clone(), format!("--start={start}"), format!("--step={step}")];
        words.extend(self.sources.iter().map(|source| format!("DS:{source}:GAUGE:{}:U:U", 2 * step)));
        words.push(format!("RRA:AVERAGE:0.5:1:{}", rows + 10));
        rrdtool(words);
        let value = |value: Option<f64>| value.map_or("U".to_owned(), |value| value.to_string());
        let update = |row: usize| {
            let time = start + (i64::try_from(row).expect("a row") + 1) * step;
            let values = self.columns.iter().map(|column| format!(":{}", value(column[row])));
            format!("{time}{}", values.collect::<String>())
        };
        if rows > 0 {
            rrdtool(["update".to_owned(), path].into_iter().chain((0..rows).map(update)).collect());
        }
    }
}

/// Files without rows, for lists of names.
fn make_names(base: &Path, path: &str, answer: &Value) {
    let names = |key: &str| answer[key].as_array().cloned().unwrap_or_default().into_iter();
    let names = |key: &str| names(key).map(|name| name.as_str().expect("a name").to_owned());
    let asked = path.strip_prefix("/data/").unwrap_or_default();
    let hosts = asked.replace("*.", "alpha.");
    let metrics: Vec<_> = names("metrics").collect();
    let known = hosts.split(',').filter(|host| !host.starts_with("nosuch") && !host.is_empty());
    let of_hosts = known.flat_map(|host| metrics.iter().map(move |metric| format!("{host}/{metric}")));
    for name in names("hosts").map(|host| format!("{host}/load/load")).chain(of_hosts) {
        let file = base.join(name + ".rrd");
        std::fs::create_dir_all(file.parent().expect("a directory")).expect("a directory");
        std::fs::write(file, "").expect("a file");
    }
}

/// What Visage can't read: a file that is none, and with percentiles one of steps of 70 s.
fn make_unusual(base: &Path) {
    let path = "gamma.example.org/layout/gauge-default.rrd".to_owned();
    let source = "value".to_owned();
    let start = 1_795_211_200 / 70 * 70;
    File { path, sources: vec![&source], columns: vec![vec![Some(2.0); 2_000]], step: 70, start }.make(base);
    let corrupt = base.join("delta.example.org/corrupt");
    std::fs::create_dir_all(&corrupt).expect("a directory");
    std::fs::write(corrupt.join("gauge-x.rrd"), "none").expect("a file");
}

/// With ten digits of each number that has a point: rrdtool makes sums of what it is given.
fn spelled(text: &str) -> String {
    let (mut spelled, mut number, mut is_text) = (String::new(), String::new(), false);
    for c in text.chars().chain(['\n']) {
        is_text ^= c == '"';
        if !is_text && (c.is_ascii_digit() || "+-.e".contains(c)) {
            number.push(c);
            continue;
        }
        match number.parse::<f64>() {
            Ok(value) if number.contains('.') => spelled += &format!("{value:.9e}"),
            _ => spelled += &number,
        }
        number.clear();
        spelled.push(c);
    }
    spelled
}

/// What is to be said, and what the files hold.
fn expected(instead: Option<&Instead>, said: &str, all: &BTreeMap<String, Transcript>) -> (String, String) {
    match instead {
        None => (said.to_owned(), said.to_owned()),
        Some(Instead::Like(other)) => (all[*other].body.clone(), all[*other].body.clone()),
        Some(Instead::Sorted) => {
            let answer: Value = serde_json::from_str(said).expect("JSON");
            let mut names: Vec<_> = answer["metrics"].as_array().expect("names").clone();
            // By directories, and in each by files.
            let parts = |name: &Value| {
                let (plugin, instance) =
                    name.as_str().and_then(|name| name.split_once('/')).expect("two parts");
                (plugin.to_owned(), format!("{instance}.rrd"))
            };
            names.sort_by_key(parts);
            (json!({ "metrics": names }).to_string(), said.to_owned())
        }
        Some(Instead::Text(text)) => ((*text).to_owned(), said.to_owned()),
        Some(Instead::Status(_)) => (String::new(), "{}".to_owned()),
        Some(Instead::Unknown(instance, rows)) => {
            let mut answer: Value = serde_json::from_str(said).expect("JSON");
            let plugins = answer.as_object_mut().expect("hosts").values_mut();
            for plugin in plugins.flat_map(|plugins| plugins.as_object_mut().expect("plugins").values_mut()) {
                let data = plugin[*instance]["value"]["data"].as_array_mut().expect("rows");
                data.resize(data.len().max(rows.end), Value::Null);
                data[rows.clone()].fill(Value::Null);
            }
            (answer.to_string(), answer.to_string())
        }
    }
}

#[test]
fn what_visage_said_is_said_again_but_for_its_faults() {
    let mut all = transcripts();
    all.retain(|_, transcript| transcript.method == "GET" && !transcript.is_cut);
    let mut compared = 0;
    for (name, transcript) in &all {
        let fault = FAULTS.iter().find(|(fault, _)| fault == name).map(|(_, instead)| instead);
        let is_answer = transcript.status == 200
            && transcript.body.starts_with('{')
            && !transcript.path.contains("start=1795292340");
        if fault.is_none() && !is_answer {
            continue;
        }
        let (said, held) = expected(fault, &transcript.body, &all);
        let directory = Directory::new("transcript");
        let held: Value = serde_json::from_str(&held).unwrap_or_else(|error| panic!("{name}: {error}"));
        if held.get("hosts").is_some() || held.get("metrics").is_some() {
            make_names(directory.path(), &transcript.path, &held);
        } else {
            files(&held).iter().for_each(|file| file.make(directory.path()));
        }
        if let Some(Instead::Status(_)) = fault {
            make_unusual(directory.path());
        }
        let daemon = Daemon::start(directory.path());
        let noodle = Noodle::start(&tiers(&[url(&daemon)]), "metadata = false");
        let answer = noodle.get(&transcript.path);
        if let Some(Instead::Status(status)) = fault {
            assert_ne!(*status, transcript.status, "{name} is no fault");
            assert_eq!(answer.status, *status, "{name}: {}", answer.text());
            let has_percentiles = answer.text().contains("\"percentile_95\":2,");
            assert_eq!(has_percentiles, name == "08f-percentiles-uneven", "{name}: {}", answer.text());
        } else {
            assert_eq!(answer.status, 200, "{name}: {}", answer.text());
            assert_eq!(spelled(&answer.text()), spelled(&said), "{name}");
            assert!(fault.is_none() || spelled(&said) != spelled(&transcript.body), "{name} is no fault");
        }
        compared += 1;
    }
    assert!(compared > 40, "{compared}");
}
