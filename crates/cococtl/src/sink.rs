//! `cococtl sink`: takes what is sent, counts it, and says whether it is whole.

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;
use coco_core::address::Address;
use coco_core::wire::{Decoder, Event};
use coco_daemon::signals::{Signal, Signals};
use coco_udp::{inode, kernel_drops};
use serde_json::{Value, json};

use crate::api;
use crate::failure::{Failure, Outcome};
use crate::ledger::{Findings, Ledger};
use crate::load::time;
use crate::receive::{self, NameLength};

/// How often it is looked whether all has come.
const TICK: Duration = Duration::from_millis(50);

/// How long more is waited for where a number is expected, unless `--idle` says otherwise.
const IDLE: Duration = Duration::from_secs(10);

/// What `--json` makes of it.
const JSON: &str = r#"With --json, one object at the end:

  {"value_lists", "notifications", "datagrams", "bytes", "malformed", "kernel_drops",
   "missing", "extra", "unaccounted", "restarts", "unverified_hosts",
   "targets": [{"address", "hosts", "value_lists"}]}

missing, extra: value lists. unaccounted: those of hosts beyond a million of a target, which nobody has checked.
malformed: datagrams. kernel_drops: datagrams that came faster than they were read. restarts: how often a sequence
began anew. unverified_hosts: those that have sent no sequence."#;

/// Receive packets, count them, and tell what is missing
///
/// Each address is a target. What `cococtl load` sends is checked host by host, so start this first. Ends on Ctrl-C,
/// when as much has come as is expected, or when nothing comes any more. Exit status 1 means that something is missing,
/// came twice, is malformed or was not checked: the value lists of hosts beyond a million, and hosts that have sent no
/// sequence where others have.
#[derive(Debug, Args)]
#[command(after_long_help = JSON)]
pub struct Arguments {
    /// Where to listen, as HOST:PORT or :PORT; port 0 lets the system choose
    #[arg(value_name = "ADDRESS", default_value = ":25826")]
    listen: Vec<Address>,

    /// End when so many value lists have come, to all addresses together
    #[arg(long, value_name = "N")]
    expect: Option<u64>,

    /// End when nothing has come for so long, once something has. With --expect 10s unless given
    #[arg(long, value_name = "TIME", value_parser = time)]
    idle: Option<Duration>,

    #[command(flatten)]
    names: NameLength,

    /// Write an object of JSON at the end
    #[arg(long)]
    json: bool,
}

/// What a thread receives.
struct Target {
    address: SocketAddr,
    name_max: usize,
    ledger: Mutex<Ledger>,
}

#[derive(Default)]
struct Counters {
    value_lists: AtomicU64,
    notifications: AtomicU64,
    datagrams: AtomicU64,
    bytes: AtomicU64,
    malformed: AtomicU64,
    stop: AtomicBool,
}

/// Receives until it is enough.
pub fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    api::runtime()?.block_on(receive(arguments))
}

async fn receive(arguments: &Arguments) -> Result<Outcome, Failure> {
    let mut signals = Signals::new().map_err(Failure::System)?;
    let counters = Arc::new(Counters::default());
    let (mut targets, mut inodes, mut threads) = (Vec::new(), Vec::new(), Vec::new());
    for address in &arguments.listen {
        let socket = receive::listen(address).await?;
        inodes.push(inode(&socket).map_err(Failure::System)?);
        let address = socket.local_addr().map_err(Failure::System)?;
        // Who lets the system choose reads it here.
        let _ = writeln!(io::stderr(), "listening at {address}");
        let target =
            Arc::new(Target { address, name_max: arguments.names.name_max(), ledger: Mutex::default() });
        targets.push(Arc::clone(&target));
        let counters = Arc::clone(&counters);
        let take = move || {
            receive::until_stopped(&socket, &counters.stop, |datagram, _| take(datagram, &target, &counters))
        };
        threads
            .push(std::thread::Builder::new().name("sink".to_owned()).spawn(take).map_err(Failure::System)?);
    }
    wait(arguments, &counters, &mut signals).await;
    // What the kernel has dropped it says only as long as the sockets are open.
    let dropped = kernel_drops(&inodes).unwrap_or(0);
    counters.stop.store(true, Relaxed);
    for thread in threads {
        thread
            .join()
            .map_err(|_| Failure::System(io::Error::other("a receiver panicked")))?
            .map_err(Failure::System)?;
    }
    report(arguments, &targets, &counters, dropped)
}

