//! What a text means, and what is said about one that is wrong.

use std::net::IpAddr;
use std::time::Duration;

use coco_core::config::{Config, Level, Program, is_loop};
use coco_core::tier::Tier;
use proptest::prelude::*;

/// The least that Coco starts with.
const TIER: &str = "[tiers.a]\ntargets = ['10.1.1.1:25826']\n";

fn coco(text: &str) -> Config {
    Config::parse(text, Program::Coco).unwrap_or_else(|problems| panic!("{text}\n{problems}"))
}

/// All problems, one a line.
fn problems(text: &str, program: Program) -> String {
    match Config::parse(text, program) {
        Ok(_) => panic!("no problem in\n{text}"),
        Err(problems) => {
            let told = problems.to_string();
            assert_eq!(told.lines().count(), problems.iter().count(), "{told}");
            told
        }
    }
}

/// What is said about one wrong line above a tier that is fine.
fn about(section: &str, line: &str) -> String {
    let told = problems(&format!("[{section}]\n{line}\n{TIER}"), Program::Coco);
    assert_eq!(told.lines().count(), 1, "{told}");
    let (place, message) = told.split_once(": ").expect("a place and a message");
    assert_eq!(place, "line 2", "{told}");
    message.to_owned()
}

fn assert_about(section: &str, lines: &[(&str, &str)]) {
    for (line, message) in lines {
        assert_eq!(about(section, line), format!("{section}.{message}"));
    }
}

fn tier_names(text: &str) -> Vec<String> {
    coco(text)
        .tiers
        .iter()
        .map(|tier| tier.name().to_owned())
        .collect()
}

#[test]
fn a_tier_is_all_that_coco_needs() {
    let config = coco(TIER);
    assert_eq!(config.listen.bind.to_string(), ":25826");
    assert_eq!((config.listen.interface, config.listen.typesdb), (None, None));
    assert_eq!(config.listen.receive_buffer, 16 << 20);
    let pipeline = config.pipeline;
    assert_eq!(
        (pipeline.lanes, pipeline.threads, pipeline.batch, pipeline.queue),
        (1, 1, 64, 16)
    );
    assert!(config.filter.blacklist.is_none());
    assert_eq!(config.send.max_packet_size, 1452);
    assert_eq!(config.api.bind.to_string(), "127.0.0.1:9090");
    assert_eq!(config.fetch.bind, None);
    assert_eq!(config.fetch.proxy_timeout, Duration::from_secs(3));
    assert_eq!(config.fetch.remote_port, 80);
    assert_eq!(config.measure.interval, Duration::from_secs(10));
    assert_eq!(
        (config.state.max_metrics, config.state.max_hosts),
        (4_000_000, 200_000)
    );
    assert_eq!(config.state.expire, Duration::from_secs(24 * 60 * 60));
    assert_eq!(config.stop.grace, Duration::from_secs(4));
    assert_eq!(config.log.level, Level::Info);
}

