//! Whoever writes and whoever reads, each by its own configuration, have a whole set of owners in common; a fleet that
//! reloads at random moments loses nothing.

use std::collections::{BTreeMap, BTreeSet};

use coco_core::placement::Placement;
use coco_core::placement::canary::Percentage;
use coco_core::placement::jump::Jump;
use coco_core::placement::migration::{Headway, Migration, Side, Stage};
use coco_core::placement::ring::Ring;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::{Target, hosts, plain, rendezvous};

fn percentage(hundredths: u16) -> Percentage {
    format!("{}.{:02}%", hundredths / 100, hundredths % 100).parse().unwrap()
}

/// Shares of all hosts, most of them round.
fn headway() -> impl Strategy<Value = Headway> {
    let hundredths = || prop_oneof![Just(0_u16), Just(10_000), Just(5_000), 0..=10_000_u16];
    [hundredths(), hundredths()].prop_map(|mut two| {
        two.sort_unstable();
        Headway::new(percentage(two[1]), percentage(two[0])).unwrap()
    })
}

/// A way to place hosts on some of ten targets.
fn side() -> impl Strategy<Value = Side> {
    let places = proptest::sample::subsequence((0..10_usize).collect::<Vec<_>>(), 1..=10);
    (places, 1..=3_usize, 0..3).prop_map(|(places, replicas, way)| {
        let replicas = replicas.min(places.len());
        let target = |place: &usize| Target { name: format!("s{place}"), weight: 100, zone: None };
        let targets: Vec<_> = places.iter().map(target).collect();
        let placement = match way {
            0 => Placement::Ring(Ring::new(places.len(), 20)),
            1 => Placement::Jump(Jump::new(&vec![None; places.len()], replicas).unwrap()),
            _ => Placement::Rendezvous(rendezvous(&targets, replicas)),
        };
        Side::new(placement, places)
    })
}

fn migration(new: &Side, former: &Side, headway: Headway) -> Placement {
    Placement::Migration(Box::new(Migration::new(new.clone(), former.clone(), 10, headway)))
}

fn list(of: impl Fn(&mut Vec<usize>)) -> Vec<usize> {
    let mut places = Vec::new();
    of(&mut places);
    places
}

proptest! {
    #[test]
    fn processes_that_may_run_together_have_a_whole_set_of_owners_in_common(
        new in side(), former in side(), steps in vec(headway(), 1..6), hosts in vec(vec(any::<u8>(), 0..20), 1..20),
    ) {
        let mut running: Vec<Headway> = Vec::new();
        for step in steps {
            if running.iter().all(|other| other.is_safe_beside(step)) {
                running.push(step);
            }
        }
        for host in &hosts {
            let whole = [&new, &former].map(|side| list(|owners| side.owners(host, owners)));
            let mut common = [true; 2];
            for &step in &running {
                let placement = migration(&new, &former, step);
                let writers = list(|owners| placement.owners(host, owners));
                let readers = list(|readers| placement.readers(host, readers));
                prop_assert_eq!(placement.first_owner(host), readers[0]);
                prop_assert!(writers.iter().all(|writer| readers.contains(writer)));
                let distinct: BTreeSet<_> = readers.iter().collect();
                prop_assert_eq!(distinct.len(), readers.len());
                for (common, whole) in common.iter_mut().zip(&whole) {
                    *common &= whole.iter().all(|owner| writers.contains(owner) && readers.contains(owner));
                }
            }
            prop_assert!(common.contains(&true), "{:?} {:?}", host, running);
        }
    }

    /// Same owners, be they in another order: written and read as without a migration.
    #[test]
    fn hosts_that_stay_cost_nothing_extra(
        new in side(), former in side(), step in headway(), hosts in vec(vec(any::<u8>(), 0..20), 1..20),
    ) {
        let placement = migration(&new, &former, step);
        let moving = placement.migration().unwrap();
        for host in &hosts {
            let [mut owners, mut were] = [&new, &former].map(|side| list(|owners| side.owners(host, owners)));
            let settled = owners.clone();
            owners.sort_unstable();
            were.sort_unstable();
            prop_assert_eq!(moving.of(host).stage == Stage::Settled, owners == were);
            if owners == were {
                prop_assert_eq!(list(|owners| placement.owners(host, owners)), settled.clone());
                prop_assert_eq!(list(|readers| placement.readers(host, readers)), settled);
            }
        }
    }
}

/// Steps of a migration as processes run them: none of it yet, its headway, none of it any more.
const STEPS: [Option<(u16, u16)>; 7] = [
    None,
    Some((0, 0)),
    Some((100, 0)),
    Some((10_000, 0)),
    Some((10_000, 500)),
    Some((10_000, 10_000)),
    None,
];

/// The step at which all is written to both, when what former owners have is copied.
const COPIES: usize = 3;

