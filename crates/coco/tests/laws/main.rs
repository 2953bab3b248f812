//! The laws that hold for what leaves: nothing is lost, changed, sent elsewhere or counted wrongly, whatever comes.
//!
//! The stages run one after another without sockets or threads. `inputs` makes datagrams, `model` says what must
//! become of them.

#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]

mod inputs;
mod model;
mod strangers;

use coco::batch::Batch;
use coco::counters::{ByReason, Count};
use coco::filter::Filter;
use coco::gate::{Admission, Gate, Unwelcome};
use coco::lane::Lane;
use coco::listen::decode;
use coco::routes::Detail;
use coco::routing::{Newest, Routing, Rules};
use coco::secrets::Seals;
use coco::send::Packing;
use coco::spread::{LaneOfHost, Spread};
use coco_core::config::{Config, Program};
use coco_core::tier::{Target, Tier, Tiers};
use coco_core::value_list::{Identifier, ValueListRef};
use coco_core::wire::{
    Decoder, Event, Guard, InitializationVectors, Malformed, PacketBuilder, Seal, SecurityLevel, Users,
};
use inputs::{LARGEST, by_hand, datagrams, of_one_host, packed};
use model::{Contents, Received, expected, is_blacklisted};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use regex::bytes::Regex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The three stages of a lane.
struct Stages {
    tiers: Arc<Tiers>,
    newest: Arc<Newest>,
    lane: Lane,
    filter: Filter,
    packing: Packing,
    batch: Batch,
    gate: Gate,
}

/// What left: the index of the outlet, the bytes, and how many value lists and notifications are said to be inside.
type Packets = Vec<(usize, Vec<u8>, u32, u32)>;

impl Stages {
    fn new(tiers: Tiers, blacklist: Option<Regex>, limit: usize, memory: usize, batch: usize) -> Self {
        let newest = Arc::new(Newest::from_pointee(Routing::new(
            &config(tiers, blacklist, limit),
            Seals::default(),
            1,
        )));
        Self {
            tiers: Arc::clone(&newest.load().tiers),
            lane: Lane::new(0, memory),
            filter: Filter::new(Arc::clone(&newest)),
            packing: Packing::new(newest.load_full()),
            batch: Batch::new(batch),
            newest,
            gate: Gate::default(),
        }
    }

    /// From the next batch on, another configuration holds.
    fn reload(&mut self, tiers: Tiers, blacklist: Option<Regex>, limit: usize) {
        let renewed = self.newest.load().renewed(&config(tiers, blacklist, limit), Seals::default());
        self.tiers = Arc::clone(&renewed.tiers);
        self.newest.store(Arc::new(renewed));
    }

    fn rules(&self) -> Rules {
        Rules::new(self.newest.load_full())
    }

    /// Runs one batch through, and checks the books that must balance after each.
    fn run(&mut self, datagrams: &[Vec<u8>], now: u32) -> Packets {
        self.take_in(datagrams, now);
        decode(&mut self.batch, &self.lane, &self.gate);
        self.finish()
    }

    fn take_in(&mut self, datagrams: &[Vec<u8>], now: u32) {
        self.batch.clear();
        for datagram in datagrams {
            self.batch.free_slots().next().unwrap()[..datagram.len()].copy_from_slice(datagram);
            self.batch.add(datagram.len(), None);
        }
        self.batch.received = now;
    }

    /// The same from the second stage on.
    fn finish(&mut self) -> Packets {
        self.packing.clear();
        self.filter.decide(&mut self.batch, &self.lane);
        assert_eq!(self.lane.raw.waiting(), 0);
        let routing = self.batch.routing.as_ref().unwrap();
        if !Arc::ptr_eq(routing, self.packing.routing()) {
            self.packing = Packing::new(Arc::clone(routing));
        }
        let packed = self.packing.pack(&self.batch);
        assert_eq!(self.lane.filtered.waiting(), packed);
        self.lane.filtered.leave(packed);
        let packets = self.packing.packed().flat_map(|(outlet, packets)| {
            packets.packets().map(move |(packet, bytes)| {
                (outlet, bytes.to_vec(), packet.value_lists, packet.notifications)
            })
        });
        packets.collect()
    }
}

