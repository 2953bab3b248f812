//! Stages that panic or hang: what is counted, and who notices. And what is held back, and when it leaves.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use coco_core::config::{CocoConfig, LaneThreads};
use coco_core::value_list::{Identifier, Interval, Time, Value, ValueList};
use coco_core::wire::PacketBuilder;
use coco_daemon::counters::Snapshot;
use coco_harness::wait::{PATIENCE, wait_until};
use coco_udp::ListenOptions;

use super::*;
use crate::counters::{Count, OutletCount};
use crate::lane::faults::Hold;
use crate::lane::{Watch, unix_seconds};
use crate::plan::Routing;
use crate::secrets::Seals;
use crate::share::{LaneId, OutletId};
use crate::watch::{Measurement, snapshot};

/// A lane that sends to a socket.
struct Running {
    lane: Arc<Lane>,
    routing: Arc<Newest>,
    stop: Arc<AtomicBool>,
    threads: Threads,
    agent: UdpSocket,
    target: UdpSocket,
}

impl Running {
    fn start(threads: LaneThreads) -> Self {
        Self::holding_back(threads, Duration::ZERO)
    }

    /// Packets that are not full are held for so long.
    fn holding_back(threads: LaneThreads, linger: Duration) -> Self {
        let target = UdpSocket::bind("127.0.0.1:0").unwrap();
        target.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let config = format!("[tiers.a]\ntargets = ['{}']", target.local_addr().unwrap());
        let mut config = CocoConfig::parse(&config).unwrap();
        config.send.linger = linger;
        let routing = Routing::new(&config, Seals::default(), 1);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(routing.outlets.dial("127.0.0.1:1".parse().unwrap(), Duration::from_secs(60)));
        let routing = Arc::new(Newest::from_pointee(routing));
        let stop = Arc::<AtomicBool>::default();
        let options =
            ListenOptions { receive_buffer: 1 << 20, shared: false, interface: None, freebind: false };
        let socket = coco_udp::listen("127.0.0.1:0".parse().unwrap(), options).unwrap();
        let agent = UdpSocket::bind("127.0.0.1:0").unwrap();
        agent.connect(socket.local_addr().unwrap()).unwrap();
        // Every datagram travels alone.
        let plan = Plan {
            threads,
            batch: 1,
            queue: 2,
            spread_hosts: false,
            routing: Arc::clone(&routing),
            gate: Arc::default(),
            clock: unix_seconds,
            stop: Arc::clone(&stop),
        };
        let lane = Arc::new(Lane::new(0, 1 << 20));
        let threads = start(&plan, vec![Arc::new(socket)], &[Arc::clone(&lane)]).unwrap();
        Self { lane, routing, stop, threads, agent, target }
    }

    fn send(&self, host: &str) {
        let identifier = Identifier {
            host: host.into(),
            plugin: b"p".to_vec(),
            type_name: b"t".to_vec(),
            ..Identifier::default()
        };
        let (time, interval) = (Time::HighResolution(1 << 60), Interval::HighResolution(10 << 30));
        let mut builder = PacketBuilder::new(1452);
        builder.push(&ValueList::new(identifier, time, interval, &[Value::Derive(1)]).as_ref());
        builder.close();
        builder.packets().for_each(|(_, bytes)| assert_eq!(self.agent.send(bytes).unwrap(), bytes.len()));
    }

    /// Waits for a host's packet, which is the next one.
    fn expect(&self, host: &str) {
        let mut buffer = [0; 2000];
        let length = self.target.recv(&mut buffer).unwrap();
        assert!(buffer[..length].windows(host.len()).any(|window| window == host.as_bytes()), "not {host}");
    }

    /// Waits until so many value lists are held.
    fn wait_for_held(&self, count: u64) {
        wait_until(PATIENCE, format_args!("{count} to be held"), || {
            self.lane.held.load(Ordering::Relaxed) == count
        });
    }

    /// Ends it. Returns how many value lists were sent, and how many lost.
    fn sent_and_lost(self) -> [u64; 2] {
        let routing = self.routing.load_full();
        self.stop();
        let counts = routing.outlets.get(OutletId::new(0)).counts(LaneId::new(0));
        [OutletCount::Sent, OutletCount::Write].map(|count| counts.get(count))
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.handles.into_iter().for_each(|thread| thread.join().unwrap());
    }
}

#[test]
fn a_stage_that_panics_loses_a_batch_counts_it_and_goes_on() {
    for threads in 1..=3 {
        let running = Running::start(LaneThreads::new(threads).unwrap());
        for (number, place) in ["listen", "filter", "look-up", "pack", "send"].into_iter().enumerate() {
            running.send(&format!("{place} panics"));
            running.send(&format!("after {number}"));
            running.expect(&format!("after {number}"));
        }
        let (lane, routing) = (Arc::clone(&running.lane), running.routing.load_full());
        running.stop();
        let counts = [
            (Count::Raw, 10),
            (Count::Decoded, 9),
            (Count::Rejected, 2),
            (Count::Accepted, 7),
            (Count::ListenUnhandled, 1),
            (Count::Unhandled, 2),
            (Count::SendUnhandled, 2),
        ];
        for (count, expected) in counts {
            assert_eq!(lane.counts.get(count), expected, "{count:?}, {threads} threads");
        }
        let sent = routing.outlets.get(OutletId::new(0)).counts(LaneId::new(0));
        assert_eq!([sent.get(OutletCount::Sent), sent.get(OutletCount::Write)], [5, 2]);
        assert_eq!((lane.raw.waiting(), lane.filtered.waiting()), (0, 0));
    }
}

