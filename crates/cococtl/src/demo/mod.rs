//! `cococtl demo`: all of it in one process, with nothing installed.
//!
//! ```text
//! made-up agents --UDP--> coco --UDP--> 2 tiers of 2 storage nodes in memory <--HTTP-- noodle <--HTTP-- you
//! ```

mod daemons;
mod ports;
mod shown;

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use clap::Args;
use coco_core::config::{CocoConfig, Level, Log, NoodleConfig, Problems};
use coco_daemon::logging;
use coco_daemon::signals::{Signal, Signals};
use serde_json::Value;
use tokio::sync::watch;

use crate::api::{self, Client, Root};
use crate::failure::{Failure, Outcome};
use crate::hosts;
use crate::storage::StorageNode;
use crate::storage::files::{self, Files};
use crate::traffic::{Counters, Generator, Sender};
use daemons::{Daemons, daemon, daemons};
use ports::{port_of, tcp, udp};
use shown::{progress, received, report, urls, write_beginning, write_introduction};

/// The tiers, each of two nodes.
const TIERS: [&str; 2] = ["shortterm", "midterm"];

/// The ports of `coco.sample.conf`: taken if they are free.
const LISTEN: u16 = 25826;
const API: u16 = 9090;
const NOODLE: u16 = 9080;

/// Ports of the nodes: 25827 and so on, as in the sample, and 9081 and so on.
const NODES: [u16; 4] = [0, 1, 2, 3];

/// How often each made-up agent sends, and the summary is shown.
const INTERVAL: Duration = Duration::from_secs(1);

/// How often it is looked whether all that was sent has arrived.
const TICK: Duration = Duration::from_millis(50);

/// How long that is waited for before the URLs are shown all the same.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long what was sent is waited for at the end.
const SETTLING: Duration = Duration::from_secs(3);

/// What is dropped, to show that something is.
const BLACKLIST: &str = "/swap/";

/// What `--json` makes of it.
const JSON: &str = r#"With --json, an object as soon as every URL answers, and one at the end:

  {"coco": {"listen", "api"}, "noodle", "nodes": [{"tier", "address", "url"}], "urls": [...]}
  {"sent", "others", "dropped", "nodes": [...], "received", "lost"}

The numbers are value lists. others: sent to Coco by somebody else. dropped: by the blacklist, as configured. received: by
the nodes of all tiers. lost: what a tier did not get of what Coco let through, of all tiers together, and what Coco did
not get of what the made-up agents sent."#;

/// Run Coco, Noodle, four storage nodes and made-up agents on this machine, with nothing installed
///
/// Prints what to try, and ends on Ctrl-C. Everything is on loopback, at the ports of coco.sample.conf where they are
/// free. The storage nodes keep ten minutes: in files of an rrdcached if one is installed, else in memory. Exit status 1
/// means that something was lost.
#[derive(Debug, Args)]
#[command(after_long_help = JSON)]
pub struct Arguments {
    /// Run Coco and Noodle alone, both with this configuration, on your own targets
    #[arg(long, value_name = "FILE", conflicts_with_all = ["hosts", "metrics", "free_ports", "json"])]
    config: Option<PathBuf>,

    /// How many made-up hosts there are
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    hosts: u32,

    /// Metrics of each host
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u32).range(20..=1000))]
    metrics: u32,

    /// Let the system choose all ports
    #[arg(long)]
    free_ports: bool,

    /// Write objects of JSON
    #[arg(long)]
    json: bool,
}

/// Runs until a signal says stop.
pub fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let runtime = api::runtime()?;
    let result = match &arguments.config {
        Some(path) => runtime.block_on(daemons(path)),
        None => runtime.block_on(demo(arguments)),
    };
    // A resolver that does not answer must not hold up the exit.
    runtime.shutdown_background();
    logging::finish();
    result
}

async fn demo(arguments: &Arguments) -> Result<Outcome, Failure> {
    let mut signals = Signals::new().map_err(Failure::System)?;
    write_beginning(arguments)?;
    logging::init(&Log { level: Level::Warn, format: None, access: false })?;
    let port = |port: u16| if arguments.free_ports { 0 } else { port };
    let nodes = start_nodes(port)?;
    // Each is free by the time that the daemon takes it.
    let ports = [
        port_of(udp(port(LISTEN))?.local_addr())?,
        port_of(tcp(port(API))?.local_addr())?,
        port_of(tcp(port(NOODLE))?.local_addr())?,
    ];
    let text = configuration(ports, &nodes);
    let wrong = |problems: Problems| daemon("configuration", &problems);
    let coco = CocoConfig::parse(&text).map_err(wrong)?;
    let noodle = NoodleConfig::parse(&text).map_err(wrong)?;
    let daemons = Daemons::prepare(coco, noodle).await?;
    let address = |address: io::Result<SocketAddr>| address.map_err(Failure::System);
    let addresses = Addresses {
        listen: address(daemons.coco.listen_address())?,
        api: address(daemons.coco.api_address())?,
        noodle: address(daemons.noodle.address())?,
    };

    let names = hosts::made_up(arguments.hosts as usize);
    let generator = Generator::new(names, arguments.metrics as usize, INTERVAL, 1);
    let socket = coco_udp::connect(addresses.listen, None).map_err(Failure::System)?;
    let sender = Sender { generator, socket, packet_size: 1452, rounds: None, duration: None, stamps: None };
    let counters = Arc::new(Counters::default());
    let (stop, stopped) = mpsc::channel();
    let counted = Arc::clone(&counters);
    let agents = std::thread::Builder::new().name("agents".to_owned());
    let agents = agents.spawn(move || sender.run(&counted, &stopped)).map_err(Failure::System)?;

    let (let_stop, may_stop) = watch::channel(false);
    let mut books = Books::default();
    let showing = async {
        tell(arguments, &addresses, &nodes, &counters, &mut signals).await?;
        // Coco goes on until it has all that was sent.
        drop(stop);
        let joined = tokio::task::spawn_blocking(|| agents.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            return Err(Failure::System(io::Error::other("the agents panicked")));
        }
        books = settle(&addresses, counters.value_lists.load(Relaxed)).await?;
        let _ = let_stop.send(true);
        Ok(())
    };
    tokio::try_join!(daemons.run(None, may_stop), showing)?;
    for node in nodes {
        books.received.push(node.stop().await?);
    }
    report(arguments, &books)?;
    Ok(Outcome::finding(books.lost() > 0))
}

