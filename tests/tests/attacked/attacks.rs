//! The benchmark that attacks the daemons still does: what it finds is for people to read, not for a busy machine to pass.

use std::ffi::OsStr;

use coco_harness::program::{self, Program};

/// The columns of the table that [`column`] looks at.
const MEMORY: usize = 3;
const HEALTH: usize = 5;
const LOST: usize = 7;

/// A column of the row of this attack.
fn column<'a>(table: &'a str, title: &str, place: usize) -> &'a str {
    let row = table.lines().find(|line| line.starts_with(&format!("| {title} |")));
    let row = row.unwrap_or_else(|| panic!("no '{title}' in {table}"));
    row.split('|').nth(place).unwrap_or_else(|| panic!("no column {place} in {row}")).trim()
}

/// The numbers of "5 of 7".
fn count_of(text: &str) -> [u64; 2] {
    let mut numbers = text.split(|letter: char| !letter.is_ascii_digit()).filter(|number| !number.is_empty());
    [(); 2]
        .map(|()| numbers.next().and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{text}")))
}

#[test]
fn an_attack_leaves_a_row_of_what_became_of_the_daemon_and_of_its_users() {
    let attacks = [
        OsStr::new("hostile"),
        OsStr::new("--short"),
        OsStr::new("--only=fifo-coco,fifo-noodle"),
        OsStr::new("--coco"),
        Program::Coco.path().as_os_str(),
        OsStr::new("--noodle"),
        Program::Noodle.path().as_os_str(),
    ];
    let ended = program::run(Program::CocoBench, &attacks);
    let [coco, noodle] = ["coco", "noodle"].map(|daemon| format!("{daemon}: its file becomes a FIFO"));
    for title in [&coco, &noodle] {
        let peak = column(&ended.stdout, title, MEMORY).split(' ').next().and_then(|peak| peak.parse().ok());
        assert!(peak > Some(0.0) && peak < Some(320.0), "{ended:?}");
        let [served, asked] = count_of(column(&ended.stdout, title, HEALTH));
        assert!(served > 0 && served <= asked, "{ended:?}");
    }
    let [lost, sent] = count_of(column(&ended.stdout, &coco, LOST));
    assert_eq!(lost, 0, "{ended:?}");
    assert!(sent > 0, "{ended:?}");
    assert_eq!(column(&ended.stdout, &noodle, LOST), "-");
    // A bar of time may be missed on a machine that has much else to do; then it says so.
    let missed = ended.stdout.contains("MISSED");
    assert_eq!(ended.status, Some(i32::from(missed)), "{ended:?}");
}
