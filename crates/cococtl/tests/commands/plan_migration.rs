//! `cococtl plan --migration` and `--moves`: what an operator goes on with.

use std::collections::{BTreeMap, BTreeSet};

use coco_core::config::{Config, Program};
use coco_core::placement::migration::Stage;
use coco_core::tier::Tier;
use coco_harness::directory::Directory;
use serde_json::{Value, json};

use crate::{Ended, cococtl};

/// What Noodle needs beside tiers.
const FETCH: &str = "[fetch]\nbind = \":9080\"\n";

fn plan(old: &str, new: &str, more: &[&str]) -> Ended {
    let directory = Directory::new("plan");
    let [old, new] = [("old.conf", old), ("new.conf", new)].map(|(name, text)| directory.write(name, text));
    cococtl([&["plan", old.to_str().unwrap(), new.to_str().unwrap()], more].concat(), b"")
}

/// A file with a tier of these keys and targets.
fn tier(keys: &str, targets: &[&str]) -> String {
    format!("{FETCH}[tiers.a]\n{keys}\ntargets = [{}]\n", targets.join(", "))
}

fn parsed(text: &str, program: Program) -> Tier {
    let config = Config::parse(text, program).unwrap_or_else(|problems| panic!("{problems}\n{text}"));
    config.tiers.get(0).unwrap().clone()
}

fn addresses<'a>(tier: &'a Tier, places: &[usize]) -> Vec<&'a str> {
    places.iter().map(|&place| tier.targets()[place].name.as_str()).collect()
}

/// The new file with the migration, by which each host goes from the owners of the one to those of the other; what else
/// was said of it.
fn migrated(old: &str, new: &str) -> String {
    let ended = plan(old, new, &["--migration"]);
    assert!(ended.status != Some(2) && ended.stderr.is_empty(), "{ended:?}");
    let file = format!("{new}{}", ended.stdout);
    let [from, to] = [old, new].map(|text| parsed(text, Program::Coco));
    for program in [Program::Coco, Program::Noodle] {
        let tier = parsed(&file, program);
        let migration = tier.placement().migration().unwrap_or_else(|| panic!("no host moves: {file}"));
        let mut owners = Vec::new();
        for number in 0..3000 {
            let host = format!("web{number}.example.org").into_bytes();
            let of = migration.of(&host);
            to.placement().owners(&host, &mut owners);
            assert_eq!(addresses(&tier, &of.owners), addresses(&to, &owners), "{file}");
            from.placement().owners(&host, &mut owners);
            if of.stage == Stage::Settled {
                // The same targets, in whatever order they had.
                let [writers, owners] = [addresses(&tier, &of.writers()), addresses(&from, &owners)];
                assert_eq!(BTreeSet::from_iter(writers), BTreeSet::from_iter(owners), "{file}");
            } else {
                assert_eq!(addresses(&tier, &of.former), addresses(&from, &owners), "{file}");
                assert_eq!(of.former, of.clone().writers(), "{file}");
            }
        }
        let headway = tier.moving().unwrap().headway();
        assert_eq!((headway.both().to_string(), headway.new_only().to_string()), ("0%".into(), "0%".into()));
    }
    let directory = Directory::new("step");
    let [before, after] =
        [("old.conf", old), ("new.conf", &file)].map(|(name, text)| directory.write(name, text));
    let files = ["--config", before.to_str().unwrap(), "--config", after.to_str().unwrap()];
    let checked = cococtl([&["check"], &files[..]].concat(), b"");
    assert_eq!(checked.status, Some(0), "{checked:?}");
    file
}

/// Whether the file says this in a line, whatever is around it.
fn says(file: &str, line: &str) -> bool {
    file.lines().any(|each| each.trim() == line)
}

