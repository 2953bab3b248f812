//! `cococtl decode`, on what real collectds sent.

use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;

use coco_harness::directory::Directory;
use coco_harness::process::Process;
use coco_harness::traffic;
use coco_harness::wait::PATIENCE;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::frames::{ETHERNET, NULL, RAW, SLL, SLL2, SOURCE};
use crate::frames::{cooked, cooked2, ethernet, ipv4, ipv4_to_complete, ipv6, null, pcap, pcapng};
use crate::{Ended, cococtl, program};

fn testdata(path: &str) -> PathBuf {
    coco_harness::repository().join("crates/coco-core/testdata/wire").join(path)
}

/// The datagrams of a stream of the test data.
fn stream(name: &str) -> Vec<Vec<u8>> {
    coco_fuzz::corpus::read(&testdata(&format!("streams/{name}.bin"))).unwrap()
}

fn expected(name: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(testdata(&format!("expected/{name}.jsonl"))).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn decode(capture: &[u8], arguments: &[&str]) -> Ended {
    cococtl([&["decode", "-"], arguments].concat(), capture)
}

fn frames(datagrams: &[Vec<u8>], frame: impl Fn(&[u8]) -> Vec<u8>) -> Vec<Vec<u8>> {
    datagrams.iter().map(|datagram| frame(datagram)).collect()
}

/// The lines of an output that say this.
fn events(ended: &Ended, event: &str) -> Vec<Value> {
    ended.json_lines().into_iter().filter(|line| line["event"] == event).collect()
}

fn summary(ended: &Ended) -> Value {
    ended.json_lines().pop().unwrap()
}

/// A value list of the test data as `decode` is to show it, and the bits of its values.
fn shown(list: &Value) -> (Value, Vec<(String, String)>) {
    let kinds = [("c", "counter"), ("g", "gauge"), ("d", "derive"), ("a", "absolute")];
    let values = list["v"].as_array().unwrap().iter().map(|value| {
        let kind = kinds.iter().find(|(letter, _)| value[0] == *letter).unwrap().1;
        (kind.to_owned(), value[2].as_str().unwrap().to_owned())
    });
    let identifier = json!({
        "host": list["h"], "plugin": list["p"], "plugin_instance": list["pi"], "type": list["t"],
        "type_instance": list["ti"],
    });
    (identifier, values.collect())
}

/// A line of output in the same form. Numbers are read from the text, digit by digit, as JSON's readers round.
fn read(line: &str) -> (Value, Vec<(String, String)>) {
    let object: Value = serde_json::from_str(line).unwrap();
    let numbers = line.split("\"values\":[").nth(1).unwrap().split(']').next().unwrap().split(',');
    let kinds = object["dstypes"].as_array().unwrap().iter().map(|kind| kind.as_str().unwrap());
    let values = kinds.zip(numbers).map(|(kind, number)| {
        let bits = match kind {
            _ if number == "null" => "not finite".to_owned(),
            "gauge" => format!("{:016x}", number.parse::<f64>().unwrap().to_bits()),
            "derive" => format!("{:016x}", number.parse::<i64>().unwrap()),
            _ => format!("{:016x}", number.parse::<u64>().unwrap()),
        };
        (kind.to_owned(), bits)
    });
    let values = values.collect();
    let identifier = ["host", "plugin", "plugin_instance", "type", "type_instance"];
    let identifier = identifier.map(|key| (key.to_owned(), object[key].clone()));
    (Value::Object(identifier.into_iter().collect()), values)
}

fn assert_shows_edges(ended: &Ended, security: &str) {
    let lines: Vec<_> = ended.stdout.lines().filter(|line| line.contains("\"value_list\"")).collect();
    let lists: Vec<_> = expected("edge-plain")
        .iter()
        .flat_map(|datagram| datagram["values"].as_array().unwrap().clone())
        .collect();
    assert_eq!(lines.len(), lists.len());
    for (line, list) in lines.iter().zip(&lists) {
        let (identifier, mut values) = shown(list);
        for (kind, bits) in &mut values {
            if kind == "gauge" && !f64::from_bits(u64::from_str_radix(bits, 16).unwrap()).is_finite() {
                "not finite".clone_into(bits);
            }
        }
        assert_eq!(read(line), (identifier, values), "{line}");
        let object: Value = serde_json::from_str(line).unwrap();
        assert_eq!(object["security"], security);
        let time = list["tm"].as_u64().unwrap() as f64 / f64::from(1 << 30);
        assert!((object["time"].as_f64().unwrap() - time).abs() < 1e-6, "{line}");
    }
}

#[test]
fn every_kind_of_capture_shows_exact_values() {
    let datagrams = stream("edge-plain");
    let of_ipv4 = |datagram: &[u8]| ipv4(datagram, 25826);
    let captures = [
        pcap(ETHERNET, &frames(&datagrams, |datagram| ethernet(&of_ipv4(datagram), 0))),
        pcap(ETHERNET, &frames(&datagrams, |datagram| ethernet(&of_ipv4(datagram), 2))),
        pcap(SLL, &frames(&datagrams, |datagram| cooked(&of_ipv4(datagram)))),
        pcap(SLL2, &frames(&datagrams, |datagram| cooked2(&of_ipv4(datagram)))),
        pcap(NULL, &frames(&datagrams, |datagram| null(&of_ipv4(datagram)))),
        pcap(RAW, &frames(&datagrams, of_ipv4)),
    ];
    for capture in captures {
        let ended = decode(&capture, &["--json"]);
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{}", ended.stdout);
        assert_shows_edges(&ended, "plain");
        assert!(events(&ended, "value_list").iter().all(|line| line["source"] == SOURCE));
    }
    let ipv6 =
        decode(&pcap(ETHERNET, &frames(&datagrams, |datagram| ethernet(&ipv6(datagram), 0))), &["--json"]);
    assert_shows_edges(&ipv6, "plain");
    assert_eq!(ipv6.json_lines()[0]["source"], "[2001:db8::7]:54297");
    // Each packet from another interface, of another kind.
    let mixed = datagrams.iter().zip([ETHERNET, SLL, RAW, NULL]).map(|(datagram, link)| {
        let packet = of_ipv4(datagram);
        (
            link,
            match link {
                ETHERNET => ethernet(&packet, 1),
                SLL => cooked(&packet),
                NULL => null(&packet),
                _ => packet,
            },
        )
    });
    assert_shows_edges(&decode(&pcapng(&mixed.collect::<Vec<_>>()), &["--json"]), "plain");
}

#[test]
fn who_has_the_passwords_sees_what_is_secured() {
    let auth = testdata("auth-file");
    let auth = auth.to_str().unwrap();
    let capture = |name: &str| pcap(RAW, &frames(&stream(name), |datagram| ipv4(datagram, 25826)));
    assert_shows_edges(&decode(&capture("edge-sign"), &["--json", "--auth-file", auth]), "signed");
    assert_shows_edges(&decode(&capture("edge-sign"), &["--json"]), "unverified");

    let ended = decode(&capture("notif-encrypt"), &["--json", "--auth-file", auth]);
    let all = expected("notif-plain");
    let notifications: Vec<_> =
        all.iter().filter_map(|datagram| datagram["notifs"].as_array()).flatten().collect();
    // The one without a host is refused.
    let notifications: Vec<_> =
        notifications.into_iter().filter(|notification| notification["h"] != "").collect();
    assert_eq!(events(&ended, "refused_notification")[0]["reason"], "no_host");
    let found = events(&ended, "notification");
    assert_eq!(found.len(), notifications.len());
    for (found, expected) in found.iter().zip(notifications) {
        assert_eq!((&found["security"], &found["host"]), (&json!("encrypted"), &expected["h"]));
        let severity = match found["severity"].as_str() {
            Some("FAILURE") => 1,
            Some("WARNING") => 2,
            _ => 4,
        };
        assert_eq!(Value::from(severity), expected["sev"]);
    }
    let ended = decode(&capture("notif-encrypt"), &["--json"]);
    assert_eq!((ended.status, summary(&ended)["malformed"].as_u64()), (Some(1), Some(57)));
    assert!(events(&ended, "malformed").iter().all(|line| line["reason"] == "encrypted"));
    let directory = Directory::new("decode");
    let others = directory.write("users", "bob: hunter2\n");
    let ended = decode(&capture("notif-encrypt"), &["--json", "--auth-file", others.to_str().unwrap()]);
    let refused = &events(&ended, "malformed")[0];
    assert_eq!((&refused["reason"], &refused["user"]), (&json!("unknown_user"), &json!("alice")));
}

#[test]
fn what_is_not_whole_is_said_and_counted() {
    let datagram = &stream("edge-plain")[0];
    let packet = ipv4(datagram, 25826);
    let mut first = packet[..60].to_vec();
    first[6] = 0x20;
    let mut second = packet.clone();
    second[7] = 0x20;
    let elsewhere = ipv4(datagram, 53);
    let garbage = ipv4(b"\x00\x07garbage", 25826);
    let tcp = [&packet[..9], &[6], &packet[10..]].concat();
    let capture = pcap(RAW, &[packet[..200].to_vec(), first, second, elsewhere, garbage, tcp]);
    let ended = decode(&capture, &["--json"]);
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(1), ""));
    let counts = summary(&ended);
    for (key, count) in
        [("packets", 6), ("datagrams", 2), ("truncated", 1), ("fragments", 2), ("malformed", 2)]
    {
        assert_eq!(counts[key], count, "{key} of {counts}");
    }
    assert_eq!(
        (&counts["skipped"]["other_port"], &counts["skipped"]["not_udp"]),
        (&json!(1), &json!(1)),
        "{counts}"
    );
    assert_eq!(events(&ended, "truncated")[0]["destination"], "192.0.2.1:25826");
    assert_eq!(events(&ended, "fragment")[0]["source"], "192.0.2.7");
    // The other port, or any.
    let lists = expected("edge-plain")[0]["values"].as_array().unwrap().len();
    assert_eq!(summary(&decode(&capture, &["--json", "--port", "53"]))["value_lists"], lists);
    assert_eq!(summary(&decode(&capture, &["--json", "--port", "0"]))["datagrams"], 3);

    let text = decode(&capture, &[]);
    assert!(
        text.stderr.contains("2 malformed; 2 fragments, not put together; 1 cut off by the capture"),
        "{text:?}"
    );
    let fragment = "2023-11-14T22:13:20.000Z 192.0.2.7 fragment of a datagram to 192.0.2.1";
    assert!(text.stdout.lines().any(|line| line == fragment), "{text:?}");

    // What a network card was to divide: neither IP nor UDP says how long it is.
    let mut undivided = ipv4(&[0; 9], 25826);
    undivided[2..4].fill(0);
    undivided[24..26].fill(0);
    undivided.resize(70_000, 0);
    let ended = decode(&pcap(RAW, &[undivided]), &["--json"]);
    assert_eq!((ended.status, &summary(&ended)["skipped"]["too_long"]), (Some(1), &json!(1)));

    let whole = pcap(RAW, &[packet]);
    let cut = decode(&whole[..whole.len() - 1], &["--json"]);
    assert_eq!((cut.status, &summary(&cut)["cut"]), (Some(1), &json!(true)));
}

