//! Graphite's API: what Grafana and graphite-web sent once, sent again; failing nodes, and hostile clients.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::node::Node;
use crate::noodle::{Answer, Noodle};

mod hostile;
mod transcripts;

const HOSTS: [&str; 3] = ["alpha.example.org", "beta.example.org", "gamma.example.org"];

/// Metrics of every host, their data sources, and the seconds of a row.
const METRICS: [(&str, &str, &[&str], i64); 5] = [
    ("cpu-0", "cpu-user", &["value"], 10),
    ("cpu-1", "cpu-user", &["value"], 10),
    ("interface-eth0", "if_octets", &["rx", "tx"], 10),
    ("load", "load", &["shortterm", "midterm"], 10),
    ("memory", "memory-used", &["value"], 60),
];

/// Has these hosts with all metrics, whose values are `of` the host and the time.
fn visage(hosts: &'static [&'static str], of: fn(usize, i64) -> Option<f64>) -> Node {
    Node::answering(move |path| {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let parts: Vec<_> = path.trim_end_matches('/').split('/').skip(2).collect();
        let answer = match parts.as_slice() {
            [] => json!({ "hosts": hosts }),
            [_] => {
                let names = METRICS.iter().map(|(plugin, instance, ..)| format!("{plugin}/{instance}"));
                json!({ "metrics": names.collect::<Vec<_>>() })
            }
            [host, plugin, instances @ ..] => {
                let Some(number) = hosts.iter().position(|known| known == host) else {
                    return (200, "{}".to_owned());
                };
                let time = |name: &str| {
                    let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
                    value.and_then(|value| value.parse::<i64>().ok()).unwrap()
                };
                let window = (time("start"), time("finish"));
                series(host, plugin, instances.first().copied(), window, |time| of(number, time))
            }
        };
        (200, answer.to_string())
    })
}

fn series(
    host: &str,
    plugin: &str,
    instances: Option<&str>,
    (start, finish): (i64, i64),
    of: impl Fn(i64) -> Option<f64>,
) -> Value {
    let mut found = BTreeMap::new();
    for (_, instance, sources, step) in METRICS.iter().filter(|(known, ..)| *known == plugin) {
        if instances.is_some_and(|wanted| !wanted.split(',').any(|wanted| wanted == *instance)) {
            continue;
        }
        let ends = (start.div_euclid(*step)..finish.div_euclid(*step)).map(|row| (row + 1) * step);
        let data: Vec<_> = ends.map(&of).collect();
        let source =
            |name: &&str| ((*name).to_owned(), json!({ "start": start, "finish": finish, "data": data }));
        found.insert(*instance, sources.iter().map(source).collect::<BTreeMap<_, _>>());
    }
    json!({ host: { plugin: found } })
}

/// 100 for the first host, 101 for the next, and a little more as time goes by.
fn value(host: usize, time: i64) -> Option<f64> {
    Some(
        100.0
            + f64::from(u32::try_from(host).unwrap())
            + f64::from(u32::try_from(time % 1000).unwrap()) / 1e4,
    )
}

fn tiers(tiers: &[(&str, &[SocketAddr])]) -> String {
    let tier = |(name, targets): &(&str, &[SocketAddr])| {
        let targets = targets.iter().map(|target| {
            format!("{{ address = \"10.9.9.9:{}\", fetch = \"http://{target}\" }}", target.port())
        });
        format!("[tiers.{name}]\ntargets = [{}]\n", targets.collect::<Vec<_>>().join(", "))
    };
    tiers.iter().map(tier).collect()
}

fn start(tiers_text: &str, graphite: &str) -> Noodle {
    Noodle::start(tiers_text, &format!("proxy_timeout = \"60s\"\n[graphite]\n{graphite}"))
}

fn post(noodle: &Noodle, path: &str, fields: &str, body: &str) -> Answer {
    let mut client = noodle.connect();
    let length = body.len();
    client
        .send(&format!("POST {path} HTTP/1.1\r\nHost: n\r\n{fields}Content-Length: {length}\r\n\r\n{body}"));
    client.read("POST")
}

