//! Value lists that become samples: of series that engines have already, each time of a later moment.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use coco_core::value_list::{IdentifierRef, Interval, Time, Value, ValueListRef, ValuesRef};
use coco_core::wire::PacketBuilder;
use nix::errno::Errno;

use crate::error::{Doing, Error};
use crate::metrics::Random;
use crate::socket::{self, Sender};

/// Families of series, and how many series each has: one of each host.
const FAMILIES: usize = 50;
const HOSTS: usize = 200;

/// collectd's default MaxPacketSize.
const PACKET: usize = 1452;

/// Datagrams a system call.
const BATCH: usize = 8;

/// The types that they are of, for types.db.
pub(crate) const TYPES_DB: &str = "gauge value:GAUGE:U:U\nderive value:DERIVE:U:U\n";

/// Stands where the time of a datagram is written: no value and no name has these bytes.
const PLACE: u64 = 0x0123_4567_89ab_cdef;

/// One value list of each series, in datagrams of one host.
pub(crate) struct Samples {
    datagrams: Vec<Vec<u8>>,
    /// Where in each of them its time stands.
    places: Vec<usize>,
    lists: Vec<u64>,
    /// The milliseconds of the last pass.
    last: u64,
}

/// What was sent.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Offered {
    pub(crate) value_lists: u64,
    pub(crate) datagrams: u64,
    pub(crate) seconds: f64,
}

impl Samples {
    /// Of [`FAMILIES`] and [`HOSTS`].
    pub(crate) fn new() -> Result<Self, Error> {
        let (random, mut builder) = (&mut Random(11), PacketBuilder::new(PACKET));
        for host in 0..HOSTS {
            let host = format!("host{host:03}.example.org");
            for family in 0..FAMILIES {
                let plugin = format!("plugin{family:02}");
                let value = match family % 2 {
                    0 => Value::Gauge(random.below(100_000_000) as f64 / 1e6),
                    _ => Value::Derive(random.below(1 << 40) as i64),
                };
                let mut bytes = vec![value.kind() as u8];
                bytes.extend_from_slice(&value.to_wire());
                builder.push(&ValueListRef {
                    identifier: IdentifierRef {
                        host: host.as_bytes(),
                        plugin: plugin.as_bytes(),
                        plugin_instance: b"",
                        type_name: if family % 2 == 0 { b"gauge" } else { b"derive" },
                        type_instance: b"",
                    },
                    time: Time::HighResolution(PLACE),
                    interval: Interval::HighResolution(10 << 30),
                    values: ValuesRef::new(&bytes).expect("one kind and eight bytes"),
                });
            }
            builder.close();
        }
        let (mut datagrams, mut places, mut lists) = (Vec::new(), Vec::new(), Vec::new());
        for (packet, bytes) in builder.packets() {
            let place = bytes.windows(8).position(|eight| eight == PLACE.to_be_bytes());
            places.push(place.ok_or_else(|| Error::Meaningless("a datagram without a time".to_owned()))?);
            lists.push(u64::from(packet.value_lists));
            datagrams.push(bytes.to_vec());
        }
        Ok(Self { datagrams, places, lists, last: 0 })
    }

    /// Sends value lists of now, pass after pass, so many a second.
    pub(crate) fn send(&mut self, target: SocketAddr, rate: u64, seconds: u64) -> Result<Offered, Error> {
        let socket = socket::connect(target).doing(|| format!("open a socket to {target}"))?;
        // The default lets a sleep of 50 µs take 100.
        let _ = nix::sys::prctl::set_timerslack(1_000);
        let (start, mut sent) = (Instant::now(), Offered::default());
        while sent.value_lists < rate * seconds {
            self.renew();
            self.send_pass(&socket, start, rate, &mut sent)?;
        }
        sent.seconds = start.elapsed().as_secs_f64();
        Ok(sent)
    }

    /// Gives all of them the time of now, or of a millisecond after the last.
    fn renew(&mut self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64;
        self.last = now.max(self.last + 1);
        // Rounded up, so that it is this millisecond for who cuts it as for who rounds it.
        let units = (u128::from(self.last) << 30).div_ceil(1000) as u64;
        for (datagram, place) in self.datagrams.iter_mut().zip(&self.places) {
            datagram[*place..place + 8].copy_from_slice(&units.to_be_bytes());
        }
    }

    fn send_pass(
        &self,
        socket: &UdpSocket,
        start: Instant,
        rate: u64,
        sent: &mut Offered,
    ) -> Result<(), Error> {
        let (mut sender, mut next) = (Sender::<BATCH>::new(), 0);
        while next < self.datagrams.len() {
            let due = start + Duration::from_secs_f64(sent.value_lists as f64 / rate as f64);
            let ahead = due.saturating_duration_since(Instant::now());
            if !ahead.is_zero() {
                std::thread::sleep(ahead);
            }
            match sender.send(socket, self.datagrams[next..].iter().map(Vec::as_slice)) {
                Ok(count) => {
                    sent.value_lists += self.lists[next..next + count].iter().sum::<u64>();
                    sent.datagrams += count as u64;
                    next += count;
                }
                // Speaks of an earlier datagram, or of a moment without memory; the books tell what was lost.
                Err(Errno::ECONNREFUSED | Errno::ENOBUFS | Errno::EINTR) => {}
                Err(error) => return Err(error).doing(|| "send".to_owned()),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use coco_core::wire::{Decoder, Event};

    #[test]
    fn each_pass_has_every_series_once_and_is_of_a_later_millisecond() {
        let mut samples = Samples::new().unwrap();
        assert_eq!(samples.lists.iter().sum::<u64>(), (FAMILIES * HOSTS) as u64);
        let mut before = 0;
        for _ in 0..3 {
            samples.renew();
            let mut names = std::collections::HashSet::new();
            for datagram in &samples.datagrams {
                assert!(datagram.len() <= PACKET);
                for event in Decoder::new(datagram) {
                    let Ok(Event::ValueList(spans)) = event else { panic!("{event:?}") };
                    let list = spans.of(datagram);
                    let milliseconds = (u128::from(list.time.cdtime()) * 1000) >> 30;
                    assert_eq!(milliseconds as u64, samples.last);
                    let mut path = Vec::new();
                    list.identifier.write_path(&mut path);
                    assert!(names.insert(path));
                }
            }
            assert_eq!(names.len(), FAMILIES * HOSTS);
            assert!(samples.last > before);
            before = samples.last;
        }
    }
}
