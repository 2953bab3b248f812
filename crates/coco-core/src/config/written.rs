//! A configuration as it is written, key by key, whatever the keys mean: to be compared with another, and to be written
//! again.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{KEYS, TIER};

/// Keys of a tier that say which target owns a host, and nothing else.
const PLACING: [&str; 4] = ["hash", "replicas", "virtual_replicas", "migration"];

/// All keys of a file, in its order, with their values as TOML on one line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// The keys outside of `[tiers]`, by their paths.
    pub(super) keys: Vec<(String, String)>,
    pub(super) tiers: Vec<WrittenTier>,
}

/// A tier as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenTier {
    /// As in `[tiers.NAME]`.
    pub name: String,
    /// All keys but `targets`, with their values.
    pub keys: Vec<(String, String)>,
    /// Each target by its address, with all that stands there of it.
    pub targets: Vec<(String, String)>,
}

/// A key on which two files differ. One that a file does not state has the default there, if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its path: `listen.bind`; of a target `tiers.NAME.targets["ADDRESS"]`.
    pub key: String,
    /// As the first has it.
    pub old: Option<String>,
    /// As the other has it.
    pub new: Option<String>,
    /// The value that holds without it.
    pub default: Option<&'static str>,
}

impl Written {
    /// Of a text of which [`Config::parse`](super::Config::parse) makes a configuration; of any other, nothing perhaps.
    pub fn parse(text: &str) -> Self {
        let mut written = Self::default();
        let root = DeTable::parse(text).map(Spanned::into_inner).unwrap_or_default();
        for (name, value) in &root {
            let tables = value.get_ref().as_table().into_iter().flatten();
            if name.get_ref() == "tiers" {
                written.tiers.extend(tables.filter_map(|(name, value)| {
                    Some(WrittenTier::new(name.get_ref(), value.get_ref().as_table()?))
                }));
            } else {
                let key = |key: &str| path(name.get_ref(), key);
                written.keys.extend(tables.map(|(name, value)| (key(name.get_ref()), line(value.get_ref()))));
            }
        }
        written
    }

    /// The tier of this name.
    pub fn tier(&self, name: &str) -> Option<&WrittenTier> {
        self.tiers.iter().find(|tier| tier.name == name)
    }

    /// In what the two differ, but for tiers and targets that only one of them has, the order of targets
    /// and the keys that place hosts.
    pub fn differences(&self, new: &Self) -> Vec<Difference> {
        let mut found = Vec::new();
        let default = |key: &str| KEYS.iter().find(|known| known.path() == key)?.default;
        compare(&self.keys, &new.keys, str::to_owned, default, &mut found);
        for tier in &new.tiers {
            let Some(old) = self.tier(&tier.name) else { continue };
            let place = path("tiers", &tier.name);
            let default =
                |key: &str| KEYS.iter().find(|known| known.section == TIER && known.name == key)?.default;
            let moves = |keys: &[(String, String)]| -> Vec<_> {
                keys.iter().filter(|(key, _)| !PLACING.contains(&key.as_str())).cloned().collect()
            };
            compare(&moves(&old.keys), &moves(&tier.keys), |key| path(&place, key), default, &mut found);
            let kept = |targets: &[(String, String)], other: &[(String, String)]| -> Vec<_> {
                let is_in = |(name, _): &&(String, String)| other.iter().any(|(other, _)| other == name);
                targets.iter().filter(is_in).cloned().collect()
            };
            let [before, after] = [kept(&old.targets, &tier.targets), kept(&tier.targets, &old.targets)];
            let place = |target: &str| format!("{place}.targets[{}]", quoted(target));
            compare(&before, &after, place, |_| None, &mut found);
        }
        found
    }
}

impl WrittenTier {
    fn new(name: &str, table: &DeTable<'_>) -> Self {
        let mut tier = Self { name: name.to_owned(), keys: Vec::new(), targets: Vec::new() };
        for (key, value) in table {
            match value.get_ref() {
                DeValue::Array(targets) if key.get_ref() == "targets" => {
                    tier.targets.extend(targets.iter().map(|target| {
                        let address = match target.get_ref() {
                            DeValue::Table(table) => {
                                table.get("address").and_then(|value| value.get_ref().as_str())
                            }
                            value => value.as_str(),
                        };
                        (address.unwrap_or_default().to_owned(), line(target.get_ref()))
                    }));
                }
                value => tier.keys.push((key.get_ref().to_string(), line(value))),
            }
        }
        tier
    }
}