/// Names of the series of an answer, and their values.
fn rows(answer: &Answer) -> Vec<(String, Vec<Option<f64>>)> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let all = answer.json();
    let series = all.as_array().unwrap().iter().map(|series| {
        let points = series["datapoints"].as_array().unwrap();
        (
            series["target"].as_str().unwrap().to_owned(),
            points.iter().map(|point| point[0].as_f64()).collect(),
        )
    });
    series.collect()
}

const WINDOW: &str = "from=1795286400&until=1795286460";

#[test]
fn an_answer_does_not_depend_on_the_order_of_nodes_nor_on_how_targets_are_split() {
    let nodes = [visage(&HOSTS, value), visage(&HOSTS, value), visage(&HOSTS, value)];
    let [a, b, c] = [&nodes[0], &nodes[1], &nodes[2]].map(|node| node.address);
    let targets = [
        "sumSeries(*.load.load.{short,mid}term)",
        "aliasByNode(*.interface-*.*.rx, 0, 1)",
        "movingAverage(alpha_*.cpu-?.cpu-user, 3)",
        "sortByName(group(gamma*.memory.*, timeShift(beta*.memory.memory-used, '1min')), reverse=true)",
        "asPercent(*.load.load.midterm)",
    ];
    let ask = |noodle: &Noodle, targets: &[&str]| {
        let form: Vec<_> =
            targets.iter().map(|target| format!("target={}", target.replace('%', "%25"))).collect();
        rows(&post(noodle, "/render", "", &format!("{}&{WINDOW}", form.join("&"))))
    };
    let one = start(&tiers(&[("t", &[a])]), "");
    let together = ask(&one, &targets);
    assert_eq!(together.len(), 1 + 3 + 2 + 2 + 3);
    assert!(together.iter().all(|(_, values)| values.iter().all(Option::is_some)), "{together:?}");
    let apart: Vec<_> = targets.iter().flat_map(|target| ask(&one, &[target])).collect();
    assert_eq!(apart, together);
    for order in [vec![a, b, c], vec![c, b, a], vec![b, c]] {
        for tiers_text in [tiers(&[("t", &order)]), tiers(&[("s", &order[1..]), ("t", &order)])] {
            assert_eq!(ask(&start(&tiers_text, ""), &targets), together, "{tiers_text}");
        }
    }
}

#[test]
fn an_answer_without_the_share_of_a_node_says_so() {
    let living = visage(&HOSTS, value);
    let dead = Node::refusing();
    let target = "/render?target=sumSeries(*.load.load.midterm)&from=-1min&format=json";
    let noodle = start(&tiers(&[("t", &[living.address, dead])]), "");
    let answer = noodle.get(target);
    assert_eq!(answer.fields["x-noodle-partial"], "true");
    assert!(answer.fields["x-noodle-error"].contains("cannot connect"), "{answer:?}");
    assert_eq!(rows(&answer).len(), 1);
    assert_eq!(noodle.get("/metrics/find?query=*").fields["x-noodle-partial"], "true");
    assert_eq!(noodle.counters()["graphite.partial"], 2);
    // Nothing of those who answer is no empty graph.
    let answer = noodle.get("/render?target=nobody.load&from=-1min");
    assert_eq!((answer.status, answer.text().contains("cannot connect")), (502, true), "{answer:?}");
    let strict = start(&tiers(&[("t", &[living.address, dead])]), "require_all = true");
    assert_eq!(strict.get(target).status, 502);
    // A replica has it all.
    let safe = start(&tiers(&[("t", &[dead]), ("u", &[living.address])]), "require_all = true");
    let answer = safe.get(target);
    assert_eq!((answer.status, answer.fields.get("x-noodle-partial")), (200, None));
    let none = start(&tiers(&[("t", &[dead])]), "");
    assert_eq!(none.get("/metrics/find?query=*").status, 502);
    assert_eq!(none.get("/render?target=constantLine(7)&format=raw").status, 200, "needs nobody");
    assert_eq!(
        none.counters()["graphite.response.codes"],
        json!({"200": 1, "400": 0, "403": 0, "404": 0, "414": 0, "502": 1, "503": 0, "504": 0})
    );
}