fn config(tiers: Tiers, blacklist: Option<Regex>, limit: usize) -> Config {
    let mut config = Config::parse("tiers.a.targets = ['a:1']", Program::Coco).unwrap();
    config.tiers = tiers;
    config.filter.blacklist = blacklist;
    config.send.max_packet_size = limit;
    config
}

/// How many targets a tier has, and how many virtual replicas each if not those of the table.
type Shape = (usize, Option<u32>);

fn tiers(shape: &[Shape]) -> Tiers {
    let tier = |(number, &(targets, virtual_replicas)): (usize, &Shape)| {
        let target = |target: usize| {
            let name = format!("10.0.{number}.{target}:25826");
            Target { address: name.parse().unwrap(), name, fetch: None }
        };
        Tier::new(format!("tier{number}"), (0..targets).map(target).collect(), virtual_replicas).unwrap()
    };
    Tiers::new(shape.iter().enumerate().map(tier).collect()).unwrap()
}

/// Some tiers part the hosts alike, others have as many targets and part them in other ways.
fn shape() -> impl Strategy<Value = Vec<Shape>> {
    vec((1_usize..=5, select(&[None, None, Some(3)][..])), 1..=3)
}

fn blacklist() -> impl Strategy<Value = Option<Regex>> {
    let texts = vec!["/(vmem|irq)/", "^web1/", "idle$", "^.*$", r"(?-u:\xff)", "^web1/irq/", "/a/b/"];
    proptest::option::of(select(texts).prop_map(|text| Regex::new(text).unwrap()))
}

/// From nothing at all to more than enough: forwarding must not depend on it.
fn memory() -> impl Strategy<Value = usize> {
    prop_oneof![Just(0), 0_usize..4096, Just(1 << 20)]
}

fn size_alone(list: &ValueListRef<'_>) -> usize {
    let mut builder = PacketBuilder::new(usize::MAX);
    builder.push(list);
    builder.close();
    builder.packets().map(|(_, bytes)| bytes.len()).sum()
}