/// What a capture on the sender's own machine has where it sends many datagrams as one message (`UDP_SEGMENT`).
#[test]
fn datagrams_that_share_a_frame_share_nothing_else() {
    let mut lists = [traffic::value_list("a", 1), traffic::value_list("b", 1)];
    for (list, plugin, instances) in [(0, "cpu", ["0", "idle"]), (1, "uptime", ["", ""])] {
        let identifier = &mut lists[list].identifier;
        identifier.plugin = plugin.into();
        identifier.type_name = plugin.into();
        [identifier.plugin_instance, identifier.type_instance] = instances.map(Into::into);
    }
    let [first, second] = lists.map(|list| traffic::datagram(&list));
    assert!(second.len() <= first.len());
    let joined = [first, second].concat();
    for packet in [ipv4(&joined, 25826), ipv4_to_complete(&joined, 25826)] {
        let ended = decode(&pcap(RAW, &[packet.clone(), packet]), &["--json"]);
        assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
        let lists = events(&ended, "value_list");
        let shown =
            lists.iter().map(|list| (&list["host"], &list["plugin_instance"], &list["type_instance"]));
        let [a, b] = [json!(["a", "0", "idle"]), json!(["b", "", ""])];
        let expected = [&a, &b, &a, &b].map(|names| (&names[0], &names[1], &names[2]));
        assert_eq!(shown.collect::<Vec<_>>(), expected);
        let counts = summary(&ended);
        assert_eq!([&counts["packets"], &counts["joined"], &counts["datagrams"]], [2, 2, 4], "{counts}");
        assert_eq!(
            summary(&decode(&pcap(RAW, &[ipv4(&joined, 25826)]), &["--json", "--count", "1"]))["datagrams"],
            1
        );
    }
    // Not what says all by itself in one datagram: a sender that packs saves what is in force.
    let whole = &stream("edge-plain")[0];
    assert_eq!(summary(&decode(&pcap(RAW, &[ipv4_to_complete(whole, 25826)]), &["--json"]))["joined"], 0);
}

