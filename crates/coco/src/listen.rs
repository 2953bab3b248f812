//! The first stage: receives batches of datagrams and decodes them in place.

use crate::batch::{Batch, Item, Notification, Verdict};
use crate::counters::{ByReason, Count};
use crate::lane::Lane;
use coco_core::wire::{Decoder, Event, Malformed, ValueListSpans};
use std::net::SocketAddr;

/// Finds the value lists and notifications of all datagrams of a batch. Counts what is there and what is refused.
///
/// Returns the first error met and whom it came from, for the log.
pub fn decode(batch: &mut Batch, lane: &Lane) -> Option<(Malformed, Option<SocketAddr>)> {
    let counts = &lane.counts;
    let mut tally = Tally::default();
    let mut first_error = None;
    let received = batch.datagrams.len();
    let (datagrams, items, notifications) = batch.decoding();
    for (index, (datagram, bytes)) in datagrams.enumerate() {
        let first_item = items.len() as u32;
        let mut whole = true;
        let mut host = None;
        let mut decoder = Decoder::new(bytes);
        while let Some(event) = decoder.next() {
            match event {
                Ok(Event::ValueList(spans)) => {
                    let own = spans.identifier.host;
                    match host {
                        None => host = Some(own),
                        Some(first) if first == own || first.of(bytes) == own.of(bytes) => {}
                        Some(_) => whole = false,
                    }
                    tally.decoded += 1;
                    tally.unverified += u64::from(decoder.unverified());
                    items.push(Item { spans, verdict: Verdict::Pending });
                }
                Ok(Event::RefusedValueList(refusal, values)) => {
                    counts.add_reason(ByReason::Incomplete(refusal));
                    let mut spans = ValueListSpans::default();
                    spans.values = values;
                    items.push(Item { spans, verdict: Verdict::Incomplete });
                }
                Ok(Event::Notification(spans)) => {
                    tally.notifications += 1;
                    whole = false;
                    notifications.push(Notification { datagram: index as u32, spans, owners: 0 });
                }
                Ok(Event::RefusedNotification(refusal)) => {
                    counts.add_reason(ByReason::RefusedNotification(refusal));
                    whole = false;
                }
                Ok(Event::Signature) => whole = false,
                Ok(Event::Unknown(_)) => tally.unknown_parts += 1,
                Err(error) => {
                    tally.errors += 1;
                    counts.add_reason(ByReason::Malformed(error));
                    first_error.get_or_insert((error, datagram.source));
                    whole = false;
                }
            }
        }
        datagram.value_lists = first_item..items.len() as u32;
        datagram.carried = decoder.carried(bytes);
        datagram.whole = whole && host.is_some();
    }
    counts.add(Count::Raw, received as u64);
    counts.add(Count::Decoded, tally.decoded);
    counts.add(Count::Unverified, tally.unverified);
    counts.add(Count::UnknownParts, tally.unknown_parts);
    counts.add(Count::Notifications, tally.notifications);
    counts.add(Count::FetchReceive, tally.errors);
    lane.raw.enter(tally.decoded);
    first_error
}

#[derive(Default)]
struct Tally {
    decoded: u64,
    unverified: u64,
    unknown_parts: u64,
    notifications: u64,
    errors: u64,
}
