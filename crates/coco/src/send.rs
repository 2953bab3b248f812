//! The third stage: packs what each target gets and sends it.

use crate::batch::{Batch, Datagram, Verdict};
use crate::counters::{OutletCount, OutletCounts};
use crate::lane::Lane;
use crate::outlet::Outlet;
use crate::outlets::Outlets;
use crate::partitions::Partitions;
use crate::socket::Transmitter;
use coco_core::wire::{Packet, PacketBuilder, Span};
use nix::errno::Errno;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a batch waits for targets whose socket buffers are full.
const PATIENCE: Duration = Duration::from_millis(10);

/// How long to wait between two looks at full socket buffers.
const PAUSE: Duration = Duration::from_micros(200);

/// Packets for every target: one packing for each [share](crate::partitions) of the hosts.
pub struct Packing {
    limit: usize,
    partitions: Arc<Partitions>,
    /// Of each share.
    packets: Vec<PacketBuilder>,
    /// Shares that have something to send.
    touched: Vec<usize>,
    cuts: Vec<Span>,
}

impl Packing {
    /// Packets of at most `limit` bytes.
    pub fn new(partitions: Arc<Partitions>, limit: usize) -> Self {
        let packets = (0..partitions.shares()).map(|_| PacketBuilder::new(limit)).collect();
        Self { limit, partitions, packets, touched: Vec::new(), cuts: Vec::new() }
    }

    /// Packs the accepted value lists and the notifications of a batch. Returns how many value lists that were.
    pub fn pack(&mut self, batch: &Batch) -> u64 {
        let mut packed = 0;
        for datagram in &batch.datagrams {
            packed += if datagram.whole && usize::from(datagram.length()) <= self.limit {
                self.pack_whole(batch, datagram)
            } else {
                self.pack_anew(batch, datagram)
            };
        }
        for notification in &batch.notifications {
            let bytes = batch.bytes(&batch.datagrams[notification.datagram as usize]);
            for partition in 0..self.partitions.len() {
                self.builder(batch, notification.owners, partition)
                    .push_notification(&notification.spans.of(bytes));
            }
        }
        for &share in &self.touched {
            self.packets[share].close();
        }
        packed
    }

    /// The bytes that came, less the values that are not sent.
    fn pack_whole(&mut self, batch: &Batch, datagram: &Datagram) -> u64 {
        let bytes = batch.bytes(datagram);
        let mut cuts = std::mem::take(&mut self.cuts);
        let mut first = None;
        let mut count = 0;
        for item in batch.items(datagram) {
            match item.verdict {
                Verdict::Accepted(owners) => {
                    count += 1;
                    first.get_or_insert((item.spans, owners));
                }
                _ => cuts.push(item.spans.values),
            }
        }
        if let Some((first, owners)) = first {
            let relied_on = first.carried(bytes);
            for partition in 0..self.partitions.len() {
                self.builder(batch, owners, partition).append(
                    bytes,
                    &cuts,
                    relied_on,
                    datagram.carried,
                    count,
                );
            }
        }
        cuts.clear();
        self.cuts = cuts;
        u64::from(count)
    }

    fn pack_anew(&mut self, batch: &Batch, datagram: &Datagram) -> u64 {
        let bytes = batch.bytes(datagram);
        let mut count = 0;
        for item in batch.items(datagram) {
            if let Verdict::Accepted(owners) = item.verdict {
                let list = item.spans.of(bytes);
                for partition in 0..self.partitions.len() {
                    self.builder(batch, owners, partition).push(&list);
                }
                count += 1;
            }
        }
        count
    }

    /// The packets of a partition's target that owns a host.
    #[inline]
    fn builder(&mut self, batch: &Batch, owners: u32, partition: usize) -> &mut PacketBuilder {
        let owner = batch.owners[owners as usize + partition];
        let share = self.partitions.share(partition, owner);
        let builder = &mut self.packets[share];
        if builder.is_empty() {
            self.touched.push(share);
        }
        builder
    }

