//! `cococtl decode`: what stands in packets.

mod listen;
mod show;
mod tally;
mod top;

use std::fmt::Write as _;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use coco_core::address::Address;
use coco_core::types_db::TypesDb;
use coco_core::wire::{Event, Guard, SecurityLevel, Users};
use serde_json::json;

use crate::api;
use crate::capture::{self, Content, Datagrams, End, Frame, input};
use crate::failure::{Failure, Outcome};
use crate::receive::NameLength;
use show::{Context, Origin};
use tally::Tally;
use top::{By, Tops};

/// What `--json` makes of it.
const JSON: &str = r#"With --json, an object a line. Its "event" is one of:

  value_list            captured, source, security, host, plugin, plugin_instance, type, type_instance, time, interval,
                        values, dstypes, dsnames
  notification          the same with severity and message, without what follows time
  refused_value_list, refused_notification
                        captured, source, security, reason
  malformed             captured, source, security, reason, user
  signature             captured, source, security: nobody has verified what follows
  unknown_part          captured, source, security, type
  fragment, truncated   captured, source, destination
  summary               the last one: packets, datagrams, joined, value_lists, notifications, refused, malformed,
                        fragments, truncated, cut, kernel_drops, skipped: {reason: packets},
                        link_types: {number: packets} and ports: {number: packets} of those that were skipped for
                        theirs, and hints: [text]
  top                   with --top, instead of all but the summary:
                        {"seconds", BY: {"names", "others", "top": [{"name", "value_lists", "rate", "bytes"}]}, ...}

captured: when, in seconds since 1970; null if the file does not say. Value lists are as collectd writes them in JSON.
rate: value lists a second, null where no time
passes. bytes: of datagrams. others: what came under names beyond those that there is room for. Integers have all their digits. null is a value that is not finite, no interval, and names of data sources that types.db
does not tell."#;

/// Show what stands in captured or arriving packets
///
/// FILE is a pcap or pcapng file, as tcpdump and Wireshark write it, packed by gzip or zstd perhaps; - is standard
/// input. Values are exact. Exit status 1 means that something was malformed, refused, not whole or not to be read, or
/// that of all packets none was for the port.
#[derive(Debug, Args)]
#[command(after_long_help = JSON)]
pub struct Arguments {
    /// The capture
    #[arg(value_name = "FILE", required_unless_present = "listen")]
    file: Option<PathBuf>,

    /// Take the file for the bytes of one packet
    #[arg(long, requires = "file")]
    raw: bool,

    /// Receive at HOST:PORT instead, until Ctrl-C
    #[arg(long, value_name = "ADDRESS", conflicts_with = "file")]
    listen: Option<Address>,

    /// End after so many datagrams
    #[arg(long, value_name = "N")]
    count: Option<u64>,

    /// Look at datagrams to this port only; 0 is any
    #[arg(long, value_name = "PORT", default_value_t = 25826, conflicts_with = "listen")]
    port: u16,

    /// Show the N most frequent hosts and metrics instead of what they say, with rates and bytes
    #[arg(long, value_name = "N")]
    top: Option<usize>,

    /// By what --top counts; may be given several times, or with commas
    #[arg(long, value_name = "BY", requires = "top", value_delimiter = ',', default_values_t = [By::Host, By::Metric], value_enum)]
    by: Vec<By>,

    /// collectd's types.db, for the names of data sources
    #[arg(long, value_name = "FILE")]
    types_db: Option<PathBuf>,

    /// Users and passwords, as collectd's AuthFile, to verify signatures and to decrypt
    #[arg(long, value_name = "FILE")]
    auth_file: Option<PathBuf>,

    #[command(flatten)]
    names: NameLength,

    /// Write an object of JSON a line
    #[arg(long)]
    json: bool,
}

