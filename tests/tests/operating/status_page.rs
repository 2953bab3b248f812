//! The status page of both daemons in a real browser: what it shows is what `/debug/vars` does, whatever hosts call
//! themselves stays text, nothing is taken from elsewhere, and all of it works without scripts.

use std::process::Command;

use coco_harness::chromium::{self, Page};
use coco_harness::coco::{Coco, Config};
use coco_harness::curl;
use coco_harness::directory::Directory;
use coco_harness::nobody::Nobody;
use coco_harness::noodle::Noodle;
use coco_harness::rrd;
use coco_harness::sink::Sink;
use coco_harness::traffic::{self, value_list};
use coco_harness::visage::Visage;
use coco_harness::wait::{PATIENCE, wait_for};
use serde_json::Value;

/// The name of a host that wants to be more than a name.
const HOSTILE: &str =
    "<img src=x onerror=\"document.title='taken over'\"><script>document.title='taken over'</script>";

/// The page as it comes, which is all that a browser without scripts has.
fn without_scripts(url: &str) -> Page {
    let html = answer(url, &["-H", "Accept: text/html"]);
    Page { html, console: Vec::new() }
}

fn answer(url: &str, options: &[&str]) -> String {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--noproxy", "*", url]).args(options);
    String::from_utf8(curl.output().expect("curl is installed").stdout).expect("UTF-8")
}

/// Every number of a page is the one of `/debug/vars`.
fn assert_same_numbers(page: &Page, vars: &Value, at_least: usize) {
    let numbers = page.numbers();
    assert!(numbers.len() >= at_least, "{}: {}", numbers.len(), page.html);
    for (pointer, shown) in numbers {
        let told = vars.pointer(&pointer).unwrap_or_else(|| panic!("nothing at {pointer}"));
        match told.as_u64() {
            Some(count) => assert_eq!(shown, count.to_string(), "{pointer}"),
            // What is read of a real number differs in its last digit.
            None => {
                let (shown, told): (f64, _) =
                    (shown.parse().expect("a number"), told.as_f64().expect("a number"));
                assert!((shown - told).abs() <= told.abs() * 1e-12, "{pointer}: {shown}, {told}");
            }
        }
    }
}

/// It loads nothing, runs nothing but its own script, and the browser has nothing to complain of.
fn assert_harmless(page: &Page, title: &str) {
    assert_eq!(page.console, Vec::<String>::new());
    assert!(page.html.contains(&format!("<title>{title}</title>")), "{}", page.html);
    assert_eq!(page.html.matches("<script").count(), 1, "{}", page.html);
    assert!(!page.html.contains("<img"), "{}", page.html);
}

fn assert_shows(page: &Page, parts: &[&str]) {
    for part in parts {
        assert!(page.html.contains(part), "no {part:?} in {}", page.html);
    }
}

/// The document once nothing changes any more.
fn at_rest(coco: &Coco, sent: u64) -> Value {
    wait_for(PATIENCE, "all to be sent, and measured", || {
        let vars = coco.json("/debug/vars");
        let total = vars["coco"]["send"]["total"].as_u64()?;
        (total >= sent && vars["coco"]["hash.metrics_per_host"]["shortterm"]["total"]["length"] == 3)
            .then_some(vars)
    })
}

