//! `coco-bench`: measures Coco against a relay that reads nothing, and Noodle against nginx, on this machine, over
//! loopback.
//!
//! In the order in which a run meets the modules: [`mod@programs`] finds the daemons, [`metrics`] and [`corpus`] make datagrams,
//! [`subject`] starts what is measured as a [`child`] process on [`cpus`] of its own, [`blast`] sends, [`sink`] counts,
//! [`meters`] are read before and behind, and [`measure`] is all of that; [`proxy`] does it for Noodle and its [`answer`],
//! [`reads`] for what Noodle reads by rrdcached, [`panel`] for Graphite's clients, [`callgrind`] counts instructions in place
//! of time; [`samples`], [`engine`] and [`bridge`] are for what Coco sends by remote write; [`rows`] says which runs make which
//! figure, [`report`] prints them. [`soak`] is a long run, [`hostile`] an evil one.
//! README.md says what is measured, and how.

#![forbid(unsafe_code)]

mod answer;
mod blast;
mod bridge;
mod callgrind;
mod child;
mod corpus;
mod cpus;
mod delay;
mod engine;
mod error;
mod hostile;
mod http;
mod measure;
mod meters;
mod metrics;
mod panel;
mod procfs;
mod programs;
mod proxy;
mod reads;
mod relay;
mod report;
mod rows;
mod samples;
mod sink;
mod soak;
mod socket;
mod statistics;
mod subject;

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use serde_json::json;

use corpus::{Corpus, Kind};
use error::{Doing, Error};
use programs::programs;
use rows::{Bench, Group, Outcome};

/// Measures Coco against a relay that reads nothing, and Noodle against nginx. Without a subcommand: all usual rows.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct CommandLine {
    #[command(subcommand)]
    tool: Option<Tool>,
    #[command(flatten)]
    options: Options,
}

#[derive(Args)]
struct Options {
    /// Rows to measure, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Group>,
    /// Datagrams a second.
    #[arg(long, default_value_t = 30_000)]
    rate: u64,
    /// Seconds of each run; of delays and of Noodle's, 3 at the most.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Runs of each subject, in turns; the median of the ratios counts.
    #[arg(long, default_value_t = 10)]
    rounds: usize,
    /// Hosts, of 133 metrics each.
    #[arg(long, default_value_t = 1_500)]
    hosts: usize,
    /// Hosts of the row with many.
    #[arg(long, default_value_t = 15_000)]
    large_hosts: usize,
    /// Seconds for which a VictoriaMetrics gets samples by remote write; 600 in full.
    #[arg(long, default_value_t = 60)]
    sustained: u64,
    /// Let everyone run on every CPU. Else what is measured has as many for itself as it has threads, as far as one is left for
    /// sender and sink.
    #[arg(long)]
    no_pin: bool,
    /// Exit with 1 if a bar was missed, too.
    #[arg(long)]
    strict: bool,
    /// Also write all figures, and the runs behind them, to a file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// The program to measure, instead of this workspace's release build.
    #[arg(long)]
    coco: Option<PathBuf>,
    /// The Noodle to measure, instead of this workspace's release build.
    #[arg(long)]
    noodle: Option<PathBuf>,
}

/// The parts, each for itself.
#[derive(Subcommand)]
enum Tool {
    /// Writes a corpus: every datagram behind its length, two bytes, big-endian.
    Generate { kind: Kind, hosts: usize, file: PathBuf },
    /// Sends a corpus.
    Blast {
        file: PathBuf,
        target: SocketAddr,
        /// Datagrams a second; 0 is as fast as it goes.
        rate: u64,
        datagrams: u64,
        /// Source ports that take turns.
        #[arg(default_value_t = 4)]
        sockets: usize,
    },
    /// Receives on ports of loopback and counts, until nothing more comes.
    Sink {
        first_port: u16,
        ports: u16,
        /// Seconds without anything new after which it ends.
        #[arg(default_value_t = 2)]
        idle: u64,
        /// Seconds after which it ends if nothing comes at all.
        #[arg(default_value_t = 120)]
        patience: u64,
    },
    /// Passes datagrams on unread, to every target.
    Relay { port: u16, targets: Vec<SocketAddr> },
    /// Takes the time from a listening sharder's port to its targets' ports.
    Delay {
        target: SocketAddr,
        first_port: u16,
        ports: u16,
        #[arg(default_value_t = 5_000)]
        rate: u64,
        #[arg(default_value_t = 10)]
        seconds: u64,
    },
    /// Runs Coco for long, with a reload a minute and a target that comes and goes. Memory, descriptors and books tell.
    Soak {
        #[arg(long, default_value_t = 30)]
        minutes: u64,
        /// Datagrams a second.
        #[arg(long, default_value_t = 20_000)]
        rate: u64,
        /// Hosts, of 133 metrics each.
        #[arg(long, default_value_t = 1_500)]
        hosts: usize,
        /// The program to run, instead of this workspace's release build.
        #[arg(long)]
        coco: Option<PathBuf>,
    },
    /// Attacks Coco and Noodle with honest users beside. Exits with 1 if a bar is missed.
    Hostile {
        /// Attacks, separated by commas; all if not given.
        #[arg(long, value_enum, value_delimiter = ',')]
        only: Vec<hostile::Attack>,
        /// Smaller and shorter: about two minutes in place of ten.
        #[arg(long)]
        short: bool,
        /// The program to attack, instead of this workspace's release build.
        #[arg(long)]
        coco: Option<PathBuf>,
        /// The Noodle to attack, instead of this workspace's release build.
        #[arg(long)]
        noodle: Option<PathBuf>,
    },
    /// Becomes another program that ends with its parent.
    #[command(hide = true)]
    Hold {
        /// A CPU to run on; several may be named.
        #[arg(long)]
        cpu: Vec<usize>,
        program: OsString,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let arguments = CommandLine::parse();
    let done = match arguments.tool {
        None => bench(&arguments.options),
        Some(tool) => tool.run().map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        tell(format_args!("coco-bench: {error}"));
        ExitCode::FAILURE
    })
}

