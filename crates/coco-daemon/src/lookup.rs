//! `/lookup?name=HOST`: which target of each tier owns a host.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use coco_core::host::{is_renamed, stored_name};
use coco_core::placement::migration::{Move, Stage};
use coco_core::tier::{Tier, Tiers};
use hyper::StatusCode;
use serde_json::{Map, Value, json};
use tracing::warn;

use crate::counters::{Definition, Snapshot};
use crate::http::{Request, Response, body};
use crate::logging::Throttle;

/// Look-ups, per tier. Noodle counts its own under the same name, so the path says coco in both.
pub static LOOKUP: Definition = Definition::counter(
    &["coco", "lookup", "{tier}"],
    "Number of times the tier has been returned in a lookup query at `/lookup`.",
);

/// Look-ups without an answer.
pub static HASH_GET: Definition = Definition::counter(
    &["coco", "errors", "lookup.hash.get"],
    "Unsuccessful hash lookups for a name. The log tells of one a minute.",
);

/// Characters of what a stranger has asked that are logged.
const LONGEST_QUERY: usize = 64;

/// Bytes of the longest name that is looked up: `listen.max_name_length` at most.
const LONGEST_NAME: usize = 1023;

/// Answers look-ups and counts them.
#[derive(Debug, Default)]
pub struct Lookup {
    /// By name of the tier: counts outlive a reload that moves the tier.
    answered: Mutex<HashMap<String, u64>>,
    failed: AtomicU64,
    complaints: Mutex<Throttle>,
}

impl Lookup {
    /// Nothing asked yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// `{tier: target}` in the order of the tiers, or 400 without a name or with one that is longer than any
    /// host's: the address of the first owner. With `all=1`
    /// `{tier: {"owners": [..], "former": [..], "writes": [..], "stage": ".."}}`: what the owners are called, in their
    /// order, those that the host comes from if it is on its way, who is written to now, and where the host stands. A name
    /// is bytes and need not be one that was ever seen: every name has an owner. Where collectd stores the host under
    /// another name, `_meta` says which.
    pub fn answer(&self, tiers: &Tiers, request: &Request) -> Response {
        let Some(name) = request.parameter("name").filter(|name| !name.is_empty()) else {
            self.failed.fetch_add(1, Ordering::Relaxed);
            self.complain(request.query().unwrap_or_default());
            return body::error(StatusCode::BAD_REQUEST, "which host? ask /lookup?name=HOST");
        };
        let is_for_all = match request.parameter("all").as_deref() {
            None | Some(b"" | b"0") => false,
            Some(b"1") => true,
            Some(_) => return body::error(StatusCode::BAD_REQUEST, "all is 1, for all owners, or 0"),
        };
        if name.len() > LONGEST_NAME {
            self.failed.fetch_add(1, Ordering::Relaxed);
            return body::error(StatusCode::BAD_REQUEST, "no host has a name of more than 1,023 bytes");
        }
        let owner = |tier: &Tier| {
            let shown = if is_for_all {
                all_owners(tier, &name)
            } else {
                Value::from(tier.targets()[tier.owner(&name)].name.as_str())
            };
            (tier.name().to_owned(), shown)
        };
        // Before the lock: among many targets a look-up takes a while.
        let mut owners: Map<_, _> = tiers.iter().map(owner).collect();
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        for tier in tiers {
            *answered.entry(tier.name().to_owned()).or_default() += 1;
        }
        drop(answered);
        if is_renamed(&name) {
            let stored = String::from_utf8_lossy(&stored_name(&name)).into_owned();
            owners.entry("_meta").or_insert_with(|| json!({ "stored_as": stored }));
        }
        body::json(&owners)
    }

    fn complain(&self, query: &str) {
        let mut complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(suppressed) = complaints.pass(Instant::now()) {
            let query: String = query.chars().take(LONGEST_QUERY).collect();
            warn!(query, suppressed, "a lookup without a name");
        }
    }

    /// Adds what was counted: every tier of `tiers`, asked for or not.
    pub fn add_to(&self, snapshot: &mut Snapshot, tiers: &Tiers) {
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        for tier in tiers {
            let count = answered.get(tier.name()).copied().unwrap_or(0);
            snapshot.add(&LOOKUP, &[("tier", &Arc::from(tier.name()))], count);
        }
        snapshot.add(&HASH_GET, &[], self.failed.load(Ordering::Relaxed));
    }
}