/// A fleet in which every Coco and every Noodle takes up the steps at moments of its own.
struct Fleet {
    /// Placements, one a step.
    steps: Vec<Placement>,
    random: u64,
    /// The step of each process: four Cocos, then two Noodles.
    running: [usize; 6],
    /// What each target has of each host: a bit a row.
    rows: BTreeMap<(usize, String), u64>,
}

const COCOS: usize = 4;

impl Fleet {
    fn new(seed: u64) -> Self {
        let side =
            |targets: &[Target], places| Side::new(Placement::Rendezvous(rendezvous(targets, 1)), places);
        let (former, new) = (side(&plain(5), (0..5).collect()), side(&plain(6)[1..], (1..6).collect()));
        let only = |side: &Side, headway| migration(side, side, headway);
        let steps = STEPS.iter().enumerate().map(|(number, step)| match step {
            None if number == 0 => only(&former, Headway::BEFORE),
            None => only(&new, Headway::AFTER),
            Some((both, one)) => {
                migration(&new, &former, Headway::new(percentage(*both), percentage(*one)).unwrap())
            }
        });
        Self { steps: steps.collect(), random: seed, running: [0; 6], rows: BTreeMap::new() }
    }

    /// Below a number, by splitmix64.
    fn below(&mut self, number: usize) -> usize {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ mixed >> 31) % number as u64) as usize
    }

    /// One process goes on by `step` steps: those that are behind the others, if there are any.
    fn reload(&mut self, step: usize) {
        let least = *self.running.iter().min().unwrap();
        let behind: Vec<_> = (0..self.running.len()).filter(|&at| self.running[at] == least).collect();
        let next = (least + step).min(STEPS.len() - 1);
        let chosen = behind[self.below(behind.len())];
        self.running[chosen] = next;
    }

    /// Whatever former owners have, new owners get.
    fn copy(&mut self, host: &str) {
        let (mut owners, mut former) = (Vec::new(), Vec::new());
        self.steps[0].owners(host.as_bytes(), &mut former);
        self.steps[STEPS.len() - 1].owners(host.as_bytes(), &mut owners);
        let had = self.rows_at(&former, host);
        for place in owners {
            *self.rows.entry((place, host.to_owned())).or_default() |= had;
        }
    }

    /// Rows that any of these targets has.
    fn rows_at(&self, targets: &[usize], host: &str) -> u64 {
        targets
            .iter()
            .filter_map(|place| self.rows.get(&(*place, host.to_owned())))
            .fold(0, |all, rows| all | rows)
    }

    fn write(&mut self, host: &str, row: u32) {
        let coco = self.below(COCOS);
        let mut writers = Vec::new();
        self.steps[self.running[coco]].owners(host.as_bytes(), &mut writers);
        for place in writers {
            *self.rows.entry((place, host.to_owned())).or_default() |= 1 << row;
        }
    }

    /// Rows up to this one that a reader does not get.
    fn missed(&mut self, host: &str, row: u32) -> u32 {
        let noodle = COCOS + self.below(self.running.len() - COCOS);
        let mut readers = Vec::new();
        self.steps[self.running[noodle]].readers(host.as_bytes(), &mut readers);
        row + 1 - self.rows_at(&readers, host).count_ones()
    }
}

/// How a fleet is led through the steps.
#[derive(Clone, Copy, PartialEq)]
enum Leading {
    /// One step after the other, and copies when all are there.
    Safely,
    /// Copies when the first process is there.
    WithoutGate,
    /// From the first to the last step at once.
    Hard,
}

fn rows_missed(leading: Leading) -> u32 {
    let names: Vec<_> = hosts(10).collect();
    let mut missed = 0;
    for seed in 0..60 {
        let mut fleet = Fleet::new(seed);
        let mut is_copied = false;
        for row in 0..64 {
            if fleet.below(4) < 3 {
                fleet.reload(if leading == Leading::Hard { STEPS.len() - 1 } else { 1 });
            }
            let reached = match leading {
                Leading::Safely => *fleet.running.iter().min().unwrap(),
                Leading::WithoutGate | Leading::Hard => *fleet.running.iter().max().unwrap(),
            };
            if reached >= COPIES && !is_copied {
                names.iter().for_each(|host| fleet.copy(host));
                is_copied = true;
            }
            names.iter().for_each(|host| fleet.write(host, row));
            missed += names.iter().map(|host| fleet.missed(host, row)).sum::<u32>();
        }
    }
    missed
}

/// The other two are known to lose rows, or else this would say nothing.
#[test]
fn fleets_that_reload_at_random_moments_miss_no_row() {
    assert_eq!(rows_missed(Leading::Safely), 0);
    let others = [Leading::WithoutGate, Leading::Hard].map(rows_missed);
    assert!(others.iter().all(|missed| *missed > 100), "{others:?}");
}
