//! The third stage: packs what each target gets and sends it.

mod held;
mod pack;
mod patience;
mod sealed;

pub use pack::{Packing, Progress};

use std::sync::Arc;
use std::time::{Duration, Instant};

use coco_core::wire::{InitializationVectors, Packet, PacketBuilder};
use coco_udp::{Transmitter, refuses_segments};
use nix::errno::Errno;
use tracing::info;

use crate::counters::{OutletCells, OutletCount};
use crate::lane::Lane;
use crate::outlets::{Outlet, Outlets};
use crate::plan::Routing;
use crate::share::OutletId;
use patience::Patience;
use sealed::{Sealed, Sealing};

/// The time between two looks at full socket buffers.
const PAUSE: Duration = Duration::from_micros(200);

/// Failures in a row to send a packet before it is lost. An error may speak of an earlier packet,
/// whose answer has come back, or of one that another lane has sent meanwhile; then this one has not been tried yet.
const RETRIES: u32 = 2;

/// Sends packings, several packets a system call.
pub struct Sending {
    hands: Hands,
    /// Packets that are not done with; empty between two batches.
    pending: Vec<Pending>,
}

/// All that sending needs beside what is to be sent.
struct Hands {
    transmitter: Transmitter,
    /// With each outlet.
    patience: Box<[Patience]>,
    vectors: InitializationVectors,
    /// Kept for its memory.
    sealed: Sealed,
}

/// Packets that an outlet has yet to take.
struct Pending {
    outlet: OutletId,
    /// Which of the packings it gets.
    packets: usize,
    /// The first packet that it has not taken.
    next: usize,
    /// Why it is not done with.
    full: Option<Errno>,
    /// The time that the others may wait for it.
    patience: Duration,
}

impl Sending {
    /// To these outlets. Nobody else may have the same vectors.
    pub fn new(outlets: &Outlets, vectors: InitializationVectors) -> Self {
        let now = Instant::now();
        let patience = outlets.iter().map(|_| Patience::new(now)).collect();
        let hands = Hands { transmitter: Transmitter::new(), patience, vectors, sealed: Sealed::default() };
        Self { hands, pending: Vec::new() }
    }

    /// To other outlets from now on. With those that stay the patience is no longer than it was.
    pub fn go_over(&mut self, old: &Outlets, new: &Outlets) {
        let now = Instant::now();
        let known = |outlet| old.iter().position(|old| Arc::ptr_eq(old, outlet));
        let patience = new
            .iter()
            .map(|outlet| known(outlet).map_or(Patience::new(now), |index| self.hands.patience[index]));
        self.hands.patience = patience.collect();
    }

    /// Takes note of everything that is packed, so that [`lose_rest`](Self::lose_rest) knows what is not done with.
    pub fn start(&mut self, packing: &Packing) {
        for (packets, &share) in packing.touched.iter().enumerate() {
            if packing.packets[packets].packets().len() == 0 {
                // All of it is held.
                continue;
            }
            let outlets = packing.routing.partitions.outlets(share).iter();
            let first = |&outlet| Pending { outlet, packets, next: 0, full: None, patience: Duration::ZERO };
            self.pending.extend(outlets.map(first));
        }
    }

    /// Sends everything that it was [started](Self::start) with and counts what became of it. All are sent to first;
    /// then those whose buffer is full are waited for, as long as they have not been too often.
    pub fn send(&mut self, packing: &Packing, lane: &Lane) {
        let Self { hands, pending } = self;
        pending.retain_mut(|pending| !hands.try_to_send(pending, packing, lane));
        if !pending.is_empty() {
            hands.wait_for(pending, packing, lane);
        }
    }

    /// Counts what [`send`](Self::send) has not come to as lost, after a panic in it.
    pub fn lose_rest(&mut self, packing: &Packing, lane: &Lane) {
        self.pending.drain(..).for_each(|pending| give_up(&pending, packing, lane));
    }
}

impl Hands {
    #[cold]
    fn wait_for(&mut self, pending: &mut Vec<Pending>, packing: &Packing, lane: &Lane) {
        let start = Instant::now();
        let mut waited = Duration::ZERO;
        for Pending { outlet, patience, .. } in &mut *pending {
            *patience = self.patience[outlet.number()].left(start);
        }
        while !pending.is_empty() {
            pending.retain_mut(|pending| {
                let is_sent = !waited.is_zero() && self.try_to_send(pending, packing, lane);
                let is_left = !is_sent && waited + PAUSE <= pending.patience;
                if !is_sent && !is_left {
                    give_up(pending, packing, lane);
                }
                if !is_left {
                    self.patience[pending.outlet.number()].spend(waited);
                }
                is_left
            });
            if !pending.is_empty() {
                std::thread::sleep(PAUSE);
                waited = start.elapsed();
            }
        }
    }

