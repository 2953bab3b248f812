//! `cococtl lookup`.

use std::fmt::Write as _;

use coco_harness::coco::{Coco, Config};
use coco_harness::directory::Directory;
use coco_harness::nobody::Nobody;
use serde_json::{Value, json};

use crate::{cococtl, tiers};

/// Owners that the deployed implementation computed.
fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../coco-core/testdata/ring/ring.json")).unwrap()
}

#[test]
fn owners_are_those_of_the_deployed_implementation() {
    let vectors = vectors();
    let names: Vec<_> =
        vectors["names"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let directory = Directory::new("lookup");
    for ring in vectors["rings"].as_array().unwrap().iter().step_by(33) {
        let targets = ring["targets"].as_u64().unwrap() as usize;
        let config = tiers(&directory, "coco.conf", &[("a", targets), ("b", targets)]);
        let ended = cococtl(
            ["lookup".as_ref(), "--json".as_ref(), "--config".as_ref(), config.as_os_str()],
            (names.join("\n") + "\n").as_bytes(),
        );
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
        // A line without a name asks for nothing.
        let expected =
            names.iter().zip(ring["owner"].as_array().unwrap()).filter(|(name, _)| !name.is_empty());
        let expected: Vec<_> = expected
            .map(|(name, owner)| {
                let number = owner.as_u64().unwrap() + 1;
                let [a, b] = [1, 2].map(|tier| format!("10.{tier}.0.{number}:25826"));
                json!({ "host": name, "owners": { "a": a, "b": b } })
            })
            .collect();
        assert_eq!(ended.json_lines(), expected, "{targets} targets");
    }
}

#[test]
fn a_million_names_come_back_in_order() {
    const NAMES: usize = 1_000_000;
    let directory = Directory::new("lookup");
    let config = tiers(&directory, "coco.conf", &[("shortterm", 12)]);
    let mut input = String::new();
    for number in 0..NAMES {
        writeln!(input, "web{number}").unwrap();
    }
    let ended = cococtl(["lookup".as_ref(), "--config".as_ref(), config.as_os_str()], input.as_bytes());
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
    let mut lines = ended.stdout.lines();
    for number in 0..NAMES {
        let (name, owner) = lines.next().unwrap().split_once('\t').unwrap();
        assert_eq!(name, format!("web{number}"));
        assert!(owner.starts_with("shortterm=10.1.0."), "{owner}");
    }
    assert_eq!(lines.next(), None);
}

#[test]
fn hosts_that_collectd_stores_under_another_name_are_told() {
    let config = Config::new(&[("short", &["127.0.0.1:9", "127.0.0.1:10"]), ("_meta", &["127.0.0.1:12"])]);
    let coco = Coco::start(&config.text());
    let directory = Directory::new("lookup");
    let file = directory.write("coco.conf", &config.text());
    let api = format!("http://{}", coco.api);
    for from in [["--api", api.as_str()], ["--config", file.to_str().unwrap()]] {
        let asked = |json: &[&str]| {
            cococtl([&["lookup"], &from[..], json, &["web1", "a/b", "/"]].concat(), b"").stdout
        };
        let lines: Vec<Value> =
            asked(&["--json"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let stored: Vec<_> = lines.iter().map(|line| line.get("stored_as").cloned()).collect();
        assert_eq!(stored, [None, Some(json!("a_b")), Some(json!("root"))]);
        assert!(lines.iter().all(|line| line["owners"].as_object().unwrap().len() == 2), "{lines:?}");
        let text = asked(&[]);
        let ends: Vec<_> = text.lines().map(|line| line.split('\t').nth(3)).collect();
        assert_eq!(ends, [None, Some("stored as a_b"), Some("stored as root")], "{text}");
    }
    // A tier takes the place of what only the API needs to say.
    assert_eq!(coco.json("/lookup?name=a%2Fb")["_meta"], "127.0.0.1:12");
}

#[test]
fn a_running_coco_says_what_its_configuration_says() {
    let config = Config::new(&[
        ("short", &["127.0.0.1:9", "127.0.0.1:10", "127.0.0.1:11"]),
        ("mid", &["127.0.0.1:12"]),
    ]);
    let directory = Directory::new("lookup");
    let file = directory.write("coco.conf", &config.text());
    let coco = Coco::start(&config.text());
    let api = format!("http://{}", coco.api);
    let many: Vec<_> = (0..1000).map(|number| format!("web{number} \u{fc}&?%")).collect();
    for (hosts, input) in [(&["web1", "web 2"][..], String::new()), (&[], many.join("\n"))] {
        for json in [&[][..], &["--json"]] {
            let asked =
                |from: [&str; 2]| cococtl([&["lookup"], &from[..], json, hosts].concat(), input.as_bytes());
            let (live, offline) = (asked(["--api", &api]), asked(["--config", file.to_str().unwrap()]));
            assert_eq!((live.status, live.stderr.as_str()), (Some(0), ""));
            assert_eq!(live.stdout, offline.stdout);
            assert_eq!(live.stdout.lines().count(), hosts.len() + input.lines().count());
        }
    }
}

#[test]
fn what_cannot_be_asked_is_named() {
    let directory = Directory::new("lookup");
    let wrong = directory.write("wrong.conf", "[tiers.a]\ntargets = [\"a\"]\n");
    let missing = directory.path().join("missing.conf");
    let nobody = Nobody::tcp();
    for (from, subject) in [
        (["--config", wrong.to_str().unwrap()], "wrong.conf: line 2: tiers.a.targets[0]: "),
        (["--config", missing.to_str().unwrap()], "missing.conf: No such file"),
        (["--api", &nobody.address.to_string()], "/lookup?name=web1: "),
    ] {
        let ended = cococtl([&["lookup"], &from[..], &["web1"]].concat(), b"");
        assert_eq!((ended.status, ended.stdout.as_str()), (Some(2), ""));
        assert!(ended.stderr.contains(subject), "{ended:?}");
    }
}

#[test]
fn names_cannot_forge_lines() {
    let directory = Directory::new("lookup");
    let config = tiers(&directory, "coco.conf", &[("a", 1)]);
    let ended = cococtl(["lookup", "--config", config.to_str().unwrap(), "web1\nweb2\tx\u{1b}[2J"], b"");
    assert_eq!(ended.stdout, "web1\\nweb2\\tx\\u{1b}[2J\ta=10.1.0.1:25826\n");
}

/// Not UTF-8 but for the last two: what stands for such names elsewhere, and what looks like an escape.
const STRANGE: [&[u8]; 5] = [b"h\xe9", b"h\xe8", b"h\xff", "h\u{fffd}".as_bytes(), b"h\\xe9"];

#[test]
fn names_that_are_not_utf_8_are_told_apart() {
    let directory = Directory::new("lookup");
    let config = tiers(&directory, "coco.conf", &[("a", 3)]);
    let arguments = ["lookup".as_ref(), "--json".as_ref(), "--config".as_ref(), config.as_os_str()];
    let ended = cococtl(arguments, &STRANGE.join(&b'\n'));
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
    let hosts: Vec<_> = ended.json_lines().into_iter().map(|line| line["host"].clone()).collect();
    assert_eq!(hosts, ["h\0e9", "h\0e8", "h\0ff", "h\u{fffd}", "h\\xe9"]);
}

#[test]
fn all_owners_are_told_by_name_from_a_file_and_from_a_process() {
    let directory = Directory::new("lookup");
    let targets: Vec<_> = (0..3)
        .map(|number| format!("{{ name = 's{number}', address = '127.0.0.1:{}' }}", 9 + number))
        .collect();
    let tier = format!("[tiers.a]\nhash = 'rendezvous'\nreplicas = 2\ntargets = [{}]", targets.join(","));
    let text = Config::new::<String>(&[]).text() + &tier;
    let config = directory.write("coco.conf", &text);
    let coco = Coco::start(&text);
    let tiers = coco_core::config::Config::parse(&text, coco_core::config::Program::Coco).unwrap().tiers;
    let mut owners = Vec::new();
    tiers.get(0).unwrap().placement().owners(b"web1", &mut owners);
    let names: Vec<_> = owners.iter().map(|owner| format!("s{owner}")).collect();
    let api = format!("http://{}", coco.api);
    for source in [["--config", config.to_str().unwrap()], ["--api", &api]] {
        let ended = cococtl([&["lookup", "--all"][..], &source, &["web1"]].concat(), b"");
        assert_eq!((ended.status, ended.stdout), (Some(0), format!("web1\ta={}\n", names.join(","))));
        let ended = cococtl([&["lookup", "--all", "--json"][..], &source, &["web1"]].concat(), b"");
        assert_eq!(ended.json(), json!({ "host": "web1", "owners": { "a": names } }));
    }
    assert!(coco.stop().success());
}

/// By its stage a host has other writers; the file and the process say the same, with `moving` in the order of the tiers.
#[test]
fn hosts_on_their_way_are_told_with_their_stage() {
    let directory = Directory::new("lookup");
    for (both, new, stage, writes) in
        [("0%", "0%", "old", "s2"), ("100%", "0%", "both", "s2,s1"), ("100%", "100%", "new", "s1")]
    {
        let tier = |name: &str| {
            format!(
                "[tiers.{name}]\nhash = 'rendezvous'\nmigration = {{ both = '{both}', new = '{new}' }}\ntargets = [\
                 {{ name = 's1', address = '127.0.0.1:9' }}, {{ name = 's2', address = '127.0.0.1:10', state = 'draining' }}]\n"
            )
        };
        let text = Config::new::<String>(&[]).text() + &tier("b") + &tier("a");
        let config = directory.write("coco.conf", &text);
        let coco = Coco::start(&text);
        let api = format!("http://{}", coco.api);
        let asked = |more: &[&str]| {
            let [file, process] = [["--config", config.to_str().unwrap()], ["--api", &api]].map(|source| {
                let hosts: Vec<_> = (0..20).map(|host| format!("web{host}")).collect();
                let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
                cococtl([&["lookup", "--all"][..], more, &source, &hosts].concat(), b"")
            });
            assert_eq!(
                (file.status, file.stderr.as_str(), &file.stdout),
                (Some(0), "", &process.stdout),
                "{process:?}"
            );
            file
        };
        let text = asked(&[]).stdout;
        let of_tier = format!("s1 {stage} from=s2 writes={writes}");
        let mut seen = [0, 0];
        for line in text.lines() {
            let (host, rest) = line.split_once('\t').unwrap();
            assert!(host.starts_with("web"));
            let moves = rest == format!("b={of_tier}\ta={of_tier}");
            assert!(moves || rest == "b=s1\ta=s1", "{line}");
            seen[usize::from(moves)] += 1;
        }
        assert!(seen.iter().all(|seen| *seen > 0) && seen[0] + seen[1] == 20, "{text}");
        let writes: Vec<_> = writes.split(',').collect();
        for line in asked(&["--json"]).json_lines() {
            assert_eq!(line["owners"], json!({ "b": ["s1"], "a": ["s1"] }));
            if let Some(moving) = line.get("moving") {
                let of = json!({ "stage": stage, "former": ["s2"], "writes": writes });
                assert_eq!(moving, &json!({ "b": of, "a": of }), "{line}");
                seen[1] -= 1;
            }
        }
        assert_eq!(seen[1], 0);
    }
}
