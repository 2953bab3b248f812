//! The vocabulary of what a daemon counts, and the two views of it.
//!
//! A counter or gauge is a [`Definition`]: its path, its kind and one line of help. Who measures lists
//! one sample per definition and set of labels, zeros included ([`Snapshot::add`]). `/debug/vars`
//! ([`Snapshot::json`]) and `/metrics` ([`Snapshot::prometheus`]) are two renderings of one snapshot,
//! so they cannot disagree, and neither can show a label set that is gone. What any program tells of itself is
//! [`process`].

mod definition;
mod json;
mod program;
mod prometheus;
mod snapshot;

pub use definition::{Definition, Kind, View};
pub use program::process;
pub use snapshot::{Labels, Snapshot, Value};

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use serde_json::Value as Json;

    use super::*;
    use crate::latency::Histogram;

    static RAW: Definition = Definition::counter(&["coco", "listen", "raw"], "Datagrams received.");
    static SENT: Definition =
        Definition::counter(&["coco", "send", "{target}"], "Value lists sent to a target.");
    static SENT_TOTAL: Definition =
        Definition::counter(&["coco", "send", "total"], "Value lists sent.").only(View::Json);
    static RECEIVE: Definition =
        Definition::counter(&["coco", "errors", "fetch.receive"], "Datagrams that hold an error.");
    static AVERAGE: Definition = Definition::gauge(
        &["coco", "hash.metrics_per_host", "{tier}", "{target}", "avg"],
        "Average number of metrics per host.",
    );
    static TEMPERATURE: Definition =
        Definition::gauge(&["noodle", "temperature"], "Of the \\ \"water\".").only(View::Prometheus);

    fn snapshot() -> Snapshot {
        let (short, mid): (Arc<str>, Arc<str>) = ("shortterm".into(), "midterm".into());
        let (one, two): (Arc<str>, Arc<str>) = ("10.1.1.111:25826".into(), "[::1]:1".into());
        let mut snapshot = Snapshot::new();
        snapshot.add(&RAW, &[], 12_345_678_901_234_567);
        snapshot.add(&SENT, &[("tier", &short), ("target", &one)], 3);
        snapshot.add(&SENT, &[("tier", &short), ("target", &two)], 0);
        snapshot.add(&SENT, &[("tier", &mid), ("target", &one)], 4);
        snapshot.add(&SENT_TOTAL, &[], 7);
        snapshot.add(&RECEIVE, &[], 0);
        snapshot.add(&AVERAGE, &[("tier", &short), ("target", &one)], 0.0);
        snapshot.add(&AVERAGE, &[("tier", &mid), ("target", &one)], 2.5);
        snapshot.add(&TEMPERATURE, &[], f64::NAN);
        snapshot
    }

    #[test]
    fn json_nests_by_path_and_adds_up_what_lands_on_one() {
        let json = serde_json::to_string_pretty(&snapshot().json()).unwrap();
        assert_eq!(
            json,
            r#"{
  "coco": {
    "listen": {
      "raw": 12345678901234567
    },
    "send": {
      "10.1.1.111:25826": 7,
      "[::1]:1": 0,
      "total": 7
    },
    "errors": {
      "fetch.receive": 0
    },
    "hash.metrics_per_host": {
      "shortterm": {
        "10.1.1.111:25826": {
          "avg": 0.0
        }
      },
      "midterm": {
        "10.1.1.111:25826": {
          "avg": 2.5
        }
      }
    }
  }
}"#
        );
    }

    #[test]
    fn prometheus_has_every_label_and_the_help() {
        assert_eq!(
            snapshot().prometheus(),
            r#"# HELP coco_errors_fetch_receive_total Datagrams that hold an error.
# TYPE coco_errors_fetch_receive_total counter
coco_errors_fetch_receive_total 0
# HELP coco_hash_metrics_per_host_avg Average number of metrics per host.
# TYPE coco_hash_metrics_per_host_avg gauge
coco_hash_metrics_per_host_avg{tier="midterm",target="10.1.1.111:25826"} 2.5
coco_hash_metrics_per_host_avg{tier="shortterm",target="10.1.1.111:25826"} 0
# HELP coco_listen_raw_total Datagrams received.
# TYPE coco_listen_raw_total counter
coco_listen_raw_total 12345678901234567
# HELP coco_send_total Value lists sent to a target.
# TYPE coco_send_total counter
coco_send_total{tier="midterm",target="10.1.1.111:25826"} 4
coco_send_total{tier="shortterm",target="10.1.1.111:25826"} 3
coco_send_total{tier="shortterm",target="[::1]:1"} 0
# HELP noodle_temperature Of the \\ "water".
# TYPE noodle_temperature gauge
noodle_temperature NaN
"#
        );
    }

    #[test]
    fn samples_of_one_series_are_added_up_in_both_views() {
        let target: Arc<str> = "a:1".into();
        let mut snapshot = Snapshot::new();
        snapshot.add(&SENT, &[("target", &target)], u64::MAX);
        snapshot.add(&SENT, &[("target", &target)], 0);
        snapshot.add(&AVERAGE, &[("tier", &target), ("target", &target)], 1);
        snapshot.add(&AVERAGE, &[("tier", &target), ("target", &target)], 0.5);
        let json = Json::Object(snapshot.json());
        assert_eq!(json["coco"]["send"]["a:1"], u64::MAX);
        assert_eq!(json["coco"]["hash.metrics_per_host"]["a:1"]["a:1"]["avg"], 1.5);
        let text = snapshot.prometheus();
        assert!(text.contains("coco_send_total{target=\"a:1\"} 18446744073709551615\n"), "{text}");
        assert!(text.contains("avg{tier=\"a:1\",target=\"a:1\"} 1.5\n"), "{text}");
    }

    #[test]
    fn what_is_not_a_number_is_null() {
        let mut snapshot = Snapshot::new();
        static LOAD: Definition = Definition::gauge(&["coco", "load"], "Load.");
        snapshot.add(&LOAD, &[], f64::INFINITY);
        assert_eq!(Json::Object(snapshot.json()), serde_json::json!({"coco": {"load": null}}));
    }

    #[test]
    fn distributions_are_quantiles_in_one_view_and_buckets_in_the_other() {
        static SECONDS: Definition =
            Definition::histogram(&["noodle", "seconds", "{tier}"], "Time of an answer, in seconds.");
        let tier: Arc<str> = "\"short\"".into();
        let histogram = Histogram::default();
        histogram.record(Duration::from_micros(1_120));
        let mut snapshot = snapshot();
        snapshot.add_distribution(&SECONDS, &[("tier", &tier)], histogram.distribution());
        let expected = serde_json::json!({
            "count": 1, "sum": 0.00112, "50e": 0.0011250000000000001, "95e": 0.0011475, "99e": 0.0011495,
        });
        assert_eq!(Json::Object(snapshot.json())["noodle"]["seconds"]["\"short\""], expected);
        let text = snapshot.prometheus();
        let begin = "coco_send_total{tier=\"shortterm\",target=\"[::1]:1\"} 0\n\
                     # HELP noodle_seconds Time of an answer, in seconds.\n\
                     # TYPE noodle_seconds histogram\n\
                     noodle_seconds_bucket{tier=\"\\\"short\\\"\",le=\"0.00001\"} 0\n\
                     noodle_seconds_bucket{tier=\"\\\"short\\\"\",le=\"0.0000105\"} 0\n\
                     noodle_seconds_bucket{tier=\"\\\"short\\\"\",le=\"0.000011\"} 0\n";
        let end = "noodle_seconds_bucket{tier=\"\\\"short\\\"\",le=\"100\"} 1\n\
                   noodle_seconds_bucket{tier=\"\\\"short\\\"\",le=\"+Inf\"} 1\n\
                   noodle_seconds_sum{tier=\"\\\"short\\\"\"} 0.00112\n\
                   noodle_seconds_count{tier=\"\\\"short\\\"\"} 1\n\
                   # HELP noodle_temperature";
        assert!(text.contains(begin) && text.contains(end), "{text}");
    }

    #[test]
    #[should_panic(expected = "lacks a label")]
    fn a_forgotten_label_is_found_in_tests() {
        Snapshot::new().add(&SENT, &[], 1);
    }
}
