//! Hosts move from one placement to another while they are written and read: nothing is lost, and no read misses a row.

#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]

mod change;
mod fleet;
mod load;
mod mover;
mod node;
mod transport;

use change::Step::{Before, Done, Moving};
use change::{Change, Size};
use fleet::First::{Cocos, Noodles};
use fleet::Fleet;
use load::TYPES;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use node::Kind;
use transport::{Cut, When};

/// What fits into a minute.
const SHORT: Size = Size {
    change: Change::Nodes,
    cocos: 2,
    noodles: 1,
    former: 2,
    new: 3,
    hosts: 8,
    kinds: &[Kind::Rrdcached, Kind::AtOnce],
    cache_time: "1s",
};

/// Many nodes of all kinds, and several of each process.
const WHOLE: Size = Size {
    change: Change::Nodes,
    cocos: 3,
    noodles: 2,
    former: 4,
    new: 5,
    hosts: 60,
    kinds: &[Kind::Cached, Kind::Rrdcached, Kind::AtOnce, Kind::Signalled],
    cache_time: "16s",
};

/// On all nodes, one of which has values written at SIGUSR1.
const COPIES: Size = Size {
    change: Change::Copies,
    kinds: &[Kind::Rrdcached, Kind::Signalled, Kind::AtOnce],
    cache_time: "16s",
    ..SHORT
};

/// Seconds of the longest rows, and one more.
const LONGEST_ROW: i64 = 8;

/// Longer than the heartbeat of the files, which bridges what is shorter.
const HEARTBEAT: i64 = 12;

/// Steps of `run` at which it is killed, in the order in which it comes to them.
const KILLS: [Cut; 10] = [
    Cut { ask: "hosts", when: When::Before, before: 1 },
    Cut { ask: "survey", when: When::After, before: 0 },
    Cut { ask: "list", when: When::After, before: 0 },
    Cut { ask: "export", when: When::Before, before: 1 },
    Cut { ask: "export", when: When::Amid, before: 2 },
    Cut { ask: "import", when: When::Before, before: 1 },
    Cut { ask: "import", when: When::Amid, before: 2 },
    Cut { ask: "import", when: When::After, before: 4 },
    Cut { ask: "compare", when: When::Amid, before: 5 },
    Cut { ask: "compare", when: When::After, before: 6 },
];

/// Up to where all that moves is written to both.
fn begin(size: Size) -> Fleet {
    let mut fleet = Fleet::start(size);
    fleet.check();
    fleet.go(Moving("0%", "0%"), Noodles);
    assert_eq!(fleet.counted("send.copies"), 0);
    fleet.go(Moving("1%", "0%"), Noodles);
    let canary = fleet.counted("send.copies");
    fleet.go(Moving("100%", "0%"), Noodles);
    fleet.pause();
    let all = fleet.counted("send.copies");
    assert!(0 < canary && canary < all);
    // What goes out besides is what hosts that move send, once more, and nothing of those that stay.
    let (moving, seconds) = (fleet.moves().len(), 5);
    assert!(0 < moving && (moving < fleet.hosts().len() || size.change == Change::Copies));
    for _ in 0..seconds {
        fleet.source.send_next();
    }
    fleet.settle();
    assert_eq!(fleet.counted("send.copies") - all, (moving * TYPES.len() * seconds) as u64);
    fleet.resume();
    fleet.check();
    fleet
}

/// Waits as long as the gate is closed after a reload.
fn wait_for_gate(fleet: &Fleet) {
    let seconds: i64 = fleet.size.cache_time.trim_end_matches('s').parse().unwrap();
    fleet.pass(seconds + 2);
}

/// Runs until no row in progress may differ any more.
fn move_all(fleet: &mut Fleet, words: &[&str]) {
    let words = [&["run"], words].concat();
    let second = fleet.check();
    for _ in 0..4 {
        let sum = fleet.mover.run(&words).expect_well();
        fleet.read_all(second);
        if sum["unfinished"] == 0 {
            return;
        }
        fleet.pass(LONGEST_ROW);
    }
    panic!("rows in progress never end");
}