#[test]
fn hosts_go_from_the_former_placement_to_the_new_one_whatever_the_two_are() {
    const S1: &str = "{ name = \"s1\", address = \"10.0.0.1:1\" }";
    const S2: &str = "{ name = \"s2\", address = \"10.0.0.2:1\" }";
    const S3: &str = "{ name = \"s3\", address = \"10.0.0.3:1\", fetch = \"http://10.9.9.3:8080\" }";
    let plain = ["\"10.0.0.1:1\"", "\"10.0.0.2:1\"", "\"10.0.0.3:1\""];
    let rendezvous = |more: &str, targets: &[&str]| tier(&format!("hash = \"rendezvous\"\n{more}"), targets);
    let jump = |targets: &[&str]| tier("hash = \"jump\"\nreplicas = 2", targets);

    let file = migrated(&tier("", &plain[..2]), &tier("", &plain));
    assert!(says(&file, "hash = \"ring\"") && says(&file, "virtual_replicas = 90"), "{file}");
    migrated(&tier("virtual_replicas = 7", &plain), &tier("", &[plain[2], plain[0]]));
    let file = migrated(&tier("", &plain), &rendezvous("replicas = 2", &[S1, S2, S3]));
    assert!(says(&file, "\"s2\","), "{file}");

    // A node comes; one goes, and Noodle has to know where it is read; copies.
    migrated(&rendezvous("", &[S1, S2]), &rendezvous("", &[S3, S1, S2]));
    let file = migrated(&rendezvous("", &[S1, S2, S3]), &rendezvous("", &[S1, S2]));
    assert!(
        says(&file, "{ name = \"s3\", address = \"10.0.0.3:1\", fetch = \"http://10.9.9.3:8080\" },"),
        "{file}"
    );
    migrated(&rendezvous("", &[S1, S2, S3]), &rendezvous("replicas = 2", &[S1, S2, S3]));
    migrated(&rendezvous("replicas = 2", &[S1, S2, S3]), &rendezvous("", &plain));

    // Another machine under the name, another weight, another zone.
    let file = migrated(&rendezvous("", &[S1, S2]), &rendezvous("", &[S1, &S2.replace("0.2", "0.9")]));
    assert!(says(&file, "{ name = \"s2\", address = \"10.0.0.2:1\" },"), "{file}");
    let with = |target: &str, more: &str| target.replace(" }", &format!(", {more} }}"));
    let file = migrated(&rendezvous("", &[S1, S2]), &rendezvous("", &[S1, &with(S2, "weight = 300")]));
    assert!(says(&file, "{ name = \"s2\", weight = 100 },"), "{file}");
    migrated(&rendezvous("", &[S1, &with(S2, "weight = 300")]), &rendezvous("", &[S1, S2]));
    migrated(&rendezvous("", &[&with(S1, "weight = 3"), &with(S2, "weight = 300")]), &rendezvous("", &[S1]));
    let zoned = |zones: [&str; 3]| {
        let targets: Vec<_> = [S1, S2, S3]
            .iter()
            .zip(zones)
            .map(|(target, zone)| with(target, &format!("zone = {zone:?}")))
            .collect();
        rendezvous("replicas = 2", &targets.iter().map(String::as_str).collect::<Vec<_>>())
    };
    migrated(&zoned(["n", "n", "s"]), &zoned(["n", "s", "s"]));
    migrated(&zoned(["n", "n", "s"]), &rendezvous("replicas = 2", &[S1, S2, S3]));

    // By order, and by indices.
    migrated(&jump(&[S1, S2, S3]), &jump(&[S3, S2, S1]));
    let indexed = |indices: [i64; 3]| {
        let targets: Vec<_> = [S1, S2, S3]
            .iter()
            .zip(indices)
            .map(|(target, index)| with(target, &format!("index = {index}")))
            .collect();
        jump(&targets.iter().map(String::as_str).collect::<Vec<_>>())
    };
    migrated(&indexed([1, 2, 3]), &indexed([2, 1, 9]));
    migrated(&indexed([3, 2, 1]), &rendezvous("", &[S1, S2]));
    migrated(&tier("", &plain), &indexed([1, 2, 3]));

    // A name that TOML has quoted.
    let quoted = |text: String| text.replace("[tiers.a]", "[tiers.\"a \\\"b\\\"\\u007f\"]");
    migrated(&quoted(tier("", &plain[..2])), &quoted(tier("", &plain)));
}

