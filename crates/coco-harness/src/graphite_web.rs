//! Debian's graphite-web with Noodle as its only cluster server.

use std::net::SocketAddr;
use std::process::Command;

use serde_json::Value;

use crate::directory::Directory;

/// Asks in the process of Python, so that no other server is needed.
const SCRIPT: &str = include_str!("graphite_web.py");

/// The answers to these paths: `status`, `type`, `length`, and `json` where it is JSON, else `begin`, its first bytes in
/// hexadecimal digits.
///
/// # Panics
/// When graphite-web is not there, or fails.
#[must_use]
pub fn ask(server: SocketAddr, paths: &[String]) -> Vec<Value> {
    let directory = Directory::new("graphite-web");
    let script = directory.write("graphite_web.py", SCRIPT);
    // Another python3 of the path does not have what Debian installs.
    let output = Command::new("/usr/bin/python3")
        .arg(script)
        .arg(server.to_string())
        .args(paths)
        .env("TEST_DIRECTORY", directory.path())
        .output()
        .expect("python3 is installed");
    let text = String::from_utf8_lossy(&output.stdout);
    let answers: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(answers.len(), paths.len(), "graphite-web: {text}\n{error}");
    answers
}