/// The owners of a host in a tier, and the targets that it is written to.
fn all_owners(tier: &Tier, host: &[u8]) -> Value {
    let names = |places: &[usize]| -> Vec<_> {
        places.iter().map(|place| tier.targets()[*place].label().to_owned()).collect()
    };
    let of = match tier.placement().migration() {
        Some(migration) => migration.of(host),
        None => {
            let mut owners = Vec::new();
            tier.placement().owners(host, &mut owners);
            Move { stage: Stage::Settled, owners, former: Vec::new() }
        }
    };
    json!({
        "owners": names(&of.owners), "former": names(&of.former), "stage": of.stage.as_str(),
        "writes": names(&of.writers()),
    })
}

#[cfg(test)]
mod tests {
    use coco_core::config::{Config, Program};
    use coco_core::tier::Target;
    use http_body_util::BodyExt;

    use super::*;

    fn tiers() -> Tiers {
        let target = |name: &str| Target::new(name, name.parse().unwrap());
        let tier = |name: &str, targets: &[&str]| {
            Tier::new(name.to_owned(), targets.iter().map(|name| target(name)).collect(), None).unwrap()
        };
        Tiers::new(vec![
            tier("shortterm", &["10.1.1.111:25826", "10.1.1.112:25826"]),
            tier("midterm", &["10.2.2.40:25826"]),
            tier("another", &["10.3.3.1:25826", "10.3.3.2:25826"]),
        ])
        .unwrap()
    }

    fn ask(lookup: &Lookup, target: &str) -> (StatusCode, String) {
        ask_of(&tiers(), lookup, target)
    }

    fn ask_of(tiers: &Tiers, lookup: &Lookup, target: &str) -> (StatusCode, String) {
        let (head, ()) = hyper::Request::get(target).body(()).unwrap().into_parts();
        let (head, body) = lookup.answer(tiers, &Request::new(head)).into_parts();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let body = runtime.block_on(body.collect()).unwrap().to_bytes();
        (head.status, String::from_utf8(body.to_vec()).unwrap())
    }

    fn counted(lookup: &Lookup) -> Value {
        let mut snapshot = Snapshot::new();
        lookup.add_to(&mut snapshot, &tiers());
        Value::Object(snapshot.json())
    }

    #[test]
    fn owners_come_in_the_order_of_the_tiers() {
        let lookup = Lookup::new();
        let tiers = tiers();
        for (query, host) in [("web1", &b"web1"[..]), ("%ff%00", b"\xff\0"), ("a+b%2Bc", b"a b+c")] {
            let owner = |index: usize| {
                let tier = tiers.get(index).unwrap();
                tier.targets()[tier.owner(host)].name.as_str()
            };
            let expected = format!(
                "{{\"shortterm\":\"{}\",\"midterm\":\"{}\",\"another\":\"{}\"}}\n",
                owner(0),
                owner(1),
                owner(2)
            );
            assert_eq!(ask(&lookup, &format!("/lookup?name={query}")), (StatusCode::OK, expected));
        }
        assert_eq!(
            counted(&lookup),
            json!({"coco": {
                "lookup": {"shortterm": 3, "midterm": 3, "another": 3}, "errors": {"lookup.hash.get": 0},
            }})
        );
    }

    #[test]
    fn a_lookup_says_under_which_name_a_host_is_stored_if_not_its_own() {
        let lookup = Lookup::new();
        let shown = |query: &str| {
            let (_, text) = ask(&lookup, &format!("/lookup?name={query}"));
            let answer: Value = serde_json::from_str(&text).unwrap();
            (answer["shortterm"].clone(), answer.get("_meta").cloned())
        };
        let owner_of_raw = tiers().get(0).unwrap().owner(b"a/b");
        let target = json!(tiers().get(0).unwrap().targets()[owner_of_raw].name);
        assert_eq!(shown("a%2Fb"), (target, Some(json!({ "stored_as": "a_b" }))));
        assert_eq!(shown("a_b").1, None);
    }