    /// Signs or encrypts packets for an outlet that wants it. Whether all packets are done with.
    fn try_to_send(&mut self, pending: &mut Pending, packing: &Packing, lane: &Lane) -> bool {
        let packets = &packing.packets[pending.packets];
        let outlet = packing.routing.outlets.get(pending.outlet);
        let counts = outlet.counts(lane.id);
        let Self { transmitter, vectors, sealed, .. } = self;
        let sealing = packing.routing.seals.get(pending.outlet).map(|seal| {
            sealed.clear();
            Sealing { seal, vectors, sealed }
        });
        let largest_segment = largest_segment(&packing.routing, outlet, sealing.is_some());
        pending.full =
            send_from(transmitter, &mut pending.next, packets, sealing, outlet, counts, largest_segment);
        pending.full.is_none()
    }
}

fn give_up(pending: &Pending, packing: &Packing, lane: &Lane) {
    let outlet = packing.routing.outlets.get(pending.outlet);
    let counts = outlet.counts(lane.id);
    let left = packing.packets[pending.packets].packets().skip(pending.next);
    left.for_each(|(packet, _)| counts.lose(packet, OutletCount::Write));
    if let Some(full) = pending.full {
        outlet.note_fault(full);
    }
}

/// Bytes of the largest packet that may leave together with others, 0 where each is sent by itself.
fn largest_segment(routing: &Routing, outlet: &Outlet, is_sealed: bool) -> usize {
    if routing.segmentation && !is_sealed && !outlet.is_down() { routing.max_packet_size } else { 0 }
}

/// Sends the packets of one outlet from number `next` on, until all are done with or there is no room for them. `next`
/// is then the first one that is not done with, and what is full is returned. Packets up to `largest_segment` bytes may
/// leave together.
fn send_from(
    transmitter: &mut Transmitter,
    next: &mut usize,
    packets: &PacketBuilder,
    mut sealing: Option<Sealing<'_>>,
    outlet: &Outlet,
    counts: &OutletCells,
    mut largest_segment: usize,
) -> Option<Errno> {
    let Some(socket) = outlet.socket() else {
        if let Some(remote) = outlet.remote() {
            remote.take(packets.packets().skip(*next));
            return None;
        }
        packets.packets().skip(*next).for_each(|(packet, _)| counts.lose(packet, OutletCount::Disconnected));
        return None;
    };
    if !socket.takes_segments() {
        largest_segment = 0;
    }
    let (mut taken, mut in_a_row, mut fault, mut full) = (0, 0, None, None);
    while *next < packets.packets().len() {
        let result = match &mut sealing {
            None => {
                let packets = packets.packets().skip(*next).map(|(_, bytes)| bytes);
                transmitter.send(&socket, packets, largest_segment)
            }
            Some(sealing) => {
                let mut packets = sealing.from(packets, *next).peekable();
                let is_too_long = packets.peek().is_none();
                if is_too_long { Err(Errno::EMSGSIZE) } else { transmitter.send(&socket, packets, 0) }
            }
        };
        match result {
            Ok(sent) => {
                packets.packets().skip(*next).take(sent).for_each(|(packet, _)| counts.sent(packet));
                *next += sent;
                taken += sent;
                in_a_row = 0;
            }
            Err(Errno::EINTR) => {}
            Err(problem) if largest_segment > 0 && refuses_segments(problem) => {
                largest_segment = 0;
                if socket.refused_segments() {
                    let Outlet { tier, target, .. } = outlet;
                    info!(%tier, %target, %problem, "takes no segments: packets are sent one by one");
                }
            }
            Err(error @ (Errno::EAGAIN | Errno::ENOBUFS)) => {
                full = Some(error);
                break;
            }
            Err(error) => {
                match error {
                    Errno::ECONNREFUSED => counts.add(OutletCount::Refused, 1),
                    Errno::EHOSTUNREACH | Errno::ENETUNREACH => counts.add(OutletCount::Unreachable, 1),
                    _ => {}
                }
                // That one datagram is too large for a link says nothing of the target.
                if error != Errno::EMSGSIZE {
                    fault = Some(error);
                }
                in_a_row += 1;
                if in_a_row > RETRIES {
                    let lost = packets.packets().skip(*next).take(1);
                    lost.for_each(|(packet, _)| counts.lose(packet, OutletCount::Write));
                    *next += 1;
                    in_a_row = 0;
                }
            }
        }
    }
    match fault {
        Some(fault) => {
            socket.blame();
            outlet.note_fault(fault);
        }
        None if taken > 0 => outlet.note_success(),
        None => {}
    }
    full
}

