//! Clients that ask for too much.

use serde_json::json;

use super::{HOSTS, start, tiers, value, visage};
use crate::node::Node;
use crate::noodle::Noodle;

#[test]
fn what_is_too_much_is_refused_with_the_number_and_the_key() {
    let node = visage(&HOSTS, value);
    let noodle = start(&tiers(&[("t", &[node.address])]), "max_series = 5\nmax_points = 100");
    for (target, message) in [
        ("*.load.load.*", "more than 5 series (graphite.max_series)\n"),
        ("*.cpu-0.cpu-user&target=*.cpu-1.cpu-user", "more than 5 series (graphite.max_series)\n"),
        ("*.cpu-0.cpu-user&from=-10min", "more than 100 points (graphite.max_points)\n"),
    ] {
        let answer = noodle.get(&format!("/render?target={target}&from=-1min"));
        let answer =
            if target.contains("from") { noodle.get(&format!("/render?target={target}")) } else { answer };
        assert_eq!((answer.status, &*answer.text()), (400, message), "{target}");
    }
    assert_eq!(noodle.get("/render?target=*.cpu-0.cpu-user&from=-5min").status, 200);
}

#[test]
fn hostile_requests_are_refused_and_others_are_answered_meanwhile() {
    let node = visage(&HOSTS, value);
    let noodle = start(&tiers(&[("t", &[node.address])]), "");
    let deep = format!("{}a{}", "scale(".repeat(5000), ",1)".repeat(5000));
    let wide = format!("sumSeries({}a)", "*.*.*,".repeat(60_000));
    let braces = format!("{}a{}", "{a,".repeat(500), "}".repeat(500));
    let stars = "*a".repeat(3000);
    let requests = [
        (&*deep, 400),
        (&wide, 400),
        (&braces, 400),
        (&stars, 400),
        ("movingAverage(*.load.load.midterm,'10y')", 400),
        ("timeShift(*.load.load.midterm,'999999999999y')", 400),
        ("movingAverage(*.load.load.midterm,99999999999999)", 400),
        ("aliasSub(*.load.load.midterm,'(a{1000}){1000}','b')", 400),
        ("aliasSub(*.load.load.midterm,'(?<=a)b','b')", 400),
        ("grep(*.load.load.midterm,'(.*)*(.*)*$')", 200),
        ("summarize(*.load.load.midterm,'1s')", 200),
        ("randomNonsense(", 400),
    ];
    // All of them are there before anybody else asks, and nobody has taken an answer.
    let asked: Vec<_> = requests
        .iter()
        .map(|(target, _)| {
            let form = format!("target={}&from=-1min", target.replace('+', "%2B"));
            let mut client = noodle.connect();
            let length = form.len();
            client
                .send(&format!("POST /render HTTP/1.1\r\nHost: n\r\nContent-Length: {length}\r\n\r\n{form}"));
            client
        })
        .collect();
    assert_eq!(noodle.get("/healthz").status, 200);
    assert_eq!(
        noodle.get("/render?target=*.load.load.midterm&from=-1min").json().as_array().unwrap().len(),
        3
    );
    for (mut client, (target, status)) in asked.into_iter().zip(requests) {
        let answer = client.read("POST");
        assert_eq!(answer.status, status, "{:.60}: {:.200}", target, answer.text());
        assert!(answer.status == 200 || answer.text().len() < 500, "one line: {:.600}", answer.text());
    }
    let large = format!("target={}", "a".repeat(2 << 20));
    let mut client = noodle.connect();
    client.send(&format!("POST /render HTTP/1.1\r\nHost: n\r\nContent-Length: {}\r\n\r\n", large.len()));
    assert_eq!(client.read("POST").status, 413);
    assert_eq!(noodle.get("/render?target=*.load.load.midterm&from=-1min").status, 200);
}

/// Names are held until all patterns have been looked at, however many these are.
#[test]
fn names_of_many_patterns_take_no_more_memory_than_there_is() {
    let hosts: Vec<_> = (0..1000).map(|number| format!("host-{number:04}")).collect();
    let list = json!({ "hosts": hosts }).to_string();
    let node = Node::answering(move |_| (200, list.clone()));
    let fetch = "proxy_timeout = \"60s\"\nmax_memory = \"2MiB\"";
    let noodle = Noodle::start(&tiers(&[("t", &[node.address])]), fetch);
    let same = "&query=*".repeat(200);
    let names = |answer: &serde_json::Value| answer.as_array().unwrap().len();
    for path in [format!("/metrics/expand?groupByExpr=1{same}"), format!("/metrics/expand?{same}")] {
        let answer = noodle.get(&path);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let results = &answer.json()["results"];
        assert_eq!(names(if results.is_array() { results } else { &results["*"] }), 1000);
    }
    let different: String = (0..200).map(|number| format!("&query=*{{,x{number}}}")).collect();
    let all = noodle.get(&format!("/metrics/expand?{different}"));
    assert_eq!((all.status, names(&all.json()["results"])), (200, 1000), "each once");
    let refused = noodle.get(&format!("/metrics/expand?groupByExpr=1{different}"));
    assert_eq!(refused.status, 400, "{:.200}", refused.text());
    assert_eq!(
        refused.text(),
        "the names take more than 524288 bytes, a quarter of fetch.max_memory: ask for fewer\n"
    );
    let one =
        Noodle::start(&tiers(&[("t", &[node.address])]), "max_memory = \"1MiB\"\nproxy_timeout = \"60s\"");
    assert_eq!(one.get("/metrics/find?query=*").status, 200);
    assert_eq!(one.counters()["fetch.memory"].as_u64().map(|bytes| bytes < 1 << 20), Some(true));
}
