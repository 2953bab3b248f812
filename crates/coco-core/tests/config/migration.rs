use coco_core::config::{Config, Program};
use coco_core::tier::{Role, Tier};

use super::{coco, problems};

/// Three targets, of which the last is draining, on lines 3 to 5, a migration from line 8 on.
fn text(hash: &str, migration: &str) -> String {
    format!(
        "[tiers.a]\ntargets = [\n{{ name = 's1', address = 'a:1' }},\n{{ name = 's2', address = 'b:1' }},\n\
         {{ name = 's3', address = 'c:1', state = 'draining' }},\n]\n{hash}\n[tiers.a.migration]\n{migration}\n"
    )
}

const RENDEZVOUS: &str = "hash = 'rendezvous'";

fn told(hash: &str, migration: &str) -> String {
    problems(&text(hash, migration), Program::Coco)
}

fn tier(text: &str) -> Tier {
    coco(text).tiers.get(0).expect("there is a tier").clone()
}

/// Hash, copies and targets of what hosts come from and of what they come to.
fn sides(text: &str) -> [String; 2] {
    let tier = tier(text);
    let moving = tier.moving().expect("hosts move");
    [moving.former(), moving.new_tier()].map(|tier| {
        let facts = tier.placement().facts();
        let targets: Vec<_> =
            tier.targets().iter().map(|target| format!("{}@{}", target.label(), target.name)).collect();
        format!("{} {} {}", facts.hash, facts.replicas, targets.join(" "))
    })
}

#[test]
fn hosts_leave_targets_that_are_draining() {
    let text = text(RENDEZVOUS, "both = '12.5%'\nnew = '1%'");
    assert_eq!(sides(&text), ["rendezvous 1 s1@a:1 s2@b:1 s3@c:1", "rendezvous 1 s1@a:1 s2@b:1"]);
    let tier = tier(&text);
    assert_eq!([0, 1, 2].map(|place| tier.role(place)), [Role::Active, Role::Active, Role::Draining]);
    let headway = tier.moving().unwrap().headway();
    assert_eq!(
        (headway.both().to_string(), headway.new_only().to_string()),
        ("12.5%".to_owned(), "1%".to_owned())
    );
    // A ring can lose one, too, and so can one whose points are counted by the targets.
    let ring = self::text("", "");
    assert_eq!(sides(&ring), ["ring 1 s1@a:1 s2@b:1 s3@c:1", "ring 1 s1@a:1 s2@b:1"]);
}

#[test]
fn hosts_come_from_what_from_says() {
    let from = |from: &str| sides(&text(RENDEZVOUS, &format!("from = {{ {from} }}")))[0].clone();
    assert_eq!(from("hash = 'ring'"), "ring 1 s1@a:1 s2@b:1 s3@c:1");
    assert_eq!(from("replicas = 2, targets = ['s3', 's1']"), "rendezvous 2 s3@c:1 s1@a:1");
    // A machine that was replaced under its name, and one that is gone.
    assert_eq!(
        from("hash = 'ring', targets = ['s1', { name = 's2', address = 'old:1' }, { address = 'gone:1' }]"),
        "ring 1 s1@a:1 s2@old:1 gone:1@gone:1"
    );
    let text =
        text(RENDEZVOUS, "from = { targets = ['s1', { name = 's2', weight = 50, address = 'old:1' }] }");
    let tier = tier(&text);
    let names: Vec<_> = tier.targets().iter().map(|target| target.name.as_str()).collect();
    assert_eq!(names, ["a:1", "b:1", "c:1", "old:1"]);
    assert_eq!(tier.role(3), Role::Former);
    assert_eq!(tier.moving().unwrap().former().targets()[1].placed.weight.get(), 50);
}

/// Weights and zones that the tier's targets have now say nothing of a ring.
#[test]
fn a_former_ring_knows_no_weights_and_is_the_ring_that_there_was() {
    let targets = "targets = [ { name = 's1', address = 'a:1', weight = 200, zone = 'n' }, { name = 's2', address = 'b:1', zone = 's' } ]";
    let moved = tier(&format!(
        "[tiers.a]\nhash = 'rendezvous'\nreplicas = 2\n{targets}\n[tiers.a.migration]\nfrom = {{ hash = 'ring' }}"
    ));
    let ring = tier("[tiers.a]\ntargets = ['a:1', 'b:1']");
    assert_eq!(moved.moving().unwrap().former().fingerprint(), ring.fingerprint());
    assert_ne!(moved.fingerprint(), ring.fingerprint());
}

