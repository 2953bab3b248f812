//! Which targets of a tier hold a host.
//!
//! A file per way to place. All are functions of what the configuration says and of the host, so that every process on
//! every machine agrees to the bit:
//!
//! | hash | owners depend on | hosts that move when a target comes or goes |
//! |---|---|---|
//! | [`ring`] | number and order of the targets, virtual replicas | most, or many times the fewest possible |
//! | [`jump`] | number and order of the targets | the fewest possible at the end of the list, most elsewhere |
//! | [`rendezvous`] | names, weights and zones of the targets | the fewest possible |
//!
//! The ring places the name that agents send and gives a host one owner. The others place the name under which collectd
//! [stores](crate::host::stored_name) it, any bytes, and can give it several. A [`migration`] is two of them and how far
//! hosts have come from the one to the other; [`canary`] chooses the hosts that it begins with.

pub mod canary;
mod error;
pub mod jump;
pub mod migration;
pub mod rendezvous;
pub mod ring;
mod zones;

use crate::host::stored_name;
use jump::Jump;
use migration::Migration;
use rendezvous::Rendezvous;
use ring::Ring;

pub use error::{MAX_REPLICAS, PlacementError};

/// A way to place hosts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Way {
    /// [`Ring`], which the older implementation has.
    #[default]
    Ring,
    /// [`Jump`].
    Jump,
    /// [`Rendezvous`].
    Rendezvous,
}

impl Way {
    /// All of them, the oldest first.
    pub const ALL: [Self; 3] = [Self::Ring, Self::Jump, Self::Rendezvous];

    /// As the configuration and `/tiers` call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ring => "ring",
            Self::Jump => "jump",
            Self::Rendezvous => "rendezvous",
        }
    }

    /// The way of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|way| way.as_str() == name)
    }

    /// Whether targets may have weights.
    pub fn takes_weights(self) -> bool {
        match self {
            Self::Ring | Self::Jump => false,
            Self::Rendezvous => true,
        }
    }

    /// Whether targets may have zones, be it only to show them.
    pub fn takes_zones(self) -> bool {
        match self {
            Self::Ring => false,
            Self::Jump | Self::Rendezvous => true,
        }
    }

    /// Whether targets may have indices.
    pub fn takes_indices(self) -> bool {
        match self {
            Self::Ring | Self::Rendezvous => false,
            Self::Jump => true,
        }
    }

    /// Whether targets without an index own hosts by their place in the list.
    pub fn goes_by_order(self) -> bool {
        match self {
            Self::Ring | Self::Jump => true,
            Self::Rendezvous => false,
        }
    }
}

/// Which targets of a tier hold a host, whatever the way.
///
/// Two that are equal give every host the same owners, by their place in the list of targets: what is decided for one of
/// their tiers holds for the other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Placement {
    /// By points on a circle, as the older implementation does.
    Ring(Ring),
    /// As carbon-c-relay does.
    Jump(Jump),
    /// By names, weights and zones.
    Rendezvous(Rendezvous),
    /// From one of those to another. Who owns a host is who it is written to.
    Migration(Box<Migration>),
}

/// The facts of a placement, for whoever shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// The name of the hash.
    pub hash: &'static str,
    /// The number of targets.
    pub targets: usize,
    /// The number of owners of each host, once none is on its way.
    pub replicas: usize,
    /// Points of each target, where they are on a ring.
    pub virtual_replicas: Option<u32>,
}

impl Placement {
    /// Puts the places of the targets that own the host of this name into `owners`, the first owner first, instead of
    /// what is there. The name is what agents send; any bytes have owners, none at all too.
    pub fn owners(&self, host: &[u8], owners: &mut Vec<usize>) {
        match self {
            Self::Ring(ring) => {
                owners.clear();
                owners.push(ring.owner(host));
            }
            Self::Jump(jump) => jump.owners(&stored_name(host), owners),
            Self::Rendezvous(rendezvous) => rendezvous.owners(&stored_name(host), owners),
            Self::Migration(migration) => *owners = migration.of(host).writers(),
        }
    }

    /// Puts the places of the targets that a host is read from into `readers`, the best one first, instead of what is
    /// there: the [`owners`](Self::owners), and while it moves those that may have some of it, too. The first are the same.
    pub fn readers(&self, host: &[u8], readers: &mut Vec<usize>) {
        match self {
            Self::Migration(migration) => *readers = migration.of(host).readers(),
            _ => self.owners(host, readers),
        }
    }

    /// The first of the [`owners`](Self::owners) alone.
    pub fn first_owner(&self, host: &[u8]) -> usize {
        match self {
            Self::Ring(ring) => ring.owner(host),
            Self::Jump(jump) => jump.first_owner(&stored_name(host)),
            Self::Rendezvous(rendezvous) => rendezvous.first_owner(&stored_name(host)),
            Self::Migration(migration) => migration.of(host).writers()[0],
        }
    }

