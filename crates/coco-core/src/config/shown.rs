//! A configuration as a text again: all that holds, defaults included, as an operator could have written it.

use super::keys::{KEYS, Key, TIER, top_sections};
use super::written::path;
use super::{Config, Program};

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

impl Config {
    /// All keys with the values that hold, of both programs, in the order of the sample file. It reads back as the same
    /// configuration. There are no passwords in it, as there are none in any: they stand in files of their own.
    pub fn to_toml(&self) -> String {
        self.in_force(self, self.program)
    }

    /// The same for a process that was started with another configuration: keys that need a restart have the values of
    /// that one.
    pub fn in_force(&self, started: &Self, program: Program) -> String {
        let entry = |config: &Self, key: &Key| {
            let found = config.entries.iter().find(|entry| entry.is_of(key));
            found.map(|entry| entry.value.clone())
        };
        let mut text = String::new();
        for section in top_sections() {
            if section == "tiers" {
                self.write_tiers(&mut text);
                continue;
            }
            let mut table = Table::new(&mut text, section);
            for key in KEYS.iter().filter(|key| key.section == section) {
                let is_fixed = key.needs_restart && key.read_by.contains(&program);
                table.write(key, entry(if is_fixed { started } else { self }, key).as_deref());
            }
        }
        text
    }

    fn write_tiers(&self, text: &mut String) {
        for tier in &self.tiers {
            let section = path("tiers", tier.name());
            let mut table = Table::new(text, &section);
            for key in KEYS.iter().filter(|key| key.section == TIER) {
                let same = |entry: &&Entry| entry.is_of(key) && entry.section == section;
                let value = self.entries.iter().find(same).map(|entry| entry.value.as_str());
                table.write(key, value);
                if value.is_none()
                    && key.name == "virtual_replicas"
                    && let Some(replicas) = tier.placement().facts().virtual_replicas
                {
                    table
                        .text
                        .push_str(&format!("# virtual_replicas = {replicas}, by the number of targets\n"));
                }
            }
        }
    }
}

/// A table whose heading is written when there is something in it.
struct Table<'a> {
    text: &'a mut String,
    heading: Option<&'a str>,
}

impl<'a> Table<'a> {
    fn new(text: &'a mut String, section: &'a str) -> Self {
        Self { text, heading: Some(section) }
    }

    /// A key with its value, or its default if it has one.
    fn write(&mut self, key: &Key, value: Option<&str>) {
        let Some(value) = value.or(key.default) else { return };
        if let Some(section) = self.heading.take() {
            let line = if self.text.is_empty() { "" } else { "\n" };
            self.text.extend([line, "[", section, "]\n"]);
        }
        self.text.extend([key.name, " = ", value, "\n"]);
    }
}
