//! The file that a configuration was read from: its warnings, what a reload can't change, and all that holds, defaults
//! included, as a text again.

use super::Program;
use super::error::Problem;
use super::keys::{ENGINE_KEYS, FROM, KEYS, Key, MIGRATION, STORAGE_KEYS, TIER, top_sections};
use super::written::path;
use crate::tier::Tiers;

/// The file that a configuration was read from.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    /// Warnings of values that are taken as they stand, and seldom meant; in the file's order.
    pub warnings: Vec<Problem>,
    /// The values of keys that a running process can't change.
    pub(super) fixed: Vec<(&'static Key, String)>,
    /// The keys that stand in the file, with their values.
    pub(super) entries: Vec<Entry>,
}

/// A key of the file and its value, as TOML.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The table that it stands in: `listen`, or `tiers.shortterm`.
    pub(super) section: String,
    pub(super) key: &'static Key,
    pub(super) value: String,
}

impl Entry {
    fn is_of(&self, key: &Key) -> bool {
        (self.key.section, self.key.name) == (key.section, key.name)
    }
}

impl ConfigFile {
    /// All keys with the values that hold for a program that was started with the file `started`.
    pub(super) fn in_force(&self, tiers: &Tiers, started: &Self, program: Program) -> String {
        let mut text = String::new();
        for section in top_sections() {
            if section == "tiers" {
                self.write_tiers(tiers, &mut text);
                continue;
            }
            let mut table = Table::new(&mut text, section);
            for key in KEYS.iter().filter(|key| key.section == section) {
                let is_fixed = key.needs_restart && key.read_by.contains(&program);
                table.write(key, if is_fixed { started } else { self }.value(key));
            }
        }
        text
    }

    /// The value of a key at the top of the file.
    fn value(&self, key: &Key) -> Option<&str> {
        self.entries.iter().find(|entry| entry.is_of(key)).map(|entry| entry.value.as_str())
    }

    fn write_tiers(&self, tiers: &Tiers, text: &mut String) {
        for tier in tiers {
            let section = path("tiers", tier.name());
            let mut table = Table::new(text, &section);
            let strangers = if tier.remote_write().is_some() { STORAGE_KEYS } else { ENGINE_KEYS };
            self.write_section(&mut table, TIER, strangers, |table, key| {
                if key.name == "virtual_replicas"
                    && let Some(replicas) = tier.settled().placement().facts().virtual_replicas
                {
                    table.line(&format!("# virtual_replicas = {replicas}, by the number of targets"));
                }
            });
            if tier.moving().is_some() {
                for inner in [MIGRATION, FROM] {
                    let section = format!("{section}{}", inner.trim_start_matches(TIER));
                    self.write_section(&mut Table::new(text, &section), inner, &[], |_, _| {});
                }
            }
        }
    }

    /// The keys of a section that every tier has of its own; `missing` is told of those without a value.
    fn write_section(
        &self,
        table: &mut Table<'_>,
        section: &str,
        strangers: &[&str],
        missing: impl Fn(&mut Table<'_>, &Key),
    ) {
        let here = table.section;
        let fits = |key: &&Key| key.section == section && !strangers.contains(&key.name);
        for key in KEYS.iter().filter(fits) {
            let same = |entry: &&Entry| entry.is_of(key) && entry.section == here;
            let value = self.entries.iter().find(same).map(|entry| entry.value.as_str());
            table.write(key, value);
            if value.is_none() {
                missing(table, key);
            }
        }
    }

    /// The keys whose values differ between the two files, but can't change while the program runs.
    pub(super) fn needs_restart<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'static Key> + 'a {
        KEYS.iter().filter(|key| key.needs_restart).filter(|key| self.fixed(key) != other.fixed(key))
    }

    fn fixed(&self, key: &Key) -> Option<&str> {
        self.fixed.iter().find(|(fixed, _)| fixed.path() == key.path()).map(|(_, value)| value.as_str())
    }
}

/// A table whose heading is written when there is something in it.
struct Table<'a> {
    text: &'a mut String,
    section: &'a str,
    is_begun: bool,
}

impl<'a> Table<'a> {
    fn new(text: &'a mut String, section: &'a str) -> Self {
        Self { text, section, is_begun: false }
    }

    /// A key with its value, or its default if it has one.
    fn write(&mut self, key: &Key, value: Option<&str>) {
        let Some(value) = value.or(key.default) else { return };
        self.line(&format!("{} = {value}", key.name));
    }

    fn line(&mut self, line: &str) {
        if !self.is_begun {
            let empty = if self.text.is_empty() { "" } else { "\n" };
            self.text.extend([empty, "[", self.section, "]\n"]);
            self.is_begun = true;
        }
        self.text.extend([line, "\n"]);
    }
}
