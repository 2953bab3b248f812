//! What both daemons say of the configuration in force, over HTTP and on the command line.

use std::path::Path;

use coco_core::config::Config as Parsed;
use coco_core::config::Program as Reader;
use coco_harness::coco::{Coco, Config};
use coco_harness::directory::Directory;
use coco_harness::noodle::Noodle;
use coco_harness::program::{self, Program};
use coco_harness::text::replaced;

fn config() -> String {
    Config::new(&[("shortterm", &["127.0.0.1:9"])]).text()
}

/// What a process says of its configuration, which is one by itself.
fn shown(text: &str, reader: Reader) -> Parsed {
    Parsed::parse(text, reader).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

#[test]
fn both_daemons_show_what_holds_after_a_reload_too() {
    let changed =
        replaced(&config(), &[("interval = \"200ms\"", "interval = \"300ms\""), ("lanes = 1", "lanes = 2")])
            + "[fetch2]\n";
    let good = changed.replace("[fetch2]\n", "[send]\nrecovery = \"5s\"\n");
    let mut coco = Coco::start(&config());
    let answer = coco.get("/config");
    assert_eq!((answer.status, answer.content_type.as_str()), (200, "application/toml; charset=utf-8"));
    assert!(answer.body.contains("[measure]\ninterval = \"200ms\"\n"), "{}", answer.body);
    assert!(answer.body.contains("recovery = \"10s\"\n"), "defaults, too: {}", answer.body);

    assert!(coco.reload(&changed).contains("nothing changes"));
    assert_eq!(coco.get("/config").body, answer.body, "a configuration that was refused is not in force");
    assert!(coco.reload(&good).contains("pipeline.lanes"));
    let now = shown(&coco.get("/config").body, Reader::Coco);
    let facts = (now.measure.interval.as_millis(), now.send.recovery.as_secs(), now.pipeline.lanes.get());
    assert_eq!(facts, (300, 5, 1), "lanes need a restart");
    assert!(coco.stop().success());

    let mut noodle = Noodle::start(&config());
    let _ = noodle.reload(&replaced(&config(), &[("[measure]", "proxy_timeout = \"7s\"\n[measure]")]));
    let now = shown(&noodle.get("/config").body, Reader::Noodle);
    assert_eq!(now.fetch.proxy_timeout.as_secs(), 7);
    assert!(noodle.stop().success());
}

#[test]
fn both_programs_print_a_configuration_with_its_defaults() {
    let directory = Directory::new("print");
    let path = directory.write("coco.conf", &config());
    for (program, reader) in [(Program::Coco, Reader::Coco), (Program::Noodle, Reader::Noodle)] {
        let ended = program::run(program, &[Path::new("--print-config"), &path]);
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
        assert_eq!(ended.stdout, shown(&config(), reader).to_toml());
        let bad = directory.write("bad.conf", "surprise = 1");
        let ended = program::run(program, &[Path::new("--print-config"), &bad]);
        assert_eq!((ended.status, ended.stdout.as_str()), (Some(1), ""), "{ended:?}");
        assert!(ended.stderr.contains("surprise"), "{ended:?}");
    }
}
