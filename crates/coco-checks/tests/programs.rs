//! Both programs against an HTTP server that says what a Noodle or a Visage may say: lines and exit statuses.

#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};

use coco_harness::nobody::Nobody;

const SEND: &str = env!("CARGO_BIN_EXE_anomalous_coco_send");
const ERRORS: &str = env!("CARGO_BIN_EXE_anomalous_coco_errors");
const NAME: &str = "operations-send-10.1.1.111:25826";

/// How a program ended.
struct Ended {
    status: Option<i32>,
    stdout: String,
}

impl Ended {
    /// The first line.
    fn line(&self) -> &str {
        self.stdout.lines().next().unwrap_or_default()
    }

    #[track_caller]
    fn is(&self, status: i32, line: &str) {
        assert_eq!((self.status, self.line()), (Some(status), line), "{}", self.stdout);
    }
}

fn run(program: &str, arguments: &[&str]) -> Ended {
    let output = Command::new(program).args(arguments).output().expect("it was built");
    assert!(
        output.stderr.is_empty(),
        "Nagios does not read that: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ended { status: output.status.code(), stdout: String::from_utf8(output.stdout).unwrap() }
}

/// A server that gives this answer to one request, and what it was asked for.
fn server(answer: impl Into<Vec<u8>>) -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = channel();
    let answer = answer.into();
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(client.try_clone().unwrap()).lines().map_while(Result::ok);
        // Not every test wants to know.
        let _ = sender.send(lines.next().unwrap_or_default());
        while lines.next().is_some_and(|line| !line.is_empty()) {}
        // It may have enough before the end.
        let _ = client.write_all(&answer);
    });
    (address, receiver)
}

