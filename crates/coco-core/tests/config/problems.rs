use coco_core::config::{Config, Program};
use proptest::prelude::*;

use super::{TIER, problems};

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
    assert_eq!(unknown("[tier.b]"), "tier: unknown section, did you mean [tiers]?");
    assert_eq!(unknown("blacklist = 'x'"), "blacklist: unknown key, `blacklist` belongs to [filter]");
    assert_eq!(
        unknown("bind = ':1'"),
        "bind: unknown key, `bind` belongs to [listen], [send], [api] or [fetch]"
    );
    assert!(
        unknown("[zookeeper]").starts_with("zookeeper: unknown section, expected [listen], [pipeline], ")
    );
    assert_about(
        "send",
        &[
            (
                "linger = '1001ms'",
                "linger: expected a duration such as \"5ms\", at most 1s, found \"1001ms\"",
            ),
            ("linger = 5", "linger: expected a duration such as \"5ms\", at most 1s, found the integer 5"),
            (
                "linger = '-1ms'",
                "linger: expected a duration such as \"5ms\", at most 1s, found \"-1ms\" (negative)",
            ),
        ],
    );
    assert_about(
        "fetch",
        &[
            ("timeout = '3s'", "timeout: unknown key, did you mean `proxy_timeout`?"),
            ("Remote-Port = 80", "Remote-Port: unknown key, did you mean `remote_port`?"),
            ("types_db = ''", "types_db: unknown key, `typesdb` belongs to [listen]"),
            (
                "\"a b\\n\" = 1",
                "\"a b\\n\": unknown key, expected `bind`, `idle_timeout`, `proxy_timeout`, `recovery`, `protocol`, \
                 `remote_port`, `keep_alive`, `max_requests`, `max_window`, `max_hosts`, `max_body`, `max_form`, \
                 `max_memory`, `max_rows`, `tree_age`, `join`, `prefer`, `settle`, `fill_gaps`, `metadata`, `jsonp` or `allow_origin`",
            ),
            (
                "allow_origin = ['https://a', '*']",
                "allow_origin[1]: expected an origin such as \"https://graphs.example.org\", found \"*\" (name the \
                 pages, or every page that anyone opens could read everything)",
            ),
            (
                "allow_origin = ['http://a/b']",
                "allow_origin[0]: expected an origin such as \"https://graphs.example.org\", found \"http://a/b\" (an \
                 origin has no path: it ends behind the host, or its port)",
            ),
            (
                "allow_origin = 'http://a'",
                "allow_origin: expected an array of origins such as \"https://graphs.example.org\" or \
                 \"http://10.1.1.5:8080\", found the string \"http://a\"",
            ),
            ("keep_alive = 1", "keep_alive: expected true or false, found the integer 1"),
        ],
    );
}

#[test]
fn wrong_values_are_told_with_what_was_expected() {
    assert_about(
        "listen",
        &[
            ("interface = ''", "interface: expected a string that is not empty, found \"\""),
            ("typesdb = 1", "typesdb: expected the path of a file, or an array of them, found the integer 1"),
            (
                "typesdb = ['a', 1]",
                "typesdb: expected the path of a file, or an array of them, found an array",
            ),
            ("freebind = 1", "freebind: expected true or false, found the integer 1"),
            (
                "receive_buffer = '16MB'",
                "receive_buffer: expected a size in bytes from 4KiB to 1GiB, such as 65536 or \"64KiB\", found \"16MB\" (unknown unit `MB`: B, KiB, MiB or GiB)",
            ),
        ],
    );
    assert_about(
        "pipeline",
        &[
            ("threads = 4", "threads: expected a whole number from 1 to 3, found 4"),
            ("lanes = -1", "lanes: expected a whole number from 1 to 64, found -1"),
            ("lanes = '1'", "lanes: expected a whole number from 1 to 64, found the string \"1\""),
            (
                "spread_hosts = true",
                "spread_hosts: needs pipeline.threads = 2 or 3: lanes that wait for each other can't share a thread",
            ),
            ("queue = 1.5", "queue: expected a whole number from 1 to 1024, found the float 1.5"),
            (
                "batch = 0xffffffffffffffffffff",
                "batch: expected a whole number from 1 to 1024, found 0xffffffffffffffffffff",
            ),
        ],
    );
    assert_about(
        "fetch",
        &[
            ("protocol = 'http'", "protocol: expected \"visage\" or \"rrdcached\", found \"http\""),
            ("join = true", "join: expected \"gaps\", \"never\" or \"always\", found the boolean true"),
            ("remote_port = 0", "remote_port: expected a port from 1 to 65535, found 0"),
            ("remote_port = 'http'", "remote_port: expected a port from 1 to 65535, found \"http\""),
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
            "grace: expected a duration such as \"10s\" or \"1m30s\", at least 500ms, found \"-1s\" (negative)",
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
fn lanes_and_interface_fit_the_address_that_packets_arrive_at() {
    let told = |bind: &str, rest: &str| {
        let text = format!("listen.bind = '{bind}:1'\n{rest}\n{TIER}");
        Config::parse(&text, Program::Coco).map_or_else(|problems| problems.to_string(), |_| String::new())
    };
    let lanes = "line 2: pipeline.lanes: must be 1 where `listen.bind` is a multicast group: every lane would get every packet";
    let missing = "line 1: listen.interface: missing, expected the network interface of the link-local address in `bind`";
    for (bind, with_lanes, without_interface) in [
        ("", "", ""),
        ("192.0.2.1", "", ""),
        ("239.192.74.66", lanes, ""),
        ("[ff18::efc0:4a42]", lanes, ""),
        ("[ff02::1]", lanes, missing),
        ("[fe80::1]", "", missing),
        // What only the system knows is found out at the start.
        ("[fe80::1%eth0]", "", ""),
        ("collector.example.org", "", ""),
    ] {
        let with_interface = "pipeline.lanes = 2\nlisten.interface = 'eth0'";
        assert_eq!(told(bind, with_interface), with_lanes, "{bind}");
        assert_eq!(told(bind, "pipeline.lanes = 1"), without_interface, "{bind}");
    }
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
