//! `cococtl plan`.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use coco_core::placement::ring::{Ring, default_virtual_replicas};
use coco_harness::coco::{Coco, Config};
use coco_harness::directory::Directory;
use coco_harness::sink::Sink;
use coco_harness::traffic;
use coco_harness::wait::{PATIENCE, wait_until};
use serde_json::Value;

use crate::{Ended, cococtl, tiers};

fn plan(old: &str, new: &str, more: &[&str]) -> Ended {
    let directory = Directory::new("plan");
    let [old, new] = [("old.conf", old), ("new.conf", new)].map(|(name, text)| directory.write(name, text));
    cococtl([&["plan", old.to_str().unwrap(), new.to_str().unwrap()], more].concat(), b"")
}

/// A tier of targets `10.0.0.N:25826`.
fn tier(numbers: impl IntoIterator<Item = usize>) -> String {
    let targets: Vec<_> = numbers.into_iter().map(|number| format!("\"10.0.0.{number}:25826\"")).collect();
    format!("[tiers.a]\ntargets = [{}]\n", targets.join(", "))
}

#[test]
fn from_12_to_13_targets_89_percent_move_and_pinning_saves_most_of_it() {
    let ended = plan(&tier(1..=12), &tier(1..=13), &["--json"]);
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(1), ""));
    let answer = ended.json();
    let change = &answer["tiers"][0];

    let hosts: Vec<_> = (0..20_000).map(|number| format!("host{number}.example.org").into_bytes()).collect();
    let [old, new] = [12, 13].map(|targets| Ring::new(targets, default_virtual_replicas(targets)));
    let pinned = Ring::new(13, default_virtual_replicas(12));
    let mut moves = BTreeMap::new();
    for host in &hosts {
        *moves.entry((old.owner(host), new.owner(host))).or_insert(0) += 1;
    }
    moves.retain(|(from, to), _| from != to);
    let moved: u64 = moves.values().sum();
    assert_eq!(change["moved"], Value::from(moved));
    assert!((0.88..0.90).contains(&change["share"].as_f64().unwrap()), "{change}");
    let ideal = change["ideal"].as_f64().unwrap();
    assert!(ideal <= 1.0 / 13.0 + 1e-9 && ideal > 0.8 / 13.0, "{ideal}");
    let name = |index: usize| format!("10.0.0.{}:25826", index + 1);
    let expected: BTreeSet<_> =
        moves.iter().map(|((from, to), hosts)| (name(*from), name(*to), *hosts)).collect();
    let told = change["moves"].as_array().unwrap().iter().map(|each| {
        let text = |key: &str| each[key].as_str().unwrap().to_owned();
        (text("from"), text("to"), each["hosts"].as_u64().unwrap())
    });
    assert_eq!(told.collect::<BTreeSet<_>>(), expected);

    let cheaper = &change["cheaper"];
    let fewer = hosts.iter().filter(|host| old.owner(host) != pinned.owner(host)).count();
    assert_eq!(cheaper["moved"], Value::from(fewer));
    assert_eq!(cheaper["virtual_replicas"], Value::from(default_virtual_replicas(12)));
    assert!(cheaper["share"].as_f64().unwrap() < 0.10, "{cheaper}");
}

#[test]
fn what_is_shown_as_cheaper_can_be_pasted_and_is() {
    // The first of 20 is taken away, which by the table and by the places moves nearly all.
    let (old, new) = (tier(1..=20), tier(2..=20));
    let ended = plan(&old, &new, &[]);
    assert_eq!(ended.status, Some(1));
    assert!(ended.stdout.contains("goes from targets[1] to targets[0]"), "{}", ended.stdout);
    let pasted: String = ended
        .stdout
        .lines()
        .skip_while(|line| !line.contains("[tiers."))
        .map(|line| format!("{line}\n"))
        .collect();
    let better = plan(&old, &pasted, &["--json"]);
    assert_eq!(better.status, Some(0), "{better:?}");
    let share = |ended: &Ended| ended.json()["tiers"][0]["share"].as_f64().unwrap();
    let (worse, better) = (share(&plan(&old, &new, &["--json"])), share(&better));
    assert!(worse > 0.9 && better < 0.2, "{worse} {better}");
}