#[test]
fn what_would_take_hosts_from_everyone_is_refused() {
    assert_eq!(
        told(RENDEZVOUS, "both = '1%'\nnew = '5%'"),
        "line 10: tiers.a.migration.new: \"5%\" is more than both = \"1%\": hosts would be taken from their former owners \
         before new ones have them"
    );
    assert_eq!(
        told(RENDEZVOUS, "new = '5%'"),
        "line 9: tiers.a.migration.new: \"5%\" is more than both = \"0%\": hosts would be taken from their former owners \
         before new ones have them"
    );
    for wrong in ["5", "'5'", "'101%'", "'0.001%'"] {
        let told = told(RENDEZVOUS, &format!("both = {wrong}"));
        assert!(told.starts_with("line 9: tiers.a.migration.both: expected \"0%\" to \"100%\""), "{told}");
    }
    let draining = "[tiers.a]\ntargets = [\n'a:1',\n{ address = 'c:1', state = 'draining' },\n]";
    assert_eq!(
        problems(draining, Program::Coco),
        "line 4: tiers.a.targets[1].state: hosts leave it by a migration: write [tiers.NAME.migration], or remove the target"
    );
    assert_eq!(
        problems(
            "[tiers.a]\ntargets = [{ address = 'c:1', state = 'draining' }]\nmigration = {}",
            Program::Coco
        ),
        "line 2: tiers.a.targets: all are draining: expected at least one to move the hosts to"
    );
    assert_eq!(
        problems("[tiers.a]\ntargets = [{ address = 'c:1', state = 'former' }]", Program::Coco),
        "line 2: tiers.a.targets[0].state: expected \"active\" or \"draining\", found \"former\""
    );
}

#[test]
fn copies_are_on_targets_that_stay() {
    assert_eq!(
        told("hash = 'rendezvous'\nreplicas = 3", "both = '0%'"),
        "line 8: tiers.a.replicas: 3 copies of each host on 2 active targets: expected at most 2, or more targets"
    );
    assert_eq!(
        told(RENDEZVOUS, "from = { replicas = 4 }"),
        "line 9: tiers.a.migration.from.replicas: 4 copies of each host on 3 targets: expected at most 3, or more targets"
    );
}

#[test]
fn what_says_nothing_of_where_hosts_come_from_is_refused() {
    for (from, expected) in [
        (
            "targets = ['s9', 's1']",
            "targets[0]: no target of the tier is called \"s9\": write { name = \"...\", address = \"host:port\" } for one that \
             the tier does not list",
        ),
        (
            "targets = ['s1', { name = 's9' }]",
            "targets[1].address: missing, expected \"host:port\": the tier lists no target of this name",
        ),
        ("targets = []", "targets: there are no targets: leave the key out for those of the tier"),
        ("targets = ['s1', 's1']", "targets[1]: `a:1` is .targets[0] already, expected every target once"),
        (
            "hash = 'ring', replicas = 2",
            "replicas: a ring has one copy of each host: write hash = \"rendezvous\" for more, or replicas = 1",
        ),
        (
            "hash = 'jump', virtual_replicas = 2",
            "virtual_replicas: \"jump\" has no points on a ring: remove it, or write hash = \"ring\"",
        ),
        (
            "hash = 'ring', targets = [{ name = 's1', weight = 5 }]",
            "targets[0].weight: hash = \"ring\" knows no weights: remove it, or write hash = \"rendezvous\"",
        ),
        (
            "targets = ['s1', 5]",
            "targets[1]: expected the name of a target or { name = \"...\", address = \"host:port\" }, found the integer 5",
        ),
        ("state = 'draining'", "state: unknown key, `state` belongs to [tiers.NAME.targets]"),
    ] {
        let expected = expected.replace(" .targets", " tiers.a.migration.from.targets");
        let told = told(RENDEZVOUS, &format!("from = {{ {from} }}"));
        assert_eq!(told, format!("line 9: tiers.a.migration.from.{expected}"), "{from}");
    }
    let both = problems(&text(RENDEZVOUS, "").replace("migration]", "migraton]"), Program::Coco);
    assert!(both.contains("tiers.a.migraton: unknown key, did you mean `migration`?"), "{both}");
}

#[test]
fn a_migration_that_moves_nothing_is_warned_of() {
    let text = "[tiers.a]\nhash = 'rendezvous'\ntargets = [{ name = 's1', address = 'a:1' }]\n[tiers.a.migration]\nboth = '5%'";
    let warnings = coco(text).file.warnings;
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    assert!(warning.to_string().starts_with("line 4: tiers.a.migration: no host moves: "), "{warning}");
    assert_eq!(coco(&self::text(RENDEZVOUS, "")).file.warnings, []);
}

#[test]
fn a_migration_is_shown_as_it_is_read() {
    let text = text(
        RENDEZVOUS,
        "both = '5%'\nfrom = { hash = 'ring', targets = ['s1', { name = 's0', address = 'z:1' }] }",
    );
    let shown = coco(&text).to_toml();
    let again = Config::parse(&shown, Program::Coco).unwrap();
    assert_eq!(again.tiers.fingerprint(), coco(&text).tiers.fingerprint(), "{shown}");
    assert!(shown.contains("\n[tiers.a.migration]\nboth = \"5%\"\nnew = \"0%\"\n\n[tiers.a.migration.from]\nhash = \"ring\"\n"), "{shown}");
    assert_eq!(again.to_toml(), shown);
    // Nothing but its table says that there is one.
    let bare = self::text(RENDEZVOUS, "");
    let shown = coco(&bare).to_toml();
    assert_eq!(
        Config::parse(&shown, Program::Coco).unwrap().tiers.fingerprint(),
        coco(&bare).tiers.fingerprint()
    );
}
