//! The only place that makes threads and channels: stages, the queues between them, and the lanes that they form.
//!
//! ```text
//!          raw queue            filtered queue
//!  listen -----------> filter ----------------> send
//!     ^                                           |
//!     +------------- emptied batches -------------+
//! ```
//!
//! With `pipeline.spread_hosts` every listen stage leads to the raw queues of all lanes.
//!
//! One, two or three threads carry the stages of a lane. Stages on one thread still hand over by the channel;
//! it is emptied before the next receive. A stage ends when the channel that it takes from has no sender left
//! and is empty, and drops its own sender by that: so a stop runs down the lane, and nothing is left behind.

mod handover;
mod sizes;
mod stages;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

use coco_core::config::LaneThreads;
use coco_udp::Wait;
use crossbeam_channel::{Receiver as Takes, Sender as Gives, bounded};

use crate::batch::Batch;
use crate::decide::Filter;
use crate::intake::{Gate, LaneOfHost, Spread};
use crate::lane::{Clock, Heartbeat, Lane};
use crate::plan::Newest;
use crate::secrets::initialization_vectors;
use crate::send::{Packing, Sending};
use handover::{Entrance, Handover, Pool, To};
use sizes::{Shape, Sizes};
use stages::{FilterStage, Listen, SendStage, Stage, Step};

/// The plan by which lanes are built.
#[derive(Clone)]
pub struct Plan {
    /// Threads that carry its stages.
    pub threads: LaneThreads,
    /// Datagrams in a batch, at most.
    pub batch: usize,
    /// Batches that a queue holds, at most.
    pub queue: usize,
    /// Whether lanes hand each other the hosts that are the other's. Not with one thread: each would wait for the
    /// other.
    pub spread_hosts: bool,
    /// The routing to decide and to send by.
    pub routing: Arc<Newest>,
    /// The gate that says who may send to us.
    pub gate: Arc<Gate>,
    /// When what is received was seen.
    pub clock: Clock,
    /// Set when the lanes are to stop.
    pub stop: Arc<AtomicBool>,
}

/// A stage is made on its own thread: what its system calls need does not move between threads.
type MakeStage = Box<dyn FnOnce() -> Box<dyn Stage> + Send>;

/// The threads of lanes, and the signs of life of the stages that they carry, by their names.
#[derive(Debug, Default)]
pub struct Threads {
    /// The threads.
    pub handles: Vec<JoinHandle<()>>,
    /// The signs of life.
    pub heartbeats: Vec<(String, Arc<Heartbeat>)>,
}

/// Starts the threads of all lanes, each of which receives from a socket of its own.
pub fn start(plan: &Plan, sockets: Vec<Arc<UdpSocket>>, lanes: &[Arc<Lane>]) -> io::Result<Threads> {
    let spreads = plan.spread_hosts && lanes.len() > 1;
    let copies = plan.routing.load().partitions.most_copies();
    let shape = Shape { lanes: lanes.len(), threads: plan.threads.count(), spreads, copies };
    let sizes = shape.sizes(Sizes { batch: plan.batch, queue: plan.queue });
    let batches = shape.under_way(sizes);
    // Every lane that hands on to a lane makes so many for it, if it has to.
    let most = if spreads { batches * lanes.len() } else { batches };
    let (entrances, exits): (Vec<_>, Vec<_>) = lanes
        .iter()
        .map(|_| {
            let (raw_in, raw_out) = bounded(sizes.queue);
            let (empty_in, empty_out) = bounded(most);
            let pool = Pool { from: empty_out, left: batches, size: sizes.batch };
            (Entrance { pool, to: raw_in }, (raw_out, empty_in))
        })
        .unzip();
    let handovers: Vec<_> = if spreads {
        let lane_of = LaneOfHost::new(lanes.len());
        let all = || lanes.iter().cloned().zip(entrances.iter().cloned()).collect();
        let to_all = || To::Lanes(Spread::new(lane_of.clone()), all());
        lanes
            .iter()
            .map(|_| Handover { spare: Some(Batch::new(sizes.batch)), rest: None, to: to_all() })
            .collect()
    } else {
        let to_own = |entrance| Handover { spare: None, rest: None, to: To::Own(entrance) };
        entrances.into_iter().map(to_own).collect()
    };
    let mut threads = Threads::default();
    let lanes = sockets.into_iter().zip(lanes).zip(handovers.into_iter().zip(exits));
    for ((socket, lane), (handover, (raw_out, empty_in))) in lanes {
        let listen: MakeStage = {
            let (lane, stop, gate) = (Arc::clone(lane), Arc::clone(&plan.stop), Arc::clone(&plan.gate));
            let clock = plan.clock;
            Box::new(move || Box::new(Listen::new(socket, lane, handover, stop, gate, clock)))
        };
        start_lane(plan, sizes.queue, lane, listen, raw_out, empty_in, &mut threads)?;
    }
    Ok(threads)
}

