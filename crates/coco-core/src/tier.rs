//! Targets and tiers, in the order of the configuration, and the fingerprint by which processes agree on them.
//!
//! Every value list goes to every tier, and within a tier to the one target that owns its host.

mod fingerprint;

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::slice;

use thiserror::Error;

use crate::address::Address;
use crate::placement::Placement;
use crate::placement::ring::{MAX_VIRTUAL_REPLICAS, Ring, default_virtual_replicas, shadow};

pub use fingerprint::Fingerprint;

/// A storage node: a collectd that takes value lists, and what serves them to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The address exactly as it stands in the configuration: the key of counters and of `/tiers`.
    pub name: String,
    /// Where value lists are sent.
    pub address: Address,
    /// Base of the URL that Noodle reads from; `None` makes one from the address and `fetch.remote_port`.
    pub fetch: Option<String>,
}

/// As whom packets of a tier are signed or encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Whether packets are signed or encrypted.
    pub protection: Protection,
    /// The user, of 1 to 64 bytes.
    pub username: String,
    /// Where the password is.
    pub password: PasswordSource,
}

/// How packets are secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// `SecurityLevel Sign`
    Sign,
    /// `SecurityLevel Encrypt`
    Encrypt,
}

/// A file that holds a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordSource {
    /// The password alone, perhaps with a newline behind it.
    Password(PathBuf),
    /// Users and passwords, as collectd's `AuthFile`.
    AuthFile(PathBuf),
}

/// What keeps targets from being a tier, or tiers from being a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TierError {
    /// A tier of no targets owns no host.
    #[error("there are no targets: expected at least one \"HOST:PORT\"")]
    NoTargets,
    /// A number of virtual replicas that gives no ring, or one that fills the memory.
    #[error("{given} is no number of virtual replicas: expected {} to {}", VIRTUAL_REPLICAS.start(), VIRTUAL_REPLICAS.end())]
    VirtualReplicas {
        /// What is configured.
        given: u32,
    },
    /// Without tiers there is nowhere to send to.
    #[error("there are no tiers: expected at least one, with its targets")]
    NoTiers,
    /// Two tiers have one name.
    #[error("tier {name:?} is given twice: expected every name once")]
    DuplicateTier {
        /// The name.
        name: String,
    },
}

/// What `virtual_replicas` of a tier may be.
const VIRTUAL_REPLICAS: RangeInclusive<u32> = 1..=MAX_VIRTUAL_REPLICAS;

/// Targets that share all hosts among them by their [`Placement`], which is a [`Ring`].
#[derive(Clone, Debug)]
pub struct Tier {
    name: String,
    targets: Box<[Target]>,
    virtual_replicas: u32,
    placement: Placement,
    credentials: Option<Credentials>,
}

impl Tier {
    /// A tier of these targets, in this order: the index of a target decides what it owns. One that is given twice gets
    /// two shares of all hosts; a configuration with such a tier is refused.
    ///
    /// Without `virtual_replicas` it is [the number that all Cocos use](default_virtual_replicas).
    pub fn new(name: String, targets: Vec<Target>, virtual_replicas: Option<u32>) -> Result<Self, TierError> {
        if targets.is_empty() {
            return Err(TierError::NoTargets);
        }
        let virtual_replicas = virtual_replicas.unwrap_or_else(|| default_virtual_replicas(targets.len()));
        if !VIRTUAL_REPLICAS.contains(&virtual_replicas) {
            return Err(TierError::VirtualReplicas { given: virtual_replicas });
        }
        let placement = Placement::Ring(Ring::new(targets.len(), virtual_replicas));
        Ok(Self { name, targets: targets.into(), virtual_replicas, placement, credentials: None })
    }

    /// The same with packets signed or encrypted.
    pub fn with_credentials(self, credentials: Option<Credentials>) -> Self {
        Self { credentials, ..self }
    }

    /// As whom its packets are signed or encrypted, if they are.
    pub fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// The name, as in `[tiers.NAME]`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The targets in the order of the configuration; never none.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// Points of each target on the ring.
    pub fn virtual_replicas(&self) -> u32 {
        self.virtual_replicas
    }

    /// The name of the hash.
    pub fn hash(&self) -> &'static str {
        self.placement.facts().hash
    }

    /// The index in [`targets`](Self::targets) of the one that owns this host.
    pub fn owner(&self, host: &[u8]) -> usize {
        self.placement.first_owner(host)
    }

    /// Which targets hold a host. Tiers whose placements are equal part all hosts alike.
    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// The label of every target on the ring, with the target's name.
    pub fn shadows(&self) -> impl ExactSizeIterator<Item = (char, &str)> {
        self.targets.iter().enumerate().map(|(index, target)| (shadow(index), target.name.as_str()))
    }

    /// What this tier routes by.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_tier(self)
    }
}

/// All tiers, in the order of the configuration; never none.
#[derive(Clone, Debug)]
pub struct Tiers(Box<[Tier]>);

