//! Packets without a datagram for us, counted by the reason, and what can be done about it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Skipped;

/// Kinds of links that are told apart; the others are counted together.
const LINKS: usize = 64;

/// How many packets there were of each reason.
#[derive(Debug, Default)]
pub struct Skips {
    links: BTreeMap<i32, u64>,
    other_links: u64,
    ports: BTreeMap<u16, u64>,
    interface: u64,
    cut: u64,
    headers: u64,
    too_long: u64,
    not_ip: u64,
    not_udp: u64,
}

impl Skips {
    /// One of this reason.
    pub fn add(&mut self, reason: Skipped) {
        let count = match reason {
            Skipped::Link(link) if self.links.contains_key(&link) || self.links.len() < LINKS => {
                self.links.entry(link).or_default()
            }
            Skipped::Link(_) => &mut self.other_links,
            Skipped::Interface => &mut self.interface,
            Skipped::Cut => &mut self.cut,
            Skipped::Headers => &mut self.headers,
            Skipped::TooLong => &mut self.too_long,
            Skipped::NotIp => &mut self.not_ip,
            Skipped::NotUdp => &mut self.not_udp,
        };
        *count += 1;
    }

    /// One to another port than is looked at.
    pub fn add_port(&mut self, port: u16) {
        *self.ports.entry(port).or_default() += 1;
    }

    /// Whether there could have been something for us.
    pub fn have_findings(&self) -> bool {
        self.link_type() + self.interface + self.cut + self.headers + self.too_long > 0
    }

    /// How many of what, for people, where there are some.
    pub fn counts(&self) -> impl Iterator<Item = (u64, &'static str)> {
        self.table().into_iter().filter(|(.., count)| *count > 0).map(|(_, what, count)| (count, what))
    }

    /// The same by key, all of them.
    pub fn object(&self) -> Map<String, Value> {
        self.table().into_iter().map(|(key, _, count)| (key.to_owned(), count.into())).collect()
    }

    /// By the number of a link that is not read.
    pub fn link_types(&self) -> Map<String, Value> {
        self.links.iter().map(|(link, count)| (link.to_string(), (*count).into())).collect()
    }

    /// By port.
    pub fn ports(&self) -> Map<String, Value> {
        self.ports.iter().map(|(port, count)| (port.to_string(), (*count).into())).collect()
    }

    /// What can be done, where `found_nothing` of all packets or some could not be read.
    pub fn hints(&self, port: u16, found_nothing: bool) -> Vec<String> {
        let mut hints = Vec::new();
        if let Some((most, count)) =
            self.ports.iter().max_by_key(|(_, count)| **count).filter(|_| found_nothing)
        {
            hints.push(format!(
                "nothing went to port {port}; most, {count}, to {most}: --port {most}, or --port 0 for any"
            ));
        }
        if self.link_type() > 0 {
            let links: Vec<_> = self.links.keys().map(ToString::to_string).collect();
            hints.push(format!(
                "link type {} is not read here (https://www.tcpdump.org/linktypes.html): capture with tcpdump -i any",
                links.join(", ")
            ));
        }
        if self.interface > 0 {
            hints.push(
                "packets belong to interfaces that the file does not describe: it is not all of a capture"
                    .to_owned(),
            );
        }
        if self.cut > 0 {
            hints.push("frames end before their headers do: capture whole ones, tcpdump -s 0".to_owned());
        }
        if self.too_long > 0 {
            hints.push(
                "a network card was to divide frames: capture with ethtool -K INTERFACE tso off".to_owned(),
            );
        }
        hints
    }

    fn link_type(&self) -> u64 {
        self.links.values().sum::<u64>() + self.other_links
    }

    /// Each reason, what it means, and how often it was met.
    fn table(&self) -> [(&'static str, &'static str, u64); 8] {
        [
            ("other_port", "to another port", self.ports.values().sum()),
            ("not_udp", "not UDP", self.not_udp),
            ("not_ip", "not IP", self.not_ip),
            ("link_type", "of a link type that is not read", self.link_type()),
            ("unknown_interface", "of an interface that the file does not describe", self.interface),
            ("cut_headers", "cut off before the header of UDP ends", self.cut),
            ("malformed_headers", "with headers that make no sense", self.headers),
            ("too_long", "longer than any datagram", self.too_long),
        ]
    }
}