/// By tier and target, instead of by outlet.
fn arrived(tiers: &Tiers, packets: &Packets, limit: usize) -> BTreeMap<(usize, usize), Received> {
    let places: Vec<_> = tiers
        .iter()
        .enumerate()
        .flat_map(|(tier, it)| (0..it.targets().len()).map(move |target| (tier, target)))
        .collect();
    let mut arrived: BTreeMap<(usize, usize), Received> = BTreeMap::new();
    for (outlet, bytes, value_lists, notifications) in packets {
        let contents = Contents::of(bytes);
        assert_eq!(contents.malformed, None);
        assert_eq!(
            (contents.incomplete.len(), contents.refused_notifications.len(), contents.signatures),
            (0, 0, 0)
        );
        assert_eq!(contents.value_lists.len(), *value_lists as usize);
        assert_eq!(contents.notifications.len(), *notifications as usize);
        match contents.notifications.len() {
            0 => assert!(!contents.value_lists.is_empty(), "an empty packet"),
            count => assert_eq!((count, contents.value_lists.len()), (1, 0), "a notification leaves alone"),
        }
        if bytes.len() > limit {
            assert_eq!(contents.value_lists.len(), 1, "a packet of {} bytes", bytes.len());
            let list = contents.value_lists[0].as_ref();
            assert!(size_alone(&list) > limit);
        }
        arrived.entry(places[*outlet]).or_default().add(contents);
    }
    arrived
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_came_and_is_not_blacklisted_leaves_to_its_owner_of_every_tier(
        shape in shape(),
        blacklist in blacklist(),
        limit in 1024_usize..=9000,
        memory in memory(),
        // Agents send the same metrics again and again, mostly in the same order.
        (pool, picks) in (vec(datagrams(), 1..3), vec(any::<Index>(), 1..5)),
    ) {
        let batches: Vec<_> = picks.iter().map(|pick| pick.get(&pool)).collect();
        let largest = pool.iter().map(Vec::len).max().unwrap();
        let mut stages = Stages::new(tiers(&shape), blacklist.clone(), limit, memory, largest);
        for (now, batch) in batches.iter().enumerate() {
            let packets = stages.run(batch, now as u32);
            let arrived = arrived(&stages.tiers, &packets, limit);
            prop_assert_eq!(arrived, expected(&stages.tiers, blacklist.as_ref(), batch));
        }
        let contents: Vec<Contents> = batches.iter().copied().flatten().map(|datagram| Contents::of(datagram)).collect();
        check_books(&stages.lane, &contents, blacklist.as_ref())?;
        let seen = batches.iter().enumerate().flat_map(|(now, batch)| batch.iter().map(move |it| (now as u32, it)));
        check_memory(&stages.lane, seen, blacklist.as_ref(), &mut stages.rules())?;
        prop_assert!(stages.lane.routes().used() <= memory);
    }

    /// Whatever was remembered by an older configuration.
    #[test]
    fn a_batch_leaves_by_the_configuration_of_its_time(
        configs in vec((shape(), blacklist(), 1024_usize..=9000), 1..4),
        memory in memory(),
        (pool, picks) in (vec(datagrams(), 1..3), vec((any::<Index>(), any::<Index>()), 1..6)),
    ) {
        let largest = pool.iter().map(Vec::len).max().unwrap();
        let (shape, mut blacklist, limit) = configs[0].clone();
        let mut stages = Stages::new(tiers(&shape), blacklist.clone(), limit, memory, largest);
        let mut batches = Vec::new();
        for (now, (batch, config)) in picks.iter().enumerate() {
            let (shape, new_blacklist, limit) = config.get(&configs);
            blacklist.clone_from(new_blacklist);
            stages.reload(tiers(shape), blacklist.clone(), *limit);
            let batch = batch.get(&pool);
            let packets = stages.run(batch, now as u32);
            let arrived = arrived(&stages.tiers, &packets, *limit);
            prop_assert_eq!(arrived, expected(&stages.tiers, blacklist.as_ref(), batch));
            batches.push((now as u32, batch));
        }
        let seen = || batches.iter().flat_map(|(now, batch)| batch.iter().map(move |it| (*now, it)));
        // As a reader sees it at once, and after all has been decided anew.
        check_memory(&stages.lane, seen(), blacklist.as_ref(), &mut stages.rules())?;
        let used = stages.lane.routes().used();
        prop_assert_eq!(stages.lane.routes().renew_some(0, &mut stages.rules()), None);
        check_memory(&stages.lane, seen(), blacklist.as_ref(), &mut stages.rules())?;
        prop_assert!(used <= memory && stages.lane.routes().used() == used);
    }

    #[test]
    fn a_datagram_of_one_host_leaves_as_it_came(
        datagrams in prop_oneof![of_one_host(), vec(by_hand(), 1..8)],
        shape in shape(),
        limit in prop_oneof![1024_usize..=9000, Just(LARGEST)],
    ) {
        for datagram in datagrams {
            let contents = Contents::of(&datagram);
            if datagram.len() > limit || !contents.is_of_one_host_alone() {
                continue;
            }
            let mut stages = Stages::new(tiers(&shape), None, limit, 1 << 20, 1);
            let packets = stages.run(std::slice::from_ref(&datagram), 1);
            prop_assert_eq!(packets.len(), shape.len());
            prop_assert!(packets.iter().all(|(_, bytes, ..)| *bytes == datagram));
        }
    }

    #[test]
    fn spread_over_lanes_every_host_is_on_one_and_all_leave_as_they_would_from_one(
        shape in shape(),
        lanes in 1_usize..5,
        (pool, picks) in (vec(datagrams(), 1..3), vec(any::<Index>(), 1..4)),
    ) {
        let largest = pool.iter().map(Vec::len).max().unwrap();
        let stages = || Stages::new(tiers(&shape), None, 1452, 1 << 20, largest);
        let (mut all, mut lanes) = (stages(), (0..lanes).map(|_| stages()).collect::<Vec<_>>());
        let mut spread = Spread::new(LaneOfHost::new(lanes.len()));
        let mut lane_of: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
        for datagrams in picks.iter().map(|pick| pick.get(&pool)) {
            all.take_in(datagrams, 7);
            decode(&mut all.batch, &all.lane, &Gate::default());
            spread.divide(&all.batch, |_| Some(Batch::new(largest))).unwrap();
            let mut packets = Packets::new();
            for (lane, part) in spread.parts() {
                all.lane.raw.leave(part.pending());
                lanes[lane].lane.raw.enter(part.pending());
                prop_assert_eq!(part.received, 7);
                lanes[lane].batch = part;
                let own = lanes[lane].finish();
                for list in own.iter().flat_map(|(_, bytes, ..)| Contents::of(bytes).value_lists) {
                    prop_assert_eq!(*lane_of.entry(list.identifier.host).or_insert(lane), lane);
                }
                packets.extend(own);
            }
            prop_assert_eq!(all.lane.raw.waiting(), 0);
            let [mut arrived, mut expected] =
                [arrived(&all.tiers, &packets, 1452), expected(&all.tiers, None, datagrams)];
            // Each lane sends notifications by itself: they keep the order of their host.
            for received in arrived.values_mut().chain(expected.values_mut()) {
                received.notifications.sort_by(|a, b| a.identifier.host.cmp(&b.identifier.host));
            }
            prop_assert_eq!(arrived, expected);
        }
    }

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
        check_books(&stages.lane, &contents, blacklist.as_ref())?;
        prop_assert_eq!(stages.lane.counts.get(Count::Verified), stages.lane.counts.get(Count::Decoded));
    }

    /// Whom the gate turns away is counted, and does not keep others from coming in.
    #[test]
    fn who_is_not_allowed_is_counted_and_leaves_nothing(
        datagrams in vec((packed(&[b"web1", b"web2"]), any::<bool>()), 1..8),
    ) {
        let datagrams: Vec<_> =
            datagrams.into_iter().flat_map(|(datagrams, is_allowed)| datagrams.into_iter().map(move |it| (it, is_allowed))).collect();
        let mut stages = Stages::new(tiers(&[(2, None)]), None, 1452, 1 << 20, datagrams.len());
        stages.gate = Gate::new(Admission::new(vec!["10.0.0.0/8".parse().unwrap()], Guard::default()));
        for (datagram, is_allowed) in &datagrams {
            stages.batch.free_slots().next().unwrap()[..datagram.len()].copy_from_slice(datagram);
            let source = if *is_allowed { "10.1.2.3:1" } else { "[::ffff:192.0.2.7]:1" };
            stages.batch.add(datagram.len(), Some(source.parse().unwrap()));
        }
        decode(&mut stages.batch, &stages.lane, &stages.gate);
        let packets = stages.finish();
        let allowed: Vec<_> = datagrams.iter().filter(|(_, is_allowed)| *is_allowed).map(|(it, _)| it.clone()).collect();
        prop_assert_eq!(arrived(&stages.tiers, &packets, 1452), expected(&stages.tiers, None, &allowed));
        let counts = &stages.lane.counts;
        prop_assert_eq!(counts.get(Count::Raw), datagrams.len() as u64);
        let refused = counts.get_reason(ByReason::Refused(Unwelcome::NotAllowed));
        prop_assert_eq!(refused, (datagrams.len() - allowed.len()) as u64);
    }

    /// Any bytes at all.
    #[test]
    fn noise_is_survived_and_counted(datagrams in vec(vec(any::<u8>(), 0..300), 1..20)) {
        let mut stages = Stages::new(tiers(&[(2, None), (1, None)]), None, 1452, 1 << 20, datagrams.len());
        let packets = stages.run(&datagrams, 1);
        prop_assert_eq!(arrived(&stages.tiers, &packets, 1452), expected(&stages.tiers, None, &datagrams));
        let contents: Vec<Contents> = datagrams.iter().map(|datagram| Contents::of(datagram)).collect();
        check_books(&stages.lane, &contents, None)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// The clock of the machine may be set, in either direction, while something is remembered and forgotten.
    #[test]
    fn a_clock_that_jumps_loses_memories_and_nothing_else(
        (shape, blacklist, memory) in (shape(), blacklist(), memory()),
        (pool, picks) in (vec(datagrams(), 1..3), vec((any::<Index>(), any::<u32>(), any::<u32>()), 1..6)),
    ) {
        let largest = pool.iter().map(Vec::len).max().unwrap();
        let mut stages = Stages::new(tiers(&shape), blacklist.clone(), 1452, memory, largest);
        for (pick, now, forget_before) in picks {
            let batch = pick.get(&pool);
            let packets = stages.run(batch, now);
            prop_assert_eq!(arrived(&stages.tiers, &packets, 1452), expected(&stages.tiers, blacklist.as_ref(), batch));
            let mut next = Some(0);
            while let Some(from) = next {
                next = stages.lane.routes().expire(from, forget_before);
            }
            prop_assert!(stages.lane.routes().used() <= memory);
        }
    }
}

