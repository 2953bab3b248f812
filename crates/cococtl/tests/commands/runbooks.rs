//! Each case of `docs/change-placement.md`, taken through all its steps by a running Coco and Noodle, with the commands of the page.

use coco_core::config::{Config as Configuration, Program};
use coco_core::placement::Facts;
use coco_core::tier::Tier;
use coco_harness::coco::{Coco, Config};
use coco_harness::directory::Directory;
use coco_harness::noodle::Noodle;

use crate::cococtl;

/// The cases, and where hosts go: from the nodes of the first list to those of the second one, by the names that they have;
/// a node that was replaced is told by its address.
const CASES: [(&str, &[&str], &[&str]); 6] = [
    ("Add a node", &["s1", "s2"], &["s3"]),
    ("Remove a node", &["s3"], &["s1", "s2"]),
    ("Replace a machine under its name", &["s2"], &["s2"]),
    ("Change weights", &["s1"], &["s2"]),
    ("From the ring to rendezvous", &["s1", "s2", "s3"], &["s1", "s2", "s3"]),
    ("From one copy to two", &["s1", "s2", "s3"], &["s1", "s2", "s3"]),
];

/// The tier that stands in a section.
fn shown(section: &str) -> String {
    let page = include_str!("../../../../docs/change-placement.md");
    let text = page.split(&format!("## {section}\n")).nth(1).expect("a section");
    let block = text.split("```toml\n").nth(1).expect("a configuration");
    let tier = block.split("\n[fetch]").next().expect("a tier");
    assert!(tier.contains("both = \"0%\""), "{section}");
    tier.to_owned()
}

/// How a tier without a migration is written.
fn written(tier: &Tier) -> String {
    let Facts { hash, replicas, virtual_replicas, .. } = tier.placement().facts();
    let target = |target: &coco_core::tier::Target| {
        let weight = if hash == "rendezvous" {
            format!(", weight = {}", target.placed.weight.get())
        } else {
            String::new()
        };
        format!("{{ name = {:?}, address = {:?}{weight} }}", target.label(), target.name)
    };
    let targets: Vec<_> = tier.targets().iter().map(target).collect();
    let points = virtual_replicas.map_or(String::new(), |points| format!("virtual_replicas = {points}\n"));
    format!(
        "[tiers.longterm]\nhash = {hash:?}\n{points}replicas = {replicas}\ntargets = [{}]\n",
        targets.join(", ")
    )
}

/// The files of all steps, in their order.
fn steps(section: &str) -> Vec<String> {
    let first = shown(section);
    let config = Configuration::parse(&first, Program::Coco).unwrap();
    let moving = config.tiers.get(0).unwrap().moving().expect("a migration");
    let share = |both: &str, new: &str| {
        first.replace("both = \"0%\"", &format!("both = \"{both}\", new = \"{new}\""))
    };
    let mut steps = vec![written(moving.former())];
    steps.extend(
        [("0%", "0%"), ("1%", "0%"), ("100%", "0%"), ("100%", "5%"), ("100%", "100%")]
            .map(|(both, new)| share(both, new)),
    );
    steps.push(written(moving.new_tier()));
    let base = Config::new::<String>(&[]).text();
    steps.into_iter().map(|step| format!("{base}{step}")).collect()
}

/// Of the hosts on their way, whom they leave and whom they come to.
fn directions(file: &str) -> Vec<[Vec<String>; 2]> {
    let hosts: Vec<_> = (0..60).map(|host| format!("web{host}")).collect();
    let ended = cococtl(
        [
            &["lookup", "--all", "--json", "--config", file],
            &hosts.iter().map(String::as_str).collect::<Vec<_>>()[..],
        ]
        .concat(),
        b"",
    );
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    let names = |value: &serde_json::Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let moving = ended.json_lines().into_iter().filter(|line| line.get("moving").is_some());
    moving
        .map(|line| [names(&line["moving"]["longterm"]["former"]), names(&line["owners"]["longterm"])])
        .collect()
}

/// Noodles go first on the way there, and last at its end and on the way back.
fn walk(
    section: &str,
    files: &[String],
    coco: &Coco,
    noodle: &Noodle,
    directory: &Directory,
    is_there: bool,
) {
    let roots = [coco.api, noodle.address].map(|address| format!("http://{address}"));
    for pair in files.windows(2) {
        let [now, new] =
            [("now.conf", &pair[0]), ("new.conf", &pair[1])].map(|(name, text)| directory.write(name, text));
        let [now, new] = [&now, &new].map(|file| file.to_str().unwrap());
        let ended = cococtl(["check", "--config", now, "--config", new], b"");
        assert_eq!(ended.status, Some(0), "{section}: {ended:?}");
        assert!(
            ended.stdout.contains("in the middle of a step, safe: tier longterm: "),
            "{section}: {ended:?}"
        );
        let mut order = [(&roots[1], false), (&roots[0], true)];
        if !is_there || pair[1] == files[files.len() - 1] {
            order.reverse();
        }
        for (root, is_coco) in order {
            if is_coco {
                coco.write_config(&pair[1]);
            } else {
                noodle.write_config(&pair[1]);
            }
            let ended = cococtl(["reload", "--api", root], b"");
            assert_eq!(ended.status, Some(0), "{section}: {ended:?}");
            assert_eq!(cococtl(["check", &roots[0], &roots[1]], b"").status, Some(0), "{section}");
        }
        let ended = cococtl(["check", "--json", "--config", new, &roots[0], &roots[1]], b"");
        assert_eq!(ended.json()["same"], true, "{section}: {ended:?}");
    }
}

#[test]
fn each_case_goes_through_all_its_steps() {
    for (section, leave, come) in CASES {
        let files = steps(section);
        let directory = Directory::new("runbook");
        let moving = directory.write("moving.conf", &files[1]);
        let directions = directions(moving.to_str().unwrap());
        assert!(!directions.is_empty(), "{section}: some hosts move");
        for [former, owners] in &directions {
            let (left, came) = (
                former.iter().find(|name| !owners.contains(name)),
                owners.iter().find(|name| !former.contains(name)),
            );
            assert!(
                left.is_none_or(|left| leave.contains(&left.as_str())),
                "{section}: {former:?} {owners:?}"
            );
            assert!(
                came.is_none_or(|came| come.contains(&came.as_str())),
                "{section}: {former:?} {owners:?}"
            );
        }
        let (coco, noodle) = (Coco::start(&files[0]), Noodle::start(&files[0]));
        walk(section, &files, &coco, &noodle, &directory, true);
        // Not back at once.
        coco.write_config(&files[2]);
        let ended = cococtl(["reload", "--api", &format!("http://{}", coco.api)], b"");
        assert!(ended.status == Some(1) && ended.stdout.contains("lower new to "), "{section}: {ended:?}");
        if section != CASES[0].0 {
            continue;
        }
        let back: Vec<_> = files.iter().rev().cloned().collect();
        walk(section, &back, &coco, &noodle, &directory, false);
    }
}
