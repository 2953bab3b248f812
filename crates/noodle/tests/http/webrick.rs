//! A real WEBrick, which Visage runs on, takes whatever a client of Noodle writes.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::noodle::{Answer, Noodle, tiers};

/// Answers 200 with one member: the host as it is in the path, and of it the bytes of the path and of the query.
const SERVER: &str = r#"
require "webrick"
require "json"
server = WEBrick::HTTPServer.new(BindAddress: "127.0.0.1", Port: 0, AccessLog: [], Logger: WEBrick::Log.new(File::NULL))
server.mount_proc("/data") do |request, response|
  path = request.path.dup.force_encoding("UTF-8")
  bytes = { path: path.unpack("C*"), query: request.query_string.to_s.unpack("C*") }
  response.content_type = "application/json"
  response.body = JSON.generate(path.split("/")[2].scrub => bytes)
end
puts server.listeners.first.addr[1]
STDOUT.flush
server.start
"#;

struct Webrick {
    child: Child,
    address: SocketAddr,
}

impl Webrick {
    fn start() -> Self {
        let mut child =
            Command::new("ruby").args(["-e", SERVER]).stdout(Stdio::piped()).spawn().unwrap_or_else(
                |problem| panic!("Debian's packages ruby and ruby-webrick are needed: {problem}"),
            );
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let port: u16 = port.trim().parse().expect("Debian's package ruby-webrick is needed");
        Self { child, address: ([127, 0, 0, 1], port).into() }
    }
}

impl Drop for Webrick {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// That it was taken, and what WEBrick saw of path and query once decoded.
#[track_caller]
fn assert_seen(answer: &Answer, host: &str, path: &str, query: &str) {
    assert_eq!(answer.status, 200, "{path:?}?{query:?}: {}", answer.text());
    let json = answer.json();
    let bytes = |what| serde_json::from_value::<Vec<u8>>(json[host][what].clone()).unwrap();
    assert_eq!(String::from_utf8_lossy(&bytes("path")), path);
    let seen: Vec<u8> = percent_encoding::percent_decode(&bytes("query")).collect();
    assert_eq!(String::from_utf8_lossy(&seen), query);
}

/// What people type. In a query hyper's server takes no quotation mark.
const TYPED: [&str; 22] = [
    "{x,y}",
    "\u{e9}",
    "\u{1f4c8}",
    "|",
    "^",
    "\"",
    "%",
    "%%",
    "%4",
    "%zz",
    "50%25%",
    "'",
    "!$&",
    "()",
    "*",
    "+",
    ":@",
    ";=",
    "~",
    "[01]",
    "]",
    "a}b{c",
];

#[test]
fn every_request_that_a_client_may_write_is_one_that_webrick_takes() {
    let webrick = Webrick::start();
    let noodle = Noodle::start(&tiers(&[("t", &[webrick.address])]), "metadata = false");
    for typed in TYPED {
        // As both read it: `%25` is a percent sign.
        let meant = typed.replace("%25", "%");
        let seen = |path: &str| noodle.get(path);
        let query = if typed == "\"" { "%22" } else { typed };
        assert_seen(
            &seen(&format!("/data/web1/{typed}/i?{query}")),
            "web1",
            &format!("/data/web1/{meant}/i"),
            &meant,
        );
        assert_seen(
            &seen(&format!("/data/web1/p/{typed}/{typed}")),
            "web1",
            &format!("/data/web1/p/{meant}/{meant}"),
            "",
        );
        assert_seen(
            &seen(&format!("/data/web1/p?a={query}&live=5")),
            "web1",
            "/data/web1/p",
            &format!("a={meant}&live=5"),
        );
        if !typed.contains(['{', '*', '[', ',']) {
            let host = format!("w{meant}");
            assert_seen(&seen(&format!("/data/w{typed}/p")), &host, &format!("/data/{host}/p"), "");
            // As a list and in braces, where it is put together anew.
            assert_seen(
                &seen(&format!("/data/{{w{typed}}}/{typed}?x={query}")),
                &host,
                &format!("/data/{host}/{meant}"),
                &format!("x={meant}"),
            );
        }
    }
    let both = noodle.get("/data/web\"1,web\u{e9}/{load}?|").json();
    assert_eq!(both.as_object().unwrap().len(), 2, "{both}");
    let pattern = noodle.get("/data/web|*/{load}?|");
    assert_seen(&pattern, "web|*", "/data/web|*/{load}", "|");
    assert_eq!(noodle.errors(), [].into());
    let state = &noodle.get("/tiers").json()[0]["connections"]["t0:1"]["state"];
    assert_eq!(*state, json!("up"));
}
