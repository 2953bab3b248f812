//! Where an answer comes from, as `_meta` in its text and fields in its head say.

use std::collections::BTreeSet;

use coco_core::placement::migration::Stage;
use coco_core::text::Line;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value, json};

use crate::dialect::refused::{ERROR, PARTIAL, TIER};
use crate::fleet::{Failed, Fleet, Node};

const HOST: HeaderName = HeaderName::from_static("x-noodle-host");
const TARGET: HeaderName = HeaderName::from_static("x-noodle-target");
const URL: HeaderName = HeaderName::from_static("x-noodle-url");

/// Longest value of a field: one that is longer stands in `_meta` only.
const MOST_VALUE: usize = 1024;

/// Most bytes of all fields together. nginx takes a head of 4 KiB unless told otherwise (`proxy_buffer_size`).
const MOST_FIELDS: usize = 3 * 1024;

/// Where an answer of one target comes from.
#[derive(Debug)]
pub struct Origin<'a> {
    /// The host, decoded, as JSON shows it.
    pub host: &'a str,
    /// The target's name.
    pub target: &'a str,
    /// What it was asked.
    pub url: &'a str,
    /// The tier's name.
    pub tier: &'a str,
    /// Where the host stands, if it is on its way to other targets of the tier.
    pub stage: Option<Stage>,
    /// Where its rows come from, if it is rows.
    pub rows: RowsOrigin,
}

/// Where rows come from.
#[derive(Debug, Default)]
pub struct RowsOrigin {
    /// The names of all targets, in the order of the configuration.
    pub sources: Vec<String>,
    /// Seconds since hosts or metrics were listed, if they were.
    pub tree_age: Option<u64>,
    /// Targets that might have known what is missing, and why they did not tell.
    pub errors: Map<String, Value>,
}

/// Where the shares of a joined answer come from.
#[derive(Debug)]
pub struct Origins<'a> {
    /// The hosts as asked for, decoded; empty for all.
    pub hosts: &'a str,
    /// The names of the targets, in the order of the configuration.
    pub targets: Vec<&'a str>,
    /// The names of their tiers, in that order.
    pub tiers: Vec<&'a str>,
    /// The names of the targets, where rows or names of an rrdcached are among what they gave.
    pub sources: Option<String>,
    /// Seconds since hosts or metrics were listed, of those the oldest.
    pub tree_age: Option<u64>,
    /// The targets whose shares are missing, and why.
    pub errors: Map<String, Value>,
}

impl Origin<'_> {
    fn facts(&self) -> [(&'static str, HeaderName, &str); 4] {
        [
            ("host", HOST, self.host),
            ("target", TARGET, self.target),
            ("url", URL, self.url),
            ("tier", TIER, self.tier),
        ]
    }

    /// The value of `_meta`.
    pub fn write(&self, text: &mut Vec<u8>) {
        for (index, (key, _, fact)) in self.facts().into_iter().enumerate() {
            text.push(if index == 0 { b'{' } else { b',' });
            for piece in ["\"", key, "\":"] {
                text.extend_from_slice(piece.as_bytes());
            }
            write_string(text, fact);
        }
        if let Some(stage) = self.stage {
            text.extend_from_slice(format!(",\"stage\":\"{}\"", stage.as_str()).as_bytes());
        }
        self.rows.write(text);
        text.push(b'}');
    }

    /// The same in header fields.
    pub fn add_to(&self, fields: &mut HeaderMap) {
        let mut fields = Fields::of(fields);
        if !self.rows.errors.is_empty() {
            fields.add(PARTIAL, "true");
        }
        for (_, name, fact) in self.facts() {
            fields.add(name, fact);
        }
        fields.add_errors(&self.rows.errors);
    }
}

impl RowsOrigin {
    /// As further members of an object.
    fn write(&self, text: &mut Vec<u8>) {
        if !self.sources.is_empty() {
            text.extend_from_slice(b",\"sources\":");
            write_string(text, &self.sources.join(", "));
        }
        if let Some(age) = self.tree_age {
            text.extend_from_slice(format!(",\"tree_age\":{age}").as_bytes());
        }
        if !self.errors.is_empty() {
            let errors = Value::from(self.errors.clone());
            text.extend_from_slice(format!(",\"partial\":true,\"errors\":{errors}").as_bytes());
        }
    }
}

/// Targets that failed, and why.
pub fn errors(fleet: &Fleet, failed: &[Failed]) -> Map<String, Value> {
    let mut errors = Map::new();
    for (node, failure) in failed {
        let reason = || format!("{}: {failure}", fleet.upstream(*node).root()).into();
        errors.entry(fleet.target(*node)).or_insert_with(reason);
    }
    errors
}