fn start_lane(
    plan: &Plan,
    queue: usize,
    lane: &Arc<Lane>,
    listen: MakeStage,
    raw_out: Takes<Batch>,
    empty_in: Gives<Batch>,
    threads: &mut Threads,
) -> io::Result<()> {
    let (filtered_in, filtered_out) = bounded(queue);
    let filter: MakeStage = {
        let filter = Filter::new(Arc::clone(&plan.routing));
        let lane = Arc::clone(lane);
        Box::new(move || Box::new(FilterStage { filter, lane, from: raw_out, to: filtered_in }))
    };
    let send: MakeStage = {
        let (plan, lane) = (plan.clone(), Arc::clone(lane));
        let vectors = initialization_vectors()?;
        Box::new(move || {
            let routing = plan.routing.load_full();
            let sending = Sending::new(&routing.outlets, vectors);
            let packing = Packing::new(routing);
            Box::new(SendStage {
                packing,
                sending,
                newest: plan.routing,
                lane,
                from: filtered_out,
                to: empty_in,
            })
        })
    };
    let (listen, filter, send) = (("listen", listen), ("filter", filter), ("send", send));
    let groups = match plan.threads {
        LaneThreads::One => vec![("lane", vec![listen, filter, send])],
        LaneThreads::Two => vec![("listen", vec![listen]), ("send", vec![filter, send])],
        LaneThreads::Three => vec![("listen", vec![listen]), ("filter", vec![filter]), ("send", vec![send])],
    };
    for (name, stages) in groups {
        let mut makers = Vec::new();
        for (stage, make) in stages {
            let heartbeat = Arc::new(Heartbeat::default());
            threads.heartbeats.push((format!("{stage} {}", lane.id.number()), Arc::clone(&heartbeat)));
            makers.push((make, heartbeat));
        }
        let thread = std::thread::Builder::new().name(format!("{name} {}", lane.id.number()));
        threads.handles.push(thread.spawn(move || carry(makers))?);
    }
    Ok(())
}

/// Carries stages: waits for the first one's work, no longer than the others can, then lets what it handed on run
/// through these.
fn carry(stages: Vec<(MakeStage, Arc<Heartbeat>)>) {
    let make = |(make, heartbeat): (MakeStage, _)| (make(), heartbeat);
    let mut stages: VecDeque<_> = stages.into_iter().map(make).collect();
    loop {
        let due = stages.iter().filter_map(|(stage, _)| stage.due()).min();
        let wait = due.map_or(Wait::ForOne, Wait::Until);
        let Some((first, heartbeat)) = stages.front_mut() else { return };
        let step = first.step(wait);
        heartbeat.beat();
        if step == Step::Ended {
            // Drops its sender, so that the next one ends when it has emptied its queue.
            stages.pop_front();
        }
        for (stage, heartbeat) in stages.iter_mut().skip(1) {
            while stage.step(Wait::No) == Step::Done {
                heartbeat.beat();
            }
            heartbeat.beat();
        }
    }
}
