//! How long a value list takes from the agent's system call to the target's.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use coco_core::value_kind::ValueKind;
use coco_core::value_list::{IdentifierRef, Interval, Time, Value, ValueListRef, ValuesRef};
use coco_core::wire::{Decoder, Event, PacketBuilder};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;

use crate::error::{Doing, Error};
use crate::socket::{self, Receiver};
use crate::statistics::percentile;

/// Hosts that take turns.
const HOSTS: u64 = 500;

/// How many low bits of the time carry the number of the datagram.
const NUMBER_BITS: u32 = 24;
const BASE: u64 = (1_795_290_000 << 30) & !((1 << NUMBER_BITS) - 1);

/// How long stragglers are waited for.
const STRAGGLERS: Duration = Duration::from_millis(700);

/// Delays in microseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Delays {
    pub(crate) sent: u64,
    /// Copies, one a tier.
    pub(crate) received: u64,
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

/// Sends datagrams of one value list each and takes the time until each copy arrives at one of the sockets.
pub(crate) fn delay(
    target: SocketAddr,
    sockets: &[UdpSocket],
    rate: u64,
    seconds: u64,
) -> Result<Delays, Error> {
    let count = (rate * seconds).min(1 << NUMBER_BITS);
    let out = socket::connect(target).doing(|| format!("open a socket to {target}"))?;
    let clock = Instant::now();
    let sent_at: Vec<AtomicU64> = (0..count).map(|_| AtomicU64::new(0)).collect();
    let done = AtomicBool::new(false);
    let (sent, mut delays) = std::thread::scope(|scope| {
        let receiver = scope.spawn(|| receive(sockets, clock, &sent_at, &done));
        let sent = send(&out, rate, clock, &sent_at);
        std::thread::sleep(STRAGGLERS);
        done.store(true, Ordering::Relaxed);
        (sent, receiver.join())
    });
    sent.doing(|| format!("send to {target}"))?;
    let delays =
        delays.as_mut().map_err(|_| Error::Meaningless("the receiving thread panicked".to_owned()))?;
    delays.sort_by(f64::total_cmp);
    let at = |share| percentile(delays, share);
    let received = delays.len() as u64;
    Ok(Delays { sent: count, received, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1.0) })
}

fn send(out: &UdpSocket, rate: u64, clock: Instant, sent_at: &[AtomicU64]) -> std::io::Result<()> {
    // As in a blast: without it, every datagram would be late.
    let _ = nix::sys::prctl::set_timerslack(1_000);
    let start = Instant::now();
    let mut builder = PacketBuilder::new(1452);
    for (number, sent_at) in (0..).zip(sent_at) {
        builder.clear();
        build(&mut builder, number);
        let due = start + Duration::from_secs_f64(number as f64 / rate as f64);
        let ahead = due.saturating_duration_since(Instant::now());
        if !ahead.is_zero() {
            std::thread::sleep(ahead);
        }
        sent_at.store(clock.elapsed().as_nanos() as u64, Ordering::Relaxed);
        for (_, datagram) in builder.packets() {
            out.send(datagram)?;
        }
    }
    Ok(())
}

fn build(builder: &mut PacketBuilder, number: u64) {
    let mut values = vec![ValueKind::Gauge as u8];
    values.extend_from_slice(&Value::Gauge(number as f64).to_wire());
    builder.push(&ValueListRef {
        identifier: IdentifierRef {
            host: format!("delay{:05}.example.org", number % HOSTS).as_bytes(),
            plugin: b"load",
            type_name: b"gauge",
            ..IdentifierRef::default()
        },
        time: Time::HighResolution(BASE | number),
        interval: Interval::NONE,
        values: ValuesRef::new(&values).expect("one kind and eight bytes"),
    });
    builder.close();
}

fn receive(sockets: &[UdpSocket], clock: Instant, sent_at: &[AtomicU64], done: &AtomicBool) -> Vec<f64> {
    let mut delays = Vec::new();
    let mut receiver = Receiver::new();
    let mut waiting: Vec<_> =
        sockets.iter().map(|socket| PollFd::new(socket.as_fd(), PollFlags::POLLIN)).collect();
    while !done.load(Ordering::Relaxed) {
        if poll(&mut waiting, PollTimeout::from(50_u8)).is_err() {
            continue;
        }
        for (socket, waiting) in sockets.iter().zip(&waiting) {
            if waiting.any() == Some(true) && receiver.receive(socket, false).is_ok() {
                let now = clock.elapsed().as_nanos() as u64;
                for number in receiver.datagrams().flat_map(numbers) {
                    if let Some(sent_at) = sent_at.get(number as usize) {
                        delays.push(now.saturating_sub(sent_at.load(Ordering::Relaxed)) as f64 / 1e3);
                    }
                }
            }
        }
    }
    delays
}

/// The numbers of the datagrams whose value lists stand in this one.
fn numbers(datagram: &[u8]) -> impl Iterator<Item = u64> {
    Decoder::new(datagram).filter_map(move |event| match event {
        Ok(Event::ValueList(spans)) => Some(spans.of(datagram).time.cdtime() & ((1 << NUMBER_BITS) - 1)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_carries_its_number() {
        let mut builder = PacketBuilder::new(1452);
        for number in [0, 1, 499, 25_000, (1 << NUMBER_BITS) - 1] {
            builder.clear();
            build(&mut builder, number);
            let datagrams: Vec<_> = builder.packets().map(|(_, datagram)| datagram).collect();
            assert_eq!(datagrams.into_iter().flat_map(numbers).collect::<Vec<_>>(), [number]);
        }
    }
}
