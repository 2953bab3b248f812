//! What a blacklist does, counted.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use regex::bytes::Regex;

/// Plugins that are counted each by itself; the others are counted together.
const PLUGINS: usize = 10_000;

/// What a blacklist drops of many metrics.
#[derive(Debug, Default)]
pub struct Effect {
    /// The blacklist, if there is one.
    pub regex: Option<Regex>,
    /// How many metrics there are, those of each host by themselves.
    pub metrics: u64,
    /// Of how many hosts.
    pub hosts: u64,
    /// How many of them it drops.
    pub dropped: u64,
    /// How many are dropped as it is; none where nobody knows.
    pub dropped_now: Option<u64>,
    /// How many it drops that are sent as it is.
    pub newly_dropped: Option<u64>,
    /// How many it lets through that are dropped as it is.
    pub newly_sent: Option<u64>,
    plugins: HashMap<Box<[u8]>, PluginEffect>,
    others: u64,
    known_hosts: HashSet<u64>,
    /// The metrics so far, where they may come more than once.
    known: Option<HashSet<u64>>,
}

/// What it drops of a plugin.
#[derive(Debug, Clone, Default)]
pub struct PluginEffect {
    /// How many metrics.
    pub dropped: u64,
    /// Of how many hosts.
    pub hosts: u64,
    /// One of them.
    pub example: Box<[u8]>,
    last_host: u64,
}

/// What becomes of a metric.
#[derive(Debug, Clone, Copy)]
pub struct Measured {
    /// With the blacklist.
    pub is_dropped: bool,
    /// As it is, where that is known.
    pub is_dropped_now: Option<bool>,
}

impl Effect {
    /// Nothing counted yet. `repeated`: a metric may come more than once, and counts once.
    pub fn new(regex: Option<Regex>, repeated: bool) -> Self {
        Self { regex, known: repeated.then(HashSet::new), ..Self::default() }
    }

    /// Counts a metric by its path, which begins with a host of that many bytes. Whether it is new. Hosts come one after
    /// the other with all their metrics, or a plugin's count of hosts is too high.
    pub fn add(&mut self, path: &[u8], host: usize, measured: Measured) -> bool {
        // Hashes of 64 bits take the place of names: of a million, two are alike once in thirty million fleets.
        if let Some(known) = &mut self.known
            && !known.insert(hash(path))
        {
            return false;
        }
        let (host, metric) = path.split_at(host.min(path.len()));
        let host = hash(host);
        self.metrics += 1;
        self.hosts += u64::from(self.known_hosts.insert(host));
        let Measured { is_dropped, is_dropped_now } = measured;
        if let Some(now) = is_dropped_now {
            *self.dropped_now.get_or_insert(0) += u64::from(now);
            *self.newly_dropped.get_or_insert(0) += u64::from(is_dropped && !now);
            *self.newly_sent.get_or_insert(0) += u64::from(now && !is_dropped);
        }
        if !is_dropped {
            return true;
        }
        self.dropped += 1;
        let plugin =
            metric.get(1..).unwrap_or_default().split(|&byte| byte == b'/').next().unwrap_or_default();
        if self.plugins.len() >= PLUGINS && !self.plugins.contains_key(plugin) {
            self.others += 1;
            return true;
        }
        let effect = self.plugins.entry(plugin.into()).or_default();
        effect.hosts += u64::from(effect.dropped == 0 || effect.last_host != host);
        effect.dropped += 1;
        effect.last_host = host;
        if effect.example.is_empty() {
            effect.example = path.into();
        }
        true
    }

    /// What it drops of plugins, the most first, and how much of those behind so many.
    pub fn plugins(&self, most: usize) -> (Vec<(&[u8], &PluginEffect)>, u64) {
        let mut plugins: Vec<_> = self.plugins.iter().map(|(name, effect)| (&**name, effect)).collect();
        plugins.sort_unstable_by(|(one, ones), (other, others)| {
            others.dropped.cmp(&ones.dropped).then(one.cmp(other))
        });
        let rest = plugins.split_off(most.min(plugins.len()));
        (plugins, self.others + rest.iter().map(|(_, effect)| effect.dropped).sum::<u64>())
    }
}

fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}
