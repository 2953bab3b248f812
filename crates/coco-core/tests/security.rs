//! Laws of signing and encrypting, over generated packets: what is sealed opens to what it was, and nothing else does.

#![allow(clippy::unwrap_used, reason = "a panic is how a test says what is wrong")]

mod support;

use coco_core::wire::{Guard, InitializationVectors, Malformed, Seal, SecurityLevel, Users};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use support::generate::{bytes_of, datagram};
use support::parts::*;
use support::{Reading, corpus, listener};

/// A guard that knows one user.
fn guard(level: SecurityLevel, user: &[u8], password: &[u8]) -> Guard {
    let mut users = Users::default();
    users.add(user, password);
    Guard::new(level, Some(users))
}

fn seal_with(encrypts: bool, user: &[u8], password: &[u8]) -> Seal {
    if encrypts { Seal::encrypting(user, password) } else { Seal::signing(user, password) }
}

fn sealed(seal: &Seal, packet: &[u8]) -> Vec<u8> {
    let (mut bytes, mut vectors) = (Vec::new(), InitializationVectors::new(&[3; 32]));
    seal.seal(packet, &mut vectors, &mut bytes).unwrap();
    bytes
}

fn user() -> impl Strategy<Value = Vec<u8>> {
    vec(1..=255_u8, 1..=64)
}

fn password() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 1..200)
}

fn packet() -> impl Strategy<Value = Vec<u8>> {
    datagram()
        .prop_map(|parts| parts.iter().flat_map(bytes_of).collect::<Vec<_>>())
        .prop_filter("collectd sends no empty packets", |packet| !packet.is_empty())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_sealed_opens_to_what_it_was(
        (user, password, packet, encrypts) in (user(), password(), packet(), any::<bool>()),
    ) {
        let seal = seal_with(encrypts, &user, &password);
        let bytes = sealed(&seal, &packet);
        prop_assert_eq!(bytes.len(), packet.len() + seal.overhead());
        let expected = Reading::of(&packet);
        for level in SecurityLevel::ALL {
            let (mut reading, opened) = Reading::guarded(&bytes, &guard(level, &user, &password));
            if level == SecurityLevel::Encrypt && !encrypts {
                prop_assert_eq!((reading, opened.ignored), (Reading::default(), true));
                continue;
            }
            prop_assert_eq!(reading.verified, expected.lists.len());
            // Offsets are those of the datagram, a few bytes further on.
            reading.verified = 0;
            prop_assert_eq!(reading.refused_lists.len(), expected.refused_lists.len());
            reading.refused_lists.clone_from(&expected.refused_lists);
            prop_assert_eq!(&reading, &expected);
            prop_assert!(!opened.ignored);
        }
    }

    /// But for the length of a signature, which it does not cover: a longer one takes in the first parts, behind a NUL.
    #[test]
    fn a_flipped_bit_is_refused(
        (user, password, packet, encrypts) in (user(), password(), packet(), any::<bool>()),
        (byte, bit) in (any::<Index>(), 0..8_u8),
    ) {
        let mut bytes = sealed(&seal_with(encrypts, &user, &password), &packet);
        let byte = byte.index(bytes.len());
        prop_assume!(encrypts || !(2..4).contains(&byte));
        bytes[byte] ^= 1 << bit;
        let (reading, opened) = Reading::guarded(&bytes, &guard(SecurityLevel::Sign, &user, &password));
        prop_assert!(reading.error.is_some() || opened.ignored, "byte {}", byte);
        prop_assert_eq!((reading.lists.len(), reading.notifications.len()), (0, 0), "byte {}", byte);
    }

    #[test]
    fn another_password_opens_nothing(
        (user, password, other, packet, encrypts) in (user(), password(), password(), packet(), any::<bool>()),
    ) {
        // HMAC fills short keys up with zeros.
        let end = |password: &[u8]| password.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        prop_assume!(password[..end(&password)] != other[..end(&other)]);
        let bytes = sealed(&seal_with(encrypts, &user, &password), &packet);
        let error = if encrypts { Malformed::ChecksumMismatch } else { Malformed::SignatureMismatch };
        let (reading, _) = Reading::guarded(&bytes, &guard(SecurityLevel::None, &user, &other));
        prop_assert_eq!(reading, Reading { error: Some(error), ..Reading::default() });
    }

    /// Any bytes at all, among them such as lead to keys.
    #[test]
    fn noise_is_survived(
        (seed, cuts) in (any::<Index>(), vec((any::<Index>(), any::<u8>()), 0..4)),
        level in prop::sample::select(vec!["none", "none+auth", "sign", "encrypt"]),
    ) {
        let corpus: &[Vec<u8>] = &CORPUS;
        let mut bytes = seed.get(corpus).clone();
        for (at, byte) in cuts {
            if !bytes.is_empty() {
                let at = at.index(bytes.len().min(60));
                bytes[at] = byte;
            }
        }
        Reading::guarded(&bytes, &listener(level));
    }
}

