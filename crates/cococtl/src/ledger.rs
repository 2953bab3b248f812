//! Whether all that made-up agents sent has arrived, by the sequence that each of them counts.

use std::collections::HashMap;
use std::ops::AddAssign;

use coco_core::value_list::{Value, ValueListRef};

use crate::traffic::{SEQUENCE_INSTANCE, SEQUENCE_PLUGIN, SEQUENCE_TYPE};

/// What one target gets.
#[derive(Debug)]
pub struct Ledger {
    hosts: HashMap<Box<[u8]>, Account>,
    most_hosts: usize,
    /// Value lists, of any host.
    pub value_lists: u64,
    unaccounted: u64,
}

/// Keeps the books of [`MOST_HOSTS`](Self::MOST_HOSTS).
impl Default for Ledger {
    fn default() -> Self {
        Self { hosts: HashMap::new(), most_hosts: Self::MOST_HOSTS, value_lists: 0, unaccounted: 0 }
    }
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Findings {
    /// Sent, and not arrived before the sequence that counts them.
    pub missing: u64,
    /// Arrived more often than sent.
    pub extra: u64,
    /// Times that a sequence began anew: the agent was started again, or what it sent was reordered.
    pub restarts: u64,
    /// Of hosts beyond those of which books are kept: nothing is known of these.
    pub unaccounted: u64,
    /// Hosts without a sequence: of them nothing is known.
    pub unverified_hosts: u64,
    /// Hosts with one.
    pub verified_hosts: u64,
}

impl Findings {
    /// Whether something is wrong, or could be. Hosts without a sequence are so only where others have one: then theirs
    /// has got lost, and where nobody has, real agents send.
    pub fn has_any(&self) -> bool {
        self.missing + self.extra + self.unaccounted > 0
            || self.unverified_hosts > 0 && self.verified_hosts > 0
    }
}

impl AddAssign for Findings {
    fn add_assign(&mut self, other: Self) {
        self.missing += other.missing;
        self.extra += other.extra;
        self.restarts += other.restarts;
        self.unaccounted += other.unaccounted;
        self.unverified_hosts += other.unverified_hosts;
        self.verified_hosts += other.verified_hosts;
    }
}

impl Ledger {
    /// Hosts of which books are kept; what others send is counted only.
    pub const MOST_HOSTS: usize = 1_000_000;

    /// Takes in a value list. One that a host sends before its sequence is counted by that.
    pub fn add(&mut self, list: &ValueListRef<'_>) {
        self.value_lists += 1;
        let host = list.identifier.host;
        if !self.hosts.contains_key(host) {
            if self.hosts.len() == self.most_hosts {
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

    /// How many hosts have sent something, of those of which books are kept.
    pub fn hosts(&self) -> usize {
        self.hosts.len()
    }

    /// What was found of all hosts together. What follows the last sequence of a host is not known to be whole.
    pub fn findings(&self) -> Findings {
        let mut sum = Findings { unaccounted: self.unaccounted, ..Findings::default() };
        for account in self.hosts.values() {
            sum += account.findings;
            match account.sequence {
                Some(_) => sum.verified_hosts += 1,
                None => sum.unverified_hosts += 1,
            }
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
        let whole = Findings { verified_hosts: 2, ..Findings::default() };
        assert!(findings(&lists) == whole && !whole.has_any());
        for lost in 0..lists.len() - 20 {
            let left = lists.iter().enumerate().filter(|(index, _)| *index != lost).map(|(_, list)| list);
            assert_eq!(findings(left), Findings { missing: 1, ..whole }, "{lost}");
        }
        for doubled in 0..lists.len() {
            let more = lists[..=doubled].iter().chain(&lists[doubled..]);
            assert_eq!(findings(more), Findings { extra: 1, ..whole }, "{doubled}");
        }
        let again = lists.iter().chain(&lists);
        assert_eq!(findings(again), Findings { restarts: 2, ..whole });
    }

    #[test]
    fn a_host_without_a_sequence_is_found_where_another_has_one() {
        let lists = sent(1);
        let is_sequence = |list: &&ValueList| list.identifier.plugin == SEQUENCE_PLUGIN;
        let nobody = findings(lists.iter().filter(|list| !is_sequence(list)));
        assert_eq!(nobody, Findings { unverified_hosts: 2, ..Findings::default() });
        assert!(!nobody.has_any());

        // The one sequence of a host is what got lost.
        let lost = lists.iter().position(|list| is_sequence(&list)).unwrap();
        let left = lists.iter().enumerate().filter(|(index, _)| *index != lost).map(|(_, list)| list);
        let one = findings(left);
        assert_eq!(one, Findings { unverified_hosts: 1, verified_hosts: 1, ..Findings::default() });
        assert!(one.has_any());
    }

    #[test]
    fn what_comes_of_hosts_beyond_the_books_is_found() {
        let mut ledger = Ledger { most_hosts: 1, ..Ledger::default() };
        sent(1).iter().for_each(|list| ledger.add(&list.as_ref()));
        let findings = ledger.findings();
        assert_eq!(findings, Findings { unaccounted: 10, verified_hosts: 1, ..Findings::default() });
        assert!(findings.has_any());
    }
}