#[test]
fn a_browser_sees_how_coco_is() {
    let sinks = [(); 2].map(|()| Sink::start());
    let config = Config::new(&[("shortterm", &sinks.each_ref().map(|sink| sink.address))]);
    let config = config.blacklist("/secret").text();
    let mut coco = Coco::start(&config);
    let mut lists =
        vec![value_list("web1.example.org", 1), value_list("web2.example.org", 1), value_list(HOSTILE, 1)];
    lists.push(value_list(HOSTILE, 2));
    lists[3].identifier.plugin = "secret".into();
    traffic::send(&traffic::sender(coco.listen), &lists);
    let vars = at_rest(&coco, 3);

    // The script asks again after five seconds; time is made to pass.
    let url = format!("http://{}/", coco.api);
    let page = chromium::load(&url, 12, &[]);
    assert_harmless(&page, "coco");
    assert_same_numbers(&page, &vars, 15);
    let targets = sinks.each_ref().map(|sink| sink.address.to_string());
    let fingerprint = coco.json("/healthz")["fingerprint"].as_str().unwrap().to_owned();
    assert_shows(
        &page,
        &[&targets[0], &targets[1], &fingerprint, "<caption>Tier shortterm</caption>", "data-refreshed"],
    );
    assert_shows(
        &page,
        &[
            "<html lang=\"en\"",
            "<label for=\"name\">",
            "<th scope=\"col\">State</th>",
            "none since the start",
        ],
    );
    let without = without_scripts(&url);
    assert_same_numbers(&without, &vars, 15);
    assert!(!without.html.contains("data-refreshed"));

    // A part of a name, in letters of either case; then the hostile one, by something that is markup itself.
    let found = without_scripts(&format!("{url}?name=WEB"));
    assert_shows(&found, &["web1.example.org", "web2.example.org", "value=\"WEB\""]);
    assert!(!found.html.contains("taken over"), "it is not asked for");
    let hostile = chromium::load(&format!("{url}?name=%3CSCRIPT%3E"), 12, &[]);
    assert_harmless(&hostile, "coco");
    assert_shows(
        &hostile,
        &["&lt;script&gt;document.title='taken over'&lt;/script&gt;", "secret/derive/sequence"],
    );
    assert_same_numbers(&hostile, &vars, 15);
    coco.reload(&format!("{config}\n[log]\nlevel = \"debug\"\n"));
    let reloaded = without_scripts(&url);
    assert_shows(&reloaded, &["taken over, the tiers stay as they were, changed: log.level"]);
    assert!(coco.stop().success());
}

/// What browsers are told of the page, and what everyone else gets in its place.
#[test]
fn the_page_is_for_browsers_alone_and_keeps_to_itself() {
    let nobody = Nobody::udp();
    let coco = Coco::start(&Config::new(&[("shortterm", &[nobody.address])]).text());
    let url = format!("http://{}/", coco.api);
    let page = answer(&url, &["--include", "-H", "Accept: text/html"]).to_lowercase();
    for field in [
        "http/1.1 200 ok\r\n",
        "\r\ncontent-type: text/html; charset=utf-8\r\n",
        "\r\ncontent-security-policy: default-src 'none'; script-src 'sha256-",
        "frame-ancestors 'none'\r\n",
        "\r\nx-content-type-options: nosniff\r\n",
        "\r\nvary: accept\r\n",
        "\r\ncache-control: no-store\r\n",
    ] {
        assert!(page.contains(field), "no {field:?} in {page}");
    }
    assert!(!page.contains("unsafe-inline"));
    let list = curl::get(&url);
    assert_eq!((list.status, &*list.content_type), (200, "application/json; charset=utf-8"));
    assert_eq!(list.json()["program"], "coco");
    assert!(coco.stop().success());
}

#[test]
fn a_browser_sees_how_noodle_is() {
    let directory = Directory::new("rrd");
    rrd::create(&directory.path().join("web1/load/load.rrd"), 1_700_000_000, &[1.5, 2.5]);
    let visage = Visage::start(directory.path());
    let target = "127.0.0.1:25827";
    let config = Config::new(&[("shortterm", &[target])]);
    let noodle = Noodle::start(&config.fetch(target, &visage.url()).text());
    assert_eq!(noodle.get("/data/web1/load?start=1699999998&finish=1700000000").status, 200);
    assert_eq!(noodle.get("/data/web1%2Fweb2/load").status, 400);

    let url = format!("http://{}/?name=%3Cb%3Eweb1", noodle.address);
    let vars = noodle.json("/debug/vars");
    let page = chromium::load(&url, 12, &[]);
    assert_harmless(&page, "noodle");
    assert_same_numbers(&page, &vars, 12);
    assert_shows(
        &page,
        &["Owners of \"&lt;b&gt;web1\"", target, &visage.url(), "<caption>Tier shortterm</caption>"],
    );
    assert_shows(&page, &["99 % within", "data-refreshed"]);
    assert!(noodle.stop().success());
}
