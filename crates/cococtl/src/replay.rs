//! `cococtl replay`: the datagrams of a capture, sent again.

use std::io::{self, Write};
use std::net::UdpSocket;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Args;
use coco_core::address::Address;
use coco_core::wire::{Decoder, Event, Unwritable, rewrite};
use coco_daemon::signals::{Signal, Signals};
use regex::bytes::Regex;
use serde_json::json;
use tokio::sync::oneshot;

use crate::api;
use crate::capture::{self, Content, Datagrams, End, Frame, Skips, input};
use crate::failure::{Failure, Outcome};
use crate::receive::{NameLength, connect};
use crate::traffic::{Counters, Stop, send_datagram};

/// How long the sender may take to stop.
const LONGEST_STOP: Duration = Duration::from_secs(1);

/// What `--json` makes of it.
const JSON: &str = r#"With --json, one object at the end:

  {"packets", "datagrams", "value_lists", "bytes", "refused", "failed", "seconds", "secured", "not_renamed",
   "fragments", "truncated", "cut", "skipped": {reason: packets}, "hints": [text]}

refused: how often nobody listened there. failed: datagrams that the system did not take. Not sent: secured, with --retime
or --rename; not_renamed, whose new host is no name; fragments; truncated, of which the capture has a part only."#;

/// Send the datagrams of a capture again
///
/// FILE is a capture as `cococtl decode` reads it. Datagrams keep their distances in time. Those that a frame has joined
/// are sent each by itself. Exit status 1 means that something was not sent, or that nobody listened.
#[derive(Debug, Args)]
#[command(after_long_help = JSON)]
pub struct Arguments {
    /// The capture; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Where to send to, as HOST:PORT
    #[arg(long, value_name = "ADDRESS")]
    to: Address,

    /// How fast: 1x as captured, 10x in a tenth of the time, max without a pause
    #[arg(long, value_name = "SPEED", default_value = "1x")]
    speed: Speed,

    /// Move all times, so that what was measured at the start of the capture is measured now; faster than 1x they run
    /// ahead of the clock
    #[arg(long)]
    retime: bool,

    /// Give hosts another name: what matches REGEX is replaced by TEXT, where $1 is a group
    #[arg(long, value_name = "REGEX=TEXT")]
    rename: Option<Rename>,

    /// Send datagrams that went to this port only; 0 is any
    #[arg(long, value_name = "PORT", default_value_t = 25826)]
    port: u16,

    #[command(flatten)]
    names: NameLength,

    /// Write an object of JSON at the end
    #[arg(long)]
    json: bool,
}

/// How many times as fast as captured; none is without a pause.
#[derive(Debug, Clone, Copy)]
struct Speed(Option<f64>);

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self(None));
        }
        let factor = text.strip_suffix('x').and_then(|factor| factor.parse().ok());
        let factor = factor.filter(|factor: &f64| factor.is_finite() && *factor > 0.0);
        factor.map(|factor| Self(Some(factor))).ok_or_else(|| "expected such as 1x, 0.5x or max".to_owned())
    }
}

/// What to look for in names of hosts, and what to put there.
#[derive(Debug, Clone)]
struct Rename(Regex, Vec<u8>);

impl FromStr for Rename {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (regex, text) = text.rsplit_once('=').ok_or("expected REGEX=TEXT")?;
        let regex = Regex::new(regex).map_err(|problem| problem.to_string())?;
        Ok(Self(regex, text.as_bytes().to_vec()))
    }
}

/// Sends until the capture ends or a signal says stop.
pub fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    api::runtime()?.block_on(replay(arguments))
}

