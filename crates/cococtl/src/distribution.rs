//! How evenly hosts are spread over the targets of a tier.

use coco_core::placement::{Facts, Way};
use coco_core::tier::{Target, Tier};

/// Numbers of hosts, or of their copies where each has several, by target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution(pub Vec<u64>);

impl Distribution {
    /// Of these hosts in this tier.
    pub fn of(tier: &Tier, hosts: &[Vec<u8>]) -> Self {
        let mut owned = vec![0; tier.targets().len()];
        let mut owners = Vec::new();
        for host in hosts {
            tier.placement().owners(host, &mut owners);
            owners.iter().for_each(|&owner| owned[owner] += 1);
        }
        Self(owned)
    }

    /// All copies.
    pub fn copies(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The part of all copies that a target has, from 0 to 1.
    pub fn share(&self, target: usize) -> f64 {
        ratio(self.0[target], self.copies())
    }

    /// The largest share as a multiple of the mean: 1 is even.
    pub fn largest(&self) -> f64 {
        self.0.iter().max().map_or(0.0, |&most| most as f64 / self.mean().max(f64::MIN_POSITIVE))
    }

    /// The standard deviation of the shares as a part of the mean: 0 is even.
    pub fn deviation(&self) -> f64 {
        let mean = self.mean();
        let squares: f64 = self.0.iter().map(|&hosts| (hosts as f64 - mean).powi(2)).sum();
        (squares / self.0.len() as f64).sqrt() / mean.max(f64::MIN_POSITIVE)
    }

    fn mean(&self) -> f64 {
        ratio(self.copies(), self.0.len() as u64)
    }
}

/// The part of all copies that each target is to have, from 0 to 1: by its weight, and no more than one of each host.
pub fn due(tier: &Tier) -> Vec<f64> {
    let Facts { hash, replicas, .. } = tier.placement().facts();
    let by_weight = |target: &Target| match hash == Way::Rendezvous.as_str() {
        true => f64::from(target.placed.weight.get()),
        false => 1.0,
    };
    let weights: Vec<f64> = tier.targets().iter().map(by_weight).collect();
    let most = 1.0 / replicas as f64;
    let mut due = vec![0.0; weights.len()];
    // Who would get more than a copy of each host gets one, and the others share the rest.
    let mut full = vec![false; weights.len()];
    loop {
        let rest = 1.0 - most * full.iter().filter(|is_full| **is_full).count() as f64;
        let open: f64 =
            weights.iter().zip(&full).filter(|(_, is_full)| !**is_full).map(|(weight, _)| weight).sum();
        let mut changed = false;
        for (place, weight) in weights.iter().enumerate() {
            due[place] = if full[place] { most } else { rest * weight / open };
            if !full[place] && due[place] > most * (1.0 + 1e-9) {
                full[place] = true;
                changed = true;
            }
        }
        if !changed {
            return due;
        }
    }
}

/// A part of a whole; of nothing, nothing.
pub fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use coco_core::config::{Config, Program};

    use super::{Distribution, due};

    #[test]
    fn a_target_is_due_its_weight_and_no_more_than_one_copy_of_each_host() {
        let due = |replicas: usize, weights: &[u32]| {
            let targets: Vec<_> = (0..)
                .zip(weights)
                .map(|(at, weight)| format!("{{ name = 's{at}', address = 'h{at}:1', weight = {weight} }}"))
                .collect();
            let text = format!(
                "[tiers.a]\nhash = 'rendezvous'\nreplicas = {replicas}\ntargets = [{}]",
                targets.join(",")
            );
            due(Config::parse(&text, Program::Coco).unwrap().tiers.get(0).unwrap())
        };
        let close = |told: Vec<f64>, expected: &[f64]| {
            assert!(told.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{told:?} {expected:?}");
        };
        close(due(1, &[100, 300]), &[0.25, 0.75]);
        close(due(2, &[100, 300]), &[0.5, 0.5]);
        close(due(2, &[100, 100, 1000]), &[0.25, 0.25, 0.5]);
        close(due(3, &[1, 1, 1, 1]), &[0.25; 4]);
    }

    #[test]
    fn a_spread_is_measured_against_its_mean() {
        let even = Distribution(vec![5, 5, 5, 5]);
        assert_eq!((even.largest(), even.deviation(), even.share(0)), (1.0, 0.0, 0.25));
        let uneven = Distribution(vec![2, 4, 4, 4, 5, 5, 7, 9]);
        assert_eq!((uneven.largest(), uneven.deviation()), (1.8, 0.4));
        let none = Distribution(vec![0, 0]);
        assert_eq!((none.largest(), none.deviation(), none.share(1)), (0.0, 0.0, 0.0));
    }
}