#[test]
fn what_moves_nothing_is_fine() {
    for new in [tier(1..=4), tier(1..=4).replace("[tiers.a]\n", "[tiers.a]\nvirtual_replicas = 58\n")] {
        let ended = plan(&tier(1..=4), &new, &["--json"]);
        assert_eq!(ended.status, Some(0), "{ended:?}");
        assert_eq!(ended.json()["tiers"][0]["change"], Value::from("same"));
    }
    // A successor in the place of a target moves its hosts and no other.
    let ended = plan(&tier(1..=4), &tier([1, 9, 3, 4]), &["--json"]);
    let change = &ended.json()["tiers"][0];
    assert_eq!((ended.status, change["moves"].as_array().unwrap().len()), (Some(0), 1));
    assert_eq!(change["moves"][0]["to"], Value::from("10.0.0.9:25826"));
    let ended = plan(&tier(1..=2), &tier(1..=2).replace("tiers.a", "tiers.b"), &[]);
    assert_eq!(ended.status, Some(0));
    assert!(ended.stdout.contains("tier a: removed") && ended.stdout.contains("tier b: new"), "{ended:?}");
}

#[test]
fn a_running_coco_knows_hosts_and_metrics() {
    let sink = Sink::start();
    let config = |targets: &[&str]| Config::new(&[("a", targets)]).text();
    let node = sink.address.to_string();
    let (old, new) = (config(&[&node]), config(&[&node, "10.0.0.1:1"]));
    let mut coco = Coco::start(&old);
    let mut lists: Vec<_> = (0..50).map(|host| traffic::value_list(&format!("web{host}"), 1)).collect();
    let mut second = traffic::value_list("web1", 1);
    second.identifier.type_instance = b"another".to_vec();
    lists.push(second);
    let sender = traffic::sender(coco.listen);
    let api = format!("http://{}", coco.api);
    let ended = plan(&old, &new, &["--api", &api]);
    assert!(ended.status == Some(2) && ended.stderr.contains("it has sent nothing"), "{ended:?}");
    for datagram in traffic::datagrams(1452, &lists) {
        sender.send(&datagram).unwrap();
    }
    coco.settled(51);
    let answer = plan(&old, &new, &["--api", &api, "--json"]).json();
    assert_eq!(answer["hosts"], Value::from(50));
    assert_eq!(answer["warnings"], serde_json::json!([]), "{answer}");
    let ring = Ring::new(2, default_virtual_replicas(2));
    let moved: Vec<_> = (0..50).filter(|host| ring.owner(format!("web{host}").as_bytes()) == 1).collect();
    let metrics = moved.len() + usize::from(moved.contains(&1));
    assert_eq!(answer["tiers"][0]["moved"], Value::from(moved.len()));
    assert_eq!(answer["tiers"][0]["metrics"], Value::from(metrics));
    // Who plans with another file than the one that runs is told.
    let answer = plan(&new, &old, &["--api", &api, "--json"]).json();
    assert_eq!(answer["warnings"].as_array().unwrap().len(), 1, "{answer}");
}

/// What a tier has beside its targets must not get lost where it is pasted, last of all its signing.
#[test]
fn what_is_to_be_pasted_keeps_all_that_was_there() {
    let keys =
        "security_level = \"Encrypt\"\nusername = \"coco\"\npassword_file = '/etc/coco/\"password\"'\n";
    let fetch = "{ address = \"10.0.0.5:25826\", fetch = \"http://10.0.0.5:8080\" }";
    let secured = |targets: std::ops::RangeInclusive<usize>| {
        tier(targets)
            .replace("[tiers.a]\n", &format!("[tiers.a]\n{keys}"))
            .replace("\"10.0.0.5:25826\"", fetch)
    };
    let (old, new) = (secured(1..=20), secured(2..=20));
    let ended = plan(&old, &new, &[]);
    assert_eq!(ended.status, Some(1));
    let pasted: String = ended
        .stdout
        .lines()
        .skip_while(|line| !line.contains("[tiers."))
        .map(|line| format!("{line}\n"))
        .collect();
    let [pasted, new] = [pasted, new].map(|text| coco_core::config::Written::parse(&text));
    assert_eq!(pasted.differences(&new), []);
    let [pasted, new] = [&pasted, &new].map(|written| written.tier("a").unwrap());
    let but_replicas: Vec<_> = pasted.keys.iter().filter(|(key, _)| key != "virtual_replicas").collect();
    assert_eq!(but_replicas, new.keys.iter().collect::<Vec<_>>());
    let targets =
        |tier: &coco_core::config::WrittenTier| tier.targets.iter().cloned().collect::<BTreeSet<_>>();
    assert_eq!(targets(pasted), targets(new));
}

