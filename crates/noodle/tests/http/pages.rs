//! Callbacks, and web pages of other hosts.

use serde_json::{Value, json};

use crate::node::Node;
use crate::noodle::{Answer, Noodle, tiers};

fn node() -> Node {
    Node::answering(|path| match path {
        "/data/web1/load" => (200, "{\"web1\":\"\u{2028}\u{2029}\"}".to_owned()),
        "/data/web2/load" => (200, "{}".to_owned()),
        _ => (500, String::new()),
    })
}

/// The argument of the call of `a.b` that a browser would run.
#[track_caller]
fn argument(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.fields["content-type"], "application/javascript; charset=utf-8");
    assert_eq!(answer.fields["x-content-type-options"], "nosniff");
    assert_eq!(answer.fields["vary"], "Origin, Referer");
    let text = answer.text();
    assert!(!text.contains(['\u{2028}', '\u{2029}']), "{text}");
    let argument = text.strip_prefix("a.b(").and_then(|text| text.strip_suffix(')'));
    serde_json::from_str(argument.unwrap_or_else(|| panic!("{text}"))).unwrap()
}

#[test]
fn a_callback_is_called_with_whatever_comes() {
    let node = node();
    let noodle = Noodle::start(&tiers(&[("t", &[node.address])]), "max_hosts = 2");
    let call = |path: &str| argument(&noodle.get(path));
    let found = call("/data/web1/load?callback=a.b");
    assert_eq!((&found["web1"], &found["_meta"]["host"]), (&json!("\u{2028}\u{2029}"), &json!("web1")));
    assert_eq!(call("/data/web2/load?callback=a.b"), json!({}));
    let failed = call("/data/web3/load?callback=a.b");
    assert_eq!((&failed["status"], failed["error"].is_string()), (&json!(502), true));
}

#[test]
fn a_callback_is_called_with_every_refusal() {
    let node = node();
    let noodle = Noodle::start(&tiers(&[("t", &[node.address])]), "max_hosts = 2");
    let refused = [
        ("/data/web1/load?callback=a.b&start=9&finish=1", 400),
        ("/data/../load?callback=a.b", 400),
        ("/data/web1/a%2Fb?callback=a.b", 400),
        ("/data/%7Bweb1/load?callback=a.b", 400),
        ("/data/a,b,c/load?callback=a.b", 400),
        ("/data/web%E2%80%A8%00/load?callback=a.b", 400),
        (&format!("/data/web1/{}?callback=a.b", "|".repeat(200)), 502),
    ];
    for (path, status) in refused {
        let argument = argument(&noodle.get(path));
        assert_eq!(argument["status"], status, "{path}");
        assert!(argument["error"].as_str().is_some_and(|error| !error.is_empty()), "{path}");
    }
    // They are counted as what they say, not as what a browser needs.
    let codes = &noodle.counters()["fetch.target.response.codes"];
    assert_eq!((&codes["200"], &codes["400"], &codes["502"]), (&json!(0), &json!(6), &json!(1)));
    // What is no function is not called.
    let answer = noodle.get("/data/web1/load?callback=alert(1)");
    assert_eq!((answer.status, answer.error().contains("callback")), (400, true));
}

/// An answer that just fits has no room for the call.
#[test]
fn a_call_for_which_there_is_no_memory_says_so() {
    let separators = "\u{2028}".repeat(200_000);
    let node = Node::answering(move |_| (200, format!("{{\"web1\":\"{separators}\"}}")));
    let noodle = Noodle::start(&tiers(&[("t", &[node.address])]), "max_memory = \"1MiB\"");
    assert_eq!(noodle.get("/data/web1/load").status, 200);
    let answer = noodle.get("/data/web1/load?callback=a.b");
    assert_eq!((&argument(&answer)["status"], &*answer.fields["retry-after"]), (&json!(503), "1"));
    assert_eq!(noodle.counters()["fetch.target.response.codes"]["503"], 1);
    assert_eq!(noodle.counters()["fetch.memory"], 0);
}

