//! `/tiers` of a running process, as far as it is asked for.

use std::collections::BTreeMap;
use std::fmt;

use coco_core::tier::Tiers;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

/// What a tier routes by.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct TierState {
    /// Its name.
    pub name: String,
    /// Its targets, in order.
    pub targets: Vec<String>,
    /// Points of each target on the ring.
    pub virtual_replicas: u32,
    /// The name of the hash. The original, which has one only, does not say.
    #[serde(default)]
    pub hash: Option<String>,
}

/// The same with what the tier has been sent. Noodle sends nothing and shows none. Not flattened: serde would keep all
/// routes in memory for that.
#[derive(Debug, Deserialize)]
#[expect(missing_docs, reason = "the fields are those of TierState")]
pub struct RoutedTier {
    pub name: String,
    pub targets: Vec<String>,
    pub virtual_replicas: u32,
    #[serde(default)]
    pub hash: Option<String>,
    /// By target and host: how many metrics.
    #[serde(default)]
    pub routes: BTreeMap<String, BTreeMap<String, Members>>,
}

/// How many members an object has. What they are is not kept: a fleet has millions of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Members(pub u64);

impl TierState {
    /// What processes with this configuration say.
    pub fn of(tiers: &Tiers) -> Vec<Self> {
        let state = tiers.iter().map(|tier| Self {
            name: tier.name().to_owned(),
            targets: tier.targets().iter().map(|target| target.name.clone()).collect(),
            virtual_replicas: tier.virtual_replicas(),
            hash: Some(tier.hash().to_owned()),
        });
        state.collect()
    }

    /// In what this tier is not as another of the same name.
    fn difference(&self, other: &Self) -> Option<String> {
        let differs = |place: &usize| self.targets.get(*place) != other.targets.get(*place);
        if let Some(place) = (0..self.targets.len().max(other.targets.len())).find(differs) {
            let shown = |state: &Self| state.targets.get(place).map_or("none", String::as_str).to_owned();
            return Some(format!("targets[{place}] is {}, there {}", shown(self), shown(other)));
        }
        if self.virtual_replicas != other.virtual_replicas {
            let (this, there) = (self.virtual_replicas, other.virtual_replicas);
            return Some(format!("virtual_replicas is {this}, there {there}"));
        }
        let (this, there) = self.hash.as_ref().zip(other.hash.as_ref())?;
        (this != there).then(|| format!("the hash is {this}, there {there}"))
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
