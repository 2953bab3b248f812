//! Agents: every host has values each second, whatever becomes of the fleet, and the truth gets the same.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use coco_core::value_list::{Identifier, Interval, Time, Value, ValueList};
use coco_harness::traffic;

/// Types of the metrics that each host has.
pub(crate) const TYPES: [&str; 3] = ["gauge", "derive", "counter"];

/// How often it is looked whether another second has begun.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// Whom value lists are sent to, and what was sent.
pub(crate) struct Source {
    pub(crate) hosts: Vec<String>,
    /// One for each Coco.
    pub(crate) cocos: Vec<UdpSocket>,
    pub(crate) truth: UdpSocket,
    /// The last second that was sent.
    pub(crate) second: AtomicI64,
}

/// The load, until it is stopped.
pub(crate) struct Load {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

/// The second that it is.
pub(crate) fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is late").as_secs();
    i64::try_from(now).expect("it is not that late")
}

/// The gauge of a host.
pub(crate) fn gauge(host: usize, second: i64) -> f64 {
    ((second * 31 + host as i64 * 1009) % 100_000) as f64
}

impl Source {
    /// Sends what all hosts have in the next second, each by one Coco, as an agent has one.
    pub(crate) fn send_next(&self) {
        let second = self.second.load(Ordering::SeqCst) + 1;
        let of = |host: usize| TYPES.into_iter().map(move |kind| self.value_list(host, kind, second));
        for (number, coco) in self.cocos.iter().enumerate() {
            let hosts = (number..self.hosts.len()).step_by(self.cocos.len());
            traffic::send(coco, &hosts.flat_map(of).collect::<Vec<_>>());
        }
        traffic::send(&self.truth, &(0..self.hosts.len()).flat_map(of).collect::<Vec<_>>());
        self.second.store(second, Ordering::SeqCst);
    }

    fn value_list(&self, host: usize, kind: &str, second: i64) -> ValueList {
        let identifier = Identifier {
            host: self.hosts[host].as_str().into(),
            plugin: "walk".into(),
            plugin_instance: Vec::new(),
            type_name: kind.into(),
            type_instance: Vec::new(),
        };
        let total = second * (host as i64 + 3) + second % 5;
        let value = match kind {
            "gauge" => Value::Gauge(gauge(host, second)),
            "derive" => Value::Derive(total),
            _ => Value::Counter(u64::try_from(second * (host as i64 + 7)).expect("after 1970")),
        };
        let time = Time::HighResolution(u64::try_from(second).expect("after 1970") << 30);
        ValueList::new(identifier, time, Interval::HighResolution(1 << 30), &[value])
    }
}

impl Load {
    /// Sends every second that has begun and was not sent yet, and goes on.
    pub(crate) fn start(source: Arc<Source>) -> Self {
        let (stop, stopped) = channel();
        let thread = std::thread::spawn(move || {
            while stopped.recv_timeout(BETWEEN_LOOKS) == Err(RecvTimeoutError::Timeout) {
                while source.second.load(Ordering::SeqCst) < now() {
                    source.send_next();
                }
            }
        });
        Self { stop, thread }
    }

    pub(crate) fn stop(self) {
        drop(self.stop);
        self.thread.join().expect("nothing is refused");
    }
}
