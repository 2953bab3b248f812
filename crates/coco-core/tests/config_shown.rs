//! A configuration as a text again: it reads back as the same, and holds every key that has a value.

use coco_core::config::{Config, KEYS, Key, Program};

const SAMPLE: &str = include_str!("../../../coco.sample.conf");
const ORIGINAL: &str = include_str!("../testdata/config/original.conf");

/// In words that a text must be made of anew.
const ODD: &str = r#"
listen.bind = ':0'
listen.allow = ["10.0.0.0/8", '::1']
filter.blacklist = '/"(vmem|\\d)\x{7f}"/'
[fetch]
bind = "127.0.0.1:0"
remote_port = ""
proxy_timeout = "1m30s"
[tiers]
b.targets = ["b:1"]
[[tiers."a \"b\".c".targets]]
address = "a:1"
fetch = "http://a:2"
[[tiers."a \"b\".c".targets]]
address = "a:3"
[tiers."a \"b\".c"]
virtual_replicas = 7
"#;

fn parse(text: &str, program: Program) -> Config {
    Config::parse(text, program).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

/// All that there is of it but for the text itself.
fn facts(config: &Config) -> String {
    let Config {
        listen,
        pipeline,
        filter,
        send,
        tiers,
        api,
        fetch_bind,
        fetch,
        measure,
        state,
        stop,
        log,
        ..
    } = config;
    format!(
        "{listen:?} {pipeline:?} {filter:?} {send:?} {tiers:?} {api:?} {fetch_bind:?} {fetch:?} {measure:?} {state:?} {stop:?} {log:?}"
    )
}

#[test]
fn it_reads_back_as_the_same_configuration() {
    for program in [Program::Coco, Program::Noodle] {
        for text in [SAMPLE, ORIGINAL, ODD] {
            let config = parse(text, program);
            let shown = config.to_toml();
            let again = parse(&shown, program);
            assert_eq!(facts(&again), facts(&config), "{shown}");
            assert_eq!(again.to_toml(), shown);
            assert_eq!(again.needs_restart(&config).count(), 0);
        }
    }
}

#[test]
fn every_default_stands_in_it() {
    let engines = "tiers.b = { kind = 'remote_write', urls = ['http://b/'] }";
    let shown =
        parse(&format!("tiers.a.targets = ['a:1']\nfetch.bind = ':1'\n{engines}"), Program::Noodle).to_toml();
    let of_engines = KEYS.iter().skip_while(|key| key.name != "urls").map(Key::path).collect::<Vec<_>>();
    for key in KEYS.iter().filter(|key| !key.section.starts_with("tiers.NAME.") && key.name != "urls") {
        let tier = if of_engines.contains(&key.path()) { "b" } else { "a" };
        let heading = format!("[{}]", key.section.replace("NAME", tier));
        let section = shown.split_once(&heading).map(|(_, rest)| rest.split("\n[").next().unwrap_or(rest));
        let section = section.unwrap_or_else(|| panic!("no {heading} in {shown}"));
        let line = section.lines().find(|line| line.starts_with(&format!("{} = ", key.name)));
        match key.default {
            Some(default) => assert_eq!(line, Some(&*format!("{} = {default}", key.name)), "{}", key.path()),
            None => assert_eq!(line.is_some(), !key.required_by.is_empty(), "{}: {line:?}", key.path()),
        }
    }
    let tier = "[tiers.a]\ntargets = [\"a:1\"]\nhash = \"ring\"\nreplicas = 1\n\
                # virtual_replicas = 20, by the number of targets\nsecurity_level = \"None\"\nkind = \"collectd\"\n";
    assert!(shown.contains(tier), "{shown}");
}

#[test]
fn what_needs_a_restart_is_shown_as_it_was_at_the_start() {
    let text = |port, level| {
        format!(
            "listen.bind = ':{port}'\nfetch.bind = ':{port}'\nlog.level = '{level}'\ntiers.a.targets = ['a:1']"
        )
    };
    for (program, kept, changed) in [(Program::Coco, "listen", "fetch"), (Program::Noodle, "fetch", "listen")]
    {
        let [started, now] = [text(1, "info"), text(2, "debug")].map(|text| parse(&text, program));
        let shown = now.in_force(&started, program);
        assert!(shown.contains(&format!("[{kept}]\nbind = \":1\"\n")), "{shown}");
        assert!(shown.contains(&format!("[{changed}]\nbind = \":2\"\n")), "{shown}");
        assert!(shown.contains("level = \"debug\"\n"), "{shown}");
    }
}
