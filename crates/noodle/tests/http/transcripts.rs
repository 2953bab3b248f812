//! What Visage said, through Noodle.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::node::{Node, response, write};
use crate::noodle::{Noodle, tiers};
use crate::transcript::{Transcript, transcripts};

/// A Visage that says again what it said, and knows what it said of several hosts for each of them too.
fn visage(transcripts: &BTreeMap<String, Transcript>) -> Node {
    let mut answers = BTreeMap::new();
    for transcript in transcripts.values().filter(|transcript| transcript.method == "GET") {
        let (path, mut body) = (transcript.path.clone(), transcript.body.clone());
        let path = path.replace("?callback=foobar", "").replace("&callback=foobar", "");
        if let Some(argument) = body.strip_prefix("foobar(") {
            body = argument.strip_suffix(')').unwrap().to_owned();
        }
        if let Some(rest) = path.strip_prefix("/data/%7Balpha.example.org,beta.example.org%7D/") {
            let members: Value = serde_json::from_str(&body).unwrap();
            for (host, value) in members.as_object().unwrap() {
                answers.insert(format!("/data/{host}/{rest}"), (200, json!({ host: value }).to_string()));
            }
        }
        if transcript.fields.is_empty() {
            answers.insert(path, (transcript.status, body));
        }
    }
    Node::start(move |asked, stream| {
        // As Visage does with a page of another site.
        if asked.fields.contains_key("referer") {
            write(stream, &response(403, "", b"Forbidden"));
            return true;
        }
        let missing = (404, "<h1>Not Found</h1>".to_owned());
        let (status, body) = answers.get(&asked.path).unwrap_or(&missing);
        write(stream, &response(*status, "Content-Type: application/json\r\n", body.as_bytes()));
        true
    })
}