/// What is remembered was seen, then and with that verdict, and all of it unless something was counted as unremembered.
fn check_memory<'a>(
    lane: &Lane,
    seen: impl Iterator<Item = (u32, &'a Vec<u8>)>,
    blacklist: Option<&Regex>,
    rules: &mut Rules,
) -> Result<(), TestCaseError> {
    let mut expected = BTreeMap::new();
    for (now, datagram) in seen {
        for list in Contents::of(datagram).value_lists {
            let rejected = is_blacklisted(blacklist, &list);
            let Identifier { host, plugin, plugin_instance, type_name, type_instance } = list.identifier;
            expected.insert((host, vec![plugin, plugin_instance, type_name, type_instance]), (rejected, now));
        }
    }
    let mut hosts = Vec::new();
    prop_assert_eq!(lane.routes().excerpt(0, Detail::Metrics, rules, &mut hosts), None);
    let mut remembered = 0;
    for host in &hosts {
        let owners: Vec<_> = rules.routing().partitions.owners(&host.name).collect();
        prop_assert_eq!(host.owners.as_slice(), owners);
        let accepted = host.metrics.iter().filter(|metric| !metric.rejected).count();
        prop_assert_eq!(host.accepted as usize, accepted);
        for metric in &host.metrics {
            let parts: Vec<_> = metric.name.parts().map(<[u8]>::to_vec).collect();
            let found = expected.get(&(host.name.to_vec(), parts));
            prop_assert_eq!(found, Some(&(metric.rejected, metric.seen)));
            remembered += 1;
        }
    }
    if lane.counts.get(Count::Unremembered) == 0 {
        prop_assert_eq!(remembered, expected.len());
    } else {
        prop_assert!(remembered <= expected.len());
    }
    Ok(())
}

