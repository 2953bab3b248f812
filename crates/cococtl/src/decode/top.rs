//! Who and what comes most often.

use std::collections::HashMap;
use std::io::{self, Write};

use clap::ValueEnum;
use coco_core::text::in_json;
use coco_core::value_list::IdentifierRef;
use serde_json::{Map, Value, json};

use crate::text;

/// Memory for the names that are counted each by itself; what comes under others is counted together.
const MEMORY: usize = 64 << 20;

/// What a name takes in the table beside its bytes.
const ENTRY: usize = 96;

/// By what value lists are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum By {
    /// By host.
    Host,
    /// By plugin, of all hosts together.
    Plugin,
    /// By type, of all hosts together.
    Type,
    /// By metric, without the host.
    Metric,
    /// By address that sent them, without the port.
    Sender,
}

/// Counts by each of some ways.
#[derive(Debug)]
pub(super) struct Tops {
    rankings: Vec<(By, Ranking)>,
    name: Vec<u8>,
    /// The times of capture, in nanoseconds.
    first: Option<u64>,
    last: u64,
}

/// How much came of each name.
#[derive(Debug, Default)]
struct Ranking {
    names: HashMap<Box<[u8]>, Amount>,
    memory: usize,
    others: Amount,
}

/// Value lists and the bytes that they take in their datagrams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Amount {
    value_lists: u64,
    bytes: u64,
}

impl By {
    /// As it is asked for.
    fn key(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Plugin => "plugin",
            Self::Type => "type",
            Self::Metric => "metric",
            Self::Sender => "sender",
        }
    }

    fn write_name(self, identifier: &IdentifierRef<'_>, sender: &str, name: &mut Vec<u8>) {
        name.clear();
        match self {
            Self::Host => name.extend_from_slice(identifier.host),
            Self::Plugin => name.extend_from_slice(identifier.plugin),
            Self::Type => name.extend_from_slice(identifier.type_name),
            Self::Metric => {
                let parts = identifier.metric_parts().into_iter().filter(|part| !part.is_empty());
                for (number, part) in parts.enumerate() {
                    if number > 0 {
                        name.push(b'/');
                    }
                    name.extend_from_slice(part);
                }
            }
            Self::Sender => name.extend_from_slice(sender.as_bytes()),
        }
    }
}

impl Tops {
    pub(super) fn new(by: &[By]) -> Self {
        let rankings = by.iter().map(|by| (*by, Ranking::default())).collect();
        Self { rankings, name: Vec::new(), first: None, last: 0 }
    }

    /// A value list of so many bytes.
    pub(super) fn add(
        &mut self,
        identifier: &IdentifierRef<'_>,
        sender: &str,
        captured: Option<u64>,
        bytes: u64,
    ) {
        if let Some(captured) = captured {
            self.first = Some(self.first.map_or(captured, |first| first.min(captured)));
            self.last = self.last.max(captured);
        }
        for (by, ranking) in &mut self.rankings {
            by.write_name(identifier, sender, &mut self.name);
            ranking.add(&self.name, bytes);
        }
    }

    /// From the first to the last, in seconds; none where there is no time between them.
    fn seconds(&self) -> Option<f64> {
        let nanoseconds = self.last.checked_sub(self.first?)?;
        (nanoseconds > 0).then_some(nanoseconds as f64 / 1e9)
    }

    pub(super) fn object(&self, most: usize) -> Value {
        let seconds = self.seconds();
        let amount = |amount: Amount| {
            let rate = seconds.map(|seconds| amount.value_lists as f64 / seconds);
            let object = json!({ "value_lists": amount.value_lists, "rate": rate, "bytes": amount.bytes });
            object.as_object().cloned().unwrap_or_default()
        };
        let mut object = Map::new();
        object.insert("event".to_owned(), json!("top"));
        object.insert("seconds".to_owned(), json!(seconds));
        for (by, ranking) in &self.rankings {
            let top = ranking.top(most).into_iter().map(|(name, counted)| {
                let mut row = Map::from_iter([("name".to_owned(), json!(in_json(name)))]);
                row.extend(amount(counted));
                row
            });
            let (names, top) = (ranking.names.len(), top.collect::<Vec<_>>());
            let value = json!({ "names": names, "others": amount(ranking.others), "top": top });
            object.insert(by.key().to_owned(), value);
        }
        Value::Object(object)
    }

    /// A table for each way, of the `most` names.
    pub(super) fn write(&self, most: usize, all: u64, out: &mut impl Write) -> io::Result<()> {
        let seconds = self.seconds();
        let row = |amount: Amount| {
            let share = crate::distribution::ratio(amount.value_lists, all) * 100.0;
            let rate = seconds.map(|seconds| format!("{:.1}", amount.value_lists as f64 / seconds));
            let rate = rate.unwrap_or_else(|| "-".to_owned());
            format!("{:>11} {share:>6.2} % {rate:>10} {:>12}", amount.value_lists, amount.bytes)
        };
        for (by, ranking) in &self.rankings {
            writeln!(
                out,
                "value lists   share    per s        bytes  {} ({} of them)",
                by.key(),
                ranking.names.len()
            )?;
            for (name, amount) in ranking.top(most) {
                writeln!(out, "{}  {}", row(amount), text::name(name))?;
            }
            if ranking.others.value_lists > 0 {
                writeln!(out, "{}  all names for which there was no room", row(ranking.others))?;
            }
        }
        Ok(())
    }
}

impl Ranking {
    fn add(&mut self, name: &[u8], bytes: u64) {
        let amount = match self.names.get_mut(name) {
            Some(amount) => amount,
            None if self.memory + name.len() + ENTRY > MEMORY => &mut self.others,
            None => {
                self.memory += name.len() + ENTRY;
                self.names.entry(name.into()).or_default()
            }
        };
        amount.value_lists += 1;
        amount.bytes += bytes;
    }

    /// The most frequent ones, the most frequent first, and by name where they come as often.
    fn top(&self, most: usize) -> Vec<(&[u8], Amount)> {
        let mut all: Vec<_> = self.names.iter().map(|(name, amount)| (&**name, *amount)).collect();
        let order = |(one, ones): &(&[u8], Amount), (other, others): &(&[u8], Amount)| {
            others.value_lists.cmp(&ones.value_lists).then(others.bytes.cmp(&ones.bytes)).then(one.cmp(other))
        };
        if most < all.len() {
            all.select_nth_unstable_by(most, order);
            all.truncate(most);
        }
        all.sort_unstable_by(order);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_without_end_have_a_bound() {
        let mut ranking = Ranking::default();
        let names: u64 = 100_000;
        for number in 0..names {
            let name = format!("{number:01000}");
            ranking.add(name.as_bytes(), 1);
        }
        let known = ranking.names.len() as u64;
        assert!(ranking.memory <= MEMORY && known < names, "{known}");
        assert_eq!(ranking.others, Amount { value_lists: names - known, bytes: names - known });
        assert_eq!(ranking.top(3).len(), 3);
    }
}
