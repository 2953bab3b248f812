//! How processes tell that they route alike.

use std::fmt;

use sha2::{Digest, Sha256};

use super::{Tier, Tiers};

/// The first 8 bytes of a SHA-256 over all that decides who owns what; displayed as 16 hexadecimal digits.
///
/// A tier is encoded as its name, the name of its hash, the number of its virtual replicas and the list of its
/// targets as they are written; tiers are the list of them. A number is 8 bytes, big-endian; a text is its number
/// of bytes, then the bytes; a list is the number of its items, then the items. Processes of different releases
/// compare fingerprints, so this never changes. Where Noodle reads from is not part of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 8]);

impl Fingerprint {
    pub(super) fn of_tier(tier: &Tier) -> Self {
        let mut input = Input::default();
        input.tier(tier);
        input.fingerprint()
    }

    pub(super) fn of_tiers(tiers: &Tiers) -> Self {
        let mut input = Input::default();
        input.number(tiers.len());
        for tier in tiers {
            input.tier(tier);
        }
        input.fingerprint()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

#[derive(Default)]
struct Input(Sha256);

impl Input {
    fn tier(&mut self, tier: &Tier) {
        self.text(tier.name());
        self.text(tier.hash());
        self.number(tier.virtual_replicas() as usize);
        self.number(tier.targets().len());
        for target in tier.targets() {
            self.text(&target.name);
        }
    }

    fn text(&mut self, text: &str) {
        self.number(text.len());
        self.0.update(text);
    }

    fn number(&mut self, number: usize) {
        self.0.update((number as u64).to_be_bytes());
    }

    fn fingerprint(self) -> Fingerprint {
        let digest: [u8; 32] = self.0.finalize().into();
        Fingerprint(digest[..8].try_into().expect("8 of 32 bytes are 8"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{sample, target, tier};
    use super::super::{Target, Tier, Tiers};
    use super::Fingerprint;
    use crate::placement::ring::default_virtual_replicas;

    /// Of one tier, and of all tiers when it is the second of two.
    fn fingerprints(name: &str, targets: &[&str], replicas: u32) -> [Fingerprint; 2] {
        let mut tiers = sample();
        tiers[1] = tier(name, targets, Some(replicas)).unwrap();
        [tiers[1].fingerprint(), Tiers::new(tiers).unwrap().fingerprint()]
    }

    #[test]
    fn everything_that_routes_changes_the_fingerprint() {
        let seen = [
            fingerprints("t", &["a:1", "b:1"], 2),
            fingerprints("u", &["a:1", "b:1"], 2),
            fingerprints("t", &["b:1", "a:1"], 2),
            fingerprints("t", &["a:1", "b:1", "c:1"], 2),
            fingerprints("t", &["a:1"], 2),
            fingerprints("t", &["a:1", "b:2"], 2),
            fingerprints("t", &["a:1", "b:1"], 3),
            fingerprints("ta", &[":1", "b:1"], 2),
        ];
        for (index, these) in seen.iter().enumerate() {
            for those in &seen[..index] {
                assert!(these[0] != those[0] && these[1] != those[1], "{these:?} {those:?}");
            }
        }
        let mut tiers = sample();
        let [all, first] =
            [tiers.clone(), tiers[..1].to_vec()].map(|some| Tiers::new(some).unwrap().fingerprint());
        tiers.reverse();
        let reversed = Tiers::new(tiers).unwrap().fingerprint();
        assert!(all != reversed && all != first && first != reversed);
    }

    #[test]
    fn neither_the_way_to_read_nor_the_way_to_say_changes_the_fingerprint() {
        let targets = ["a:1", "b:1"];
        let fetched = targets.map(|name| Target { fetch: Some("http://r/".to_owned()), ..target(name) });
        let fetched = Tier::new("t".to_owned(), fetched.to_vec(), None).unwrap();
        let table = default_virtual_replicas(2);
        assert_eq!(fetched.fingerprint(), tier("t", &targets, None).unwrap().fingerprint());
        assert_eq!(fetched.fingerprint(), tier("t", &targets, Some(table)).unwrap().fingerprint());
    }

    /// Computed apart from this code, from the encoding that `Fingerprint` describes: it may never change.
    #[test]
    fn the_fingerprint_of_the_sample_is_the_same_in_every_release() {
        let tiers = sample();
        assert_eq!(tiers[0].fingerprint().to_string(), "463a3e0906ed9cfd");
        assert_eq!(Tiers::new(tiers).unwrap().fingerprint().to_string(), "7abf48ec216fdbd9");
    }
}
