//! Visage's JSON API over what a storage node keeps.
//!
//! | path | answer |
//! |---|---|
//! | `/data` | `{"hosts": [...]}` |
//! | `/data/HOSTS` | `{"metrics": ["PLUGIN/INSTANCE", ...]}`, null if there is no such host |
//! | `/data/HOSTS/PLUGIN[/INSTANCES]` | `{HOST: {PLUGIN: {INSTANCE: {DATA SOURCE: {"start", "finish", "data"}}}}}` |
//!
//! As Visage 2.1.0: what is asked for are globs and lists; what is not there is `{}` with status 200; `start` and
//! `finish` are Unix seconds, the last hour unless given, and are echoed. Unlike it: NaN is null, and there are no
//! percentiles.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use coco_daemon::http::{Answer, Request, Response, Route, Router, body};
use hyper::StatusCode;
use noodle::visage::hosts::Hosts;
use percent_encoding::percent_decode;
use regex::bytes::{Regex, RegexBuilder};
use serde_json::{Map, Value, json};

use super::memory::{Memory, Sources};

/// Visage's default window, in seconds.
const HOUR: i64 = 3600;

/// Visage averages what would be more values.
const MOST_VALUES: usize = 2000;

/// Words that a list may be expanded to.
const MOST_WORDS: usize = 1000;

/// The routes of a storage node.
pub fn router(memory: &Arc<Mutex<Memory>>) -> Router<Mutex<Memory>> {
    Router::new("storage node", env!("CARGO_PKG_VERSION"), Arc::clone(memory)).routes([
        Route::new("/data", "All hosts.", data),
        Route::new("/data/", "/data/HOSTS: metrics; /data/HOSTS/PLUGIN/INSTANCES: series.", data),
    ])
}

#[expect(clippy::needless_pass_by_value, reason = "a handler")]
fn data(memory: &Arc<Mutex<Memory>>, request: Request) -> Answer {
    let memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
    answer(&memory, &request).into()
}

fn answer(memory: &Memory, request: &Request) -> Response {
    let parts = request.path().trim_end_matches('/').split('/').skip(2);
    let parts: Vec<Vec<u8>> = parts.map(|part| percent_decode(part.as_bytes()).collect()).collect();
    let answer = match parts.as_slice() {
        [] => Ok(json!({ "hosts": memory.hosts().keys().map(|host| lossy(host)).collect::<Vec<_>>() })),
        [hosts] => Wanted::of(hosts).map(|hosts| metrics(memory, &hosts)),
        [hosts, plugin, instances @ ..] => series(memory, request, hosts, plugin, instances),
    };
    match answer {
        Ok(object) => body::json(&object),
        Err(problem) => body::error(StatusCode::BAD_REQUEST, problem),
    }
}

fn metrics(memory: &Memory, hosts: &Wanted) -> Value {
    let mut found = memory.hosts().iter().filter(|(host, _)| hosts.has(host)).peekable();
    if found.peek().is_none() {
        return json!({ "metrics": null });
    }
    let names = found.flat_map(|(_, plugins)| plugins).flat_map(|(plugin, instances)| {
        instances.keys().map(|instance| format!("{}/{}", lossy(plugin), lossy(instance)))
    });
    json!({ "metrics": names.collect::<BTreeSet<_>>() })
}

fn series(
    memory: &Memory,
    request: &Request,
    hosts: &[u8],
    plugin: &[u8],
    instances: &[Vec<u8>],
) -> Result<Value, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
    let finish = time(request, "finish").unwrap_or(now);
    let start = time(request, "start").unwrap_or(finish.saturating_sub(HOUR));
    if start > finish {
        return Err(format!("start {start} is after finish {finish}"));
    }
    let instances = if instances.is_empty() { b"*".to_vec() } else { instances.join(&b',') };
    let [hosts, plugins, instances] = [Wanted::of(hosts)?, Wanted::of(plugin)?, Wanted::of(&instances)?];
    let object = |sources: &Sources| -> Value {
        let data = sources.iter().map(|(name, series)| {
            let data = series.averages(start, finish, MOST_VALUES);
            // What is not finite has no number in JSON, and becomes null.
            (name.clone(), json!({ "start": start, "finish": finish, "data": data }))
        });
        Value::Object(data.collect())
    };
    Ok(picked(memory.hosts(), &hosts, |found| {
        picked(found, &plugins, |found| picked(found, &instances, object))
    }))
}

