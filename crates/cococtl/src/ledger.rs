//! Whether all that made-up agents sent has arrived, by the sequence that each of them counts.

use std::collections::HashMap;

use coco_core::value_list::{Value, ValueListRef};

use crate::traffic::{SEQUENCE_INSTANCE, SEQUENCE_PLUGIN, SEQUENCE_TYPE};

/// Hosts of which books are kept; those beyond are counted only.
const HOSTS: usize = 1_000_000;

/// What one target gets.
#[derive(Debug, Default)]
pub struct Ledger {
    hosts: HashMap<Box<[u8]>, Account>,
    /// Value lists, of any host.
    pub value_lists: u64,
    unaccounted: u64,
}

/// The books of one host.
#[derive(Debug, Default)]
struct Account {
    /// Value lists since the last sequence, or the start.
    received: u64,
    sequence: Option<u64>,
    findings: Findings,
}

/// What was found, in value lists, and in hosts where it says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Sent, and not arrived before the sequence that counts them.
    pub missing: u64,
    /// Arrived more often than sent.
    pub extra: u64,
    /// Times that a sequence began anew: the agent was started again, or what it sent was reordered.
    pub restarts: u64,
    /// Hosts without a sequence: of them nothing is known.
    pub unverified_hosts: u64,
}

impl Ledger {
    /// Takes in a value list. One that a host sends before its sequence is counted by that.
    pub fn add(&mut self, list: &ValueListRef<'_>) {
        self.value_lists += 1;
        let host = list.identifier.host;
        if !self.hosts.contains_key(host) {
            if self.hosts.len() == HOSTS {
                self.unaccounted += 1;
                return;
            }
            self.hosts.insert(host.into(), Account::default());
        }
        if let Some(account) = self.hosts.get_mut(host) {
            account.received += 1;
            if let Some(sequence) = sequence(list) {
                account.close(sequence);
            }
        }
    }

    /// How many hosts have sent something.
    pub fn hosts(&self) -> usize {
        self.hosts.len()
    }

    /// Value lists of hosts beyond those of which books are kept.
    pub fn unaccounted(&self) -> u64 {
        self.unaccounted
    }

    /// What was found of all hosts together. What follows the last sequence of a host is not known to be whole.
    pub fn findings(&self) -> Findings {
        let mut sum = Findings::default();
        for account in self.hosts.values() {
            sum.missing += account.findings.missing;
            sum.extra += account.findings.extra;
            sum.restarts += account.findings.restarts;
            sum.unverified_hosts += u64::from(account.sequence.is_none());
        }
        sum
    }
}

impl Account {
    fn close(&mut self, sequence: u64) {
        let before = self.sequence.replace(sequence).unwrap_or(0);
        let sent = if sequence >= before {
            sequence - before
        } else {
            self.findings.restarts += 1;
            sequence
        };
        self.findings.missing += sent.saturating_sub(self.received);
        self.findings.extra += self.received.saturating_sub(sent);
        self.received = 0;
    }
}

fn sequence(list: &ValueListRef<'_>) -> Option<u64> {
    let identifier = &list.identifier;
    let is_sequence = identifier.plugin == SEQUENCE_PLUGIN
        && identifier.type_name == SEQUENCE_TYPE
        && identifier.type_instance == SEQUENCE_INSTANCE;
    match list.values.iter().next() {
        Some(Value::Derive(count)) if is_sequence => u64::try_from(count).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use coco_core::value_list::{Time, ValueList};
    use coco_core::wire::{Decoder, Event, PacketBuilder};

    use super::*;
    use crate::traffic::Generator;

    /// Value lists of two hosts of ten metrics, round by round.
    fn sent(rounds: u64) -> Vec<ValueList> {
        let generator = Generator::new(crate::hosts::made_up(2), 10, Duration::from_secs(1), 1);
        let mut builder = PacketBuilder::new(1452);
        for turn in 0..2 * rounds {
            generator.push((turn % 2) as usize, turn / 2, Time::Seconds(1 + turn), &mut builder);
        }
        let lists = builder.packets().flat_map(|(_, packet)| {
            Decoder::new(packet).map(|event| match event {
                Ok(Event::ValueList(spans)) => spans.of(packet).to_owned(),
                other => panic!("{other:?}"),
            })
        });
        lists.collect()
    }

    fn findings<'a>(lists: impl IntoIterator<Item = &'a ValueList>) -> Findings {
        let mut ledger = Ledger::default();
        lists.into_iter().for_each(|list| ledger.add(&list.as_ref()));
        ledger.findings()
    }

    #[test]
    fn what_is_lost_doubled_or_restarted_is_found() {
        let lists = sent(5);
        assert_eq!(findings(&lists), Findings::default());
        for lost in 0..lists.len() - 20 {
            let left = lists.iter().enumerate().filter(|(index, _)| *index != lost).map(|(_, list)| list);
            assert_eq!(findings(left), Findings { missing: 1, ..Findings::default() }, "{lost}");
        }
        for doubled in 0..lists.len() {
            let more = lists[..=doubled].iter().chain(&lists[doubled..]);
            assert_eq!(findings(more), Findings { extra: 1, ..Findings::default() }, "{doubled}");
        }
        let again = lists.iter().chain(&lists);
        assert_eq!(findings(again), Findings { restarts: 2, ..Findings::default() });
        let without = lists.iter().filter(|list| list.identifier.plugin != SEQUENCE_PLUGIN);
        assert_eq!(findings(without), Findings { unverified_hosts: 2, ..Findings::default() });
    }
}
