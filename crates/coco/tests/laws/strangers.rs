//! What strangers make Coco do for what they send.

use crate::inputs::{LARGEST, many_notifications, many_value_lists, one_value_list};
use crate::stages::{Stages, tiers};
use coco::batch::Item;
use coco::counters::{ByReason, Count};
use coco_core::value_list::Value;
use coco_core::wire::{MOST_NOTIFICATIONS, Refusal};

/// Each would leave by itself, with all its names.
#[test]
fn no_more_than_some_notifications_of_a_datagram_leave() {
    let datagram = many_notifications(LARGEST);
    let good = one_value_list(b"good");
    let mut stages = Stages::new(tiers(&[(2, None), (3, None)]), None, 1452, 1 << 20, 65);
    let mut datagrams = vec![datagram.clone(); 64];
    datagrams.push(good);
    let packets = stages.run(&datagrams, 1);
    let came: usize = datagrams.iter().map(Vec::len).sum();
    let left: usize = packets.iter().map(|(_, bytes, ..)| bytes.len()).sum();
    assert!(left < came, "{came} bytes became {left}");
    let notifications: u32 = packets.iter().map(|(.., notifications)| notifications).sum();
    assert_eq!(notifications as usize, 2 * 64 * MOST_NOTIFICATIONS, "to each tier");
    assert_eq!(packets.iter().map(|(_, _, lists, _)| lists).sum::<u32>(), 2, "who comes behind is served");

    let counts = &stages.lane.counts;
    let refused = counts.get_reason(ByReason::RefusedNotification(Refusal::TooMany));
    let taken = counts.get(Count::Notifications);
    assert_eq!(taken as usize, 64 * MOST_NOTIFICATIONS);
    let messages = (datagram.len() - many_notifications(0).len()) / 6;
    assert_eq!((taken + refused) as usize, 64 * messages);
}

/// What is known of a value list is larger than the smallest one.
#[test]
fn a_batch_keeps_no_more_memory_than_usual_ones_need() {
    let mut stages = Stages::new(tiers(&[(1, None)]), None, 1452, 0, 64);
    let item = size_of::<Item>();
    let held = |stages: &Stages| item * stages.batch.value_lists.capacity();
    let [none, one] = [&[][..], &[Value::Gauge(1.0)]].map(|list| many_value_lists(list, LARGEST));

    stages.run(&vec![none.clone(); 64], 1);
    let refused = stages.lane.counts.get_reason(ByReason::Incomplete(Refusal::NoValues));
    assert!(refused > 64 * 10_000, "{refused}");
    assert!(held(&stages) <= 128 * item, "one of each datagram is not empty, and nothing is to be cut out");

    stages.run(&vec![one; 64], 1);
    let much = held(&stages);
    assert!(much >= 64 * 4000 * item, "{much}");
    // As long as much comes it is kept.
    stages.run(&[], 1);
    assert_eq!(held(&stages), much);
    // With small batches it goes bit by bit.
    for _ in 0..10 {
        let packets = stages.run(&[one_value_list(b"good")], 1);
        assert_eq!(packets.len(), 1);
    }
    stages.batch.clear();
    assert!(held(&stages) <= 64 * 256 * item, "{}", held(&stages));
}
