//! Numbers of hosts, over names in several styles.

use coco_core::placement::Placement;
use coco_core::placement::jump::Jump;
use coco_core::placement::rendezvous::Rendezvous;
use xxhash_rust::xxh64::xxh64;

use crate::{Target, hosts, owners, plain, rendezvous};

/// How many copies lie on other targets by the second than by the first.
fn moved(before: (&Rendezvous, &[Target]), after: (&Rendezvous, &[Target]), number: usize) -> usize {
    let moved = hosts(number).map(|host| {
        let old = owners(before.0, before.1, host.as_bytes());
        let new = owners(after.0, after.1, host.as_bytes());
        new.iter().filter(|&target| !old.contains(target)).count()
    });
    moved.sum()
}

/// Each target of equal weight holds the same part of all copies, so that is what has to move.
#[test]
fn a_target_that_comes_or_goes_moves_hardly_more_than_it_holds() {
    const HOSTS: usize = 20_000;
    for targets in [3, 12, 20] {
        let (few, many) = (plain(targets), plain(targets + 1));
        for replicas in 1..=3 {
            let least = HOSTS as f64 * replicas as f64 / (targets + 1) as f64;
            let [small, large] = [&few, &many].map(|targets| rendezvous(targets, replicas));
            let added = moved((&small, &few), (&large, &many), HOSTS);
            let removed = moved((&large, &many), (&small, &few), HOSTS);
            assert_eq!(added, removed);
            assert!(added as f64 <= 1.1 * least, "{targets} targets, {replicas} copies: {added} of {least}");
            assert!(added as f64 >= 0.9 * least, "{targets} targets, {replicas} copies: {added} of {least}");
        }
    }
}

#[test]
fn a_target_in_front_or_in_the_middle_moves_no_more_than_one_at_the_end() {
    const HOSTS: usize = 20_000;
    let all = plain(13);
    let whole = rendezvous(&all, 1);
    for place in [0, 6, 12] {
        let mut without = all.clone();
        without.remove(place);
        let moved = moved((&rendezvous(&without, 1), &without), (&whole, &all), HOSTS) as f64;
        assert!(moved <= 1.1 * HOSTS as f64 / 13.0, "{place}: {moved}");
    }
}

#[test]
fn by_jump_a_target_at_the_end_moves_hosts_to_itself_alone_and_one_in_front_moves_most() {
    const HOSTS: usize = 20_000;
    let [few, many] = [12, 13].map(|targets| Jump::new(&vec![None; targets], 1).unwrap());
    let (mut old, mut new) = (Vec::new(), Vec::new());
    let (mut at_the_end, mut in_front) = (0, 0);
    for host in hosts(HOSTS) {
        few.owners(host.as_bytes(), &mut old);
        many.owners(host.as_bytes(), &mut new);
        assert!(new == old || new == [12], "{host}");
        at_the_end += usize::from(new != old);
        in_front += usize::from(new[0] != old[0] + 1);
    }
    let least = HOSTS as f64 / 13.0;
    assert!(at_the_end as f64 <= 1.1 * least, "{at_the_end} of {least}");
    assert!(in_front as f64 > 10.0 * least, "{in_front} of {least}");
}

#[test]
fn another_weight_moves_hardly_more_than_the_difference() {
    const HOSTS: usize = 20_000;
    let mut targets = plain(5);
    let before = targets.clone();
    targets[2].weight = 200;
    let (old, new) = (rendezvous(&before, 1), rendezvous(&targets, 1));
    let least = HOSTS as f64 * (200.0 / 600.0 - 100.0 / 500.0);
    for moved in
        [moved((&old, &before), (&new, &targets), HOSTS), moved((&new, &targets), (&old, &before), HOSTS)]
    {
        assert!((0.9..=1.1).contains(&(moved as f64 / least)), "{moved} of {least}");
    }
}

#[test]
fn the_loss_of_a_whole_zone_leaves_every_host_where_copies_lie_in_two() {
    let zoned: Vec<_> = plain(6)
        .into_iter()
        .zip(0..)
        .map(|(target, at)| Target { zone: Some(format!("zone{}", at % 2)), ..target })
        .collect();
    let placement = Placement::Rendezvous(rendezvous(&zoned, 2));
    assert!(placement.is_whole_without(|place| place % 2 == 0));
    assert!(!placement.is_whole_without(|place| place < 2), "one of each zone may be all that a host has");
    let plain = Placement::Rendezvous(rendezvous(&plain(6), 2));
    assert!(plain.is_whole_without(|place| place == 3) && !plain.is_whole_without(|place| place < 2));
}

#[test]
fn with_equal_weights_the_highest_hash_owns() {
    let targets = plain(12);
    let placement = rendezvous(&targets, 3);
    for host in hosts(2000) {
        let mut names: Vec<_> = targets.iter().map(|target| target.name.as_str()).collect();
        names.sort_by_key(|name| std::cmp::Reverse(xxh64(host.as_bytes(), xxh64(name.as_bytes(), 0))));
        assert_eq!(owners(&placement, &targets, host.as_bytes()), names[..3], "{host}");
    }
}

/// How many hosts each target owns.
fn owned(targets: &[Target], replicas: usize, number: usize) -> Vec<usize> {
    let placement = rendezvous(targets, replicas);
    let mut owned = vec![0; targets.len()];
    let mut places = Vec::new();
    for host in hosts(number) {
        placement.owners(host.as_bytes(), &mut places);
        places.iter().for_each(|&place| owned[place] += 1);
    }
    owned
}

#[test]
fn equal_targets_own_alike() {
    const HOSTS: usize = 200_000;
    for targets in [3, 12, 50] {
        let most = owned(&plain(targets), 1, HOSTS).into_iter().max().unwrap();
        let ratio = most as f64 * targets as f64 / HOSTS as f64;
        assert!(ratio <= 1.05, "{targets}: {ratio}");
    }
}

#[test]
fn targets_own_in_proportion_to_their_weights() {
    const HOSTS: usize = 100_000;
    let mut targets = plain(10);
    targets.iter_mut().zip(1..).for_each(|(target, tenth)| target.weight = 70 * tenth);
    for (place, owned) in owned(&targets, 1, HOSTS).into_iter().enumerate() {
        let expected = HOSTS as f64 * (place + 1) as f64 / 55.0;
        assert!((owned as f64 / expected - 1.0).abs() < 0.06, "{place}: {owned} of {expected}");
    }
}

/// The limit of choosing without repetition, which the documents state.
#[test]
fn of_five_with_two_copies_a_target_of_double_weight_holds_thirty_percent() {
    const HOSTS: usize = 100_000;
    let mut targets = plain(5);
    targets[2].weight = 200;
    let share = owned(&targets, 2, HOSTS)[2] as f64 / (2 * HOSTS) as f64;
    assert!((share - 0.30).abs() < 0.005, "{share}");
}
