//! What an `.rpm` holds, against the `.deb`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use coco_harness::directory::Directory;

use super::made::{ending, made, run};

/// The files of a package by their places: what they hold, what they may be used for, and whether they are the operator's.
type Files = BTreeMap<String, (String, String, bool)>;

fn files_of_deb(package: &Path) -> Files {
    let directory = Directory::new("deb");
    let (tree, control) = (directory.path().join("tree"), directory.path().join("control"));
    run(Command::new("dpkg-deb").arg("-x").args([package, &tree]));
    run(Command::new("dpkg-deb").arg("-e").args([package, &control]));
    let kept = fs::read_to_string(control.join("conffiles")).unwrap_or_default();
    let listing =
        run(Command::new("find").current_dir(&tree).args([".", "-type", "f", "-printf", "%m %P\n"]));
    let file = |line: &str| {
        let (mode, place) = line.split_once(' ').expect("a mode and a place");
        let sum = run(Command::new("sha256sum").arg(tree.join(place)));
        let place = format!("/{place}");
        let is_kept = kept.lines().any(|line| line == place);
        (place, (sum[..64].to_owned(), mode.to_owned(), is_kept))
    };
    listing.lines().map(file).collect()
}

fn files_of_rpm(package: &Path) -> Files {
    let format = "[%{FILENAMES} %{FILEDIGESTS} %{FILEMODES:octal} %{FILEFLAGS:fflags}\n]";
    let listing =
        run(Command::new("rpm").args(["--query", "--package", "--queryformat", format]).arg(package));
    let file = |line: &str| {
        let parts: Vec<_> = line.splitn(4, ' ').collect();
        let [place, sum, mode, flags] = parts[..] else { panic!("{line}") };
        (place.to_owned(), (sum.to_owned(), mode[mode.len() - 3..].to_owned(), flags == "cn"))
    };
    listing.lines().map(file).collect()
}

/// Needs cargo-deb, cargo-generate-rpm and rpm. What `rpm` does with the scripts is not tried: there is no Fedora here.
#[test]
#[ignore = "builds all programs"]
fn an_rpm_holds_what_the_deb_does() {
    let packages = ending(made(), "rpm");
    assert_eq!(packages.len(), 3, "{packages:?}");
    for package in packages {
        let name = package.file_name().and_then(|name| name.to_str()).expect("UTF-8").to_owned();
        let (name, version) = name.split_at(name.find("-2").expect("a version"));
        assert!(version.starts_with(&format!("-{}-1.", env!("CARGO_PKG_VERSION"))), "{version}");
        let is_twin = |deb: &PathBuf| {
            deb.file_name()
                .and_then(|deb| deb.to_str())
                .is_some_and(|deb| deb.starts_with(&format!("{name}_")))
        };
        let deb = ending(made(), "deb").into_iter().find(is_twin).expect("of the same name");
        let (mut deb, mut rpm) = (files_of_deb(&deb), files_of_rpm(&package));
        // Whose it is and what is new, each has where its own kind has it.
        let documents = format!("/usr/share/doc/{name}/");
        assert!(deb.remove(&format!("{documents}copyright")).is_some());
        deb.retain(|place, _| !place.starts_with(&format!("{documents}changelog")));
        assert!(rpm.remove(&format!("/usr/share/licenses/{name}/LICENSE")).is_some());
        assert_eq!(deb, rpm, "{name}");
        assert_eq!(deb.values().filter(|(_, _, is_kept)| *is_kept).count(), usize::from(name == "coco"));
        let scripts = run(Command::new("rpm").args(["--query", "--package", "--scripts"]).arg(&package));
        for kind in ["postinstall", "preuninstall", "postuninstall"] {
            assert_eq!(scripts.contains(&format!("{kind} scriptlet")), name == "coco", "{name}: {scripts}");
        }
    }
}