    #[test]
    fn all_owners_are_told_by_name_where_they_are_asked_for() {
        let text = "[tiers.archive]\nhash = 'rendezvous'\nreplicas = 2\ntargets = [
            { name = 's1', address = 'a:1' }, { name = 's2', address = 'b:1' }, 'c:1']
            [tiers.plain]\ntargets = ['d:1']";
        let tiers = Config::parse(text, Program::Coco).unwrap().tiers;
        let lookup = Lookup::new();
        let ask = |query: &str| {
            let (status, text) = ask_of(&tiers, &lookup, &format!("/lookup?{query}"));
            (status, serde_json::from_str::<Value>(&text).unwrap())
        };
        let archive = tiers.get(0).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for host in 0..50 {
            let mut places = Vec::new();
            archive.placement().owners(format!("web{host}").as_bytes(), &mut places);
            let labels = places.iter().map(|&place| ["s1", "s2", "c:1"][place]).collect::<Vec<_>>();
            let settled = |owners: &[&str]| json!({ "owners": owners, "former": [], "writes": owners, "stage": "settled" });
            let expected = json!({ "archive": settled(&labels), "plain": settled(&["d:1"]) });
            assert_eq!(ask(&format!("name=web{host}&all=1")), (StatusCode::OK, expected));
            let addresses = ["a:1", "b:1", "c:1"];
            let first = json!({ "archive": addresses[places[0]], "plain": "d:1" });
            for query in [format!("name=web{host}"), format!("all=0&name=web{host}")] {
                assert_eq!(ask(&query), (StatusCode::OK, first.clone()));
            }
            seen.insert(labels);
        }
        assert_eq!(seen.len(), 6, "each target stands before each other one");
        assert_eq!(ask("name=web1&all=yes").0, StatusCode::BAD_REQUEST);
        // Collectd stores it as `a_b`, and by that name it is placed; on a ring by the one that is sent.
        let by_slash = ask("name=a%2Fb&all=1").1;
        assert_eq!(by_slash["archive"], ask("name=a_b&all=1").1["archive"]);
        assert_eq!(by_slash["_meta"]["stored_as"], "a_b");
    }

    /// The address of the first owner is that of the target to read the host from.
    #[test]
    fn hosts_on_their_way_are_told_with_their_former_owners_and_their_stage() {
        let of = |both: &str, new: &str| {
            let text = format!(
                "[tiers.t]\nhash = 'rendezvous'\nmigration = {{ both = '{both}', new = '{new}' }}\ntargets = [
                 {{ name = 's1', address = 'a:1' }}, {{ name = 's2', address = 'b:1', state = 'draining' }}]"
            );
            let tiers = Config::parse(&text, Program::Coco).unwrap().tiers;
            let ask = |query: &str| {
                let (_, text) = ask_of(&tiers, &Lookup::new(), &format!("/lookup?{query}"));
                serde_json::from_str::<Value>(&text).unwrap()["t"].clone()
            };
            let hosts = (0..40).map(|host| format!("web{host}"));
            hosts
                .map(|host| (ask(&format!("name={host}&all=1")), ask(&format!("name={host}"))))
                .collect::<Vec<_>>()
        };
        let settled =
            || (json!({"owners": ["s1"], "former": [], "writes": ["s1"], "stage": "settled"}), json!("a:1"));
        for (both, new, writes, stage, first) in [
            ("0%", "0%", json!(["s2"]), "old", "b:1"),
            ("100%", "0%", json!(["s2", "s1"]), "both", "b:1"),
            ("100%", "100%", json!(["s1"]), "new", "a:1"),
        ] {
            let moving =
                (json!({"owners": ["s1"], "former": ["s2"], "writes": writes, "stage": stage}), json!(first));
            let told = of(both, new);
            assert!(told.iter().all(|told| *told == settled() || *told == moving), "{told:?}");
            assert!(told.contains(&settled()) && told.contains(&moving), "{told:?}");
        }
    }

    #[test]
    fn a_name_that_no_host_can_have_is_not_looked_up() {
        let lookup = Lookup::new();
        let ask = |length: usize| ask(&lookup, &format!("/lookup?name={}", "h".repeat(length)));
        assert_eq!(ask(1023).0, StatusCode::OK);
        let (status, text) = ask(1024);
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(text, "{\"error\":\"no host has a name of more than 1,023 bytes\"}\n");
        assert_eq!(counted(&lookup)["coco"]["errors"]["lookup.hash.get"], 1);
    }

    #[test]
    fn a_lookup_without_a_name_is_an_error_and_counts_as_one() {
        let lookup = Lookup::new();
        for target in ["/lookup", "/lookup?name=", "/lookup?name", "/lookup?host=web1"] {
            let (status, text) = ask(&lookup, target);
            assert_eq!(status, StatusCode::BAD_REQUEST, "{target}");
            assert_eq!(text, "{\"error\":\"which host? ask /lookup?name=HOST\"}\n");
        }
        assert_eq!(
            counted(&lookup),
            json!({"coco": {
                "lookup": {"shortterm": 0, "midterm": 0, "another": 0}, "errors": {"lookup.hash.get": 4},
            }})
        );
    }
}
