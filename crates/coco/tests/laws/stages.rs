//! The stages of a lane as one, and what leaves them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use coco::batch::Batch;
use coco::decide::Filter;
use coco::intake::{Gate, decode};
use coco::lane::Lane;
use coco::plan::{Newest, Routing, Rules};
use coco::secrets::Seals;
use coco::send::{Packing, Progress};
use coco_core::config::CocoConfig;
use coco_core::placement::migration::Headway;
use coco_core::tier::{Placed, Placing, Role, Target, Tier, Tiers};
use coco_core::value_list::ValueListRef;
use coco_core::wire::PacketBuilder;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use regex::bytes::Regex;

use crate::model::{Contents, Received};

/// The three stages of a lane.
pub(crate) struct Stages {
    pub(crate) tiers: Arc<Tiers>,
    pub(crate) newest: Arc<Newest>,
    pub(crate) lane: Lane,
    pub(crate) filter: Filter,
    pub(crate) packing: Packing,
    /// Bytes that packets had room for, at most.
    pub(crate) most_packed: usize,
    pub(crate) batch: Batch,
    /// When the next batch comes.
    pub(crate) now: Instant,
    /// How long ago what is taken in has come.
    pub(crate) late: Duration,
    pub(crate) gate: Gate,
    linger: Duration,
}

/// What left: the index of the outlet, the bytes, and how many value lists and notifications are said to be inside.
pub(crate) type Packets = Vec<(usize, Vec<u8>, u32, u32)>;

impl Stages {
    pub(crate) fn new(
        tiers: Tiers,
        blacklist: Option<Regex>,
        limit: usize,
        memory: usize,
        batch: usize,
    ) -> Self {
        Self::holding_back(tiers, blacklist, limit, memory, batch, Duration::ZERO)
    }

    /// The same, which holds packets back for so long.
    pub(crate) fn holding_back(
        tiers: Tiers,
        blacklist: Option<Regex>,
        limit: usize,
        memory: usize,
        batch: usize,
        linger: Duration,
    ) -> Self {
        let mut config = config(tiers, blacklist, limit);
        config.send.linger = linger;
        let newest = Arc::new(Newest::from_pointee(Routing::new(&config, Seals::default(), 1)));
        Self {
            linger,
            now: Instant::now(),
            late: Duration::ZERO,
            tiers: Arc::clone(&newest.load().tiers),
            lane: Lane::new(0, memory),
            filter: Filter::new(Arc::clone(&newest)),
            packing: Packing::new(newest.load_full()),
            most_packed: 0,
            batch: Batch::new(batch),
            newest,
            gate: Gate::default(),
        }
    }

    /// From the next batch on, another configuration holds.
    pub(crate) fn reload(&mut self, tiers: Tiers, blacklist: Option<Regex>, limit: usize) {
        let mut config = config(tiers, blacklist, limit);
        config.send.linger = self.linger;
        let renewed = self.newest.load().renewed(&config, Seals::default());
        self.tiers = Arc::clone(&renewed.tiers);
        self.newest.store(Arc::new(renewed));
    }

    pub(crate) fn rules(&self) -> Rules {
        Rules::new(self.newest.load_full())
    }

    /// Runs one batch through, and checks the books that must balance after each.
    pub(crate) fn run(&mut self, datagrams: &[Vec<u8>], now: u32) -> Packets {
        self.take_in(datagrams, now);
        let mut packets = Packets::new();
        self.rounds(|stages| packets.extend(stages.finish()));
        packets
    }

    /// Decodes the batch round by round, as listen does: `round` finds each in its place.
    pub(crate) fn rounds(&mut self, mut round: impl FnMut(&mut Self)) {
        let part = Batch::new(self.batch.capacity());
        let mut received = std::mem::replace(&mut self.batch, part);
        loop {
            decode(&mut received, &self.lane, &self.gate);
            if received.is_one_round() {
                self.batch = received;
                return round(self);
            }
            self.batch.clear();
            self.batch.add_round(&received);
            round(self);
            if !received.has_rest() {
                return;
            }
            received.next_round();
        }
    }

    pub(crate) fn take_in(&mut self, datagrams: &[Vec<u8>], now: u32) {
        self.batch.clear();
        for datagram in datagrams {
            self.batch.free_slots().next().unwrap()[..datagram.len()].copy_from_slice(datagram);
            self.batch.add(datagram.len(), None);
        }
        self.batch.received = now;
        self.batch.arrived = self.now - self.late;
    }

    /// What was held and is due by then, or all of it.
    pub(crate) fn flush(&mut self, by: Option<Instant>) -> Packets {
        let mut left = Packets::new();
        while self.packing.pack_held(by) {
            left.extend(self.packed());
            self.packing.clear();
        }
        left
    }

    fn packed(&self) -> impl Iterator<Item = (usize, Vec<u8>, u32, u32)> {
        self.packing.packed().flat_map(|(outlet, packets)| {
            packets.packets().map(move |(packet, bytes)| {
                (outlet.number(), bytes.to_vec(), packet.value_lists, packet.notifications)
            })
        })
    }

