//! What strangers make Coco do for what they send.

use coco::batch::Item;
use coco::counters::{ByReason, Count, OutletCount};
use coco::intake::{Admission, Gate};
use coco::send::Progress;
use coco::share::LaneId;
use coco_core::tier::Placing;
use coco_core::value_list::Value;
use coco_core::wire::{Guard, ListRefusal, MOST_NOTIFICATIONS, NotificationRefusal};

use crate::inputs::{LARGEST, many_notifications, many_value_lists, many_value_lists_of, one_value_list};
use crate::stages::{Stages, ring, settled, tiers};

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

/// What is packed for all targets together is made and sent in portions. What is left afterwards is less, also of those
/// who had much once and then nothing.
#[test]
fn packets_take_little_memory_however_long_the_names_and_many_the_targets_and_copies() {
    let of = |host: usize, name: usize, bytes| {
        let host = format!("{host:0>name$}");
        many_value_lists_of((host.as_bytes(), &vec![b'p'; name]), &[Value::Gauge(1.0)], bytes)
    };
    let copies = settled(10, Placing::Rendezvous { replicas: 8 });
    let cases = [
        (ring(200), (0..260).map(|host| of(host, 127, 12_000)).collect()),
        (copies, vec![of(0, 127, LARGEST); 10]),
        (ring(2), vec![of(0, 1023, LARGEST)]),
        (copies, vec![of(0, 1023, LARGEST)]),
    ];
    for (shape, datagrams) in cases {
        let datagrams: Vec<Vec<u8>> = datagrams;
        let mut stages = Stages::new(tiers(&[shape]), None, 1452, 1 << 20, 16);
        let long = Guard::default().with_name_max(1024);
        stages.gate = Gate::new(Admission::new(Vec::new(), long));
        let mut left = 0;
        for datagrams in datagrams.chunks(16) {
            left += stages.run(datagrams, 1).iter().map(|(_, bytes, ..)| bytes.len()).sum::<usize>();
        }
        assert!(left > 3 << 20, "{shape:?}: {left}");
        assert!(stages.most_packed <= 5 << 20, "{shape:?}: {}", stages.most_packed);
        assert!(stages.packing.capacity() <= 2 << 20, "{shape:?}: {}", stages.packing.capacity());
        let copies = stages.newest.load().partitions.most_copies() as u64;
        let decoded = stages.lane.counts.get(Count::Decoded);
        let sent = stages.run(&[one_value_list(b"good")], 1).iter().map(|(.., lists, _)| *lists).sum::<u32>();
        assert!(decoded > 4000 && u64::from(sent) == copies);
    }
}

#[test]
fn of_a_batch_that_is_not_packed_to_its_end_the_rest_is_lost_and_counted() {
    let mut stages = Stages::new(tiers(&[ring(2), ring(3)]), None, 1452, 1 << 20, 8);
    let [many, few] = [LARGEST, 60_000].map(|bytes| many_value_lists(&[Value::Gauge(1.0)], bytes));
    stages.gate = Gate::new(Admission::new(Vec::new(), Guard::default().with_name_max(1024)));
    let long = many_value_lists_of((b"web1", &[b'p'; 1023]), &[Value::Gauge(1.0)], LARGEST);
    for datagrams in [vec![few.clone(), long], vec![many_notifications(LARGEST), few, many]] {
        stages.take_in(&datagrams, 1);
        stages.rounds(|stages| {
            let before = stages.lane.counts.get(Count::Accepted);
            stages.filter.decide(&mut stages.batch, &stages.lane);
            let accepted = stages.lane.counts.get(Count::Accepted) - before;
            let routing = stages.newest.load_full();
            let sum = |count| {
                let counts = routing.outlets.iter().map(|outlet| outlet.counts(LaneId::new(0)).get(count));
                counts.sum::<u64>()
            };
            let lost_before = [OutletCount::Write, OutletCount::NotificationsLost].map(sum);
            let mut progress = Progress::default();
            let packed = stages.packing.pack(&stages.batch, &mut progress, stages.now);
            let all_left = stages.batch.notifications.len() as u64;
            let packed_notifications = stages.packing.packed().flat_map(|(_, packets)| packets.packets());
            let notifications: u64 = packed_notifications.map(|(it, _)| u64::from(it.notifications)).sum();
            let lost = stages.packing.lose(&stages.batch, progress, &stages.lane);
            assert_eq!(packed + lost, accepted);
            let lost_now = [OutletCount::Write, OutletCount::NotificationsLost].map(sum);
            assert_eq!(lost_now[0] - lost_before[0], 2 * lost, "of each tier");
            assert_eq!(lost_now[1] - lost_before[1], 2 * all_left - notifications);
            stages.packing.clear();
        });
    }
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
