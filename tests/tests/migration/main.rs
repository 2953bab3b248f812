//! Hosts move from one placement to another while they are written and read: nothing is lost, and no read misses a row.

#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]

mod fleet;

use fleet::First::{Cocos, Noodles};
use fleet::Step::{Before, Done, Moving};
use fleet::{Fleet, Size};

/// What fits into a minute.
const SHORT: Size = Size { cocos: 2, noodles: 1, former: 2, new: 3, hosts: 8 };

/// Many nodes, and several of each process.
const WHOLE: Size = Size { cocos: 3, noodles: 2, former: 4, new: 5, hosts: 60 };

fn begin(size: Size) -> Fleet {
    let mut fleet = Fleet::start(size);
    fleet.send(12);
    fleet.check();
    fleet.go(Moving("0%", "0%"), Noodles);
    assert_eq!(fleet.counted("send.copies"), 0);
    fleet.go(Moving("1%", "0%"), Noodles);
    let canary = fleet.counted("send.copies");
    fleet.go(Moving("100%", "0%"), Noodles);
    let all = fleet.counted("send.copies");
    assert!(0 < canary && canary < all);
    // What goes out besides is what hosts that move send, once more, and nothing of those that stay.
    let (moving, seconds) = (fleet.moves().len() as u64, 5);
    assert!(0 < moving && moving < fleet.hosts.len() as u64);
    fleet.send(5);
    assert_eq!(fleet.counted("send.copies") - all, moving * seconds);
    fleet.check();
    fleet
}

/// By way of files, which are then those of the nodes that hosts come to.
fn there_and_done(size: Size) {
    let mut fleet = begin(size);
    for (host, of) in fleet.moves() {
        fleet.merge(&host, of.former[0], of.owners[0]);
        fleet.check_file(&host, of.owners[0]);
    }
    fleet.go(Moving("100%", "5%"), Noodles);
    fleet.go(Moving("100%", "100%"), Noodles);
    let written = fleet.counted("send.former");
    fleet.go(Done, Cocos);
    assert_eq!(fleet.counted("send.former"), written, "former owners get no more");
    assert_eq!(fleet.left_behind(), 0, "all has moved");
    for (host, of) in fleet.moves() {
        fleet.check_file(&host, of.owners[0]);
    }
    assert!(fleet.reads > 10 * fleet.hosts.len(), "many series were read");
    fleet.stop();
}

#[test]
fn hosts_come_to_other_nodes_and_no_row_is_lost_or_missed() {
    there_and_done(SHORT);
}

#[test]
#[ignore = "takes minutes"]
fn sixty_hosts_come_to_other_nodes_and_no_row_is_lost_or_missed() {
    there_and_done(WHOLE);
}

/// Who leaves the table until rows are old enough needs no move: reads join what either has.
#[test]
fn without_a_move_no_read_misses_a_row_as_long_as_the_table_is_there() {
    let mut fleet = begin(SHORT);
    fleet.go(Moving("100%", "5%"), Noodles);
    fleet.go(Moving("100%", "100%"), Noodles);
    assert!(fleet.left_behind() > 0, "what was not moved is told");
    fleet.stop();
}

/// Former owners have missed nothing.
#[test]
fn a_migration_is_given_up_while_all_is_written_to_both() {
    let mut fleet = begin(SHORT);
    fleet.go(Moving("0%", "0%"), Cocos);
    fleet.go(Before, Cocos);
    for (host, of) in fleet.moves() {
        fleet.check_file(&host, of.former[0]);
    }
    fleet.stop();
}

/// What new owners alone got comes back to the former ones.
#[test]
fn a_migration_is_given_up_after_former_owners_were_written_to_no_more() {
    let mut fleet = begin(SHORT);
    for (host, of) in fleet.moves() {
        fleet.merge(&host, of.former[0], of.owners[0]);
    }
    fleet.go(Moving("100%", "5%"), Noodles);
    fleet.go(Moving("100%", "100%"), Noodles);
    // Longer than the heartbeat of the files, which bridges what is shorter.
    fleet.send(12);
    fleet.go(Moving("100%", "0%"), Cocos);
    for (host, of) in fleet.moves() {
        fleet.merge(&host, of.owners[0], of.former[0]);
        fleet.check_file(&host, of.former[0]);
    }
    fleet.go(Before, Cocos);
    for (host, of) in fleet.moves() {
        fleet.check_file(&host, of.former[0]);
    }
    fleet.stop();
}
