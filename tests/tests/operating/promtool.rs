//! What Prometheus' own tool says of `/metrics`, of both daemons.

use std::io::Write;
use std::process::{Command, Stdio};

use coco_harness::coco::{Coco, Config};
use coco_harness::noodle::Noodle;
use coco_harness::sink::Sink;
use coco_harness::traffic;
use coco_harness::wait::{PATIENCE, wait_for};

/// It exits with 3 where a name or a comment is not as Prometheus wants it, and says which.
fn assert_approved(metrics: &str) {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool, of Debian's package prometheus");
    let mut stdin = promtool.stdin.take().expect("a pipe");
    stdin.write_all(metrics.as_bytes()).expect("it reads all");
    drop(stdin);
    let output = promtool.wait_with_output().expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() && said.is_empty(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn promtool_has_nothing_to_say_of_coco() {
    let sink = Sink::start();
    let mut coco = Coco::start(&Config::new(&[("shortterm", &[sink.address])]).blacklist("refused").text());
    traffic::send(
        &traffic::sender(coco.listen),
        &[traffic::value_list("one", 0), traffic::value_list("refused", 0)],
    );
    let datagrams = coco.settled(2).count(&["listen", "raw"]);
    // A batch is measured once it has been sent, and there are one or two.
    let metrics = wait_for(PATIENCE, "a batch to be measured", || {
        let metrics = coco.get("/metrics").body;
        (!metrics.contains("coco_send_latency_seconds_count 0\n")).then_some(metrics)
    });
    assert!(metrics.contains(&format!("coco_listen_batch_datagrams_sum {datagrams}\n")), "{metrics}");
    assert_approved(&metrics);
    assert!(coco.stop().success());
}

#[test]
fn promtool_has_nothing_to_say_of_noodle() {
    // Nothing listens there.
    let noodle = Noodle::start(&Config::new(&[("shortterm", &["127.0.0.1:9"])]).text());
    assert_eq!(noodle.get("/data/one/load/load").status, 502);
    assert_approved(&noodle.get("/metrics").body);
    assert!(noodle.stop().success());
}
