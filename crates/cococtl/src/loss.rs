//! What becomes of hosts when targets are lost: who has their only copies, and to whom reads pass.

use std::collections::BTreeSet;

use coco_core::tier::Tier;
use serde_json::{Value, json};

/// The owners of each host in a tier, the first owner first.
#[derive(Debug)]
pub struct Owners {
    replicas: usize,
    targets: usize,
    places: Vec<usize>,
}

/// What it costs that some targets of a tier are lost, until they are back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loss {
    /// Hosts of which no copy is left.
    pub gone: u64,
    /// Hosts whose first owner is lost and that another one has: reads of them pass on.
    pub passed_on: u64,
    /// Who takes most of these, and how many.
    pub most: Option<(usize, u64)>,
}

impl Owners {
    /// Of these hosts.
    pub fn of(tier: &Tier, hosts: &[Vec<u8>]) -> Self {
        let mut places = Vec::new();
        let mut of_host = Vec::new();
        for host in hosts {
            tier.placement().owners(host, &mut of_host);
            places.extend_from_slice(&of_host);
        }
        Self { replicas: tier.placement().facts().replicas, targets: tier.targets().len(), places }
    }

    /// Those of each host.
    pub fn iter(&self) -> impl Iterator<Item = &[usize]> {
        self.places.chunks_exact(self.replicas)
    }

    /// Of how many hosts each target is the first owner.
    pub fn first(&self) -> Vec<u64> {
        let mut first = vec![0; self.targets];
        self.iter().for_each(|owners| first[owners[0]] += 1);
        first
    }

    /// What the loss of these targets costs.
    pub fn loss(&self, lost: &BTreeSet<usize>) -> Loss {
        let mut loss = Loss::default();
        let mut takes = vec![0_u64; self.targets];
        for owners in self.iter().filter(|owners| lost.contains(&owners[0])) {
            match owners.iter().find(|owner| !lost.contains(owner)) {
                None => loss.gone += 1,
                Some(&next) => {
                    loss.passed_on += 1;
                    takes[next] += 1;
                }
            }
        }
        let most = takes.iter().enumerate().max_by_key(|(place, hosts)| (**hosts, std::cmp::Reverse(*place)));
        loss.most = most.map(|(place, hosts)| (place, *hosts)).filter(|(_, hosts)| *hosts > 0);
        loss
    }
}

impl Loss {
    /// For people, behind what is lost.
    pub fn told(&self, tier: &Tier) -> String {
        let gone = match self.gone {
            0 => "no host is without a copy".to_owned(),
            gone => format!("{gone} hosts are without a copy"),
        };
        match self.most {
            None => gone,
            Some((place, most)) => {
                let target = tier.targets()[place].label();
                format!("{gone}, reads of {} pass on, of {most} to {target}", self.passed_on)
            }
        }
    }

    /// For programs.
    pub fn object(&self, tier: &Tier) -> Value {
        let most =
            self.most.map(|(place, hosts)| json!({ "target": tier.targets()[place].name, "hosts": hosts }));
        json!({ "without_copy": self.gone, "passed_on": self.passed_on, "most": most })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_is_counted_host_by_host() {
        let owners = Owners { replicas: 2, targets: 4, places: vec![0, 1, 0, 2, 1, 0, 0, 1, 3, 2] };
        assert_eq!(owners.first(), [3, 1, 0, 1]);
        let loss = |lost: &[usize]| owners.loss(&lost.iter().copied().collect());
        assert_eq!(loss(&[]), Loss::default());
        assert_eq!(loss(&[0]), Loss { gone: 0, passed_on: 3, most: Some((1, 2)) });
        assert_eq!(loss(&[0, 1]), Loss { gone: 3, passed_on: 1, most: Some((2, 1)) });
        assert_eq!(loss(&[2]), Loss::default(), "who has further copies alone is read of nobody");
    }
}
