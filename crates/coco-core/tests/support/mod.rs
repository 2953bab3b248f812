//! The captured and crafted datagrams of `testdata/wire`, and what the code under test reads from them.

#![allow(dead_code, reason = "every test binary uses its own part of this")]
#![allow(clippy::unwrap_used, reason = "a panic is how a test says what is wrong")]

pub(crate) mod generate;
pub(crate) mod parts;
pub(crate) mod round_trip;

use std::io::Read;
use std::path::Path;

use coco_core::notification::NotificationRef;
use coco_core::value_list::{Interval, Value, ValueList, ValueListRef};
use coco_core::wire::{
    Decoder, Event, Guard, ListRefusal, Malformed, NotificationRefusal, Opened, Refused, SecurityLevel, Span,
    Trust, Users, Visitor,
};
use flate2::read::GzDecoder;
use serde_json::{Value as Json, json};

/// A file of `testdata/wire`, unpacked if its name ends in `.gz`.
pub(crate) fn file(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/wire").join(name);
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    if !name.ends_with(".gz") {
        return bytes;
    }
    let mut unpacked = Vec::new();
    GzDecoder::new(bytes.as_slice()).read_to_end(&mut unpacked).unwrap();
    unpacked
}

/// The datagrams of a stream file: 32 bits of length, then as many bytes.
pub(crate) fn datagrams(mut stream: &[u8]) -> Vec<Vec<u8>> {
    let mut datagrams = Vec::new();
    while let Some((length, rest)) = stream.split_first_chunk() {
        let (datagram, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        datagrams.push(datagram.to_vec());
        stream = rest;
    }
    assert!(stream.is_empty(), "the stream ends within a length");
    datagrams
}

/// One entry of `index.json`.
pub(crate) struct Stream {
    pub(crate) name: String,
    pub(crate) entry: Json,
}

impl Stream {
    pub(crate) fn all() -> Vec<Self> {
        let index: Json = serde_json::from_slice(&file("index.json")).unwrap();
        let entries = index["streams"].as_array().unwrap();
        entries
            .iter()
            .map(|entry| Self { name: entry["name"].as_str().unwrap().to_owned(), entry: entry.clone() })
            .collect()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        file(self.entry["file"].as_str().unwrap())
    }

    pub(crate) fn datagrams(&self) -> Vec<Vec<u8>> {
        datagrams(&self.bytes())
    }

    /// What each datagram holds, the number of a gauge left out: its bits say more.
    pub(crate) fn expected(&self) -> Vec<Json> {
        let text = String::from_utf8(file(self.entry["expected"].as_str().unwrap())).unwrap();
        text.lines().map(|line| without_gauge_numbers(serde_json::from_str(line).unwrap())).collect()
    }

    pub(crate) fn security(&self) -> &str {
        self.entry["security"].as_str().unwrap()
    }
}

/// Decimal digits need not survive a JSON parser; the bits beside them do.
pub(crate) fn without_gauge_numbers(mut datagram: Json) -> Json {
    for list in datagram["values"].as_array_mut().unwrap() {
        for value in list["v"].as_array_mut().unwrap() {
            if value[0] == "g" {
                value[1] = Json::Null;
            }
        }
    }
    datagram
}

/// The crafted datagrams with their entries of `cases.json`.
pub(crate) fn crafted() -> Vec<(Json, Vec<u8>)> {
    let cases: Vec<Json> = serde_json::from_slice(&file("crafted/cases.json")).unwrap();
    let datagrams = datagrams(&file("crafted/cases.bin.gz"));
    assert_eq!(cases.len(), datagrams.len());
    cases.into_iter().zip(datagrams).collect()
}

/// Every datagram there is, with a name for it.
pub(crate) fn corpus() -> impl Iterator<Item = (String, Vec<u8>)> {
    let captured = Stream::all().into_iter().flat_map(|stream| {
        let name = stream.name.clone();
        let datagrams = stream.datagrams().into_iter().enumerate();
        datagrams.map(move |(i, datagram)| (format!("{name}-{i}"), datagram))
    });
    let crafted = crafted()
        .into_iter()
        .map(|(case, datagram)| (format!("crafted-{}", case["name"].as_str().unwrap()), datagram));
    captured.chain(crafted)
}

/// A listener as `cases.json` names it, with the users of the captured streams.
pub(crate) fn listener(name: &str) -> Guard {
    let (users, ignored) = Users::parse(&file("auth-file"));
    assert_eq!((users.len(), ignored.len()), (2, 0));
    match name {
        "none" | "mps1452" => Guard::default(),
        "none+auth" => Guard::new(SecurityLevel::None, Some(users)),
        "sign" => Guard::new(SecurityLevel::Sign, Some(users)),
        "encrypt" => Guard::new(SecurityLevel::Encrypt, Some(users)),
        name => panic!("{name}"),
    }
}

/// All that a datagram yields, copied out of it.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Reading {
    pub(crate) lists: Vec<ValueList>,
    /// How many of `lists` came behind a signature that nobody has checked.
    pub(crate) unverified: usize,
    /// How many of `lists` were signed or encrypted by a known user.
    pub(crate) verified: usize,
    /// Notifications in the shape of the expected files.
    pub(crate) notifications: Vec<Json>,
    pub(crate) refused_lists: Vec<(ListRefusal, Span)>,
    pub(crate) refused_notifications: Vec<NotificationRefusal>,
    pub(crate) signatures: usize,
    pub(crate) unknown: usize,
    pub(crate) error: Option<Malformed>,
}

