//! Who may send to Coco, and as whom it sends: real collectds at both ends, at every level.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use coco_core::value_list::ValueList;
use coco_core::wire::{Event, Guard, InitializationVectors, Seal, SecurityLevel, Users};
use coco_harness::coco::{Coco, Config, check};
use coco_harness::collectd::{Collectd, Security, StorageNode};
use coco_harness::directory::Directory;
use coco_harness::sink::Sink;
use coco_harness::text::replaced;
use coco_harness::traffic;
use coco_harness::wait::{PATIENCE, wait_for, wait_until};

/// The `AuthFile` of both sides.
const AUTH_FILE: &str = "# users of the tests\nalice: s3cret\nbob: hunter2\n";

const SECRETS: [&str; 3] = ["s3cret", "hunter2", "wr0ng"];

/// Senders, and as what they are refused by listeners that know users.
const SENDERS: [(&str, Security<'static>); 7] = [
    ("plain", Security { level: "None", user: None }),
    ("signed", Security { level: "Sign", user: Some(("alice", "s3cret")) }),
    ("encrypted", Security { level: "Encrypt", user: Some(("bob", "hunter2")) }),
    ("signed-wrong-password", Security { level: "Sign", user: Some(("alice", "wr0ng")) }),
    ("encrypted-wrong-password", Security { level: "Encrypt", user: Some(("bob", "wr0ng")) }),
    ("signed-unknown-user", Security { level: "Sign", user: Some(("mallory", "s3cret")) }),
    ("encrypted-unknown-user", Security { level: "Encrypt", user: Some(("mallory", "s3cret")) }),
];

/// Who is taken by a listener, by its level and whether it has an `AuthFile`: as collectd 5.12 does it.
const LISTENERS: [(&str, bool, &[&str]); 4] = [
    ("None", false, &["plain", "signed", "signed-wrong-password", "signed-unknown-user"]),
    ("None", true, &["plain", "signed", "encrypted"]),
    ("Sign", true, &["signed", "encrypted"]),
    ("Encrypt", true, &["encrypted"]),
];

/// A file that nobody else can read.
fn secret(directory: &Directory, name: &str, text: &str) -> PathBuf {
    let path = directory.write(name, text);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("our own file");
    path
}

/// The keys of `[listen]` for a level, with the file of users if there is one.
fn listen(level: &str, auth_file: Option<&Path>) -> String {
    let auth_file = auth_file.map(|path| format!("\nauth_file = {path:?}")).unwrap_or_default();
    format!("[listen]\nsecurity_level = {level:?}{auth_file}")
}

/// A Coco with these keys of `[listen]` before the address.
fn coco(config: &Config, listen: &str) -> Coco {
    Coco::start(&replaced(&config.text(), &[("[listen]", listen)]))
}

#[test]
fn agents_are_taken_as_collectd_would_take_them() {
    let directory = Directory::new("users");
    let users = secret(&directory, "auth", AUTH_FILE);
    let sinks = LISTENERS.map(|_| Sink::start());
    let cocos: Vec<_> = LISTENERS
        .iter()
        .zip(&sinks)
        .map(|((level, has_users, _), sink)| {
            let config = Config::new(&[("shortterm", &[sink.address])]);
            coco(&config, &listen(&level.to_lowercase(), has_users.then_some(users.as_path())))
        })
        .collect();
    let servers: Vec<SocketAddr> = cocos.iter().map(|coco| coco.listen).collect();
    let agents = SENDERS.map(|(host, security)| Collectd::secured_agent(host, &servers, security));

    for ((level, has_users, taken), (coco, sink)) in LISTENERS.iter().zip(cocos.iter().zip(&sinks)) {
        let what = format!("level {level}, users {has_users}");
        wait_until(PATIENCE, format!("two value lists of {taken:?} at {what}"), || {
            let hosts: Vec<_> = sink.value_lists().into_iter().map(|list| list.identifier.host).collect();
            taken.iter().all(|host| hosts.iter().filter(|known| *known == host.as_bytes()).count() >= 2)
        });
        let refused = |way: &[&str]| coco.counters().count(&[&["listen"][..], way].concat());
        let reasons: &[(&str, &str)] = match (*level, has_users) {
            ("None", false) => &[("malformed", "encrypted")],
            ("None", true) => &[
                ("malformed", "signature_mismatch"),
                ("malformed", "checksum_mismatch"),
                ("malformed", "unknown_user"),
            ],
            ("Sign", _) => &[
                ("refused", "unsigned"),
                ("malformed", "signature_mismatch"),
                ("malformed", "checksum_mismatch"),
                ("malformed", "unknown_user"),
            ],
            _ => &[
                ("refused", "unencrypted"),
                ("malformed", "checksum_mismatch"),
                ("malformed", "unknown_user"),
            ],
        };
        for (table, reason) in reasons {
            wait_until(PATIENCE, format!("{reason} at {what}"), || refused(&[table, reason]) >= 2);
        }
        let counters = coco.counters();
        let counted = |table: &str| counters.0["listen"][table].as_object().cloned().unwrap_or_default();
        for table in ["malformed", "refused"] {
            for (reason, count) in counted(table) {
                let is_expected = reasons.contains(&(table, reason.as_str()));
                assert!(is_expected || count == 0, "{count} {reason} at {what}");
            }
        }
        let [verified, unverified] = ["verified", "unverified"].map(|name| counters.count(&["listen", name]));
        assert_eq!((verified > 0, unverified > 0), (*has_users, !has_users), "{what}");
    }
    agents.into_iter().for_each(|agent| drop(agent.stop()));
    for ((level, has_users, taken), (mut coco, sink)) in LISTENERS.iter().zip(cocos.into_iter().zip(&sinks)) {
        let hosts: Vec<_> = sink.value_lists().into_iter().map(|list| list.identifier.host).collect();
        let stranger = hosts.iter().find(|host| !taken.iter().any(|taken| taken.as_bytes() == **host));
        assert_eq!(stranger, None, "level {level}, users {has_users}");
        tells_no_secret(&mut coco);
        assert!(coco.stop().success());
    }
}

/// Neither in its log nor in what it answers.
fn tells_no_secret(coco: &mut Coco) {
    let answers = ["/tiers", "/debug/vars", "/metrics", "/healthz"].map(|path| coco.get(path).body);
    let told = answers.concat() + &coco.process.stdout() + &coco.process.stderr();
    assert_eq!(SECRETS.iter().find(|secret| told.contains(**secret)), None, "{told}");
}

#[test]
fn storage_nodes_take_what_coco_signs_and_encrypts() {
    const VALUE_LISTS: u32 = 200;
    let directory = Directory::new("passwords");
    let users = secret(&directory, "auth", AUTH_FILE);
    let password = |security: &Security<'_>, name: &str| -> String {
        let Some((user, password)) = security.user else { return String::new() };
        let level = security.level;
        // Once by itself, once among others.
        let path = if user == "alice" {
            format!("password_file = {:?}", secret(&directory, name, &format!("{password}\n")))
        } else {
            let text = format!("alice: other\n{user}: {password}\n");
            format!("auth_file = {:?}", secret(&directory, name, &text))
        };
        format!("security_level = {level:?}\nusername = {user:?}\n{path}\n")
    };
    let nodes = LISTENERS.map(|(level, has_users, _)| {
        let auth_file = if has_users { format!("AuthFile {users:?}") } else { String::new() };
        StorageNode::with_options(&format!("node-{level}"), &format!("SecurityLevel {level}\n{auth_file}"))
    });
    let tiers = ["none", "users", "sign", "encrypt"];
    let targets = nodes.each_ref().map(|node| [node.address]);
    let tiers: Vec<_> = tiers.iter().zip(&targets).map(|(name, target)| (*name, &target[..])).collect();

    // Those that are taken come last: when they have arrived, the others have.
    let (taken, refused): (Vec<_>, Vec<_>) =
        SENDERS.iter().partition(|(host, _)| ["plain", "signed", "encrypted"].contains(host));
    for (host, security) in refused.into_iter().chain(taken) {
        let keys = password(&security, host);
        let config = Config::new(&tiers).text();
        let config = config.split_inclusive('\n').map(|line| match line.starts_with("targets") {
            true => format!("{line}{keys}"),
            false => line.to_owned(),
        });
        let mut coco = Coco::start(&config.collect::<String>());
        let lists: Vec<_> = (0..VALUE_LISTS).map(|place| traffic::value_list(host, place)).collect();
        traffic::send(&traffic::sender(coco.listen), &lists);
        coco.settled(VALUE_LISTS.into());
        tells_no_secret(&mut coco);
        assert!(coco.stop().success());
    }
    for ((level, has_users, taken), node) in LISTENERS.iter().zip(nodes) {
        let what = format!("level {level}, users {has_users}");
        let count = |rows: &coco_harness::csv::Hosts, host: &str| {
            let rows = rows.get(host).and_then(|series| series.get("plugin/derive-sequence"));
            rows.map_or(0, |rows| rows.len() as u32)
        };
        wait_until(PATIENCE, format!("all of {taken:?} at {what}"), || {
            let rows = node.rows();
            taken.iter().all(|host| count(&rows, host) == VALUE_LISTS)
        });
        let rows = node.stop();
        for (host, _) in SENDERS {
            let expected = if taken.contains(&host) { VALUE_LISTS } else { 0 };
            assert_eq!(count(&rows, host), expected, "{host} at {what}");
        }
    }
}

