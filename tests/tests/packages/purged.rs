//! A Debian on which packages come and go.

use std::fs;
use std::path::Path;
use std::process::Command;

use coco_harness::directory::Directory;

use super::made::{debian, ending, made, run, sent_arrived_refused};

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
    run(Command::new("dpkg-deb").args(["--root-owner-group", "-Zgzip", "-z1", "-b"]).arg(&tree).arg(to));
}

/// Needs cargo-deb, cargo-generate-rpm, mmdebstrap and a mirror of Debian. Takes minutes.
#[test]
#[ignore = "builds all programs and a Debian"]
fn a_debian_keeps_what_is_the_operators_through_install_upgrade_remove_and_purge() {
    let directory = Directory::new("packages");
    let root = directory.path().join("root");
    debian(&root, "dpkg", "debian.sh");
    let debs = ending(made(), "deb");
    assert_eq!(debs.len(), 3, "{debs:?}");
    run(Command::new("sha256sum").current_dir(made()).args(["--check", "--strict", "SHA256SUMS"]));

    let old = root.join("packages/old");
    fs::create_dir(&old).expect("a folder");
    debs.iter().for_each(|package| aged(package, &old));
    let enter = "mount -t proc proc \"$0/proc\" && ip link set lo up && exec chroot \"$0\" /debian.sh";
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", enter]).arg(&root);
    let said = run(&mut unshare);
    assert!(said.ends_with("== all is well\n"), "{said}");

    // Of what came while both were there nothing is lost; what came in between nobody took, which the sender sees.
    let (sent, arrived, refused) = sent_arrived_refused(&said, 2);
    assert!(said.lines().any(|line| line.starts_with("log ") && line.contains(" lost=0 left=0")), "{said}");
    let missing = sent.saturating_sub(arrived);
    eprintln!("an upgrade under {sent} value lists lost {missing}; {refused} datagrams were refused");
    assert!(arrived > sent / 2 && missing < sent / 2, "sent {sent}, arrived {arrived}");
}