/// Nodes as they should be set up, where that can be had; else in memory.
fn start_nodes(port: impl Fn(u16) -> u16) -> Result<Vec<StorageNode>, Failure> {
    let rrdcached = files::installed();
    let start = |number| {
        let socket = udp(port(LISTEN + 1 + number))?;
        let files = rrdcached.as_deref().map(Files::start).transpose().map_err(Failure::System)?;
        StorageNode::start(socket, tcp(port(NOODLE + 1 + number))?, files)
    };
    NODES.into_iter().map(start).collect()
}

/// What became of the value lists.
#[derive(Debug, Default)]
struct Books {
    sent: u64,
    /// What Coco got, of whomever.
    decoded: u64,
    dropped: u64,
    /// By each node.
    received: Vec<u64>,
}

impl Books {
    /// What somebody else than the agents has sent.
    fn others(&self) -> u64 {
        self.decoded.saturating_sub(self.sent)
    }

    fn lost(&self) -> u64 {
        let let_through = (self.decoded - self.dropped.min(self.decoded)) * TIERS.len() as u64;
        let received: u64 = self.received.iter().sum();
        self.sent.saturating_sub(self.decoded) + let_through.saturating_sub(received)
    }
}

/// Waits until Coco has read and decided all that the agents have sent, or some of it does not come.
async fn settle(addresses: &Addresses, sent: u64) -> Result<Books, Failure> {
    let root: Root = addresses.api.to_string().parse().map_err(|problem| daemon("coco", &problem))?;
    let client = Client::default();
    let start = Instant::now();
    loop {
        let vars: Value = client.ask_for(&root, "/debug/vars").await?;
        let count = |section: &str, key: &str| vars["coco"][section][key].as_u64().unwrap_or(0);
        let (decoded, dropped) = (count("listen", "decoded"), count("filter", "rejected"));
        let is_settled = decoded >= sent && count("filter", "accepted") + dropped >= sent;
        if is_settled || start.elapsed() > SETTLING {
            return Ok(Books { sent, decoded, dropped, received: Vec::new() });
        }
        tokio::time::sleep(TICK).await;
    }
}

struct Addresses {
    listen: SocketAddr,
    api: SocketAddr,
    noodle: SocketAddr,
}

/// Waits until there is something to see, says what to try, and shows a summary until a signal says stop.
async fn tell(
    arguments: &Arguments,
    addresses: &Addresses,
    nodes: &[StorageNode],
    counters: &Counters,
    signals: &mut Signals,
) -> Result<(), Failure> {
    // Twice of every host and more, whatever the blacklist drops: what is counted needs two values to be a rate.
    let enough = 3 * TIERS.len() as u64 * u64::from(arguments.hosts) * u64::from(arguments.metrics) * 9 / 10;
    let start = Instant::now();
    while nodes.iter().map(received).sum::<u64>() < enough && start.elapsed() < PATIENCE {
        tokio::select! {
            signal = signals.next() => if signal == Signal::Stop { return Ok(()) },
            () = tokio::time::sleep(TICK) => {}
        }
    }
    let urls = urls(addresses);
    write_introduction(arguments, addresses, nodes, &urls)?;
    let shows_progress = io::stderr().is_terminal();
    loop {
        tokio::select! {
            signal = signals.next() => if signal == Signal::Stop { break },
            () = tokio::time::sleep(INTERVAL), if shows_progress => progress(nodes, counters),
        }
    }
    if shows_progress {
        // Who does not look at progress misses nothing.
        let _ = write!(io::stderr(), "\r\x1b[Kstopping\r\x1b[K");
    }
    Ok(())
}

/// What an operator would write, with two tiers of these nodes.
fn configuration([listen, api, noodle]: [u16; 3], nodes: &[StorageNode]) -> String {
    let mut text = format!(
        "[listen]\nbind = \"127.0.0.1:{listen}\"\nreceive_buffer = \"64KiB\"\n\
         [filter]\nblacklist = \"{BLACKLIST}\"\n\
         [api]\nbind = \"127.0.0.1:{api}\"\n\
         [fetch]\nbind = \"127.0.0.1:{noodle}\"\n\
         [measure]\ninterval = \"1s\"\n"
    );
    for (tier, nodes) in TIERS.iter().zip(nodes.chunks(NODES.len() / TIERS.len())) {
        let targets = nodes
            .iter()
            .map(|node| format!("  {{ address = \"{}\", fetch = \"{}\" }},\n", node.address, node.url));
        text += &format!("[tiers.{tier}]\ntargets = [\n{}]\n", targets.collect::<String>());
    }
    text
}