fn http(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// What Noodle says of these series of `coco1`.
fn noodle(series: &[(&str, &[Option<f64>])]) -> String {
    let series = series.iter().map(|(name, points)| {
        let points = points.iter().map(|point| point.map_or("null".to_owned(), |point| format!("{point:e}")));
        let data = points.collect::<Vec<_>>().join(",");
        format!(r#""{name}":{{"value":{{"start":1,"finish":2,"data":[{data}]}}}}"#)
    });
    let series = series.collect::<Vec<_>>().join(",");
    http("200 OK", &format!(r#"{{"coco1":{{"curl_json-coco":{{{series}}}}},"_meta":{{"host":"coco1"}}}}"#))
}

/// A rate with some jitter.
fn around(rate: f64) -> Vec<Option<f64>> {
    (0..15).map(|i| Some(rate + f64::from(i * 7 % 15 - 7) * rate / 1000.0)).collect()
}

/// Runs a check of `coco1` against a server with this answer.
fn check(program: &str, answer: impl Into<Vec<u8>>, more: &[&str]) -> Ended {
    let (address, _) = server(answer);
    let endpoint = address.to_string();
    let target: &[&str] = if program == SEND { &["--target", "10.1.1.111"] } else { &[] };
    let ended = run(program, &[&["--host", "coco1", "--endpoint", &endpoint], target, more].concat());
    Ended { stdout: ended.stdout.replace(&endpoint, "ENDPOINT"), ..ended }
}

fn send(before: f64, after: f64, more: &[&str]) -> Ended {
    check(SEND, noodle(&[(NAME, &[around(before), around(after)].concat())]), more)
}

#[test]
fn a_steady_rate_is_ok() {
    send(1000.0, 1000.0, &[]).is(
        0,
        "COCO SEND OK - 10.1.1.111:25826 of coco1: 1000/s, before 1000/s (+0.0 %), D 0.00, p 1.0000 | \
         deviation=0.0000;;0.5;0;1 p_value=1.000000;;0.01:;0;1 change=0.00%;;-5:5 before=1000.000000;;;0 \
         after=1000.000000;;;0",
    );
}

#[test]
fn a_rate_that_drifts_a_little_is_ok_although_its_halves_differ() {
    send(1000.0, 1020.0, &[]).is(
        0,
        "COCO SEND OK - 10.1.1.111:25826 of coco1: 1020/s, before 1000/s (+2.0 %), D 1.00, p < 0.0001 | \
         deviation=1.0000;;0.5;0;1 p_value=0.000000;;0.01:;0;1 change=2.00%;;-5:5 before=1000.000000;;;0 \
         after=1020.000000;;;0",
    );
    assert_eq!(send(1000.0, 1020.0, &["--minimum-change", "1.5%"]).status, Some(2));
}

#[test]
fn a_rate_that_is_halved_is_critical() {
    send(1000.0, 500.0, &[]).is(
        2,
        "COCO SEND CRITICAL - 10.1.1.111:25826 of coco1: 500.0/s, before 1000/s (-50.0 %), D 1.00, p < 0.0001 | \
         deviation=1.0000;;0.5;0;1 p_value=0.000000;;0.01:;0;1 change=-50.00%;;-5:5 before=1000.000000;;;0 \
         after=500.000000;;;0",
    );
}

#[test]
fn limits_are_the_operators() {
    for limits in [
        &["--maximum-deviation", "1"][..],
        &["--significance", "0"],
        &["--minimum-change", "50"],
        &["--minimum-change=60%"],
    ] {
        assert_eq!(send(1000.0, 500.0, limits).status, Some(0), "{limits:?}");
    }
    let ended =
        send(1000.0, 500.0, &["--maximum-deviation", "0.25", "--significance", "1", "--minimum-change", "0"]);
    assert!(
        ended.line().contains("deviation=1.0000;;0.25;0;1 p_value=0.000000;;1:;0;1 change=-50.00%;;-0:0 ")
    );
}

#[test]
fn errors_that_begin_are_critical() {
    let points = [vec![Some(0.0); 15], vec![Some(0.25); 15]].concat();
    let answer = noodle(&[
        ("operations-errors-send-write", &points),
        ("operations-errors-filter.unhandled", &[Some(0.0); 30]),
    ]);
    check(ERRORS, answer.clone(), &[]).is(
        2,
        "COCO ERRORS CRITICAL - all errors of coco1: 0.2500/s, before 0/s (it was 0), D 1.00, p < 0.0001 | \
         deviation=1.0000;;0.5;0;1 p_value=0.000000;;0.01:;0;1 change=U;;-5:5 before=0.000000;;;0 after=0.250000;;;0",
    );
    let ended = check(ERRORS, answer.clone(), &["--error", "filter.unhandled"]);
    assert!(
        ended.line().starts_with("COCO ERRORS OK - filter.unhandled of coco1: 0/s, before 0/s (+0.0 %),")
    );
    assert_eq!((ended.status, check(ERRORS, answer, &["--error", "send-write"]).status), (Some(0), Some(2)));
}

#[test]
fn it_asks_for_the_window_until_now() {
    let now = || std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let asked = |program, more: &[&str]| {
        let (address, asked) = server(http("200 OK", "{}"));
        let (least, endpoint) = (now(), format!("http://{address}/"));
        let _ = run(program, &[&["-H", "coco1", "--endpoint", &endpoint], more].concat());
        let line = asked.recv().unwrap();
        let (path, query) = line.split_once('?').unwrap();
        let (start, finish) = query.strip_prefix("start=").unwrap().split_once("&finish=").unwrap();
        let [start, finish] =
            [start, finish.trim_end_matches(" HTTP/1.1")].map(|time| time.parse::<u64>().unwrap());
        assert!((least..=now()).contains(&finish), "{line}");
        (path.to_owned(), finish - start)
    };
    let path = "GET /data/coco1/curl_json-coco/operations-";
    for (arguments, name) in [
        (&["--target", "10.1.1.111"][..], "10.1.1.111:25826"),
        (&["--target", "Storage1.example.org", "--port", "1234"], "Storage1.example.org:1234"),
        (&["--target", "Storage1.example.org:25826"], "Storage1.example.org:25826"),
        (&["--target", "[0::1]:25826"], "%3F0::1%3F:25826"),
        (&["--target", "[0::1]"], "%3F0::1%3F:25826"),
        (&["--target", "0::1"], "%3F0::1%3F:25826"),
        (&["--target", "storage1:1", "--port", "2"], "storage1:1"),
        (&["--target", "total"], "total"),
    ] {
        assert_eq!(asked(SEND, arguments), (format!("{path}send-{name}"), 600), "{arguments:?}");
    }
    assert_eq!(asked(ERRORS, &["--window", "1m30s"]), (format!("{path}errors-*"), 90));
    assert_eq!(
        asked(ERRORS, &["--window", "90", "--error", "send-dial"]),
        (format!("{path}errors-send-dial"), 90)
    );
    let other = ["--target", "a", "--plugin-instance", "coco9"];
    assert_eq!(asked(SEND, &other).0, "GET /data/coco1/curl_json-coco9/operations-send-a:25826");
}

#[test]
fn too_few_points_are_unknown_with_the_window_that_has_enough() {
    let answer = |points: &[Option<f64>]| noodle(&[(NAME, points)]);
    let some = [vec![Some(1.0); 12], vec![None; 18]].concat();
    check(SEND, answer(&some), &["--window", "2m"])
        .is(3, "COCO SEND UNKNOWN - 12 points are too few, at least 20 are needed: try --window 3m30s");
    check(SEND, answer(&[None; 60]), &[])
        .is(3, "COCO SEND UNKNOWN - 0 points are too few, at least 20 are needed");
    check(SEND, answer(&[]), &[]).is(3, "COCO SEND UNKNOWN - 0 points are too few, at least 20 are needed");
    assert_eq!(check(SEND, answer(&[Some(1.0); 20]), &[]).status, Some(0));
}

#[test]
fn no_answer_is_unknown_and_says_why() {
    let nobody = Nobody::tcp();
    let endpoint = nobody.address.to_string();
    let arguments = ["--host", "coco1", "--target", "a", "--endpoint", &endpoint];
    run(SEND, &arguments)
        .is(3, &format!("COCO SEND UNKNOWN - cannot ask {endpoint}: Connection refused (os error 111)"));

    // It accepts, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    run(ERRORS, &["--host", "coco1", "--endpoint", &address, "--timeout", "50ms"])
        .is(3, &format!("COCO ERRORS UNKNOWN - {address} did not answer within 50ms"));

    let absent = "COCO SEND UNKNOWN - ENDPOINT has no /data/coco1/curl_json-coco/operations-send-10.1.1.111:25826: \
                  does collectd on that host read Coco's counters, and under this name?";
    let broken = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{";
    let huge = "HTTP/1.1 200 OK\r\n\r\n[".to_owned() + &" ".repeat(16 << 20);
    let other_source =
        r#"{"coco1":{"curl_json-coco":{"operations-send-10.1.1.111:25826":{"rx":{"data":[1]}}}}}"#;
    for (answer, line) in [
        (http("200 OK", "{}"), absent),
        (http("200 OK", r#"{"coco1":{"curl_json-coco":{}}}"#), absent),
        (noodle(&[("operations-send-10.1.1.111:2582", &[Some(1.0); 60])]), absent),
        (
            http("502 Bad Gateway", r#"{"error":"no target answered"}"#),
            "COCO SEND UNKNOWN - ENDPOINT answers 502 Bad Gateway: no target answered",
        ),
        (
            http("200 OK", r#"{"error":"the host | is unknown"}"#),
            "COCO SEND UNKNOWN - ENDPOINT answers 200 OK: the host / is unknown",
        ),
        (
            http("500 Internal Server Error", "<h1>Internal Server Error</h1>"),
            "COCO SEND UNKNOWN - ENDPOINT answers 500 Internal Server Error",
        ),
        (
            http("200 OK", "<h1>It works!</h1>"),
            "COCO SEND UNKNOWN - ENDPOINT does not answer as Visage: expected value at line 1 column 1",
        ),
        (
            http("200 OK", other_source),
            "COCO SEND UNKNOWN - ENDPOINT does not answer as Visage: no numbers in the data source `value` of \
             /data/coco1/curl_json-coco/operations-send-10.1.1.111:25826",
        ),
        (huge, "COCO SEND UNKNOWN - ENDPOINT does not answer as Visage: the answer is larger than 16 MiB"),
    ] {
        check(SEND, answer, &[]).is(3, line);
    }
    for answer in [broken, "", "SSH-2.0-OpenSSH_9.2\r\n"] {
        let ended = check(SEND, answer, &[]);
        assert!(ended.line().starts_with("COCO SEND UNKNOWN - cannot ask ENDPOINT: "), "{}", ended.stdout);
        assert_eq!(ended.status, Some(3));
    }
}

#[test]
fn wrong_usage_is_unknown() {
    for (arguments, line) in [
        (
            &[][..],
            "COCO SEND UNKNOWN - the following required arguments were not provided: --target <TARGET> --host <HOST>",
        ),
        (&["--surprise"], "COCO SEND UNKNOWN - unexpected argument '--surprise' found"),
        (
            &["--host", "a", "--target", "b", "--maximum-deviation", "10.0"],
            "COCO SEND UNKNOWN - invalid value '10.0' for '--maximum-deviation <D>': this limit is from 0 to 1, the \
             statistic D of the Kolmogorov-Smirnov test; the checks of Coco 1 took a number like 10, which was no such \
             statistic. Leave it out to have 0.5",
        ),
        (
            &["--host", "a", "--target", "b:c"],
            "COCO SEND UNKNOWN - --target b:c: \"c\" is not a port: expected a number from 0 to 65535",
        ),
        (
            &["--host", "../a", "--target", "b"],
            "COCO SEND UNKNOWN - invalid value '../a' for '--host <HOST>': not a name",
        ),
        (
            &["--host", "a", "--target", "b", "--window", "1d"],
            "COCO SEND UNKNOWN - invalid value '1d' for '--window <DURATION>': unknown unit `d`: ns, us, ms, s, m or h",
        ),
        (
            &["--host", "a", "--target", "b", "--timeout", "0"],
            "COCO SEND UNKNOWN - invalid value '0' for '--timeout <DURATION>': it is no time at all",
        ),
        (
            &["--host", "a", "--target", "b", "--significance", "1.5"],
            "COCO SEND UNKNOWN - invalid value '1.5' for '--significance <P>': above 1",
        ),
        (
            &["--host", "a", "--target", "b", "--minimum-change=-1"],
            "COCO SEND UNKNOWN - invalid value '-1' for '--minimum-change <PERCENT>': below 0, or endless",
        ),
        (
            &["--host", "a", "--target", "b", "--endpoint", "localhost"],
            "COCO SEND UNKNOWN - invalid value 'localhost' for '--endpoint <ENDPOINT>': \"localhost\" has no port: \
             expected HOST:PORT, such as \"10.1.1.111:25826\"",
        ),
    ] {
        run(SEND, arguments).is(3, line);
    }
    run(ERRORS, &[])
        .is(3, "COCO ERRORS UNKNOWN - the following required arguments were not provided: --host <HOST>");
}

/// The guidelines count an answer about the plugin itself as UNKNOWN.
#[test]
fn help_and_version_are_unknown() {
    for (program, name) in [(SEND, "anomalous_coco_send"), (ERRORS, "anomalous_coco_errors")] {
        let version = run(program, &["--version"]);
        version.is(3, &format!("{name} {}", env!("CARGO_PKG_VERSION")));
        for flag in ["--help", "-h"] {
            let help = run(program, &[flag]);
            assert_eq!(help.status, Some(3));
            for word in
                ["Usage: ", name, "--maximum-deviation", "[default: 0.5]", "--significance", "--timeout"]
            {
                assert!(help.stdout.contains(word), "no {word} in {}", help.stdout);
            }
        }
    }
}

#[test]
fn debug_says_where_the_figures_come_from_and_draws_on_a_terminal_only() {
    let answer = noodle(&[(NAME, &[around(1000.0), vec![None], around(500.0)].concat())]);
    let ended = check(SEND, answer.clone(), &["--debug"]);
    let details = ended.stdout.split_once('\n').unwrap().1;
    assert_eq!(
        details,
        "/data/coco1/curl_json-coco/operations-send-10.1.1.111:25826: 30 of 31 points are known\n  \
         operations-send-10.1.1.111:25826\n\
         first half: 15 points from 993.0/s to 1007/s\n\
         second half: 15 points from 496.5/s to 503.5/s\n"
    );
    assert_eq!(check(SEND, answer.clone(), &[]).stdout.lines().count(), 1);

    // util-linux's script has a terminal for it.
    let (address, _) = server(answer);
    let command = format!("{SEND} --host coco1 --target 10.1.1.111 --endpoint {address} --debug");
    let output =
        Command::new("script").args(["--quiet", "--return", "--command", &command, "/dev/null"]).output();
    let output = output.expect("util-linux is installed");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(
        text.contains("second half") && text.contains(|c| ('\u{2801}'..='\u{28ff}').contains(&c)),
        "{text}"
    );
}
