//! Property tests over any targets and any bytes as hosts.

use std::collections::BTreeSet;

use coco_core::placement::jump::Jump;
use coco_core::placement::ring::Ring;
use coco_core::placement::{MAX_REPLICAS, Placement};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::{Target, owners, rendezvous};

/// Names are unique, some alike; zones are all there or all missing.
fn targets(weights: impl Strategy<Value = u32> + Clone + 'static) -> impl Strategy<Value = Vec<Target>> {
    (vec((".{0,6}", weights, 0..4_u8), 1..24), any::<bool>()).prop_map(|(targets, zoned)| {
        let target = |(number, (text, weight, zone)): (usize, (String, u32, u8))| Target {
            name: format!("{text}{number}"),
            weight,
            zone: zoned.then(|| format!("zone{zone}")),
        };
        // The number tells names apart, unless the text ends in a digit.
        let mut names = BTreeSet::new();
        let mut targets: Vec<_> = targets.into_iter().enumerate().map(target).collect();
        targets.retain(|target| names.insert(target.name.clone()));
        targets
    })
}

fn weights() -> impl Strategy<Value = u32> + Clone {
    prop_oneof![4 => Just(100_u32), 4 => 1..=1000_u32, 1 => Just(1), 1 => Just(1_000_000)]
}

fn names() -> impl Strategy<Value = Vec<Vec<u8>>> {
    vec(vec(any::<u8>(), 0..40), 1..20)
}

/// How many zones there are; without any, all targets are of one.
fn zones<'a>(targets: impl Iterator<Item = &'a Target>) -> usize {
    targets.map(|target| &target.zone).collect::<BTreeSet<_>>().len()
}

proptest! {
    #[test]
    fn the_order_of_targets_never_matters(
        (ordered, shuffled) in targets(weights()).prop_flat_map(|targets| (Just(targets.clone()), Just(targets).prop_shuffle())),
        replicas in 1..=MAX_REPLICAS,
        hosts in names(),
    ) {
        let replicas = replicas.min(ordered.len());
        let (one, other) = (rendezvous(&ordered, replicas), rendezvous(&shuffled, replicas));
        for host in &hosts {
            prop_assert_eq!(owners(&one, &ordered, host), owners(&other, &shuffled, host));
        }
    }

    #[test]
    fn weights_times_a_number_move_nothing(
        targets in targets(1..=1000_u32), times in 1..=1000_u32, replicas in 1..=MAX_REPLICAS, hosts in names(),
    ) {
        let replicas = replicas.min(targets.len());
        let mut heavier = targets.clone();
        heavier.iter_mut().for_each(|target| target.weight *= times);
        let (one, other) = (rendezvous(&targets, replicas), rendezvous(&heavier, replicas));
        prop_assert_eq!(&one, &other);
        for host in &hosts {
            prop_assert_eq!(owners(&one, &targets, host), owners(&other, &heavier, host));
        }
    }

    #[test]
    fn owners_are_distinct_and_of_distinct_zones_while_there_are_any(
        targets in targets(weights()), replicas in 1..=MAX_REPLICAS, hosts in names(),
    ) {
        let replicas = replicas.min(targets.len());
        let placement = rendezvous(&targets, replicas);
        let mut places = Vec::new();
        for host in &hosts {
            placement.owners(host, &mut places);
            prop_assert_eq!(places.iter().collect::<BTreeSet<_>>().len(), replicas);
            let met = zones(places.iter().map(|&place| &targets[place]));
            prop_assert_eq!(met, replicas.min(zones(targets.iter())));
        }
    }

    #[test]
    fn fewer_replicas_are_the_first_of_more(
        targets in targets(weights()), replicas in 2..=MAX_REPLICAS, hosts in names(),
    ) {
        prop_assume!(targets.len() > 1);
        let replicas = replicas.min(targets.len());
        let jump = |replicas| Jump::new(&vec![None; targets.len()], replicas).unwrap();
        let (more, less) = (rendezvous(&targets, replicas), rendezvous(&targets, replicas - 1));
        let (jump_more, jump_less) = (jump(replicas), jump(replicas - 1));
        let (mut all, mut first) = (Vec::new(), Vec::new());
        for host in &hosts {
            more.owners(host, &mut all);
            less.owners(host, &mut first);
            prop_assert_eq!(&all[..replicas - 1], first.as_slice());
            jump_more.owners(host, &mut all);
            jump_less.owners(host, &mut first);
            prop_assert_eq!(&all[..replicas - 1], first.as_slice());
            prop_assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), replicas);
        }
    }

    /// No host of which all owners are lost is said to be there; and where zones are even, a whole zone may go.
    #[test]
    fn what_is_whole_has_an_owner_of_every_host_left(
        targets in targets(weights()), lost in vec(any::<bool>(), 24), replicas in 1..=MAX_REPLICAS, hosts in names(),
    ) {
        let replicas = replicas.min(targets.len());
        let placements = [
            Placement::Rendezvous(rendezvous(&targets, replicas)),
            Placement::Jump(Jump::new(&vec![None; targets.len()], replicas).unwrap()),
            Placement::Ring(Ring::new(targets.len(), 20)),
        ];
        for placement in placements {
            let mut places = Vec::new();
            if placement.is_whole_without(|place| lost[place]) {
                for host in &hosts {
                    placement.owners(host, &mut places);
                    prop_assert!(places.iter().any(|&place| !lost[place]));
                }
            }
            prop_assert!(placement.is_whole_without(|_| false) && !placement.is_whole_without(|_| true));
        }
    }

    /// Whatever zones and weights: at most one of a host's copies, from or to the target that came, went or changed.
    #[test]
    fn copies_move_only_to_or_from_the_target_that_changes(
        targets in targets(weights()), changed in any::<Index>(), weight in 1..=1000_u32, replicas in 1..=MAX_REPLICAS,
        hosts in names(),
    ) {
        prop_assume!(targets.len() > 1);
        let replicas = replicas.min(targets.len() - 1);
        let changed = changed.index(targets.len());
        let name = targets[changed].name.as_str();
        let mut without = targets.clone();
        without.remove(changed);
        let mut reweighted = targets.clone();
        reweighted[changed].weight = weight;
        let whole = rendezvous(&targets, replicas);
        for others in [&without, &reweighted] {
            let other = rendezvous(others, replicas);
            for host in &hosts {
                let before: BTreeSet<_> = owners(&whole, &targets, host).into_iter().collect();
                let after: BTreeSet<_> = owners(&other, others, host).into_iter().collect();
                let moved: Vec<_> = before.symmetric_difference(&after).collect();
                prop_assert!(moved.is_empty() || moved.len() == 2 && moved.contains(&&name), "{:?} {:?}", before, after);
            }
        }
    }
}