    /// What is packed, as outlet and packets in order. Outlets of one share have the same packets.
    pub fn packed(&self) -> impl Iterator<Item = (usize, &PacketBuilder)> {
        self.touched.iter().flat_map(|&share| {
            let packets = &self.packets[share];
            self.partitions.outlets(share).iter().map(move |&outlet| (outlet, packets))
        })
    }

    /// Forgets what is packed and keeps the memory.
    pub fn clear(&mut self) {
        for share in self.touched.drain(..) {
            self.packets[share].clear();
        }
    }
}

/// Sends packings, several packets a system call.
pub struct Sending {
    outlets: Arc<Outlets>,
    transmitter: Transmitter,
    /// Kept for its memory.
    pending: Vec<Pending>,
}

/// Packets that an outlet has yet to take.
struct Pending {
    outlet: usize,
    share: usize,
    /// The first of them.
    next: usize,
}

impl Sending {
    /// To these outlets.
    pub fn new(outlets: Arc<Outlets>) -> Self {
        Self { outlets, transmitter: Transmitter::new(), pending: Vec::new() }
    }

    /// Sends everything that is packed and counts what became of it. No outlet waits for another one's full buffer.
    pub fn send(&mut self, packing: &Packing, lane: &Lane) {
        let mut pending = std::mem::take(&mut self.pending);
        for &share in &packing.touched {
            let outlets = packing.partitions.outlets(share).iter();
            pending.extend(outlets.map(|&outlet| Pending { outlet, share, next: 0 }));
        }
        let mut deadline = None;
        loop {
            pending.retain_mut(|Pending { outlet, share, next }| {
                let packets = &packing.packets[*share];
                let outlet = self.outlets.get(*outlet);
                *next = send_from(&mut self.transmitter, *next, packets, outlet, outlet.counts(lane.number));
                *next < packets.packets().len()
            });
            if pending.is_empty() {
                break;
            }
            let now = Instant::now();
            if now >= *deadline.get_or_insert(now + PATIENCE) {
                break;
            }
            std::thread::sleep(PAUSE);
        }
        for Pending { outlet, share, next } in pending.drain(..) {
            let left = packing.packets[share].packets().skip(next);
            let outlet = self.outlets.get(outlet);
            left.for_each(|(packet, _)| outlet.counts(lane.number).lose(packet, OutletCount::Write));
            outlet.complain("its socket's buffer is full");
        }
        self.pending = pending;
    }
}

/// Sends the packets of one outlet from number `next` on, until all are done with or its buffer is full.
/// Returns the number of the first packet that is not done with.
fn send_from(
    transmitter: &mut Transmitter,
    mut next: usize,
    packets: &PacketBuilder,
    outlet: &Outlet,
    counts: &OutletCounts,
) -> usize {
    let Some(socket) = outlet.socket() else {
        packets.packets().skip(next).for_each(|(packet, _)| counts.lose(packet, OutletCount::Disconnected));
        return packets.packets().len();
    };
    let mut refused = None;
    while next < packets.packets().len() {
        match transmitter.send(&socket, packets.packets().skip(next).map(|(_, bytes)| bytes)) {
            Ok(sent) => {
                packets.packets().skip(next).take(sent).for_each(|(packet, _)| counts.sent(packet));
                next += sent;
            }
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN | Errno::ENOBUFS) => break,
            // Speaks of an earlier datagram: this one has not been tried yet.
            Err(Errno::ECONNREFUSED) if refused != Some(next) => {
                refused = Some(next);
                counts.add(OutletCount::Refused, 1);
            }
            Err(error) => {
                let lost = packets.packets().skip(next).take(1);
                lost.for_each(|(packet, _)| counts.lose(packet, OutletCount::Write));
                next += 1;
                outlet.complain(error.desc());
            }
        }
    }
    outlet.note(refused.is_some());
    next
}

impl OutletCounts {
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
