//! What strangers make Coco do for what they send.

use crate::inputs::{LARGEST, many_notifications, one_value_list};
use crate::{Stages, tiers};
use coco::counters::{ByReason, Count};
use coco_core::wire::{MOST_NOTIFICATIONS, Refusal};

/// Each would leave by itself, with all its names.
#[test]
fn no_more_than_some_notifications_of_a_datagram_leave() {
    let names = [127; 5];
    let datagram = many_notifications(names, LARGEST);
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
    let messages = (datagram.len() - many_notifications(names, 0).len()) / 6;
    assert_eq!((taken + refused) as usize, 64 * messages);
}