#[test]
fn a_callback_is_not_called_for_a_page_of_another_host() {
    let node = node();
    let noodle =
        Noodle::start(&tiers(&[("t", &[node.address])]), "allow_origin = [\"https://graphs.example.org\"]");
    let ask = |fields: &str| noodle.connect().ask("GET", "/data/web1/load?callback=a.b", fields);
    for fields in [
        "",
        "Referer: http://noodle.example.org/page\r\n",
        "Referer: https://graphs.example.org/page\r\n",
        "Origin: https://graphs.example.org\r\n",
    ] {
        assert!(argument(&ask(fields))["web1"].is_string(), "{fields}");
    }
    for fields in
        ["Referer: http://evil.example.net/\r\n", "Origin: http://evil.example.net\r\n", "Origin: null\r\n"]
    {
        let answer = ask(fields);
        assert_eq!((answer.status, &*answer.fields["vary"]), (403, "Origin, Referer"), "{fields}");
        assert!(answer.error().contains("fetch.allow_origin"), "{}", answer.error());
    }
    assert_eq!(noodle.counters()["fetch.target.response.codes"]["403"], 3);
    // Without a callback a page has nothing of an answer, so that any may ask.
    let answer = noodle.connect().ask("GET", "/data/web1/load", "Referer: http://evil.example.net/\r\n");
    assert_eq!((answer.status, &*answer.fields["vary"]), (200, "Origin"));

    let without = Noodle::start(&tiers(&[("t", &[node.address])]), "jsonp = false");
    let answer = without.get("/data/web1/load?callback=a.b");
    assert_eq!((answer.status, answer.error().contains("fetch.jsonp")), (403, true));
    assert_eq!(without.get("/data/web1/load").status, 200);
}

#[test]
fn pages_of_listed_origins_may_read() {
    let node = node();
    let noodle = Noodle::start(
        &tiers(&[("t", &[node.address])]),
        "allow_origin = [\"http://graphs.example.org:8080\", \"https://b.example.org\"]",
    );
    let mut client = noodle.connect();
    for (origin, is_listed) in [
        ("http://graphs.example.org:8080", true),
        ("https://b.example.org", true),
        ("http://graphs.example.org", false),
        ("null", false),
    ] {
        let origin_field = format!("Origin: {origin}\r\n");
        // Errors, too: a page should be able to show them.
        for (path, status) in [("/data/web1/load", 200), ("/data/..", 400)] {
            let answer = client.ask("GET", path, &origin_field);
            assert_eq!((answer.status, &*answer.fields["vary"]), (status, "Origin"));
            let allowed = answer.fields.get("access-control-allow-origin").map(String::as_str);
            assert_eq!(allowed, is_listed.then_some(origin), "{path}");
        }
        for path in ["/data", "/data/web1/load"] {
            let fields = format!(
                "{origin_field}Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: x-requested-with\r\n"
            );
            let answer = client.ask("OPTIONS", path, &fields);
            assert_eq!((answer.status, &*answer.fields["allow"]), (204, "GET, HEAD, OPTIONS"));
            let headers = answer.fields.get("access-control-allow-headers").map(String::as_str);
            assert_eq!(headers, is_listed.then_some("x-requested-with"), "{origin} {path}");
        }
    }
    // Nothing but answers about data is for other pages.
    let answer = client.ask("GET", "/tiers", "Origin: https://b.example.org\r\n");
    assert!(!answer.fields.contains_key("access-control-allow-origin"));
    let silent = Noodle::start(&tiers(&[("t", &[node.address])]), "");
    let answer = silent.connect().ask("GET", "/data/web1/load", "Origin: https://b.example.org\r\n");
    assert!(
        !answer.fields.contains_key("access-control-allow-origin") && !answer.fields.contains_key("vary")
    );
}
