//! The threads and tasks of a service beside its lanes.

use std::fmt::Display;
use std::io;
use std::net::UdpSocket;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

use coco_core::config::CocoConfig;
use coco_udp::Membership;
use crossbeam_channel::Sender;
use tokio::sync::mpsc;
use tracing::error;

use crate::watch::{Intervals, Measure};

/// Tells of each thread that has ended, and why in the log.
pub(super) fn watch(
    threads: impl Iterator<Item = JoinHandle<()>>,
) -> io::Result<mpsc::UnboundedReceiver<()>> {
    let (tell, told) = mpsc::unbounded_channel();
    for thread in threads {
        let tell = tell.clone();
        std::thread::Builder::new().name("watch".to_owned()).spawn(move || {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            if let Err(panic) = thread.join() {
                let message = panic.downcast_ref::<&str>().copied().map(str::to_owned);
                let message = message.or_else(|| panic.downcast_ref::<String>().cloned());
                complain_of_death(&name, message.as_deref().unwrap_or("no message"));
            }
            let _ = tell.send(());
        })?;
    }
    Ok(told)
}

fn complain_of_death(thread: &str, panic: impl Display) {
    error!(thread, %panic, "a thread panicked");
}

/// Measures in a thread of its own until the sender that is returned is dropped.
pub(super) fn start_measuring(
    measure: &Arc<Measure>,
    intervals: Intervals,
) -> io::Result<(Sender<Intervals>, JoinHandle<()>)> {
    let (send, news) = crossbeam_channel::unbounded();
    let measure = Arc::clone(measure);
    let builder = std::thread::Builder::new().name("measure".to_owned());
    Ok((send, builder.spawn(move || measure.run(intervals, &news))?))
}

pub(super) fn intervals(config: &CocoConfig) -> Intervals {
    Intervals { interval: config.measure.interval, expire: config.state.expire }
}

/// The memberships of those sockets that receive from a group.
pub(super) fn memberships(
    sockets: &[Arc<UdpSocket>],
    interface: Option<&str>,
) -> Vec<(Weak<UdpSocket>, Membership)> {
    let membership = |socket| Some((Arc::downgrade(socket), Membership::of(socket, interface)?));
    sockets.iter().filter_map(membership).collect()
}
