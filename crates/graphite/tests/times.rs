//! Time texts: what graphite-web makes of them.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use flate2::read::GzDecoder;
use graphite::{TimeZone, time};
use serde_json::Value;

#[test]
fn all_time_texts_are_read_as_by_graphite_web() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/times.jsonl.gz");
    // The rule since 1996; no text of the file is about an earlier summer.
    let berlin = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a rule");
    let (mut count, mut wrong) = (0, Vec::new());
    for line in BufReader::new(GzDecoder::new(File::open(path).expect("testdata is there"))).lines() {
        let vector: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
        let zone = if vector[1] == "UTC" { &TimeZone::UTC } else { &berlin };
        let text = vector[0].as_str().expect("a text");
        let found = time(text, vector[2].as_i64().expect("now"), zone);
        count += 1;
        if found.as_ref().ok().copied() != vector[3].as_i64() {
            wrong.push(format!("{vector} {found:?}"));
        }
    }
    assert!(count > 1_000, "{count} texts");
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}
