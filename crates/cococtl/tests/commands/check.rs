//! `cococtl check`.

use coco_harness::coco::{Coco, Config};
use coco_harness::directory::Directory;
use coco_harness::nobody::Nobody;
use coco_harness::noodle::Noodle;
use serde_json::Value;

use crate::cococtl;

#[test]
fn those_that_route_alike_are_alike_and_others_are_told_apart() {
    let config =
        Config::new(&[("short", &["127.0.0.1:9", "127.0.0.1:10"]), ("mid", &["127.0.0.1:11"])]).text();
    let other = config.replace("127.0.0.1:10\"", "127.0.0.1:12\"");
    assert_ne!(config, other);
    let (coco, noodle, stranger) = (Coco::start(&config), Noodle::start(&config), Noodle::start(&other));
    let [coco, noodle, stranger] =
        [coco.api, noodle.address, stranger.address].map(|address| format!("http://{address}"));
    let directory = Directory::new("check");
    let file = directory.write("coco.conf", &config);

    let alike = cococtl(["check", &coco, &noodle, "--config", file.to_str().unwrap()], b"");
    assert_eq!((alike.status, alike.stderr.as_str()), (Some(0), ""));
    let fingerprints: Vec<_> = alike.stdout.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert!(fingerprints.len() == 3 && fingerprints.iter().all(|one| *one == fingerprints[0]), "{alike:?}");

    let different = cococtl(["check", &coco, &noodle, &stranger], b"");
    assert_eq!((different.status, different.stderr.as_str()), (Some(1), ""));
    let told = "tier short: targets[1] is 127.0.0.1:12, there 127.0.0.1:10";
    assert!(different.stdout.contains(&format!("{stranger} differs from {coco}: {told}\n")), "{different:?}");

    let different = cococtl(["check", "--json", &stranger, &coco], b"").json();
    assert_eq!(different["same"], Value::from(false));
    assert_eq!(different["processes"][1]["program"], Value::from("coco"));
    assert_ne!(different["processes"][0]["fingerprint"], different["processes"][1]["fingerprint"]);
    assert_eq!(different["differences"][0]["name"], Value::from(coco.as_str()));
}

#[test]
fn whoever_cannot_be_asked_is_named_beside_the_others() {
    let coco = Coco::start(&Config::new(&[("a", &["127.0.0.1:9"])]).text());
    let coco = format!("http://{}", coco.api);
    let nobody = Nobody::tcp();
    let ended = cococtl(["check", &coco, &nobody.address.to_string()], b"");
    assert_eq!(ended.status, Some(2));
    assert!(ended.stdout.contains(&coco), "{ended:?}");
    assert!(ended.stderr.starts_with(&format!("cococtl: http://{}/: ", nobody.address)), "{ended:?}");
    // Somebody who is neither Coco nor Noodle.
    let ended = cococtl(["check", &format!("{coco}/lookup")], b"");
    assert!(ended.status == Some(2) && ended.stderr.contains("/lookup/: status 404"), "{ended:?}");
}