impl OutletCells {
    fn sent(&self, packet: &Packet) {
        self.add(OutletCount::Sent, u64::from(packet.value_lists));
        self.add(OutletCount::Notifications, u64::from(packet.notifications));
        self.add(OutletCount::Datagrams, 1);
    }

    fn lose(&self, packet: &Packet, why: OutletCount) {
        self.add(why, u64::from(packet.value_lists));
        self.add(OutletCount::NotificationsLost, u64::from(packet.notifications));
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use coco_core::config::CocoConfig;
    use coco_core::value_list::{Value, ValueList};
    use coco_daemon::health::Condition;
    use coco_harness::traffic;
    use coco_udp::OwnSocket;

    use super::*;
    use crate::outlets::{OutletCounts, Settings};
    use crate::secrets::Seals;
    use crate::share::LaneId;

    /// Two packets, of which no datagram holds the first.
    fn packets() -> PacketBuilder {
        let mut builder = PacketBuilder::new(1 << 20);
        let small = traffic::value_list("h", 1);
        let ValueList { identifier, time, interval, .. } = small.clone();
        let large = ValueList::new(identifier, time, interval, &[Value::Gauge(0.0); 7000]);
        for lists in [&[&large, &large][..], &[&small]] {
            lists.iter().for_each(|list| builder.push(&list.as_ref()));
            builder.close();
        }
        builder
    }

    #[test]
    fn packets_leave_by_themselves_where_they_are_sealed_or_the_target_is_down_or_it_is_wished() {
        let segment = |settings: &str, is_sealed, is_down| {
            let text = format!("{settings}\ntiers.a.targets = ['127.0.0.1:9']");
            let routing = Routing::new(&CocoConfig::parse(&text).unwrap(), Seals::default(), 1);
            if is_down {
                routing.outlets.get(OutletId::new(0)).note_fault(Errno::ECONNREFUSED);
            }
            largest_segment(&routing, routing.outlets.get(OutletId::new(0)), is_sealed)
        };
        assert_eq!(segment("", false, false), 1452);
        assert_eq!(segment("send.max_packet_size = 8952", false, false), 8952);
        assert_eq!(segment("", true, false), 0);
        assert_eq!(segment("", false, true), 0);
        assert_eq!(segment("send.segmentation = false", false, false), 0);
    }

    #[test]
    fn a_packet_that_is_too_large_says_nothing_of_the_target() {
        let recovery = Duration::from_nanos(1);
        let settings = Settings {
            recovery,
            resolve_interval: Duration::MAX,
            reconnect_interval: Duration::ZERO,
            bind: None,
        };
        let outlet =
            Outlet::new(Arc::new(OutletCounts::new("t", "a:1", 1)), "a:1".parse().unwrap(), settings);
        let target = UdpSocket::bind("127.0.0.1:0").unwrap();
        outlet.swap_socket(OwnSocket::connect(target.local_addr().unwrap(), None).unwrap());
        let (packets, mut transmitter) = (packets(), Transmitter::new());
        let mut send = || {
            let full = send_from(
                &mut transmitter,
                &mut 0,
                &packets,
                None,
                &outlet,
                outlet.counts(LaneId::new(0)),
                usize::MAX,
            );
            assert_eq!(full, None);
            outlet.condition().0
        };
        assert_eq!(send(), Some(Condition::Up));
        outlet.note_fault(Errno::ECONNREFUSED);
        // Neither does it hide that the other one went well.
        assert_eq!(send(), Some(Condition::Up));
        drop(target);
        // Nor that the other one was refused: its answer comes with the next call.
        assert_eq!([send(), send()], [Some(Condition::Up), Some(Condition::Down)]);
        let counts =
            [OutletCount::Sent, OutletCount::Write].map(|count| outlet.counts(LaneId::new(0)).get(count));
        assert_eq!(counts, [4, 8]);
    }
}
