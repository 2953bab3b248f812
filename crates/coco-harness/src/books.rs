//! What must become of any datagrams, by the decoder's word: what leaves, and what is counted.

use std::collections::BTreeMap;

use coco_core::notification::NotificationRef;
use coco_core::value_list::{Interval, ValueList};
use coco_core::wire::{Decoder, Event, MOST_NOTIFICATIONS, NotificationRefusal};

use crate::coco::Counters;

/// What of `listen` the kernel tells, whatever datagrams hold.
const OF_THE_KERNEL: [&str; 3] = ["kernel_drops", "receive_buffer_bytes", "receive_buffer_used_bytes"];

/// What a sequence of datagrams holds.
#[derive(Debug, Default)]
pub struct Books {
    /// Complete value lists, in order; an interval of zero is none.
    pub value_lists: Vec<ValueList>,
    /// Complete notifications, in order, as text.
    pub notifications: Vec<String>,
    /// Counters of `listen` by their way; those of 0 are not there.
    pub counts: BTreeMap<Vec<&'static str>, u64>,
}

impl Books {
    /// Takes account of a datagram on its way in.
    pub fn enter(&mut self, datagram: &[u8]) {
        self.count(&["listen", "raw"]);
        let mut decoder = Decoder::new(datagram);
        let mut notifications = 0;
        while let Some(event) = decoder.next() {
            match event {
                Ok(Event::ValueList(spans)) => {
                    self.count(&["listen", "decoded"]);
                    if decoder.unverified() {
                        self.count(&["listen", "unverified"]);
                    }
                    let mut list = spans.of(datagram).to_owned();
                    if list.interval.is_none() {
                        list.interval = Interval::NONE;
                    }
                    self.value_lists.push(list);
                }
                Ok(Event::Notification(_)) if notifications == MOST_NOTIFICATIONS => {
                    self.count(&["listen", "refused_notifications", NotificationRefusal::TooMany.key()]);
                }
                Ok(Event::Notification(spans)) => {
                    notifications += 1;
                    self.count(&["listen", "notifications"]);
                    self.notifications.push(shown(&spans.of(datagram)));
                }
                Ok(Event::RefusedValueList(refusal, _)) => {
                    self.count(&["listen", "incomplete", refusal.key()]);
                }
                Ok(Event::RefusedNotification(refusal)) => {
                    self.count(&["listen", "refused_notifications", refusal.key()]);
                }
                Ok(Event::Unknown(_)) => self.count(&["listen", "unknown_parts"]),
                Ok(_) => {}
                Err(error) => {
                    self.count(&["errors", "fetch.receive"]);
                    self.count(&["listen", "malformed", error.key()]);
                }
            }
        }
    }

    /// Takes account of a datagram that a target got.
    ///
    /// # Panics
    /// When it holds anything but complete value lists and notifications.
    pub fn leave(&mut self, datagram: &[u8]) {
        let odd = self.odd();
        self.enter(datagram);
        assert_eq!(self.odd(), odd, "left: {}", datagram.escape_ascii());
    }

    fn odd(&self) -> u64 {
        let of = |way: &[&str], count: &u64| match way {
            // A datagram that leaves as it came keeps its parts of unknown type.
            ["listen", "raw" | "decoded" | "notifications" | "unknown_parts"] => 0,
            _ => *count,
        };
        self.counts.iter().map(|(way, count)| of(way, count)).sum()
    }

    fn count(&mut self, way: &[&'static str]) {
        *self.counts.entry(way.to_vec()).or_default() += 1;
    }

    /// Holds the counters of `listen` against these.
    ///
    /// # Panics
    /// When they differ.
    pub fn assert_counted(&self, counters: &Counters) {
        let listen = counters.0["listen"].as_object().expect("listen is an object");
        let mut counted = BTreeMap::new();
        for (name, value) in listen.iter().filter(|(name, _)| !OF_THE_KERNEL.contains(&name.as_str())) {
            match value.as_object() {
                None => drop(counted.insert(vec!["listen", name], value.as_u64())),
                Some(reasons) => {
                    counted.extend(
                        reasons.iter().map(|(reason, value)| (vec!["listen", name, reason], value.as_u64())),
                    );
                }
            }
        }
        counted.insert(vec!["errors", "fetch.receive"], Some(counters.count(&["errors", "fetch.receive"])));
        counted.retain(|_, count| *count != Some(0));
        let expected: BTreeMap<Vec<&str>, _> =
            self.counts.iter().map(|(way, count)| (way.clone(), Some(*count))).collect();
        assert_eq!(counted, expected);
    }
}

/// A notification as text: its names, time, severity and message.
fn shown(notification: &NotificationRef<'_>) -> String {
    let names = notification.identifier.to_owned();
    let message = notification.message.escape_ascii();
    format!("{names:?} {} {} {message}", notification.time.cdtime(), notification.severity)
}
