//! Clients that ask for too much.

use super::{HOSTS, post, start, tiers, value, visage};

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
    for (target, status) in [
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
    ] {
        let form = format!("target={}&from=-1min", target.replace('+', "%2B"));
        let answer = post(&noodle, "/render", "", &form);
        assert_eq!(answer.status, status, "{:.60}: {:.200}", target, answer.text());
        assert!(answer.status == 200 || answer.text().len() < 500, "one line: {:.600}", answer.text());
        assert_eq!(noodle.get("/healthz").status, 200);
    }
    let large = format!("target={}", "a".repeat(2 << 20));
    let mut client = noodle.connect();
    client.send(&format!("POST /render HTTP/1.1\r\nHost: n\r\nContent-Length: {}\r\n\r\n", large.len()));
    assert_eq!(client.read("POST").status, 413);
    assert_eq!(noodle.get("/render?target=*.load.load.midterm&from=-1min").status, 200);
}
