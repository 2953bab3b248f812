//! Debian's chromium, without a window: a page as it is when its scripts have run, and what they complained of.

use std::path::Path;
use std::process::Command;

use crate::directory::Directory;

/// A page as a browser has it.
pub struct Page {
    /// Its elements, as HTML.
    pub html: String,
    /// What went to the console: errors of scripts, and what the page's policy refused.
    pub console: Vec<String>,
}

/// Loads a page, and lets `seconds` pass for its scripts, which need not take as long.
pub fn load(url: &str, seconds: u32, options: &[&str]) -> Page {
    let budget = format!("--virtual-time-budget={}", seconds * 1000);
    let (stdout, stderr) =
        run(&[&["--dump-dom", "--enable-logging=stderr", &budget], options, &[url]].concat());
    let console = stderr.lines().filter(|line| line.contains(":CONSOLE")).map(str::to_owned).collect();
    Page { html: stdout, console }
}

/// What a page looks like in a window of a size, as PNG.
pub fn screenshot(url: &str, (width, height): (u32, u32), options: &[&str], file: &Path) {
    let (window, shot) =
        (format!("--window-size={width},{height}"), format!("--screenshot={}", file.display()));
    run(&[&["--hide-scrollbars", &window, &shot, "--virtual-time-budget=1000"], options, &[url]].concat());
}

fn run(options: &[&str]) -> (String, String) {
    let profile = Directory::new("chromium");
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--no-proxy-server"])
        .arg("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(options)
        .output()
        .unwrap_or_else(|problem| panic!("Debian's package chromium is needed: {problem}"));
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let said = text(output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    (text(output.stdout), said)
}

impl Page {
    /// The numbers that it shows, each with its place in `/debug/vars`.
    pub fn numbers(&self) -> Vec<(String, String)> {
        let elements = self.html.split("<data ").skip(1).filter_map(|rest| rest.split('>').next());
        let attribute = |element: &str, name: &str| {
            let (_, value) = element.split_once(&format!("{name}=\""))?;
            Some(value.split('"').next()?.replace("&amp;", "&"))
        };
        elements
            .filter_map(|element| Some((attribute(element, "data-vars")?, attribute(element, "value")?)))
            .collect()
    }
}
