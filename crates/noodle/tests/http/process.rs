//! The program itself.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use crate::node::{Node, wait_for_the_end};
use crate::noodle::{Client, tiers};

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_noodle"))
}

/// A file that is removed with the value.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let path =
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}.conf", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn run(arguments: &[&str], file: &File) -> Output {
    program().args(arguments).arg(&file.0).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A running noodle and its address.
fn start(file: &File) -> (Child, SocketAddr) {
    let mut child = program().arg(&file.0).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.find(|line| line.contains("serving HTTP")).unwrap();
    let address = line.rsplit_once("address=").unwrap().1.parse().unwrap();
    // Nobody reads on, but somebody must, or a full pipe would stop it.
    std::thread::spawn(move || lines.for_each(drop));
    (child, address)
}

fn terminate(child: &Child) {
    signal(child, "-TERM");
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

#[test]
fn it_serves_until_it_is_told_to_stop_and_opens_nothing_else() {
    let node = Node::answering(|_| (200, r#"{"web1":1}"#.to_owned()));
    // The other sections are coco's: a port that is taken and a file that is not there are none of noodle's business.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = format!(
        "{}\n[fetch]\nbind = \"127.0.0.1:0\"\n[listen]\nbind = \"127.0.0.1:1\"\ntypesdb = \"/no/such/file\"\n\
         [api]\nbind = \"{}\"\n",
        tiers(&[("t", &[node.address])]),
        taken.local_addr().unwrap()
    );
    let file = File::new("serves", &config);
    let (mut child, address) = start(&file);
    let mut client = Client::connect(address);
    assert_eq!(client.ask("GET", "/data/web1/load", "").json()["web1"], 1);
    let vars = client.ask("GET", "/debug/vars", "").json();
    assert!(vars["cmdline"][1].as_str().unwrap().ends_with("serves.conf"));
    assert_eq!(vars["noodle"]["fetch.tier.requests"]["t"], 1);
    // As many as `fetch.max_hosts` lets one name, with names of 60 bytes.
    let domain = "x".repeat(40);
    let hosts: String = (1..1000).map(|number| format!(",web{number:05}.{domain}.example.org")).collect();
    let answer = client.ask("GET", &format!("/data/web1{hosts}/load"), "");
    assert_eq!((answer.status, &answer.json()["web1"]), (200, &1.into()), "{}", answer.text());
    let sockets = std::fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap();
    let own: Vec<_> = sockets
        .filter_map(|fd| {
            std::fs::read_link(fd.unwrap().path())
                .ok()?
                .to_str()?
                .strip_prefix("socket:[")?
                .strip_suffix(']')
                .map(str::to_owned)
        })
        .collect();
    for table in ["udp", "udp6"] {
        let table = std::fs::read_to_string(format!("/proc/net/{table}")).unwrap();
        assert!(
            !table.lines().any(|line| own.iter().any(|inode| line.split_whitespace().nth(9) == Some(inode)))
        );
    }
    // An idle client is not waited for.
    terminate(&child);
    assert!(child.wait().unwrap().success());
    assert!(client.read_to_end().is_empty());
}

#[test]
fn a_stop_that_cuts_a_request_off_has_status_1() {
    let silent = Node::start(|_, stream| {
        wait_for_the_end(stream);
        false
    });
    let config = format!(
        "{}\n[fetch]\nbind = \"127.0.0.1:0\"\nproxy_timeout = \"60s\"\n[stop]\ngrace = \"500ms\"\n",
        tiers(&[("t", &[silent.address])])
    );
    let file = File::new("grace", &config);
    let mut command = program();
    let mut child = command.arg(&file.0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.find(|line| line.contains("serving HTTP")).unwrap();
    let mut client = Client::connect(line.rsplit_once("address=").unwrap().1.parse().unwrap());
    client.send("GET /data/web1/load HTTP/1.1\r\nHost: a\r\n\r\n");
    while silent.asked().is_empty() {
        std::thread::yield_now();
    }
    terminate(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("stopped with 1 requests unanswered"), "{}", text(&output.stderr));
}

#[test]
fn what_keeps_it_from_starting_is_an_exit_status() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = |bind: &str| format!("[tiers.t]\ntargets = [\"a:1\"]\n[fetch]\nbind = \"{bind}\"\n");
    let file = File::new("taken", &at(&taken.local_addr().unwrap().to_string()));
    let output = run(&[], &file);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("fetch.bind: cannot listen on "), "{}", text(&output.stderr));

    let file = File::new("missing", "[tiers.t]\ntargets = [\"a:1\"]\n");
    let output = run(&[], &file);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("fetch.bind"), "{}", text(&output.stderr));

    let output = run(&["--chekc"], &file);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_check_binds_nothing_and_warns_of_names_that_do_not_resolve() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = |target: &str| {
        format!("[tiers.t]\ntargets = [\"{target}\"]\n[fetch]\nbind = \"{}\"\n", taken.local_addr().unwrap())
    };
    let output = run(&["--check"], &File::new("fine", &config("127.0.0.1:1")));
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    let placed = "tiers.t: ring, 20 virtual replicas, targets: 1, copies of a host: 1, fingerprint ";
    assert!(text(&output.stdout).starts_with(placed), "{output:?}");
    let nameless = config("127.0.0.1:1").replace("[fetch]", "hash = \"rendezvous\"\n[fetch]");
    let warning = text(&run(&["--check"], &File::new("nameless", &nameless)).stderr);
    assert!(warning.contains("warning: line 2: tiers.t.targets: 1 of 1 target has no name"), "{warning}");
    let output = run(&["--check"], &File::new("warns", &config("no-such-host.invalid:1")));
    assert_eq!(output.status.code(), Some(0));
    let warning = text(&output.stderr);
    assert!(warning.starts_with("warning: tiers.t.targets: no-such-host.invalid:1: "), "{warning}");
    let output = run(&["--check"], &File::new("wrong", "[fetch]\nmax_hosts = 0\n"));
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output.stderr).contains("fetch.max_hosts: expected a whole number from 1 to 100000, found 0")
    );
}

