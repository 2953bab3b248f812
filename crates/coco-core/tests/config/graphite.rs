//! `[graphite]`: options of collectd's write_graphite, and what can't be.

use coco_core::config::{Config, Program};

use super::{TIER, problems};

fn read(lines: &str) -> Config {
    Config::parse(&format!("[fetch]\nbind = \":0\"\n[graphite]\n{lines}\n{TIER}"), Program::Noodle)
        .expect("a valid configuration")
}

#[test]
fn names_are_collectds_unless_configured() {
    let graphite = read("").graphite;
    assert_eq!((&*graphite.prefix, &*graphite.postfix, graphite.escape_character), ("", "", b'_'));
    let all = [
        graphite.separate_instances,
        graphite.always_append_ds,
        graphite.preserve_separator,
        graphite.host_in_dots,
        graphite.require_all,
    ];
    assert_eq!(all, [false; 5]);
    assert_eq!((graphite.max_series, graphite.max_points), (20_000, 20_000_000));
    let graphite = read("prefix = 'collectd.a-b.'\npostfix = '.x'\nescape_character = '-'").graphite;
    assert_eq!(
        (&*graphite.prefix, &*graphite.postfix, graphite.escape_character),
        ("collectd.a-b.", ".x", b'-')
    );
}

#[test]
fn hosts_keep_their_dots_where_all_names_do() {
    for (lines, kept) in [
        ("host_in_dots = true", true),
        ("preserve_separator = true", true),
        ("escape_character = '.'", true),
        ("host_in_dots = true\npreserve_separator = true", true),
        ("host_in_dots = false", false),
    ] {
        assert_eq!(read(lines).graphite.host_in_dots, kept, "{lines}");
    }
}

#[test]
fn what_makes_no_name_is_refused_with_its_line() {
    for (lines, told) in [
        (
            "prefix = '.x'",
            "line 2: graphite.prefix: can't begin with a dot: the first node of a name would be empty",
        ),
        (
            "prefix = 'a..b'",
            "line 2: graphite.prefix: expected a piece of a name in visible ASCII, such as \"collectd.\", found \"a..b\" (a node would be empty)",
        ),
        (
            "prefix = 'a*'",
            "line 2: graphite.prefix: expected a piece of a name in visible ASCII, such as \"collectd.\", found \"a*\" ('*' can't stand in a name)",
        ),
        (
            "postfix = '.'",
            "line 2: graphite.postfix: can't end with a dot: a plugin's node follows it, behind a dot of its own",
        ),
        (
            "escape_character = ''",
            "line 2: graphite.escape_character: expected one character of visible ASCII that means nothing in a target and is not replaced itself, found \"\"",
        ),
        (
            "escape_character = '__'",
            "line 2: graphite.escape_character: expected one character of visible ASCII that means nothing in a target and is not replaced itself, found \"__\"",
        ),
        (
            "escape_character = '{'",
            "line 2: graphite.escape_character: expected one character of visible ASCII that means nothing in a target and is not replaced itself, found \"{\"",
        ),
        (
            "preserve_separator = true\nhost_in_dots = false",
            "line 3: graphite.host_in_dots: can't be false beside preserve_separator = true, which keeps the dots of hosts",
        ),
        (
            "escape_character = '.'\nhost_in_dots = false",
            "line 3: graphite.host_in_dots: can't be false beside escape_character = \".\", which keeps the dots of hosts",
        ),
        (
            "drop_duplicate_fields = true",
            "line 2: graphite.drop_duplicate_fields: unknown key, expected `prefix`, `postfix`, `escape_character`, `separate_instances`, `always_append_ds`, `preserve_separator`, `host_in_dots`, `max_series`, `max_points` or `require_all`",
        ),
        (
            "seperate_instances = true",
            "line 2: graphite.seperate_instances: unknown key, did you mean `separate_instances`?",
        ),
    ] {
        assert_eq!(
            problems(&format!("[graphite]\n{lines}\n{TIER}"), Program::Coco).trim_end(),
            told,
            "{lines}"
        );
    }
}
