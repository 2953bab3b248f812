use std::net::IpAddr;

use coco_core::config::{Config, Program, is_loop};
use coco_core::tier::Tier;

use super::{coco, problems};

fn tier_names(text: &str) -> Vec<String> {
    coco(text).tiers.iter().map(|tier| tier.name().to_owned()).collect()
}

#[test]
fn tiers_keep_the_order_of_the_file() {
    let names = ["zeta", "alpha", "mid", "10"];
    let headers: String = names.map(|name| format!("[tiers.{name}]\ntargets = ['a:1']\n")).concat();
    assert_eq!(tier_names(&headers), names);
    assert_eq!(tier_names(&format!("[tiers]\n{headers}")), names);
    let dotted: String = names.map(|name| format!("tiers.{name}.targets = ['a:1']\n")).concat();
    assert_eq!(tier_names(&dotted), names);
    let inline: Vec<_> = names.map(|name| format!("{name} = {{ targets = ['a:1'] }}")).into();
    assert_eq!(tier_names(&format!("tiers = {{ {} }}", inline.join(", "))), names);
    // A table may be opened after what it holds; the tier's place is where it is mentioned first.
    let late =
        "[[tiers.b.targets]]\naddress = 'a:1'\n[tiers.a]\ntargets = ['a:1']\n[tiers.b]\nvirtual_replicas = 2";
    assert_eq!(tier_names(late), ["b", "a"]);
}

#[test]
fn targets_are_named_as_they_are_written() {
    let config = coco("[tiers.'a b']\ntargets = ['Storage1.Example:25826', { address = '[0::1]:25827' }]");
    let names: Vec<_> = config.tiers.iter().flat_map(Tier::targets).map(|target| &target.name).collect();
    assert_eq!(names, ["Storage1.Example:25826", "[0::1]:25827"]);
}

#[test]
fn tiers_that_own_nothing() {
    let all = |text| problems(text, Program::Coco);
    assert_eq!(all(""), "tiers: there are no tiers: expected at least one, with its targets");
    assert_eq!(
        all("\n[tiers]"),
        "line 2: tiers: there are no tiers: expected at least one, with its targets"
    );
    assert_eq!(all("tiers = 1"), "line 1: tiers: expected tables [tiers.NAME], found 1");
    assert_eq!(
        all("[tiers]\ntargets = ['a:1']"),
        "line 2: tiers.targets: expected a table [tiers.NAME], `targets` belongs to [tiers.NAME]"
    );
    assert_eq!(
        all("[tiers]\nshortterm = ['a:1']"),
        "line 2: tiers.shortterm: expected a table [tiers.NAME], found an array"
    );
    assert_eq!(all("[tiers.'']\ntargets = ['a:1']"), "line 1: tiers.\"\": a tier needs a name");
    assert_eq!(
        all("[tiers.a]\ntargets = []"),
        "line 2: tiers.a.targets: there are no targets: expected at least one \"HOST:PORT\""
    );
    assert_eq!(all("[tiers.a]\ntargets = 'a:1'").split(", found").last(), Some(" the string \"a:1\""));
}

const READ_FROM: &str = r#""http://host:port", "rrdcached://host:port" or "rrdcached:///path""#;

#[test]
fn a_node_is_read_by_visage_or_by_rrdcached() {
    let read = |fetch: &str| {
        let text =
            format!("fetch.bind = ':1'\n[tiers.a]\ntargets = [{{ address = 'a:1', fetch = '{fetch}' }}]");
        let config = Config::parse(&text, Program::Noodle).unwrap();
        config.tiers.get(0).unwrap().targets()[0].fetch.as_ref().unwrap().to_string()
    };
    assert_eq!(read("http://a:80/"), "http://a:80");
    assert_eq!(read("rrdcached://10.1.1.112:42217"), "rrdcached://10.1.1.112:42217");
    assert_eq!(read("rrdcached://a/"), "rrdcached://a:42217");
    assert_eq!(read("rrdcached://[::1]"), "rrdcached://[::1]:42217");
    assert_eq!(read("rrdcached:///run/rrdcached.sock"), "rrdcached:///run/rrdcached.sock");
}

#[test]
fn the_port_of_all_nodes_is_that_of_their_protocol() {
    let port = |keys: &str| {
        let text = format!("tiers.a.targets = ['a:1']\n[fetch]\nbind = ':1'\n{keys}");
        Config::parse(&text, Program::Noodle).unwrap().fetch.remote_port.get()
    };
    assert_eq!(port(""), 80);
    assert_eq!(port("remote_port = ''"), 80);
    assert_eq!(port("protocol = 'rrdcached'"), 42217);
    assert_eq!(port("protocol = 'rrdcached'\nremote_port = 42"), 42);
}