    /// The same from the second stage on.
    pub(crate) fn finish(&mut self) -> Packets {
        self.filter.decide(&mut self.batch, &self.lane);
        assert_eq!(self.lane.raw.waiting(), 0);
        let routing = self.filter.routing();
        if !Arc::ptr_eq(routing, self.packing.routing()) {
            self.packing = Packing::new(Arc::clone(routing));
        }
        let (mut progress, mut packed, mut left) = (Progress::default(), 0, Packets::new());
        while !progress.is_done(&self.batch) {
            let before = progress;
            packed += self.packing.pack(&self.batch, &mut progress, self.now);
            assert_ne!(progress, before);
            left.extend(self.packed());
            self.most_packed = self.most_packed.max(self.packing.capacity());
            self.packing.clear();
        }
        assert_eq!(self.lane.filtered.waiting(), packed);
        self.lane.filtered.leave(packed);
        left
    }
}

pub(crate) fn config(tiers: Tiers, blacklist: Option<Regex>, limit: usize) -> CocoConfig {
    let mut config = CocoConfig::parse("tiers.a.targets = ['a:1']").unwrap();
    config.tiers = tiers;
    config.filter.blacklist = blacklist;
    config.send.max_packet_size = limit;
    config
}

/// How many targets a tier has, and how they share the hosts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    targets: usize,
    placing: Placing,
    /// How hosts were placed that are on their way, among how many targets, and how far they are.
    former: Option<(usize, Placing, Headway)>,
}

/// As the older implementation shares hosts among so many targets.
pub(crate) fn ring(targets: usize) -> Shape {
    settled(targets, Placing::Ring { virtual_replicas: None })
}

/// No host is on its way.
pub(crate) fn settled(targets: usize, placing: Placing) -> Shape {
    Shape { targets, placing, former: None }
}

/// Targets have equal names in all tiers, so that placements by name may be alike.
pub(crate) fn tiers(shape: &[Shape]) -> Tiers {
    let tier = |(number, &Shape { targets, placing, former }): (usize, &Shape)| {
        let target = |target: usize| {
            let name = format!("10.0.{number}.{target}:25826");
            let placed = Placed { name: Some(format!("s{target}")), ..Placed::default() };
            Target { placed, ..Target::new(name.clone(), name.parse().unwrap()) }
        };
        let (name, listed) = (format!("tier{number}"), (0..targets).map(target));
        let tier = match former {
            None => Tier::placed(name, listed.collect(), placing),
            Some((former, was, headway)) => {
                let listed = listed.map(|target| (target, Role::Active)).collect();
                let former = ((0..former).map(target).collect(), was);
                Tier::migrating(name, listed, placing, former, headway)
            }
        };
        tier.unwrap()
    };
    Tiers::new(shape.iter().enumerate().map(tier).collect()).unwrap()
}

/// Some tiers part the hosts alike, others have as many targets and part them in other ways.
pub(crate) fn shape() -> impl Strategy<Value = Vec<Shape>> {
    let placing = |targets: usize| {
        let replicas = 1..=targets.min(3);
        prop_oneof![
            3 => select(&[None, None, Some(3)][..]).prop_map(|virtual_replicas| Placing::Ring { virtual_replicas }),
            1 => replicas.clone().prop_map(|replicas| Placing::Jump { replicas }),
            2 => replicas.prop_map(|replicas| Placing::Rendezvous { replicas }),
        ]
    };
    let side = move || (1_usize..=5).prop_flat_map(move |targets| (Just(targets), placing(targets)));
    let percentage = || select(&["0%", "30%", "60%", "100%"][..]).prop_map(|text| text.parse().unwrap());
    let headway = (percentage(), percentage())
        .prop_filter_map("no more to new owners alone than to both", |(both, new)| Headway::new(both, new));
    let former = (side(), headway).prop_map(|((targets, placing), headway)| (targets, placing, headway));
    let shape = (side(), proptest::option::weighted(0.3, former))
        .prop_map(|((targets, placing), former)| Shape { targets, placing, former });
    vec(shape, 1..=3)
}

pub(crate) fn blacklist() -> impl Strategy<Value = Option<Regex>> {
    let texts = vec!["/(vmem|irq)/", "^web1/", "idle$", "^.*$", r"(?-u:\xff)", "^web1/irq/", "/a/b/"];
    proptest::option::of(select(texts).prop_map(|text| Regex::new(text).unwrap()))
}

/// Bytes that a memory of nothing takes, at most.
pub(crate) const EMPTY: usize = 17_000;

/// Bytes that are more than enough.
pub(crate) const AMPLE: usize = 1 << 20;

/// From nothing at all to more than enough: forwarding must not depend on it.
pub(crate) fn memory() -> impl Strategy<Value = usize> {
    prop_oneof![Just(0), EMPTY..EMPTY + 120_000, Just(AMPLE)]
}

pub(crate) fn size_alone(list: &ValueListRef<'_>) -> usize {
    let mut builder = PacketBuilder::new(usize::MAX);
    builder.push(list);
    builder.close();
    builder.packets().map(|(_, bytes)| bytes.len()).sum()
}

/// By tier and target, instead of by outlet.
pub(crate) fn arrived(tiers: &Tiers, packets: &Packets, limit: usize) -> BTreeMap<(usize, usize), Received> {
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
