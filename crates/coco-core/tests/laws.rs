//! Laws of the codec, over generated value lists, datagrams and bytes.

#![allow(clippy::unwrap_used, reason = "a panic is how a test says what is wrong")]

mod support;

use coco_core::notification::NotificationRef;
use coco_core::value_list::ValueList;
use coco_core::wire::{Decoder, Event, PacketBuilder};
use proptest::collection::vec;
use proptest::prelude::*;

use support::generate::{Part, bytes_of, datagram, meaning, order, severity, value_list};
use support::{Reading, parts, round_trip, settled};

/// What is done with a builder.
#[derive(Debug, Clone)]
enum Step {
    Append(Vec<Part>),
    Push(ValueList),
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => datagram().prop_map(Step::Append),
        3 => value_list().prop_map(Step::Push),
        1 => Just(Step::Close),
    ]
}

/// Appends the datagram as a relay does that lets only some of its value lists pass, and says what of it
/// leaves.
fn append(builder: &mut PacketBuilder, datagram: &[u8], passes: &[bool]) -> Vec<u8> {
    let mut passes = passes.iter();
    let (mut cuts, mut first, mut kept) = (Vec::new(), None, 0);
    let mut decoder = Decoder::new(datagram);
    for event in &mut decoder {
        match event.unwrap() {
            Event::ValueList(list) if *passes.next().unwrap() => {
                first.get_or_insert(list.carried(datagram));
                kept += 1;
            }
            Event::ValueList(list) => cuts.push(list.values),
            Event::RefusedValueList(_, values) => {
                passes.next();
                cuts.push(values);
            }
            Event::Unknown(_) => {}
            event => panic!("{event:?}"),
        }
    }
    let whole = decoder.whole(datagram).unwrap();
    if let Some(first) = first {
        builder.append(datagram, whole, &cuts, first, kept);
    }
    let is_cut = |at: &usize| cuts.iter().any(|cut| (cut.start()..cut.end()).contains(at));
    let kept = (0..datagram.len()).filter(|at| !is_cut(at));
    kept.map(|at| datagram[at]).collect()
}

/// What receivers read from the packets; every packet holds as many value lists as it says.
fn delivered(builder: &PacketBuilder) -> Vec<ValueList> {
    let mut delivered = Vec::new();
    for (packet, bytes) in builder.packets() {
        let reading = Reading::of(bytes);
        assert_eq!((reading.error, &reading.refused_lists[..]), (None, &[][..]));
        assert_eq!(reading.lists.len(), packet.value_lists as usize);
        delivered.extend(reading.lists.into_iter().map(settled));
    }
    delivered
}

/// Where the part that holds this byte starts.
fn part_start(datagram: &[u8], byte: usize) -> usize {
    let mut start = 0;
    loop {
        let length = usize::from(u16::from_be_bytes([datagram[start + 2], datagram[start + 3]]));
        if byte < start + length {
            return start;
        }
        start += length;
    }
}