async fn replay(arguments: &Arguments) -> Result<Outcome, Failure> {
    let mut signals = Signals::new().map_err(Failure::System)?;
    let socket = connect(&arguments.to).await?;
    let (stop, stopped) = mpsc::channel();
    let (tell, mut ended) = oneshot::channel();
    let mut replay = Replay::new(arguments, socket);
    let (path, start) = (arguments.file.clone(), Instant::now());
    let thread = std::thread::Builder::new().name("replay".to_owned());
    let thread = thread.spawn(move || {
        let sent = input::open(&path).and_then(|input| {
            let mut scratch = Vec::new();
            match capture::read(input, |frame| replay.frame(frame, &stopped, &mut scratch)) {
                Ok(end) => replay.cut = end == End::Cut,
                Err(Ended::Stopped) => {}
                Err(Ended::Capture(reason)) => return Err(Failure::Capture { path, reason }),
            }
            Ok(())
        });
        let _ = tell.send((replay, sent));
    });
    thread.map_err(Failure::System)?;
    let mut stop = Some(stop);
    // Reading that waits for more of a pipe can't be told to stop.
    let waits = || Failure::Capture {
        path: arguments.file.clone(),
        reason: "stopped while it was waited for more".to_owned(),
    };
    let (replay, sent) = loop {
        tokio::select! {
            done = &mut ended => {
                break done.map_err(|_| Failure::System(io::Error::other("the sender panicked")))?;
            }
            signal = signals.next() => if signal == Signal::Stop {
                stop = None;
            },
            () = tokio::time::sleep(LONGEST_STOP), if stop.is_none() => return Err(waits()),
        }
    };
    drop(stop);
    if replay.packets > 0 || sent.is_ok() {
        replay.report(arguments, start.elapsed())?;
    }
    sent?;
    Ok(Outcome::finding(replay.has_findings()))
}

/// Why reading ends early.
enum Ended {
    Stopped,
    Capture(String),
}

impl From<String> for Ended {
    fn from(reason: String) -> Self {
        Self::Capture(reason)
    }
}

/// Sends, and counts what it does not.
struct Replay {
    socket: UdpSocket,
    speed: Speed,
    retime: bool,
    rename: Option<Rename>,
    port: u16,
    name_max: usize,
    counters: Arc<Counters>,
    /// When the first packet was captured, and when it was sent.
    first: Option<(u64, Instant)>,
    /// By how much times move, in units of 2^-30 s.
    shift: i64,
    packets: u64,
    secured: u64,
    not_renamed: u64,
    fragments: u64,
    truncated: u64,
    cut: bool,
    skips: Skips,
}

impl Replay {
    fn new(arguments: &Arguments, socket: UdpSocket) -> Self {
        Self {
            socket,
            speed: arguments.speed,
            retime: arguments.retime,
            rename: arguments.rename.clone(),
            port: arguments.port,
            name_max: arguments.names.name_max(),
            counters: Arc::default(),
            first: None,
            shift: 0,
            packets: 0,
            secured: 0,
            not_renamed: 0,
            fragments: 0,
            truncated: 0,
            cut: false,
            skips: Skips::default(),
        }
    }

    fn frame(&mut self, frame: Frame<'_>, stop: &Stop, scratch: &mut Vec<u8>) -> Result<(), Ended> {
        self.packets += 1;
        match frame.content {
            Content::Fragment { .. } => self.fragments += 1,
            Content::Skipped(reason) => self.skips.add(reason),
            Content::Datagrams(datagrams) => {
                let port = datagrams.destination.port();
                if self.port != 0 && port != self.port {
                    self.skips.add_port(port);
                } else if datagrams.truncated {
                    self.truncated += 1;
                } else {
                    self.wait(frame.captured, stop)?;
                    self.send(&datagrams, scratch);
                }
            }
        }
        Ok(())
    }

    /// Until it is time for what was captured then.
    fn wait(&mut self, captured: Option<u64>, stop: &Stop) -> Result<(), Ended> {
        let mut wait = Duration::ZERO;
        if let Some(captured) = captured {
            let (first, start) = *self.first.get_or_insert_with(|| {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
                let moved = now.cast_signed() - i128::from(captured);
                if self.retime {
                    self.shift = i64::try_from((moved << 30) / 1_000_000_000).unwrap_or(i64::MAX);
                }
                (captured, Instant::now())
            });
            let after = Duration::from_nanos(captured.saturating_sub(first));
            if let Some(factor) = self.speed.0 {
                let after =
                    Duration::try_from_secs_f64(after.as_secs_f64() / factor).unwrap_or(Duration::MAX);
                wait = after.saturating_sub(start.elapsed());
            }
        }
        match stop.recv_timeout(wait) {
            Err(mpsc::RecvTimeoutError::Timeout) => Ok(()),
            _ => Err(Ended::Stopped),
        }
    }