#[test]
fn a_tier_whose_hosts_stay_gets_no_migration() {
    let only = |old: &str, new: &str, told: &str| {
        let ended = plan(old, new, &["--migration"]);
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
        assert!(ended.stdout.lines().any(|line| line == told), "{told}: {ended:?}");
        assert!(ended.stdout.lines().all(|line| line.starts_with("# ")), "{ended:?}");
    };
    let one = "[tiers.a]\ntargets = [\"10.0.0.1:1\", \"10.0.0.2:1\"]\n";
    only(one, one, "# tier a: no host moves");
    let named = |first: &str, last: &str| {
        let target = |name: &str| format!("{{ name = \"{name}\", address = \"{name}:1\", weight = 40 }}");
        tier("hash = \"rendezvous\"", &[&target(first), &target(last)])
    };
    only(&named("s1", "s2"), &named("s2", "s1"), "# tier a: no host moves");
    let twice = named("s1", "s2").replace("40", "80");
    only(&named("s1", "s2"), &twice, "# tier a: no host gets a new owner");
    let other = one.replace("tiers.a", "tiers.b");
    only(one, &other, "# tier a: removed, so it needs no migration");
    only(one, &other, "# tier b: new, so it needs no migration: all hosts begin anew there");

    // Few hosts may all stay where others move.
    let directory = Directory::new("hosts");
    let hosts = directory.write("hosts", "web1\n");
    let grown = named("s1", "s2").replace("weight = 40 }]", "weight = 42 }]");
    let ended = plan(&named("s1", "s2"), &grown, &["--migration", "--hosts", hosts.to_str().unwrap()]);
    assert!(ended.stdout.contains("# tier a: 0 hosts move (0.0 %)\n[tiers.\"a\".migration]\n"), "{ended:?}");
}