/// What is said of two configurations: equal fingerprints are well whatever is written differently; else it is an error,
/// with the share of hosts that are written to disjoint owners.
#[test]
fn a_verdict_says_how_many_hosts_are_sent_to_none_of_the_same_targets() {
    let target =
        |name: usize, more: &str| format!("{{ name = 's{name}', address = '10.0.0.{name}:25826'{more} }}");
    let plain = |names: &[usize]| names.iter().map(|&name| target(name, "")).collect::<Vec<_>>();
    let tier = |placing: &str, targets: &[String]| {
        format!("[tiers.a]\n{placing}\ntargets = [{}]\n", targets.join(", "))
    };
    let by_hash = |hash: &str, names: &[usize]| tier(&format!("hash = '{hash}'"), &plain(names));
    let pairs = |names: &[usize]| tier("hash = 'rendezvous'\nreplicas = 2", &plain(names));
    let four = by_hash("rendezvous", &[1, 2, 3, 4]);
    let replaced = four.replace("10.0.0.4:", "10.0.0.9:");
    let heavy = tier("hash = 'rendezvous'", &[plain(&[1, 2, 3]), vec![target(4, ", weight = 300")]].concat());
    let indexed: Vec<_> =
        [(2, 1), (1, 0), (3, 2)].map(|(name, index)| target(name, &format!(", index = {index}"))).into();
    let halves = |zones: [&str; 4]| {
        let targets: Vec<_> =
            (1..).zip(zones).map(|(name, zone)| target(name, &format!(", zone = '{zone}'"))).collect();
        tier("hash = 'rendezvous'\nreplicas = 2", &targets)
    };
    let ring = by_hash("ring", &[1, 2, 3, 4]);
    let table: [(&str, &str, &str, Option<std::ops::RangeInclusive<f64>>); 13] = [
        ("the same", &four, &four, None),
        ("another order, by name", &four, &by_hash("rendezvous", &[4, 2, 3, 1]), None),
        ("other names on a ring", &ring, &ring.replace("'s", "'t"), None),
        ("indices that say the order", &by_hash("jump", &[1, 2, 3]), &tier("hash = 'jump'", &indexed), None),
        ("another order on a ring", &ring, &by_hash("ring", &[4, 2, 3, 1]), Some(0.3..=1.0)),
        ("a target more", &four, &by_hash("rendezvous", &[1, 2, 3, 4, 5]), Some(0.19..=0.21)),
        ("a target replaced under its name", &four, &replaced, Some(0.24..=0.26)),
        // Half of all hosts are its own now, where a quarter was.
        ("a target of thrice the weight", &four, &heavy, Some(0.24..=0.26)),
        ("another hash", &ring, &four, Some(0.7..=0.8)),
        ("a second copy", &four, &pairs(&[1, 2, 3, 4]), Some(0.0..=0.0)),
        ("a target more, of two copies", &pairs(&[1, 2, 3, 4]), &pairs(&[1, 2, 3, 4, 5]), Some(0.0..=0.0)),
        // The best target of all is the first owner whatever its zone.
        ("other zones", &halves(["n", "n", "s", "s"]), &halves(["n", "s", "n", "s"]), Some(0.0..=0.0)),
        // A sixth had both copies on those that go, a sixth has both on those that come, a fifteenth is in both: 4 / 15.
        ("two other targets of four", &pairs(&[1, 2, 3, 4]), &pairs(&[3, 4, 5, 6]), Some(0.255..=0.28)),
    ];
    let directory = Directory::new("check");
    for (name, here, there, disjoint) in table {
        let files = [directory.write("here.conf", here), directory.write("there.conf", there)];
        let [here, there] = files.each_ref().map(|file| file.to_str().unwrap());
        let ended = cococtl(["check", "--json", "--config", here, "--config", there], b"");
        let status = i32::from(disjoint.is_some());
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(status), ""), "{name}: {ended:?}");
        let told = ended.json();
        assert_eq!(told["same"], Value::from(disjoint.is_none()), "{name}");
        if let Some(disjoint) = disjoint {
            let share = told["differences"][0]["disjoint"]["a"].as_f64().unwrap();
            assert!(disjoint.contains(&share), "{name}: {share}");
            let ended = cococtl(["check", "--config", here, "--config", there], b"");
            let line = format!(
                "\n  tier a: {:.2} % of 20000 made-up hosts are sent to none of the same targets\n",
                share * 100.0
            );
            assert!(ended.status == Some(1) && ended.stdout.contains(&line), "{name}: {ended:?}");
        }
    }
}

/// From the ring of two to three by name, as far as it says.
fn on_the_way(both: &str, new: &str) -> String {
    let target = |name: usize| format!("{{ name = 's{name}', address = '10.0.0.{name}:25826' }}");
    format!(
        "[tiers.a]\nhash = 'rendezvous'\ntargets = [{}, {}, {}]\n\
         [tiers.a.migration]\nboth = '{both}'\nnew = '{new}'\n\
         from = {{ hash = 'ring', targets = ['s1', {{ name = 'old', address = '10.0.0.9:25826' }}] }}\n",
        target(1),
        target(2),
        target(3)
    )
}

