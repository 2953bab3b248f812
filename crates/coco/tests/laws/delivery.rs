//! What came leaves to whom it is for, and to nobody else.

use coco::counters::Count;
use coco::intake::{Gate, decode};
use coco::send::Progress;
use coco_core::tier::Tier;
use coco_core::wire::{Decoder, Event};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::books::{Forgotten, check_books, check_copies, check_memory};
use crate::inputs::{LARGEST, by_hand, datagrams, of_one_host, one_value_list};
use crate::model::{Contents, expected};
use crate::stages::{EMPTY, Stages, arrived, blacklist, memory, ring, shape, tiers};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_came_and_is_not_blacklisted_leaves_to_its_owner_of_every_tier(
        shape in shape(),
        blacklist in blacklist(),
        limit in 1024_usize..=9000,
        memory in memory(),
        // Agents send the same metrics again and again, mostly in the same order.
        (pool, picks) in (vec(datagrams(), 1..3), vec(any::<Index>(), 1..5)),
    ) {
        let batches: Vec<_> = picks.iter().map(|pick| pick.get(&pool)).collect();
        let largest = pool.iter().map(Vec::len).max().unwrap();
        let mut stages = Stages::new(tiers(&shape), blacklist.clone(), limit, memory, largest);
        for (now, batch) in batches.iter().enumerate() {
            let packets = stages.run(batch, now as u32);
            let arrived = arrived(&stages.tiers, &packets, limit);
            prop_assert_eq!(arrived, expected(&stages.tiers, blacklist.as_ref(), batch));
        }
        let contents: Vec<Contents> = batches.iter().copied().flatten().map(|datagram| Contents::of(datagram)).collect();
        check_books(&stages, &contents, blacklist.as_ref())?;
        check_copies(&stages, &contents, blacklist.as_ref())?;
        let seen = batches.iter().enumerate().flat_map(|(now, batch)| batch.iter().map(move |it| (now as u32, it)));
        check_memory(&stages.lane, seen, blacklist.as_ref(), &mut stages.rules(), Forgotten::Nothing)?;
        prop_assert!(stages.lane.memory().used() <= memory.max(EMPTY));
    }

    #[test]
    fn a_datagram_of_one_host_leaves_as_it_came(
        datagrams in prop_oneof![of_one_host(), vec(by_hand(), 1..8)],
        shape in shape(),
        limit in prop_oneof![1024_usize..=9000, Just(LARGEST)],
    ) {
        for datagram in datagrams {
            let contents = Contents::of(&datagram);
            if datagram.len() > limit || !contents.is_of_one_host_alone() {
                continue;
            }
            let mut stages = Stages::new(tiers(&shape), None, limit, 1 << 20, 1);
            let packets = stages.run(std::slice::from_ref(&datagram), 1);
            let copies = |tier: &Tier| {
                let mut owners = Vec::new();
                tier.placement().owners(&Contents::of(&datagram).value_lists[0].identifier.host, &mut owners);
                owners.len()
            };
            let copies = stages.tiers.iter().map(copies).sum::<usize>();
            // Each target of the tiers that part hosts alike gets the one packing.
            prop_assert_eq!(packets.len(), copies);
            prop_assert!(packets.iter().all(|(_, bytes, ..)| *bytes == datagram));
        }
    }

    /// Any bytes at all.
    #[test]
    fn noise_is_survived_and_counted(datagrams in vec(vec(any::<u8>(), 0..300), 1..20)) {
        let mut stages = Stages::new(tiers(&[ring(2), ring(1)]), None, 1452, 1 << 20, datagrams.len());
        let packets = stages.run(&datagrams, 1);
        prop_assert_eq!(arrived(&stages.tiers, &packets, 1452), expected(&stages.tiers, None, &datagrams));
        let contents: Vec<Contents> = datagrams.iter().map(|datagram| Contents::of(datagram)).collect();
        check_books(&stages, &contents, None)?;
    }
}

/// A datagram that fits the limit and is of one host travels with its neighbours, not alone.
#[test]
fn small_datagrams_of_one_target_share_a_packet() {
    let datagrams: Vec<_> = (0..10).map(|number| one_value_list(format!("web{number}").as_bytes())).collect();
    let mut stages = Stages::new(tiers(&[ring(1)]), None, 1452, 1 << 20, 10);
    let packets = stages.run(&datagrams, 1);
    assert_eq!(packets, [(0, datagrams.concat(), 10, 0)]);
    let events: Vec<_> = Decoder::new(&packets[0].1).collect();
    assert!(events.len() == 10 && events.iter().all(|event| matches!(event, Ok(Event::ValueList(_)))));
}

/// A panic in the filter cannot be caused from outside, so its mending is called as the pipeline calls it.
#[test]
fn what_the_filter_left_undecided_is_rejected_and_counted() {
    let datagram = one_value_list(b"web1");
    let mut stages = Stages::new(tiers(&[ring(2)]), None, 1452, 1 << 20, 2);
    stages.batch.free_slots().next().unwrap()[..datagram.len()].copy_from_slice(&datagram);
    stages.batch.add(datagram.len(), None);
    decode(&mut stages.batch, &stages.lane, &Gate::default());
    stages.filter.recover(&mut stages.batch, &stages.lane);
    assert_eq!(stages.packing.pack(&stages.batch, &mut Progress::default(), stages.now), 0);
    assert_eq!(stages.packing.packed().count(), 0);
    let counts = [Count::Decoded, Count::Rejected, Count::Accepted, Count::Unhandled];
    assert_eq!(counts.map(|count| stages.lane.counts.get(count)), [1, 1, 0, 1]);
    assert_eq!((stages.lane.raw.waiting(), stages.lane.filtered.waiting()), (0, 0));
    // The next batch is none the worse for it.
    assert_eq!(stages.run(&[datagram], 2).len(), 1);
}
