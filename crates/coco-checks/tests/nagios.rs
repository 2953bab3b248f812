//! `etc/nagios/coco.cfg`: its services call commands that are there, with arguments that the checks take.

#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]

use std::collections::BTreeMap;
use std::ffi::OsString;

use coco_checks::question::Check;

/// The directives of all objects of a kind.
fn objects<'a>(config: &'a str, kind: &str) -> Vec<BTreeMap<&'a str, &'a str>> {
    let start = format!("define {kind} {{\n");
    let lines = config.split(start.as_str()).skip(1).map(|block| block.split_once("\n}").unwrap().0.lines());
    let directives = |line: &'a str| line.trim().split_once("  ").map(|(name, value)| (name, value.trim()));
    let objects = lines.map(|lines| lines.map(|line| directives(line).unwrap()).collect());
    objects.collect()
}

/// The words of a command line, of which the shell knows double quotes only.
fn words(line: &str) -> Vec<String> {
    let quoted = line.split('"').enumerate();
    let words = quoted.flat_map(|(index, part)| match index % 2 {
        1 => vec![part.to_owned()],
        _ => part.split_whitespace().map(str::to_owned).collect(),
    });
    words.collect()
}

#[test]
fn every_service_runs_a_check_with_arguments_that_it_takes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../etc/nagios/coco.cfg");
    let config = std::fs::read_to_string(path).unwrap();
    let commands: BTreeMap<_, _> = objects(&config, "command")
        .into_iter()
        .map(|command| (command["command_name"], command["command_line"]))
        .collect();
    let services = objects(&config, "service");
    let mut run = Vec::new();
    for service in &services {
        let mut call = service["check_command"].split('!');
        let mut line = commands[call.next().unwrap()].replace("$HOSTNAME$", service["host_name"]);
        for (number, argument) in (1..).zip(call.map(str::to_owned).chain(vec![String::new(); 3])) {
            line = line.replace(&format!("$ARG{number}$"), &argument);
        }
        let words = words(&line);
        let check = match words[0].strip_prefix("/usr/lib/nagios/plugins/").unwrap() {
            "anomalous_coco_send" => Check::Send,
            "anomalous_coco_errors" => Check::Errors,
            // It is not ours.
            "check_http" => continue,
            other => panic!("{other}"),
        };
        let request =
            check.parse(words.iter().map(OsString::from)).unwrap_or_else(|output| panic!("{line}: {output}"));
        assert_eq!(request.host, "coco1.example.org");
        run.push(check);
    }
    assert_eq!(run, [Check::Send, Check::Send, Check::Errors]);
    let called = services.iter().map(|service| service["check_command"].split('!').next().unwrap());
    let called: std::collections::BTreeSet<_> = called.collect();
    assert_eq!(called, commands.keys().copied().collect());
}