/// An object of those that are wanted and not empty.
fn picked<'a, T: 'a>(
    all: impl IntoIterator<Item = (&'a Vec<u8>, &'a T)>,
    wanted: &Wanted,
    show: impl Fn(&'a T) -> Value,
) -> Value {
    let found =
        all.into_iter().filter(|(name, _)| wanted.has(name)).map(|(name, value)| (lossy(name), show(value)));
    let empty = |value: &Value| value.as_object().is_some_and(Map::is_empty);
    Value::Object(found.filter(|(_, value)| !empty(value)).collect())
}

/// Names and patterns.
struct Wanted {
    names: Vec<Vec<u8>>,
    patterns: Vec<Regex>,
}

impl Wanted {
    fn of(list: &[u8]) -> Result<Self, String> {
        let Hosts { names, patterns } =
            Hosts::expand(list, MOST_WORDS).map_err(|problem| problem.to_string())?;
        let patterns = patterns.iter().map(|glob| pattern(glob)).collect::<Result<_, _>>()?;
        Ok(Self { names, patterns })
    }

    fn has(&self, name: &[u8]) -> bool {
        self.names.iter().any(|wanted| wanted == name)
            || self.patterns.iter().any(|pattern| pattern.is_match(name))
    }
}

/// What `* ? [...]` match. Braces are expanded by then.
fn pattern(glob: &[u8]) -> Result<Regex, String> {
    let mut text = String::from("^");
    let mut in_class = false;
    for &byte in glob {
        match byte {
            b'*' if !in_class => text.push_str(".*"),
            b'?' if !in_class => text.push('.'),
            b'[' if !in_class => {
                in_class = true;
                text.push('[');
            }
            b']' => {
                in_class = false;
                text.push(']');
            }
            b'-' | b'!' if in_class => text.push(if byte == b'!' { '^' } else { '-' }),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text.push('$');
    let regex = RegexBuilder::new(&text).unicode(false).dot_matches_new_line(true).build();
    regex.map_err(|_| format!("no glob: {}", lossy(glob)))
}

/// A parameter, read as Visage does: up to a point; empty or absent is none.
fn time(request: &Request, name: &str) -> Option<i64> {
    let value = request.parameter(name)?;
    std::str::from_utf8(&value).ok()?.split('.').next()?.parse().ok()
}

fn lossy(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}

#[cfg(test)]
mod tests {
    use coco_core::value_list::{Identifier, Interval, Time, Value as Sample, ValueList};
    use http_body_util::BodyExt;

    use super::*;

    fn memory() -> Memory {
        let mut memory = Memory::default();
        for (host, plugin_instance, type_instance) in
            [("web1", "0", "idle"), ("web1", "0", "user"), ("web1", "1", "idle"), ("db[1]", "0", "idle")]
        {
            let identifier = Identifier {
                host: host.into(),
                plugin: "cpu".into(),
                plugin_instance: plugin_instance.into(),
                type_name: "percent".into(),
                type_instance: type_instance.into(),
            };
            for second in 1..=3 {
                let value = [Sample::Gauge(second as f64)];
                let list =
                    ValueList::new(identifier.clone(), Time::Seconds(second), Interval::Seconds(1), &value);
                memory.add(&list.as_ref());
            }
        }
        memory
    }

    fn ask(path: &str) -> (u16, Value) {
        let (head, ()) = hyper::Request::get(path).body(()).unwrap().into_parts();
        let (head, body) = answer(&memory(), &Request::new(head)).into_parts();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let body = runtime.block_on(body.collect()).unwrap().to_bytes();
        (head.status.as_u16(), serde_json::from_slice(&body).unwrap())
    }

    #[test]
    fn lists_are_visages() {
        assert_eq!(ask("/data"), (200, json!({ "hosts": ["db[1]", "web1"] })));
        assert_eq!(ask("/data/"), (200, json!({ "hosts": ["db[1]", "web1"] })));
        let all = json!({ "metrics": ["cpu-0/percent-idle", "cpu-0/percent-user", "cpu-1/percent-idle"] });
        for path in
            ["/data/web1", "/data/w%3Fb*", "/data/web[0-9]", "/data/web[!a],nobody", "/data/%7Bweb1,db%7D"]
        {
            assert_eq!(ask(path), (200, all.clone()), "{path}");
        }
        assert_eq!(ask("/data/nobody"), (200, json!({ "metrics": null })));
    }

    #[test]
    fn series_are_visages() {
        let source = json!({ "value": { "start": 0, "finish": 4, "data": [1.0, 2.0, 3.0, null] } });
        let of = |instances: &[&str]| {
            instances.iter().map(|name| ((*name).to_owned(), source.clone())).collect::<Map<_, _>>()
        };
        let window = "?start=0&finish=4.9";
        let both = json!({ "web1": { "cpu-0": of(&["percent-idle", "percent-user"]) } });
        assert_eq!(ask(&format!("/data/web1/cpu-0{window}")), (200, both.clone()));
        for path in ["percent-idle,percent-user", "percent-idle/percent-user", "%7Bpercent-idle,*user%7D"] {
            assert_eq!(ask(&format!("/data/web1/cpu-0/{path}{window}")), (200, both.clone()), "{path}");
        }
        let many = json!({ "web1": { "cpu-0": of(&["percent-idle"]), "cpu-1": of(&["percent-idle"]) } });
        assert_eq!(ask(&format!("/data/web1/cpu-*/percent-idle{window}")), (200, many));
        for path in ["/data/nobody/cpu-0", "/data/web1/none", "/data/web1/cpu-0/none"] {
            assert_eq!(ask(path), (200, json!({})), "{path}");
        }
        for path in ["/data/web1/cpu-0?start=5&finish=4", "/data/%7Bweb1/cpu-0", "/data/[/cpu-0"] {
            assert_eq!(ask(path).0, 400, "{path}");
        }
    }
}
