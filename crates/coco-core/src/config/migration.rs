//! Reading where the hosts of a tier come from, and how far they are: `[tiers.NAME.migration]` and targets that are
//! draining.

use toml::de::DeValue;

use super::document::{Findings, Section, Value};
use super::keys::{FROM, FROM_TARGET, FROM_TARGET_FORMS, MIGRATION};
use super::placement::{Said, is_draining};
use super::suggest::closest;
use super::targets::targets;
use super::value::{Destination, Label, Mismatch};
use crate::address::Address;
use crate::placement::canary::Percentage;
use crate::placement::migration::Headway;
use crate::placement::rendezvous::Weight;
use crate::tier::{Placing, Role, Target, Tier, TierError};

/// The migration of a tier's hosts, if there is one.
pub(super) struct Moving {
    /// Of each target that the tier lists.
    roles: Vec<Role>,
    from: Option<From>,
}

struct From {
    targets: Vec<Target>,
    placing: Placing,
    headway: Headway,
}

impl Moving {
    /// Reads it from the section of a tier. `None` when something about it had to be reported.
    pub(super) fn read(
        section: &mut Section<'_, '_>,
        tier: &Said,
        elements: &[(String, &Value<'_>)],
        listed: &[Target],
        own: Option<&Address>,
    ) -> Option<Self> {
        let role = |(_, value): &(String, &Value<'_>)| {
            if is_draining(value) { Role::Draining } else { Role::Active }
        };
        let roles: Vec<_> = elements.iter().map(role).collect();
        let draining = roles.iter().position(|role| *role == Role::Draining);
        let Some(mut migration) = section.inner(MIGRATION, "migration") else {
            let Some((path, value)) = draining.map(|at| &elements[at]) else {
                return Some(Self { roles, from: None });
            };
            let message = "hosts leave it by a migration: write [tiers.NAME.migration], or remove the target";
            section.findings.report(Some(value.span()), &format!("{path}.state"), message);
            return None;
        };
        let headway = headway(&mut migration);
        let from = match migration.inner(FROM, "from") {
            Some(mut from) => read_from(&mut from, tier, listed, own),
            None => Some((listed.to_vec(), tier.to_placing())),
        };
        if !roles.contains(&Role::Active) {
            section.report("targets", "all are draining: expected at least one to move the hosts to");
            return None;
        }
        let (targets, placing) = from?;
        Some(Self { roles, from: Some(From { targets, placing, headway: headway? }) })
    }

    /// The tier, of the targets that it lists.
    pub(super) fn tier(
        self,
        section: &mut Section<'_, '_>,
        name: String,
        listed: Vec<Target>,
        placing: Placing,
    ) -> Result<Tier, TierError> {
        let Some(From { targets, placing: was, headway }) = self.from else {
            return Tier::placed(name, listed, placing);
        };
        let listed = listed.into_iter().zip(self.roles).collect();
        let tier = Tier::migrating(name, listed, placing, (targets, was), headway)?;
        let is_still = |tier: &Tier| {
            tier.moving()
                .is_some_and(|moving| moving.former().fingerprint() == moving.new_tier().fingerprint())
        };
        if is_still(&tier) {
            let message = "no host moves: write state = \"draining\" at a target that is to go, or `from`, for how \
                           hosts were placed; remove this if all is done";
            section.warn("migration", message);
        }
        Ok(tier)
    }
}

fn headway(section: &mut Section<'_, '_>) -> Option<Headway> {
    let (both, new) = (section.read::<Percentage>("both"), section.read::<Percentage>("new"));
    let headway = Headway::new(both, new);
    if headway.is_none() {
        let message = format!(
            "\"{new}\" is more than both = \"{both}\": hosts would be taken from their former owners before new ones \
             have them"
        );
        section.report("new", &message);
    }
    headway
}

/// Reads the section `from`.
fn read_from(
    section: &mut Section<'_, '_>,
    tier: &Said,
    listed: &[Target],
    own: Option<&Address>,
) -> Option<(Vec<Target>, Placing)> {
    let said = Said::read_from(section, tier)?;
    if !section.has("targets") {
        let targets: Vec<_> = listed.iter().map(|target| said.stripped(target.clone())).collect();
        return said.check_copies(section, targets.len(), "target").then(|| (targets, said.to_placing()));
    }
    let elements = section.elements("targets")?;
    if elements.is_empty() {
        section.report("targets", "there are no targets: leave the key out for those of the tier");
        return None;
    }
    let read = |path: &str, value: &Value<'_>, findings: &mut Findings| {
        from_target(path, value, findings, listed).map(|target| said.stripped(target))
    };
    let targets = targets(&elements, own, section.findings, read)?;
    let is_fine = said.check_targets(section.findings, &elements, &targets)
        && said.check_copies(section, targets.len(), "target");
    is_fine.then(|| (targets, said.to_placing()))
}

fn from_target(path: &str, value: &Value<'_>, findings: &mut Findings, listed: &[Target]) -> Option<Target> {
    let known = |name: &str| listed.iter().find(|target| target.label() == name);
    match value.get_ref() {
        DeValue::String(name) => {
            let target = known(name);
            if target.is_none() {
                let meant = closest(name, listed.iter().map(Target::label));
                let instead = meant.map_or_else(
                    || "write { name = \"...\", address = \"host:port\" } for one that the tier does not list".to_owned(),
                    |meant| format!("did you mean {meant:?}?"),
                );
                findings.report(
                    Some(value.span()),
                    path,
                    &format!("no target of the tier is called {name:?}: {instead}"),
                );
            }
            target.cloned()
        }
        DeValue::Table(_) => {
            let mut section = Section::open(FROM_TARGET, path.to_owned(), Some(value), findings);
            let name = section.optional("name").map(|Label(name)| name);
            let base = name.as_deref().and_then(known);
            let address: Option<Destination> = section.optional("address");
            if address.is_none() && base.is_none() {
                if !section.has("address") {
                    section.report(
                        "address",
                        "missing, expected \"host:port\": the tier lists no target of this name",
                    );
                }
                return None;
            }
            let mut target = match (base, address) {
                (Some(base), None) => base.clone(),
                // Another place: it is not read where the one of this name is read now.
                (Some(base), Some(Destination { name, address })) if address != base.address => {
                    Target { placed: base.placed.clone(), ..Target::new(name, address) }
                }
                (Some(base), Some(_)) => base.clone(),
                (None, Some(Destination { name, address })) => Target::new(name, address),
                (None, None) => return None,
            };
            target.placed.name = name.or(target.placed.name);
            if let Some(weight) = section.optional("weight").and_then(Weight::new) {
                target.placed.weight = weight;
            }
            target.placed.zone = section.optional("zone").map(|Label(zone)| zone).or(target.placed.zone);
            target.placed.index = section.optional("index").or(target.placed.index);
            target.fetch = section.optional("fetch").or(target.fetch);
            Some(target)
        }
        other => {
            let message = Mismatch::Type.message(FROM_TARGET_FORMS, other);
            findings.report(Some(value.span()), path, &message);
            None
        }
    }
}
