//! `cococtl load`: made-up agents.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Args;
use coco_core::address::Address;
use coco_core::config::duration;
use coco_core::types_db::TypesDb;
use coco_daemon::signals::{Signal, Signals};
use serde_json::json;
use tokio::sync::oneshot;

use crate::api;
use crate::failure::{Failure, Outcome};
use crate::hosts;
use crate::receive::connect;
use crate::traffic::{Bounds, Counters, Generator, Metric, Sender, Stamps, TYPES_DB};

/// How often progress is shown.
const TICK: Duration = Duration::from_millis(500);

/// Metrics that a file may have.
const MOST_METRICS: usize = 100_000;

/// What `--json` makes of it.
const JSON: &str = r#"With --json, one object at the end:

  {"hosts", "metrics", "value_lists", "datagrams", "bytes", "refused", "failed", "seconds"}

metrics: of each host. refused: how often nobody listened there. failed: datagrams that the system did not take."#;

/// Send what a fleet of made-up agents would
///
/// Each host sends all its metrics once an interval, the hosts evenly spread over it. Values are of the kinds and types
/// of real plugins, and the same in every run of the same --seed. The last value list of a host counts those that it
/// has sent, so that `cococtl sink` can tell what is missing. Exit status 1 means that nobody
/// listened, or that the system did not take all.
#[derive(Debug, Args)]
#[command(after_long_help = JSON)]
pub struct Arguments {
    /// Where to send to, as HOST:PORT
    #[arg(value_name = "ADDRESS")]
    target: Address,

    /// How many hosts there are
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    hosts: u32,

    /// Names of the hosts, one a line; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "hosts")]
    hosts_from: Option<PathBuf>,

    /// Metrics of each host, the one that counts included
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    metrics: u32,

    /// Metrics of each host, PLUGIN[-INSTANCE]/TYPE[-INSTANCE] a line, beside the one that counts; - is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "metrics")]
    metrics_from: Option<PathBuf>,

    /// collectd's types.db, for the data sources of those; a type that it does not have is one gauge
    #[arg(long, value_name = "FILE", requires = "metrics_from")]
    types_db: Option<PathBuf>,

    /// Put this before the name of each host
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    prefix: String,

    /// All values are this
    #[arg(long, value_name = "NUMBER", conflicts_with = "limit", allow_negative_numbers = true)]
    value: Option<f64>,

    /// No gauge is above this, and what is counted rises by no more a second, on average
    #[arg(long, value_name = "NUMBER", value_parser = limit)]
    limit: Option<f64>,

    /// Time of the values of the first round, in Unix seconds, or before now, such as -1h
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = moment)]
    start: Option<f64>,

    /// From one round to the next the times of the values go on by this, such as 10s, or back, such as -10s; the interval
    /// unless it is given
    #[arg(long, value_name = "TIME", requires = "start", allow_hyphen_values = true, value_parser = signed_time)]
    step: Option<f64>,

    /// Time between two rounds of a host, such as 10s
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    interval: Duration,

    /// Value lists a second, of all hosts together; the interval follows
    #[arg(long, value_name = "N", conflicts_with = "interval", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,

    /// Stop after so long, such as 1m30s
    #[arg(long, value_name = "TIME", value_parser = time)]
    duration: Option<Duration>,

    /// Stop when each host has sent so often
    #[arg(long, value_name = "N")]
    rounds: Option<u64>,

    /// What the values are made from
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// Largest packet in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 1452, value_parser = clap::value_parser!(u16).range(256..))]
    packet_size: u16,

    /// Write an object of JSON at the end
    #[arg(long)]
    json: bool,
}

/// A time above 0, as in the configuration.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    match duration::parse(text) {
        Ok(Duration::ZERO) => Err("it must be longer than 0".to_owned()),
        Ok(time) => Ok(time),
        Err(problem) => Err(format!("{problem}: expected such as 10s or 1m30s")),
    }
}

/// A number above 0.
fn limit(text: &str) -> Result<f64, String> {
    let limit = text.parse().ok().filter(|limit: &f64| limit.is_finite() && *limit > 0.0);
    limit.ok_or_else(|| "expected a number above 0".to_owned())
}

/// A time that may go back, in seconds.
fn signed_time(text: &str) -> Result<f64, String> {
    match text.strip_prefix('-') {
        None => time(text).map(|time| time.as_secs_f64()),
        Some(text) => time(text).map(|time| -time.as_secs_f64()),
    }
}

/// Unix seconds, or how long before now.
fn moment(text: &str) -> Result<f64, String> {
    if text.starts_with('-') {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        return Ok(now.as_secs_f64() + signed_time(text)?);
    }
    let seconds = text.parse().ok().filter(|seconds: &f64| (0.0..1e10).contains(seconds));
    seconds.ok_or_else(|| "expected Unix seconds, or such as -1h".to_owned())
}

