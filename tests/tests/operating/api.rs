//! What Coco answers by HTTP, beside what `crates/coco/tests/service/views.rs` proves of it within the process.

use coco_harness::coco::{Coco, Config};

/// Nothing is sent to them.
const TARGETS: [&str; 3] = ["127.0.0.1:25827", "127.0.0.1:25828", "127.0.0.1:25829"];

#[test]
fn errors_are_json_with_an_honest_status() {
    let coco = Coco::start(&Config::new(&[("shortterm", &TARGETS)]).text());
    for (path, status) in
        [("/lookup", 400), ("/lookup?name=", 400), ("/nothing", 404), ("/tiers/nothing", 404)]
    {
        let response = coco.get(path);
        assert_eq!(response.status, status, "GET {path}: {}", response.body);
        assert!(
            response.content_type.starts_with("application/json"),
            "GET {path}: {}",
            response.content_type
        );
        assert!(response.json()["error"].as_str().is_some_and(|error| !error.is_empty()), "GET {path}");
    }
    assert_eq!(coco.process.stdout().matches("a lookup without a name").count(), 1, "once a minute");
    assert!(coco.stop().success());
}

#[test]
fn fingerprints_say_who_routes_alike() {
    let tiers = [("shortterm", &TARGETS[..2]), ("midterm", &TARGETS[1..])];
    let [coco, twin, other] =
        [&tiers[..], &tiers, &tiers[..1]].map(|tiers| Coco::start(&Config::new(tiers).text()));
    let fingerprint = |coco: &Coco| coco.json("/healthz")["fingerprint"].clone();
    assert!(fingerprint(&coco).is_string());
    assert_eq!(fingerprint(&twin), fingerprint(&coco));
    assert_ne!(fingerprint(&other), fingerprint(&coco));
}
