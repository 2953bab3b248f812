//! Value lists packed into datagrams, parts that have not changed left out, as collectd packs them.

use std::ops::Range;

use super::part::{self, HEADER, NUMBER, PartType};
use super::{Carried, Span, Whole};
use crate::bytes::equal;
use crate::notification::NotificationRef;
use crate::recycle::recycle;
use crate::value_list::{Interval, Time, ValueListRef};

/// The order of the parts within a value list. Receivers accept any.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PartOrder {
    /// Time before plugin, as the daemon's network plugin does (`add_to_buffer`, `src/network.c`).
    #[default]
    Collectd,
    /// Time after the type instance, as collectd-tg does (`src/libcollectdclient/network_buffer.c`).
    Libcollectdclient,
}

/// One datagram of a [`PacketBuilder`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    bytes: Range<usize>,
    /// The number of its value lists.
    pub value_lists: u32,
    /// The number of its notifications: one, then alone, or none.
    pub notifications: u32,
}

/// Packs value lists and whole datagrams into packets of at most a given size.
///
/// Packets lie behind one another in one buffer that is kept from batch to batch, so a builder allocates
/// nothing once it has seen its largest batch. What is pushed stays in order.
#[derive(Debug, Clone)]
pub struct PacketBuilder {
    pub(super) limit: usize,
    /// Bytes that memory is kept for.
    kept: usize,
    pub(super) order: PartOrder,
    pub(super) bytes: Vec<u8>,
    packets: Vec<Packet>,
    /// The packet that is still open: where it starts and what it holds.
    pub(super) start: usize,
    pub(super) value_lists: u32,
    pub(super) state: State,
    /// Bytes of the whole datagram that was appended last.
    pub(super) appended: usize,
}

/// The state of a receiver at the end of the open packet.
///
/// The names are spans of the packet itself, so nothing is copied to remember them.
#[derive(Debug, Clone, Copy)]
pub(super) struct State {
    /// HOST, PLUGIN, PLUGIN_INSTANCE, TYPE, TYPE_INSTANCE.
    pub(super) names: [Range32; 5],
    /// The parts that state time and interval, as they stand.
    pub(super) time: NumberPart,
    pub(super) interval: NumberPart,
    /// What is carried by a whole datagram that was appended: of all else nothing is known.
    pub(super) whole: Option<Carried>,
}

/// A part that holds a number.
pub(super) type NumberPart = [u8; NUMBER];

/// A range of the builder's buffer, which batches of large datagrams may grow beyond 65,535 bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Range32 {
    pub(super) start: u32,
    pub(super) length: u32,
}

pub(super) const EMPTY: State = State {
    names: [Range32 { start: 0, length: 0 }; 5],
    time: number_part(PartType::TIME_HR, 0),
    interval: NO_INTERVAL,
    whole: None,
};

/// States that there is no interval, behind a value list that has one.
pub(super) const NO_INTERVAL: NumberPart = number_part(PartType::INTERVAL_HR, 0);

/// For what a batch usually needs memory is always kept.
const KEPT_BYTES: usize = 1 << 20;

/// The smallest packets that memory is kept for.
const KEPT_PACKET: usize = 256;

const NAME_PARTS: [PartType; 5] =
    [PartType::HOST, PartType::PLUGIN, PartType::PLUGIN_INSTANCE, PartType::TYPE, PartType::TYPE_INSTANCE];
pub(super) const PLUGIN_INSTANCE: usize = 2;
pub(super) const TYPE_INSTANCE: usize = 4;

/// The parts of one value list that the packet does not state yet.
#[derive(Clone, Copy)]
struct Changes {
    names: [bool; 5],
    time: bool,
    interval: bool,
}

impl PacketBuilder {
    /// A builder of packets of at most `limit` bytes. A value list that alone is larger makes a packet of its own.
    pub fn new(limit: usize) -> Self {
        Self::with_order(limit, PartOrder::default())
    }

    /// A builder that orders the parts of a value list as someone else does.
    pub fn with_order(limit: usize, order: PartOrder) -> Self {
        Self {
            limit,
            kept: KEPT_BYTES,
            order,
            bytes: Vec::new(),
            packets: Vec::new(),
            start: 0,
            value_lists: 0,
            state: EMPTY,
            appended: 0,
        }
    }

    /// The same, which keeps memory for so many bytes once it has needed it, and for more as long as it does: who has
    /// many builders wants each to keep little.
    #[must_use]
    pub fn keeping(self, kept: usize) -> Self {
        Self { kept, ..self }
    }

    /// Appends a value list, in a new packet if the open one has no room for it.
    ///
    /// It is written as it is: receivers want host, plugin, type, time and a value, and names of at most 127 bytes
    /// without NUL, which all that [`Decoder`](super::Decoder) yields has.
    pub fn push(&mut self, list: &ValueListRef<'_>) {
        let mut changes = self.state.changes(list, &self.bytes);
        if self.open_length() + changes.length(list) > self.limit && self.open_length() > 0 {
            self.close();
            changes = self.state.changes(list, &self.bytes);
        }
        self.write(list, changes);
        self.value_lists += 1;
    }