#[test]
fn every_value_is_taken() {
    let config = coco(
        r#"
        send.max_packet_size = 65507
        [listen]
        bind = "[ff18::efc0:4a42]:25826"
        interface = "eth1"
        typesdb = "/usr/share/collectd/types.db"
        receive_buffer = 65536
        [pipeline]
        lanes = 64
        threads = 3
        batch = 1_024
        queue = 0x10
        [filter]
        blacklist = "^(?-u:\\xff)"
        [api]
        bind = "localhost:0"
        [fetch]
        bind = ":9080"
        proxy_timeout = "1.5s"
        remote_port = "8080"
        [measure]
        interval = "100ms"
        [state]
        max_metrics = 1
        max_hosts = 2
        expire = "1h"
        [stop]
        grace = "0"
        [log]
        level = "trace"
        [[tiers.a.targets]]
        address = "storage1:25826"
        fetch = "http://storage1:8080/"
        [[tiers.a.targets]]
        address = "storage2:25826"
        [tiers.a]
        virtual_replicas = 7
        "#,
    );
    assert_eq!(config.listen.bind.to_string(), "[ff18::efc0:4a42]:25826");
    assert_eq!(config.listen.interface.as_deref(), Some("eth1"));
    assert_eq!(
        config.listen.typesdb.unwrap().to_str(),
        Some("/usr/share/collectd/types.db")
    );
    assert_eq!(config.listen.receive_buffer, 65536);
    let pipeline = config.pipeline;
    assert_eq!(
        (pipeline.lanes, pipeline.threads, pipeline.batch, pipeline.queue),
        (64, 3, 1024, 16)
    );
    assert!(config.filter.blacklist.unwrap().is_match(b"\xff/load/load"));
    assert_eq!(config.send.max_packet_size, 65507);
    assert_eq!(config.api.bind.to_string(), "localhost:0");
    assert_eq!(config.fetch.bind.unwrap().to_string(), ":9080");
    assert_eq!(config.fetch.proxy_timeout, Duration::from_millis(1500));
    assert_eq!(config.fetch.remote_port, 8080);
    assert_eq!(config.measure.interval, Duration::from_millis(100));
    assert_eq!((config.state.max_metrics, config.state.max_hosts), (1, 2));
    assert_eq!(config.state.expire, Duration::from_secs(3600));
    assert_eq!(config.stop.grace, Duration::ZERO);
    assert_eq!(config.log.level, Level::Trace);
    let tier = config.tiers.get(0).unwrap();
    assert_eq!(tier.virtual_replicas(), 7);
    let targets: Vec<_> = tier
        .targets()
        .iter()
        .map(|target| (target.name.as_str(), target.fetch.as_deref()))
        .collect();
    assert_eq!(
        targets,
        [
            ("storage1:25826", Some("http://storage1:8080")),
            ("storage2:25826", None)
        ]
    );
}

#[test]
fn a_blacklist_of_nothing_refuses_nothing() {
    assert!(
        coco(&format!("filter.blacklist = ''\n{TIER}"))
            .filter
            .blacklist
            .is_none()
    );
}

#[test]
fn all_problems_are_told_at_once_in_order() {
    let text = r#"
[listen]
bnd = ":25826"
receive_buffer = true

[filter]
blacklist = "/(vmem|irq/"
max_packet_size = 1452

[fitler]

[tiers.shortterm]
targets = [
    "10.1.1.1:25826",
    "10.1.1.2",
    "10.1.1.1:25826",
    25826,
    { adress = "10.1.1.3:25826" },
]

[tiers.midterm]
virtual_replicas = 0

[api]
bind = 9090
"#;
    let expected = "\
line 3: listen.bnd: unknown key, did you mean `bind`?
line 4: listen.receive_buffer: expected a size in bytes from 4KiB to 1GiB, such as 65536 or \"64KiB\", found the boolean true
line 7: filter.blacklist: expected a regular expression, found \"/(vmem|irq/\" (unclosed group)
line 8: filter.max_packet_size: unknown key, `max_packet_size` belongs to [send]
line 10: fitler: unknown section, did you mean [filter]?
line 15: tiers.shortterm.targets[1]: \"10.1.1.2\" has no port: expected HOST:PORT, such as \"10.1.1.111:25826\"
line 16: tiers.shortterm.targets[2]: `10.1.1.1:25826` is tiers.shortterm.targets[0] already, expected every target once
line 17: tiers.shortterm.targets[3]: expected \"host:port\" or { address = \"host:port\", fetch = \"http://host:port\" }, found the integer 25826
line 18: tiers.shortterm.targets[4].address: missing, expected \"host:port\"
line 18: tiers.shortterm.targets[4].adress: unknown key, did you mean `address`?
line 21: tiers.midterm.targets: missing, expected an array of \"host:port\" or { address = \"host:port\", fetch = \"http://host:port\" }
line 22: tiers.midterm.virtual_replicas: expected a whole number from 1 to 10000, found 0
line 25: api.bind: expected \"host:port\", found the integer 9090";
    assert_eq!(problems(text, Program::Coco), expected);
    let with_fetch = format!("{expected}\nfetch.bind: missing, expected \"host:port\"");
    assert_eq!(problems(text, Program::Noodle), with_fetch);
}