/// Shows a file, or what arrives.
pub fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let mut decoder = Decoder::new(arguments)?;
    let read = match (&arguments.listen, &arguments.file) {
        (Some(address), _) => api::runtime()?.block_on(listen::listen(&mut decoder, address)),
        (None, Some(path)) => read(&mut decoder, path),
        (None, None) => Ok(()),
    };
    match read {
        // What was read until then has its summary.
        Err(failure @ Failure::Capture { .. }) if decoder.tally.packets > 0 => {
            decoder.end()?;
            Err(failure)
        }
        Err(failure) => Err(failure),
        Ok(()) => decoder.end(),
    }
}

/// Why reading ends early.
enum Stop {
    /// As many as asked for.
    Enough,
    Failed(Failure),
    Capture(String),
}

impl From<String> for Stop {
    fn from(reason: String) -> Self {
        Self::Capture(reason)
    }
}

impl From<io::Error> for Stop {
    fn from(problem: io::Error) -> Self {
        Self::Failed(problem.into())
    }
}

fn read(decoder: &mut Decoder<'_>, path: &Path) -> Result<(), Failure> {
    let mut input = input::open(path)?;
    if decoder.arguments.raw {
        let mut bytes = Vec::new();
        let read = input.take(1 << 16).read_to_end(&mut bytes);
        read.map_err(|source| Failure::file(path, source))?;
        if bytes.len() == 1 << 16 {
            let reason = "longer than any UDP datagram".to_owned();
            return Err(Failure::Capture { path: path.to_owned(), reason });
        }
        decoder.tally.packets += 1;
        return Ok(decoder.datagram(Origin::default(), &mut bytes)?);
    }
    let mut bytes = Vec::new();
    match capture::read(input.by_ref(), |frame| decoder.frame(frame, &mut bytes)) {
        Ok(end) => decoder.tally.cut = end == End::Cut,
        Err(Stop::Enough) => {}
        Err(Stop::Failed(failure)) => return Err(failure),
        Err(Stop::Capture(reason)) => return Err(Failure::Capture { path: path.to_owned(), reason }),
    }
    Ok(())
}

struct Decoder<'a> {
    arguments: &'a Arguments,
    guard: Guard,
    types: TypesDb,
    tally: Tally,
    tops: Tops,
    sender: String,
    /// What comes by a pipe is shown as it comes.
    is_live: bool,
    out: BufWriter<io::StdoutLock<'static>>,
}

impl<'a> Decoder<'a> {
    fn new(arguments: &'a Arguments) -> Result<Self, Failure> {
        let bytes = |path: &PathBuf| std::fs::read(path).map_err(|source| Failure::file(path, source));
        let types = arguments.types_db.as_ref().map(bytes).transpose()?;
        let users = arguments.auth_file.as_ref().map(bytes).transpose()?;
        let users = users.map(|text| Users::parse(&text).0);
        Ok(Self {
            arguments,
            guard: Guard::new(SecurityLevel::None, users).with_name_max(arguments.names.name_max()),
            types: TypesDb::parse(&types.unwrap_or_default()).0,
            tally: Tally::default(),
            tops: Tops::new(&arguments.by),
            sender: String::new(),
            is_live: arguments.file.as_ref().is_some_and(|path| path.as_os_str() == "-"),
            out: BufWriter::new(io::stdout().lock()),
        })
    }

    fn frame(&mut self, frame: Frame<'_>, bytes: &mut Vec<u8>) -> Result<(), Stop> {
        self.tally.packets += 1;
        let Frame { captured, content } = frame;
        match content {
            Content::Datagrams(datagrams) => self.datagrams(captured, datagrams, bytes),
            Content::Fragment { source, destination } => {
                self.tally.fragments += 1;
                Ok(self.say("fragment", captured, &source.to_string(), &destination.to_string())?)
            }
            Content::Skipped(reason) => {
                self.tally.skips.add(reason);
                Ok(())
            }
        }
    }

