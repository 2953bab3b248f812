//! `/tiers` of a running process, as far as it is asked for.

use std::collections::BTreeMap;
use std::fmt;

use coco_core::placement::Way;
use coco_core::placement::migration::Headway;
use coco_core::placement::rendezvous::Weight;
use coco_core::tier::{Placed, Placing, Role, Target, Tier, Tiers};
use coco_daemon::tiers::head_of_tier;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

/// What a tier routes by.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TierState {
    /// Its name.
    pub name: String,
    /// Its targets, in order.
    pub targets: Vec<String>,
    /// Points of each target, where they are on a ring.
    pub virtual_replicas: Option<u32>,
    /// The name of the hash. The original, which has one only, does not say.
    #[serde(default)]
    pub hash: Option<String>,
    /// Copies of each host; who does not say has one.
    #[serde(default = "one")]
    pub replicas: usize,
    /// What is said of each target. Who does not say places by address and order.
    #[serde(default)]
    pub placed: Vec<PlacedTarget>,
    /// For how many seconds a process has placed hosts like this; a file has not.
    #[serde(default)]
    pub age: Option<u64>,
    /// How hosts are on their way, if they are.
    #[serde(default)]
    pub migration: Option<MigrationState>,
}

/// A target as it is placed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PlacedTarget {
    /// Its name, or its address where it has none.
    pub name: String,
    /// Its address, which `targets` has, too; who does not know of migrations does not say.
    #[serde(default)]
    pub address: Option<String>,
    /// What it is to its tier.
    #[serde(default)]
    pub state: Option<String>,
    /// Its part of the hosts, where the hash goes by it.
    pub weight: Option<u32>,
    /// What fails as a whole.
    pub zone: Option<String>,
    /// Its place among the targets.
    pub index: Option<i64>,
}

/// How far hosts are on their way, and from where.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct MigrationState {
    /// The part that is written to former and new owners.
    pub both: String,
    /// The part that is written to new owners alone.
    pub new: String,
    /// How hosts were placed.
    pub from: FormerState,
}

/// How hosts were placed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FormerState {
    /// The name of the hash.
    pub hash: String,
    /// Copies of each host.
    pub replicas: usize,
    /// Points of each target, where they are on a ring.
    pub virtual_replicas: Option<u32>,
    /// The targets, in order.
    pub targets: Vec<PlacedTarget>,
}

fn one() -> usize {
    1
}

/// The same with what the tier has been sent. Noodle sends nothing and shows none. Not flattened: serde would keep all
/// routes in memory for that.
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of TierState")]
pub struct RoutedTier {
    pub name: String,
    pub targets: Vec<String>,
    pub virtual_replicas: Option<u32>,
    #[serde(default)]
    pub hash: Option<String>,
    #[serde(default = "one")]
    pub replicas: usize,
    #[serde(default)]
    pub placed: Vec<PlacedTarget>,
    #[serde(default)]
    pub age: Option<u64>,
    #[serde(default)]
    pub migration: Option<MigrationState>,
    /// By target and host: how many metrics.
    #[serde(default)]
    pub routes: BTreeMap<String, BTreeMap<String, Members>>,
}

/// How many members an object has. What they are is not kept: a fleet has millions of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Members(pub u64);

impl TierState {
    /// What processes with this configuration say.
    pub fn of(tiers: &Tiers) -> Vec<Self> {
        let said = |tier| serde_json::from_value(Value::Object(head_of_tier(tier, None)));
        tiers.iter().map(|tier| said(tier).expect("what is said is what is read")).collect()
    }