/// The value lists of a datagram that is signed or encrypted by a user of the tests.
fn opened(datagram: &[u8], level: SecurityLevel) -> Vec<ValueList> {
    let (users, _) = Users::parse(AUTH_FILE.as_bytes());
    let mut lists = Vec::new();
    Guard::new(level, Some(users)).decode(&mut datagram.to_vec(), |bytes, _, event| match event {
        Ok(Event::ValueList(list)) => lists.push(list.of(bytes).to_owned()),
        other => panic!("{other:?}"),
    });
    lists
}

#[test]
fn no_datagram_outgrows_the_limit_and_tiers_of_one_ring_may_differ() {
    const LIMIT: usize = 1024;
    let directory = Directory::new("limit");
    let users = secret(&directory, "auth", AUTH_FILE);
    let sinks = [Sink::start(), Sink::start(), Sink::start()];
    let targets = sinks.each_ref().map(|sink| [sink.address]);
    let config =
        Config::new(&[("none", &targets[0][..]), ("sign", &targets[1][..]), ("encrypt", &targets[2][..])])
            .text();
    let key =
        |level: &str| format!("security_level = {level:?}\nusername = \"alice\"\nauth_file = {users:?}\n");
    let config = replaced(
        &config,
        &[
            ("[tiers.sign]\n", &format!("[tiers.sign]\n{}", key("Sign"))),
            ("[tiers.encrypt]\n", &format!("[tiers.encrypt]\n{}", key("Encrypt"))),
        ],
    ) + &format!("[send]\nmax_packet_size = {LIMIT}\n");
    let mut coco = Coco::start(&config);
    let lists: Vec<_> =
        (0..3000).map(|place| traffic::value_list(&format!("host{}", place / 500), place)).collect();
    let sender = traffic::sender(coco.listen);
    // Some leave whole, some are packed anew.
    let (small, large) = lists.split_at(1500);
    for datagram in traffic::datagrams(900, small).into_iter().chain(traffic::datagrams(LIMIT, large)) {
        sender.send(&datagram).expect("coco listens");
    }
    coco.settled(3000);
    for (sink, level) in sinks.iter().zip(SecurityLevel::ALL) {
        wait_until(PATIENCE, format!("all at level {level}"), || {
            sink.datagrams().iter().map(|datagram| opened(datagram, level).len()).sum::<usize>()
                >= lists.len()
        });
        let datagrams = sink.datagrams();
        let received: Vec<_> = datagrams.iter().flat_map(|datagram| opened(datagram, level)).collect();
        assert!(received == lists, "level {level}: all value lists, in order, once");
        let largest = datagrams.iter().map(Vec::len).max().unwrap_or_default();
        assert!((LIMIT - 200..=LIMIT).contains(&largest), "level {level}: {largest}");
    }
    assert!(coco.stop().success());
}

