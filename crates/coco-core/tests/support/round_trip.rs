//! The law that every datagram survives decoding and packing, whatever its bytes. `coco-fuzz` has this file, too.

use coco_core::notification::NotificationRef;
use coco_core::value_list::{Interval, ValueListRef};
use coco_core::wire::{Decoder, Event, PacketBuilder, PartOrder};

/// Room of a packet; small enough that what came in one datagram leaves in several.
const LIMIT: usize = 1024;

/// A piece of a datagram that is forwarded.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Item<'a> {
    ValueList(ValueListRef<'a>),
    Notification(NotificationRef<'a>),
}

/// Decodes a datagram, packs what came out in every way, and decodes it again to the same.
///
/// Bytes behind the 65,535th, which no datagram has, are ignored.
///
/// # Panics
///
/// If anything is lost, changed or invented on the way.
pub(crate) fn survives(bytes: &[u8]) {
    let datagram = bytes.get(..usize::from(u16::MAX)).unwrap_or(bytes);
    let items = items(datagram);
    pushed(&items, PartOrder::Collectd);
    pushed(&items, PartOrder::Libcollectdclient);
    appended(datagram, &items);
}

fn items(datagram: &[u8]) -> Vec<Item<'_>> {
    let mut items = Vec::new();
    let mut values_parts = 0;
    for (i, event) in Decoder::new(datagram).enumerate() {
        // The smallest part is a header; behind an error nothing follows.
        assert!(i <= datagram.len() / 4);
        match event {
            Ok(Event::ValueList(list)) => items.push(Item::ValueList(settled(list.of(datagram)))),
            Ok(Event::Notification(notification)) => {
                items.push(Item::Notification(notification.of(datagram)));
            }
            _ => {}
        }
        values_parts += usize::from(matches!(event, Ok(Event::ValueList(_) | Event::RefusedValueList(..))));
    }
    // The smallest values part has no values: a header and a count.
    assert!(values_parts <= datagram.len() / 6);
    items
}

/// An interval of zero, however it was stated, leaves as none.
fn settled(list: ValueListRef<'_>) -> ValueListRef<'_> {
    let interval = if list.interval.is_none() { Interval::NONE } else { list.interval };
    ValueListRef { interval, ..list }
}

fn pushed(items: &[Item<'_>], order: PartOrder) {
    let mut builder = PacketBuilder::with_order(LIMIT, order);
    for item in items {
        match item {
            Item::ValueList(list) => builder.push(list),
            Item::Notification(notification) => builder.push_notification(notification),
        }
    }
    builder.close();
    for (packet, bytes) in builder.packets() {
        assert!(bytes.len() <= LIMIT || packet.value_lists == 1);
    }
    assert_eq!(delivered(&builder), items);
}

/// A datagram without error or notification is appended whole between others, twice, so that it meets
/// its own last state, too.
fn appended(datagram: &[u8], items: &[Item<'_>]) {
    let (Some(Item::ValueList(first)), Some(Item::ValueList(last))) = (items.first(), items.last()) else {
        return;
    };
    let mut cuts = Vec::new();
    let mut first_carried = None;
    let mut is_whole = true;
    let mut decoder = Decoder::new(datagram);
    for event in &mut decoder {
        match event {
            Ok(Event::ValueList(list)) => {
                first_carried.get_or_insert(list.carried(datagram));
            }
            Ok(Event::RefusedValueList(_, values)) => cuts.push(values),
            Ok(Event::Unknown(_)) => {}
            Ok(Event::Notification(_) | Event::RefusedNotification(_) | Event::Signature) | Err(_) => {
                is_whole = false;
            }
        }
    }
    let whole = decoder.whole(datagram);
    assert_eq!(whole.is_some(), is_whole);
    let Some(whole) = whole else {
        return;
    };
    let first_carried = first_carried.unwrap_or_default();
    let mut builder = PacketBuilder::new(65_507);
    builder.push(last);
    for _ in 0..2 {
        builder.append(datagram, whole, &cuts, first_carried, items.len() as u32);
    }
    builder.push(first);
    builder.close();
    let expected = [&[Item::ValueList(*last)], items, items, &[Item::ValueList(*first)]];
    assert_eq!(delivered(&builder), expected.concat());
}

/// All that a receiver of the packets reads, each packet holding as much as it says.
fn delivered(builder: &PacketBuilder) -> Vec<Item<'_>> {
    let mut delivered = Vec::new();
    for (packet, bytes) in builder.packets() {
        let items = items(bytes);
        assert!(Decoder::new(bytes).all(|event| event.is_ok()));
        let notifications = items.iter().filter(|item| matches!(item, Item::Notification(_))).count();
        assert_eq!(packet.notifications as usize, notifications);
        assert_eq!(packet.value_lists as usize, items.len() - notifications);
        delivered.extend(items);
    }
    delivered
}