#[test]
fn nothing_found_by_all_is_an_empty_list() {
    let node = visage(&HOSTS, value);
    let noodle = start(&tiers(&[("t", &[node.address])]), "");
    for path in [
        "/render?target=nobody.load",
        "/render",
        "/render/?target=&format=json",
        "/metrics/find?query=nobody.*",
        "/tags",
        "/tags/findSeries?expr=a",
        "/events/get_data/",
    ] {
        let answer = noodle.get(path);
        assert_eq!((answer.status, &*answer.text()), (200, "[]"), "{path}");
    }
    assert_eq!(noodle.get("/metrics/expand").text(), "{\"results\":[]}");
}

/// `a.b` and `a_b` are `a_b` to Graphite.
#[test]
fn hosts_of_one_name_answer_together() {
    let node = visage(&["a.b", "a_b"], |host, time| (time / 10 % 2 == i64::from(host == 1)).then_some(7.0));
    let noodle = start(&tiers(&[("t", &[node.address])]), "");
    assert_eq!(noodle.get("/metrics/find?query=*").json().as_array().unwrap().len(), 1);
    let found = rows(&noodle.get(&format!("/render?target=a_b.load.load.midterm&{WINDOW}")));
    let values = vec![Some(7.0); found[0].1.len()];
    assert_eq!((found.len(), found[0].0.as_str(), &found[0].1), (1, "a_b.load.load.midterm", &values));
}

#[test]
fn names_are_those_that_were_configured() {
    let node = visage(&HOSTS, value);
    let noodle = start(
        &tiers(&[("t", &[node.address])]),
        "prefix = 'c.'\nhost_in_dots = true\nseparate_instances = true\nalways_append_ds = true",
    );
    assert_eq!(
        noodle.get("/metrics/expand?query=c.alpha.*.org.cpu.*.*.*.*").json(),
        json!({"results": ["c.alpha.example.org.cpu.0.cpu.user.value", "c.alpha.example.org.cpu.1.cpu.user.value"]})
    );
    let path = format!("/render?target=aliasByNode(c.*.example.org.cpu.0.cpu.*.*,1)&{WINDOW}");
    let names: Vec<_> = rows(&noodle.get(&path)).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["alpha", "beta", "gamma"]);
}

#[test]
fn answers_are_compressed_for_who_takes_that_and_heads_have_no_body() {
    let node = visage(&HOSTS, value);
    let noodle = start(&tiers(&[("t", &[node.address])]), "");
    let path = format!("/render?target=*.*.*&target=*.*.*.*&{WINDOW}");
    let plain = noodle.get(&path);
    let packed = noodle.connect().ask("GET", &path, "Accept-Encoding: gzip\r\n");
    assert_eq!((&*packed.fields["content-encoding"], &*packed.fields["vary"]), ("gzip", "Accept-Encoding"));
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&*packed.body), &mut text).unwrap();
    assert_eq!(text, plain.text());
    assert!(packed.body.len() * 2 < text.len());
    let head = noodle.connect().ask("HEAD", &path, "");
    assert_eq!((head.status, &head.fields["content-length"]), (200, &plain.fields["content-length"]));
    let csv = noodle.connect().ask("GET", &path, "Accept: text/csv\r\n");
    assert_eq!(csv.fields["content-type"], "text/csv");
    let put = noodle.connect().ask("PUT", "/render", "");
    assert_eq!((put.status, &*put.fields["allow"]), (405, "GET, HEAD, POST, OPTIONS"));
}