#[test]
fn names_may_be_as_long_as_is_said() {
    let host = "h".repeat(1023);
    let capture = pcap(RAW, &[ipv4(&traffic::datagram(&traffic::value_list(&host, 1)), 25826)]);
    let refused = decode(&capture, &["--json"]);
    assert_eq!((refused.status, summary(&refused)["malformed"].clone()), (Some(1), json!(1)));
    assert_eq!(events(&refused, "malformed")[0]["reason"], "string_too_long");
    let taken = decode(&capture, &["--json", "--max-name-length", "1023"]);
    assert_eq!(taken.status, Some(0), "{taken:?}");
    assert_eq!(events(&taken, "value_list")[0]["host"], host);
    for beyond in ["126", "1024"] {
        let ended = decode(&capture, &["--max-name-length", beyond]);
        assert!(ended.status == Some(2) && ended.stderr.contains("127..=1023"), "{ended:?}");
    }
}

#[test]
fn the_most_frequent_are_counted() {
    let names = ["web1", "web2", "web1", "web3", "web1", "web2"];
    let lists: Vec<_> = (0..).zip(names).map(|(place, host)| traffic::value_list(host, place)).collect();
    let datagrams = traffic::datagrams(1452, &lists);
    let capture = pcap(RAW, &frames(&datagrams, |datagram| ipv4(datagram, 25826)));
    let ended = decode(&capture, &["--json", "--top", "2"]);
    let top = &ended.json_lines()[0];
    let ranked = |by: &str| -> Vec<_> {
        let rows = top[by]["top"].as_array().unwrap().iter();
        rows.map(|row| (row["name"].as_str().unwrap(), row["value_lists"].as_u64().unwrap())).collect()
    };
    assert_eq!((&top["host"]["names"], ranked("host")), (&json!(3), vec![("web1", 3), ("web2", 2)]));
    // Of all hosts together.
    assert_eq!((&top["metric"]["names"], ranked("metric")), (&json!(1), vec![("plugin/derive/sequence", 6)]));
    let bytes: u64 = datagrams.iter().map(|datagram| datagram.len() as u64).sum();
    assert_eq!((&top["metric"]["top"][0]["bytes"], &top["seconds"]), (&json!(bytes), &Value::Null));
    let text = decode(&capture, &["--top", "1"]).stdout;
    assert!(text.contains("          6 100.00 %          -"), "{text}");

    // Two seconds apart, by everything.
    let mut later = pcap(RAW, &frames(&datagrams, |datagram| ipv4(datagram, 25826)));
    later[24..28].copy_from_slice(&1_700_000_002_u32.to_le_bytes());
    let twice = [&capture, &later[24..]].concat();
    let ended = decode(&twice, &["--json", "--top", "9", "--by", "plugin,type", "--by", "sender"]);
    let top = &ended.json_lines()[0];
    assert_eq!((&top["seconds"], &top["host"]), (&json!(2.0), &Value::Null));
    for (by, name) in [("plugin", "plugin"), ("type", "derive"), ("sender", "192.0.2.7")] {
        let row = json!({ "name": name, "value_lists": 12, "rate": 6.0, "bytes": 2 * bytes });
        assert_eq!(top[by]["top"], json!([row]), "{top}");
    }
}

