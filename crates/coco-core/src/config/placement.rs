//! Reading how the hosts of a tier are placed: what does not go together is refused, what is seldom meant is warned of.

use std::collections::HashSet;

use super::document::{Findings, Section, Value};
use super::error::number_of;
use crate::placement::rendezvous::Weight;
use crate::placement::{MAX_REPLICAS, Way};
use crate::tier::{Placing, Role, Target};

/// The keys of a tier about its placement.
#[derive(Clone)]
pub(super) struct Said {
    way: Way,
    virtual_replicas: Option<u32>,
    replicas: usize,
}

impl Said {
    /// The keys of a tier. What stands there and says nothing with its hash is reported. `None` when the hash can't be
    /// read, so that nothing can be said of what goes with it.
    pub(super) fn read(section: &mut Section<'_, '_>) -> Option<Self> {
        let way = if section.has("hash") { section.optional("hash") } else { Some(section.read("hash")) };
        let virtual_replicas = section.optional("virtual_replicas");
        let replicas = section.read("replicas");
        let said = Self { way: way?, virtual_replicas, replicas };
        said.check(section);
        Some(said)
    }

    /// The keys of what the hosts of a tier come from, which are those of the tier where they don't stand there. `None` as
    /// for a tier.
    pub(super) fn read_from(section: &mut Section<'_, '_>, tier: &Self) -> Option<Self> {
        let way = if section.has("hash") { section.optional("hash") } else { Some(tier.way) };
        let virtual_replicas = section.optional("virtual_replicas");
        let replicas = section.optional("replicas");
        let way = way?;
        let inherited = tier.virtual_replicas.filter(|_| way == Way::Ring && tier.way == Way::Ring);
        let said = Self {
            way,
            virtual_replicas: virtual_replicas.or(inherited),
            replicas: replicas.unwrap_or(if way == Way::Ring { 1 } else { tier.replicas }),
        };
        said.check(section);
        Some(said)
    }

    fn check(&self, section: &mut Section<'_, '_>) {
        if section.has("virtual_replicas") && self.way != Way::Ring {
            let way = self.way.as_str();
            let message = format!("{way:?} has no points on a ring: remove it, or write hash = \"ring\"");
            section.report("virtual_replicas", &message);
        }
        if self.way == Way::Ring && self.replicas > 1 {
            let message =
                "a ring has one copy of each host: write hash = \"rendezvous\" for more, or replicas = 1";
            section.report("replicas", message);
        }
    }

    /// A target with what its hosts follow from alone.
    pub(super) fn stripped(&self, mut target: Target) -> Target {
        let placed = &mut target.placed;
        if !self.way.takes_weights() {
            placed.weight = Weight::default();
        }
        if !self.way.takes_zones() {
            placed.zone = None;
        }
        if !self.way.takes_indices() {
            placed.index = None;
        }
        target
    }