/// Sends a value list of this host, sealed by a user, until the sink has got more of the host than before.
fn arrives(coco: &Coco, sink: &Sink, host: &str, seal: &Seal) {
    let datagram = sealed(seal, host);
    let sender = traffic::sender(coco.listen);
    let count = || sink.value_lists().iter().filter(|list| list.identifier.host == host.as_bytes()).count();
    let before = count();
    wait_until(PATIENCE, format!("a value list of {host}"), || {
        sender.send(&datagram).expect("coco listens");
        count() > before
    });
}

/// Sends until it is refused for this reason once more than before.
fn is_refused(coco: &Coco, packet: &[u8], way: &[&str]) {
    let sender = traffic::sender(coco.listen);
    let count = || coco.counters().count(way);
    let before = count();
    wait_until(PATIENCE, format!("a refusal: {way:?}"), || {
        sender.send(packet).expect("coco listens");
        count() > before
    });
}

fn sealed(seal: &Seal, host: &str) -> Vec<u8> {
    let datagram = traffic::datagram(&traffic::value_list(host, 0));
    let mut sealed = Vec::new();
    let mut vectors = InitializationVectors::new(&[5; 32]);
    seal.seal(&datagram, &mut vectors, &mut sealed).expect("it is short");
    sealed
}

#[test]
fn the_file_of_users_may_change_while_coco_runs() {
    let directory = Directory::new("changing");
    let users = secret(&directory, "auth", "alice: s3cret\n");
    let sink = Sink::start();
    let mut coco = coco(&Config::new(&[("shortterm", &[sink.address])]), &listen("Sign", Some(&users)));
    let alice = Seal::signing(b"alice", b"s3cret");
    let bob = Seal::encrypting(b"bob", b"hunter2");
    arrives(&coco, &sink, "alice", &alice);
    is_refused(&coco, &sealed(&bob, "bob"), &["listen", "malformed", "unknown_user"]);

    // Another user, written in place.
    fs::write(&users, "alice: s3cret\nbob: hunter2\n").expect("our own file");
    arrives(&coco, &sink, "bob", &bob);
    arrives(&coco, &sink, "alice", &alice);

    // Gone: all stays as it was, and is told.
    fs::remove_file(&users).expect("our own file");
    coco.process.wait_for("a warning", |process| {
        process
            .stdout()
            .lines()
            .any(|line| line.contains("WARN") && line.contains("listen.auth_file"))
            .then_some(())
    });
    arrives(&coco, &sink, "bob", &bob);

    // Another password, as long as the last, put in place by a rename.
    fs::rename(secret(&directory, "new", "alice: s3cret\nbob: hunter3\n"), &users).expect("our own files");
    is_refused(&coco, &sealed(&bob, "bob"), &["listen", "malformed", "checksum_mismatch"]);
    arrives(&coco, &sink, "bob", &Seal::encrypting(b"bob", b"hunter3"));
    tells_no_secret(&mut coco);
    assert!(coco.stop().success());
}