#[expect(clippy::len_without_is_empty, reason = "there is always a tier")]
impl Tiers {
    /// These tiers, in this order: Noodle asks the first one first.
    pub fn new(tiers: Vec<Tier>) -> Result<Self, TierError> {
        if tiers.is_empty() {
            return Err(TierError::NoTiers);
        }
        let mut names = HashSet::with_capacity(tiers.len());
        if let Some(again) = tiers.iter().find(|tier| !names.insert(tier.name())) {
            return Err(TierError::DuplicateTier { name: again.name.clone() });
        }
        Ok(Self(tiers.into()))
    }

    /// The tiers in order.
    pub fn iter(&self) -> slice::Iter<'_, Tier> {
        self.0.iter()
    }

    /// How many there are; at least one.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The tier at this index.
    pub fn get(&self, index: usize) -> Option<&Tier> {
        self.0.get(index)
    }

    /// What all tiers route by: equal fingerprints mean that every host has the same owners, in the same order.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_tiers(self)
    }
}

impl<'a> IntoIterator for &'a Tiers {
    type Item = &'a Tier;
    type IntoIter = slice::Iter<'a, Tier>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn target(name: &str) -> Target {
        Target { name: name.to_owned(), address: name.parse().unwrap(), fetch: None }
    }

    pub(super) fn tier(
        name: &str,
        targets: &[&str],
        virtual_replicas: Option<u32>,
    ) -> Result<Tier, TierError> {
        Tier::new(name.to_owned(), targets.iter().copied().map(target).collect(), virtual_replicas)
    }

    /// The sample of the original.
    pub(super) fn sample() -> Vec<Tier> {
        vec![
            tier("shortterm", &["127.0.0.1:25827", "127.0.0.1:25828"], None).unwrap(),
            tier("midterm", &["127.0.0.1:25829", "127.0.0.1:25830"], None).unwrap(),
        ]
    }

    #[test]
    fn a_tier_shows_what_it_is_made_of() {
        let tier = tier("shortterm", &["Storage1:25826", "[0::1]:25826", "10.1.1.111:25826"], None).unwrap();
        assert_eq!(tier.name(), "shortterm");
        assert_eq!(tier.hash(), "crc32");
        assert_eq!(tier.virtual_replicas(), default_virtual_replicas(3));
        let shadows: Vec<_> = tier.shadows().collect();
        assert_eq!(
            shadows,
            [('\0', "Storage1:25826"), ('\u{1}', "[0::1]:25826"), ('\u{2}', "10.1.1.111:25826")]
        );
        assert_eq!(tier.targets()[1].address.host(), "::1");
        for host in ["", "foo", "host1.example.org"] {
            assert_eq!(tier.owner(host.as_bytes()), Ring::new(3, 96).owner(host.as_bytes()));
        }
    }

    #[test]
    fn configured_replicas_replace_the_table() {
        let tier = tier("shortterm", &["a:1", "b:1", "c:1"], Some(7)).unwrap();
        assert_eq!(tier.virtual_replicas(), 7);
        let ring = Ring::new(3, 7);
        let hosts = (0..1000).map(|host| format!("host{host}"));
        assert!(hosts.into_iter().all(|host| tier.owner(host.as_bytes()) == ring.owner(host.as_bytes())));
    }

    #[test]
    fn what_is_no_tier_is_refused() {
        assert_eq!(tier("t", &[], None).unwrap_err(), TierError::NoTargets);
        for given in [0, MAX_VIRTUAL_REPLICAS + 1, u32::MAX] {
            assert_eq!(tier("t", &["a:1"], Some(given)).unwrap_err(), TierError::VirtualReplicas { given });
        }
        assert!(tier("t", &["a:1"], Some(MAX_VIRTUAL_REPLICAS)).is_ok());
    }

    #[test]
    fn errors_name_their_subject_and_what_was_expected() {
        let error = tier("t", &["a:1"], Some(0)).unwrap_err();
        assert_eq!(error.to_string(), "0 is no number of virtual replicas: expected 1 to 10000");
    }

    #[test]
    fn tiers_keep_their_order_and_are_named_once() {
        let tiers = Tiers::new(sample()).unwrap();
        let names: Vec<_> = tiers.iter().map(Tier::name).collect();
        assert_eq!(names, ["shortterm", "midterm"]);
        assert_eq!(tiers.len(), 2);
        assert_eq!(tiers.get(1).map(Tier::name), Some("midterm"));
        assert!(tiers.get(2).is_none());

        assert_eq!(Tiers::new(Vec::new()).unwrap_err(), TierError::NoTiers);
        let mut twice = sample();
        twice.push(tier("midterm", &["a:1"], None).unwrap());
        assert_eq!(Tiers::new(twice).unwrap_err(), TierError::DuplicateTier { name: "midterm".to_owned() });
    }
}
