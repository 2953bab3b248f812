//! How evenly hosts are spread over the targets of a tier.

use coco_core::tier::Tier;

/// Numbers of hosts, by target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spread(pub Vec<u64>);

impl Spread {
    /// Of these hosts in this tier.
    pub fn of(tier: &Tier, hosts: &[Vec<u8>]) -> Self {
        let mut owned = vec![0; tier.targets().len()];
        for host in hosts {
            owned[tier.owner(host)] += 1;
        }
        Self(owned)
    }

    /// All hosts.
    pub fn hosts(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The part of all hosts that a target owns, from 0 to 1.
    pub fn share(&self, target: usize) -> f64 {
        ratio(self.0[target], self.hosts())
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
        ratio(self.hosts(), self.0.len() as u64)
    }
}

/// A part of a whole; of nothing, nothing.
pub fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn a_spread_is_measured_against_its_mean() {
        let even = Spread(vec![5, 5, 5, 5]);
        assert_eq!((even.largest(), even.deviation(), even.share(0)), (1.0, 0.0, 0.25));
        let uneven = Spread(vec![2, 4, 4, 4, 5, 5, 7, 9]);
        assert_eq!((uneven.largest(), uneven.deviation()), (1.8, 0.4));
        let none = Spread(vec![0, 0]);
        assert_eq!((none.largest(), none.deviation(), none.share(1)), (0.0, 0.0, 0.0));
    }
}
