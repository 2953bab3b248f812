//! What strangers make Coco do for what they send.

use coco::batch::Item;
use coco::counters::{ByReason, Count};
use coco_core::value_list::Value;
use coco_core::wire::{ListRefusal, MOST_NOTIFICATIONS, NotificationRefusal};

use crate::inputs::{LARGEST, many_notifications, many_value_lists, one_value_list};
use crate::stages::{Stages, ring, tiers};

/// Each would leave by itself, with all its names.
#[test]
fn no_more_than_some_notifications_of_a_datagram_leave() {
    let datagram = many_notifications(LARGEST);
    let good = one_value_list(b"good");
    let mut stages = Stages::new(tiers(&[ring(2), ring(3)]), None, 1452, 1 << 20, 65);
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
    let refused = counts.get_reason(ByReason::RefusedNotification(NotificationRefusal::TooMany));
    let taken = counts.get(Count::Notifications);
    assert_eq!(taken as usize, 64 * MOST_NOTIFICATIONS);
    let messages = (datagram.len() - many_notifications(0).len()) / 6;
    assert_eq!((taken + refused) as usize, 64 * messages);
}

/// What is known of a value list is larger than the smallest one.
#[test]
fn a_batch_that_travels_is_small_whatever_came_together() {
    let mut stages = Stages::new(tiers(&[ring(1)]), None, 1452, 0, 64);
    let [none, one, few] =
        [(&[][..], LARGEST), (&[Value::Gauge(1.0)], LARGEST), (&[Value::Gauge(1.0); 7000], LARGEST)]
            .map(|(list, bytes)| many_value_lists(list, bytes));
    for (datagram, of_datagram) in [(&none, 1), (&one, 4364), (&few, 2)] {
        let before = stages.lane.counts.get(Count::Decoded);
        stages.take_in(&vec![datagram.clone(); 64], 1);
        let mut rounds = 0;
        stages.rounds(|stages| {
            rounds += 1;
            // 40 bytes each, and 16 KiB for each of 64 datagrams.
            assert!(stages.batch.value_lists.capacity() <= 8192, "{}", stages.batch.value_lists.capacity());
            let bytes: usize = stages.batch.datagrams.iter().map(|it| usize::from(it.length())).sum();
            assert!(bytes <= 1 << 20, "{bytes}");
            stages.finish();
        });
        assert_eq!(stages.lane.counts.get(Count::Decoded) - before, 64 * of_datagram);
        assert!(rounds >= 4, "{rounds}");
    }
    let refused = stages.lane.counts.get_reason(ByReason::Incomplete(ListRefusal::NoValues));
    assert!(refused > 64 * 10_000, "{refused}");
    // With small batches the memory goes bit by bit.
    for _ in 0..10 {
        let packets = stages.run(&[one_value_list(b"good")], 1);
        assert_eq!(packets.len(), 1);
    }
    stages.batch.clear();
    let held = size_of::<Item>() * stages.batch.value_lists.capacity();
    assert!(held <= 64 * 64 * size_of::<Item>(), "{held}");
}