async fn wait(arguments: &Arguments, counters: &Counters, signals: &mut Signals) {
    let shows_progress = io::stderr().is_terminal();
    let idle = arguments.idle.or(arguments.expect.map(|_| IDLE));
    let (mut seen, mut since) = (0, Instant::now());
    loop {
        tokio::select! {
            signal = signals.next() => if signal == Signal::Stop { break },
            () = tokio::time::sleep(TICK) => {}
        }
        let [value_lists, datagrams] =
            [&counters.value_lists, &counters.datagrams].map(|counter| counter.load(Relaxed));
        if arguments.expect.is_some_and(|expected| value_lists >= expected) {
            break;
        }
        if datagrams != seen {
            (seen, since) = (datagrams, Instant::now());
            if shows_progress {
                let _ = write!(
                    io::stderr(),
                    "\r\x1b[Kreceived {value_lists} value lists in {datagrams} datagrams"
                );
            }
        } else if seen > 0 && idle.is_some_and(|idle| since.elapsed() >= idle) {
            break;
        }
    }
    if shows_progress {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
}

/// Takes in a datagram.
fn take(datagram: &[u8], target: &Target, counters: &Counters) {
    let mut value_lists = 0;
    let mut ledger = target.ledger.lock().unwrap_or_else(PoisonError::into_inner);
    for event in Decoder::new(datagram).with_name_max(target.name_max) {
        match event {
            Ok(Event::ValueList(spans)) => {
                ledger.add(&spans.of(datagram));
                value_lists += 1;
            }
            Ok(Event::Notification(_)) => _ = counters.notifications.fetch_add(1, Relaxed),
            Ok(_) => {}
            Err(_) => _ = counters.malformed.fetch_add(1, Relaxed),
        }
    }
    drop(ledger);
    counters.bytes.fetch_add(datagram.len() as u64, Relaxed);
    counters.datagrams.fetch_add(1, Relaxed);
    counters.value_lists.fetch_add(value_lists, Relaxed);
}

fn report(
    arguments: &Arguments,
    targets: &[Arc<Target>],
    counters: &Counters,
    kernel_drops: u64,
) -> Result<Outcome, Failure> {
    let received = Received {
        value_lists: counters.value_lists.load(Relaxed),
        notifications: counters.notifications.load(Relaxed),
        datagrams: counters.datagrams.load(Relaxed),
        bytes: counters.bytes.load(Relaxed),
        malformed: counters.malformed.load(Relaxed),
        kernel_drops,
    };
    let mut all = Findings::default();
    let mut rows = Vec::new();
    for target in targets {
        let ledger = target.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        all += ledger.findings();
        rows.push((target.address, ledger.hosts(), ledger.value_lists));
    }
    // What never came, its sequence included, shows only against a number.
    if let Some(expected) = arguments.expect {
        all.missing = all.missing.max(expected.saturating_sub(received.value_lists));
    }
    let mut out = io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", received.as_json(&rows, &all))?;
    } else {
        received.write(&mut out, &rows, &all)?;
    }
    Ok(Outcome::finding(all.has_any() || received.malformed + kernel_drops > 0))
}

/// The address of a target, and how many hosts and value lists have come there.
type Row = (SocketAddr, usize, u64);

/// What has come to all targets.
struct Received {
    value_lists: u64,
    notifications: u64,
    datagrams: u64,
    bytes: u64,
    malformed: u64,
    kernel_drops: u64,
}

impl Received {
    fn as_json(&self, rows: &[Row], findings: &Findings) -> Value {
        let Self { value_lists, notifications, datagrams, bytes, malformed, kernel_drops } = self;
        let Findings { missing, extra, restarts, unaccounted, unverified_hosts, .. } = findings;
        let targets: Vec<_> = rows
            .iter()
            .map(|(address, hosts, value_lists)| {
                json!({ "address": address.to_string(), "hosts": hosts, "value_lists": value_lists })
            })
            .collect();
        json!({
            "value_lists": value_lists, "notifications": notifications, "datagrams": datagrams, "bytes": bytes,
            "malformed": malformed, "kernel_drops": kernel_drops, "missing": missing, "extra": extra,
            "unaccounted": unaccounted, "restarts": restarts, "unverified_hosts": unverified_hosts, "targets": targets,
        })
    }

    fn write(&self, out: &mut impl Write, rows: &[Row], findings: &Findings) -> io::Result<()> {
        let Self { value_lists, notifications, datagrams, bytes, malformed, kernel_drops } = self;
        let Findings { missing, extra, restarts, unaccounted, unverified_hosts, verified_hosts } = *findings;
        for (address, hosts, value_lists) in rows {
            writeln!(out, "{address}: {value_lists} value lists of {hosts} hosts")?;
        }
        writeln!(
            out,
            "{value_lists} value lists and {notifications} notifications in {datagrams} datagrams ({bytes} bytes)"
        )?;
        writeln!(
            out,
            "{missing} missing, {extra} too many, {malformed} datagrams malformed, {kernel_drops} dropped by the kernel"
        )?;
        if restarts > 0 {
            writeln!(
                out,
                "sequences began anew {restarts} times: agents were restarted, or packets reordered"
            )?;
        }
        if unverified_hosts > 0 {
            let others = if verified_hosts > 0 { ", as others have" } else { "" };
            writeln!(
                out,
                "{unverified_hosts} hosts have sent no sequence{others}: of them nothing more is known"
            )?;
        }
        if unaccounted > 0 {
            let most = Ledger::MOST_HOSTS;
            writeln!(
                out,
                "{unaccounted} of hosts beyond {most} of a target: of these nothing more is known"
            )?;
        }
        Ok(())
    }
}