#[test]
fn people_see_names_of_data_sources_and_no_control_characters() {
    let mut list = traffic::value_list("web1\u{1b}[2J\nfake", 1);
    list.identifier.type_name = b"if_octets".to_vec();
    let datagram = traffic::datagrams(1452, [&list]).pop().unwrap();
    let directory = Directory::new("decode");
    let types = directory.write("types.db", "if_octets total:DERIVE:0:U\n");
    let file = directory.path().join("packet");
    std::fs::write(&file, &datagram).unwrap();
    let file = file.to_str().unwrap();
    let ended = cococtl(["decode", "--raw", file, "--types-db", types.to_str().unwrap()], b"");
    assert_eq!(ended.status, Some(0), "{ended:?}");
    let line = "2023-11-14T22:13:21.000Z web1\\u{1b}[2J\\nfake/plugin/if_octets/sequence every 10 s total derive=1\n";
    assert_eq!(ended.stdout, line);
    let ended = cococtl(["decode", file], b"");
    let told = format!("cococtl: {file}: neither pcap nor pcapng");
    assert!(ended.status == Some(2) && ended.stderr.starts_with(&told), "{ended:?}");
}

#[test]
fn what_arrives_is_shown_until_it_is_enough_or_ctrl_c() {
    for arguments in [&["--count", "3"][..], &[]] {
        let directory = Directory::new("decode");
        let mut command = program();
        command.args(["decode", "--json", "--listen", "127.0.0.1:0"]).args(arguments);
        let mut decode = Process::start("decode", directory.path(), &mut command);
        let address = decode.wait_for("its address", |process| {
            process.stderr().lines().find_map(|line| line.strip_prefix("listening at ")?.parse().ok())
        });
        let sender = traffic::sender(address);
        for place in 0..3 {
            let list = traffic::value_list("web1", place);
            sender.send(&traffic::datagrams(1452, [&list])[0]).unwrap();
        }
        if arguments.is_empty() {
            // Lines come while it runs.
            decode.wait_for("three lines", |process| (process.stdout().lines().count() == 3).then_some(()));
            decode.signal(Signal::SIGINT);
        }
        assert_eq!(decode.ended(PATIENCE).code(), Some(0), "{}", decode.stderr());
        let text = decode.stdout();
        let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!((&last["value_lists"], &last["kernel_drops"]), (&json!(3), &json!(0)));
    }
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let ended = cococtl(["decode", "--listen", &taken.local_addr().unwrap().to_string()], b"");
    assert!(ended.status == Some(2) && ended.stderr.contains("Address already in use"), "{ended:?}");
}