fn check_books(lane: &Lane, contents: &[Contents], blacklist: Option<&Regex>) -> Result<(), TestCaseError> {
    let sum = |of: fn(&Contents) -> u64| contents.iter().map(of).sum::<u64>();
    let decoded = sum(|contents| contents.value_lists.len() as u64);
    let lists = contents.iter().flat_map(|contents| &contents.value_lists);
    let rejected = lists.filter(|list| is_blacklisted(blacklist, list)).count() as u64;
    let expected = [
        (Count::Raw, contents.len() as u64),
        (Count::Decoded, decoded),
        (Count::Rejected, rejected),
        (Count::Accepted, decoded - rejected),
        (Count::Unverified, sum(|contents| contents.unverified)),
        (Count::UnknownParts, sum(|contents| contents.unknown_parts)),
        (Count::Notifications, sum(|contents| contents.notifications.len() as u64)),
        (Count::FetchReceive, sum(|contents| u64::from(contents.malformed.is_some()))),
        (Count::Unhandled, 0),
    ];
    for (count, expected) in expected {
        prop_assert_eq!(lane.counts.get(count), expected, "{:?}", count);
    }
    for reason in ByReason::all() {
        let of = |contents: &Contents| match reason {
            ByReason::Malformed(reason) => usize::from(contents.malformed == Some(reason)),
            ByReason::Incomplete(reason) => {
                contents.incomplete.iter().filter(|&&other| other == reason).count()
            }
            ByReason::RefusedNotification(reason) => {
                contents.refused_notifications.iter().filter(|&&other| other == reason).count()
            }
            ByReason::Refused(_) => 0,
        };
        let expected: usize = contents.iter().map(of).sum();
        prop_assert_eq!(lane.counts.get_reason(reason), expected as u64, "{:?}", reason);
    }
    Ok(())
}