    fn send(&mut self, datagrams: &Datagrams<'_>, scratch: &mut Vec<u8>) {
        for datagram in datagrams.iter() {
            scratch.clear();
            let rename = |name: &[u8]| {
                let Rename(regex, text) = self.rename.as_ref()?;
                Some(regex.replace_all(name, text.as_slice()).into_owned())
            };
            let rewritten = if self.retime || self.rename.is_some() {
                rewrite(datagram, self.shift, self.name_max, rename, scratch)
            } else {
                scratch.extend_from_slice(datagram);
                Ok(())
            };
            match rewritten {
                Ok(()) => {
                    let lists = Decoder::new(scratch)
                        .with_name_max(self.name_max)
                        .filter(|event| matches!(event, Ok(Event::ValueList(_))));
                    send_datagram(&self.socket, scratch, lists.count() as u64, &self.counters);
                }
                Err(Unwritable::Secured) => self.secured += 1,
                Err(Unwritable::Name) => self.not_renamed += 1,
            }
        }
    }

    /// Each thing that was not as it should be, and how often.
    fn troubles(&self) -> [(&'static str, u64); 6] {
        let [refused, failed] =
            [&self.counters.refused, &self.counters.failed].map(|count| count.load(Relaxed));
        [
            ("times nobody listened there", refused),
            ("were not taken by the system", failed),
            ("not sent: signed or encrypted, and not to be changed", self.secured),
            ("not sent: what the host would be called is no name", self.not_renamed),
            ("not sent: fragments", self.fragments),
            ("not sent: cut off by the capture", self.truncated),
        ]
    }

    fn found_nothing(&self) -> bool {
        self.packets > 0 && self.counters.datagrams.load(Relaxed) == 0
    }

    fn has_findings(&self) -> bool {
        self.cut
            || self.skips.have_findings()
            || self.found_nothing()
            || self.troubles().iter().any(|(_, count)| *count > 0)
    }

    fn report(&self, arguments: &Arguments, took: Duration) -> io::Result<()> {
        let Counters { value_lists, datagrams, bytes, refused, failed, .. } = &*self.counters;
        let [value_lists, datagrams, bytes, refused, failed] =
            [value_lists, datagrams, bytes, refused, failed].map(|count| count.load(Relaxed));
        let (seconds, hints) = (took.as_secs_f64(), self.skips.hints(arguments.port, self.found_nothing()));
        let mut out = io::stdout().lock();
        if arguments.json {
            let sent = json!({
                "packets": self.packets, "datagrams": datagrams, "value_lists": value_lists, "bytes": bytes,
                "refused": refused, "failed": failed, "seconds": seconds, "secured": self.secured,
                "not_renamed": self.not_renamed, "fragments": self.fragments, "truncated": self.truncated,
                "cut": self.cut, "skipped": self.skips.object(), "hints": hints,
            });
            return writeln!(out, "{sent}");
        }
        writeln!(
            out,
            "sent {value_lists} value lists in {datagrams} datagrams ({bytes} bytes) of {} packets in {seconds:.1} s",
            self.packets
        )?;
        for (what, count) in self.troubles().into_iter().filter(|(_, count)| *count > 0) {
            writeln!(out, "{count} {what}")?;
        }
        for (count, what) in self.skips.counts() {
            writeln!(out, "{count} skipped, {what}")?;
        }
        if self.cut {
            writeln!(out, "the file ends within a packet")?;
        }
        hints.iter().try_for_each(|hint| writeln!(out, "hint: {hint}"))
    }
}