/// Any two have to be safe beside each other, not each beside the first alone.
#[test]
fn a_migration_is_well_in_the_middle_of_a_step_and_no_further() {
    let table = |both, new| on_the_way(both, new);
    let whole = table("0%", "0%");
    let after = whole[..whole.find("[tiers.a.migration]").unwrap()].to_owned();
    let before = "[tiers.a]\ntargets = ['10.0.0.1:25826', '10.0.0.9:25826']\n".to_owned();
    let other = table("100%", "0%").replace("10.0.0.9:", "10.0.0.8:");
    let directory = Directory::new("check");
    for (name, files, verdicts) in [
        ("the table comes", vec![before.clone(), table("0%", "0%")], vec!["safe"]),
        ("at once, but for new", vec![before.clone(), table("100%", "0%")], vec!["safe"]),
        ("next step", vec![table("100%", "0%"), table("100%", "5%")], vec!["safe"]),
        ("the table goes", vec![table("100%", "100%"), after.clone()], vec!["safe"]),
        ("the same", vec![table("5%", "0%"), table("5.00%", "0%")], vec![]),
        ("new before both", vec![table("5%", "0%"), table("100%", "6%")], vec!["unsafe"]),
        ("no table yet, and new owners alone", vec![before.clone(), table("100%", "1%")], vec!["unsafe"]),
        ("a hard switch", vec![before, after], vec!["apart"]),
        ("from elsewhere", vec![table("100%", "0%"), other], vec!["apart"]),
        (
            "the second and the third",
            vec![table("100%", "0%"), table("100%", "60%"), table("50%", "0%")],
            vec!["safe", "safe", "unsafe"],
        ),
    ] {
        let mut arguments = vec!["check".to_owned(), "--json".to_owned()];
        for (number, text) in files.iter().enumerate() {
            let file = directory.write(&format!("{number}.conf"), text);
            arguments.extend(["--config".to_owned(), file.to_str().unwrap().to_owned()]);
        }
        let ended = cococtl(&arguments, b"");
        let is_safe = verdicts.iter().all(|verdict| *verdict == "safe");
        assert_eq!(
            (ended.status, ended.stderr.as_str()),
            (Some(i32::from(!is_safe)), ""),
            "{name}: {ended:?}"
        );
        let told = ended.json();
        assert_eq!((&told["safe"], &told["same"]), (&is_safe.into(), &verdicts.is_empty().into()), "{name}");
        let said: Vec<_> = told["differences"].as_array().unwrap().iter().collect();
        assert_eq!(
            said.iter().map(|one| one["verdict"].as_str().unwrap()).collect::<Vec<_>>(),
            verdicts,
            "{name}"
        );
        for one in said {
            let share = one["disjoint"]["a"].as_f64().unwrap();
            // Whoever is apart may write one and the same target all the same.
            assert!(
                one["verdict"] == "apart" || (share > 0.0) == (one["verdict"] == "unsafe"),
                "{name}: {one}"
            );
        }
    }
}

#[test]
fn running_processes_in_the_middle_of_a_step_are_told_as_such() {
    let [one, other] = [on_the_way("5%", "0%"), on_the_way("100%", "0%")]
        .map(|tier| Config::new::<String>(&[]).text() + &tier);
    let (coco, noodle) = (Coco::start(&one), Noodle::start(&other));
    let [coco, noodle] = [coco.api, noodle.address].map(|address| format!("http://{address}"));
    let ended = cococtl(["check", &coco, &noodle], b"");
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    let told = format!(
        "{noodle} differs from {coco}: in the middle of a step, safe: tier a: both = \"100%\" and new = \"0%\", there both = \"5%\" and new = \"0%\"\n"
    );
    assert!(ended.stdout.ends_with(&told), "{ended:?}");
}