/// Measures and reports. The exit status tells of flawed measurements, and of missed bars only to who is strict.
fn bench(options: &Options) -> Result<ExitCode, Error> {
    let [coco, noodle] = programs([("coco", &options.coco), ("noodle", &options.noodle)])?;
    procfs::raise_descriptors()?;
    let mut place = subject::Place::new(coco, noodle)?;
    if !options.no_pin {
        place.cpus = cpus::Cpus::parted()?;
    }
    let bench = Bench {
        place,
        rate: options.rate.max(1),
        seconds: options.seconds.max(1),
        rounds: options.rounds.max(1),
        hosts: options.hosts.max(1),
        large_hosts: options.large_hosts.max(1),
        sustained: options.sustained.max(1),
        progress: tell,
    };
    let groups = if options.only.is_empty() { &Group::USUAL[..] } else { &options.only };
    let outcomes = bench.outcomes(groups)?;
    let machine = procfs::Machine::this()?;
    let Bench { rate, seconds, rounds, hosts, large_hosts, .. } = bench;
    let setting =
        report::Setting { rate, seconds, rounds, hosts, large_hosts, cpus: bench.place.cpus.said() };
    print(&report::table(&machine, &setting, &outcomes))?;
    if let Some(path) = &options.json {
        let report = format!("{:#}\n", report::json(&machine, &setting, &outcomes));
        std::fs::write(path, report).doing(|| format!("write {}", path.display()))?;
    }
    let flawed = |outcome: &Outcome| {
        !outcome.complaints.is_empty() || (options.strict && outcome.verdict == rows::MISSED)
    };
    Ok(if outcomes.iter().any(flawed) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Runs attacks and prints what came of them.
fn attack(
    only: &[hostile::Attack],
    short: bool,
    coco: &Option<PathBuf>,
    noodle: &Option<PathBuf>,
) -> Result<(), Error> {
    let [coco, noodle] = programs([("coco", coco), ("noodle", noodle)])?;
    let place = subject::Place::new(coco, noodle)?;
    let (table, sound) = hostile::Scene { place: &place, short, progress: tell }.run(only)?;
    print(&table)?;
    if sound { Ok(()) } else { Err(Error::Meaningless("a bar was missed".to_owned())) }
}

impl Tool {
    fn run(self) -> Result<(), Error> {
        match self {
            Self::Generate { kind, hosts, file } => {
                let corpus = Corpus::generate(kind, hosts)?;
                corpus.write(&file)?;
                let content = corpus.content(0..corpus.len() as u64);
                print_json(&json!({
                    "datagrams": corpus.len(),
                    "bytes": corpus.bytes(),
                    "value_lists": content.value_lists,
                    "accepted": content.accepted
                }))
            }
            Self::Blast { file, target, rate, datagrams, sockets } => {
                let corpus = Corpus::read(&file)?;
                let load = blast::Load { corpus: &corpus, rate, datagrams, sockets: sockets.max(1) };
                print_json(&json!(blast::blast(target, &load, 0)?))
            }
            Self::Sink { first_port, ports, idle, patience } => {
                let sink = sink::Sink::start(first_port..first_port.saturating_add(ports))?;
                let mut waited = 0;
                while sink.total().datagrams == 0 && waited < patience * 20 {
                    std::thread::sleep(Duration::from_millis(50));
                    waited += 1;
                }
                sink.settle(u64::MAX, Duration::from_secs(idle));
                let ports: serde_json::Map<_, _> = sink
                    .addresses()
                    .iter()
                    .zip(sink.tallies())
                    .map(|(address, tally)| (address.port().to_string(), json!(tally)))
                    .collect();
                print_json(&json!({"ports": ports, "total": sink.total(), "kernel_drops": sink.drops()?}))
            }
            Self::Relay { port, targets } => relay::relay(port, &targets),
            Self::Delay { target, first_port, ports, rate, seconds } => {
                let sockets: Result<Vec<_>, _> =
                    (first_port..first_port.saturating_add(ports)).map(socket::bind).collect();
                let sockets = sockets.doing(|| format!("receive on ports from {first_port} on"))?;
                print_json(&json!(delay::delay(target, &sockets, rate.max(1), seconds)?))
            }
            Self::Hold { cpu, program, arguments } => child::hold(&cpu, &program, &arguments),
            Self::Hostile { only, short, coco, noodle } => attack(&only, short, &coco, &noodle),
            Self::Soak { minutes, rate, hosts, coco } => {
                let [coco] = programs([("coco", &coco)])?;
                // There is no Noodle in it.
                let place = subject::Place::new(coco, PathBuf::new())?;
                let (minutes, rate, hosts) = (minutes.max(1), rate.max(1), hosts.max(1));
                let soak = soak::Soak { place: &place, minutes, rate, hosts, progress: tell };
                let complaints = soak.run()?;
                if complaints.is_empty() {
                    return print("memory is flat, no descriptor is lost, the books balance\n");
                }
                Err(Error::Meaningless(format!("the soak failed:\n{}", complaints.join("\n"))))
            }
        }
    }
}

fn print_json(value: &serde_json::Value) -> Result<(), Error> {
    print(&format!("{value}\n"))
}

fn print(text: &str) -> Result<(), Error> {
    io::stdout().write_all(text.as_bytes()).doing(|| "write the results".to_owned())
}

fn tell(message: std::fmt::Arguments<'_>) {
    // Without standard error nobody listens.
    let _ = writeln!(io::stderr(), "{message}");
}
