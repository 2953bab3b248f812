//! The first stage: receives batches of datagrams and decodes them in place.

use std::net::SocketAddr;

use coco_core::bytes::equal;
use coco_core::wire::part::VALUES_HEADER;
use coco_core::wire::{
    Decoder, Event, Guard, MOST_NOTIFICATIONS, Malformed, NotificationRefusal, Refused, Span, Trust,
    ValueListSpans, Visitor, Whole,
};
use coco_udp::OwnAddresses;

use super::gate::{Admission, Gate};
use crate::batch::{Batch, Item, Notification, Verdict};
use crate::counters::{ByReason, Count, LaneCounts, Unwelcome};
use crate::lane::Lane;
use crate::share::Start;

/// Complaints to be logged of a batch: the first of each sort.
#[derive(Debug, Default)]
pub struct Complaints {
    /// An error, whom it came from, and as whom that one has signed or encrypted.
    pub error: Option<(Malformed, Option<SocketAddr>, Option<Vec<u8>>)>,
    /// Something without an error that was refused, and whom it came from.
    pub unwelcome: Option<(Unwelcome, Option<SocketAddr>)>,
    /// The socket of our own that something came from.
    pub own: Option<SocketAddr>,
}

/// Decodes a round of a batch, which is all of it unless there is much in it: finds the value lists and notifications
/// of its datagrams that the gate lets in. Counts what is there and what is refused.
pub fn decode(batch: &mut Batch, lane: &Lane, gate: &Gate) -> Complaints {
    let admission = gate.admission();
    let own = OwnAddresses::now();
    let start = batch.round.end;
    let mut end = start;
    let mut room = batch.room();
    let (datagrams, items, notifications) = batch.decoding();
    let mut desk = Desk {
        counts: &lane.counts,
        items,
        notifications,
        tally: Tally::default(),
        complaints: Complaints::default(),
    };
    for (index, (datagram, bytes)) in (start..).zip(datagrams) {
        if !room.takes(bytes.len(), desk.items) {
            break;
        }
        end = index + 1;
        let first_item = desk.items.len() as u32;
        let mut contents = Contents {
            index: index as u32,
            source: datagram.source,
            host: None,
            is_mixed: false,
            has_odd_names: false,
            notifications: 0,
        };
        let whole = if let Some(reason) = admission.refuses(datagram.source, &own) {
            desk.turn_away(reason, datagram.source);
            None
        } else if let Some(guard) = admission.guard() {
            desk.open(bytes, &admission, guard, &mut contents)
        } else {
            desk.read(bytes, admission.name_max(), &mut contents)
        };
        datagram.value_lists = first_item..desk.items.len() as u32;
        datagram.has_odd_names = contents.has_odd_names;
        datagram.whole = whole.filter(|_| contents.host.is_some() && !contents.is_mixed);
    }
    let Desk { tally, complaints, .. } = desk;
    let counts = &lane.counts;
    batch.round = start..end;
    counts.add(Count::Raw, (end - start) as u64);
    counts.add(Count::Decoded, tally.decoded);
    counts.add(Count::Verified, tally.verified);
    counts.add(Count::Unverified, tally.unverified);
    counts.add(Count::UnknownParts, tally.unknown_parts);
    counts.add(Count::Notifications, tally.notifications);
    counts.add(Count::FetchReceive, tally.errors);
    lane.raw.enter(tally.decoded);
    complaints
}

/// Where what stands in datagrams is put and counted.
struct Desk<'a> {
    counts: &'a LaneCounts,
    items: &'a mut Vec<Item>,
    notifications: &'a mut Vec<Notification>,
    tally: Tally,
    complaints: Complaints,
}

#[derive(Default)]
struct Tally {
    decoded: u64,
    verified: u64,
    unverified: u64,
    unknown_parts: u64,
    notifications: u64,
    errors: u64,
}

/// Knowledge of a datagram while it is read.
struct Contents {
    index: u32,
    source: Option<SocketAddr>,
    /// That of the first value list.
    host: Option<Span>,
    /// Whether there are value lists of several hosts, or empty ones: then each leaves by itself.
    is_mixed: bool,
    /// See [`Decoder::has_odd_names`].
    has_odd_names: bool,
    /// Notifications that are forwarded.
    notifications: usize,
}

/// A datagram that is taken as it is, while it is read.
struct Reading<'a, 'b> {
    desk: &'a mut Desk<'b>,
    bytes: &'a [u8],
    contents: &'a mut Contents,
    trust: Trust,
}

impl Visitor for Reading<'_, '_> {
    #[inline(always)]
    fn visit(&mut self, event: Result<Event, Malformed>) {
        let Self { desk, bytes, contents, trust } = self;
        match event {
            Ok(event) => {
                if matches!(event, Event::Signature) {
                    *trust = Trust::Unverified;
                }
                desk.take(event, *trust, bytes, contents);
            }
            Err(reason) => {
                desk.tally.errors += 1;
                desk.refuse(Refused { reason, user: Span::default() }, bytes, contents);
            }
        }
    }
}

