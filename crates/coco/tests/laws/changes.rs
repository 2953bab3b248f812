//! What changes while value lists come: the configuration, the clock.

use crate::books::check_memory;
use crate::inputs::datagrams;
use crate::model::expected;
use crate::stages::{EMPTY, Stages, arrived, blacklist, memory, shape, tiers};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever was remembered by an older configuration.
    #[test]
    fn a_batch_leaves_by_the_configuration_of_its_time(
        configs in vec((shape(), blacklist(), 1024_usize..=9000), 1..4),
        memory in memory(),
        (pool, picks) in (vec(datagrams(), 1..3), vec((any::<Index>(), any::<Index>()), 1..6)),
    ) {
        let largest = pool.iter().map(Vec::len).max().unwrap();
        let (shape, mut blacklist, limit) = configs[0].clone();
        let mut stages = Stages::new(tiers(&shape), blacklist.clone(), limit, memory, largest);
        let mut batches = Vec::new();
        for (now, (batch, config)) in picks.iter().enumerate() {
            let (shape, new_blacklist, limit) = config.get(&configs);
            blacklist.clone_from(new_blacklist);
            stages.reload(tiers(shape), blacklist.clone(), *limit);
            let batch = batch.get(&pool);
            let packets = stages.run(batch, now as u32);
            let arrived = arrived(&stages.tiers, &packets, *limit);
            prop_assert_eq!(arrived, expected(&stages.tiers, blacklist.as_ref(), batch));
            batches.push((now as u32, batch));
        }
        let seen = || batches.iter().flat_map(|(now, batch)| batch.iter().map(move |it| (*now, it)));
        // As a reader sees it at once, and after all has been decided anew.
        check_memory(&stages.lane, seen(), blacklist.as_ref(), &mut stages.rules())?;
        let (used, hosts) = (stages.lane.memory().used(), stages.lane.memory().hosts());
        prop_assert_eq!(stages.lane.memory().renew_some(0, &mut stages.rules()), None);
        // A host that is in more shares now may be one that there is no more room for.
        if stages.lane.memory().hosts() == hosts {
            check_memory(&stages.lane, seen(), blacklist.as_ref(), &mut stages.rules())?;
        }
        prop_assert!(used <= memory.max(EMPTY) && stages.lane.memory().used() <= memory.max(EMPTY));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// The clock of the machine may be set, in either direction, while something is remembered and forgotten.
    #[test]
    fn a_clock_that_jumps_loses_memories_and_nothing_else(
        (shape, blacklist, memory) in (shape(), blacklist(), memory()),
        (pool, picks) in (vec(datagrams(), 1..3), vec((any::<Index>(), any::<u32>(), (any::<u32>(), any::<u32>())), 1..6)),
    ) {
        let largest = pool.iter().map(Vec::len).max().unwrap();
        let mut stages = Stages::new(tiers(&shape), blacklist.clone(), 1452, memory, largest);
        for (pick, now, (later, silence)) in picks {
            let batch = pick.get(&pool);
            let packets = stages.run(batch, now);
            prop_assert_eq!(arrived(&stages.tiers, &packets, 1452), expected(&stages.tiers, blacklist.as_ref(), batch));
            let mut next = Some(0);
            while let Some(from) = next {
                next = stages.lane.memory().expire(from, later, silence);
            }
            prop_assert!(stages.lane.memory().used() <= memory.max(EMPTY));
        }
    }
}