#[test]
fn a_text_that_is_not_toml_has_one_problem() {
    let told = problems("[listen]\nbind = :25826\n[[[", Program::Coco);
    assert!(told.starts_with("line 2: "), "{told}");
    assert_eq!(told.lines().count(), 1);
    let told = problems("[stop]\ngrace = '1s'\ngrace = '2s'", Program::Coco);
    assert_eq!(told, "line 3: duplicate key");
}

#[test]
fn unknown_names_lead_to_known_ones() {
    let unknown = |line: &str| {
        let told = problems(&format!("{line}\n{TIER}"), Program::Coco);
        told.strip_prefix("line 1: ").unwrap().to_owned()
    };
    assert_eq!(
        unknown("[tier.b]"),
        "tier: unknown section, did you mean [tiers]?"
    );
    assert_eq!(
        unknown("blacklist = 'x'"),
        "blacklist: unknown key, `blacklist` belongs to [filter]"
    );
    assert_eq!(
        unknown("bind = ':1'"),
        "bind: unknown key, `bind` belongs to [listen], [api] or [fetch]"
    );
    assert!(
        unknown("[zookeeper]").starts_with("zookeeper: unknown section, expected [listen], [pipeline], ")
    );
    assert_about(
        "fetch",
        &[
            (
                "timeout = '3s'",
                "timeout: unknown key, did you mean `proxy_timeout`?",
            ),
            (
                "Remote-Port = 80",
                "Remote-Port: unknown key, did you mean `remote_port`?",
            ),
            (
                "types_db = ''",
                "types_db: unknown key, `typesdb` belongs to [listen]",
            ),
            (
                "\"a b\\n\" = 1",
                "\"a b\\n\": unknown key, expected `bind`, `proxy_timeout` or `remote_port`",
            ),
        ],
    );
}

#[test]
fn wrong_values_are_told_with_what_was_expected() {
    assert_about(
        "listen",
        &[
            (
                "interface = ''",
                "interface: expected a string that is not empty, found \"\"",
            ),
            (
                "typesdb = ['a']",
                "typesdb: expected the path of a file, found an array",
            ),
            (
                "receive_buffer = '16MB'",
                "receive_buffer: expected a size in bytes from 4KiB to 1GiB, such as 65536 or \"64KiB\", found \"16MB\" (unknown unit `MB`: B, KiB, MiB or GiB)",
            ),
        ],
    );
    assert_about(
        "pipeline",
        &[
            (
                "threads = 4",
                "threads: expected a whole number from 1 to 3, found 4",
            ),
            (
                "lanes = -1",
                "lanes: expected a whole number from 1 to 64, found -1",
            ),
            (
                "lanes = '1'",
                "lanes: expected a whole number from 1 to 64, found the string \"1\"",
            ),
            (
                "queue = 1.5",
                "queue: expected a whole number from 1 to 1024, found the float 1.5",
            ),
            (
                "batch = 0xffffffffffffffffffff",
                "batch: expected a whole number from 1 to 1024, found 0xffffffffffffffffffff",
            ),
        ],
    );
    assert_about(
        "fetch",
        &[
            (
                "remote_port = 0",
                "remote_port: expected a port from 1 to 65535, found 0",
            ),
            (
                "remote_port = 'http'",
                "remote_port: expected a port from 1 to 65535, found \"http\"",
            ),
            (
                "proxy_timeout = '0s'",
                "proxy_timeout: expected a duration such as \"10s\" or \"1m30s\", longer than 0, found \"0s\"",
            ),
            (
                "proxy_timeout = 3",
                "proxy_timeout: expected a duration such as \"10s\" or \"1m30s\", longer than 0, found the integer 3",
            ),
        ],
    );
    assert_about(
        "measure",
        &[
            (
                "interval = '99ms'",
                "interval: expected a duration such as \"10s\" or \"1m30s\", at least 100ms, found \"99ms\"",
            ),
            (
                "interval = '10'",
                "interval: expected a duration such as \"10s\" or \"1m30s\", at least 100ms, found \"10\" (missing unit: ns, us, ms, s, m or h)",
            ),
        ],
    );
    assert_about(
        "stop",
        &[(
            "grace = '-1s'",
            "grace: expected a duration such as \"10s\" or \"1m30s\", found \"-1s\" (negative)",
        )],
    );
    assert_about(
        "log",
        &[(
            "level = 'warning'",
            "level: expected \"error\", \"warn\", \"info\", \"debug\" or \"trace\", found \"warning\"",
        )],
    );
}

