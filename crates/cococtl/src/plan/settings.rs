//! What two configurations say differently beside who owns what.

use coco_core::config::{Config, Difference, Written};
use coco_core::tier::{Protection, Tier};
use coco_core::wire::SecurityLevel;
use serde_json::{Value, json};

use crate::text;

/// A configuration, and how it is written.
pub(super) type File = (Config, Written);

/// What a change makes less secure.
pub(super) fn warnings(old: &File, new: &File) -> Vec<String> {
    let mut warnings = Vec::new();
    for tier in &new.0.tiers {
        let Some(before) = old.0.tiers.iter().find(|other| other.name() == tier.name()) else { continue };
        let (before, after) = (level_of(before), level_of(tier));
        if after < before {
            warnings.push(format!(
                "packets of tier {} are less secure: security_level goes from {before} to {after}",
                tier.name()
            ));
        }
    }
    let [before, after] = [old, new].map(|(config, _)| config.listen.security.level());
    if after < before {
        warnings.push(format!(
            "less secure packets are let in: listen.security_level goes from {before} to {after}"
        ));
    }
    if old.0.listen.allow.is_some() && new.0.listen.allow.is_none() {
        warnings.push("everyone may send: listen.allow is gone".to_owned());
    }
    warnings
}

fn level_of(tier: &Tier) -> SecurityLevel {
    match tier.credentials().map(|credentials| credentials.protection) {
        None => SecurityLevel::None,
        Some(Protection::Sign) => SecurityLevel::Sign,
        Some(Protection::Encrypt) => SecurityLevel::Encrypt,
    }
}

/// A line for people.
pub(super) fn line(difference: &Difference) -> String {
    let Difference { key, old, new, default } = difference;
    let value = |value: &Option<String>| match (value, default) {
        (Some(value), _) => value.clone(),
        (None, Some(default)) => format!("the default, {default},"),
        (None, None) => "none".to_owned(),
    };
    let line = format!("{key}: {} becomes {}", value(old), value(new));
    text::name(line.trim_end_matches(',').as_bytes())
}

/// The same as JSON; null is what a file does not say.
pub(super) fn object(difference: &Difference) -> Value {
    let Difference { key, old, new, default } = difference;
    json!({ "key": key, "old": old, "new": new, "default": default })
}