static CORPUS: std::sync::LazyLock<Vec<Vec<u8>>> = std::sync::LazyLock::new(|| {
    let mut corpus: Vec<_> = corpus().map(|(_, datagram)| datagram).collect();
    corpus.truncate(1000);
    corpus
});

/// Nothing is in force on the other side of a border, and what is opened leaves what surrounds it as it was.
#[test]
fn what_is_in_force_stays_on_its_side_of_a_border() {
    let alice = Seal::encrypting(b"alice", b"s3cret");
    let inner = sealed(&alice, &gauges(&[2.0]));
    let datagram = [&identity()[..], &inner, &gauges(&[3.0])].concat();
    let (reading, opened) = Reading::guarded(&datagram, &listener("none+auth"));
    assert_eq!((reading.lists.len(), reading.refused_lists.len()), (1, 1));
    assert_eq!(reading.error, None);
    assert_eq!(opened.whole, None, "of two sorts");
}

#[test]
fn an_error_inside_ends_the_part_and_a_part_that_does_not_open_ends_the_datagram() {
    let alice = Seal::encrypting(b"alice", b"s3cret");
    let good = sealed(&alice, &[identity(), gauges(&[1.0])].concat());
    let odd = sealed(&alice, &[identity(), gauges(&[1.0]), vec![0]].concat());
    let (reading, _) = Reading::guarded(&[&odd[..], &good].concat(), &listener("encrypt"));
    assert_eq!((reading.lists.len(), reading.error), (2, Some(Malformed::StrayBytes)));

    let stranger = sealed(&Seal::encrypting(b"mallory", b"s3cret"), &gauges(&[1.0]));
    let (reading, _) = Reading::guarded(&[&good[..], &stranger, &good].concat(), &listener("encrypt"));
    assert_eq!((reading.lists.len(), reading.error), (1, Some(Malformed::UnknownUser)));
}

#[test]
fn the_user_of_what_is_refused_is_named() {
    let bytes = sealed(&Seal::signing(b"mallory", b"s3cret"), &gauges(&[1.0]));
    let mut named = Vec::new();
    listener("sign").decode(&mut bytes.clone(), |bytes, _, event| {
        named.push(event.unwrap_err().user.of(bytes).to_vec());
    });
    assert_eq!(named, [b"mallory"]);
}

/// A few levels are as good as any, a few hundred are refused before they cost more than a few datagrams would.
#[test]
fn what_a_datagram_may_ask_for_is_bounded() {
    for encrypts in [false, true] {
        let seal = seal_with(encrypts, b"alice", b"s3cret");
        let mut packet = [identity(), gauges(&[1.0])].concat();
        for depth in 1.. {
            packet = sealed(&seal, &packet);
            let (reading, _) = Reading::guarded(&packet, &listener("sign"));
            match reading.error {
                None => assert_eq!(reading.lists.len(), 1),
                Some(error) => {
                    assert_eq!((error, reading.lists.len()), (Malformed::Nesting, 0));
                    assert!((50..200).contains(&depth), "{depth}");
                    break;
                }
            }
        }
    }
}

#[test]
fn a_level_without_users_trusts_nobody() {
    let bytes = sealed(&Seal::signing(b"alice", b"s3cret"), &gauges(&[1.0]));
    let (reading, _) = Reading::guarded(&bytes, &Guard::new(SecurityLevel::Sign, None));
    assert_eq!(reading.error, Some(Malformed::UnknownUser));
}