/// The metrics of a file.
fn metrics(path: &Path, types: Option<&Path>) -> Result<Vec<Metric>, Failure> {
    let types = match types {
        None => TYPES_DB.as_bytes().to_vec(),
        Some(path) => std::fs::read(path).map_err(|source| Failure::file(path, source))?,
    };
    let types = TypesDb::parse(&types).0;
    let mut read = Vec::new();
    let input: Box<dyn Read> = match path.to_str() {
        Some("-") => Box::new(io::stdin()),
        _ => Box::new(File::open(path).map_err(|source| Failure::file(path, source))?),
    };
    for (line, name) in (1..).zip(BufReader::new(input).lines()) {
        let name = name.map_err(|source| Failure::file(path, source))?;
        if name.trim().is_empty() {
            continue;
        }
        let wrong = |reason: &str| Failure::Line { path: path.to_owned(), line, reason: reason.to_owned() };
        if read.len() == MOST_METRICS {
            return Err(wrong("there are more than 100,000 metrics"));
        }
        read.push(Metric::parse(name.trim_end(), &types).map_err(wrong)?);
    }
    Ok(read)
}

/// Sends until all is sent or a signal says stop.
pub fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let mut hosts = match &arguments.hosts_from {
        None => hosts::made_up(arguments.hosts as usize),
        Some(path) => hosts::read(path)?,
    };
    if !arguments.prefix.is_empty() {
        for host in &mut hosts {
            *host = [arguments.prefix.as_bytes(), host].concat();
        }
    }
    let given = arguments
        .metrics_from
        .as_ref()
        .map(|path| metrics(path, arguments.types_db.as_deref()))
        .transpose()?;
    let metrics = given.as_ref().map_or(arguments.metrics as usize, |given| given.len() + 1);
    let interval = match arguments.rate {
        None => arguments.interval,
        Some(rate) => Duration::from_secs_f64(hosts.len() as f64 * metrics as f64 / f64::from(rate)),
    };
    let mut generator = Generator::new(hosts, metrics, interval, arguments.seed);
    if let Some(given) = given {
        generator = generator.with_metrics(given);
    }
    generator = generator.bounded(Bounds { fixed: arguments.value, limit: arguments.limit });
    if let Some(step) = arguments.step {
        generator = generator.stating(Duration::from_secs_f64(step.abs()));
    }
    api::runtime()?.block_on(send(arguments, generator))
}

async fn send(arguments: &Arguments, generator: Generator) -> Result<Outcome, Failure> {
    let mut signals = Signals::new().map_err(Failure::System)?;
    let mut sender = Sender {
        generator,
        socket: connect(&arguments.target).await?,
        packet_size: usize::from(arguments.packet_size),
        rounds: arguments.rounds,
        duration: arguments.duration,
        stamps: None,
    };
    let units = |seconds: f64| (seconds * (1_u64 << 30) as f64) as i64;
    let step = arguments.step.unwrap_or_else(|| sender.generator.interval().as_secs_f64());
    sender.stamps = arguments.start.map(|start| Stamps { start: units(start), step: units(step) });
    let (hosts, metrics) = (sender.generator.hosts(), sender.generator.metrics());
    let counters = Arc::new(Counters::default());
    let (stop, stopped) = mpsc::channel();
    let (tell, mut ended) = oneshot::channel();
    let start = Instant::now();
    let counted = Arc::clone(&counters);
    let thread = std::thread::Builder::new().name("sender".to_owned()).spawn(move || {
        sender.run(&counted, &stopped);
        let _ = tell.send(());
    });
    let thread = thread.map_err(Failure::System)?;
    let mut stop = Some(stop);
    let shows_progress = io::stderr().is_terminal();
    loop {
        tokio::select! {
            _ = &mut ended => break,
            signal = signals.next() => if signal == Signal::Stop { stop = None },
            () = tokio::time::sleep(TICK), if shows_progress && stop.is_some() => progress(&counters, start),
        }
    }
    drop(stop);
    thread.join().map_err(|_| Failure::System(io::Error::other("the sender panicked")))?;
    if shows_progress {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
    report(arguments, [hosts, metrics], &counters, start.elapsed().as_secs_f64())
}

/// Says what was sent in so many seconds.
fn report(
    arguments: &Arguments,
    [hosts, metrics]: [usize; 2],
    counters: &Counters,
    seconds: f64,
) -> Result<Outcome, Failure> {
    let Counters { value_lists, datagrams, bytes, refused, failed, reason } = counters;
    let [value_lists, datagrams, bytes, refused, failed, reason] =
        [value_lists, datagrams, bytes, refused, failed, reason].map(|counter| counter.load(Relaxed));
    let mut out = io::stdout().lock();
    if arguments.json {
        let sent = json!({
            "hosts": hosts, "metrics": metrics, "value_lists": value_lists, "datagrams": datagrams, "bytes": bytes,
            "refused": refused, "failed": failed, "seconds": seconds,
        });
        writeln!(out, "{sent}")?;
    } else {
        writeln!(
            out,
            "sent {value_lists} value lists of {hosts} hosts in {datagrams} datagrams ({bytes} bytes) in {seconds:.1} s"
        )?;
        if refused > 0 {
            writeln!(out, "nobody listened there, {refused} times")?;
        }
        if failed > 0 {
            let reason = io::Error::from_raw_os_error(i32::try_from(reason).unwrap_or_default());
            writeln!(out, "{failed} datagrams were not sent: {reason}")?;
        }
    }
    Ok(Outcome::finding(refused + failed > 0))
}

fn progress(counters: &Counters, start: Instant) {
    let sent = counters.value_lists.load(Relaxed);
    let mut line = String::from("\r\x1b[K");
    let rate = sent as f64 / start.elapsed().as_secs_f64();
    let _ = write!(line, "sent {sent} value lists, {rate:.0} a second");
    // Who does not look at progress misses nothing.
    let _ = io::stderr().write_all(line.as_bytes());
}
