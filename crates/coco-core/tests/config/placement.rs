use coco_core::config::Program;
use coco_core::tier::Placed;

use super::{coco, problems};

/// A tier of these settings and targets, one a line from line 3 on.
fn text(settings: &str, targets: &[&str]) -> String {
    let targets: String = targets.iter().map(|target| format!("{target},\n")).collect();
    format!("[tiers.a]\ntargets = [\n{targets}]\n{settings}\n")
}

fn told(settings: &str, targets: &[&str]) -> String {
    let told = problems(&text(settings, targets), Program::Noodle);
    // Both programs say the same, but for what Noodle needs besides.
    let told: Vec<_> = told.lines().filter(|line| !line.starts_with("fetch.bind")).collect();
    assert_eq!(told.join("\n"), problems(&text(settings, targets), Program::Coco));
    told.join("\n")
}

fn warned(settings: &str, targets: &[&str]) -> Vec<String> {
    coco(&text(settings, targets)).file.warnings.iter().map(ToString::to_string).collect()
}

const PLAIN: [&str; 3] = ["'a:1'", "'b:1'", "'c:1'"];
const NAMED: [&str; 3] = [
    "{ name = 'node-ä', address = 'a:1' }",
    "{ name = '10.1.1.111:25826', address = 'b:1' }",
    "{ address = 'c:1', name = 's 3' }",
];

#[test]
fn a_placement_is_what_the_keys_say() {
    let facts = |settings: &str, targets: &[&str]| {
        let facts = coco(&text(settings, targets)).tiers.get(0).unwrap().placement().facts();
        (facts.hash, facts.targets, facts.replicas, facts.virtual_replicas)
    };
    assert_eq!(facts("", &PLAIN), ("ring", 3, 1, Some(96)));
    assert_eq!(facts("hash = 'ring'\nreplicas = 1\nvirtual_replicas = 7", &NAMED), ("ring", 3, 1, Some(7)));
    assert_eq!(facts("hash = 'jump'\nreplicas = 3", &PLAIN), ("jump", 3, 3, None));
    assert_eq!(facts("hash = 'rendezvous'\nreplicas = 2", &NAMED), ("rendezvous", 3, 2, None));
}

#[test]
fn targets_are_placed_by_what_is_said_of_them() {
    let said = |hash: &str, target: &str| {
        let config = coco(&text(&format!("hash = '{hash}'"), &[target]));
        config.tiers.get(0).unwrap().targets()[0].clone()
    };
    assert_eq!(said("rendezvous", "'a:1'").placed, Placed::default());
    assert_eq!(said("rendezvous", "'A:1'").label(), "A:1");
    let whole = said("rendezvous", "{ name = 's1', address = 'A:1', weight = 1_000_000, zone = 'north 1' }");
    assert_eq!((whole.label(), whole.name.as_str(), whole.placed.weight.get()), ("s1", "A:1", 1_000_000));
    assert_eq!(whole.placed.zone.as_deref(), Some("north 1"));
    assert_eq!(said("jump", "{ address = 'a:1', index = -7 }").placed.index, Some(-7));
}

#[test]
fn what_targets_and_zones_can_not_be_is_refused() {
    let name = "expected a name of 1 to 255 bytes without control characters";
    let long = "x".repeat(256);
    for (target, key, expected) in [
        ("name = ''", "name", format!("{name}, found \"\"")),
        ("name = \"a\\u0007\"", "name", format!("{name}, found \"a\\u{{7}}\"")),
        ("name = 1", "name", format!("{name}, found the integer 1")),
        ("zone = ''", "zone", format!("{name}, found \"\"")),
        ("weight = 0", "weight", "expected a whole number from 1 to 1000000, found 0".to_owned()),
        ("weight = 1000001", "weight", "expected a whole number from 1 to 1000000, found 1000001".to_owned()),
        ("index = 'one'", "index", "expected a whole number, found the string \"one\"".to_owned()),
    ] {
        let told = told("hash = 'rendezvous'", &[&format!("{{ address = 'a:1', {target} }}")]);
        assert!(told.contains(&format!("line 3: tiers.a.targets[0].{key}: {expected}")), "{told}");
    }
    assert!(told("", &[&format!("{{ address = 'a:1', name = '{long}' }}")]).contains(name));
    coco(&text("", &[&format!("{{ address = 'a:1', name = '{}' }}", &long[1..])]));
}

#[test]
fn values_that_are_no_placement_are_refused() {
    assert_eq!(
        told("hash = 'crc32'", &PLAIN),
        "line 7: tiers.a.hash: expected \"ring\", \"jump\" or \"rendezvous\", found \"crc32\""
    );
    for replicas in ["0", "9"] {
        assert_eq!(
            told(&format!("hash = 'jump'\nreplicas = {replicas}"), &PLAIN),
            format!("line 8: tiers.a.replicas: expected a whole number from 1 to 8, found {replicas}")
        );
    }
    for hash in ["jump", "rendezvous"] {
        assert_eq!(
            told(&format!("hash = '{hash}'\nreplicas = 4"), &PLAIN),
            "line 8: tiers.a.replicas: 4 copies of each host on 3 targets: expected at most 3, or more targets"
        );
        assert_eq!(
            told(&format!("hash = '{hash}'\nvirtual_replicas = 4"), &PLAIN),
            format!(
                "line 8: tiers.a.virtual_replicas: \"{hash}\" has no points on a ring: remove it, or write hash = \"ring\""
            )
        );
    }
}