    /// The cost of looking up the owners of a host, in units of some 60 ns, which is what a look-up in a large table
    /// takes.
    pub fn cost(&self, host: &[u8]) -> usize {
        match self {
            Self::Ring(_) | Self::Jump(_) => 2 + host.len() / 32,
            // Each target hashes the name.
            Self::Rendezvous(rendezvous) => 2 + rendezvous.targets() * (2 + host.len() / 64) / 4,
            Self::Migration(migration) => migration.cost(host),
        }
    }

    /// Whether every host has an owner that is not among the `lost`, by their places in the list of targets.
    ///
    /// That is so wherever no host can have all of its owners there. It may be so, and not be said, where zones have very
    /// unequal numbers of targets.
    pub fn is_whole_without(&self, lost: impl Fn(usize) -> bool) -> bool {
        let count = |targets: usize| (0..targets).filter(|&place| lost(place)).count();
        match self {
            Self::Ring(ring) => count(ring.targets()) == 0,
            Self::Jump(jump) => count(jump.targets()) < jump.replicas(),
            Self::Rendezvous(rendezvous) => rendezvous.is_whole_without(lost),
            Self::Migration(migration) => migration.is_whole_without(&lost),
        }
    }

    /// The ring, if it is one: it has points and labels that nothing else has.
    pub fn ring(&self) -> Option<&Ring> {
        match self {
            Self::Ring(ring) => Some(ring),
            _ => None,
        }
    }

    /// The migration, if hosts are on their way.
    pub fn migration(&self) -> Option<&Migration> {
        match self {
            Self::Migration(migration) => Some(migration),
            _ => None,
        }
    }

    /// The most owners that a host has: those that are on their way may have their former ones beside the new.
    pub fn most_copies(&self) -> usize {
        match self {
            Self::Migration(migration) => migration.most_copies(),
            _ => self.facts().replicas,
        }
    }

    /// The facts that it is made of; of a migration, those of what hosts come to, but all targets.
    pub fn facts(&self) -> Facts {
        let (way, targets, replicas, virtual_replicas) = match self {
            Self::Ring(ring) => (Way::Ring, ring.targets(), 1, Some(ring.virtual_replicas())),
            Self::Jump(jump) => (Way::Jump, jump.targets(), jump.replicas(), None),
            Self::Rendezvous(rendezvous) => {
                (Way::Rendezvous, rendezvous.targets(), rendezvous.replicas(), None)
            }
            Self::Migration(migration) => return migration.facts(),
        };
        Facts { hash: way.as_str(), targets, replicas, virtual_replicas }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rendezvous::{Member, Weight};

    /// Of three targets each, with two copies where there can be two.
    fn placements() -> [Placement; 3] {
        let member = |name| Member { name, weight: Weight::default(), zone: None };
        [
            Placement::Ring(Ring::new(3, 96)),
            Placement::Jump(Jump::new(&[None; 3], 2).unwrap()),
            Placement::Rendezvous(Rendezvous::new(&["a", "b", "c"].map(member), 2).unwrap()),
        ]
    }

    #[test]
    fn facts_are_those_of_the_way() {
        let facts = placements().map(|placement| placement.facts());
        let fact = |hash, replicas, virtual_replicas| Facts { hash, targets: 3, replicas, virtual_replicas };
        assert_eq!(facts, [fact("ring", 1, Some(96)), fact("jump", 2, None), fact("rendezvous", 2, None)]);
    }

    #[test]
    fn the_first_owner_is_the_first_of_the_owners() {
        for placement in placements() {
            let mut owners = vec![7; 7];
            for host in 0..500 {
                let host = format!("host{host}");
                placement.owners(host.as_bytes(), &mut owners);
                assert_eq!(owners.len(), placement.facts().replicas);
                assert_eq!(placement.first_owner(host.as_bytes()), owners[0], "{host}");
            }
        }
    }

    /// Agents' hosts are renamed when they are stored. The ring, which is older, places the name that was sent.
    #[test]
    fn jump_and_rendezvous_place_the_name_that_is_stored_and_the_ring_the_one_that_is_sent() {
        let of = |placement: &Placement, host: &str| {
            let mut owners = Vec::new();
            placement.owners(host.as_bytes(), &mut owners);
            owners
        };
        let names = (0..100).map(|host| (format!("/rack{host}/web"), format!("rack{host}_web")));
        let names: Vec<_> = names.chain([("/".to_owned(), "root".to_owned())]).collect();
        let [ring, others @ ..] = placements();
        for placement in &others {
            for (sent, stored) in &names {
                assert_eq!(of(placement, sent), of(placement, stored), "{sent}");
            }
        }
        assert!(names.iter().any(|(sent, stored)| of(&ring, sent) != of(&ring, stored)));
    }

    #[test]
    fn rings_of_the_same_numbers_are_equal_and_no_others() {
        let ring = |targets, replicas| Placement::Ring(Ring::new(targets, replicas));
        assert_eq!(ring(3, 96), ring(3, 96));
        assert_ne!(ring(3, 96), ring(3, 95));
        assert_ne!(ring(3, 96), ring(4, 96));
        let [_, jump, rendezvous] = placements();
        assert_ne!(jump, rendezvous);
    }
}
