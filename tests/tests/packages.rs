//! The packages: what their descriptions name is there and goes where it should, and what becomes of a Debian on which
//! they are installed, upgraded, removed and purged.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use coco_manual::documents;
use coco_tests::directory::Directory;
use coco_tests::repository;
use serde_json::Value;

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

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
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
        let is_program = asset.place.starts_with("usr/bin/") || asset.place.starts_with("usr/lib/nagios/");
        assert_eq!(asset.mode, if is_program { "755" } else { "644" }, "{asset:?}");
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

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    said.into_owned()
}

/// As if it had been made of an older version, whose sample was another.
fn aged(package: &Path, to: &Path) {
    let directory = Directory::new("aged");
    let tree = directory.path().join("tree");
    run(Command::new("dpkg-deb").arg("-R").args([package, &tree]));
    let control = tree.join("DEBIAN/control");
    let version = format!("Version: {}\n", env!("CARGO_PKG_VERSION"));
    let text = fs::read_to_string(&control).expect("a package has it");
    assert!(text.contains(&version), "{text}");
    fs::write(&control, text.replace(&version, "Version: 1.9.0\n")).expect("a file");
    let sample = tree.join("etc/coco/coco.conf");
    if let Ok(text) = fs::read_to_string(&sample) {
        fs::write(sample, format!("# An older one.\n{text}")).expect("a file");
        // They would say that it was changed; not every cargo-deb writes them.
        let _ = fs::remove_file(tree.join("DEBIAN/md5sums"));
    }
    run(Command::new("dpkg-deb").args(["-b", "--root-owner-group"]).arg(&tree).arg(to));
}

/// Needs cargo-deb, mmdebstrap and a mirror of Debian. Takes minutes: all programs are built, by the profile of the demo.
#[test]
#[ignore = "builds all programs and a Debian"]
fn a_debian_keeps_what_is_the_operators_through_install_upgrade_remove_and_purge() {
    let directory = Directory::new("packages");
    let [new, old] = ["new", "old"].map(|name| directory.path().join(name));
    let package = repository().join("etc/package");
    run(Command::new(package).arg("--plain").arg(&new).env("PACKAGE_PROFILE", "demo"));
    fs::create_dir(&old).expect("a folder");
    let files: Vec<PathBuf> =
        fs::read_dir(&new).expect("a folder").map(|file| file.expect("one").path()).collect();
    let debs = files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "deb"));
    debs.clone().for_each(|package| aged(package, &old));
    assert_eq!(debs.count(), 3, "{files:?}");
    run(Command::new("sha256sum").current_dir(&new).args(["--check", "--strict", "SHA256SUMS"]));

    let root = directory.path().join("root");
    let mut debian = Command::new("mmdebstrap");
    run(debian.args(["--quiet", "--variant=minbase", "bookworm"]).arg(&root));
    let packages = root.join("packages");
    fs::create_dir(&packages).expect("a folder");
    run(Command::new("cp").arg("-r").args([&new, &old, &packages]));
    let scenario = repository().join("tests/packages/debian.sh");
    fs::copy(scenario, root.join("debian.sh")).expect("a file");
    let enter = "mount -t proc proc \"$0/proc\" && ip link set lo up && exec chroot \"$0\" /debian.sh";
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", enter]).arg(&root);
    let said = run(&mut unshare);
    assert!(said.ends_with("== all is well\n"), "{said}");

    // Of what came while both were there nothing is lost; what came in between nobody took, which the sender sees.
    let object = |name: &str| -> Value {
        let line = said.lines().find_map(|line| line.strip_prefix(name)).expect("it is said");
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
    };
    let (load, sink) = (object("load "), object("sink "));
    let [sent, refused] = ["value_lists", "refused"].map(|key| load[key].as_u64().expect("a number"));
    let arrived = sink["value_lists"].as_u64().expect("a number") / 2;
    assert!(said.lines().any(|line| line.starts_with("log ") && line.contains(" lost=0 left=0")), "{said}");
    let missing = sent.saturating_sub(arrived);
    {
        eprintln!("an upgrade under {sent} value lists lost {missing}; {refused} datagrams were refused");
    }
    assert!(arrived > sent / 2 && missing < sent / 2, "{load} {sink}");
}
