//! What changes while value lists come: the configuration, the clock.

use coco::counters::Count;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::books::{Forgotten, check_memory, remembered};
use crate::inputs::datagrams;
use crate::model::expected;
use crate::stages::{AMPLE, EMPTY, Stages, arrived, blacklist, memory, shape, tiers};

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
        let (mut batches, mut forgotten) = (Vec::new(), Forgotten::Nothing);
        for (now, (batch, config)) in picks.iter().enumerate() {
            let (shape, new_blacklist, limit) = config.get(&configs);
            blacklist.clone_from(new_blacklist);
            stages.reload(tiers(shape), blacklist.clone(), *limit);
            let batch = batch.get(&pool);
            let before = remembered(&stages.lane, &mut stages.rules())?;
            let packets = stages.run(batch, now as u32);
            forgotten = forgotten.between(&before, &remembered(&stages.lane, &mut stages.rules())?);
            let arrived = arrived(&stages.tiers, &packets, *limit);
            prop_assert_eq!(arrived, expected(&stages.tiers, blacklist.as_ref(), batch));
            batches.push((now as u32, batch));
        }
        let seen = || batches.iter().flat_map(|(now, batch)| batch.iter().map(move |it| (*now, it)));
        // As a reader sees it at once, and after all has been decided anew.
        check_memory(&stages.lane, seen(), blacklist.as_ref(), &mut stages.rules(), forgotten)?;
        let used = stages.lane.memory().used();
        let before = remembered(&stages.lane, &mut stages.rules())?;
        prop_assert_eq!(stages.lane.memory().renew_some(0, &mut stages.rules()), None);
        forgotten = forgotten.between(&before, &remembered(&stages.lane, &mut stages.rules())?);
        check_memory(&stages.lane, seen(), blacklist.as_ref(), &mut stages.rules(), forgotten)?;
        // Only for want of room.
        let is_ample = memory >= AMPLE && stages.lane.counts.get(Count::Unremembered) == 0;
        prop_assert!(!is_ample || forgotten == Forgotten::Nothing);
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