#[test]
fn a_section_is_a_table() {
    let told = problems(&format!("listen = ':25826'\n{TIER}"), Program::Coco);
    assert_eq!(told, "line 1: listen: expected a table, found \":25826\"");
    let told = problems(&format!("[[fetch]]\nbind = ':1'\n{TIER}"), Program::Noodle);
    assert_eq!(told, "line 1: fetch: expected a table, found an array");
}

#[test]
fn noodle_needs_an_address_to_serve_at() {
    let told = problems(TIER, Program::Noodle);
    assert_eq!(told, "fetch.bind: missing, expected \"host:port\"");
    let told = problems(&format!("{TIER}[fetch]\nremote_port = ''"), Program::Noodle);
    assert_eq!(told, "line 3: fetch.bind: missing, expected \"host:port\"");
    assert!(Config::parse(&format!("fetch.bind = ':9080'\n{TIER}"), Program::Noodle).is_ok());
}

#[test]
fn tiers_keep_the_order_of_the_file() {
    let names = ["zeta", "alpha", "mid", "10"];
    let headers: String = names
        .map(|name| format!("[tiers.{name}]\ntargets = ['a:1']\n"))
        .concat();
    assert_eq!(tier_names(&headers), names);
    assert_eq!(tier_names(&format!("[tiers]\n{headers}")), names);
    let dotted: String = names
        .map(|name| format!("tiers.{name}.targets = ['a:1']\n"))
        .concat();
    assert_eq!(tier_names(&dotted), names);
    let inline: Vec<_> = names
        .map(|name| format!("{name} = {{ targets = ['a:1'] }}"))
        .into();
    assert_eq!(tier_names(&format!("tiers = {{ {} }}", inline.join(", "))), names);
    // A table may be opened after what it holds; the tier's place is where it is mentioned first.
    let late =
        "[[tiers.b.targets]]\naddress = 'a:1'\n[tiers.a]\ntargets = ['a:1']\n[tiers.b]\nvirtual_replicas = 2";
    assert_eq!(tier_names(late), ["b", "a"]);
}

#[test]
fn targets_are_named_as_they_are_written() {
    let config = coco("[tiers.'a b']\ntargets = ['Storage1.Example:25826', { address = '[0::1]:25827' }]");
    let names: Vec<_> = config
        .tiers
        .iter()
        .flat_map(Tier::targets)
        .map(|target| &target.name)
        .collect();
    assert_eq!(names, ["Storage1.Example:25826", "[0::1]:25827"]);
}

#[test]
fn tiers_that_own_nothing() {
    let all = |text| problems(text, Program::Coco);
    assert_eq!(
        all(""),
        "tiers: there are no tiers: expected at least one, with its targets"
    );
    assert_eq!(
        all("\n[tiers]"),
        "line 2: tiers: there are no tiers: expected at least one, with its targets"
    );
    assert_eq!(
        all("tiers = 1"),
        "line 1: tiers: expected tables [tiers.NAME], found 1"
    );
    assert_eq!(
        all("[tiers]\ntargets = ['a:1']"),
        "line 2: tiers.targets: expected a table [tiers.NAME], `targets` belongs to [tiers.NAME]"
    );
    assert_eq!(
        all("[tiers]\nshortterm = ['a:1']"),
        "line 2: tiers.shortterm: expected a table [tiers.NAME], found an array"
    );
    assert_eq!(
        all("[tiers.'']\ntargets = ['a:1']"),
        "line 1: tiers.\"\": a tier needs a name"
    );
    assert_eq!(
        all("[tiers.a]\ntargets = []"),
        "line 2: tiers.a.targets: there are no targets: expected at least one \"HOST:PORT\""
    );
    assert_eq!(
        all("[tiers.a]\ntargets = 'a:1'").split(", found").last(),
        Some(" the string \"a:1\"")
    );
}

