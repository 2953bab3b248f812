//! Hosts that two configurations write to different nodes altogether: who reads by the one misses what is written by
//! the other.

use std::collections::{BTreeMap, BTreeSet};

use coco_core::tier::Tier;

use crate::distribution::ratio;
use crate::hosts::{MADE_UP, made_up};
use crate::tier_state::TierState;

/// By the name of each tier that both have, the share of hosts that no address is written to by both, from 0 to 1; of made-up
/// hosts. None where a tier is not one that hosts can be placed by.
pub fn shares(here: &[TierState], there: &[TierState]) -> Option<BTreeMap<String, f64>> {
    let hosts = made_up(MADE_UP);
    let both =
        here.iter().filter_map(|tier| Some((tier, there.iter().find(|other| other.name == tier.name)?)));
    both.map(|(tier, other)| {
        let (tier, other) = (tier.rebuilt()?, other.rebuilt()?);
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
