//! What it costs to decide anew after a reload.

use super::*;

/// Looks at many targets for each host.
#[derive(Default)]
struct Slow {
    by: ByLength,
    asked: std::cell::Cell<usize>,
}

const COST: usize = 300;

impl Judge for Slow {
    fn version(&self) -> Version {
        self.by.version
    }

    fn shares(&self, host: &[u8]) -> Shares {
        self.asked.set(self.asked.get() + 1);
        self.by.shares(host)
    }

    fn is_unsettled(&self, shares: &[Share]) -> bool {
        self.by.is_unsettled(shares)
    }

    fn cost_of_shares(&self, _: &[u8]) -> usize {
        COST
    }

    fn rejects(&mut self, host: &[u8], metric: &Name) -> bool {
        self.by.rejects(host, metric)
    }
}

#[test]
fn whoever_decides_anew_on_shares_lets_the_lane_go_on_in_time() {
    const NUMBER: usize = 1000;
    let mut memory = Memory::new(1 << 24);
    for host in 0..NUMBER {
        let (_, is_remembered) = see(&mut memory, format!("host{host}").as_bytes(), METRICS[0], 1);
        assert!(is_remembered);
    }
    let mut judge = Slow::default();
    let walk = |memory: &mut Memory, judge: &mut Slow, piece: fn(&mut Memory, HostId, &mut Slow) -> _| {
        let (mut next, mut asked) = (Some(0), 0);
        while let Some(from) = next {
            judge.asked.set(0);
            next = piece(memory, from, judge);
            assert!(judge.asked.get() <= VISITED_AT_ONCE / COST + 1, "{}", judge.asked.get());
            asked += judge.asked.get();
        }
        asked
    };
    let visit = |memory: &mut Memory, from, judge: &mut Slow| memory.visit_hosts(from, judge, |_| {});
    let count =
        |memory: &mut Memory, from, judge: &mut Slow| memory.count_accepted(from, judge, |_, _, _| {});
    let renew = |memory: &mut Memory, from, judge: &mut Slow| memory.renew_some(from, judge);
    assert_eq!(walk(&mut memory, &mut judge, visit), 0, "they are known");
    judge.by.version.verdicts += 1;
    assert_eq!(walk(&mut memory, &mut judge, renew), 0, "only verdicts have changed");
    judge.by.version.shares += 1;
    for piece in [visit, count, renew] {
        assert_eq!(walk(&mut memory, &mut judge, piece), NUMBER);
    }
    assert_eq!(walk(&mut memory, &mut judge, count), 0, "they are known again");
}

#[test]
fn to_count_what_is_sent_of_a_host_costs_its_verdicts_if_they_are_old() {
    let mut memory = Memory::new(1 << 20);
    METRICS.iter().for_each(|&parts| assert!(see(&mut memory, b"a", parts, 1).1));
    let mut judge = ByLength::default();
    assert_eq!(memory.accepted_of(b"a", &mut judge).1, 1);
    judge.version.shares += 1;
    assert_eq!(memory.accepted_of(b"a", &mut judge).1, 1);
    judge.version.verdicts += 1;
    assert_eq!(memory.accepted_of(b"a", &mut judge).1, 1 + renew::VERDICT_COST * METRICS.len());
    assert_eq!(memory.accepted_of(b"b", &mut judge), (None, 1));
}
