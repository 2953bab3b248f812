//! A process that has no descriptor left.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

use coco_daemon::http::{Limits, Router};

use crate::client::{Client, Server};

const CHILD: &str = "COCO_TEST_SERVES_WITH_FEW_DESCRIPTORS";
const NAME: &str = "descriptors::idle_clients_lend_their_descriptors";

/// Runs itself once more under a limit of 40 descriptors, as the server of 200 clients.
#[test]
fn idle_clients_lend_their_descriptors() {
    if std::env::var_os(CHILD).is_some() {
        let server = Server::start(Router::new("coco", "1.2.3", Arc::new(())), Limits::default());
        let mut out = std::io::stdout();
        writeln!(out, "\nlistens on {}", server.address).unwrap();
        out.flush().unwrap();
        std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
        server.join();
        return;
    }
    let mut child = Command::new("sh")
        .args(["-c", &format!("ulimit -n 40; exec \"$0\" --exact {NAME} --nocapture")])
        .arg(std::env::current_exe().unwrap())
        .env(CHILD, "")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.find(|line| line.starts_with("listens on ")).unwrap();
    let address = line["listens on ".len()..].parse().unwrap();
    let idle: Vec<_> = (0..200).map(|_| Client::connect(address)).collect();
    assert_eq!(Client::connect(address).ask("GET", "/").status, 200);
    drop(idle);
    drop(child.stdin.take());
    assert!(lines.any(|line| line.contains("1 passed")));
    assert!(child.wait().unwrap().success());
}