    /// Whether what is behind this place has no room in the open packet, which it is not all of.
    #[inline]
    pub(super) fn is_too_long(&self, place: usize) -> bool {
        self.open_length() > self.limit && place > self.start
    }

    /// Appends a whole datagram of `value_lists` value lists, less the `cuts` (ascending, apart), in a new packet if
    /// the open one has no room for it.
    ///
    /// Among the cuts are the values parts of all refused value lists: what such a one lacked, it would find in the
    /// datagram before. `first` says what the first remaining value list states: what is in force before it is revoked
    /// where it relies on its absence.
    pub fn append(&mut self, datagram: &[u8], whole: Whole, cuts: &[Span], first: Carried, value_lists: u32) {
        let length = datagram.len() - whole.start() - cuts.iter().map(|cut| cut.length()).sum::<usize>();
        let carried = self.state.carried();
        let mut revoked = Carried {
            plugin_instance: carried.plugin_instance && !first.plugin_instance,
            type_instance: carried.type_instance && !first.type_instance,
            interval: carried.interval && !first.interval,
        };
        if self.open_length() + revoked.length() + length > self.limit && self.open_length() > 0 {
            self.close();
            revoked = Carried::default();
        }
        if revoked.plugin_instance {
            write_string(&mut self.bytes, PartType::PLUGIN_INSTANCE, b"");
        }
        if revoked.type_instance {
            write_string(&mut self.bytes, PartType::TYPE_INSTANCE, b"");
        }
        if revoked.interval {
            self.bytes.extend_from_slice(&NO_INTERVAL);
        }
        let mut kept_from = whole.start();
        for cut in cuts {
            self.bytes.extend_from_slice(datagram.get(kept_from..cut.start()).unwrap_or_default());
            kept_from = cut.end();
        }
        self.bytes.extend_from_slice(datagram.get(kept_from..).unwrap_or_default());
        self.state = State { whole: Some(whole.carried), ..EMPTY };
        self.value_lists += value_lists;
        self.appended = length;
    }

    /// Appends a notification in a packet of its own, as collectd sends it (`network_notification`, `src/network.c`).
    pub fn push_notification(&mut self, notification: &NotificationRef<'_>) {
        self.close();
        let bytes = &mut self.bytes;
        bytes.extend_from_slice(&time_part(notification.time));
        bytes.extend_from_slice(&number_part(PartType::SEVERITY, notification.severity as u64));
        let names = names_of(&notification.identifier);
        for (kind, name) in NAME_PARTS.into_iter().zip(names).filter(|(_, name)| !name.is_empty()) {
            write_string(bytes, kind, name);
        }
        write_string(bytes, PartType::MESSAGE, notification.message);
        self.end_packet(1);
    }

    /// Ends the open packet, if there is one: what is pushed next starts another.
    pub fn close(&mut self) {
        if self.open_length() > 0 {
            self.end_packet(0);
        }
    }

    /// Has packets be of at most so many bytes from now on, when nothing has been pushed yet.
    pub fn restart(&mut self, limit: usize) {
        debug_assert!(self.is_empty());
        self.limit = limit;
    }

    /// Bytes that the packets take, with what is known of each.
    #[inline]
    pub fn size(&self) -> usize {
        self.bytes.len() + self.packets.len() * size_of::<Packet>()
    }

    /// Bytes that it has room for.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity() + self.packets.capacity() * size_of::<Packet>()
    }

    /// The closed packets with their bytes, in order.
    pub fn packets(&self) -> impl ExactSizeIterator<Item = (&Packet, &[u8])> + Clone {
        self.packets.iter().map(|packet| (packet, self.bytes.get(packet.bytes.clone()).unwrap_or_default()))
    }

    /// Whether nothing has been pushed since the last [`clear`](Self::clear).
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Forgets all packets and keeps the memory, unless much was needed once: strangers can have value lists leave
    /// larger than they came, with long names restated in each packet.
    pub fn clear(&mut self) {
        recycle(&mut self.bytes, self.kept);
        recycle(&mut self.packets, self.kept / KEPT_PACKET);
        self.start = 0;
        self.value_lists = 0;
        self.state = EMPTY;
    }

    pub(super) fn open_length(&self) -> usize {
        self.bytes.len() - self.start
    }

    fn end_packet(&mut self, notifications: u32) {
        let end = self.bytes.len();
        self.packets.push(Packet { bytes: self.start..end, value_lists: self.value_lists, notifications });
        self.start = end;
        self.value_lists = 0;
        self.state = EMPTY;
    }

    fn write(&mut self, list: &ValueListRef<'_>, changes: Changes) {
        let names = names_of(&list.identifier);
        match self.order {
            PartOrder::Collectd => {
                self.write_names(&names, &changes, 0..1);
                self.write_times(list, &changes);
                self.write_names(&names, &changes, 1..5);
            }
            PartOrder::Libcollectdclient => {
                self.write_names(&names, &changes, 0..5);
                self.write_times(list, &changes);
            }
        }
        self.state = State {
            time: time_part(list.time),
            interval: interval_part(list.interval),
            whole: None,
            ..self.state
        };
        write_values(&mut self.bytes, list);
    }

    fn write_names(&mut self, names: &[&[u8]; 5], changes: &Changes, which: Range<usize>) {
        for i in which {
            if changes.names[i] {
                let start = (self.bytes.len() + HEADER) as u32;
                write_string(&mut self.bytes, NAME_PARTS[i], names[i]);
                self.state.names[i] = Range32 { start, length: names[i].len() as u32 };
            }
        }
    }

    fn write_times(&mut self, list: &ValueListRef<'_>, changes: &Changes) {
        if changes.time {
            self.bytes.extend_from_slice(&time_part(list.time));
        }
        if changes.interval {
            self.bytes.extend_from_slice(&interval_part(list.interval));
        }
    }
}

