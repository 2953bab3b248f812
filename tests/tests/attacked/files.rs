//! Files that hang: pipes that nobody writes to, in the place of each file that a configuration names and of the
//! configuration itself. A running daemon refuses them and goes on; at a start, pipes are read.

use std::io::Write;
use std::path::Path;

use coco_harness::coco::{Coco, Config, TYPES_DB, check, run};
use coco_harness::directory::Directory;
use coco_harness::noodle::Noodle;
use coco_harness::program::{self, Program};
use coco_harness::text::replaced;

fn config() -> String {
    Config::new(&[("shortterm", &["127.0.0.1:9"])]).text()
}

/// `config` with a pipe for each file that Coco reads, by key.
fn with_pipes(config: &str, pipe: &Path) -> [(&'static str, String); 4] {
    let tier = |file: &str| {
        format!("[tiers.shortterm]\nsecurity_level = \"Sign\"\nusername = \"alice\"\n{file} = {pipe:?}")
    };
    let listen = format!("typesdb = {pipe:?}");
    let auth = format!("auth_file = {pipe:?}");
    let types = format!("typesdb = \"{TYPES_DB}\"");
    [
        ("listen.typesdb", replaced(config, &[(&types, &listen)])),
        ("listen.auth_file", replaced(config, &[(&types, &auth)])),
        ("tiers.shortterm.password_file", replaced(config, &[("[tiers.shortterm]", &tier("password_file"))])),
        ("tiers.shortterm.auth_file", replaced(config, &[("[tiers.shortterm]", &tier("auth_file"))])),
    ]
}

#[test]
fn coco_refuses_to_reload_from_pipes_and_goes_on() {
    let directory = Directory::new("pipe");
    let pipe = directory.pipe("pipe");
    let mut coco = Coco::start(&config());
    for (key, config) in with_pipes(&config(), &pipe) {
        let log = coco.reload(&config);
        assert!(log.contains(key) && log.contains("not a regular file"), "{key}: {log}");
        assert_eq!(coco.get("/healthz").status, 200, "{key}");
    }
    coco.replace_config_by_pipe();
    let log = coco.process.reload();
    assert!(log.contains("coco.conf: not a regular file"), "{log}");
    assert_eq!(coco.counters().count(&["errors", "reload"]), 5);
    assert!(coco.stop().success());
}

#[test]
fn noodle_refuses_to_reload_from_a_pipe_and_goes_on() {
    let mut noodle = Noodle::start(&config());
    noodle.replace_config_by_pipe();
    let log = noodle.process.reload();
    assert!(log.contains("coco.conf: not a regular file"), "{log}");
    assert_eq!(noodle.count(&["errors", "reload"]), 1);
    assert!(noodle.stop().success());
}

#[test]
fn a_file_of_users_that_becomes_a_pipe_leaves_those_known() {
    let directory = Directory::new("users");
    let users = directory.write("users", "alice: secret\n");
    let with_users = replaced(&config(), &[("typesdb", &format!("auth_file = {users:?}\ntypesdb"))]);
    let mut coco = Coco::start(&with_users);
    directory.pipe("users");
    coco.process.wait_for("a complaint", |process| {
        process.stdout().contains("the users known so far stay").then_some(())
    });
    assert!(coco.process.stdout().contains("not a regular file"), "{}", coco.process.stdout());
    assert_eq!(coco.get("/healthz").status, 200);
    assert!(coco.stop().success());
}

/// A thread writes this into the pipe as soon as somebody reads.
fn written(pipe: &Path, text: &'static str) -> std::thread::JoinHandle<()> {
    let pipe = pipe.to_owned();
    std::thread::spawn(move || {
        let mut pipe = std::fs::File::options().write(true).open(pipe).expect("a pipe");
        pipe.write_all(text.as_bytes()).expect("it is read");
    })
}

#[test]
fn the_check_reads_each_file_from_a_pipe() {
    for (key, text) in [
        ("listen.typesdb", "load value:GAUGE:0:100\n"),
        ("listen.auth_file", "alice: secret\n"),
        ("tiers.shortterm.password_file", "secret\n"),
        ("tiers.shortterm.auth_file", "alice: secret\n"),
    ] {
        let directory = Directory::new("pipe");
        let pipe = directory.pipe("pipe");
        let writer = written(&pipe, text);
        let configs = with_pipes(&config(), &pipe);
        let (_, config) = configs.iter().find(|(of, _)| *of == key).expect("it names that file");
        let ended = check(config);
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{key}: {ended:?}");
        writer.join().expect("the writer");
    }
    for program in [Program::Coco, Program::Noodle] {
        let directory = Directory::new("pipe");
        let pipe = directory.pipe("pipe");
        let writer =
            written(&pipe, "[tiers.a]\ntargets = [\"127.0.0.1:9\"]\n[fetch]\nbind = \"127.0.0.1:0\"\n");
        let ended = program::run(program, &[Path::new("--check"), &pipe]);
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
        writer.join().expect("the writer");
    }
}

#[test]
fn a_start_from_a_pipe_that_nobody_writes_to_ends_and_names_it() {
    let directory = Directory::new("pipe");
    let pipe = directory.pipe("pipe");
    let ended = run(&[&pipe]);
    assert_eq!(ended.status, Some(1), "{ended:?}");
    let expected = format!("{}: gave nothing for 5 s", pipe.display());
    assert!(ended.stderr.contains(&expected), "{ended:?}");
}