/// Datagrams are received faster than they are shown; those that wait at the end are shown, too.
#[test]
fn what_has_arrived_before_ctrl_c_is_shown_or_counted() {
    const DATAGRAMS: u64 = 500;
    let lists: Vec<_> = (0..60).map(|place| traffic::value_list("web1", place)).collect();
    let datagrams = traffic::datagrams(1452, &lists);
    let directory = Directory::new("decode");
    let mut command = program();
    command.args(["decode", "--json", "--listen", "127.0.0.1:0"]);
    let mut decode = Process::start("decode", directory.path(), &mut command);
    let address = decode.wait_for("its address", |process| {
        process.stderr().lines().find_map(|line| line.strip_prefix("listening at ")?.parse().ok())
    });
    let sender = traffic::sender(address);
    for _ in 0..DATAGRAMS {
        sender.send(&datagrams[0]).unwrap();
    }
    decode.wait_for("all to be received", |_| (unread(address) == 0).then_some(()));
    decode.signal(Signal::SIGINT);
    decode.ended(PATIENCE);
    let text = decode.stdout();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let [shown, dropped] = ["datagrams", "kernel_drops"].map(|key| last[key].as_u64().unwrap());
    assert_eq!(shown + dropped, DATAGRAMS, "{last}");
}

/// Bytes that wait in a socket on loopback (proc(5)).
fn unread(address: SocketAddr) -> u64 {
    let table = std::fs::read_to_string("/proc/net/udp").unwrap();
    let local = format!("0100007F:{:04X}", address.port());
    let mut rows = table.lines().map(|row| row.split_ascii_whitespace().collect::<Vec<_>>());
    let row = rows.find(|row| row[1] == local).unwrap();
    u64::from_str_radix(row[4].split_once(':').unwrap().1, 16).unwrap()
}
