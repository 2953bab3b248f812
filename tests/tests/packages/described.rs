//! What the descriptions of the packages name.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use coco_harness::repository;
use coco_manual::documents;
use serde_json::Value;

use super::made::text;

/// Where `etc/package` puts what is made.
const STAGE: &str = "target/package/stage/";

/// What becomes of one.
#[derive(Debug)]
struct Asset {
    /// In the repository, with `*` in its last part perhaps.
    source: String,
    /// A folder where it ends in `/`.
    place: String,
    mode: String,
}

fn metadata() -> Vec<Value> {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(repository())
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .output()
        .expect("cargo runs");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let packages = metadata["packages"].as_array().expect("packages").iter();
    packages.filter(|package| package["metadata"]["deb"].is_object()).cloned().collect()
}

fn assets(package: &Value) -> Vec<Asset> {
    let assets = package["metadata"]["deb"]["assets"].as_array().expect("assets").iter();
    let asset = |asset: &Value| Asset {
        source: text(&asset[0]).strip_prefix("../../").expect("from the root").to_owned(),
        place: text(&asset[1]),
        mode: text(&asset[2]),
    };
    assets.map(asset).collect()
}

/// The files that it stands for, of those that there are.
fn files(source: &str, there: &BTreeSet<String>) -> Vec<String> {
    let (start, end) = source.split_once('*').unwrap_or((source, ""));
    let is_meant = |file: &&String| match source.contains('*') {
        true => {
            let rest = file.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
            rest.is_some_and(|rest| !rest.contains('/'))
        }
        false => *file == source,
    };
    there.iter().filter(is_meant).cloned().collect()
}

/// What the repository has, and what `etc/package` makes.
fn there() -> BTreeSet<String> {
    let mut listing = Command::new("git");
    listing.current_dir(repository()).args(["ls-files", "-co", "--exclude-standard"]);
    let output = listing.output().expect("git runs").stdout;
    let mut there: BTreeSet<_> =
        String::from_utf8(output).expect("UTF-8").lines().map(str::to_owned).collect();
    for program in ["coco", "noodle", "cococtl", "anomalous_coco_send", "anomalous_coco_errors"] {
        there.insert(format!("{STAGE}bin/{program}"));
    }
    there.extend(["coco", "noodle"].map(|unit| format!("{STAGE}systemd/{unit}.service")));
    for document in documents() {
        let path = document.path.to_str().expect("UTF-8").to_owned();
        let compressed = if path.starts_with("man/") { ".gz" } else { "" };
        there.insert(format!("{STAGE}share/{path}{compressed}"));
    }
    there
}

#[test]
fn every_file_of_a_package_is_there_and_each_that_is_made_is_in_one() {
    let (packages, there) = (metadata(), there());
    let names: Vec<_> = packages.iter().map(|package| text(&package["name"])).collect();
    assert_eq!(BTreeSet::from_iter(names), ["coco", "coco-checks", "cococtl"].map(str::to_owned).into());
    let (mut packed, mut places) = (Vec::new(), BTreeSet::new());
    for asset in packages.iter().flat_map(assets) {
        let found = files(&asset.source, &there);
        assert!(!found.is_empty(), "no such file: {asset:?}");
        let is_run = |file: &String| {
            let metadata = fs::metadata(repository().join(file));
            match file.strip_prefix(STAGE) {
                Some(made) => made.starts_with("bin/"),
                None => metadata.expect("a file").permissions().mode() & 0o111 != 0,
            }
        };
        let is_program = |file| asset.mode == if is_run(file) { "755" } else { "644" };
        assert!(found.iter().all(is_program), "{asset:?}");
        for file in &found {
            let name = file.rsplit('/').next().expect("a name");
            let place = match asset.place.strip_suffix('/') {
                Some(folder) => format!("{folder}/{name}"),
                None => asset.place.clone(),
            };
            // Manual and completions lie where they are made for.
            if let Some(share) = file.strip_prefix(&format!("{STAGE}share/")) {
                assert_eq!(place, format!("usr/share/{share}"), "{asset:?}");
            }
            assert!(places.insert(place), "two files for one place: {asset:?}");
        }
        packed.extend(found);
    }
    // What is run by Nagios alone, nobody types.
    let is_left = |file: &&String| {
        let is_completion = file.contains("completions") && file.contains("anomalous_coco");
        file.starts_with(STAGE) && !packed.contains(file) && !is_completion
    };
    assert_eq!(there.iter().filter(is_left).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn what_lies_in_etc_is_the_operators() {
    let packages = metadata();
    let mut configuration = 0;
    for package in &packages {
        let deb = &package["metadata"]["deb"];
        let kept: Vec<_> = deb["conf-files"].as_array().into_iter().flatten().map(text).collect();
        let in_etc = assets(package).into_iter().filter(|asset| asset.place.starts_with("etc/"));
        let in_etc: Vec<_> = in_etc.map(|asset| format!("/{}", asset.place)).collect();
        assert_eq!(in_etc, kept, "{}", package["name"]);
        configuration += kept.len();
        let Some(folder) = deb["maintainer-scripts"].as_str() else { continue };
        for script in fs::read_dir(repository().join(folder.trim_start_matches("../"))).expect("scripts") {
            let script = script.expect("a script").path();
            let mode = fs::metadata(&script).expect("a file").permissions().mode();
            assert_eq!(mode & 0o111, 0o111, "{}", script.display());
            assert!(Command::new("sh").arg("-n").arg(&script).status().expect("sh runs").success());
        }
    }
    assert_eq!(configuration, 1);
}