#[test]
fn what_else_differs_is_said() {
    let listen =
        "[listen]\nsecurity_level = \"Sign\"\nauth_file = \"/etc/users\"\nallow = [\"10.0.0.0/8\"]\n";
    let secured = "[tiers.a]\nsecurity_level = \"Encrypt\"\nusername = \"u\"\npassword_file = \"/etc/p\"\n";
    let old = listen.to_owned() + &tier(1..=2).replace("[tiers.a]\n", secured);
    let new = format!("[filter]\nblacklist = \"/irq/\"\n{}", tier(1..=2));
    let ended = plan(&old, &new, &[]);
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    for line in [
        "warning: packets of tier a are less secure: security_level goes from Encrypt to None",
        "warning: less secure packets are let in: listen.security_level goes from Sign to None",
        "warning: everyone may send: listen.allow is gone",
        "also different:",
        "  listen.security_level: \"Sign\" becomes the default, \"None\"",
        "  filter.blacklist: the default, \"\", becomes \"/irq/\"",
        "    cococtl blacklist says what that drops",
        "  tiers.a.username: \"u\" becomes none",
    ] {
        assert!(ended.stdout.lines().any(|told| told == line), "{line}\n{}", ended.stdout);
    }
    let answer = plan(&old, &new, &["--json"]).json();
    let keys: Vec<_> =
        answer["differences"].as_array().unwrap().iter().map(|each| each["key"].clone()).collect();
    assert_eq!(keys.len(), 7, "{answer}");
    assert_eq!(answer["warnings"].as_array().unwrap().len(), 3);
    assert_eq!(plan(&old, &old, &["--json"]).json()["differences"], Value::Array(Vec::new()));
}

#[test]
fn the_hosts_of_several_cocos_are_joined() {
    let sink = Sink::start();
    let node = sink.address.to_string();
    let config = |blacklist, target: &str| Config::new(&[("a", &[target])]).blacklist(blacklist).text();
    let (old, new) = (config("", &node), config("^web[12]/", "10.0.0.1:1"));
    let before = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let mut cocos = [(); 2].map(|()| Coco::start(&old));
    for (coco, hosts) in cocos.iter_mut().zip([["web1", "web2"], ["web2", "web3"]]) {
        let lists = hosts.map(|host| traffic::value_list(host, 1));
        traffic::send(&traffic::sender(coco.listen), &lists);
        coco.settled(2);
    }
    let apis = cocos.each_ref().map(|coco| format!("http://{}", coco.api));
    let arguments = ["--api", &apis[0], "--api", &apis[1]];
    let answer = plan(&old, &new, &[&arguments[..], &["--json"]].concat()).json();
    assert_eq!((&answer["hosts"], &answer["tiers"][0]["moved"]), (&3.into(), &3.into()), "{answer}");
    for (source, api) in answer["sources"].as_array().unwrap().iter().zip(&apis) {
        assert_eq!((&source["api"], &source["hosts"]), (&Value::from(api.as_str()), &2.into()));
        assert!(source["since"].as_u64().unwrap() >= before, "{source}");
    }
    let effect = &answer["blacklist"];
    assert_eq!([&effect["metrics"], &effect["newly_dropped"], &effect["newly_sent"]], [3, 2, 0], "{answer}");
    let ended = plan(&old, &new, &[&arguments[..], &["--rsync", "/rrd"]].concat());
    for host in ["web1", "web2", "web3"] {
        let line = format!("copy '127.0.0.1' '{host}' ");
        assert_eq!(
            ended.stdout.lines().filter(|told| told.starts_with(&line)).count(),
            1,
            "{}",
            ended.stdout
        );
    }
    for line in [format!("# {}: 2 hosts, since 20", apis[1]), "#   ssh '127.0.0.1' 'ls ".to_owned()] {
        assert!(ended.stdout.lines().any(|told| told.starts_with(&line)), "{line}\n{}", ended.stdout);
    }
}

