//! What a real browser lets pages have: Debian's chromium, whose names all lead to this machine.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::node::{Node, response, write};
use crate::noodle::{Noodle, tiers};

/// The host that Noodle is at.
const NOODLE: &str = "noodle.example.org";

/// Pages at `/scripts` and `/fetches`, which say what they had of the Noodle whose URL stands behind the `#`.
fn pages() -> Node {
    Node::start(|asked, stream| {
        let script = if asked.path == "/scripts" { SCRIPTS } else { FETCHES };
        let html = format!("<!DOCTYPE html><meta charset=\"utf-8\"><body><script>{SAID}{script}</script>");
        write(stream, &response(200, "Content-Type: text/html\r\n", html.as_bytes()));
        true
    })
}

const SAID: &str = r#"
const root = location.hash.substring(1);
function said(what) {
  const line = document.createElement("p");
  line.textContent = typeof what === "string" ? what : JSON.stringify(what);
  document.body.append(line);
}
"#;

/// The page when all of its scripts have run.
fn dump(url: &str) -> String {
    let profile = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!(
        "chromium-{}-{}",
        std::process::id(),
        url.replace(|c: char| !c.is_ascii_alphanumeric(), "-")
    ));
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--no-proxy-server"])
        .arg(
            "--host-resolver-rules=MAP *.example.org 127.0.0.1, MAP *.example.net 127.0.0.1, MAP * ~NOTFOUND",
        )
        .arg(format!("--user-data-dir={}", profile.display()))
        .args(["--virtual-time-budget=60000", "--dump-dom", url])
        .stderr(Stdio::null())
        .output()
        .unwrap_or_else(|problem| panic!("Debian's package chromium is needed: {problem}"));
    let _ = std::fs::remove_dir_all(profile);
    assert!(output.status.success(), "{}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

/// The lines that the page said, sorted: scripts and answers come as they come.
fn said(html: &str) -> Vec<String> {
    let lines = html.split("<p>").skip(1).map(|rest| rest.split("</p>").next().unwrap().to_owned());
    let mut lines: Vec<_> = lines.collect();
    lines.sort_unstable();
    lines
}

/// Loads two scripts: one with an answer, one with a refusal.
const SCRIPTS: &str = r#"
for (const path of ["/data/web1/load?callback=said", "/data/web1/load?callback=said&start=9&finish=1"]) {
  const script = document.createElement("script");
  script.src = root + path;
  script.onerror = () => said("kept out");
  document.body.append(script);
}
"#;

/// Asks for an answer twice: as any page may, and in a way that has the browser ask first.
const FETCHES: &str = r#"
for (const headers of [{}, { "X-Requested-With": "XMLHttpRequest" }]) {
  fetch(root + "/data/web1/load", { headers })
    .then(answer => answer.json().then(object => said([object, answer.headers.get("X-Noodle-Tier")])))
    .catch(() => said("kept out"));
}
"#;

/// What pages of a host say.
fn visit(host: &str, pages: &Node, noodle: &Noodle) -> [Vec<String>; 2] {
    let root = format!("http://{NOODLE}:{}", noodle.address.port());
    ["scripts", "fetches"]
        .map(|path| said(&dump(&format!("http://{host}:{}/{path}#{root}", pages.address.port()))))
}

#[test]
fn a_browser_gives_answers_to_pages_of_the_same_host_and_those_that_are_listed() {
    let node = Node::answering(|_| (200, "{\"web1\":\"a\u{2028}b\"}".to_owned()));
    let pages = pages();
    let listed = format!("allow_origin = [\"http://listed.example.org:{}\"]", pages.address.port());
    let noodle = Noodle::start(&tiers(&[("short", &[node.address])]), &format!("metadata = false\n{listed}"));

    let refusal = "the start (9) is after the finish (1)";
    let called = [format!(r#"{{"error":"{refusal}","status":400}}"#), "{\"web1\":\"a\u{2028}b\"}".to_owned()];
    let read = ["[{\"web1\":\"a\u{2028}b\"},\"short\"]"; 2];
    let nothing = ["kept out"; 2];
    // The page is at another port of the host, which is another origin.
    let [scripts, fetches] = visit(NOODLE, &pages, &noodle);
    assert_eq!((scripts, fetches), (called.to_vec(), nothing.map(str::to_owned).to_vec()));
    let [scripts, fetches] = visit("evil.example.net", &pages, &noodle);
    assert_eq!(
        (scripts, fetches),
        (nothing.map(str::to_owned).to_vec(), nothing.map(str::to_owned).to_vec())
    );
    let [scripts, fetches] = visit("listed.example.org", &pages, &noodle);
    assert_eq!((scripts, fetches), (called.to_vec(), read.map(str::to_owned).to_vec()));
}
