//! What is counted and remembered, held against what came.

use std::collections::BTreeMap;

use coco::counters::{ByReason, Count};
use coco::lane::Lane;
use coco::memory::Unread;
use coco::outlets::Written;
use coco::plan::{Routing, Rules};
use coco_core::value_list::Identifier;
use proptest::prelude::*;
use regex::bytes::Regex;

use crate::model::{Contents, is_blacklisted};
use crate::stages::Stages;

/// What is remembered, by host and parts of the metric: whether it is rejected, and when it was seen.
pub(crate) type Remembered = BTreeMap<(Vec<u8>, Vec<Vec<u8>>), (bool, u32)>;

/// What a reader finds, each host in its shares.
pub(crate) fn remembered(lane: &Lane, rules: &mut Rules) -> Result<Remembered, TestCaseError> {
    let memory = lane.memory();
    let mut hosts = Vec::new();
    let end = memory.visit_hosts(0, rules, |host| hosts.push((host.name.to_vec(), host.shares)));
    prop_assert_eq!(end, None);
    let mut remembered = BTreeMap::new();
    for (host, known) in &hosts {
        prop_assert_eq!(known, &rules.routing().partitions.shares_of(host));
        let (mut metrics, mut unread) = (Vec::new(), Unread::default());
        memory.visit_metrics(host, rules, &mut unread, |metric| {
            let parts: Vec<_> = metric.name.parts().map(<[u8]>::to_vec).collect();
            metrics.push((parts, (metric.rejected, metric.seen)));
        });
        prop_assert!(unread.is_empty());
        let accepted = metrics.iter().filter(|(_, (rejected, _))| !rejected).count();
        prop_assert_eq!(memory.accepted_of(host, rules).0, Some(accepted as u32));
        for (parts, known) in metrics {
            prop_assert!(remembered.insert((host.clone(), parts), known).is_none());
        }
    }
    Ok(remembered)
}

/// What is remembered was seen, then and with that verdict, and all of it unless something was counted as unremembered
/// or a host [was forgotten](Forgotten).
pub(crate) fn check_memory<'a>(
    lane: &Lane,
    seen: impl Iterator<Item = (u32, &'a Vec<u8>)>,
    blacklist: Option<&Regex>,
    rules: &mut Rules,
    forgotten: Forgotten,
) -> Result<(), TestCaseError> {
    let mut expected = BTreeMap::new();
    for (now, datagram) in seen {
        for list in Contents::of(datagram).value_lists {
            let rejected = is_blacklisted(blacklist, &list);
            let Identifier { host, plugin, plugin_instance, type_name, type_instance } = list.identifier;
            expected.insert((host, vec![plugin, plugin_instance, type_name, type_instance]), (rejected, now));
        }
    }
    let remembered = remembered(lane, rules)?;
    for (metric, known) in &remembered {
        prop_assert_eq!(expected.get(metric), Some(known));
    }
    if lane.counts.get(Count::Unremembered) == 0 && forgotten == Forgotten::Nothing {
        prop_assert_eq!(remembered.len(), expected.len());
    }
    Ok(())
}

/// Whether a host that was remembered was forgotten since, when it came into more shares than there was room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forgotten {
    Nothing,
    Something,
}

impl Forgotten {
    /// By what was remembered before and is now.
    pub(crate) fn between(self, before: &Remembered, now: &Remembered) -> Self {
        let is_kept = before.keys().all(|metric| now.contains_key(metric));
        if is_kept { self } else { Self::Something }
    }
}

pub(crate) fn check_books(
    Stages { lane, .. }: &Stages,
    contents: &[Contents],
    blacklist: Option<&Regex>,
) -> Result<(), TestCaseError> {
    let sum = |of: fn(&Contents) -> u64| contents.iter().map(of).sum::<u64>();
    let decoded = sum(|contents| contents.value_lists.len() as u64);
    let lists = contents.iter().flat_map(|contents| &contents.value_lists);
    let rejected = lists.filter(|list| is_blacklisted(blacklist, list)).count() as u64;
    let expected = [
        (Count::Raw, contents.len() as u64),
        (Count::Decoded, decoded),
        (Count::Rejected, rejected),
        (Count::Accepted, decoded - rejected),
        (Count::Unverified, sum(|contents| contents.unverified)),
        (Count::UnknownParts, sum(|contents| contents.unknown_parts)),
        (Count::Notifications, sum(|contents| contents.notifications.len() as u64)),
        (Count::FetchReceive, sum(|contents| u64::from(contents.malformed.is_some()))),
        (Count::Unhandled, 0),
    ];
    for (count, expected) in expected {
        prop_assert_eq!(lane.counts.get(count), expected, "{:?}", count);
    }
    for reason in ByReason::all() {
        let of = |contents: &Contents| match reason {
            ByReason::Malformed(reason) => usize::from(contents.malformed == Some(reason)),
            ByReason::Incomplete(reason) => {
                contents.incomplete.iter().filter(|&&other| other == reason).count()
            }
            ByReason::RefusedNotification(reason) => {
                contents.refused_notifications.iter().filter(|&&other| other == reason).count()
            }
            ByReason::Refused(_) => 0,
        };
        let expected: usize = contents.iter().map(of).sum();
        prop_assert_eq!(lane.counts.get_reason(reason), expected as u64, "{:?}", reason);
    }
    Ok(())
}

/// What each tier gets beyond once, and in what capacity its targets get it, where one configuration held all the time.
pub(crate) fn check_copies(
    Stages { lane, newest, .. }: &Stages,
    contents: &[Contents],
    blacklist: Option<&Regex>,
) -> Result<(), TestCaseError> {
    let routing = newest.load();
    let Routing { tiers, outlets, .. } = &**routing;
    prop_assert_eq!(tiers.len(), outlets.copies().len());
    let lists = contents.iter().flat_map(|contents| &contents.value_lists);
    let accepted: Vec<_> = lists.filter(|list| !is_blacklisted(blacklist, list)).collect();
    prop_assert_eq!(lane.counts.get(Count::Accepted), accepted.len() as u64);
    for (tier, copies) in tiers.iter().zip(outlets.copies()) {
        let mut expected = Written::default();
        for list in &accepted {
            let (mut written, host) = (Vec::new(), &list.identifier.host);
            tier.placement().owners(host, &mut written);
            let lasting = tier.placement().migration().map(|migration| migration.of(host).owners);
            let is_lasting = |target: &&usize| lasting.as_ref().is_none_or(|owners| owners.contains(target));
            let owners = written.iter().filter(is_lasting).count() as u64;
            expected.owners += owners;
            expected.former += written.len() as u64 - owners;
        }
        prop_assert_eq!(copies.written(), expected);
        prop_assert_eq!(copies.count(), expected.owners + expected.former - accepted.len() as u64);
    }
    Ok(())
}
