//! Reading `[tiers.NAME]`: the one part of the file where the operator chooses the names, and whose order counts.

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::document::{Findings, Section, Value};
use super::keys::{Kind, TARGET, TARGET_FORMS, TIER};
use super::loops::is_plain_loop;
use super::placement::Said;
use super::security::{CanRead, credentials};
use super::suggest::belongs_elsewhere;
use super::value::{Destination, FromToml, Label, Mismatch, found};
use super::written::path;
use crate::address::Address;
use crate::placement::rendezvous::Weight;
use crate::tier::{Placed, Target, Tier, Tiers};

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
    let credentials = credentials(&mut section, can_read);
    let elements = section.elements("targets")?;
    let targets = targets(&elements, own, section.findings)?;
    let placing = said?.placing(&mut section, &elements, &targets)?;
    match Tier::placed(name, targets, placing) {
        Ok(tier) => Some(tier.with_credentials(credentials)),
        Err(error) => {
            section.report("targets", &error.to_string());
            None
        }
    }
}

/// The targets of a tier; none when one of them can't be used.
fn targets(
    elements: &[(String, &Value<'_>)],
    own: Option<&Address>,
    findings: &mut Findings,
) -> Option<Vec<Target>> {
    let mut read: Vec<Option<Target>> = Vec::with_capacity(elements.len());
    for (path, value) in elements {
        let mut target = target(path, value, findings);
        if let Some(address) = target.as_ref().map(|target| &target.address) {
            let same = |other: &Option<Target>| other.as_ref().is_some_and(|other| other.address == *address);
            let problem = if let Some(first) = read.iter().position(same) {
                let (first, _) = &elements[first];
                Some(format!("`{address}` is {first} already, expected every target once"))
            } else if own.is_some_and(|own| is_plain_loop(own, address)) {
                Some(format!("`{address}` is where Coco itself listens: a loop"))
            } else {
                None
            };
            if let Some(message) = problem {
                findings.report(Some(value.span()), path, &message);
                target = None;
            }
        }
        read.push(target);
    }
    read.into_iter().collect()
}

fn target(path: &str, value: &Value<'_>, findings: &mut Findings) -> Option<Target> {
    match value.get_ref() {
        DeValue::String(_) => match Destination::from_toml(&Kind::Address, value.get_ref()) {
            Ok(Destination { name, address }) => Some(Target::new(name, address)),
            Err(mismatch) => {
                let message = mismatch.message(&Kind::Address, value.get_ref());
                findings.report(Some(value.span()), path, &message);
                None
            }
        },
        DeValue::Table(_) => {
            let mut section = Section::open(TARGET, path.to_owned(), Some(value), findings);
            let fetch = section.optional("fetch");
            let placed = Placed {
                name: section.optional("name").map(|Label(name)| name),
                weight: section.optional("weight").and_then(Weight::new).unwrap_or_default(),
                zone: section.optional("zone").map(|Label(zone)| zone),
                index: section.optional("index"),
            };
            let Destination { name, address } = section.optional("address")?;
            Some(Target { name, address, fetch, placed })
        }
        other => {
            let message = Mismatch::Type.message(TARGET_FORMS, other);
            findings.report(Some(value.span()), path, &message);
            None
        }
    }
}