    fn datagrams(
        &mut self,
        captured: Option<u64>,
        datagrams: Datagrams<'_>,
        bytes: &mut Vec<u8>,
    ) -> Result<(), Stop> {
        let Datagrams { source, destination, truncated, .. } = datagrams;
        if self.arguments.port != 0 && destination.port() != self.arguments.port {
            self.tally.skips.add_port(destination.port());
            return Ok(());
        }
        if truncated {
            self.tally.truncated += 1;
            self.say("truncated", captured, &source.to_string(), &destination.to_string())?;
        }
        self.tally.joined += u64::from(datagrams.are_joined());
        for datagram in datagrams.iter() {
            bytes.clear();
            bytes.extend_from_slice(datagram);
            self.datagram(Origin { captured, source: Some(source) }, bytes)?;
            if self.has_enough() {
                return Err(Stop::Enough);
            }
        }
        Ok(())
    }

    fn has_enough(&self) -> bool {
        self.arguments.count.is_some_and(|count| self.tally.datagrams >= count)
    }

    /// What is not taken apart.
    fn say(&mut self, event: &str, captured: Option<u64>, source: &str, destination: &str) -> io::Result<()> {
        match (self.arguments.top, self.arguments.json) {
            (Some(_), _) => Ok(()),
            (None, true) => {
                let captured = captured.map(show::captured_seconds);
                let object = json!({
                    "event": event, "captured": captured, "source": source, "destination": destination,
                });
                writeln!(self.out, "{object}")
            }
            (None, false) => {
                let captured = captured.map(show::captured_time).unwrap_or_default();
                writeln!(self.out, "{captured}{source} {event} of a datagram to {destination}")
            }
        }
    }

    fn datagram(&mut self, origin: Origin, bytes: &mut [u8]) -> io::Result<()> {
        self.tally.datagrams += 1;
        let Self { arguments, guard, types, tally, tops, sender, is_live, out } = self;
        sender.clear();
        if let Some(source) = origin.source {
            let _ = write!(sender, "{}", source.ip());
        }
        // Where the value list before ends; what stands between belongs to the next.
        let mut end = 0;
        let mut written = Ok(());
        let mut malformed = false;
        guard.decode(bytes, |datagram, trust, event| {
            match &event {
                Ok(Event::ValueList(_)) => tally.value_lists += 1,
                Ok(Event::Notification(_)) => tally.notifications += 1,
                Ok(Event::RefusedValueList(..) | Event::RefusedNotification(_)) => tally.refused += 1,
                Ok(Event::Signature | Event::Unknown(_)) => {}
                Err(_) => malformed = true,
            }
            if arguments.top.is_some() {
                if let Ok(Event::ValueList(spans)) = &event {
                    let bytes = spans.values.end().saturating_sub(end);
                    end = spans.values.end();
                    tops.add(&spans.of(datagram).identifier, sender, origin.captured, bytes as u64);
                }
                return;
            }
            let context = Context { origin, trust, datagram };
            if written.is_ok() {
                written = match arguments.json {
                    true => writeln!(out, "{}", show::object(&context, &event, types)),
                    false => writeln!(out, "{}", show::line(&context, &event, types)),
                };
            }
        });
        tally.malformed += u64::from(malformed);
        written?;
        if *is_live { out.flush() } else { Ok(()) }
    }

    fn end(mut self) -> Result<Outcome, Failure> {
        if let Some(most) = self.arguments.top {
            self.write_top(most)?;
        }
        if self.arguments.json {
            writeln!(self.out, "{}", self.tally.object(self.arguments.port))?;
        }
        self.out.flush()?;
        if !self.arguments.json {
            let _ = writeln!(io::stderr(), "{}", self.tally.lines(self.arguments.port));
        }
        Ok(Outcome::finding(self.tally.has_findings()))
    }

    fn write_top(&mut self, most: usize) -> io::Result<()> {
        let Self { arguments, tops, tally, out, .. } = self;
        match arguments.json {
            true => writeln!(out, "{}", tops.object(most)),
            false => tops.write(most, tally.value_lists, out),
        }
    }
}
