//! What a datagram holds, as a line for people or as an object of JSON.

use std::fmt::Write as _;
use std::net::SocketAddr;

use coco_core::notification::NotificationRef;
use coco_core::types_db::TypesDb;
use coco_core::value_list::{IdentifierRef, Value, ValueListRef};
use coco_core::wire::{Event, Refused, Trust};
use serde_json::{Map, json};

use crate::dates::time;
use crate::text;

/// When and from where a datagram came, as far as that is known.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Origin {
    /// In nanoseconds since 1970.
    pub(super) captured: Option<u64>,
    pub(super) source: Option<SocketAddr>,
}

/// Where a datagram came from, and how what stands in it was secured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) origin: Origin,
    pub(super) trust: Trust,
    pub(super) datagram: &'a [u8],
}

/// A line of what was found, without its end.
pub(super) fn line(context: &Context<'_>, event: &Result<Event, Refused>, types: &TypesDb) -> String {
    let mut line = context.origin.captured.map(captured_time).unwrap_or_default();
    if let Some(source) = context.origin.source {
        let _ = write!(line, "{source} ");
    }
    match context.trust {
        Trust::Plain => {}
        trust => line += &format!("({}) ", name_of(trust)),
    }
    // Writing to a string does not fail.
    let _ = match event {
        Ok(Event::ValueList(spans)) => {
            value_list(&mut line, &spans.of(context.datagram), types);
            Ok(())
        }
        Ok(Event::Notification(spans)) => {
            let notification = spans.of(context.datagram);
            let (time, what) = (time(notification.time.cdtime()), path(&notification.identifier));
            let message = text::name(notification.message);
            write!(line, "{time} {what} notification {} {message}", notification.severity)
        }
        Ok(Event::RefusedValueList(reason, _)) => write!(line, "refused: a value list with {reason}"),
        Ok(Event::RefusedNotification(reason)) => write!(line, "refused: a notification with {reason}"),
        Ok(Event::Signature) => write!(line, "signed; what follows is not verified"),
        Ok(Event::Unknown(part)) => write!(line, "a part of unknown type {}", part.0),
        Err(Refused { reason, user }) => {
            let user = user.of(context.datagram);
            let of = if user.is_empty() { String::new() } else { format!(" of user {}", text::name(user)) };
            write!(line, "malformed: {reason}{of}")
        }
    };
    line
}

/// The same as JSON.
pub(super) fn object(
    context: &Context<'_>,
    event: &Result<Event, Refused>,
    types: &TypesDb,
) -> serde_json::Value {
    let mut object = Map::new();
    let mut set = |key: &str, value: serde_json::Value| object.insert(key.to_owned(), value);
    let source = context.origin.source.map(|source| source.to_string());
    let kind = match event {
        Ok(Event::ValueList(_)) => "value_list",
        Ok(Event::Notification(_)) => "notification",
        Ok(Event::RefusedValueList(..)) => "refused_value_list",
        Ok(Event::RefusedNotification(_)) => "refused_notification",
        Ok(Event::Signature) => "signature",
        Ok(Event::Unknown(_)) => "unknown_part",
        Err(_) => "malformed",
    };
    set("event", json!(kind));
    set("captured", json!(context.origin.captured.map(captured_seconds)));
    set("source", json!(source));
    set("security", json!(name_of(context.trust)));
    match event {
        Ok(Event::ValueList(spans)) => {
            let list = spans.of(context.datagram);
            set_identifier(&list.identifier, &mut set);
            set("time", json!(seconds(list.time.cdtime())));
            set("interval", json!((!list.interval.is_none()).then(|| seconds(list.interval.cdtime()))));
            set("values", list.values.iter().map(number).collect());
            set("dstypes", list.values.iter().map(|value| json!(value.kind().name())).collect());
            set("dsnames", json!(names(&list, types)));
        }
        Ok(Event::Notification(spans)) => {
            let NotificationRef { identifier, time, severity, message } = spans.of(context.datagram);
            set_identifier(&identifier, &mut set);
            set("time", json!(seconds(time.cdtime())));
            set("severity", json!(severity.to_string()));
            set("message", json!(text::in_json(message)));
        }
        Ok(Event::RefusedValueList(reason, _)) => _ = set("reason", json!(reason.key())),
        Ok(Event::RefusedNotification(reason)) => _ = set("reason", json!(reason.key())),
        Ok(Event::Signature) => {}
        Ok(Event::Unknown(part)) => _ = set("type", json!(part.0)),
        Err(Refused { reason, user }) => {
            set("reason", json!(reason.key()));
            if !user.is_empty() {
                set("user", json!(text::in_json(user.of(context.datagram))));
            }
        }
    }
    serde_json::Value::Object(object)
}

fn set_identifier<T>(identifier: &IdentifierRef<'_>, set: &mut impl FnMut(&str, serde_json::Value) -> T) {
    for (key, name) in [
        ("host", identifier.host),
        ("plugin", identifier.plugin),
        ("plugin_instance", identifier.plugin_instance),
        ("type", identifier.type_name),
        ("type_instance", identifier.type_instance),
    ] {
        set(key, json!(text::in_json(name)));
    }
}

/// A value with all its digits. What is not finite has no number in JSON; collectd writes null for it, too.
fn number(value: Value) -> serde_json::Value {
    match value {
        Value::Counter(value) | Value::Absolute(value) => json!(value),
        Value::Derive(value) => json!(value),
        Value::Gauge(value) => json!(value),
    }
}

/// The data sources' names; null where types.db does not tell.
fn names(list: &ValueListRef<'_>, types: &TypesDb) -> Option<Vec<String>> {
    let sources =
        types.get(list.identifier.type_name).filter(|sources| sources.len() == list.values.len())?;
    Some(sources.iter().map(|source| text::in_json(&source.name).into_owned()).collect())
}

fn value_list(line: &mut String, list: &ValueListRef<'_>, types: &TypesDb) {
    *line += &time(list.time.cdtime());
    *line += " ";
    *line += &path(&list.identifier);
    if !list.interval.is_none() {
        *line += &format!(" every {} s", seconds(list.interval.cdtime()));
    }
    let names = names(list, types);
    for (index, value) in list.values.iter().enumerate() {
        let name = names.as_ref().map(|names| format!(" {}", text::name(names[index].as_bytes())));
        *line += &format!("{} {}={value}", name.unwrap_or_default(), value.kind());
    }
}

/// As the blacklist sees it: host, plugin, type and their instances, those that are empty left out.
fn path(identifier: &IdentifierRef<'_>) -> String {
    let mut path = Vec::new();
    identifier.write_path(&mut path);
    text::name(&path)
}

fn name_of(trust: Trust) -> &'static str {
    match trust {
        Trust::Plain => "plain",
        Trust::Unverified => "unverified",
        Trust::Signed => "signed",
        Trust::Encrypted => "encrypted",
    }
}

/// When something was captured, from nanoseconds, with a space behind it.
pub(super) fn captured_time(nanoseconds: u64) -> String {
    let (seconds, rest) = (nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
    format!("{} ", time((seconds << 30) | ((rest << 30) / 1_000_000_000)))
}

/// The same in seconds.
pub(super) fn captured_seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

/// Units of 2^-30 s as seconds.
fn seconds(cdtime: u64) -> f64 {
    cdtime as f64 / (1_u64 << 30) as f64
}