fn verify(fleet: &Fleet, words: &[&str]) {
    let sum = fleet.mover.run(&[&["verify"], words].concat()).expect_well();
    let copies: usize =
        fleet.moves().iter().map(|(_, of)| of.owners.len() - usize::from(of.owners.len() > 1)).sum();
    assert_eq!((&sum["files"], &sum["unfinished"]), (&(copies * TYPES.len()).into(), &0.into()), "{sum}");
}

/// A lock as librrd's on a file of a new owner, for as long as this lives: who writes there loses what it has, until the file is
/// exchanged.
fn locked_file(fleet: &Fleet) -> std::fs::File {
    let (host, of) = &fleet.moves()[0];
    let path = fleet.nodes[of.owners[0]].file(host, "walk/gauge");
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    let lock = libc::flock { l_type: libc::F_WRLCK as i16, l_whence: 0, l_start: 0, l_len: 0, l_pid: 0 };
    coco_harness::wait::wait_until(coco_harness::wait::PATIENCE, "a moment without a writer", || {
        fcntl(&file, FcntlArg::F_SETLK(&lock)).is_ok()
    });
    file
}

/// A node that hosts come to alone is down for a while. It lacks what came meanwhile, and what it kept in memory.
fn have_node_down(fleet: &mut Fleet) {
    let number = fleet.nodes.len() - 1;
    fleet.kill_node(number);
    fleet.check();
    let part = fleet.mover.run(&["run"]);
    assert!(part.status == Some(1) && part.stdout.contains("ssh does not get there"), "{part:?}");
    fleet.pass(HEARTBEAT);
    fleet.check();
    fleet.start_node_again(number);
    fleet.check();
}

/// By way of files, which are then those of the nodes that hosts come to.
fn there_and_done(size: Size, kills: &[Cut]) {
    let mut fleet = begin(size);
    let early = fleet.mover.run(&["run", "--cache-time", "1h"]);
    assert_eq!(early.status, Some(2), "{early:?}");
    assert!(!fleet.mover.has_begun());
    let lock = locked_file(&fleet);
    wait_for_gate(&fleet);
    for cut in kills {
        assert!(fleet.mover.kill_at(&["run"], *cut), "{cut:?}");
    }
    if size.former > SHORT.former {
        have_node_down(&mut fleet);
    }
    move_all(&mut fleet, &[]);
    drop(lock);
    if !kills.is_empty() {
        // Of some hosts it is known then that nothing is wrong, and counts for nothing.
        let cut = Cut { ask: "compare", when: When::Amid, before: 9 };
        assert!(fleet.mover.kill_at(&["verify"], cut));
    }
    verify(&fleet, &[]);
    fleet.go(Moving("100%", "5%"), Noodles);
    fleet.go(Moving("100%", "100%"), Noodles);
    let written = fleet.counted("send.former");
    wait_for_gate(&fleet);
    let nothing = fleet.mover.run(&["clean"]).expect_well();
    assert_eq!(nothing["files"], 0, "it was verified once only");
    verify(&fleet, &[]);
    if !kills.is_empty() {
        let cut = Cut { ask: "remove", when: When::After, before: 1 };
        assert!(fleet.mover.kill_at(&["clean"], cut));
    }
    fleet.mover.run(&["clean"]).expect_well();
    fleet.go(Done, Cocos);
    assert_eq!(fleet.counted("send.former"), written, "former owners get no more");
    assert_eq!(fleet.left_behind(), 0, "all has moved");
    assert!(fleet.reads > 10 * fleet.hosts().len(), "many series were read");
    assert!(fleet.stop(Done, true) > 0);
}

#[test]
fn hosts_come_to_other_nodes_and_no_row_is_lost_or_missed() {
    there_and_done(SHORT, &KILLS[6..8]);
}