#[test]
fn targets_that_nothing_can_be_sent_to() {
    let first = |target: &str| {
        let told = problems(&format!("[tiers.a]\ntargets = [{target}]"), Program::Noodle);
        let first = told.lines().next().unwrap();
        first
            .strip_prefix("line 2: tiers.a.targets[0]")
            .unwrap()
            .to_owned()
    };
    assert_eq!(first("'a:0'"), ": expected \"host:port\", found \"a:0\" (port 0)");
    assert_eq!(
        first("':1'"),
        ": expected \"host:port\", found \":1\" (missing host)"
    );
    assert_eq!(
        first("{ address = ':1' }"),
        ".address: expected \"host:port\", found \":1\" (missing host)"
    );
    assert_eq!(
        first("{ address = 'a:1', fetch = 80 }"),
        ".fetch: expected \"http://host:port\", found the integer 80"
    );
    for (url, reason) in [
        ("https://a:1", "it must start with http://"),
        ("http://a:1/data", "the path is Noodle's to add"),
        ("http://:80", "missing host"),
    ] {
        let expected = format!(".fetch: expected \"http://host:port\", found {url:?} ({reason})");
        assert_eq!(
            first(&format!("{{ address = 'a:1', fetch = '{url}' }}")),
            expected
        );
    }
    assert!(first("{ address = 'a:1', fetch = 'http://a' }").contains("has no port"));
}

#[test]
fn two_ways_to_write_a_target_are_one_target() {
    let told = problems(
        "[tiers.a]\ntargets = ['[::1]:1', { address = '[0::1]:1' }]",
        Program::Noodle,
    );
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
    let told = problems(
        "listen.bind = '25826'\ntiers.a.targets = ['127.0.0.1:25826']",
        Program::Coco,
    );
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

/// Lines that look like the file, more or less.
fn lines() -> impl Strategy<Value = String> {
    let names =
        "listen|fetch|tiers|tiers\\.[ab]|stop|bind|targets|address|grace|virtual_replicas|[a-z\"'. ]{0,6}";
    let values = "\"[^\"\n]{0,9}\"|'[a:10s]{0,5}'|-?[0-9]{1,4}|true|1\\.5|\\[[a-z\"',:1 ]{0,12}\\]|\\{ (address = 'a:1')?(, )?[a-z= 1]{0,6}\\}|\\PC{0,5}";
    let line = format!(
        "\\[{names}\\]|\\[\\[({names})\\]\\]|({names}) = ({values})|({names})\\.({names}) = ({values})|\\PC{{0,9}}"
    );
    let line = proptest::string::string_regex(&line).expect("a regular expression");
    proptest::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_text_is_a_configuration_or_has_problems(text in prop_oneof![lines(), any::<String>()]) {
        for program in [Program::Coco, Program::Noodle] {
            if let Err(problems) = Config::parse(&text, program) {
                let told = problems.to_string();
                prop_assert_eq!(told.lines().count(), problems.iter().count(), "{}", told);
                let numbers: Vec<_> = problems.iter().map(|problem| problem.line.unwrap_or(usize::MAX)).collect();
                prop_assert!(problems.iter().count() > 0 && numbers.is_sorted());
                let last = text.split('\n').count();
                prop_assert!(numbers.iter().all(|line| (1..=last).contains(line) || *line == usize::MAX));
            }
        }
    }
}
