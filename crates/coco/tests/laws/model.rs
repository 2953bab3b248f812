//! What must become of datagrams, worked out without any code of the stages.

use std::collections::BTreeMap;

use coco_core::blacklist;
use coco_core::notification::Severity;
use coco_core::tier::Tiers;
use coco_core::value_list::{Identifier, Time, ValueList};
use coco_core::wire::{Decoder, Event, ListRefusal, MOST_NOTIFICATIONS, Malformed, NotificationRefusal};
use regex::bytes::Regex;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notification {
    pub(crate) identifier: Identifier,
    pub(crate) time: Time,
    pub(crate) severity: Severity,
    pub(crate) message: Vec<u8>,
}

/// What stands in one datagram.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) value_lists: Vec<ValueList>,
    pub(crate) notifications: Vec<Notification>,
    pub(crate) incomplete: Vec<ListRefusal>,
    pub(crate) refused_notifications: Vec<NotificationRefusal>,
    pub(crate) malformed: Option<Malformed>,
    pub(crate) unverified: u64,
    pub(crate) unknown_parts: u64,
    pub(crate) signatures: u64,
}

impl Contents {
    pub(crate) fn of(datagram: &[u8]) -> Self {
        let mut contents = Self::default();
        let mut decoder = Decoder::new(datagram);
        while let Some(event) = decoder.next() {
            match event {
                Ok(Event::ValueList(spans)) => {
                    contents.value_lists.push(spans.of(datagram).to_owned());
                    contents.unverified += u64::from(decoder.unverified());
                }
                Ok(Event::RefusedValueList(refusal, _)) => contents.incomplete.push(refusal),
                Ok(Event::Notification(_)) if contents.notifications.len() == MOST_NOTIFICATIONS => {
                    contents.refused_notifications.push(NotificationRefusal::TooMany);
                }
                Ok(Event::Notification(spans)) => {
                    let notification = spans.of(datagram);
                    contents.notifications.push(Notification {
                        identifier: notification.identifier.to_owned(),
                        time: notification.time,
                        severity: notification.severity,
                        message: notification.message.to_vec(),
                    });
                }
                Ok(Event::RefusedNotification(refusal)) => contents.refused_notifications.push(refusal),
                Ok(Event::Signature) => contents.signatures += 1,
                Ok(Event::Unknown(_)) => contents.unknown_parts += 1,
                Err(error) => contents.malformed = Some(error),
            }
        }
        contents
    }

    /// Whether the datagram may leave as it came, as far as what stands in it goes.
    pub(crate) fn is_of_one_host_alone(&self) -> bool {
        let hosts = self.value_lists.iter().map(|list| &list.identifier.host);
        let plain = self.notifications.is_empty()
            && self.refused_notifications.is_empty()
            && self.incomplete.is_empty()
            && self.malformed.is_none()
            && self.signatures == 0;
        plain
            && !self.value_lists.is_empty()
            && hosts.clone().eq(hosts.map(|_| &self.value_lists[0].identifier.host))
    }
}

/// `host/plugin/plugin instance/type/type instance`, the empty ones left out.
pub(crate) fn is_blacklisted(blacklist: Option<&Regex>, list: &ValueList) -> bool {
    let Identifier { host, plugin, plugin_instance, type_name, type_instance } = &list.identifier;
    let mut path = host.clone();
    for part in [plugin, plugin_instance, type_name, type_instance] {
        if !part.is_empty() {
            path.push(b'/');
            path.extend(part);
        }
    }
    blacklist.is_some_and(|blacklist| blacklist::matches(blacklist, &path))
}

/// What one target of one tier gets: value lists in order for each host, notifications in order.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Received {
    pub(crate) value_lists: BTreeMap<Vec<u8>, Vec<ValueList>>,
    pub(crate) notifications: Vec<Notification>,
}

impl Received {
    pub(crate) fn add(&mut self, contents: Contents) {
        for mut list in contents.value_lists {
            if list.interval.is_none() {
                // Missing and zero mean the same to every receiver.
                list.interval = coco_core::value_list::Interval::NONE;
            }
            self.value_lists.entry(list.identifier.host.clone()).or_default().push(list);
        }
        self.notifications.extend(contents.notifications);
        // Of one host they come in their order; those of hosts that are on their way come in packets of their own.
        self.notifications.sort_by(|one, other| one.identifier.host.cmp(&other.identifier.host));
    }
}

/// What must arrive, by tier and target.
pub(crate) fn expected(
    tiers: &Tiers,
    blacklist: Option<&Regex>,
    datagrams: &[Vec<u8>],
) -> BTreeMap<(usize, usize), Received> {
    let mut expected: BTreeMap<(usize, usize), Received> = BTreeMap::new();
    let mut owners = Vec::new();
    for (index, tier) in tiers.iter().enumerate() {
        for datagram in datagrams {
            let contents = Contents::of(datagram);
            for list in contents.value_lists.into_iter().filter(|list| !is_blacklisted(blacklist, list)) {
                tier.placement().owners(&list.identifier.host, &mut owners);
                for &owner in &owners {
                    let alone = Contents { value_lists: vec![list.clone()], ..Contents::default() };
                    expected.entry((index, owner)).or_default().add(alone);
                }
            }
            for notification in contents.notifications {
                tier.placement().owners(&notification.identifier.host, &mut owners);
                for &owner in &owners {
                    let received = expected.entry((index, owner)).or_default();
                    let alone = Contents { notifications: vec![notification.clone()], ..Contents::default() };
                    received.add(alone);
                }
            }
        }
    }
    expected
}
