//! Engines that take samples by Prometheus' remote write, as outlets.
//!
//! A lane hands over the packets that it has for an engine, as it would send them: bytes copied into a [`HandOver`] that
//! has a bound, and nobody waits. A `thread` for each engine (its work is in `worker`) decodes them, makes samples, queues and sends them
//! (`remote-write` knows how), over a connection of its own (`client`). `terms` is what a configuration says of it.

mod buffer;
mod client;
mod counts;
mod hand_over;
mod terms;
mod thread;
mod worker;

pub use counts::RemoteCounts;
pub use terms::{Engines, TermsError};

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use arc_swap::{ArcSwapOption, Guard};
use coco_core::tier::Target;
use coco_core::wire::Packet;

use hand_over::HandOver;
use terms::Terms;

/// One engine of one tier. It outlives the outlets that lead to it: what waits is sent whatever a reload takes away.
#[derive(Debug)]
pub struct Remote {
    /// The tier's name.
    pub tier: Arc<str>,
    /// The URL as configured.
    pub target: Arc<str>,
    /// Its counts.
    pub counts: RemoteCounts,
    hand_over: HandOver,
    terms: ArcSwapOption<Terms>,
    /// Whether its thread was started.
    started: AtomicBool,
    /// When it is to be done, once it is to end.
    end: Mutex<Option<Instant>>,
    ended: AtomicBool,
}

impl Remote {
    /// Nobody sends yet.
    pub fn new(tier: &str, target: &str) -> Self {
        Self {
            tier: tier.into(),
            target: target.into(),
            counts: RemoteCounts::default(),
            hand_over: HandOver::default(),
            terms: ArcSwapOption::empty(),
            started: AtomicBool::new(false),
            end: Mutex::new(None),
            ended: AtomicBool::new(false),
        }
    }

    /// Whether it is of this target of this tier.
    pub fn is_of(&self, tier: &str, target: &str) -> bool {
        *self.tier == *tier && *self.target == *target
    }