/// What Noodle answers where that is not what Visage said, and the item of its specification that asks for it.
enum Own {
    /// 200 with these members, and `_meta` with `targets`.
    Joined(fn() -> Value),
    /// 200 with the bytes that Visage says in another transcript.
    As(&'static str),
    /// The same as the argument of a function.
    Call(&'static str),
    /// 200 with exactly this.
    Exactly(&'static str),
    /// 204.
    NoContent,
    /// An error.
    Error(u16),
}

fn hosts() -> Value {
    json!({ "hosts": ["alpha.example.org", "beta.example.org", "delta.example.org", "gamma.example.org"] })
}

fn body_of(name: &str) -> Value {
    let transcripts = transcripts();
    let body = &transcripts[name].body;
    serde_json::from_str(body.strip_prefix("foobar(").map_or(body, |body| &body[..body.len() - 1])).unwrap()
}

/// Sorted and without what is there twice.
fn metrics(of: &[&str]) -> Value {
    let metrics = of.iter().flat_map(|name| body_of(name)["metrics"].as_array().unwrap().clone());
    let metrics: BTreeSet<_> = metrics.map(|metric| metric.as_str().unwrap().to_owned()).collect();
    let mut metrics: Vec<_> = metrics.into_iter().collect();
    // By folder, then by the whole name of the file.
    metrics.sort_by_key(|metric| {
        let (folder, file) = metric.split_once('/').unwrap_or((metric, ""));
        (folder.to_owned(), format!("{file}.rrd"))
    });
    json!({ "metrics": metrics })
}

const MANY: &str = "5: many hosts";
const SLASH: &str = "5: trailing slashes are accepted";
const ERROR: &str = "3: a target that fails, and no other tier";
const CALLBACK: &str = "6: JSON-P";
const REFUSED: &str = "7: no target sees such a path or window";
const FIELDS: &str = "7: no header of the client is forwarded";
const METHOD: &str = "2: GET and HEAD";

const OWN: &[(&str, &str, Own)] = &[
    ("01-data", MANY, Own::Joined(hosts)),
    ("01b-data-slash", MANY, Own::Joined(hosts)),
    ("01c-data-slashes", MANY, Own::Joined(hosts)),
    ("02b-data-hosts-comma", MANY, Own::Joined(|| metrics(&["02-data-host", "12c-callback-data-host"]))),
    ("02c-data-host-glob", MANY, Own::Joined(|| metrics(&["02c-data-host-glob"]))),
    ("02d-data-host-missing", "5: [] rather than null", Own::Exactly(r#"{"metrics":[]}"#)),
    ("02e-data-host-slash", SLASH, Own::As("02-data-host")),
    ("02f-data-hosts-one-missing", MANY, Own::Joined(|| metrics(&["02-data-host"]))),
    ("02g-data-host-brace", MANY, Own::Joined(|| metrics(&["02-data-host", "12c-callback-data-host"]))),
    ("02i-host-question", MANY, Own::Joined(|| metrics(&["02i-host-question"]))),
    ("04b-whole-plugin-slash", SLASH, Own::As("04-whole-plugin")),
    ("05-glob-host", MANY, Own::Joined(|| body_of("05-glob-host"))),
    ("05c-glob-all", ERROR, Own::Error(502)),
    ("06-comma-hosts", MANY, Own::Joined(|| body_of("06b-brace-hosts"))),
    ("06b-brace-hosts", MANY, Own::Joined(|| body_of("06b-brace-hosts"))),
    // The hosts are known, but not what they had in this window.
    ("06h-brace-raw", MANY, Own::Exactly("{}")),
    // No transcript has these times as digits.
    ("07f-bad-times", "2: a time is forwarded as digits", Own::Exactly("{}")),
    ("07g-start-after-finish", REFUSED, Own::Error(400)),
    ("07i-empty-times", "2: an empty start is removed", Own::As("07e-only-finish")),
    ("08f-percentiles-uneven", ERROR, Own::Error(502)),
    ("11d-corrupt-rrd", ERROR, Own::Error(502)),
    ("11e-corrupt-glob", ERROR, Own::Error(502)),
    ("12-callback", CALLBACK, Own::Call("12-callback")),
    ("12b-callback-data", CALLBACK, Own::Call("01-data")),
    ("12c-callback-data-host", CALLBACK, Own::Call("12c-callback-data-host")),
    ("12d-callback-empty", CALLBACK, Own::Error(400)),
    ("12e-callback-inject", CALLBACK, Own::Error(400)),
    ("13-referer-other-host", FIELDS, Own::Joined(hosts)),
    ("13b-referer-xhr", FIELDS, Own::Joined(hosts)),
    ("13c-referer-origin", FIELDS, Own::Joined(hosts)),
    // Asked for as GET, which no transcript has.
    ("14-head", METHOD, Own::Exactly("{}")),
    ("14b-options", "2: what there is", Own::NoContent),
    ("14c-post", METHOD, Own::Error(405)),
    ("15-traversal", REFUSED, Own::Error(400)),
    ("15b-dotdot-host", REFUSED, Own::Error(400)),
    ("15c-nul", REFUSED, Own::Error(400)),
    ("15e-backslash-glob", REFUSED, Own::Error(400)),
    // No transcript has this window without the slash.
    ("17-host-with-colon-slash", SLASH, Own::Exactly("{}")),
];

#[test]
fn what_visage_says_of_one_host_comes_through_byte_for_byte() {
    let transcripts = transcripts();
    let node = visage(&transcripts);
    let noodle = Noodle::start(&tiers(&[("short", &[node.address])]), "");
    let own: BTreeSet<_> = OWN.iter().map(|(name, _, _)| *name).collect();
    let mut through = 0;
    for transcript in transcripts.values().filter(|transcript| !own.contains(transcript.name.as_str())) {
        assert_eq!((transcript.method.as_str(), transcript.status), ("GET", 200), "{}", transcript.name);
        let answer = noodle.get(&transcript.path);
        assert_eq!(answer.status, 200, "{}", transcript.name);
        assert_eq!(answer.fields["content-type"], "application/json; charset=utf-8");
        assert_eq!(node.asked().last().unwrap().path, transcript.path, "{}", transcript.name);
        through += 1;
        if matches!(&*transcript.body, "{}" | r#"{"metrics":[]}"#) {
            assert_eq!(answer.text(), transcript.body, "{}", transcript.name);
            continue;
        }
        let (text, meta) = answer.split_meta();
        assert_eq!(text, transcript.body, "{}", transcript.name);
        let host = transcript.path.split(['/', '?']).nth(2).unwrap().replace("%61", "a");
        let url = format!("http://{}{}", node.address, transcript.path);
        assert_eq!(meta, json!({ "host": host, "target": "short0:1", "url": url, "tier": "short" }));
        for (fact, value) in meta.as_object().unwrap() {
            assert_eq!(value, &answer.fields[&format!("x-noodle-{fact}")], "{}", transcript.name);
        }
    }
    assert!(through > 30, "only {through}");
    assert_eq!(noodle.errors(), BTreeMap::new());
}

#[test]
fn every_other_answer_is_what_the_table_says() {
    let transcripts = transcripts();
    for (name, item, own) in OWN {
        let node = visage(&transcripts);
        let noodle = Noodle::start(&tiers(&[("short", &[node.address])]), "");
        let Transcript { method, path, fields, .. } = &transcripts[*name];
        let answer = noodle.connect().ask(method, path, fields);
        let about = format!("{name} ({item}): {} {}", answer.status, answer.text());
        let status = match own {
            Own::Error(status) => *status,
            Own::NoContent => 204,
            _ => 200,
        };
        assert_eq!(answer.status, status, "{about}");
        match own {
            Own::Joined(expected) => {
                let (text, meta) = answer.split_meta();
                assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected(), "{about}");
                assert_eq!(meta["targets"], json!(["short0:1"]), "{about}");
            }
            Own::As(other) => assert_eq!(answer.split_meta().0, transcripts[*other].body, "{about}"),
            Own::Call(other) => {
                assert_eq!(answer.fields["content-type"], "application/javascript; charset=utf-8");
                let text = answer.text();
                let argument = text.strip_prefix("foobar(").and_then(|text| text.strip_suffix(')'));
                let mut argument: Value = serde_json::from_str(argument.unwrap()).unwrap();
                assert!(argument.as_object_mut().unwrap().shift_remove("_meta").is_some(), "{about}");
                assert_eq!(argument, body_of(other), "{about}");
            }
            Own::Exactly(expected) if method == "HEAD" => {
                assert_eq!(answer.fields["content-length"], expected.len().to_string(), "{about}");
            }
            Own::Exactly(expected) => assert_eq!(answer.text(), *expected, "{about}"),
            Own::NoContent => assert_eq!(answer.fields["allow"], "GET, HEAD, OPTIONS", "{about}"),
            Own::Error(_) => assert!(!answer.error().is_empty(), "{about}"),
        }
    }
}
