//! The sample for collectd polls what is there.

use serde_json::Value;

use crate::node::Node;
use crate::noodle::{Noodle, tiers};

const SAMPLE: &str = include_str!("../../../../etc/collectd/noodle.conf");

/// Whether a path of curl_json leads to a number, or to null, which it passes over: nothing has a percentile at the
/// start. `*` stands for every key.
fn leads_to_numbers(value: &Value, path: &[&str]) -> bool {
    match path {
        [] => value.is_number() || value.is_null(),
        ["*", rest @ ..] => value.as_object().is_some_and(|object| {
            !object.is_empty() && object.values().all(|value| leads_to_numbers(value, rest))
        }),
        [key, rest @ ..] => value.get(key).is_some_and(|value| leads_to_numbers(value, rest)),
    }
}

#[test]
fn every_key_exists_from_the_start() {
    let noodle = Noodle::start(&tiers(&[("t", &[Node::refusing()])]), "");
    let vars = noodle.get("/debug/vars").json();
    let keys = SAMPLE.lines().filter_map(|line| line.trim().strip_prefix("<Key \"")?.strip_suffix("\">"));
    let keys: Vec<_> = keys.collect();
    assert_eq!(keys.len(), SAMPLE.matches("</Key>").count());
    assert!(keys.len() >= 8, "{keys:?}");
    for key in keys {
        assert!(leads_to_numbers(&vars, &key.split('/').collect::<Vec<_>>()), "{key} in {vars}");
    }
}

#[test]
fn the_sample_names_the_series_that_files_in_the_field_are_called_by() {
    for (key, instance) in [
        ("fetch.bytes.proxied", "bytes-proxied"),
        ("errors/fetch.con.get", "con-get"),
        ("errors/fetch.http.get", "http-get"),
        ("errors/fetch.ioutil.readall", "ioutil-readall"),
    ] {
        let block =
            SAMPLE.split("</Key>").find(|block| block.contains(&format!("\"noodle/{key}\""))).unwrap();
        assert!(block.contains(&format!("Instance \"{instance}\"")), "{block}");
    }
}
