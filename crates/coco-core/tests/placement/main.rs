//! Who owns a host by names, weights, zones and indices of targets.

#![allow(clippy::unwrap_used, reason = "a panic is how a test says what is wrong")]

use coco_core::placement::rendezvous::{Member, Rendezvous, Weight};

/// Owners as others computed or recorded them (`testdata/placement/README.md`).
mod vectors;

/// What holds for any targets and hosts.
mod laws;

/// Hosts on their way from one placement to another.
mod migration;

/// How many hosts move when targets change, and how evenly they are spread.
mod moves;

/// A target as a test writes it.
#[derive(Debug, Clone, PartialEq)]
struct Target {
    name: String,
    weight: u32,
    zone: Option<String>,
}

/// Targets of equal weight and without zones.
fn plain(targets: usize) -> Vec<Target> {
    let target = |number| Target { name: format!("storage{number}"), weight: 100, zone: None };
    (1..=targets).map(target).collect()
}

fn rendezvous(targets: &[Target], replicas: usize) -> Rendezvous {
    let member = |target: &Target| Weight::new(target.weight).unwrap();
    let members: Vec<Member<'_>> = targets
        .iter()
        .map(|target| Member { name: &target.name, weight: member(target), zone: target.zone.as_deref() })
        .collect();
    Rendezvous::new(&members, replicas).unwrap()
}

/// The owners of a host by name, the first owner first.
fn owners<'a>(placement: &Rendezvous, targets: &'a [Target], host: &[u8]) -> Vec<&'a str> {
    let mut places = Vec::new();
    placement.owners(host, &mut places);
    places.into_iter().map(|place| targets[place].name.as_str()).collect()
}

/// Names in five styles, a fifth of them each.
fn hosts(number: usize) -> impl Iterator<Item = String> {
    (0..number).map(|host| {
        let number = host / 5;
        match host % 5 {
            0 => format!("web{number}"),
            1 => format!("db{number:05}.prod.example.org"),
            2 => format!(
                "ip-10-{}-{}-{}.eu-west-1.compute.internal",
                number >> 16,
                number >> 8 & 255,
                number & 255
            ),
            3 => format!("{:016x}", (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            _ => format!("rack{:02}-node{number}", number % 40),
        }
    })
}