/// What a visitor sees.
struct Shown(Vec<Result<Event, Malformed>>);

impl Visitor for Shown {
    fn visit(&mut self, event: Result<Event, Malformed>) {
        self.0.push(event);
    }
}

impl Reading {
    pub(crate) fn of(datagram: &[u8]) -> Self {
        let mut reading = Self::default();
        let mut decoder = Decoder::new(datagram);
        let mut yielded = Vec::new();
        while let Some(event) = decoder.next() {
            assert_eq!(reading.error, None, "nothing follows an error");
            reading.take(datagram, event, decoder.unverified());
            yielded.push(event);
        }
        let (mut showing, mut shown) = (Decoder::new(datagram), Shown(Vec::new()));
        showing.show(&mut shown);
        assert_eq!(shown.0, yielded);
        assert_eq!(showing.whole(datagram), decoder.whole(datagram));
        assert_eq!(showing.has_odd_names(), decoder.has_odd_names());
        reading
    }

    /// What a guard lets pass, and what it says of the datagram. The first error counts.
    pub(crate) fn guarded(datagram: &[u8], guard: &Guard) -> (Self, Opened) {
        let mut reading = Self::default();
        let opened = guard.decode(&mut datagram.to_vec(), |bytes, trust, event| {
            reading.verified +=
                usize::from(trust > Trust::Unverified && matches!(event, Ok(Event::ValueList(_))));
            let event = event.map_err(|Refused { reason, .. }| reading.error.unwrap_or(reason));
            reading.take(bytes, event, trust == Trust::Unverified);
        });
        (reading, opened)
    }

    fn take(&mut self, datagram: &[u8], event: Result<Event, Malformed>, unverified: bool) {
        match event {
            Ok(Event::ValueList(list)) => {
                self.lists.push(list.of(datagram).to_owned());
                self.unverified += usize::from(unverified);
            }
            Ok(Event::RefusedValueList(refusal, values)) => self.refused_lists.push((refusal, values)),
            Ok(Event::Notification(notification)) => {
                self.notifications.push(notification_json(&notification.of(datagram)));
            }
            Ok(Event::RefusedNotification(refusal)) => self.refused_notifications.push(refusal),
            Ok(Event::Signature) => self.signatures += 1,
            Ok(Event::Unknown(_)) => self.unknown += 1,
            Err(error) => self.error = Some(error),
        }
    }

    /// The value lists in the shape of the expected files.
    pub(crate) fn lists_json(&self) -> Vec<Json> {
        self.lists.iter().map(|list| list_json(&list.as_ref())).collect()
    }
}

/// A value list in the shape of the expected files.
pub(crate) fn list_json(list: &ValueListRef<'_>) -> Json {
    let values: Vec<Json> = list.values.iter().map(value_json).collect();
    let names = &list.identifier;
    json!({
        "h": latin1(names.host), "p": latin1(names.plugin), "pi": latin1(names.plugin_instance),
        "t": latin1(names.type_name), "ti": latin1(names.type_instance),
        "tm": list.time.cdtime(), "iv": list.interval.cdtime(), "v": values,
    })
}

fn value_json(value: Value) -> Json {
    match value {
        Value::Counter(word) => json!(["c", word, format!("{word:016x}")]),
        Value::Gauge(number) => json!(["g", null, format!("{:016x}", number.to_bits())]),
        Value::Derive(number) => json!(["d", number, format!("{number:016x}")]),
        Value::Absolute(word) => json!(["a", word, format!("{word:016x}")]),
    }
}

fn notification_json(notification: &NotificationRef<'_>) -> Json {
    let names = &notification.identifier;
    json!({
        "h": latin1(names.host), "p": latin1(names.plugin), "pi": latin1(names.plugin_instance),
        "t": latin1(names.type_name), "ti": latin1(names.type_instance),
        "tm": notification.time.cdtime(), "sev": notification.severity as u8, "msg": latin1(notification.message),
    })
}

/// Bytes as the expected files write them: each the character of its code.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// The value list as it arrives once packed anew: no interval is no interval, however it was stated.
pub(crate) fn settled(mut list: ValueList) -> ValueList {
    if list.interval.is_none() {
        list.interval = Interval::NONE;
    }
    list
}
