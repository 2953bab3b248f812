//! Starting Coco: what it refuses, how it says so, and with which status it ends.

use std::net::{TcpListener, UdpSocket};
use std::path::Path;

use coco_harness::coco::{Coco, Config, TYPES_DB, check, run};
use coco_harness::directory::Directory;
use coco_harness::namespace::Host;
use coco_harness::program::{self, Ended, Program};
use coco_harness::repository;
use coco_harness::sink::Sink;
use coco_harness::text::replaced;
use coco_harness::traffic;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// What it says when it is to start with it.
fn start(config: &str) -> Ended {
    let directory = Directory::new("start");
    run(&[&directory.write("coco.conf", config)])
}

fn good() -> Config {
    Config::new(&[("shortterm", &["127.0.0.1:25827", "127.0.0.1:25828"][..])])
}

/// Whether one line of standard error holds all these words.
fn has_line(ended: &Ended, words: &[&str]) -> bool {
    ended.stderr.lines().any(|line| words.iter().all(|word| line.contains(word)))
}

#[test]
fn a_good_configuration_passes_the_check() {
    let ended = check(&good().text());
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    let held = "listen.receive_buffer: 16777216 bytes hold 14563 datagrams of 1.2 KB, ";
    let tier = "\ntiers.shortterm: ring, 90 virtual replicas, targets: 2, copies of a host: 1, fingerprint ";
    assert!(ended.stdout.starts_with(held) && ended.stdout.contains(tier), "{ended:?}");
    let lines: Vec<_> = ended.stdout.lines().collect();
    let fingerprint = lines[1].rsplit(' ').next().expect("that of the tier");
    assert!(lines[2].contains("coco.conf: fine, tiers: 1, targets: 2, fingerprint "), "{ended:?}");
    assert!(lines[2].ends_with(&format!(", files that it names: {TYPES_DB}")), "{ended:?}");
    assert!(fingerprint.len() == 16 && lines.len() == 3, "{ended:?}");
}

#[test]
fn every_problem_is_reported_at_once_with_its_key() {
    let config = "[listen]\nbind = \"nonsense\"\ntypesdb = \"/nonexistent/types.db\"\n\
                  [filter]\nblacklist = '(unclosed'\n\
                  [tiers.shortterm]\ntargets = [\"127.0.0.1:25827\", \"127.0.0.1:25827\"]\n\
                  [tiers.midterm]\ntargets = []\n\
                  [api]\nbind = \"127.0.0.1:0\"\n[measure]\ninterval = \"soon\"\n[surprise]\nkey = 1\n";
    let keys = [
        "listen.bind",
        "listen.typesdb",
        "filter.blacklist",
        "tiers.shortterm.targets",
        "tiers.midterm.targets",
        "measure.interval",
        "surprise",
    ];
    for ended in [check(config), start(config)] {
        assert_eq!(ended.status, Some(1), "{ended:?}");
        for key in keys {
            assert!(has_line(&ended, &[key]), "nothing about {key}: {ended:?}");
        }
        assert_eq!(ended.stderr.lines().count(), keys.len(), "a line a problem: {ended:?}");
    }
}

#[test]
fn a_fault_ends_it_with_status_1_and_its_key() {
    let text = good().text();
    let faults = [
        ("filter.blacklist", good().blacklist("/(vmem|irq").text()),
        ("tiers", Config::new::<String>(&[]).text()),
        ("tiers.shortterm.targets", Config::new(&[("shortterm", &["10.0.0.1:25826"; 2][..])]).text()),
        ("listen.typesdb", replaced(&text, &[(TYPES_DB, "/nonexistent/types.db")])),
        (
            "tiers.shortterm.targets",
            replaced(&text, &[("bind = \"127.0.0.1:0\"\ntypesdb", "bind = \":25827\"\ntypesdb")]),
        ),
    ];
    for (key, config) in faults {
        for ended in [check(&config), start(&config)] {
            assert_eq!(ended.status, Some(1), "{key}: {ended:?}");
            assert!(has_line(&ended, &[key]), "nothing about {key}: {ended:?}");
        }
    }
    let ended = run(&[Path::new("/nonexistent/coco.conf")]);
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(has_line(&ended, &["/nonexistent/coco.conf"]), "{ended:?}");
}

#[test]
fn files_with_faults_and_loops_are_reported_at_once_and_warnings_with_them() {
    let directory = Directory::new("faults");
    let password = directory.write("password", "\n");
    let auth = directory.write("auth", "alice: secret\n");
    // A port that nobody has.
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let port = socket.local_addr().expect("a bound socket").port();
    drop(socket);
    let tier = |name: &str, target: &str, files: &str| {
        format!(
            "[tiers.{name}]\ntargets = [\"{target}\"]\nsecurity_level = \"Sign\"\nusername = \"bob\"\n{files}\n"
        )
    };
    let config = [
        format!("[listen]\nbind = \"127.0.0.2:{port}\"\ninterface = \"lo\"\n[api]\nbind = \"127.0.0.1:0\""),
        tier("one", "storage.invalid:25826", &format!("password_file = {password:?}")),
        tier("two", "127.0.0.1:25827", &format!("auth_file = {auth:?}")),
        // The text does not tell.
        format!("[tiers.three]\ntargets = [\"itself.example.org:{port}\"]"),
    ];
    let host = Host::new().with_etc(&[("hosts", "127.0.0.2 itself.example.org\n")]);
    let ended = host.run(|| check(&config.join("\n")));
    assert_eq!(ended.status, Some(1), "{ended:?}");
    for words in [
        &["tiers.one.password_file", "no password"][..],
        &["tiers.two.auth_file", "no user \"bob\""],
        &["tiers.three.targets", "a loop"],
        &["warning: ", "tiers.one.targets: storage.invalid"],
        &["warning: ", "listen.interface: means nothing"],
    ] {
        assert!(has_line(&ended, words), "{words:?}: {ended:?}");
    }
    let problems = ended.stderr.lines().filter(|line| !line.starts_with("warning: "));
    assert!(problems.clone().all(|line| line.contains("coco.conf: ")), "{ended:?}");
    assert_eq!(problems.count(), 3, "{ended:?}");
}

