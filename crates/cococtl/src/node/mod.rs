//! `cococtl node`: what `cococtl move` does on a storage node, installed there and run there.

pub mod name;
pub mod protocol;
pub mod writer;

mod beside;
mod exchange;
mod serve;
mod store;

use std::ffi::{OsStr, OsString};
use std::io::{self, BufWriter, Read, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::failure::{Failure, Outcome};
use crate::text;
use exchange::{Exchange, ExchangeError, Terms};
use name::FileName;
use protocol::{Answer, Copied, Done, Time};
use store::Store;
use writer::{Hand, Writer};

/// What `--json` makes of it.
const JSON: &str = r#"With --json, list writes an object a line:

  {"file", "bytes", "step", "last": [seconds, microseconds]}

step and last: null where it is no RRD file. version writes {"version", "protocol"}, import {"done": "nothing", "created"
or "merged", "values", "bytes", "is_exact"}. export writes the file's bytes, serve what cococtl move takes."#;

/// Do what cococtl move needs on a storage node: list, export and import RRD files
///
/// Files are copied byte by byte and exchanged whole, while collectd or rrdcached goes on writing them. Nothing outside
/// of the data directory is read or written.
#[derive(Debug, Args)]
#[command(after_long_help = JSON)]
pub struct Arguments {
    /// Where collectd's RRD files are: `DataDir` in collectd.conf
    #[arg(long, value_name = "DIR", default_value = "/var/lib/collectd/rrd", global = true)]
    data: PathBuf,

    /// Who writes them: collectd:SOCKET (of its unixsock plugin), signal:PIDFILE (collectd without it), rrdcached:SOCKET, or
    /// none (collectd with CacheTimeout 0)
    #[arg(long, value_name = "WRITER", default_value = "collectd:/var/run/collectd-unixsock", global = true)]
    writer: Writer,

    /// Write objects of JSON
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    subcommand: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say which version this is, and what it speaks
    Version,
    /// List the RRD files of hosts: bytes, seconds of a step, time of the last update
    List {
        /// Names of hosts' directories; without any, all
        #[arg(value_name = "HOST")]
        hosts: Vec<OsString>,
    },
    /// Have a file written and write its bytes to standard output
    Export {
        /// HOST/PLUGIN/TYPE.rrd
        #[arg(value_name = "FILE")]
        file: OsString,
    },
    /// Take the bytes of another owner's file from standard input into a file
    ///
    /// No row that either knows is lost. Exit status 1 means that it was written meanwhile, or later than what came: again.
    Import {
        /// HOST/PLUGIN/TYPE.rrd
        #[arg(value_name = "FILE")]
        file: OsString,
        /// Have the values that the file has already count where both are known
        #[arg(long)]
        fill: bool,
        /// Take it although the file was updated later: its row in progress may miss what was before
        #[arg(long)]
        inexact: bool,
    },
    /// Do what cococtl move asks for, by standard input and output
    Serve,
}

/// Does what the arguments say.
pub fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let mut out = BufWriter::new(io::stdout().lock());
    if matches!(arguments.subcommand, Command::Version) {
        let (version, protocol) = (env!("CARGO_PKG_VERSION"), protocol::PROTOCOL);
        match arguments.json {
            true => writeln!(out, "{}", json!({ "version": version, "protocol": protocol }))?,
            false => writeln!(out, "cococtl {version}, protocol {protocol}")?,
        }
        out.flush()?;
        return Ok(Outcome::Fine);
    }
    let store = Store::open(&arguments.data).map_err(refused)?;
    let mut exchange = Exchange { store, hand: Hand::new(arguments.writer.clone()) };
    let outcome = match &arguments.subcommand {
        Command::Version => Outcome::Fine,
        Command::Serve => {
            serve::serve(&mut exchange, &mut io::stdin().lock(), &mut out)?;
            Outcome::Fine
        }
        Command::List { hosts } => list(&exchange.store, hosts, arguments.json, &mut out)?,
        Command::Export { file } => {
            let (answer, bytes) = exchange.export(&file_name(file)?).map_err(refused)?;
            out.write_all(&bytes)?;
            Outcome::finding(answer == Answer::Absent)
        }
        Command::Import { file, fill, inexact } => {
            let mut bytes = Vec::new();
            io::stdin().lock().read_to_end(&mut bytes).map_err(Failure::System)?;
            let terms = Terms { counts: !fill, inexact: *inexact };
            let copy = Copied { last: Time::default(), mode: 0o644, modified: 0 };
            let answer = exchange.import(&file_name(file)?, copy, bytes, terms).map_err(refused)?;
            write_import(&answer, arguments.json, &mut out)?
        }
    };
    out.flush()?;
    Ok(outcome)
}

fn list(store: &Store, hosts: &[OsString], is_json: bool, out: &mut impl Write) -> Result<Outcome, Failure> {
    let hosts: Vec<Vec<u8>> = match hosts {
        [] => store.hosts().map_err(refused)?.into_iter().map(|host| host.0).collect(),
        hosts => hosts.iter().map(|host| host.as_encoded_bytes().to_vec()).collect(),
    };
    for host in hosts {
        for file in store.files(&host).map_err(refused)?.0 {
            if is_json {
                writeln!(out, "{}", json!(file))?;
                continue;
            }
            let step = file.step.map_or("no RRD file".to_owned(), |step| format!("step {step} s"));
            let last = file.last.map_or(String::new(), |last| format!("\tlast {}", last.0));
            writeln!(out, "{}\t{} bytes\t{step}{last}", file.file, file.bytes)?;
        }
    }
    Ok(Outcome::Fine)
}

fn write_import(answer: &Answer, is_json: bool, out: &mut impl Write) -> io::Result<Outcome> {
    if is_json {
        writeln!(out, "{}", json!(answer))?;
    }
    let (told, outcome) = match answer {
        Answer::Imported(imported) => {
            let done = match imported.done {
                Done::Nothing => "nothing to do: it has all".to_owned(),
                Done::Created => format!("created, {} bytes", imported.bytes),
                Done::Merged => format!("merged, {} values that it had not", imported.values),
            };
            (done, Outcome::Fine)
        }
        Answer::Later => {
            ("it was updated later than what came: export once more".to_owned(), Outcome::Finding)
        }
        _ => ("it was written meanwhile: once more".to_owned(), Outcome::Finding),
    };
    if !is_json {
        writeln!(out, "{told}")?;
    }
    Ok(outcome)
}

fn file_name(given: &OsStr) -> Result<FileName, Failure> {
    let bytes = given.as_encoded_bytes();
    FileName::new(bytes).map_err(|problem| Failure::Refused(format!("{}: {problem}", text::name(bytes))))
}

fn refused(problem: impl Into<ExchangeError>) -> Failure {
    Failure::Refused(problem.into().to_string())
}