impl Desk<'_> {
    /// Takes a datagram apart that is taken as it is.
    #[inline]
    fn read(&mut self, bytes: &[u8], name_max: usize, contents: &mut Contents) -> Option<Whole> {
        let mut decoder = Decoder::new(bytes).with_name_max(name_max);
        decoder.show(&mut Reading { desk: self, bytes, contents, trust: Trust::Plain });
        contents.has_odd_names = decoder.has_odd_names();
        decoder.whole(bytes)
    }

    /// Takes a datagram apart that may be signed or encrypted.
    #[cold]
    fn open(
        &mut self,
        bytes: &mut [u8],
        admission: &Admission,
        guard: &Guard,
        contents: &mut Contents,
    ) -> Option<Whole> {
        let mut has_error = false;
        let opened = guard.decode(bytes, |bytes, trust, event| match event {
            Ok(event) => {
                self.tally.verified +=
                    u64::from(trust >= Trust::Signed && matches!(event, Event::ValueList(_)));
                self.take(event, trust, bytes, contents);
            }
            // A datagram counts once.
            Err(refused) if !has_error => {
                has_error = true;
                self.refuse(refused, bytes, contents);
            }
            Err(_) => {}
        });
        self.tally.errors += u64::from(has_error);
        if opened.ignored {
            self.turn_away(admission.ignored(), contents.source);
        }
        contents.has_odd_names = opened.has_odd_names;
        opened.whole
    }

    #[inline(always)]
    fn take(&mut self, event: Event, trust: Trust, bytes: &[u8], contents: &mut Contents) {
        let Event::ValueList(spans) = event else {
            return self.take_seldom(event, contents);
        };
        let own = spans.identifier.host;
        match contents.host {
            None => contents.host = Some(own),
            // Once it is mixed, it stays so: no host needs to be compared.
            Some(first) if contents.is_mixed || first == own => {}
            Some(first) => contents.is_mixed = differ(first, own, bytes),
        }
        self.tally.decoded += 1;
        self.tally.unverified += u64::from(trust == Trust::Unverified);
        self.items.push(Item { spans, verdict: Verdict::Pending });
    }

    /// Takes what is in few datagrams: anything but a complete value list.
    #[cold]
    fn take_seldom(&mut self, event: Event, contents: &mut Contents) {
        match event {
            Event::ValueList(_) => {}
            Event::RefusedValueList(refusal, values) => {
                self.counts.add_reason(ByReason::Incomplete(refusal));
                // No sender makes empty ones, and an item is larger.
                contents.is_mixed |= values.length() <= VALUES_HEADER;
                // To be cut out of what leaves whole.
                if !contents.is_mixed {
                    let mut spans = ValueListSpans::default();
                    spans.values = values;
                    self.items.push(Item { spans, verdict: Verdict::Incomplete });
                }
            }
            Event::Notification(_) if contents.notifications == MOST_NOTIFICATIONS => {
                self.counts.add_reason(ByReason::RefusedNotification(NotificationRefusal::TooMany));
            }
            Event::Notification(spans) => {
                self.tally.notifications += 1;
                contents.notifications += 1;
                self.notifications.push(Notification {
                    datagram: contents.index,
                    spans,
                    shares: Start::default(),
                });
            }
            Event::RefusedNotification(refusal) => {
                self.counts.add_reason(ByReason::RefusedNotification(refusal));
            }
            Event::Signature => {}
            Event::Unknown(_) => self.tally.unknown_parts += 1,
        }
    }

    #[cold]
    fn refuse(&mut self, Refused { reason, user }: Refused, bytes: &[u8], contents: &Contents) {
        self.counts.add_reason(ByReason::Malformed(reason));
        self.complaints.error.get_or_insert_with(|| {
            // The name that a stranger claims need not be a name, nor short.
            let user = user.of(bytes);
            let shown = user.get(..64).unwrap_or(user);
            (reason, contents.source, (!user.is_empty()).then(|| shown.to_vec()))
        });
    }

    #[cold]
    fn turn_away(&mut self, reason: Unwelcome, source: Option<SocketAddr>) {
        self.counts.add_reason(ByReason::Refused(reason));
        match reason {
            Unwelcome::OwnSocket => self.complaints.own = self.complaints.own.or(source),
            _ => {
                self.complaints.unwelcome.get_or_insert((reason, source));
            }
        }
    }
}

/// Apart from where datagrams are read, whose loop is small so.
#[cold]
fn differ(one: Span, other: Span, bytes: &[u8]) -> bool {
    !equal(one.of(bytes), other.of(bytes))
}
