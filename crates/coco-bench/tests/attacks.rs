//! The benchmark that attacks the daemons still does: what it finds is for people to read, not for a busy machine to pass.

#![forbid(unsafe_code)]

use std::process::Command;

use coco_harness::program::Program;

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
    let mut bench = Command::new(env!("CARGO_BIN_EXE_coco-bench"));
    bench.args(["hostile", "--short", "--only=fifo-coco,fifo-noodle", "--coco"]).arg(Program::Coco.path());
    let ended = bench.arg("--noodle").arg(Program::Noodle.path()).output().expect("it runs");
    let table = String::from_utf8(ended.stdout.clone()).expect("a table");
    let [coco, noodle] = ["coco", "noodle"].map(|daemon| format!("{daemon}: its file becomes a FIFO"));
    for title in [&coco, &noodle] {
        let peak = column(&table, title, MEMORY).split(' ').next().and_then(|peak| peak.parse().ok());
        assert!(peak > Some(0.0) && peak < Some(320.0), "{ended:?}");
        let [served, asked] = count_of(column(&table, title, HEALTH));
        assert!(served > 0 && served <= asked, "{ended:?}");
    }
    let [lost, sent] = count_of(column(&table, &coco, LOST));
    assert_eq!(lost, 0, "{ended:?}");
    assert!(sent > 0, "{ended:?}");
    assert_eq!(column(&table, &noodle, LOST), "-");
    // A bar of time may be missed on a machine that has much else to do; then it says so.
    let missed = table.contains("MISSED");
    assert_eq!(ended.status.code(), Some(i32::from(missed)), "{ended:?}");
}