    /// The placing of the targets of a tier, which stand in the file at `elements`. `None` when something about
    /// them had to be reported.
    pub(super) fn placing(
        &self,
        section: &mut Section<'_, '_>,
        elements: &[(String, &Value<'_>)],
        targets: &[Target],
    ) -> Option<Placing> {
        let is_fine = self.check_targets(section.findings, elements, targets);
        // Copies are on those that stay.
        let stays = |(_, (_, value)): &(&Target, &(String, &Value<'_>))| !is_draining(value);
        let active: Vec<_> = targets.iter().zip(elements).filter(stays).map(|(target, _)| target).collect();
        let noun = if active.len() < targets.len() { "active target" } else { "target" };
        if !self.check_copies(section, active.len(), noun) {
            return None;
        }
        if self.way == Way::Rendezvous {
            self.warn(section, &active);
        }
        is_fine.then(|| self.to_placing())
    }

    /// The placing that these keys ask for, whatever the targets are.
    pub(super) fn to_placing(&self) -> Placing {
        Placing::new(self.way, self.replicas, self.virtual_replicas)
    }

    /// Whether targets that stand in the file at `elements` go together.
    pub(super) fn check_targets(
        &self,
        findings: &mut Findings,
        elements: &[(String, &Value<'_>)],
        targets: &[Target],
    ) -> bool {
        let mut listed = Listed { findings, elements, targets, is_fine: true };
        listed.check_names();
        for key in strangers(self.way) {
            listed.refuse(key, self.way);
        }
        listed.check_all_or_none("zone", |target| target.placed.zone.is_some());
        listed.check_all_or_none("index", |target| target.placed.index.is_some());
        listed.check_indices();
        listed.is_fine
    }

    /// Whether each host can have its copies on so many targets.
    pub(super) fn check_copies(&self, section: &mut Section<'_, '_>, targets: usize, noun: &str) -> bool {
        let most = MAX_REPLICAS.min(targets);
        let is_fine = self.way == Way::Ring || most == 0 || self.replicas <= most;
        if !is_fine {
            let message = format!(
                "{} of each host on {}: expected at most {most}, or more targets",
                number_of(self.replicas, "copy", "copies"),
                number_of(targets, noun, &format!("{noun}s")),
            );
            section.report("replicas", &message);
        }
        is_fine
    }

    fn warn(&self, section: &mut Section<'_, '_>, targets: &[&Target]) {
        let nameless: Vec<_> = targets.iter().filter(|target| target.placed.name.is_none()).collect();
        if let [first, ..] = nameless[..] {
            let message = format!(
                "{} of {} {} no name: {} would own other hosts once its address changes; \
                 write {{ name = \"...\", address = {:?} }}",
                nameless.len(),
                number_of(targets.len(), "target", "targets"),
                if nameless.len() == 1 { "has" } else { "have" },
                first.name,
                first.name,
            );
            section.warn("targets", &message);
        }
        let zones: HashSet<_> = targets.iter().filter_map(|target| target.placed.zone.as_ref()).collect();
        if !zones.is_empty() && self.replicas > zones.len() {
            let message = format!(
                "{} of each host in {}: some are lost together when a zone is; write replicas = {}, or more zones",
                number_of(self.replicas, "copy", "copies"),
                number_of(zones.len(), "zone", "zones"),
                zones.len(),
            );
            section.warn("replicas", &message);
        }
    }
}

/// A key of targets that some ways to place know nothing of.
#[derive(Clone, Copy)]
struct Stranger {
    name: &'static str,
    /// The problem and the mend, behind "a ring" or the like.
    instead: &'static str,
}

const WEIGHT: Stranger =
    Stranger { name: "weight", instead: "knows no weights: remove it, or write hash = \"rendezvous\"" };
const ZONE: Stranger =
    Stranger { name: "zone", instead: "knows no zones: remove it, or write hash = \"rendezvous\"" };
const INDEX: Stranger =
    Stranger { name: "index", instead: "goes by no index: remove it, or write hash = \"jump\"" };

fn strangers(way: Way) -> impl Iterator<Item = Stranger> {
    let keys = [(WEIGHT, way.takes_weights()), (ZONE, way.takes_zones()), (INDEX, way.takes_indices())];
    keys.into_iter().filter(|(_, is_known)| !is_known).map(|(key, _)| key)
}

/// The targets of a tier and where they stand.
struct Listed<'e, 't> {
    findings: &'e mut Findings,
    elements: &'e [(String, &'e Value<'t>)],
    targets: &'e [Target],
    is_fine: bool,
}

impl Listed<'_, '_> {
    fn report(&mut self, at: usize, key: &str, message: &str) {
        let (path, value) = &self.elements[at];
        let written = written(value, key);
        let path = if written.is_some() { format!("{path}.{key}") } else { path.clone() };
        self.findings.report(Some(written.unwrap_or(value).span()), &path, message);
        self.is_fine = false;
    }

    fn check_names(&mut self) {
        for at in 1..self.targets.len() {
            let name = self.targets[at].label();
            let Some(first) = self.targets[..at].iter().position(|target| target.label() == name) else {
                continue;
            };
            let message = format!("{name:?} is {} already, expected every name once", self.elements[first].0);
            self.report(at, "name", &message);
        }
    }

    fn refuse(&mut self, key: Stranger, way: Way) {
        for at in 0..self.targets.len() {
            if written(self.elements[at].1, key.name).is_some() {
                self.report(at, key.name, &format!("hash = {:?} {}", way.as_str(), key.instead));
            }
        }
    }

    fn check_all_or_none(&mut self, key: &str, has: fn(&Target) -> bool) {
        let Some(with) = self.targets.iter().position(has) else { return };
        for at in (0..self.targets.len()).filter(|&at| !has(&self.targets[at])) {
            let message = format!(
                "no `{key}`, and {} has one: expected {key} = ... for all targets or for none",
                self.elements[with].0
            );
            self.report(at, key, &message);
        }
    }

    fn check_indices(&mut self) {
        for at in 1..self.targets.len() {
            let Some(index) = self.targets[at].placed.index else { continue };
            let same = |target: &Target| target.placed.index == Some(index);
            let Some(first) = self.targets[..at].iter().position(same) else { continue };
            let message =
                format!("{index} is that of {} already, expected every index once", self.elements[first].0);
            self.report(at, "index", &message);
        }
    }
}

/// Whether a target is written as one that hosts leave.
pub(super) fn is_draining(target: &Value<'_>) -> bool {
    written(target, "state").and_then(|state| state.get_ref().as_str()) == Some(Role::Draining.as_str())
}

/// The value of a key of a target that is written as a table.
pub(super) fn written<'v, 't>(target: &'v Value<'t>, key: &str) -> Option<&'v Value<'t>> {
    target.get_ref().as_table()?.get(key)
}
