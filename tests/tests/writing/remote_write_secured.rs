//! Engines that want to know who writes to them: a real Prometheus behind certificates and a password, and what stands on
//! the wire for others.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use coco_core::value_list::{Identifier, Interval, Time, Value, ValueList};
use coco_harness::coco::{Coco, TYPES_DB};
use coco_harness::curl;
use coco_harness::directory::Directory;
use coco_harness::engine::{Answer, Prometheus, Scripted};
use coco_harness::sink::Sink;
use coco_harness::traffic;

const TAKEN: Answer = Answer::Say(204, "", "");

/// Lets in who has a certificate of `ca.pem`, is called fleet and knows the password `secret`.
const WEB: &str = "\
tls_server_config:
  cert_file: server.pem
  key_file: server.key
  client_ca_file: ca.pem
  client_auth_type: RequireAndVerifyClientCert
basic_auth_users:
  fleet: $2b$04$GbI2YbNeP4aqrRQCZHd8a.kKUwlT6gTKbFzwQEgdmV5mCEkZTTCRq
";

fn config(url: &str, lines: &str) -> String {
    format!(
        "listen = {{ bind = \"127.0.0.1:0\", typesdb = \"{TYPES_DB}\" }}\napi.bind = \"127.0.0.1:0\"\n\
         [tiers.engines]\nkind = \"remote_write\"\nurls = [{url:?}]\nbatch_delay = \"100ms\"\n{lines}\n"
    )
}

/// So many value lists of one value each, of now.
fn lists(count: u32) -> Vec<ValueList> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
    let one = |number: u32| {
        let identifier = Identifier {
            host: b"web1".to_vec(),
            plugin: b"plugin".to_vec(),
            plugin_instance: format!("{number:05}").into_bytes(),
            type_name: b"gauge".to_vec(),
            ..Identifier::default()
        };
        let interval = Interval::HighResolution(10 << 30);
        ValueList::new(identifier, Time::Seconds(now), interval, &[Value::Gauge(f64::from(number))])
    };
    (0..count).map(one).collect()
}

fn send(coco: &Coco, count: u32) {
    traffic::send(&traffic::sender(coco.listen), &lists(count));
}

/// Waits until the first engine is so.
fn wait_for(coco: &mut Coco, url: &str, what: &str, is_so: impl Fn(&serde_json::Value) -> bool) {
    let (api, url) = (coco.api, url.to_owned());
    coco.process.wait_for(what, |_| {
        let tiers = curl::json(&format!("http://{api}/tiers"));
        is_so(&tiers[0]["connections"][&url]).then_some(())
    });
}

fn openssl(directory: &Path, line: &str) {
    let output = Command::new("openssl").current_dir(directory).args(line.split(' ')).output();
    let output = output.expect("openssl is installed");
    assert!(output.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&output.stderr));
}

