//! Reading `[tiers.NAME]`: the one part of the file where the operator chooses the names, and whose order counts.

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::document::{Findings, Section, Value};
use super::engines;
use super::keys::{Kind, TIER};
use super::migration::Moving;
use super::placement::Said;
use super::security::{CanRead, credentials};
use super::suggest::belongs_elsewhere;
use super::targets::{target, targets};
use super::value::found;
use super::written::path;
use crate::address::Address;
use crate::tier::{Tier, Tiers};

/// All tiers of the file; none when something about them had to be reported.
///
/// `own` is the address that no target may lead back to. `can_read` is asked of files.
pub(super) fn read(
    section: Option<&Value<'_>>,
    own: Option<&Address>,
    can_read: CanRead<'_>,
    findings: &mut Findings,
) -> Option<Tiers> {
    let span = section.map(Spanned::span);
    let table = match section.map(Spanned::get_ref) {
        None => &DeTable::new(),
        Some(DeValue::Table(table)) => table,
        Some(other) => {
            findings.report(span, "tiers", &format!("expected tables [{TIER}], found {}", found(other)));
            return None;
        }
    };
    let mut tiers: Vec<_> = table.iter().collect();
    tiers.sort_by_key(|(name, value)| first_place(name, value));
    // Every tier is read, also behind one that can't be used.
    let tiers: Vec<Option<Tier>> =
        tiers.into_iter().map(|(name, value)| tier(name, value, own, can_read, findings)).collect();
    match Tiers::new(tiers.into_iter().collect::<Option<_>>()?) {
        Ok(tiers) => Some(tiers),
        Err(error) => {
            findings.report(span, "tiers", &error.to_string());
            None
        }
    }
}

/// Where a table is mentioned first. Its place in the parsed tree can be a later one: `[tiers.a]` may stand below
/// `[[tiers.a.targets]]`.
fn first_place(name: &Spanned<DeString<'_>>, value: &Value<'_>) -> usize {
    let inside = value.get_ref().as_table().into_iter().flatten();
    inside.map(|(name, value)| first_place(name, value)).fold(name.span().start, usize::min)
}

fn tier(
    name: &Spanned<DeString<'_>>,
    value: &Value<'_>,
    own: Option<&Address>,
    can_read: CanRead<'_>,
    findings: &mut Findings,
) -> Option<Tier> {
    let path = path("tiers", name.get_ref());
    let name_span = Some(name.span());
    let name = name.get_ref().to_string();
    if name.is_empty() {
        findings.report(name_span, &path, "a tier needs a name");
        return None;
    }
    if !value.get_ref().is_table() {
        let message = match belongs_elsewhere(&name) {
            Some(elsewhere) => format!("expected a table [{TIER}], {elsewhere}"),
            None => format!("expected a table [{TIER}], found {}", found(value.get_ref())),
        };
        findings.report(name_span, &path, &message);
        return None;
    }
    let mut section = Section::open(TIER, path, Some(value), findings);
    let said = Said::read(&mut section);
    let is_engine = engines::is_engine(&mut section);
    let credentials = if is_engine { None } else { credentials(&mut section, can_read) };
    let remote_write = is_engine.then(|| engines::remote_write(&mut section));
    let (elements, targets) = if is_engine {
        if !section.has("urls") {
            section.report("urls", &format!("missing, expected {}", Kind::Urls));
        }
        let elements = section.elements("urls")?;
        let targets = engines::targets(&elements, &mut section)?;
        (elements, targets)
    } else {
        let elements = section.elements("targets")?;
        let targets = targets(&elements, own, section.findings, target)?;
        (elements, targets)
    };
    let said = said?;
    let placing = said.placing(&mut section, &elements, &targets);
    let moving = Moving::read(&mut section, &said, &elements, &targets, own);
    let (placing, moving) = (placing?, moving?);
    match moving.tier(&mut section, name, targets, placing) {
        Ok(tier) => Some(tier.with_credentials(credentials).with_remote_write(remote_write)),
        Err(error) => {
            section.report(if is_engine { "urls" } else { "targets" }, &error.to_string());
            None
        }
    }
}
