//! What is held back over batches for fuller packets: nothing but the time changes.

use std::time::{Duration, Instant};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::inputs::datagrams;
use crate::model::expected;
use crate::stages::{AMPLE, Packets, Stages, arrived, blacklist, shape, tiers};

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    /// One of some batches comes, which has waited for so many milliseconds.
    Batch(Index, u64),
    /// So many milliseconds pass.
    Wait(u64),
    /// One of some configurations takes over.
    Reload(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (any::<Index>(), prop_oneof![Just(0), 0_u64..60]).prop_map(|(batch, late)| Step::Batch(batch, late)),
        4 => (0_u64..30).prop_map(Step::Wait),
        1 => (0_usize..9).prop_map(Step::Reload),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Each value list arrives once, those of one host in their order; what has not left yet is counted as held, and
    /// nothing is for longer than it may.
    #[test]
    fn what_is_held_back_arrives_as_all_else_does_and_in_time(
        configs in vec((shape(), blacklist(), 1024_usize..=9000), 1..3),
        linger in 1_u64..40,
        pool in vec(datagrams(), 1..4),
        steps in vec(step(), 1..16),
    ) {
        let linger = Duration::from_millis(linger);
        let largest = pool.iter().map(Vec::len).max().unwrap();
        let (shape, mut blacklist, mut limit) = configs[0].clone();
        let mut stages =
            Stages::holding_back(tiers(&shape), blacklist.clone(), limit, AMPLE, largest, linger);
        // Since the last reload.
        let (mut came, mut left): (Vec<Vec<u8>>, Packets) = Default::default();
        // How many were to arrive by some time.
        let mut by: Vec<(Instant, u64)> = Vec::new();
        for step in steps.into_iter().chain([Step::Reload(0)]) {
            match step {
                Step::Batch(batch, late) => {
                    let batch = batch.get(&pool);
                    stages.late = Duration::from_millis(late);
                    left.extend(stages.run(batch, 0));
                    // What is due as it comes, since it waited in a queue, leaves with all else.
                    prop_assert!(stages.packing.due().is_none_or(|due| due > stages.now));
                    came.extend(batch.iter().cloned());
                    left.extend(stages.flush(Some(stages.now)));
                }
                Step::Wait(milliseconds) => {
                    stages.now += Duration::from_millis(milliseconds);
                    left.extend(stages.flush(Some(stages.now)));
                }
                Step::Reload(config) => {
                    left.extend(stages.flush(None));
                    prop_assert_eq!((stages.packing.held(), stages.packing.due()), (0, None));
                    prop_assert_eq!(
                        arrived(&stages.tiers, &left, limit),
                        expected(&stages.tiers, blacklist.as_ref(), &came)
                    );
                    let shape;
                    (shape, blacklist, limit) = configs[config % configs.len()].clone();
                    stages.reload(tiers(&shape), blacklist.clone(), limit);
                    (came, left, by) = Default::default();
                }
            }
            let to_arrive = expected(&stages.tiers, blacklist.as_ref(), &came);
            let of_each = to_arrive.values().flat_map(|received| received.value_lists.values());
            let to_arrive: u64 = of_each.map(|lists| lists.len() as u64).sum();
            by.push((stages.now + linger, to_arrive));
            let have_left: u64 = left.iter().map(|(_, _, value_lists, _)| u64::from(*value_lists)).sum();
            prop_assert_eq!(have_left + stages.packing.held(), to_arrive);
            // Whoever waits until something is due does not come too late for any.
            prop_assert!(stages.packing.held() == 0 || stages.packing.due().is_some());
            prop_assert!(stages.packing.due().is_none_or(|due| due > stages.now && due <= stages.now + linger));
            let must_have_left = by.iter().filter(|(due, _)| *due <= stages.now).map(|(_, count)| *count).max();
            prop_assert!(have_left >= must_have_left.unwrap_or_default());
        }
    }
}