#[test]
fn a_reload_changes_who_may_send_and_as_whom_coco_sends() {
    let directory = Directory::new("reloaded");
    let users = secret(&directory, "auth", AUTH_FILE);
    let sink = Sink::start();
    let config = Config::new(&[("shortterm", &[sink.address])]);
    let mut coco = Coco::start(&config.text());
    let alice = Seal::signing(b"alice", b"s3cret");
    arrives(&coco, &sink, "alice", &alice);

    let signs = format!("security_level = \"Sign\"\nusername = \"bob\"\nauth_file = {users:?}\n");
    let listen = replaced(&config.text(), &[("[listen]", &listen("Encrypt", Some(&users)))]);
    coco.reload(&(listen + &signs));
    is_refused(&coco, &sealed(&alice, "alice"), &["listen", "refused", "unencrypted"]);
    let encrypted = sealed(&Seal::encrypting(b"alice", b"s3cret"), "encrypted");
    let sender = traffic::sender(coco.listen);
    wait_until(PATIENCE, "a datagram that bob has signed", || {
        sender.send(&encrypted).expect("coco listens");
        sink.datagrams().iter().any(|datagram| !opened(datagram, SecurityLevel::Sign).is_empty())
    });

    // A configuration with a file that is at fault changes nothing.
    let broken = config.text() + &replaced(&signs, &[("bob", "mallory")]);
    let told = coco.reload(&broken);
    assert!(told.contains("tiers.shortterm.auth_file"), "{told}");
    is_refused(&coco, &sealed(&alice, "alice"), &["listen", "refused", "unencrypted"]);
    tells_no_secret(&mut coco);
    assert!(coco.stop().success());
}