#[test]
#[ignore = "takes minutes"]
fn sixty_hosts_come_to_other_nodes_and_no_row_is_lost_or_missed() {
    there_and_done(WHOLE, &KILLS);
}

/// The first copy stays where it is, so that no file is removed.
#[test]
#[ignore = "takes a minute"]
fn one_copy_becomes_two_and_no_row_is_lost_or_missed() {
    let mut fleet = begin(COPIES);
    wait_for_gate(&fleet);
    for cut in &KILLS[6..8] {
        assert!(fleet.mover.kill_at(&["run"], *cut), "{cut:?}");
    }
    move_all(&mut fleet, &[]);
    verify(&fleet, &[]);
    fleet.go(Moving("100%", "100%"), Noodles);
    fleet.go(Done, Cocos);
    assert!(fleet.stop(Done, false) > 0);
}

/// As `docs/change-placement.md` has it: a new owner before `new`, which comes back, and a former one after the move, which
/// does not.
#[test]
#[ignore = "takes a minute"]
fn nodes_that_die_in_the_middle_cost_no_row() {
    let mut fleet = begin(SHORT);
    wait_for_gate(&fleet);
    have_node_down(&mut fleet);
    move_all(&mut fleet, &[]);
    verify(&fleet, &[]);
    fleet.go(Moving("100%", "100%"), Noodles);
    wait_for_gate(&fleet);
    verify(&fleet, &[]);
    fleet.kill_node(0);
    fleet.check();
    let part = fleet.mover.run(&["clean"]);
    assert_eq!(part.status, Some(1), "{part:?}");
    assert!(part.stderr.contains("left out: ") && part.sum()["files"] != 0, "{part:?}");
    fleet.go(Done, Cocos);
    assert!(fleet.stop(Done, true) > 0);
}

/// Who leaves the table until rows are old enough needs no move: reads join what either has.
#[test]
fn without_a_move_no_read_misses_a_row_as_long_as_the_table_is_there() {
    let mut fleet = begin(SHORT);
    fleet.go(Moving("100%", "5%"), Noodles);
    fleet.go(Moving("100%", "100%"), Noodles);
    assert!(fleet.left_behind() > 0, "what was not moved is told");
    fleet.end();
}

/// Former owners have missed nothing.
fn given_up_in_both(size: Size) {
    let mut fleet = begin(size);
    fleet.go(Moving("0%", "0%"), Cocos);
    fleet.go(Before, Cocos);
    assert!(fleet.stop(Before, false) > 0);
}

#[test]
fn a_migration_is_given_up_while_all_is_written_to_both() {
    given_up_in_both(SHORT);
}

#[test]
#[ignore = "takes minutes"]
fn sixty_hosts_stay_where_they_were_when_it_is_given_up_while_all_is_written_to_both() {
    given_up_in_both(WHOLE);
}

/// What new owners alone got comes back to the former ones.
fn given_up_in_new(size: Size) {
    let mut fleet = begin(size);
    wait_for_gate(&fleet);
    move_all(&mut fleet, &[]);
    fleet.go(Moving("100%", "5%"), Noodles);
    fleet.go(Moving("100%", "100%"), Noodles);
    fleet.pass(HEARTBEAT);
    fleet.go(Moving("100%", "0%"), Cocos);
    wait_for_gate(&fleet);
    move_all(&mut fleet, &["--back"]);
    verify(&fleet, &["--back"]);
    fleet.go(Before, Cocos);
    assert!(fleet.stop(Before, false) > 0);
}

#[test]
fn a_migration_is_given_up_after_former_owners_were_written_to_no_more() {
    given_up_in_new(SHORT);
}

#[test]
#[ignore = "takes minutes"]
fn sixty_hosts_come_back_when_it_is_given_up_after_former_owners_were_written_to_no_more() {
    given_up_in_new(WHOLE);
}