impl State {
    /// Which parts that may be missing have a value.
    fn carried(&self) -> Carried {
        self.whole.unwrap_or_else(|| Carried {
            plugin_instance: self.names[PLUGIN_INSTANCE].length > 0,
            type_instance: self.names[TYPE_INSTANCE].length > 0,
            interval: self.interval != NO_INTERVAL,
        })
    }

    fn changes(&self, list: &ValueListRef<'_>, bytes: &[u8]) -> Changes {
        let names = names_of(&list.identifier);
        if let Some(carried) = self.whole {
            let mut changed = names.map(|name| !name.is_empty());
            changed[PLUGIN_INSTANCE] |= carried.plugin_instance;
            changed[TYPE_INSTANCE] |= carried.type_instance;
            return Changes {
                names: changed,
                time: true,
                interval: !list.interval.is_none() || carried.interval,
            };
        }
        let mut changed = [false; 5];
        for i in 0..5 {
            changed[i] = !equal(self.names[i].of(bytes), names[i]);
        }
        Changes {
            names: changed,
            time: self.time != time_part(list.time),
            interval: self.interval != interval_part(list.interval),
        }
    }
}

impl Changes {
    /// Bytes of the changed parts and of the values.
    fn length(&self, list: &ValueListRef<'_>) -> usize {
        let strings: usize = names_of(&list.identifier)
            .iter()
            .zip(self.names)
            .map(|(name, changed)| if changed { HEADER + name.len() + 1 } else { 0 })
            .sum();
        let numbers = NUMBER * (usize::from(self.time) + usize::from(self.interval));
        strings + numbers + part::VALUES_HEADER + list.values.bytes().len()
    }
}

impl Carried {
    /// Bytes of the parts that revoke these.
    fn length(self) -> usize {
        let empty_strings = usize::from(self.plugin_instance) + usize::from(self.type_instance);
        empty_strings * (HEADER + 1) + usize::from(self.interval) * NUMBER
    }
}

impl Range32 {
    #[inline]
    pub(super) fn of(self, bytes: &[u8]) -> &[u8] {
        let start = self.start as usize;
        bytes.get(start..start + self.length as usize).unwrap_or_default()
    }
}

fn names_of<'a>(identifier: &crate::value_list::IdentifierRef<'a>) -> [&'a [u8]; 5] {
    let [plugin, plugin_instance, type_name, type_instance] = identifier.metric_parts();
    [identifier.host, plugin, plugin_instance, type_name, type_instance]
}

pub(super) fn header(kind: PartType, payload: usize) -> [u8; HEADER] {
    let length = u16::try_from(HEADER + payload).expect("a part is of at most 65,535 bytes");
    let ([a, b], [c, d]) = (kind.0.to_be_bytes(), length.to_be_bytes());
    [a, b, c, d]
}

fn write_string(bytes: &mut Vec<u8>, kind: PartType, string: &[u8]) {
    bytes.extend_from_slice(&header(kind, string.len() + 1));
    bytes.extend_from_slice(string);
    bytes.push(0);
}

const fn number_part(kind: PartType, number: u64) -> NumberPart {
    let ([a, b], [c, d]) = (kind.0.to_be_bytes(), (NUMBER as u16).to_be_bytes());
    let [e, f, g, h, i, j, k, l] = number.to_be_bytes();
    [a, b, c, d, e, f, g, h, i, j, k, l]
}

fn time_part(time: Time) -> NumberPart {
    match time {
        Time::Seconds(seconds) => number_part(PartType::TIME, seconds),
        Time::HighResolution(units) => number_part(PartType::TIME_HR, units),
    }
}

fn interval_part(interval: Interval) -> NumberPart {
    match interval {
        _ if interval.is_none() => NO_INTERVAL,
        Interval::Seconds(seconds) => number_part(PartType::INTERVAL, seconds),
        Interval::HighResolution(units) => number_part(PartType::INTERVAL_HR, units),
    }
}

fn write_values(bytes: &mut Vec<u8>, list: &ValueListRef<'_>) {
    let values = list.values.bytes();
    let [a, b, c, d] = header(PartType::VALUES, 2 + values.len());
    let [e, f] = (list.values.len() as u16).to_be_bytes();
    bytes.extend_from_slice(&[a, b, c, d, e, f]);
    bytes.extend_from_slice(values);
}