    /// Takes packets of a lane, or counts them as dropped. Nobody waits for anything.
    pub fn take<'p>(&self, packets: impl Iterator<Item = (&'p Packet, &'p [u8])> + Clone) {
        let sum =
            |of: fn(&Packet) -> u32| packets.clone().map(|(packet, _)| u64::from(of(packet))).sum::<u64>();
        self.counts.drop_notifications(sum(|packet| packet.notifications));
        let lists = sum(|packet| packet.value_lists);
        if !self.hand_over.give(packets.map(|(_, bytes)| bytes)) {
            self.counts.drop_lists(lists);
        }
    }

    /// Goes on as its tier says, in a thread of its own from now on. Nothing changes if it says nothing.
    pub(super) fn engage(self: &Arc<Self>, engines: &Engines, target: &Target) -> io::Result<()> {
        let Some(terms) = engines.terms(&self.tier, target) else { return Ok(()) };
        self.hand_over.set_limit(terms.hand_over);
        self.terms.store(Some(Arc::new(terms)));
        if self.started.swap(true, Ordering::AcqRel) {
            self.hand_over.tell();
            return Ok(());
        }
        let remote = Arc::clone(self);
        let thread = std::thread::Builder::new().name("remote write".to_owned());
        thread.spawn(move || thread::run(&remote)).map(drop).inspect_err(|_| {
            self.started.store(false, Ordering::Release);
        })
    }

    fn terms(&self) -> Guard<Option<Arc<Terms>>> {
        self.terms.load()
    }

    /// Sends what is left, until then at most.
    pub fn end(&self, at: Instant) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
        self.hand_over.tell();
    }

    fn ends_at(&self) -> Option<Instant> {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether its thread has ended, or was never there.
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire) || !self.started.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    use coco_core::config::CocoConfig;
    use coco_core::types_db::TypesDb;
    use coco_core::value_list::{Identifier, Interval, Time, Value, ValueList};
    use coco_core::wire::PacketBuilder;
    use coco_daemon::files::Accept;
    use coco_harness::wait::{PATIENCE, wait_until};
    use remote_write::queue::SampleDrop;
    use remote_write::sample::ListDrop;

    use super::*;

    /// Takes whatever comes, and answers each time that it may, or whenever nobody is left to let it.
    fn engine(may_answer: Receiver<()>) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                take_all(stream, &may_answer);
            }
        });
        port
    }

    /// Ends with the connection.
    fn take_all(mut stream: TcpStream, may_answer: &Receiver<()>) -> Option<()> {
        let mut bytes = Vec::new();
        loop {
            let mut buffer = [0; 65536];
            let read = stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
            bytes.extend_from_slice(&buffer[..read]);
            let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length =
                head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok())?;
            if bytes.len() >= end + 4 + length {
                bytes.drain(..end + 4 + length);
                let _ = may_answer.recv();
                stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").ok()?;
            }
        }
    }

    /// A packet for each plugin, all handed over at once.
    fn give(remote: &Remote, plugins: &[&str]) {
        let mut builder = PacketBuilder::new(1452);
        for plugin in plugins {
            let identifier = Identifier {
                host: b"h".to_vec(),
                plugin: plugin.as_bytes().to_vec(),
                type_name: b"gauge".to_vec(),
                ..Identifier::default()
            };
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
            let interval = Interval::HighResolution(10 << 30);
            builder.push(
                &ValueList::new(identifier, Time::Seconds(now), interval, &[Value::Gauge(1.0)]).as_ref(),
            );
            builder.close();
        }
        remote.take(builder.packets());
    }

    /// What is written to an engine at a port.
    fn remote(port: u16) -> Arc<Remote> {
        let text = format!(
            "listen = {{ bind = '127.0.0.1:0', typesdb = '/nowhere' }}\n[tiers.e]\nkind = 'remote_write'\n\
             urls = ['http://127.0.0.1:{port}/write']\nbatch_delay = '1ms'\n"
        );
        let config = CocoConfig::parse(&text).unwrap();
        let types = Arc::new(TypesDb::parse(b"gauge value:GAUGE:U:U").0);
        let engines = Engines::read(&config, &types, Accept::Files).unwrap();
        let target = &config.tiers.get(0).unwrap().targets()[0];
        let remote = Arc::new(Remote::new("e", &target.name));
        remote.engage(&engines, target).unwrap();
        remote
    }

    fn end(remote: &Remote) {
        remote.end(Instant::now() + Duration::from_secs(60));
        wait_until(PATIENCE, "it to end", || remote.has_ended());
    }

    #[test]
    fn what_is_handed_over_in_small_pieces_is_taken_while_an_answer_is_awaited() {
        const PIECES: u64 = 4000;
        let (let_it_answer, may_answer) = channel();
        let remote = remote(engine(may_answer));
        let counts = &remote.counts;
        give(&remote, &["before"]);
        wait_until(PATIENCE, "a request", || counts.requests() == 1);
        (0..PIECES).for_each(|piece| give(&remote, &[&format!("a plugin with a long name {piece}")]));
        wait_until(PATIENCE, "all to be queued", || counts.queued_lists() == 1 + PIECES);
        // Had it waited for the answer, another request would have followed.
        assert_eq!((counts.requests(), counts.delivered(), counts.dropped_lists(ListDrop::Full)), (1, 0, 0));
        drop(let_it_answer);
        end(&remote);
        assert_eq!(counts.delivered(), 1 + PIECES);
    }

    #[test]
    fn a_panic_costs_what_waits_and_no_more_and_all_of_it_is_counted() {
        let remote = remote(engine(channel().1));
        let counts = &remote.counts;
        give(&remote, &["before"]);
        wait_until(PATIENCE, "the first to be delivered", || counts.delivered() == 1);
        give(&remote, &["waits", "engine panics", "not looked at"]);
        wait_until(PATIENCE, "the panic", || counts.panics() == 1);
        assert_eq!((counts.queued_lists(), counts.dropped_lists(ListDrop::Panic)), (2, 2));
        assert_eq!((counts.queued(), counts.delivered(), counts.dropped(SampleDrop::Panic)), (2, 1, 1));
        give(&remote, &["behind"]);
        wait_until(PATIENCE, "it to go on", || counts.delivered() == 2);
        assert_eq!((counts.queued(), counts.dropped(SampleDrop::Panic), counts.waiting()), (3, 1, 0));
        end(&remote);
    }
}