fn compare(
    old: &[(String, String)],
    new: &[(String, String)],
    path: impl Fn(&str) -> String,
    default: impl Fn(&str) -> Option<&'static str>,
    found: &mut Vec<Difference>,
) {
    let value = |keys: &[(String, String)], key: &str| {
        keys.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone())
    };
    let gone = old.iter().filter(|(key, _)| value(new, key).is_none());
    for (key, _) in gone.chain(new) {
        let (default, old, new) = (default(key), value(old, key), value(new, key));
        let in_force = |value: &Option<String>| value.clone().or_else(|| default.map(str::to_owned));
        if in_force(&old) != in_force(&new) {
            found.push(Difference { key: path(key), old, new, default });
        }
    }
}

/// The path of a key in a table, quoted as TOML would have it quoted.
pub(super) fn path(table: &str, key: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let key = if !key.is_empty() && key.chars().all(is_bare) { key.to_owned() } else { format!("{key:?}") };
    if table.is_empty() { key } else { format!("{table}.{key}") }
}

/// A value as TOML on one line.
pub(super) fn line(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => quoted(text),
        DeValue::Integer(number) => match number.radix() {
            10 => number.as_str().to_owned(),
            radix => i64::from_str_radix(number.as_str(), radix).unwrap_or_default().to_string(),
        },
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(values) => {
            let values: Vec<_> = values.iter().map(|value| line(value.get_ref())).collect();
            format!("[{}]", values.join(", "))
        }
        DeValue::Table(table) => {
            let keys = table
                .iter()
                .map(|(key, value)| format!("{} = {}", key_of(key.get_ref()), line(value.get_ref())));
            format!("{{ {} }}", keys.collect::<Vec<_>>().join(", "))
        }
    }
}

fn key_of(key: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !key.is_empty() && key.bytes().all(is_bare) { key.to_owned() } else { quoted(key) }
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            character if character.is_control() => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            character => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = r#"
        [listen]
        bind = ":25826"
        security_level = "Sign"
        auth_file = '/etc/coco "users"'
        [tiers.a]
        security_level = "Encrypt"
        username = "u"
        password_file = "/etc/p"
        virtual_replicas = 0x10
        targets = [
            "a:1", # the first
            { address = "b:1", fetch = "http://b:8080" },
            "c:1",
        ]
        [tiers.b]
        targets = ["d:1"]
    "#;

    fn differences(new: &str) -> Vec<(String, Option<String>, Option<String>)> {
        let found = Written::parse(OLD).differences(&Written::parse(new));
        found.into_iter().map(|Difference { key, old, new, .. }| (key, old, new)).collect()
    }

    #[test]
    fn what_is_written_is_told_by_key() {
        let written = Written::parse(OLD);
        let tier = written.tier("a").unwrap();
        assert_eq!(tier.keys[3], ("virtual_replicas".to_owned(), "16".to_owned()));
        assert_eq!(
            tier.targets[1],
            ("b:1".to_owned(), r#"{ address = "b:1", fetch = "http://b:8080" }"#.to_owned())
        );
        assert_eq!(written.keys[2].1, r#""/etc/coco \"users\"""#);
        assert_eq!(Written::parse("= no TOML"), Written::default());
    }

    #[test]
    fn only_what_means_something_else_differs() {
        assert_eq!(differences(OLD), []);
        let same = OLD
            .replace("bind = \":25826\"", "")
            .replace("0x10", "58")
            .replace("[tiers.b]", "[measure]\ninterval = \"10s\"\n[tiers.b]")
            .replace("\"c:1\",", "\"new:1\"");
        assert_eq!(differences(&same), []);
        let other = OLD
            .replace("security_level = \"Encrypt\"", "")
            .replace("\"Sign\"", "\"None\"")
            .replace(":8080", "")
            .replace("[tiers.b]", "[filter]\nblacklist = \"\\u0007x\"\n[tiers.b]");
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            differences(&other),
            [
                ("listen.security_level".to_owned(), text("\"Sign\""), text("\"None\"")),
                ("filter.blacklist".to_owned(), None, text(r#""\u0007x""#)),
                ("tiers.a.security_level".to_owned(), text("\"Encrypt\""), None),
                (
                    r#"tiers.a.targets["b:1"]"#.to_owned(),
                    text(r#"{ address = "b:1", fetch = "http://b:8080" }"#),
                    text(r#"{ address = "b:1", fetch = "http://b" }"#)
                ),
            ]
        );
    }
}
