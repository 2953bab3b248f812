//! Hosts on their way from one node to another: what either has is read, whatever the stage, by real daemons.

use coco_harness::directory::Directory;
use coco_harness::rrd;
use coco_harness::rrdcached::Rrdcached as Daemon;
use serde_json::{Value, json};

use crate::files::LAST;
use crate::noodle::Noodle;
use crate::proxy::{data, url};

/// Seconds in the files.
const SECONDS: i64 = 120;

/// From `former` to `new`, whose names say what they are.
fn moving(former: &str, new: &str, both: &str, share: &str) -> String {
    format!(
        "[tiers.t]\nhash = 'rendezvous'\nmigration = {{ both = '{both}', new = '{share}' }}\ntargets = [\n\
         {{ name = 'new', address = 'new:1', fetch = '{new}' }},\n\
         {{ name = 'former', address = 'former:1', fetch = '{former}', state = 'draining' }} ]\n"
    )
}

/// Some hosts that move, and some that stay, by that.
fn hosts() -> (Vec<String>, Vec<String>) {
    let any = "rrdcached://127.0.0.1:1";
    let noodle = Noodle::start(&moving(any, any, "0%", "0%"), "");
    let stage = |host: &String| noodle.get(&format!("/lookup?name={host}&all=1")).json()["t"]["stage"].take();
    (0..12).map(|host| format!("web{host}")).partition(|host| stage(host) == "old")
}

/// The value of a row.
fn value(second: i64) -> f64 {
    (second - (LAST - SECONDS)) as f64
}

/// A file of each of these hosts that knows the rows of some seconds.
fn store(directory: &Directory, hosts: &[String], knows: impl Fn(i64) -> bool) {
    let values: Vec<_> = (LAST - SECONDS + 1..=LAST)
        .map(|second| if knows(second) { value(second) } else { f64::NAN })
        .collect();
    for host in hosts {
        rrd::create(&directory.path().join(format!("{host}/gauge/gauge.rrd")), LAST, &values);
    }
}

/// The seconds of the window that an answer lacks, and its `_meta`.
fn missed(noodle: &Noodle, host: &str) -> (Vec<i64>, Value) {
    let start = LAST - SECONDS + 1;
    let answer = noodle.get(&format!("/data/{host}/gauge/gauge?start={start}&finish={LAST}"));
    assert_eq!(answer.status, 200, "{host}: {}", answer.text());
    let (text, meta) = answer.split_meta();
    let found: Vec<Option<f64>> = serde_json::from_str(data(&text, "value")).expect("numbers");
    let seconds = start + 1..=LAST;
    assert_eq!(found.len(), seconds.clone().count());
    let rows = seconds.zip(found);
    let missed = rows.filter_map(|(second, found)| match found {
        None => Some(second),
        Some(found) => {
            assert_eq!(found, value(second), "{host} {second}");
            None
        }
    });
    (missed.collect(), meta)
}

fn left_behind(noodle: &Noodle) -> u64 {
    noodle.counters()["fetch.tier.left_behind"]["t"].as_u64().expect("a count")
}

/// The new one has what came since `both`, the former one what came before `new`. Nothing was moved.
#[test]
fn what_either_has_is_read_at_every_stage_and_what_was_left_behind_is_counted() {
    let (moves, stays) = hosts();
    assert!(moves.len() > 2 && stays.len() > 2, "{moves:?} {stays:?}");
    let [former, new] = ["former", "new"].map(Directory::new);
    let (both_from, new_from) = (LAST - 70, LAST - 30);
    store(&former, &moves, |second| second < new_from);
    store(&new, &moves, |second| second >= both_from);
    store(&new, &stays, |_| true);
    let daemons = [&former, &new].map(|directory| Daemon::start(directory.path()));
    let [former, new] = daemons.each_ref().map(url);
    for (both, share, stage, first) in [
        ("0%", "0%", "old", "former:1"),
        ("100%", "0%", "both", "former:1"),
        ("100%", "100%", "new", "new:1"),
    ] {
        let noodle = Noodle::start(&moving(&former, &new, both, share), "");
        for host in &moves {
            let (missed, meta) = missed(&noodle, host);
            assert_eq!((missed, &meta["stage"]), (vec![], &json!(stage)), "{host} {stage}: {meta}");
            let sources = if stage == "new" { "new:1, former:1" } else { "former:1, new:1" };
            assert_eq!((&meta["target"], &meta["sources"]), (&json!(first), &json!(sources)), "{host}");
        }
        for host in &stays {
            let (missed, meta) = missed(&noodle, host);
            assert_eq!(
                (missed, meta.get("stage"), &meta["sources"]),
                (vec![], None, &json!("new:1")),
                "{host}"
            );
        }
        // Rows before `both`, of each host that has moved.
        let rows = (LAST - SECONDS + 2..both_from).count() * moves.len();
        assert_eq!(left_behind(&noodle), if stage == "new" { rows as u64 } else { 0 }, "{stage}");
    }
}

#[test]
fn nothing_is_left_behind_once_all_has_moved() {
    let (moves, _) = hosts();
    let [former, new] = ["former", "new"].map(Directory::new);
    // A gap that both have: agents were silent.
    let was_silent = |second: i64| (LAST - 60..LAST - 50).contains(&second);
    store(&former, &moves, |second| second < LAST - 30 && !was_silent(second));
    store(&new, &moves[1..], |second| !was_silent(second));
    let daemons = [&former, &new].map(|directory| Daemon::start(directory.path()));
    let [former, new] = daemons.each_ref().map(url);
    let noodle = Noodle::start(&moving(&former, &new, "100%", "100%"), "");
    for host in &moves[1..] {
        let (missed, _) = missed(&noodle, host);
        assert_eq!(missed, (LAST - 60..LAST - 50).collect::<Vec<_>>(), "{host}");
    }
    assert_eq!(left_behind(&noodle), 0);
    // Of this one not even a file.
    let (missed, _) = missed(&noodle, &moves[0]);
    assert_eq!(missed.len(), 10 + 31);
    assert_eq!(left_behind(&noodle), (SECONDS - 1 - 41) as u64);
}

/// What it alone has would be missing in silence.
#[test]
fn a_dead_former_owner_makes_answers_partial_where_they_lack_something() {
    let (moves, stays) = hosts();
    let new = Directory::new("new");
    store(&new, &moves[1..], |second| second >= LAST - 70);
    store(&new, &moves[..1], |_| true);
    store(&new, &stays, |_| true);
    let daemon = Daemon::start(new.path());
    let dead = "rrdcached://127.0.0.1:1";
    for (both, share) in [("0%", "0%"), ("100%", "0%"), ("100%", "100%")] {
        let noodle = Noodle::start(&moving(dead, &url(&daemon), both, share), "");
        for host in &moves[1..] {
            let (missed, meta) = missed(&noodle, host);
            assert_eq!(missed.len(), 48, "{host}");
            assert_eq!(meta["partial"], true, "{host} {both} {share}: {meta}");
            assert!(meta["errors"].get("former:1").is_some(), "{meta}");
        }
        for host in stays.iter().chain(&moves[..1]) {
            let (missed, meta) = missed(&noodle, host);
            assert_eq!((missed, meta.get("partial")), (vec![], None), "{host} {both} {share}: {meta}");
        }
        assert_eq!(noodle.get("/data").split_meta().1["partial"], true);
        assert_eq!(left_behind(&noodle), 0);
    }
}