#[test]
fn a_ring_has_neither_copies_nor_weights_nor_zones() {
    assert_eq!(
        told("replicas = 2", &PLAIN),
        "line 7: tiers.a.replicas: a ring has one copy of each host: write hash = \"rendezvous\" for more, or replicas = 1"
    );
    assert_eq!(
        told("", &["{ address = 'a:1', weight = 100, zone = 'n' }", "{ address = 'b:1', zone = 'n' }"]),
        "line 3: tiers.a.targets[0].weight: hash = \"ring\" knows no weights: remove it, or write hash = \"rendezvous\"\n\
         line 3: tiers.a.targets[0].zone: hash = \"ring\" knows no zones: remove it, or write hash = \"rendezvous\"\n\
         line 4: tiers.a.targets[1].zone: hash = \"ring\" knows no zones: remove it, or write hash = \"rendezvous\""
    );
}

#[test]
fn a_key_of_another_way_is_refused() {
    assert_eq!(
        told("hash = 'jump'", &["'a:1'", "{ address = 'b:1', weight = 1 }"]),
        "line 4: tiers.a.targets[1].weight: hash = \"jump\" knows no weights: remove it, or write hash = \"rendezvous\""
    );
    for hash in ["ring", "rendezvous"] {
        assert_eq!(
            told(&format!("hash = '{hash}'"), &["{ address = 'b:1', index = 1 }"]),
            format!(
                "line 3: tiers.a.targets[0].index: hash = \"{hash}\" goes by no index: remove it, or write hash = \"jump\""
            )
        );
    }
    // Zones are told of a jump's targets, though it does not go by them.
    coco(&text("hash = 'jump'", &["{ address = 'b:1', zone = 'n' }"]));
}

#[test]
fn one_name_is_one_target() {
    for hash in ["ring", "jump", "rendezvous"] {
        let equal = ["{ address = 'a:1', name = 's' }", "'b:1'", "{ address = 'c:1', name = 's' }"];
        assert_eq!(
            told(&format!("hash = '{hash}'"), &equal),
            "line 5: tiers.a.targets[2].name: \"s\" is tiers.a.targets[0] already, expected every name once"
        );
    }
    // The address is the name where there is no other.
    assert_eq!(
        told("hash = 'rendezvous'", &["'a:1'", "{ address = 'b:1', name = 'a:1' }"]),
        "line 4: tiers.a.targets[1].name: \"a:1\" is tiers.a.targets[0] already, expected every name once"
    );
}

#[test]
fn zones_and_indices_are_for_all_targets_or_for_none() {
    for hash in ["jump", "rendezvous"] {
        assert_eq!(
            told(
                &format!("hash = '{hash}'"),
                &["'a:1'", "{ address = 'b:1', zone = 'n' }", "{ address = 'c:1' }"]
            ),
            "line 3: tiers.a.targets[0]: no `zone`, and tiers.a.targets[1] has one: expected zone = ... for all targets \
             or for none\n\
             line 5: tiers.a.targets[2]: no `zone`, and tiers.a.targets[1] has one: expected zone = ... for all targets \
             or for none"
        );
    }
    assert_eq!(
        told("hash = 'jump'", &["{ address = 'a:1', index = 1 }", "'b:1'"]),
        "line 4: tiers.a.targets[1]: no `index`, and tiers.a.targets[0] has one: expected index = ... for all targets or \
         for none"
    );
    assert_eq!(
        told("hash = 'jump'", &["{ address = 'a:1', index = 1 }", "{ address = 'b:1', index = 1 }"]),
        "line 4: tiers.a.targets[1].index: 1 is that of tiers.a.targets[0] already, expected every index once"
    );
}

#[test]
fn what_is_seldom_meant_is_warned_of() {
    assert!(warned("", &PLAIN).is_empty());
    assert!(warned("hash = 'jump'\nreplicas = 2", &PLAIN).is_empty());
    assert!(warned("hash = 'rendezvous'\nreplicas = 3", &NAMED).is_empty());
    assert_eq!(
        warned("hash = 'rendezvous'", &["{ address = 'a:1', name = 's' }", "'b:1'"]),
        [
            "line 2: tiers.a.targets: 1 of 2 targets has no name: b:1 would own other hosts once its address changes; \
          write { name = \"...\", address = \"b:1\" }"
        ]
    );
    let zoned =
        ["n", "s", "n"].map(|zone| format!("{{ name = '{zone}', address = 'a:1', zone = '{zone}' }}"));
    let mut zoned = zoned.map(|target| target.replace("'n', address", "'n1', address"));
    zoned[1] = zoned[1].replace("a:1", "b:1");
    zoned[2] = zoned[2].replace("n1", "n2").replace("a:1", "c:1");
    let zoned = zoned.each_ref().map(String::as_str);
    assert!(warned("hash = 'rendezvous'\nreplicas = 2", &zoned).is_empty());
    assert_eq!(
        warned("hash = 'rendezvous'\nreplicas = 3", &zoned),
        [
            "line 8: tiers.a.replicas: 3 copies of each host in 2 zones: some are lost together when a zone is; write \
          replicas = 2, or more zones"
        ]
    );
}

/// With a hash that nobody can read, nothing can be said of what goes with it: one word too few would be a problem of
/// each target else.
#[test]
fn a_hash_that_is_misspelt_is_the_only_problem() {
    let targets = [
        "{ name = 'x', zone = 'a', weight = 2, address = 'a:1' }",
        "{ name = 'y', zone = 'b', weight = 1, address = 'b:1' }",
    ];
    let told = told("hash = 'rendevous'\nreplicas = 2", &targets);
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(told.contains("tiers.a.hash") && told.contains("rendezvous"), "{told}");
}
