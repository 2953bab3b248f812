//! Suggestions for a key or a section that doesn't exist: the one that was probably meant.

use super::error::alternatives;
use super::keys::{FROM, KEYS, Key, inner_sections, of_section, top_sections};

/// For `name`, which is no key of `section`.
pub(super) fn key(section: &str, name: &str) -> String {
    let here = || of_section(section).map(|key| key.name);
    if let Some(meant) = closest(name, here().chain(inner_sections(section))) {
        return format!("did you mean `{meant}`?");
    }
    belongs_elsewhere(name).unwrap_or_else(|| {
        let known: Vec<String> = here().map(|key| format!("`{key}`")).collect();
        format!("expected {}", alternatives(&known))
    })
}

/// For `name`, which stands at the top of the file and is no section.
pub(super) fn section(name: &str) -> String {
    if let Some(meant) = closest(name, top_sections()) {
        return format!("did you mean [{meant}]?");
    }
    belongs_elsewhere(name).unwrap_or_else(|| {
        let known: Vec<String> = top_sections().map(|section| format!("[{section}]")).collect();
        format!("expected {}", alternatives(&known))
    })
}

/// Which sections have a key of this name, or else one of nearly this name.
pub(super) fn belongs_elsewhere(name: &str) -> Option<String> {
    let meant = match KEYS.iter().find(|key| key.name == name) {
        Some(key) => key.name,
        None => closest(name, KEYS.iter().map(|key| key.name))?,
    };
    // Targets that hosts come from have keys of the same names, but are seldom meant.
    let is_meant = |key: &&Key| key.name == meant && !key.section.starts_with(FROM);
    let sections: Vec<String> =
        KEYS.iter().filter(is_meant).map(|key| format!("[{}]", key.section)).collect();
    Some(format!("`{meant}` belongs to {}", alternatives(&sections)))
}

/// The one that a slip of the keys or half the name turns into `name`, if there is any.
pub(super) fn closest<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Two names of six letters that differ in two of them are still alike, those that differ in three are not.
    const ALIKE: f64 = 0.6;
    let name = name.to_lowercase().replace('-', "_");
    let likeness = |candidate: &str| {
        let is_part = name.len() >= 4 && (candidate.contains(&name) || name.contains(candidate));
        strsim::normalized_damerau_levenshtein(&name, candidate).max(if is_part { ALIKE } else { 0.0 })
    };
    candidates
        .map(|candidate| (likeness(candidate), candidate))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, candidate)| candidate)
}
