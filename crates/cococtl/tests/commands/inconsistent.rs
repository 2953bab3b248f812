//! `cococtl inconsistent`: real nodes, each asked for what it has.

use std::path::Path;

use coco_core::placement::rendezvous::{Member, Rendezvous};
use coco_harness::directory::Directory;
use coco_harness::nobody::Nobody;
use coco_harness::rrd;
use coco_harness::rrdcached::Rrdcached;
use coco_harness::visage::Visage;
use serde_json::{Value, json};

use crate::cococtl;

/// When the files were updated last.
const NEWEST: i64 = 1_795_311_454;

const NODES: [&str; 3] = ["s1", "s2", "s3"];

/// The targets that own a host in pairs, the first owner first.
fn owners(host: &str) -> Vec<usize> {
    let member = |name: &&'static str| Member { name, weight: Default::default(), zone: None };
    let members: Vec<_> = NODES.iter().map(member).collect();
    let mut owners = Vec::new();
    Rendezvous::new(&members, 2).unwrap().owners(host.as_bytes(), &mut owners);
    owners
}

/// Writes two files of a host, one of which is older.
fn store(base: &Path, host: &str) {
    rrd::create(&base.join(host).join("load/load.rrd"), NEWEST, &[1.0, 2.0]);
    rrd::create(&base.join(host).join("cpu-0/cpu-idle.rrd"), NEWEST - 60, &[1.0, 2.0]);
}

/// Three nodes with two copies of every host where these belong.
struct Scene {
    directory: Directory,
    hosts: Vec<String>,
}

impl Scene {
    fn new() -> Self {
        let directory = Directory::new("inconsistent");
        let hosts: Vec<_> = (1..=6).map(|number| format!("web{number}")).collect();
        let scene = Self { directory, hosts };
        for host in &scene.hosts {
            owners(host).into_iter().for_each(|owner| store(&scene.base(owner), host));
        }
        scene
    }

    fn base(&self, node: usize) -> std::path::PathBuf {
        self.directory.path().join(NODES[node])
    }

    /// Reads the nodes here.
    fn run(&self, fetch: [&str; 3], options: &[&str]) -> crate::Ended {
        let target = |(number, fetch): (usize, &str)| {
            let name = NODES[number];
            format!("{{ name = '{name}', address = '127.0.0.1:{}', fetch = '{fetch}' }}", 9 + number)
        };
        let targets: Vec<_> = fetch.into_iter().enumerate().map(target).collect();
        let text = format!(
            "[tiers.long]\nhash = 'rendezvous'\nreplicas = 2\ntargets = [{}]\n[fetch]\nbind = '127.0.0.1:0'\n",
            targets.join(",")
        );
        let config = self.directory.write("coco.conf", &text);
        let arguments = ["inconsistent", "--config", config.to_str().unwrap()];
        cococtl(arguments.into_iter().chain(options.iter().copied()), b"")
    }
}

#[test]
fn hosts_on_nodes_that_do_not_own_them_are_told_with_how_much_and_how_old() {
    let scene = Scene::new();
    let nodes = [0, 1, 2].map(|node| Rrdcached::start(&scene.base(node)));
    let [a, b] = [0, 1].map(|node: usize| format!("rrdcached://{}", nodes[node].address));
    let c = format!("rrdcached://{}", nodes[2].socket.display());
    let fetch = [a.as_str(), &b, &c];
    let all = scene.run(fetch, &[]);
    assert_eq!((all.status, all.stderr.as_str()), (Some(0), ""), "{all:?}");
    let told = "0 of 12 hosts, each counted on every node, lie on one of 3 nodes that does not own them\n";
    assert_eq!(all.stdout, told);
    assert_eq!(scene.run(fetch, &["--json"]).stdout, "");

    // One that a node has beside its two owners, one that was never theirs, with a blank and a tab in its name.
    let host = &scene.hosts[0];
    let stray = (0..3).find(|node| !owners(host).contains(node)).unwrap();
    store(&scene.base(stray), host);
    let odd = "db 1";
    let other = (0..3).find(|node| !owners(odd).contains(node)).unwrap();
    store(&scene.base(other), odd);

    let found = scene.run(fetch, &["--json"]);
    assert_eq!((found.status, found.stderr.as_str()), (Some(1), ""), "{found:?}");
    let object = |host: &str, node: usize| {
        let owners: Vec<_> = owners(host).into_iter().map(|owner| NODES[owner]).collect();
        json!({ "host": host, "node": fetch[node], "owners": { "long": owners }, "files": 2, "newest": NEWEST })
    };
    let mut expected = vec![object(host, stray), object(odd, other)];
    let mut told = found.json_lines();
    for list in [&mut expected, &mut told] {
        list.sort_by_key(ToString::to_string);
    }
    assert_eq!(told, expected);

    let found = scene.run(fetch, &[]);
    let names: Vec<_> = owners(host).into_iter().map(|owner| NODES[owner]).collect();
    let line = format!(
        "{host}\t{}\t2 files\tupdated 2026-11-22T01:37:34.000Z\tlong={}\n",
        fetch[stray],
        names.join(",")
    );
    assert!(found.stdout.contains(&line), "{line} in {found:?}");
    assert!(found.stdout.ends_with(
        "\n2 of 14 hosts, each counted on every node, lie on one of 3 nodes that does not own them\n"
    ));
}