/// The events that end before an offset.
fn events_before(datagram: &[u8], offset: usize) -> Vec<Event> {
    Decoder::new(datagram)
        .map_while(Result::ok)
        .filter(|event| match event {
            Event::ValueList(list) => list.values.end() <= offset,
            Event::RefusedValueList(_, values) => values.end() <= offset,
            event => panic!("{event:?}"),
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn what_is_pushed_arrives(
        lists in vec(value_list(), 0..30),
        limit in prop_oneof![1024..1500_usize, 1024..65_507_usize],
        order in order(),
    ) {
        let mut builder = PacketBuilder::with_order(limit, order);
        for list in &lists {
            builder.push(&list.as_ref());
        }
        builder.close();
        for (packet, bytes) in builder.packets() {
            prop_assert!(bytes.len() <= limit || packet.value_lists == 1);
        }
        let lists: Vec<_> = lists.into_iter().map(settled).collect();
        prop_assert_eq!(delivered(&builder), lists);
    }

    #[test]
    fn notifications_arrive_in_their_place_each_alone(
        items in vec((value_list(), any::<bool>(), severity(), vec(1..=255_u8, 1..=255)), 1..10),
    ) {
        let mut builder = PacketBuilder::new(1452);
        for (list, is_notification, severity, message) in &items {
            let list = list.as_ref();
            if *is_notification {
                let (identifier, time, severity) = (list.identifier, list.time, *severity);
                builder.push_notification(&NotificationRef { identifier, time, severity, message });
            } else {
                builder.push(&list);
            }
        }
        builder.close();
        let mut items = items.iter();
        for (packet, bytes) in builder.packets() {
            prop_assert!((packet.notifications, packet.value_lists) == (1, 0) || packet.notifications == 0);
            for event in Decoder::new(bytes) {
                let (list, is_notification, severity, message) = items.next().unwrap();
                let list = list.as_ref();
                match event.unwrap() {
                    Event::Notification(spans) => {
                        let (identifier, time, severity) = (list.identifier, list.time, *severity);
                        let expected = NotificationRef { identifier, time, severity, message };
                        prop_assert_eq!(spans.of(bytes), expected);
                    }
                    event => prop_assert!(!is_notification && matches!(event, Event::ValueList(_))),
                }
            }
        }
        prop_assert!(items.next().is_none());
    }

    #[test]
    fn a_packet_ends_only_where_the_next_value_list_has_no_room(
        lists in vec(value_list(), 0..30),
        limit in 1024..3000_usize,
        order in order(),
    ) {
        let mut builder = PacketBuilder::with_order(limit, order);
        for list in &lists {
            builder.push(&list.as_ref());
        }
        builder.close();
        let mut rest = &lists[..];
        for (packet, bytes) in builder.packets() {
            let held;
            (held, rest) = rest.split_at(packet.value_lists as usize);
            let mut unlimited = PacketBuilder::with_order(usize::MAX, order);
            for list in held {
                unlimited.push(&list.as_ref());
            }
            unlimited.close();
            prop_assert_eq!(unlimited.packets().next().unwrap().1, bytes);
            if let Some(next) = rest.first() {
                unlimited.clear();
                for list in held.iter().chain([next]) {
                    unlimited.push(&list.as_ref());
                }
                unlimited.close();
                prop_assert!(unlimited.packets().next().unwrap().1.len() > limit);
            }
        }
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn a_datagram_decodes_to_what_its_parts_mean(parts in datagram()) {
        let datagram = parts.iter().flat_map(bytes_of).collect::<Vec<_>>();
        let reading = Reading::of(&datagram);
        let meaning: Vec<_> = meaning(&parts).into_iter().filter_map(|(list, _)| list).collect();
        prop_assert_eq!(reading.lists, meaning);
    }

    #[test]
    fn what_is_appended_arrives_less_what_is_cut(
        steps in vec(step(), 1..8),
        limit in prop_oneof![50..300_usize, 1024..65_507_usize],
    ) {
        let mut builder = PacketBuilder::new(limit);
        let (mut expected, mut appended) = (Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::Append(parts) => {
                    let datagram = parts.iter().flat_map(bytes_of).collect::<Vec<_>>();
                    let (lists, passes): (Vec<_>, Vec<_>) = meaning(&parts).into_iter().unzip();
                    appended.push(append(&mut builder, &datagram, &passes));
                    let passed = lists.into_iter().zip(passes).filter(|(_, passes)| *passes);
                    expected.extend(passed.filter_map(|(list, _)| list).map(settled));
                }
                Step::Push(list) => {
                    builder.push(&list.as_ref());
                    expected.push(settled(list));
                }
                Step::Close => builder.close(),
            }
        }
        builder.close();
        for (packet, bytes) in builder.packets() {
            prop_assert!(bytes.len() <= limit || packet.value_lists == 1 || appended.iter().any(|alone| alone == bytes));
        }
        prop_assert_eq!(delivered(&builder), expected);
    }

    #[test]
    fn a_datagram_alone_in_its_packet_leaves_as_it_came_less_what_is_cut(before in value_list(), parts in datagram()) {
        let datagram = parts.iter().flat_map(bytes_of).collect::<Vec<_>>();
        let passes: Vec<_> = meaning(&parts).into_iter().map(|(_, passes)| passes).collect();
        let mut builder = PacketBuilder::new(0);
        builder.push(&before.as_ref());
        let left = append(&mut builder, &datagram, &passes);
        builder.close();
        if let Some((_, bytes)) = builder.packets().nth(1) {
            prop_assert_eq!(bytes, left);
        }
    }

    #[test]
    fn behind_a_datagram_parts_are_left_out_again(parts in datagram(), list in value_list()) {
        let datagram = parts.iter().flat_map(bytes_of).collect::<Vec<_>>();
        let mut builder = PacketBuilder::new(usize::MAX);
        append(&mut builder, &datagram, &[true; 20]);
        builder.push(&list.as_ref());
        let mut again = builder.clone();
        again.push(&list.as_ref());
        let [once, twice] = [builder, again].map(|mut builder| {
            builder.close();
            builder.packets().next().unwrap().1.to_vec()
        });
        prop_assert_eq!(twice.len() - once.len(), 6 + list.as_ref().values.bytes().len());
    }

    #[test]
    fn any_bytes_survive(bytes in vec(any::<u8>(), 0..500)) {
        round_trip::survives(&bytes);
    }

    /// Part types and lengths of which many are right, so that it gets further than any bytes would.
    #[test]
    fn almost_parts_survive(
        parts in vec(
            (
                prop_oneof![0..10_u16, 0x0100..0x0102_u16, Just(0x0200), any::<u16>()],
                prop_oneof![vec(0..4_u8, 8), vec(any::<u8>(), 0..30), value_list().prop_map(|list| list.identifier.host)],
                prop_oneof![20 => Just(0_i16), 1 => -20..20_i16],
                any::<bool>(),
            ),
            0..60,
        ),
    ) {
        let mut bytes = Vec::new();
        for (kind, payload, off_by, terminated) in parts {
            let start = bytes.len();
            bytes.extend(parts::part(kind, &payload));
            if terminated {
                bytes.push(0);
            }
            let length = ((bytes.len() - start) as i16 + off_by) as u16;
            bytes[start + 2..start + 4].copy_from_slice(&length.to_be_bytes());
        }
        round_trip::survives(&bytes);
    }

    #[test]
    fn what_stands_before_a_changed_part_is_unchanged(
        lists in vec(value_list(), 1..20),
        order in order(),
        at in any::<prop::sample::Index>(),
        to in any::<u8>(),
    ) {
        let mut builder = PacketBuilder::with_order(65_507, order);
        for list in &lists {
            builder.push(&list.as_ref());
        }
        builder.close();
        let valid = builder.packets().next().unwrap().1;
        let at = at.index(valid.len());
        let start = part_start(valid, at);
        let before = events_before(valid, start);
        let mut changed = valid.to_vec();
        changed[at] = to;
        let events: Vec<_> = Decoder::new(&changed).take(before.len()).collect();
        prop_assert!(events.iter().copied().eq(before.iter().copied().map(Ok)));

        let cut = &valid[..at];
        let lists = Reading::of(cut).lists;
        prop_assert_eq!(lists.len(), before.len());
        prop_assert_eq!(Reading::of(cut).error.is_none(), at == start);
        prop_assert_eq!(&lists[..], &Reading::of(valid).lists[..before.len()]);
    }
}