#[test]
fn stages_show_that_they_live_until_one_hangs() {
    let mut running = Running::start(LaneThreads::Three);
    let heartbeats = std::mem::take(&mut running.threads.heartbeats);
    // Without any traffic.
    wait_until(PATIENCE, "signs of life", || heartbeats.iter().all(|(_, heartbeat)| heartbeat.beats() >= 3));
    let mut watch = Watch::new(heartbeats, Instant::now());
    let mut wait_for = |expected: Option<&str>| {
        wait_until(PATIENCE, format_args!("{expected:?} to hang"), || {
            watch.hangs(Instant::now()) == expected
        });
    };
    wait_for(None);
    running.send("before");
    running.expect("before");
    let hold = Hold::new();
    running.send("filter hangs");
    wait_for(Some("filter 0"));
    // Who scrapes and who reloads don't wait for it.
    let (lane, routing) = (Arc::clone(&running.lane), Arc::clone(&running.routing));
    let (tell, told) = std::sync::mpsc::channel();
    let scrape = std::thread::spawn(move || {
        lane.set_max_memory(1 << 21);
        let mut snapshot = Snapshot::new();
        snapshot::add_to(&mut snapshot, &[lane], &routing.load(), &Measurement::default());
        tell.send(snapshot.prometheus()).unwrap();
    });
    let scraped = told.recv_timeout(Duration::from_secs(60)).expect("an answer while the filter hangs");
    scrape.join().unwrap();
    assert!(scraped.contains("\ncoco_state_metrics 1\n"), "{scraped}");
    drop(hold);
    wait_for(None);
    running.expect("filter hangs");
    running.stop();
}

/// Longer than any test waits.
const FOR_EVER: Duration = Duration::from_secs(24 * 3600);

fn of_all_threads(test: impl Fn(LaneThreads)) {
    (1..=3).for_each(|threads| test(LaneThreads::new(threads).unwrap()));
}

#[test]
fn what_is_held_back_leaves_when_its_time_has_come_without_further_traffic() {
    of_all_threads(|threads| {
        let running = Running::holding_back(threads, Duration::from_millis(20));
        for round in 0..5 {
            let host = format!("round {round}");
            running.send(&host);
            running.expect(&host);
        }
        running.wait_for_held(0);
        assert_eq!(running.sent_and_lost(), [5, 0]);
    });
}

#[test]
fn a_stop_sends_what_is_held_back() {
    of_all_threads(|threads| {
        let running = Running::holding_back(threads, FOR_EVER);
        ["one", "two"].into_iter().for_each(|host| running.send(host));
        running.wait_for_held(2);
        let (lane, target) = (Arc::clone(&running.lane), running.target.try_clone().unwrap());
        target.set_nonblocking(true).unwrap();
        let (mut buffer, mut packets) = ([0; 2000], 0);
        assert!(target.recv(&mut buffer).is_err(), "nothing yet");
        assert_eq!(running.sent_and_lost(), [2, 0]);
        while target.recv(&mut buffer).is_ok() {
            packets += 1;
        }
        assert_eq!((packets, lane.held.load(Ordering::Relaxed)), (1, 0));
    });
}

#[test]
fn a_reload_sends_what_is_held_back_by_the_last_configuration() {
    of_all_threads(|threads| {
        let running = Running::holding_back(threads, FOR_EVER);
        running.send("before");
        running.wait_for_held(1);
        let config = format!("[tiers.a]\ntargets = ['{}']", running.target.local_addr().unwrap());
        let renewed = running.routing.load().renewed(&CocoConfig::parse(&config).unwrap(), Seals::default());
        running.routing.store(Arc::new(renewed));
        running.expect("before");
        running.wait_for_held(0);
        running.send("after");
        running.expect("after");
        assert_eq!(running.sent_and_lost(), [2, 0]);
    });
}

/// A panic in packing costs its batch, not what is held; one in sending, or in packing what was held, costs that.
#[test]
fn a_panic_while_packets_are_held_back_is_counted_as_what_it_cost() {
    of_all_threads(|threads| {
        for (place, sent, lost) in [("pack", 2, 1), ("send", 0, 3), ("flush", 0, 3)] {
            let running = Running::holding_back(threads, FOR_EVER);
            running.send("before");
            running.wait_for_held(1);
            running.send(&format!("{place} panics"));
            running.send("after");
            running.wait_for_held(if place == "pack" { 2 } else { 3 });
            let lane = Arc::clone(&running.lane);
            assert_eq!(running.sent_and_lost(), [sent, lost], "{place}, {threads:?}");
            assert_eq!(lane.counts.get(Count::Accepted), sent + lost);
            assert_eq!(lane.counts.get(Count::SendUnhandled), 1, "{place}, {threads:?}");
            assert_eq!((lane.filtered.waiting(), lane.held.load(Ordering::Relaxed)), (0, 0));
        }
    });
}