#[test]
fn it_may_have_as_many_files_open_as_the_system_grants() {
    let (_, granted) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, granted / 2, granted).expect("less is always granted");
    let coco = Coco::start(&good().text());
    assert_eq!(coco.process.most_descriptors(), granted);
    assert!(coco.stop().success());
}

#[test]
fn too_few_descriptors_are_told_with_what_needed_them() {
    // Fails in any case: the address is nobody's (RFC 5737).
    let config =
        replaced(&good().text(), &[("[api]\nbind = \"127.0.0.1:0\"", "[api]\nbind = \"192.0.2.1:9\"")]);
    let config = replaced(&config, &[("[fetch]\nbind = \"127.0.0.1:0\"", "[fetch]\nbind = \"192.0.2.1:9\"")]);
    let directory = Directory::new("start");
    let path = directory.write("coco.conf", &config);
    for program in [Program::Coco, Program::Noodle] {
        for most in 4..40 {
            let ended = program::run_with_descriptors(program, most, &[&path]);
            assert_eq!(ended.status, Some(1), "{program:?}, {most}: {ended:?}");
            assert!(!ended.stderr.is_empty(), "{program:?}, {most}");
            let bare = format!("{}: Too many", path.display());
            for line in ended.stderr.lines() {
                assert!(
                    !line.starts_with("Too many") && !line.starts_with(&bare) || most < 6,
                    "{most}: {line}"
                );
            }
        }
    }
}

#[test]
fn names_that_do_not_resolve_are_warnings_of_the_check() {
    let ended = check(&Config::new(&[("shortterm", &["storage.invalid:25826"][..])]).text());
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!((ended.stdout + &ended.stderr).contains("storage.invalid"), "it is said");
}

#[test]
fn wrong_usage_ends_it_with_status_2() {
    for arguments in [&["--surprise"][..], &["one.conf", "two.conf"]] {
        let ended = run(&arguments.iter().map(Path::new).collect::<Vec<_>>());
        assert_eq!(ended.status, Some(2), "{arguments:?}: {ended:?}");
        assert!(!ended.stderr.is_empty(), "{arguments:?}");
    }
    for (argument, word) in [("--help", "--check"), ("--version", env!("CARGO_PKG_VERSION"))] {
        let ended = run(&[Path::new(argument)]);
        assert_eq!(ended.status, Some(0), "{argument}: {ended:?}");
        assert!(ended.stdout.contains(word), "{argument}: {ended:?}");
    }
}

#[test]
fn a_taken_port_ends_it_with_status_1() {
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let taken = udp.local_addr().expect("a bound socket").to_string();
    let mut config = good();
    config.listen.clone_from(&taken);
    let ended = start(&config.text());
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(has_line(&ended, &[&taken]), "{ended:?}");

    let tcp = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = tcp.local_addr().expect("a bound socket").to_string();
    let api = format!("[api]\nbind = \"{taken}\"");
    let ended = start(&replaced(&good().text(), &[("[api]\nbind = \"127.0.0.1:0\"", &api)]));
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(has_line(&ended, &[&taken]), "{ended:?}");
}

/// Though everything else is well.
#[test]
fn an_address_to_send_from_that_is_not_here_ends_it_with_status_1() {
    let ended = start(&(good().text() + "[send]\nbind = \"192.0.2.77\"\n"));
    assert_eq!(ended.status, Some(1), "{ended:?}");
    assert!(has_line(&ended, &["send.bind", "192.0.2.77"]), "{ended:?}");
}

#[test]
fn the_check_runs_beside_a_live_daemon() {
    let coco = Coco::start(&good().text());
    let mut config = good();
    config.listen = coco.listen.to_string();
    let api = format!("[api]\nbind = \"{}\"", coco.api);
    let ended = check(&replaced(&config.text(), &[("[api]\nbind = \"127.0.0.1:0\"", &api)]));
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(coco.stop().success());
}

#[test]
fn the_sample_configuration_works_as_shipped() {
    let path = repository().join("coco.sample.conf");
    let text = std::fs::read_to_string(&path).expect("coco.sample.conf");
    let sinks = [(); 4].map(|()| Sink::start());
    let addresses = sinks.each_ref().map(|sink| sink.address.to_string());
    let config = replaced(
        &text,
        &[
            ("bind = \":25826\"", "bind = \"127.0.0.1:0\""),
            ("bind = \"127.0.0.1:9090\"", "bind = \"127.0.0.1:0\""),
            ("127.0.0.1:25827", &addresses[0]),
            ("127.0.0.1:25828", &addresses[1]),
            ("127.0.0.1:25829", &addresses[2]),
            ("127.0.0.1:25830", &addresses[3]),
        ],
    );
    let ended = run(&[Path::new("--check"), &path]);
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");

    let mut coco = Coco::start(&config);
    let lists: Vec<_> = (0..50).map(|place| traffic::value_list("host", place)).collect();
    traffic::send(&traffic::sender(coco.listen), &lists);
    let counters = coco.settled(50);
    assert_eq!(counters.count(&["filter", "accepted"]), 50);
    for tier in ["shortterm", "midterm"] {
        assert_eq!(counters.count(&["send", &coco.owner("host", tier)]), 50);
    }
    assert!(coco.stop().success());
}