#[test]
fn targets_that_nothing_can_be_sent_to() {
    let first = |target: &str| {
        let told = problems(&format!("[tiers.a]\ntargets = [{target}]"), Program::Noodle);
        let first = told.lines().next().unwrap();
        first.strip_prefix("line 2: tiers.a.targets[0]").unwrap().to_owned()
    };
    assert_eq!(first("'a:0'"), ": expected \"host:port\", found \"a:0\" (port 0)");
    assert_eq!(first("':1'"), ": expected \"host:port\", found \":1\" (missing host)");
    assert_eq!(first("{ address = ':1' }"), ".address: expected \"host:port\", found \":1\" (missing host)");
    assert_eq!(
        first("{ address = 'a:1', fetch = 80 }"),
        format!(".fetch: expected {READ_FROM}, found the integer 80")
    );
    for (url, reason) in [
        ("rrdcached:///", "missing path of a socket"),
        ("rrdcached://a:0", "port 0"),
        ("https://a:1", "it must start with http:// or rrdcached://"),
        ("http://a:1/data", "the path is Noodle's to add"),
        ("http://:80", "missing host"),
    ] {
        let expected = format!(".fetch: expected {READ_FROM}, found {url:?} ({reason})");
        assert_eq!(first(&format!("{{ address = 'a:1', fetch = '{url}' }}")), expected);
    }
    assert!(first("{ address = 'a:1', fetch = 'http://a' }").contains("has no port"));
}

#[test]
fn two_ways_to_write_a_target_are_one_target() {
    let told = problems("[tiers.a]\ntargets = ['[::1]:1', { address = '[0::1]:1' }]", Program::Noodle);
    assert!(
        told.starts_with("line 2: tiers.a.targets[1]: `[::1]:1` is tiers.a.targets[0] already"),
        "{told}"
    );
    // A node may well be in two tiers.
    coco("tiers.a.targets = ['s:1']\ntiers.b.targets = ['s:1']");
}

#[test]
fn coco_does_not_send_to_itself() {
    for (bind, target, loops) in [
        (":25826", "127.0.0.1:25826", true),
        (":25826", "127.1.2.3:25826", true),
        (":25826", "[::1]:25826", true),
        (":25826", "localhost:25826", true),
        (":25826", "0.0.0.0:25826", true),
        (":25826", "127.0.0.1:25827", false),
        (":25826", "10.1.1.1:25826", false),
        (":25826", "storage1:25826", false),
        ("0.0.0.0:25826", "127.0.0.1:25826", true),
        ("0.0.0.0:25826", "[::ffff:127.0.0.1]:25826", true),
        ("0.0.0.0:25826", "[::1]:25826", false),
        ("127.0.0.1:25826", "localhost:25826", true),
        ("localhost:25826", "[::1]:25826", true),
        ("127.0.0.1:25826", "127.0.0.2:25826", false),
        ("10.1.1.1:25826", "10.1.1.1:25826", true),
        ("10.1.1.1:25826", "127.0.0.1:25826", false),
        ("coco1:25826", "Coco1:25826", true),
    ] {
        let text = format!("listen.bind = '{bind}'\n[tiers.a]\ntargets = ['{target}']");
        match Config::parse(&text, Program::Coco) {
            Ok(_) => assert!(!loops, "{bind} {target}"),
            Err(problems) => {
                assert!(loops, "{bind} {target} {problems}");
                let told = problems.to_string();
                assert!(told.starts_with("line 3: tiers.a.targets[0]: `"), "{told}");
                assert!(told.ends_with("` is where Coco itself listens: a loop"), "{told}");
            }
        }
        // Noodle may run where a storage node is, and asks Coco nothing.
        Config::parse(&format!("fetch.bind = ':1'\n{text}"), Program::Noodle).unwrap();
    }
    let told = problems("listen.bind = '25826'\ntiers.a.targets = ['127.0.0.1:25826']", Program::Coco);
    assert_eq!(told.lines().count(), 1, "{told}");
}

#[test]
fn the_addresses_of_the_machine_tell_of_loops_too() {
    let local: [IpAddr; 2] = ["10.1.1.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
    let at_any = |target: &str| is_loop("[::]:25826".parse().unwrap(), target.parse().unwrap(), &local);
    assert!(at_any("10.1.1.1:25826") && at_any("[2001:db8::1]:25826") && at_any("[::]:25826"));
    assert!(!at_any("10.1.1.2:25826") && !at_any("10.1.1.1:25827"));
    let at_v4 = |target: &str| is_loop("0.0.0.0:25826".parse().unwrap(), target.parse().unwrap(), &local);
    assert!(at_v4("10.1.1.1:25826") && !at_v4("[2001:db8::1]:25826"));
}
