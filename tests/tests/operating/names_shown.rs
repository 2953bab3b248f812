//! Names that strangers chose, in the log and in errors: they stay on their line, do nothing to a terminal and can't be
//! taken for anything else.

use std::net::UdpSocket;

use coco_harness::coco::{Coco, Config};
use coco_harness::noodle::Noodle;

/// U+009B begins a sequence for terminals, U+202E turns the text around, U+2028 separates lines.
const HOST: &str = "%C2%9B31mx%E2%80%AEabc%E2%80%A8fake%22%20target=%22x%E9";
const SHOWN: &str = r#"host="\u{9b}31mx\u{202e}abc\u{2028}fake\" target=\"x\xe9""#;

fn assert_printable(text: &str) {
    for unprintable in ['\u{9b}', '\u{202e}', '\u{2028}', '\u{1b}', '\r'] {
        assert!(!text.contains(unprintable), "{unprintable:?} in {text}");
    }
}

#[test]
fn hosts_that_are_asked_for_are_quoted_in_the_log_of_noodle() {
    // Nothing listens there.
    let mut noodle = Noodle::start(&Config::new(&[("shortterm", &["127.0.0.1:9"])]).text());
    let answer = noodle.get(&format!("/data/{HOST}/p/i"));
    assert_eq!(answer.status, 502, "{answer:?}");
    assert_printable(&answer.body);
    noodle.process.wait_for("the host", |process| process.stdout().contains(SHOWN).then_some(()));
    assert_printable(&noodle.process.stdout());
    let line = noodle.process.stdout().lines().find(|line| line.contains(SHOWN)).map(str::to_owned);
    assert!(line.is_some_and(|line| line.contains(" target=\"127.0.0.1:9\"")), "{}", noodle.process.stdout());
    assert!(noodle.stop().success());
}

#[test]
fn users_that_packets_claim_are_quoted_in_the_log_of_coco() {
    let directory = coco_harness::directory::Directory::new("users");
    let users = directory.write("users", "alice: secret\n");
    let config = Config::new(&[("shortterm", &["127.0.0.1:9"])]).text();
    let mut coco = Coco::start(&config.replace("[listen]", &format!("[listen]\nauth_file = {users:?}")));
    // network(5): type 0x0200, the length, 32 bytes of signature, the user.
    let user = "a\u{9b}31m\u{202e}b\u{2028}\" problem=none".as_bytes();
    let length = u16::try_from(4 + 32 + user.len()).expect("it is short");
    let packet = [&[2, 0][..], &length.to_be_bytes(), &[0; 32], user].concat();
    let sender = UdpSocket::bind("127.0.0.1:0").expect("a port");
    sender.send_to(&packet, coco.listen).expect("loopback takes it");
    let shown = r#"user="a\u{9b}31m\u{202e}b\u{2028}\" problem=none""#;
    coco.process.wait_for("the user", |process| process.stdout().contains(shown).then_some(()));
    assert_printable(&coco.process.stdout());
    assert!(coco.stop().success());
}