    /// The tier that a process speaks of, so that hosts can be placed by it; none where this release can't.
    pub fn rebuilt(&self) -> Option<Tier> {
        let placing = placing(self.way(), self.replicas, self.virtual_replicas)?;
        let listed = self.targets.iter().enumerate().map(|(place, address)| {
            let placed = self.placed.get(place);
            let role = match placed.and_then(|placed| placed.state.as_deref()) {
                Some("draining") => Role::Draining,
                Some("former") => Role::Former,
                _ => Role::Active,
            };
            Some((target(address, placed)?, role))
        });
        let mut listed: Vec<_> = listed.collect::<Option<_>>()?;
        let Some(MigrationState { both, new, from }) = &self.migration else {
            let targets = listed.into_iter().map(|(target, _)| target).collect();
            return Tier::placed(self.name.clone(), targets, placing).ok();
        };
        listed.retain(|(_, role)| *role != Role::Former);
        let headway = Headway::new(both.parse().ok()?, new.parse().ok()?)?;
        let former = from.targets.iter().map(|placed| target(placed.address.as_deref()?, Some(placed)));
        let was = self::placing(Some(&from.hash), from.replicas, from.virtual_replicas)?;
        let former = (former.collect::<Option<_>>()?, was);
        Tier::migrating(self.name.clone(), listed, placing, former, headway).ok()
    }

    /// In what this tier is not as another of the same name.
    fn difference(&self, other: &Self) -> Option<String> {
        self.difference_in_targets(other).or_else(|| self.difference_in_migration(other))
    }

    fn difference_in_migration(&self, other: &Self) -> Option<String> {
        let from = |state: &Self| state.migration.as_ref().map(|migration| migration.from.clone());
        if self.migration == other.migration {
            return None;
        }
        if let Some((this, there)) = from(self).zip(from(other))
            && this != there
        {
            return Some("hosts come from other targets there, or were placed otherwise".to_owned());
        }
        Some(format!("{}, there {}", self.headway(), other.headway()))
    }

    /// How far hosts are on their way, for people.
    pub fn headway(&self) -> String {
        match &self.migration {
            Some(MigrationState { both, new, .. }) => format!("both = \"{both}\" and new = \"{new}\""),
            None => "no migration".to_owned(),
        }
    }

    fn difference_in_targets(&self, other: &Self) -> Option<String> {
        let (this, there) = (self.in_order(), other.in_order());
        let differs = |place: &usize| this.get(*place).map(|it| it.0) != there.get(*place).map(|it| it.0);
        if let Some(place) = (0..this.len().max(there.len())).find(differs) {
            let [this, there] =
                [this, there].map(|targets| targets.get(place).map_or("none", |(address, _)| *address));
            // Sorted, a place is none in the file.
            return Some(match self.goes_by_order() {
                true => format!("targets[{place}] is {this}, there {there}"),
                false => format!("a target is {this}, there {there}"),
            });
        }
        if let Some((this, there)) = self.way().zip(other.way())
            && this != there
        {
            return Some(format!("the hash is {this}, there {there}"));
        }
        if self.virtual_replicas != other.virtual_replicas {
            let shown =
                |replicas: Option<u32>| replicas.map_or("none".to_owned(), |replicas| replicas.to_string());
            let [this, there] = [self, other].map(|state| shown(state.virtual_replicas));
            return Some(format!("virtual_replicas is {this}, there {there}"));
        }
        if self.replicas != other.replicas {
            return Some(format!("replicas is {}, there {}", self.replicas, other.replicas));
        }
        // On a ring names are for people.
        if self.way() == Some(Way::Ring.as_str()) {
            return None;
        }
        let placed = this.iter().zip(&there).filter_map(|(this, there)| this.1.zip(there.1));
        let mut placed = placed.map(|(this, there)| (this.to_string(), there.to_string()));
        let (this, there) = placed.find(|(this, there)| this != there)?;
        Some(format!("a target is {this}, there {there}"))
    }

    /// Whether targets own hosts by their place in the list.
    fn goes_by_order(&self) -> bool {
        match self.way().and_then(Way::named) {
            Some(way) if way.takes_indices() && self.placed.iter().all(|target| target.index.is_some()) => {
                false
            }
            Some(way) => way.goes_by_order(),
            None => true,
        }
    }

    /// Addresses of targets, with what is said of each, in an order that says who owns what: that of the list only where
    /// the hash goes by it.
    fn in_order(&self) -> Vec<(&str, Option<&PlacedTarget>)> {
        let placed = self.placed.iter().map(Some).chain(std::iter::repeat(None));
        let mut targets: Vec<_> = self.targets.iter().map(String::as_str).zip(placed).collect();
        if !self.goes_by_order() {
            targets.sort_by_key(|(_, placed)| placed.map(|placed| (placed.index, &placed.name)));
        }
        targets
    }