#[test]
fn functions_are_those_of_the_table() {
    let node = visage(&HOSTS, value);
    let noodle = start(&tiers(&[("t", &[node.address])]), "");
    assert_eq!(noodle.get("/functions").json(), graphite::functions_as_json());
    assert_eq!(noodle.get("/functions/?grouped=1").json(), graphite::functions_by_group_as_json());
    assert_eq!(noodle.get("/functions/sumSeries").json()["name"], "sumSeries");
    assert_eq!(noodle.get("/functions/nonsense").status, 404);
    assert_eq!(noodle.counters()["graphite.response.codes"]["404"], 1);
    assert_eq!(noodle.get("/version").text(), "1.1.10\n");
    assert!(
        noodle.get("/metrics").text().contains("noodle_graphite_points_total"),
        "Prometheus' own path stays"
    );
}

/// Of one type, the file that is looked at first is broken, or has no data sources, on some hosts.
#[test]
fn a_file_that_can_not_be_read_hides_no_other_of_its_type() {
    for broken in ["{}", "nonsense", r#"{"alpha.example.org": {"load": {"load": {}}}}"#] {
        let node = Node::answering(move |path| {
            let (path, query) = path.split_once('?').unwrap_or((path, ""));
            let parts: Vec<_> = path.trim_end_matches('/').split('/').skip(2).collect();
            let time = |name: &str| {
                let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
                value.unwrap().parse().unwrap()
            };
            let answer = match parts.as_slice() {
                [] => json!({ "hosts": HOSTS }).to_string(),
                [_] => json!({ "metrics": ["load/load"] }).to_string(),
                ["alpha.example.org", ..] => broken.to_owned(),
                [host, ..] => {
                    series(host, "load", None, (time("start"), time("finish")), |time| value(1, time))
                        .to_string()
                }
            };
            (200, answer)
        });
        let noodle = start(&tiers(&[("t", &[node.address])]), "");
        let found = noodle.get("/metrics/expand?query=beta*.load.load.*");
        let names = ["beta_example_org.load.load.midterm", "beta_example_org.load.load.shortterm"];
        assert_eq!(found.json(), json!({ "results": names }), "alone");
        let noodle = start(&tiers(&[("t", &[node.address])]), "");
        let found = noodle.get("/metrics/expand?query=*.load.load.midterm");
        let hosts = ["alpha", "beta", "gamma"].map(|host| format!("{host}_example_org.load.load.midterm"));
        assert_eq!(found.json(), json!({ "results": hosts }), "{broken}");
        assert_eq!(found.fields.get("x-noodle-partial"), None, "what was looked for was found");
    }
}

/// A function that reads rows before its window makes a second round of questions.
#[test]
fn values_are_counted_as_often_as_they_are_read() {
    let node = visage(&HOSTS, value);
    let noodle = start(&tiers(&[("t", &[node.address])]), "");
    let counted = |target: &str| {
        let before = noodle.counters()["graphite.points"].as_u64().unwrap();
        assert_eq!(noodle.get(&format!("/render?target={target}&{WINDOW}")).status, 200, "{target}");
        noodle.counters()["graphite.points"].as_u64().unwrap() - before
    };
    let plain = counted("alpha_*.cpu-0.cpu-user");
    assert_eq!(plain, 6);
    assert_eq!(counted("nobody.load"), 0);
    assert_eq!(
        counted("movingAverage(alpha_*.cpu-0.cpu-user,6)"),
        plain + 12,
        "those, and the same with six before"
    );
}

/// A script of another page must not have what the page may not read.
#[test]
fn callbacks_are_called_for_own_pages_alone() {
    let node = visage(&HOSTS, value);
    let noodle = start(&tiers(&[("t", &[node.address])]), "");
    let path = "/render?target=constantLine(1)&jsonp=show";
    assert!(noodle.get(path).text().starts_with("show(["));
    let foreign = noodle.connect().ask("GET", path, "Referer: http://other.example.org/\r\n");
    assert_eq!(foreign.status, 403);
}