/// A datagram that fits the limit and is of one host travels with its neighbours, not alone.
#[test]
fn small_datagrams_of_one_target_share_a_packet() {
    let datagrams: Vec<_> =
        (0..10).map(|number| inputs::one_value_list(format!("web{number}").as_bytes())).collect();
    let mut stages = Stages::new(tiers(&[(1, None)]), None, 1452, 1 << 20, 10);
    let packets = stages.run(&datagrams, 1);
    assert_eq!(packets, [(0, datagrams.concat(), 10, 0)]);
    let events: Vec<_> = Decoder::new(&packets[0].1).collect();
    assert!(events.len() == 10 && events.iter().all(|event| matches!(event, Ok(Event::ValueList(_)))));
}

#[test]
fn hosts_of_one_sender_reach_every_lane() {
    let datagrams: Vec<_> =
        (0..1000).map(|number| inputs::one_value_list(format!("web{number}").as_bytes())).collect();
    let mut stages = Stages::new(tiers(&[(1, None)]), None, 1452, 0, datagrams.len());
    stages.take_in(&datagrams, 1);
    decode(&mut stages.batch, &stages.lane, &Gate::default());
    let mut spread = Spread::new(LaneOfHost::new(4));
    spread.divide(&stages.batch, |_| Some(Batch::new(datagrams.len()))).unwrap();
    let shares: Vec<_> = spread.parts().map(|(_, part)| part.pending()).collect();
    assert_eq!((shares.len(), shares.iter().sum::<u64>()), (4, 1000));
    assert!(shares.iter().all(|&share| share > 150), "{shares:?}");
}

/// A panic in the filter cannot be caused from outside, so its mending is called as the pipeline calls it.
#[test]
fn what_the_filter_left_undecided_is_rejected_and_counted() {
    let datagram = inputs::one_value_list(b"web1");
    let mut stages = Stages::new(tiers(&[(2, None)]), None, 1452, 1 << 20, 2);
    stages.batch.free_slots().next().unwrap()[..datagram.len()].copy_from_slice(&datagram);
    stages.batch.add(datagram.len(), None);
    decode(&mut stages.batch, &stages.lane, &Gate::default());
    stages.filter.recover(&mut stages.batch, &stages.lane);
    assert_eq!(stages.packing.pack(&stages.batch), 0);
    assert_eq!(stages.packing.packed().count(), 0);
    let counts = [Count::Decoded, Count::Rejected, Count::Accepted, Count::Unhandled];
    assert_eq!(counts.map(|count| stages.lane.counts.get(count)), [1, 1, 0, 1]);
    assert_eq!((stages.lane.raw.waiting(), stages.lane.filtered.waiting()), (0, 0));
    // The next batch is none the worse for it.
    assert_eq!(stages.run(&[datagram], 2).len(), 1);
}