    /// The name of the hash. Earlier releases named what a ring's points are hashed with.
    pub fn way(&self) -> Option<&str> {
        self.hash.as_deref().map(|hash| if hash == "crc32" { "ring" } else { hash })
    }
}

fn placing(way: Option<&str>, replicas: usize, virtual_replicas: Option<u32>) -> Option<Placing> {
    // The original does not say what there is only one of.
    let way = way.map_or(Some(Way::Ring), Way::named)?;
    Some(Placing::new(way, replicas, virtual_replicas))
}

fn target(address: &str, placed: Option<&PlacedTarget>) -> Option<Target> {
    let target = Target::new(address, address.parse().ok()?);
    let Some(PlacedTarget { name, weight, zone, index, .. }) = placed else { return Some(target) };
    let placed = Placed {
        name: Some(name.clone()),
        weight: weight.map_or(Some(Weight::default()), Weight::new)?,
        zone: zone.clone(),
        index: *index,
    };
    Some(Target { placed, ..target })
}

impl fmt::Display for PlacedTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if let Some(weight) = self.weight {
            write!(f, " of weight {weight}")?;
        }
        if let Some(zone) = &self.zone {
            write!(f, " in zone {zone}")?;
        }
        if let Some(index) = self.index {
            write!(f, " with index {index}")?;
        }
        if let Some(state) = self.state.as_deref().filter(|state| *state != "active") {
            write!(f, ", {state}")?;
        }
        Ok(())
    }
}

/// In what these tiers are not as those, for people.
pub fn difference_of(here: &[TierState], there: &[TierState]) -> Option<String> {
    let names =
        |tiers: &[TierState]| tiers.iter().map(|tier| tier.name.clone()).collect::<Vec<_>>().join(", ");
    if names(here) != names(there) {
        return Some(format!("tiers are {}, there {}", names(here), names(there)));
    }
    here.iter().zip(there).find_map(|(here, there)| {
        let difference = here.difference(there)?;
        Some(format!("tier {}: {difference}", here.name))
    })
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Count;
        impl<'de> Visitor<'de> for Count {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut count = 0;
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Members(count))
            }
        }
        deserializer.deserialize_map(Count)
    }
}

#[cfg(test)]
mod tests {
    use coco_core::config::CocoConfig;

    use super::*;

    fn states(tier: &str, targets: &[&str]) -> Vec<TierState> {
        let text =
            format!("[listen]\nbind = \":0\"\n[tiers.a]\n{tier}\ntargets = [{}]\n", targets.join(", "));
        TierState::of(&CocoConfig::parse(&text).unwrap().tiers)
    }

    fn difference(tier: &str, here: &[&str], there: &[&str]) -> Option<String> {
        difference_of(&states(tier, here), &states(tier, there))
    }

    #[test]
    fn targets_in_another_order_differ_where_the_order_says_who_owns_what() {
        let plain = ["\"a:1\"", "\"b:1\""];
        let turned = [plain[1], plain[0]];
        for tier in ["", "hash = \"jump\""] {
            let told = difference(tier, &plain, &turned).unwrap();
            assert_eq!(told, "tier a: targets[0] is a:1, there b:1", "{tier}");
        }
        let named = ["{ name = \"x\", address = \"b:1\" }", "{ name = \"y\", address = \"a:1\" }"];
        assert_eq!(difference("hash = \"rendezvous\"", &named, &[named[1], named[0]]), None);
        let indexed = ["{ index = 2, address = \"a:1\" }", "{ index = 1, address = \"b:1\" }"];
        assert_eq!(difference("hash = \"jump\"", &indexed, &[indexed[1], indexed[0]]), None);
        let other = ["{ name = \"y\", address = \"a:1\" }", "{ name = \"z\", address = \"b:1\" }"];
        assert!(difference("hash = \"rendezvous\"", &named, &other).is_some());
        assert!(difference("hash = \"rendezvous\"", &named, &named[..1]).is_some());
        let swapped = ["{ index = 1, address = \"a:1\" }", "{ index = 2, address = \"b:1\" }"];
        assert!(difference("hash = \"jump\"", &indexed, &swapped).is_some());
    }
}
