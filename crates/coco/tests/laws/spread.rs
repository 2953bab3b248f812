//! Hosts that are spread over lanes.

use std::collections::BTreeMap;

use coco::batch::Batch;
use coco::intake::{Gate, LaneOfHost, Spread, decode};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::inputs::{datagrams, one_value_list};
use crate::model::{Contents, expected};
use crate::stages::{Packets, Stages, arrived, ring, shape, tiers};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn spread_over_lanes_every_host_is_on_one_and_all_leave_as_they_would_from_one(
        shape in shape(),
        lanes in 1_usize..5,
        (pool, picks) in (vec(datagrams(), 1..3), vec(any::<Index>(), 1..4)),
    ) {
        let largest = pool.iter().map(Vec::len).max().unwrap();
        let stages = || Stages::new(tiers(&shape), None, 1452, 1 << 20, largest);
        let (mut all, mut lanes) = (stages(), (0..lanes).map(|_| stages()).collect::<Vec<_>>());
        let mut spread = Spread::new(LaneOfHost::new(lanes.len()));
        let mut lane_of: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        for datagrams in picks.iter().map(|pick| pick.get(&pool)) {
            all.take_in(datagrams, 7);
            let mut packets = Packets::new();
            all.rounds(|all| {
                spread.divide(&all.batch, |_| Some(Batch::new(largest))).unwrap();
                for (lane, part) in spread.parts() {
                    let lane = lane.number();
                    all.lane.raw.leave(part.pending());
                    lanes[lane].lane.raw.enter(part.pending());
                    assert_eq!(part.received, 7);
                    lanes[lane].batch = part;
                    let own = lanes[lane].finish();
                    for list in own.iter().flat_map(|(_, bytes, ..)| Contents::of(bytes).value_lists) {
                        assert_eq!(*lane_of.entry(list.identifier.host).or_insert(lane), lane);
                    }
                    packets.extend(own);
                }
            });
            prop_assert_eq!(all.lane.raw.waiting(), 0);
            // Each lane sends notifications by itself: they keep the order of their host.
            let [arrived, expected] =
                [arrived(&all.tiers, &packets, 1452), expected(&all.tiers, None, datagrams)];
            prop_assert_eq!(arrived, expected);
        }
    }
}

#[test]
fn hosts_of_one_sender_reach_every_lane() {
    let datagrams: Vec<_> =
        (0..1000).map(|number| one_value_list(format!("web{number}").as_bytes())).collect();
    let mut stages = Stages::new(tiers(&[ring(1)]), None, 1452, 0, datagrams.len());
    stages.take_in(&datagrams, 1);
    decode(&mut stages.batch, &stages.lane, &Gate::default());
    let mut spread = Spread::new(LaneOfHost::new(4));
    spread.divide(&stages.batch, |_| Some(Batch::new(datagrams.len()))).unwrap();
    let shares: Vec<_> = spread.parts().map(|(_, part)| part.pending()).collect();
    assert_eq!((shares.len(), shares.iter().sum::<u64>()), (4, 1000));
    assert!(shares.iter().all(|&share| share > 150), "{shares:?}");
}
