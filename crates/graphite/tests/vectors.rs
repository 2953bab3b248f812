//! Every vector: what graphite-web answered is what is answered here.

mod store;

use std::fs::File;
use std::io::{BufRead, BufReader};

use flate2::read::GzDecoder;
use graphite::{Error, Format, Limits, Options, Request, TimeZone, Window};
use serde_json::Value;

use store::{Store, testdata};

/// Vectors whose answer is another one here, and why.
fn is_excepted(vector: &Value, answer: &Result<Value, Error>) -> Option<&'static str> {
    let target = vector["target"].as_str().unwrap_or_default();
    match answer {
        Err(Error::Malformed { .. })
            if vector["status"] == 200 && vector["body"] == serde_json::json!([]) =>
        {
            Some("malformed text, which graphite-web answers with no series, is an error that says where")
        }
        Err(Error::Pattern { .. }) if target.contains("(?<=") => {
            Some("there is no look-around in linear time")
        }
        Ok(_) if vector["request"]["maxDataPoints"] == "0" => Some("no points at most is no bound"),
        _ => None,
    }
}

fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned).or_else(|| value.as_i64().map(|number| number.to_string()))
}

fn answer(store: &Store, vector: &Value) -> Result<Value, Error> {
    let parameter = |name: &str| text(&vector["request"][name]);
    let targets = match &vector["target"] {
        Value::Array(several) => several.iter().filter_map(text).collect(),
        one => vec![text(one).expect("a target")],
    };
    let (from, until) = (parameter("from"), parameter("until"));
    let window = Window::of(from.as_deref(), until.as_deref(), store.base, &TimeZone::UTC)?;
    let share = parameter("xFilesFactor").map_or(0.0, |share| share.parse().expect("a share"));
    let request = Request { x_files_factor: share, ..Request::new(targets, window) };
    let (series, _) = store.evaluate(request, &Limits::default())?;
    let options = Options {
        max_data_points: parameter("maxDataPoints").and_then(|most| most.parse().ok()),
        no_null_points: parameter("noNullPoints").is_some(),
        ..Options::default()
    };
    let answer = Format::Json.answer(&series, &options)?;
    Ok(serde_json::from_slice(&answer.to_bytes()).expect("what is written is JSON"))
}

fn is_close(found: &Value, expected: &Value) -> bool {
    match (found.as_f64(), expected.as_f64()) {
        (Some(found), Some(expected)) => {
            (found - expected).abs() <= 1e-12 * found.abs().max(expected.abs()) || found == expected
        }
        _ => found.is_null() && expected.is_null(),
    }
}

/// What differs, if anything: names, tags and times exactly, numbers nearly.
fn difference(found: &Value, expected: &Value) -> Option<String> {
    let (found, expected) = (found.as_array()?, expected.as_array()?);
    if found.len() != expected.len() {
        return Some(format!("{} series, not {}", found.len(), expected.len()));
    }
    for (found, expected) in found.iter().zip(expected) {
        for key in ["target", "tags"] {
            if found[key] != expected[key] {
                return Some(format!("{key} {}, not {}", found[key], expected[key]));
            }
        }
        let (points, wanted) = (&found["datapoints"], &expected["datapoints"]);
        let same = |(found, expected): (&Value, &Value)| {
            is_close(&found[0], &expected[0]) && found[1] == expected[1]
        };
        let (points, wanted) = (points.as_array()?, wanted.as_array()?);
        if points.len() != wanted.len() || !points.iter().zip(wanted).all(same) {
            return Some(format!("points {}, not {}", found["datapoints"], expected["datapoints"]));
        }
    }
    None
}

#[test]
fn all_vectors_are_answered_as_by_graphite_web() {
    let store = Store::read();
    let open = |name| BufReader::new(GzDecoder::new(File::open(testdata(name)).expect("testdata is there")));
    let lines = open("vectors.jsonl.gz").lines().chain(open("more.jsonl.gz").lines());
    let (mut count, mut excepted, mut wrong) = (0, 0, Vec::new());
    for line in lines {
        let vector: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
        count += 1;
        let answer = answer(&store, &vector);
        if is_excepted(&vector, &answer).is_some() {
            excepted += 1;
            continue;
        }
        let difference = match (&answer, vector["status"] == 200) {
            (Ok(found), true) => difference(found, &vector["body"]),
            (Err(_), false) => None,
            (Ok(_), false) => Some(format!("an answer, not {}", vector["status"])),
            (Err(error), true) => Some(format!("an error: {error}")),
        };
        if let Some(difference) = difference {
            wrong.push(format!("{} {}\n  {difference}", vector["target"], vector["request"]));
        }
    }
    println!("{count} vectors, {excepted} excepted");
    assert!(count > 2_200 && excepted < 30, "{count} vectors, {excepted} excepted");
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// What is wrong with an argument that is looked at for each series does not matter to none; what is missing does.
#[test]
fn wrong_arguments_do_not_matter_to_no_series() {
    let store = Store::read();
    let window = Window { from: store.base, until: store.base + 120 };
    let evaluate = |target: &str| store.evaluate(Request::new([target], window), &Limits::default());
    for target in ["scale(nosuch.*,'x')", "aliasSub(nosuch.*,'(','x')", "currentAbove(nosuch.*,'x')"] {
        assert_eq!(evaluate(target).map(|(series, _)| series.len()), Ok(0), "{target}");
        assert!(evaluate(&target.replace("nosuch.*", "a.s10.gaps")).is_err(), "{target}");
    }
    for target in
        ["scale(nosuch.*)", "grep(nosuch.*,'(')", "sortBy(nosuch.*,'nosuch')", "limit(nosuch.*,1.5)"]
    {
        assert!(evaluate(target).is_err(), "{target}");
    }
}
