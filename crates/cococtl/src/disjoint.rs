//! Hosts that two configurations write to different nodes altogether: who reads by the one misses what is written by
//! the other.

use std::collections::{BTreeMap, BTreeSet};

use coco_core::placement::Way;
use coco_core::placement::rendezvous::Weight;
use coco_core::tier::{Placed, Placing, Target, Tier};

use crate::hosts::{MADE_UP, made_up};
use crate::spread::ratio;
use crate::tier_state::{PlacedTarget, TierState};

/// By the name of each tier that both have, the share of hosts that no address is written to by both, from 0 to 1; of made-up
/// hosts. None where a tier is not one that hosts can be placed by.
pub fn shares(here: &[TierState], there: &[TierState]) -> Option<BTreeMap<String, f64>> {
    let hosts = made_up(MADE_UP);
    let both =
        here.iter().filter_map(|tier| Some((tier, there.iter().find(|other| other.name == tier.name)?)));
    both.map(|(tier, other)| {
        let [tier, other] = [placed(tier)?, placed(other)?];
        let disjoint =
            hosts.iter().filter(|host| addresses(&tier, host).is_disjoint(&addresses(&other, host)));
        Some((tier.name().to_owned(), ratio(disjoint.count() as u64, hosts.len() as u64)))
    })
    .collect()
}

/// What is written to is the address: an equal name with another address is another place.
fn addresses<'a>(tier: &'a Tier, host: &[u8]) -> BTreeSet<&'a str> {
    let mut owners = Vec::new();
    tier.placement().owners(host, &mut owners);
    owners.into_iter().map(|owner| tier.targets()[owner].name.as_str()).collect()
}

/// The tier that a process speaks of.
fn placed(state: &TierState) -> Option<Tier> {
    let replicas = state.replicas;
    let is = |way: Way| state.way() == Some(way.as_str());
    let placing = match () {
        () if is(Way::Rendezvous) => Placing::Rendezvous { replicas },
        () if is(Way::Jump) => Placing::Jump { replicas },
        // The original does not say what there is only one of.
        () if is(Way::Ring) || state.hash.is_none() => {
            Placing::Ring { virtual_replicas: state.virtual_replicas }
        }
        () => return None,
    };
    let targets = state.targets.iter().enumerate().map(|(place, address)| {
        let target = Target::new(address.clone(), address.parse().ok()?);
        let placed = match state.placed.get(place) {
            Some(placed) => said(placed)?,
            None => Placed::default(),
        };
        Some(Target { placed, ..target })
    });
    Tier::placed(state.name.clone(), targets.collect::<Option<_>>()?, placing).ok()
}

fn said(PlacedTarget { name, weight, zone, index }: &PlacedTarget) -> Option<Placed> {
    Some(Placed {
        name: Some(name.clone()),
        weight: weight.map_or(Some(Weight::default()), Weight::new)?,
        zone: zone.clone(),
        index: *index,
    })
}
