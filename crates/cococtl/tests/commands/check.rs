//! `cococtl check`.

use coco_tests::coco::{Coco, Config};
use coco_tests::directory::Directory;
use coco_tests::nobody::Nobody;
use coco_tests::noodle::Noodle;
use serde_json::Value;

use crate::cococtl;

#[test]
fn those_that_route_alike_are_alike_and_others_are_told_apart() {
    let config =
        Config::new(&[("short", &["127.0.0.1:9", "127.0.0.1:10"]), ("mid", &["127.0.0.1:11"])]).text();
    let other = config.replace("127.0.0.1:10\"", "127.0.0.1:12\"");
    assert_ne!(config, other);
    let (coco, noodle, stranger) = (Coco::start(&config), Noodle::start(&config), Noodle::start(&other));
    let [coco, noodle, stranger] =
        [coco.api, noodle.address, stranger.address].map(|address| format!("http://{address}"));
    let directory = Directory::new("check");
    let file = directory.write("coco.conf", &config);

    let alike = cococtl(["check", &coco, &noodle, "--config", file.to_str().unwrap()], b"");
    assert_eq!((alike.status, alike.stderr.as_str()), (Some(0), ""));
    let fingerprints: Vec<_> = alike.stdout.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert!(fingerprints.len() == 3 && fingerprints.iter().all(|one| *one == fingerprints[0]), "{alike:?}");

    let different = cococtl(["check", &coco, &noodle, &stranger], b"");
    assert_eq!((different.status, different.stderr.as_str()), (Some(1), ""));
    let told = "tier short: targets[1] is 127.0.0.1:12, there 127.0.0.1:10";
    assert!(different.stdout.contains(&format!("{stranger} differs from {coco}: {told}\n")), "{different:?}");

    let different = cococtl(["check", "--json", &stranger, &coco], b"").json();
    assert_eq!(different["same"], Value::from(false));
    assert_eq!(different["processes"][1]["program"], Value::from("coco"));
    assert_ne!(different["processes"][0]["fingerprint"], different["processes"][1]["fingerprint"]);
    assert_eq!(different["differences"][0]["name"], Value::from(coco.as_str()));
}

#[test]
fn whoever_cannot_be_asked_is_named_beside_the_others() {
    let coco = Coco::start(&Config::new(&[("a", &["127.0.0.1:9"])]).text());
    let coco = format!("http://{}", coco.api);
    let nobody = Nobody::tcp();
    let ended = cococtl(["check", &coco, &nobody.address.to_string()], b"");
    assert_eq!(ended.status, Some(2));
    assert!(ended.stdout.contains(&coco), "{ended:?}");
    assert!(ended.stderr.starts_with(&format!("cococtl: http://{}/: ", nobody.address)), "{ended:?}");
    // Somebody who is neither Coco nor Noodle.
    let ended = cococtl(["check", &format!("{coco}/lookup")], b"");
    assert!(ended.status == Some(2) && ended.stderr.contains("/lookup/: status 404"), "{ended:?}");
}