/// The commands run for real, against an ssh that, like the real one, gives its words to a shell, and an rsync that
/// notes what it is asked for.
#[test]
fn hostile_names_reach_rsync_as_they_are() {
    let directory = Directory::new("plan");
    let hosts: &[&[u8]] = &[
        b"web1.example.org",
        b"it's",
        b"$(touch pwned)",
        b"`touch pwned`",
        b"-e sh",
        b"a b\\c\"d",
        b"a;touch pwned",
        b"\xff",
        b"x:y",
        b"*",
        b"'\\''",
        b"../up",
        b"new\nline",
        b"m\xc3\xbcnchen",
        b"~root",
        b"!!",
    ];
    let list = directory.path().join("hosts");
    std::fs::write(&list, hosts.join(&b'\n')).unwrap();
    let (old, new) = (
        tiers(&directory, "old.conf", &[("a", 1)]),
        directory.write("new.conf", "[tiers.a]\ntargets = [\"[2001:db8::1]:25826\"]\n"),
    );
    let arguments = [
        "plan",
        old.to_str().unwrap(),
        new.to_str().unwrap(),
        "--hosts",
        list.to_str().unwrap(),
        "--rsync",
        "/var/lib/it's rrd/",
    ];
    let output = Command::new(env!("CARGO_BIN_EXE_cococtl")).args(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let script = directory.path().join("move.sh");
    std::fs::write(&script, &output.stdout).unwrap();
    let ssh = "#!/bin/sh\ncase \"$1 $2 $3\" in\n'-n -- 10.1.0.1' | '-n -- 2001:db8::1') ;;\n*) exit 9 ;;\nesac\n\
               shift 3\nexec sh -c \"$*\"\n";
    for (name, text) in [
        ("ssh", ssh),
        ("collectdctl", "#!/bin/sh\n[ \"$*\" = flush ]\n"),
        ("rsync", "#!/bin/sh\nprintf '%s\\0' \"$@\" >> rsynced\n"),
    ] {
        let path = directory.write(name, text);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:{}", directory.path().display(), std::env::var("PATH").unwrap());
    let run =
        Command::new("sh").arg(&script).env("PATH", path).current_dir(directory.path()).output().unwrap();
    assert!(run.status.success(), "{run:?}");
    // The directory is not there, which find says; nothing else.
    let stderr = String::from_utf8_lossy(&run.stderr);
    assert!(stderr.lines().all(|line| line.starts_with("find: ")), "{stderr}");
    assert!(!directory.path().join("pwned").exists());

    let rsynced = std::fs::read(directory.path().join("rsynced")).unwrap();
    let words: Vec<_> = rsynced.split(|&byte| byte == 0).collect();
    let sources: Vec<_> = words.chunks_exact(6).map(|call| call[4].to_vec()).collect();
    let to = b"[2001:db8::1]:/var/lib/it's rrd/";
    assert!(words.chunks_exact(6).all(|call| call[3] == b"--" && call[5] == to));
    // A name with a line feed is two lines of the list, which are names; a slash is stored as an underscore.
    let names = hosts.join(&b'\n');
    let stored = |name: &[u8]| name.iter().map(|&byte| if byte == b'/' { b'_' } else { byte }).collect();
    let names = names.split(|&byte| byte == b'\n').map(stored);
    let expected: Vec<_> = names.map(|name: Vec<u8>| [b"/var/lib/it's rrd/", &*name].concat()).collect();
    assert_eq!(sources, expected);
}

/// The name of a tier, as whatever answers at the URL tells it, stands in a warning, and that in the script.
#[test]
fn a_hostile_tier_does_not_leave_its_comment() {
    let sink = Sink::start();
    let config = |tier: &str, targets: &[&str]| Config::new(&[(tier, targets)]).text();
    let node = sink.address.to_string();
    let mut coco = Coco::start(&config(r#""x\ntouch pwned\n#\u001b[2J""#, &[&node]));
    let datagrams = traffic::datagrams(1452, &[traffic::value_list("web1", 1)]);
    traffic::sender(coco.listen).send(&datagrams[0]).unwrap();
    coco.settled(1);
    let api = format!("http://{}", coco.api);
    let (old, new) = (config("a", &[&node]), config("a", &["10.0.0.1:1"]));
    let told = format!(
        r"what is running at {api} does not route by the old configuration: tiers are x\ntouch pwned\n#\u{{1b}}[2J, there a"
    );
    let ended = plan(&old, &new, &["--api", &api, "--rsync", "/rrd"]);
    assert!(ended.stdout.lines().any(|line| line == format!("# warning: {told}")), "{ended:?}");
    assert!(ended.stdout.lines().all(|line| !line.contains("touch") || line.starts_with("# ")), "{ended:?}");
    let ended = plan(&old, &new, &["--api", &api]);
    assert!(ended.stdout.lines().any(|line| line == format!("warning: {told}")), "{ended:?}");

    let directory = Directory::new("plan");
    let file = directory.write("coco.conf", &old);
    let ended = cococtl(["check", &api, "--config", file.to_str().unwrap()], b"");
    assert!(
        ended.stdout.contains(r"tiers are x\ntouch pwned\n#\u{1b}[2J") && ended.stdout.lines().count() == 3,
        "{ended:?}"
    );
}

#[test]
fn hosts_whose_names_are_not_utf_8_are_planned_for_each() {
    let hosts: [&[u8]; 5] = [b"h\xe9", b"h\xe8", b"h\xff", "h\u{fffd}".as_bytes(), b"h\\xe9"];
    let old = Config::new(&[("a", &["127.0.0.1:9"])]).text();
    let mut coco = Coco::start(&old);
    let lists = hosts.map(|host| {
        let mut list = traffic::value_list("h", 0);
        list.identifier.host = host.to_vec();
        list
    });
    traffic::send(&traffic::sender(coco.listen), &lists);
    coco.settled(5);
    let new = old.replace("\"127.0.0.1:9\"", "\"127.0.0.1:9\", \"127.0.0.1:11\"");
    let answer = plan(&old, &new, &["--api", &format!("http://{}", coco.api), "--json"]).json();
    assert_eq!(answer["hosts"], 5, "{answer}");
    let ring = Ring::new(2, default_virtual_replicas(2));
    let moved = hosts.iter().filter(|host| ring.owner(host) == 1).count();
    assert_eq!(answer["tiers"][0]["moved"], moved, "{answer}");
    assert_eq!(answer["warnings"], serde_json::json!([]));
}

/// A tier of such nodes, each in one of two zones.
fn zoned(nodes: &[&Sink]) -> String {
    let target = |(number, node): (usize, &&Sink)| {
        let zone = ["north", "south"][number % 2];
        format!("{{ name = \"s{number}\", zone = \"{zone}\", address = \"{}\" }}", node.address)
    };
    let targets: Vec<_> = nodes.iter().enumerate().map(target).collect();
    format!("[tiers.a]\nhash = \"rendezvous\"\nreplicas = 2\ntargets = [{}]\n", targets.join(", "))
}

/// What a running Coco does with a node that is added is what the plan says, and hardly more than has to be.
#[test]
fn a_node_that_is_added_gets_the_copies_that_the_plan_says() {
    const HOSTS: usize = 3000;
    let nodes = [(); 7].map(|()| Sink::start());
    let all: Vec<_> = nodes.iter().collect();
    let [old, new] = [zoned(&all[..6]), zoned(&all)];
    let hosts: Vec<_> = (0..HOSTS).map(|number| format!("web{number}.example.org")).collect();
    let directory = Directory::new("hosts");
    let list = directory.write("hosts", &hosts.join("\n"));
    let ended = plan(&old, &new, &["--json", "--hosts", list.to_str().unwrap()]);
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
    let change = &ended.json()["tiers"][0];

    let with = |tier: &str| Config::new::<String>(&[]).text() + tier;
    let mut coco = Coco::start(&with(&old));
    let sender = traffic::sender(coco.listen);
    let having = || -> Vec<BTreeSet<Vec<u8>>> {
        let hosts = |node: &Sink| node.value_lists().into_iter().map(|list| list.identifier.host).collect();
        nodes.iter().map(hosts).collect()
    };
    let send = |coco: &Coco, place: u32| {
        for hosts in hosts.chunks(100) {
            let lists: Vec<_> = hosts.iter().map(|host| traffic::value_list(host, place)).collect();
            traffic::send(&sender, &lists);
            wait_until(PATIENCE, "everything to be sent", || {
                let vars = coco.json("/debug/vars");
                vars["coco"]["queues"]["raw"] == 0 && vars["coco"]["queues"]["filtered"] == 0
            });
        }
        let copies = 2 * HOSTS * (place as usize + 1);
        wait_until(PATIENCE, "every copy", || {
            nodes.iter().map(|node| node.count() as usize).sum::<usize>() == copies
        });
    };
    send(&coco, 0);
    let before = having();
    assert!(coco.reload(&with(&new)).contains("begin anew"));
    send(&coco, 1);
    let after = having();
    assert!(coco.stop().success());

    let arrived: Vec<_> =
        before.iter().zip(&after).map(|(before, after)| after.difference(before).count()).collect();
    let moved: usize = arrived.iter().sum();
    assert_eq!(change["moved"], moved);
    let disks = change["disks"].as_array().unwrap();
    let told = |number: usize| {
        let disk = disks.iter().find(|disk| disk["target"] == nodes[number].address.to_string().as_str());
        disk.map_or(0, |disk| disk["arriving"].as_u64().unwrap() as usize)
    };
    assert_eq!(arrived, (0..7).map(told).collect::<Vec<_>>());
    assert_eq!(arrived[..6], [0; 6], "nothing moves but to the new node");
    let ideal = change["ideal"].as_f64().unwrap();
    // By number it is due a seventh; the zone that it comes into gives it a quarter of half of all copies.
    assert!((ideal - 0.125).abs() < 0.01, "{ideal}");
    assert!(
        ideal * (2 * HOSTS) as f64 <= moved as f64 + 1e-6,
        "no more has to move than moves: {ideal} {moved}"
    );
    assert!(moved as f64 <= 1.1 * ideal * (2 * HOSTS) as f64, "{moved} of {}", 2 * HOSTS);
}

#[test]
fn a_plan_goes_from_a_ring_to_two_copies_by_rendezvous() {
    let old = tier(1..=4);
    let new = old.replace("targets", "hash = \"rendezvous\"\nreplicas = 2\ntargets");
    let ended = plan(&old, &new, &["--json"]);
    assert_eq!(ended.stderr, "");
    let change = &ended.json()["tiers"][0];
    assert_eq!(change["change"], "changed");
    // One more copy of every host, at least, and one of the two is somewhere else for many.
    let (share, ideal) = (change["share"].as_f64().unwrap(), change["ideal"].as_f64().unwrap());
    assert!(ideal <= 0.5 && ideal > 0.45 && (0.70..0.80).contains(&share), "{share} {ideal}");
    let arriving: u64 =
        change["disks"].as_array().unwrap().iter().map(|disk| disk["arriving"].as_u64().unwrap()).sum();
    assert_eq!(change["moved"], arriving);
    let moves: u64 =
        change["moves"].as_array().unwrap().iter().map(|each| each["hosts"].as_u64().unwrap()).sum();
    assert_eq!(moves, arriving);
    let told = plan(&old, &new, &[]).stdout;
    assert!(told.contains("(ring with 1 of each host to rendezvous with 2 of each host)"), "{told}");
    assert!(told.contains("the disk of 10.0.0.1:25826 takes "), "{told}");
}