impl<'a> Origins<'a> {
    /// Those of shares from these nodes, of which others failed.
    pub fn new(fleet: &'a Fleet, hosts: &'a str, nodes: &BTreeSet<Node>, failed: &[Failed]) -> Self {
        let (mut targets, mut tiers) = (Vec::new(), Vec::new());
        for node in nodes {
            for (list, name) in [(&mut targets, fleet.target(*node)), (&mut tiers, fleet.tier(*node))] {
                if !list.contains(&name) {
                    list.push(name);
                }
            }
        }
        Self { hosts, targets, tiers, sources: None, tree_age: None, errors: errors(fleet, failed) }
    }

    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty() && self.errors.is_empty()
    }

    /// The value of `_meta`.
    pub fn write(&self, text: &mut Vec<u8>) {
        let mut meta = json!({ "host": self.hosts, "targets": self.targets, "tiers": self.tiers });
        if let Some(sources) = &self.sources {
            meta["sources"] = sources.as_str().into();
        }
        if let Some(age) = self.tree_age {
            meta["tree_age"] = age.into();
        }
        if !self.errors.is_empty() {
            meta["partial"] = true.into();
            meta["errors"] = self.errors.clone().into();
        }
        text.extend_from_slice(meta.to_string().as_bytes());
    }

    /// The same in header fields, as far as they go; one for each error.
    pub fn add_to(&self, fields: &mut HeaderMap) {
        let mut fields = Fields::of(fields);
        if !self.errors.is_empty() {
            fields.add(PARTIAL, "true");
        }
        fields.add(TARGET, &self.targets.join(", "));
        fields.add(TIER, &self.tiers.join(", "));
        fields.add(HOST, self.hosts);
        fields.add_errors(&self.errors);
    }
}

/// The fields of an answer, of which Noodle's own are added here alone.
struct Fields<'a> {
    all: &'a mut HeaderMap,
    /// Bytes of those that were added.
    taken: usize,
}

impl<'a> Fields<'a> {
    fn of(all: &'a mut HeaderMap) -> Self {
        Self { all, taken: 0 }
    }

    /// Adds one, unless there is nothing to say, too much, or nothing that can stand in a field.
    fn add(&mut self, name: HeaderName, value: &str) {
        // With the colon, a blank and the end of the line.
        let taken = self.taken + name.as_str().len() + value.len() + 4;
        // What a terminal would act on stands in `_meta` only, too.
        if (1..=MOST_VALUE).contains(&value.len())
            && taken <= MOST_FIELDS
            && Line(value).is_plain()
            && let Ok(value) = HeaderValue::from_str(value)
        {
            self.all.append(name, value);
            self.taken = taken;
        }
    }

    fn add_errors(&mut self, errors: &Map<String, Value>) {
        for (target, reason) in errors {
            self.add(ERROR, &format!("{target}: {}", reason.as_str().unwrap_or_default()));
        }
    }
}

fn write_string(text: &mut Vec<u8>, string: &str) {
    serde_json::to_writer(text, string).expect("a string has a JSON form, and memory takes it");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_says_the_same_in_both_places() {
        let origin = Origin {
            host: "w\"\u{e9}",
            target: "a:1",
            url: "http://a/data/x?y=1",
            tier: "short",
            stage: Some(Stage::Both),
            rows: RowsOrigin::default(),
        };
        let mut text = Vec::new();
        origin.write(&mut text);
        let expected =
            r#"{"host":"w\"é","target":"a:1","url":"http://a/data/x?y=1","tier":"short","stage":"both"}"#;
        assert_eq!(String::from_utf8(text).unwrap(), expected);
        let mut fields = HeaderMap::new();
        origin.add_to(&mut fields);
        assert_eq!(fields["x-noodle-target"], "a:1");
        assert_eq!(fields["x-noodle-url"], "http://a/data/x?y=1");
        assert_eq!(fields["x-noodle-tier"], "short");
        assert_eq!(fields["x-noodle-host"].as_bytes(), "w\"\u{e9}".as_bytes());
    }

    #[test]
    fn fields_leave_room_in_a_head_for_others() {
        let url = format!("http://a/data/web1/{}", "x".repeat(8000));
        let mut fields = HeaderMap::new();
        Origin {
            host: "web1",
            target: "a:1",
            url: &url,
            tier: "short",
            stage: None,
            rows: RowsOrigin::default(),
        }
        .add_to(&mut fields);
        assert!(fields.contains_key(HOST) && fields.contains_key(TIER) && !fields.contains_key(URL));

        let names: Vec<_> = (0..200).map(|target| format!("storage{target}.example.org:25826")).collect();
        let reason = Value::from("cannot connect: Connection refused (os error 111)");
        let origins = Origins {
            hosts: &"web1,".repeat(200),
            targets: names[..30].iter().map(String::as_str).collect(),
            tiers: vec!["short"],
            sources: None,
            tree_age: None,
            errors: names.iter().map(|name| (name.clone(), reason.clone())).collect(),
        };
        let mut fields = HeaderMap::new();
        origins.add_to(&mut fields);
        for name in [HOST, TARGET, TIER, PARTIAL, ERROR] {
            assert!(fields.contains_key(&name), "{name}");
        }
        let bytes = fields.iter().map(|(name, value)| format!("{name}: {value:?}\r\n").len() - 2);
        assert!((2 * 1024..=MOST_FIELDS).contains(&bytes.sum()));
        let everywhere = Origins { targets: names.iter().map(String::as_str).collect(), ..origins };
        let mut fields = HeaderMap::new();
        everywhere.add_to(&mut fields);
        assert!(fields.contains_key(TIER) && !fields.contains_key(TARGET));
    }

    #[test]
    fn what_can_not_stand_in_a_field_is_left_out() {
        let mut fields = HeaderMap::new();
        for value in ["a\r\nb", "a\u{9b}31m"] {
            Fields::of(&mut fields).add(HOST, value);
        }
        assert!(fields.is_empty());
    }
}
