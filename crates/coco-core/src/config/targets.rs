//! Reading the targets of a tier.

use toml::de::DeValue;

use super::document::{Findings, Section, Value};
use super::keys::{Kind, TARGET, TARGET_FORMS};
use super::loops::is_plain_loop;
use super::value::{Destination, FromToml, Label, Mismatch};
use crate::address::Address;
use crate::placement::rendezvous::Weight;
use crate::tier::{Placed, Role, Target};

/// The targets of an array; none when one of them can't be used.
pub(super) fn targets(
    elements: &[(String, &Value<'_>)],
    own: Option<&Address>,
    findings: &mut Findings,
    read_one: impl Fn(&str, &Value<'_>, &mut Findings) -> Option<Target>,
) -> Option<Vec<Target>> {
    let mut read: Vec<Option<Target>> = Vec::with_capacity(elements.len());
    for (path, value) in elements {
        let mut target = read_one(path, value, findings);
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

/// A target of a tier as it is listed.
pub(super) fn target(path: &str, value: &Value<'_>, findings: &mut Findings) -> Option<Target> {
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
            // Its role in a migration is read with the migration.
            section.optional::<Role>("state");
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