#[test]
fn requests_are_logged_for_debugging_and_failures_always_but_not_each() {
    let config = format!(
        "{}\n[fetch]\nbind = \"127.0.0.1:0\"\n[log]\nlevel = \"debug\"\n",
        tiers(&[("t", &[Node::refusing()])])
    );
    let file = File::new("logs", &config);
    let mut child = program().arg(&file.0).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.find(|line| line.contains("serving HTTP")).unwrap();
    let mut client = Client::connect(line.rsplit_once("address=").unwrap().1.parse().unwrap());
    for _ in 0..3 {
        assert_eq!(client.ask("GET", "/data/web1/load?x=1", "").status, 502);
    }
    terminate(&child);
    let lines: Vec<_> = lines.collect();
    assert!(child.wait().unwrap().success());
    let with = |text: &str| lines.iter().filter(|line| line.contains(text)).collect::<Vec<_>>();
    let requests = with("DEBUG answered method=GET path=\"/data/web1/load?x=1\" status=502 ");
    assert_eq!(requests.len(), 3, "{lines:?}");
    let failures =
        with("WARN a target gave no answer host=\"web1\" target=\"t0:1\" cause=\"cannot connect: ");
    assert_eq!(failures.len(), 1, "{lines:?}");
}

#[test]
fn a_reload_that_gives_hosts_to_other_targets_warns() {
    let config = |targets: &[&str]| {
        format!("[tiers.t]\ntargets = {targets:?}\n[fetch]\nbind = \"127.0.0.1:0\"\nproxy_timeout = \"5s\"\n")
    };
    let file = File::new("moves", &config(&["127.0.0.1:1"]));
    let mut child = program().arg(&file.0).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("ready")));
    std::fs::write(&file.0, config(&["127.0.0.1:1", "127.0.0.1:2"])).unwrap();
    signal(&child, "-HUP");
    let warning = lines.find(|line| line.contains("WARN") || line.contains("reloaded")).unwrap();
    assert!(
        warning.contains("another placement: ") && warning.contains("of the hosts begin anew"),
        "{warning}"
    );
    assert!(lines.any(|line| line.contains("reloaded")));
    terminate(&child);
    assert!(child.wait().unwrap().success());
}