#[test]
fn only_who_is_allowed_may_send() {
    let sink = Sink::start();
    let mut config = Config::new(&[("shortterm", &[sink.address])]);
    // All addresses of the machine: IPv4 senders appear as mapped into IPv6.
    config.listen = ":0".to_owned();
    let mut coco = coco(&config, "[listen]\nallow = [ \"127.0.0.2\", \"127.9.0.0/16\", \"::1\" ]");
    let port = coco.listen.port();
    let send = |from: &str, number: u32| {
        let socket = UdpSocket::bind((from, 0)).expect("an address of this machine");
        let datagram = traffic::datagram(&traffic::value_list(from, number));
        let to = if from == "::1" { from } else { "127.0.0.1" };
        socket.send_to(&datagram, (to, port)).expect("coco listens");
    };
    let senders: &[(&str, bool)] = if UdpSocket::bind("[::1]:0").is_ok() {
        &[("127.0.0.1", false), ("127.0.0.3", false), ("127.0.0.2", true), ("127.9.8.7", true), ("::1", true)]
    } else {
        eprintln!("not tested: this machine has no IPv6");
        &[("127.0.0.1", false), ("127.0.0.3", false), ("127.0.0.2", true), ("127.9.8.7", true)]
    };
    (0..10).for_each(|number| senders.iter().for_each(|(from, _)| send(from, number)));
    let allowed = senders.iter().filter(|(_, is_allowed)| *is_allowed).count() as u64;
    let counters = wait_for(PATIENCE, "all datagrams", || {
        Some(coco.counters())
            .filter(|counters| counters.count(&["listen", "raw"]) >= 10 * senders.len() as u64)
    });
    assert_eq!(counters.count(&["listen", "refused", "not_allowed"]), 20);
    assert_eq!(counters.count(&["errors", "fetch.receive"]), 0);
    coco.settled(10 * allowed);
    wait_until(PATIENCE, "what is allowed", || sink.count() >= 10 * allowed);
    let is_allowed = |list: &ValueList| {
        senders.iter().any(|(from, is_allowed)| *is_allowed && from.as_bytes() == list.identifier.host)
    };
    assert!(sink.value_lists().iter().all(is_allowed));
    let log = coco.process.stdout();
    assert_eq!(log.lines().filter(|line| line.contains("listen.allow")).count(), 1, "once a minute: {log}");
    assert!(coco.stop().success());
}

#[test]
fn the_check_names_the_key_of_a_file_that_is_at_fault() {
    let directory = Directory::new("faults");
    let users = secret(&directory, "auth", AUTH_FILE);
    let empty = secret(&directory, "empty", "\n");
    let config = |listen: &str, tier: &str| {
        let text = Config::new(&[("shortterm", &["127.0.0.1:9"])]).text();
        replaced(&text, &[("[listen]", &format!("[listen]\n{listen}"))]) + tier
    };
    let tier = |user: &str, file: &str| format!("security_level = \"sign\"\nusername = {user:?}\n{file}\n");
    let good = config(&format!("auth_file = {users:?}"), &tier("alice", &format!("auth_file = {users:?}")));
    let ended = check(&good);
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");

    let nowhere = "/nonexistent/auth";
    let faults = [
        ("listen.auth_file", config(&format!("auth_file = {nowhere:?}"), "")),
        ("listen.auth_file", config(&format!("auth_file = {:?}", directory.path()), "")),
        ("listen.auth_file", config("security_level = \"Encrypt\"", "")),
        (
            "tiers.shortterm.password_file",
            config("", &tier("alice", &format!("password_file = {nowhere:?}"))),
        ),
        ("tiers.shortterm.password_file", config("", &tier("alice", &format!("password_file = {empty:?}")))),
        ("tiers.shortterm.auth_file", config("", &tier("mallory", &format!("auth_file = {users:?}")))),
        ("tiers.shortterm.username", config("", &tier("", &format!("auth_file = {users:?}")))),
    ];
    for (key, config) in faults {
        let ended = check(&config);
        assert_eq!(ended.status, Some(1), "{key}: {ended:?}");
        assert!(ended.stderr.contains(key), "{key}: {ended:?}");
        let told = ended.stdout + &ended.stderr;
        assert_eq!(SECRETS.iter().find(|secret| told.contains(**secret)), None, "{told}");
    }
}

#[test]
fn files_that_everyone_can_read_are_warned_about() {
    let directory = Directory::new("open");
    let open = |name: &str, text: &str| {
        let path = directory.write(name, text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("our own file");
        path
    };
    let (users, password) =
        (open("auth", "alice: s3cret\nhunter2 without colon\n"), open("password", "s3cret"));
    let sink = Sink::start();
    let config = Config::new(&[("shortterm", &[sink.address])]).text();
    let config = replaced(&config, &[("[listen]", &listen("none", Some(&users)))])
        + &format!("security_level = \"Encrypt\"\nusername = \"alice\"\npassword_file = {password:?}\n");
    let ended = check(&config);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let warnings = [
        format!(
            "warning: listen.auth_file: {}: everyone on this machine can read it: chmod o-r",
            users.display()
        ),
        format!("warning: listen.auth_file: {}: line 2 has no user and password: ignored", users.display()),
        format!(
            "warning: tiers.shortterm.password_file: {}: everyone on this machine can read it: chmod o-r",
            password.display()
        ),
    ];
    assert_eq!(ended.stderr.lines().collect::<Vec<_>>(), warnings);

    let mut coco = Coco::start(&config);
    let log = coco.process.stdout();
    assert!(warnings.iter().all(|warning| log.contains(warning.trim_start_matches("warning: "))), "{log}");
    tells_no_secret(&mut coco);
    assert!(coco.stop().success());
}