/// A Visage tells names, and not when anything was updated.
#[test]
fn what_a_visage_does_not_tell_is_said_to_be_unknown() {
    let scene = Scene::new();
    let nodes = [0, 1, 2].map(|node| Visage::start(&scene.base(node)));
    let urls = [0, 1, 2].map(|node: usize| nodes[node].url());
    let fetch = [urls[0].as_str(), &urls[1], &urls[2]];
    let host = &scene.hosts[0];
    let stray = (0..3).find(|node| !owners(host).contains(node)).unwrap();
    store(&scene.base(stray), host);
    let found = scene.run(fetch, &["--json"]);
    assert_eq!((found.status, found.stderr.as_str()), (Some(1), ""), "{found:?}");
    let told = found.json();
    assert_eq!((&told["host"], &told["node"]), (&json!(host), &json!(fetch[stray])));
    assert_eq!((&told["files"], &told["newest"]), (&json!(2), &Value::Null));
    assert!(scene.run(fetch, &[]).stdout.contains("\t2 files\tlast update unknown\t"));
}

#[test]
fn a_node_that_cannot_be_asked_is_named_beside_what_the_others_have() {
    let scene = Scene::new();
    let nodes = [0, 1].map(|node| Rrdcached::start(&scene.base(node)));
    let nobody = Nobody::tcp();
    let [a, b] = [0, 1].map(|node: usize| format!("rrdcached://{}", nodes[node].address));
    let c = format!("rrdcached://{}", nobody.address);
    store(&scene.base(0), "lost");
    let is_stray = !owners("lost").contains(&0);
    let found = scene.run([&a, &b, &c], &["--json"]);
    assert_eq!(found.status, Some(2), "{found:?}");
    assert_eq!(found.json_lines().len(), usize::from(is_stray));
    assert!(found.stderr.starts_with(&format!("cococtl: {c}: cannot connect: ")), "{found:?}");
    // Whoever may not ask when files were updated is told so, and takes nothing else for it.
    let host = &scene.hosts[0];
    let stray = (0..3).find(|node| !owners(host).contains(node)).unwrap();
    store(&scene.base(stray), host);
    let nodes = [0, 1, 2].map(|node| Rrdcached::start_with(&scene.base(node), "PING,LIST"));
    let urls = [0, 1, 2].map(|node: usize| format!("rrdcached://{}", nodes[node].address));
    let found = scene.run([&urls[0], &urls[1], &urls[2]], &["--json"]);
    assert_eq!(found.status, Some(2), "{found:?}");
    assert!(
        found.stderr.contains(&format!("{}: rrdcached refuses: permission denied", urls[stray])),
        "{found:?}"
    );
    // What it does tell is told, too: that the host is there, and how many files it has.
    let told: Vec<_> = found.json_lines().into_iter().filter(|told| told["host"] == host.as_str()).collect();
    assert_eq!(told.len(), 1, "{found:?}");
    assert_eq!(
        (&told[0]["node"], &told[0]["files"], &told[0]["newest"]),
        (&json!(urls[stray]), &json!(2), &Value::Null)
    );
    let strays = 1 + usize::from(is_stray);
    let shown = scene.run([&urls[0], &urls[1], &urls[2]], &[]);
    assert!(
        shown.stdout.contains(&format!("\n{strays} of ")) && shown.stdout.contains("lie on one of 3 nodes"),
        "{shown:?}"
    );
}

/// A node may be in two tiers; what one of them has it keep is where it belongs.
#[test]
fn what_any_tier_of_a_node_has_it_keep_belongs_there() {
    let scene = Scene::new();
    let node = Rrdcached::start(&scene.base(0));
    let url = format!("rrdcached://{}", node.address);
    let text = format!(
        "[tiers.long]\nhash = 'rendezvous'\ntargets = [{{ name = 's1', address = '127.0.0.1:9', fetch = '{url}' }}, \
         {{ name = 's2', address = '127.0.0.1:10', fetch = '{url}' }}]\n"
    );
    let config = scene.directory.write("coco.conf", &text);
    let found = cococtl(["inconsistent", "--config", config.to_str().unwrap()], b"");
    assert_eq!((found.status, found.stderr.as_str()), (Some(0), ""), "{found:?}");
    assert!(found.stdout.contains(" lie on one of 1 nodes "), "{found:?}");
}