#[test]
fn hosts_that_are_on_their_way_stay_on_it() {
    let target = |number: usize| format!("{{ name = \"s{number}\", address = \"10.0.0.{number}:1\" }}");
    let of = |numbers: &[usize]| {
        let targets: Vec<_> = numbers.iter().copied().map(target).collect();
        tier("hash = \"rendezvous\"", &targets.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let [old, new, other] = [&[1, 2][..], &[1, 2, 3], &[1, 3]].map(of);
    let file = migrated(&old, &new);
    for (from, to) in [
        (&old, &file),
        (&file, &file),
        (&file, &old),
        (&file, &file.replace("both = \"0%\"", "both = \"5%\"")),
    ] {
        let ended = plan(from, to, &["--migration"]);
        assert_eq!(ended.status, Some(0), "{ended:?}");
        assert!(
            ended.stdout.contains("# tier a: hosts are on this way already, by the migration"),
            "{ended:?}"
        );
        assert!(!ended.stdout.contains("[tiers"), "{ended:?}");
    }
    let ended = plan(&file, &new, &["--migration"]);
    assert!(
        ended.stdout.contains("# tier a: hosts are on this way already, but it is too long a step"),
        "{ended:?}"
    );
    let ended = plan(&file, &other, &["--migration"]);
    assert_eq!((ended.status, ended.stdout.as_str()), (Some(2), ""));
    assert!(ended.stderr.starts_with("cococtl: tier a: hosts are on another way already: "), "{ended:?}");
}

#[test]
fn what_cannot_be_written_is_refused() {
    let target =
        |number: usize, zone: &str| format!("{{ name = \"s{number}\", address = \"s{number}:1\"{zone} }}");
    let of = |zone: &str| {
        let targets = [1, 2, 3, 4].map(|number| target(number, zone));
        let zoned = targets[3].replace("\"n\"", "\"s\"");
        tier("hash = \"rendezvous\"\nreplicas = 2", &[&targets[0], &targets[1], &targets[2], &zoned])
    };
    let ended = plan(&of(""), &of(", zone = \"n\""), &["--migration"]);
    assert_eq!((ended.status, ended.stdout.as_str()), (Some(2), ""));
    assert!(ended.stderr.contains("tier a: it can't be said how its hosts were placed"), "{ended:?}");
    // Nothing can stand behind a table that is on one line.
    let inline = |targets: &str| format!("tiers = {{ a = {{ targets = [{targets}] }} }}\n");
    let ended = plan(&inline("\"a:1\""), &inline("\"b:1\""), &["--migration"]);
    assert_eq!((ended.status, ended.stdout.as_str()), (Some(2), ""));
    assert!(ended.stderr.contains("with the migration it would be wrong"), "{ended:?}");
    for others in [["--migration", "--json"], ["--migration", "--moves"], ["--moves", "--json"]] {
        let ended = plan(&of(""), &of(""), &others);
        assert!(ended.status == Some(2) && ended.stderr.contains("cannot be used with"), "{ended:?}");
    }
    for other in ["--migration", "--moves"] {
        let ended = plan(&of(""), &of(""), &[other, "--rsync", "/rrd"]);
        assert!(ended.status == Some(2) && ended.stderr.contains("cannot be used with"), "{ended:?}");
    }
}

#[test]
fn each_copy_that_moves_is_a_line() {
    let target = |number: usize| format!("{{ name = \"s{number}\", address = \"10.0.0.{number}:1\" }}");
    let of = |replicas: usize, targets: usize| {
        let targets: Vec<_> = (1..=targets).map(target).collect();
        let keys = format!("hash = \"rendezvous\"\nreplicas = {replicas}");
        tier(&keys, &targets.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let (old, new) = (of(1, 3), of(2, 4));
    let directory = Directory::new("hosts");
    let mut names: Vec<_> = (0..200).map(|number| format!("web{number}").into_bytes()).collect();
    names.push(b"h\xe9".to_vec());
    let list = directory.path().join("hosts");
    std::fs::write(&list, names.join(&b'\n')).unwrap();
    let hosts = ["--hosts", list.to_str().unwrap()];
    let ended = plan(&old, &new, &[&["--moves"], &hosts[..]].concat());
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));

    let [before, after] = [&old, &new].map(|text| parsed(text, Program::Coco));
    let (mut of_hosts, mut of_pairs) = (BTreeMap::<_, Vec<_>>::new(), BTreeMap::<_, u64>::new());
    for line in ended.json_lines() {
        let text = |key: &str| line[key].as_str().unwrap().to_owned();
        assert_eq!((&line["tier"], &line["metrics"]), (&json!("a"), &Value::Null));
        *of_pairs.entry((text("from"), text("to"))).or_default() += 1;
        of_hosts.entry(text("host")).or_default().push((text("from"), text("to")));
    }
    let (mut was, mut is) = (Vec::new(), Vec::new());
    for name in &names {
        before.placement().owners(name, &mut was);
        after.placement().owners(name, &mut is);
        let (was, is) = (addresses(&before, &was), addresses(&after, &is));
        let shown = if name == b"h\xe9" { "h\0e9" } else { std::str::from_utf8(name).unwrap() };
        let moves = of_hosts.remove(shown).unwrap_or_default();
        let to: Vec<_> = moves.iter().map(|(_, to)| to.as_str()).collect();
        let new: Vec<_> = is.iter().copied().filter(|owner| !was.contains(owner)).collect();
        assert_eq!(to, new, "{shown}");
        assert!(moves.iter().all(|(from, _)| was.contains(&from.as_str())), "{shown}: {moves:?}");
    }
    assert!(of_hosts.is_empty(), "{of_hosts:?}");
    let whole = plan(&old, &new, &[&["--json"], &hosts[..]].concat()).json();
    for pair in whole["tiers"][0]["moves"].as_array().unwrap() {
        let of = |key: &str| pair[key].as_str().unwrap().to_owned();
        assert_eq!(of_pairs.remove(&(of("from"), of("to"))), pair["hosts"].as_u64(), "{pair}");
    }
    assert!(of_pairs.is_empty(), "{of_pairs:?}");
}
