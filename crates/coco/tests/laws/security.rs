//! Whom the gate lets in, and what came signed or encrypted.

use coco::counters::{ByReason, Count, Unwelcome};
use coco::intake::{Admission, Gate};
use coco_core::wire::{Guard, InitializationVectors, Malformed, Seal, SecurityLevel, Users};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::books::check_books;
use crate::inputs::{datagrams, packed};
use crate::model::{Contents, expected};
use crate::stages::{Packets, Stages, arrived, blacklist, ring, shape, tiers};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Signed or encrypted, a datagram is what it would be without.
    #[test]
    fn what_came_signed_or_encrypted_leaves_as_if_it_had_come_plain(
        (datagrams, shape) in (datagrams(), shape()),
        (blacklist, limit) in (blacklist(), 1024_usize..=9000),
        encrypts in any::<bool>(),
    ) {
        let seal = if encrypts { Seal::encrypting(b"alice", b"s3cret") } else { Seal::signing(b"alice", b"s3cret") };
        let mut vectors = InitializationVectors::new(&[1; 32]);
        let mut users = Users::default();
        users.add(b"alice", b"s3cret");
        let mut secured = |datagram: &Vec<u8>| {
            let mut bytes = Vec::new();
            seal.seal(datagram, &mut vectors, &mut bytes).is_ok().then_some(bytes)
        };
        // Around nothing, collectd encrypts and then refuses.
        let (plain, secured): (Vec<_>, Vec<_>) = datagrams
            .into_iter()
            .filter(|datagram| !datagram.is_empty())
            .filter_map(|datagram| secured(&datagram).map(|secured| (datagram, secured)))
            // Without users, a signature within is none to refuse.
            .filter(|(datagram, _)| Contents::of(datagram).signatures == 0)
            .filter(|(datagram, _)| Contents::of(datagram).malformed != Some(Malformed::Encrypted))
            .unzip();
        let mut stages = Stages::new(tiers(&shape), blacklist.clone(), limit, 1 << 20, plain.len());
        let from_plain = stages.run(&plain, 1);
        let mut stages = Stages::new(tiers(&shape), blacklist.clone(), limit, 1 << 20, plain.len());
        stages.gate = Gate::new(Admission::new(Vec::new(), Guard::new(SecurityLevel::Sign, Some(users))));
        prop_assert_eq!(stages.run(&secured, 1), from_plain, "byte for byte");
        let contents: Vec<Contents> = plain.iter().map(|datagram| Contents::of(datagram)).collect();
        check_books(&stages, &contents, blacklist.as_ref())?;
        prop_assert_eq!(stages.lane.counts.get(Count::Verified), stages.lane.counts.get(Count::Decoded));
    }

    /// Whom the gate turns away is counted, and does not keep others from coming in.
    #[test]
    fn who_is_not_allowed_is_counted_and_leaves_nothing(
        datagrams in vec((packed(&[b"web1", b"web2"]), any::<bool>()), 1..8),
    ) {
        let datagrams: Vec<_> =
            datagrams.into_iter().flat_map(|(datagrams, is_allowed)| datagrams.into_iter().map(move |it| (it, is_allowed))).collect();
        let mut stages = Stages::new(tiers(&[ring(2)]), None, 1452, 1 << 20, datagrams.len());
        stages.gate = Gate::new(Admission::new(vec!["10.0.0.0/8".parse().unwrap()], Guard::default()));
        for (datagram, is_allowed) in &datagrams {
            stages.batch.free_slots().next().unwrap()[..datagram.len()].copy_from_slice(datagram);
            let source = if *is_allowed { "10.1.2.3:1" } else { "[::ffff:192.0.2.7]:1" };
            stages.batch.add(datagram.len(), Some(source.parse().unwrap()));
        }
        let mut packets = Packets::new();
        stages.rounds(|stages| packets.extend(stages.finish()));
        let allowed: Vec<_> = datagrams.iter().filter(|(_, is_allowed)| *is_allowed).map(|(it, _)| it.clone()).collect();
        prop_assert_eq!(arrived(&stages.tiers, &packets, 1452), expected(&stages.tiers, None, &allowed));
        let counts = &stages.lane.counts;
        prop_assert_eq!(counts.get(Count::Raw), datagrams.len() as u64);
        let refused = counts.get_reason(ByReason::Refused(Unwelcome::NotAllowed));
        prop_assert_eq!(refused, (datagrams.len() - allowed.len()) as u64);
    }
}