/// `ca.pem`, and by it `server.pem` and `client.pem`, with their keys.
fn certificates(directory: &Directory) {
    let path = directory.path();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(path, &format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=ca -days 2"));
    directory.write("server.ext", "subjectAltName=IP:127.0.0.1\n");
    directory.write("client.ext", "extendedKeyUsage=clientAuth\n");
    for name in ["server", "client"] {
        openssl(path, &format!("req {key} -keyout {name}.key -out {name}.csr -subj /CN={name}"));
        let by = "-CA ca.pem -CAkey ca.key -CAcreateserial -days 2";
        openssl(path, &format!("x509 -req -in {name}.csr -out {name}.pem -extfile {name}.ext {by}"));
    }
}

#[test]
fn a_prometheus_that_wants_a_certificate_and_a_password_takes_samples_of_who_has_both() {
    let directory = Directory::new("secured-prometheus");
    certificates(&directory);
    directory.write("web.yml", WEB);
    let password = directory.write("password", "wrong\n");
    let path = directory.path().to_owned();
    let prometheus = Prometheus::start_in(directory, "global: {}\n");
    let url = format!("https://{}/api/v1/write", prometheus.address);
    let file = |name: &str| path.join(name).display().to_string();
    let auth = format!("basic_auth = {{ username = \"fleet\", password_file = {password:?} }}");
    let trust = format!("ca_file = {:?}", file("ca.pem"));
    let ours = format!("cert_file = {:?}, key_file = {:?}", file("client.pem"), file("client.key"));

    // Trusted, but nobody's: the handshake fails, and samples wait.
    let mut coco = Coco::start(&config(&url, &format!("{auth}\ntls = {{ {trust} }}")));
    send(&coco, 10);
    wait_for(&mut coco, &url, "a failed handshake", |engine| {
        engine["problem"] == "does not answer" && engine["waiting"] == 10
    });
    // With a certificate, and a wrong password.
    let all = config(&url, &format!("{auth}\ntls = {{ {trust}, {ours} }}"));
    let _ = coco.reload(&all);
    wait_for(&mut coco, &url, "a refusal", |engine| engine["blocked"] == true && engine["waiting"] == 10);
    std::fs::write(path.join("password"), "secret\n").expect("a file");
    let _ = coco.reload(&all);
    wait_for(&mut coco, &url, "all to be delivered", |engine| {
        engine["delivered"] == 10 && engine["dropped"] == 0
    });
    assert!(coco.stop().success());

    let output = Command::new("curl")
        .current_dir(&path)
        .args(["--silent", "--cacert", "ca.pem", "--cert", "client.pem", "--key", "client.key"])
        .args(["--user", "fleet:secret", "--noproxy", "*", "--get"])
        .args(["--data-urlencode", "query=count({__name__=\"collectd_plugin_gauge\",instance=\"web1\"})"])
        .arg(format!("https://{}/api/v1/query", prometheus.address))
        .output()
        .expect("curl is installed");
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(answer["data"]["result"][0]["value"][1], "10", "{answer}");

    // One that nobody vouches for is not written to.
    let mut coco =
        Coco::start(&config(&url, &format!("{auth}\ntls = {{ ca_file = {:?} }}", file("client.pem"))));
    send(&coco, 10);
    wait_for(&mut coco, &url, "a certificate that is not trusted", |engine| {
        engine["problem"] == "does not answer" && engine["delivered"] == 0
    });
    let _ = coco.process.stop();
}

#[test]
fn headers_labels_and_passwords_stand_on_the_wire() {
    let engine = Scripted::start(|_, _| TAKEN);
    let directory = Directory::new("wire");
    let password = directory.write("password", "pass word\n");
    let lines = format!(
        "basic_auth = {{ username = \"fleet\", password_file = {password:?} }}\n\
         headers = {{ X-Scope-OrgID = \"tenant\" }}\nlabels = {{ cluster = \"a\", __replica__ = \"one\" }}"
    );
    let mut coco = Coco::start(&config(&engine.url(), &lines));
    send(&coco, 3);
    wait_for(&mut coco, &engine.url(), "all to be delivered", |engine| engine["delivered"] == 3);
    for request in engine.taken() {
        // base64 of `fleet:pass word`, in lower case as the whole head is here.
        for line in ["authorization: basic zmxlzxq6cgfzcyb3b3jk\r\n", "x-scope-orgid: tenant\r\n"] {
            assert!(request.head.contains(line), "{}", request.head);
        }
        for series in &request.write.timeseries {
            let has = |name: &str, value: &str| {
                series.labels.iter().any(|label| label.name == name && label.value == value)
            };
            assert!(has("cluster", "a") && has("__replica__", "one"), "{series:?}");
            assert!(series.labels.is_sorted_by(|one, next| one.name < next.name), "{series:?}");
        }
    }
    assert!(coco.stop().success());
}

#[test]
fn series_that_rules_drop_stand_on_no_wire_and_are_counted() {
    let engine = Scripted::start(|_, _| TAKEN);
    let rules = "relabel = [\n\
         { source_labels = [\"__name__\", \"plugin\"], regex = \"collectd_.*;0000[01]\", action = \"keep\" },\n\
         { source_labels = [\"plugin\"], regex = \"00001\", action = \"drop\" },\n]";
    let mut coco = Coco::start(&config(&engine.url(), rules));
    send(&coco, 5);
    wait_for(&mut coco, &engine.url(), "all to be done with", |engine| {
        engine["delivered"] == 1 && engine["dropped"] == 4
    });
    assert_eq!(coco.counters().count(&["remote_write.dropped", &engine.url(), "relabel"]), 4);
    let is_it = |label: &remote_write::message::Label| label.name == "plugin" && label.value == "00000";
    let taken = engine.taken();
    let mut series = taken.iter().flat_map(|request| &request.write.timeseries);
    assert!(series.all(|series| series.labels.iter().any(is_it)), "{taken:?}");
    assert!(coco.stop().success());
}

#[test]
fn samples_wait_for_an_engine_that_hangs_and_others_have_theirs() {
    let released = Arc::new(AtomicBool::new(false));
    let hangs = Scripted::start({
        let released = Arc::clone(&released);
        move |_, _| {
            while !released.load(Ordering::Acquire) {
                std::thread::sleep(Duration::from_millis(5));
            }
            TAKEN
        }
    });
    let (other, sink) = (Scripted::start(|_, _| TAKEN), Sink::start());
    let more = format!(
        "timeout = \"1s\"\n[tiers.other]\nkind = \"remote_write\"\nurls = [{:?}]\nbatch_delay = \"100ms\"\n\
         [tiers.nodes]\ntargets = [\"{}\"]",
        other.url(),
        sink.address
    );
    let mut coco = Coco::start(&config(&hangs.url(), &more));
    send(&coco, 100);
    wait_for(&mut coco, &hangs.url(), "it to be given up for a while", |engine| {
        engine["problem"] == "does not answer" && engine["waiting"] == 100
    });
    coco.process.wait_for("the node to have all", |_| (sink.count() == 100).then_some(()));
    // What is asked for again and again has an age, too.
    wait_for(&mut coco, &hangs.url(), "it to be late", |engine| {
        engine["oldest_age"].as_u64().is_some_and(|seconds| seconds > 0)
    });
    let api = coco.api;
    coco.process.wait_for("the other to have all", |_| {
        let vars = curl::json(&format!("http://{api}/debug/vars"));
        (vars["coco"]["remote_write.delivered"][&other.url()] == 100).then_some(())
    });
    released.store(true, Ordering::Release);
    wait_for(&mut coco, &hangs.url(), "all to be delivered", |engine| {
        engine["delivered"] == 100 && engine["dropped"] == 0
    });
    assert!(coco.stop().success());
}
