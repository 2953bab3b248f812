//! `cococtl blacklist`.

use coco_harness::coco::{Coco, Config};
use coco_harness::directory::Directory;
use coco_harness::traffic;
use serde_json::{Value, json};

use crate::cococtl;

#[test]
fn what_a_regular_expression_drops_of_what_a_coco_has_seen() {
    let sink = coco_harness::sink::Sink::start();
    let config = Config::new(&[("a", &[sink.address.to_string()])]).blacklist("/irq/|^web3/").text();
    let mut coco = Coco::start(&config);
    let mut lists = Vec::new();
    for host in ["web1", "web2", "web3"] {
        for plugin in ["cpu", "irq", "swap"] {
            let mut list = traffic::value_list(host, 1);
            list.identifier.plugin = plugin.into();
            lists.push(list);
        }
    }
    traffic::send(&traffic::sender(coco.listen), &lists);
    coco.settled(9);
    let api = format!("http://{}", coco.api);
    let directory = Directory::new("blacklist");
    let new = directory.write("new.conf", &config.replace("/irq/|^web3/", "/swap/|^web3/irq"));
    let new = new.to_str().unwrap();

    let ended = cococtl(["blacklist", "--config", new, "--api", &api, "--json"], b"");
    // web1 and web2 get their swap dropped, which is sent now.
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(1), ""));
    let answer = ended.json();
    for (key, count) in [
        ("hosts", 3),
        ("metrics", 9),
        ("dropped", 4),
        ("dropped_now", 5),
        ("newly_dropped", 2),
        ("newly_sent", 3),
        ("other_plugins", 0),
    ] {
        assert_eq!(answer[key], count, "{key} of {answer}");
    }
    let plugins: Vec<_> = answer["plugins"].as_array().unwrap().iter().collect();
    let shown: Vec<_> =
        plugins.iter().map(|each| (&each["name"], &each["dropped"], &each["hosts"])).collect();
    assert_eq!(shown, [(&json!("swap"), &json!(3), &json!(3)), (&json!("irq"), &json!(1), &json!(1))]);

    let ended = cococtl(["blacklist", "--regex", "^web3/", "--api", &api, "--api", &api, "--list"], b"");
    let mut listed: Vec<_> = ended.stdout.lines().collect();
    listed.sort_unstable();
    // A metric that two tell of is one.
    let all = ["cpu", "irq", "swap"].map(|plugin| format!("web3/{plugin}/derive/sequence"));
    assert_eq!((ended.status, listed), (Some(0), all.iter().map(String::as_str).collect()));

    // The one that runs drops nothing else than it does.
    let old = directory.write("old.conf", &config);
    let ended = cococtl(["blacklist", "--config", old.to_str().unwrap(), "--api", &api], b"");
    assert_eq!(ended.status, Some(0));
    let told = "would drop 5 of 9 metrics of 3 hosts\n0 of them are sent now; 0 others";
    assert!(ended.stdout.contains(told), "{ended:?}");
}

#[test]
fn names_are_tried_without_a_coco() {
    let names = b"web1/cpu/0/cpu/idle\nweb1/irq/irq/7\nweb\xff/irq/irq/\x1b[2J\n";
    let ended = cococtl(["blacklist", "--regex", "^[^/]+/irq/", "--list"], names);
    let listed = "web1/irq/irq/7\nweb\\xff/irq/irq/\\u{1b}[2J\n";
    assert_eq!((ended.status, ended.stdout.as_str()), (Some(0), listed));
    let answer = cococtl(["blacklist", "--regex", "^[^/]+/irq/", "--json"], names).json();
    assert_eq!([&answer["dropped"], &answer["hosts"]], [2, 2]);
    assert_eq!(answer["newly_dropped"], Value::Null);
    // An empty one drops nothing.
    assert_eq!(cococtl(["blacklist", "--regex", "", "--json"], names).json()["dropped"], 0);
    let ended = cococtl(["blacklist", "--regex", "(", "--list"], b"");
    assert!(ended.status == Some(2) && ended.stderr.contains("unclosed group"), "{ended:?}");
}
