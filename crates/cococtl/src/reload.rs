//! `cococtl reload`: has a Coco or a Noodle read its configuration again, and tells what came of it.

use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use coco_core::address::Address;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{self, Client, Root};
use crate::configuration;
use crate::failure::{Failure, Outcome};
use crate::load::time;
use crate::text;

/// The time between two looks.
const INTERVAL: Duration = Duration::from_millis(50);

/// What `--json` makes of it.
const JSON: &str = r#"With --json, an object:

  {"taken_over", "program", "pid", "before", "after", "refused"}

before, after: the fingerprints of the tiers. refused: why the configuration was refused; null where it was taken over."#;

/// Have a running Coco or Noodle read its configuration again, and say what came of it
///
/// It is told by SIGHUP. Exit status 0 means that the configuration is in force, 1 that it is refused, in which case
/// nothing has changed and the reason is told; 2 that nobody could see what came of it. A reload that somebody else began
/// earlier does not count.
#[derive(Debug, Args)]
#[command(after_long_help = JSON)]
pub struct Arguments {
    /// A running Coco or Noodle of this machine, as http://HOST:PORT
    #[arg(long, value_name = "URL", default_value = "http://localhost:9090")]
    api: Root,

    /// Ask where this configuration has Coco serve HTTP instead
    #[arg(long, value_name = "FILE", conflicts_with = "api")]
    config: Option<PathBuf>,

    /// With --config: where it has Noodle do so
    #[arg(long, requires = "config")]
    noodle: bool,

    /// The process to tell; without it the one that the API names, which has to be at an address of this machine alone
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    pid: Option<i32>,

    /// How long to wait until the configuration is taken over or refused
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = time)]
    wait: Duration,

    /// Write an object of JSON
    #[arg(long)]
    json: bool,
}

/// A process at one moment.
struct Look {
    program: String,
    command_line: Vec<String>,
    counts: Counts,
    health: Health,
}

/// How many reloads there were. They come one after another.
#[derive(Clone, Copy)]
struct Counts {
    /// That have begun; earlier releases don't say so.
    begun: Option<u64>,
    /// Taken over or refused.
    ended: u64,
}

impl Counts {
    /// Whether one has ended that began after an earlier look: it has read what was there then. One that was under way
    /// at that time may have read what was there before, and its end says nothing.
    fn has_ended_since(self, earlier: Self) -> bool {
        self.ended > earlier.begun.unwrap_or(earlier.ended)
    }
}

#[derive(Deserialize)]
struct Program {
    program: String,
}

#[derive(Deserialize)]
struct Health {
    fingerprint: String,
    pid: Option<i32>,
    reload_refused: Option<String>,
}

/// Sends the signal, waits, and writes what came of it.
pub fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let root = match &arguments.config {
        Some(path) => root_of(path, arguments.noodle)?,
        None => arguments.api.clone(),
    };
    api::runtime()?.block_on(reload(arguments, &root, &mut io::stdout().lock()))
}

async fn reload(arguments: &Arguments, root: &Root, out: &mut impl Write) -> Result<Outcome, Failure> {
    if arguments.pid.is_none() && !root.is_loopback() {
        return Err(unknown(root, "say by --pid which process of this machine that is"));
    }
    let client = Client::default();
    let before = match (look(&client, root).await, arguments.pid) {
        (Ok(look), _) => look,
        (Err(failure), None) => return Err(failure),
        (Err(failure), Some(pid)) => {
            tell(pid)?;
            let unseen = format!("process {pid} was told all the same, its log says what came of it");
            return Err(Failure::Several(vec![failure, unknown(root, unseen)]));
        }
    };
    let pid = match arguments.pid {
        Some(pid) => pid,
        None => pid_of(root, &before)?,
    };
    tell(pid)?;
    let after = moved(&client, root, &before, arguments.wait).await?;
    let refused = after.health.reload_refused;
    let is_taken_over = refused.is_none();
    let (was, is) = (before.health.fingerprint, after.health.fingerprint);
    if arguments.json {
        let program = before.program;
        let answer = json!({
            "taken_over": is_taken_over, "program": program, "pid": pid, "before": was, "after": is, "refused": refused,
        });
        writeln!(out, "{answer}")?;
    } else if let Some(reason) = refused {
        writeln!(out, "{}", text::name(format!("refused, nothing changed: {reason}").as_bytes()))?;
    } else {
        let tiers =
            if was == is { "the tiers stay as they were".to_owned() } else { format!("{was} became {is}") };
        writeln!(out, "{}", text::name(format!("taken over: {tiers}").as_bytes()))?;
    }
    Ok(Outcome::finding(!is_taken_over))
}

/// Where a configuration has one of the programs serve HTTP.
fn root_of(path: &Path, is_noodle: bool) -> Result<Root, Failure> {
    let config = configuration::load(path)?;
    let bind = if is_noodle { config.fetch_bind } else { Some(config.api.bind) };
    let bind: Address = bind.ok_or_else(|| {
        let reason = "fetch.bind: missing, so that no Noodle goes by this file".to_owned();
        Failure::Api { url: path.display().to_string(), reason }
    })?;
    let host = match bind.ip() {
        Some(IpAddr::V4(ip)) if ip.is_unspecified() => "127.0.0.1".to_owned(),
        Some(IpAddr::V6(ip)) if ip.is_unspecified() => "[::1]".to_owned(),
        Some(IpAddr::V6(ip)) => format!("[{ip}]"),
        _ if bind.is_all() => "localhost".to_owned(),
        _ => bind.host().to_owned(),
    };
    let url = format!("http://{host}:{}", bind.port());
    url.parse().map_err(|reason| Failure::Api { url, reason })
}

/// The process that the API names, as far as it is certain that it is one of this machine.
fn pid_of(root: &Root, look: &Look) -> Result<i32, Failure> {
    let pid = look.health.pid.filter(|pid| *pid > 0);
    let pid = pid.ok_or_else(|| unknown(root, "it does not say which process it is: say so by --pid"))?;
    // In a container, or behind a tunnel, another process has that number here.
    let here = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let here = String::from_utf8_lossy(&here).into_owned();
    let is_same = here.trim_end_matches('\0').split('\0').eq(look.command_line.iter().map(String::as_str));
    match is_same {
        true => Ok(pid),
        false => {
            Err(unknown(root, format!("process {pid} of this machine is another: say by --pid which it is")))
        }
    }
}

fn tell(pid: i32) -> Result<(), Failure> {
    kill(Pid::from_raw(pid), Signal::SIGHUP)
        .map_err(|problem| Failure::Process { pid, source: problem.into() })
}

async fn look(client: &Client, root: &Root) -> Result<Look, Failure> {
    let Program { program } = client.ask_for(root, "/").await?;
    let vars: Value = client.stream(root, "/debug/vars").await?;
    let counts = &vars[&program];
    let [Some(done), Some(refused)] = [&counts["reloads"], &counts["errors"]["reload"]].map(Value::as_u64)
    else {
        return Err(unknown(root, "it does not count reloads: neither Coco nor Noodle"));
    };
    let words = vars["cmdline"].as_array().into_iter().flatten();
    let command_line = words.filter_map(|word| word.as_str().map(str::to_owned)).collect();
    // Behind the counts, so that what is said came of the last reload that they have, or of a later one. Whoever is stopping
    // says so with 503, and is asked all the same.
    let health = client.ask_whatever_the_status(root, "/healthz").await?;
    let counts = Counts { begun: counts["reloads.begun"].as_u64(), ended: done + refused };
    Ok(Look { program, command_line, counts, health })
}

/// The first look by which what was there at another was taken over or refused.
async fn moved(client: &Client, root: &Root, before: &Look, wait: Duration) -> Result<Look, Failure> {
    let begin = Instant::now();
    loop {
        let failure = match look(client, root).await {
            Ok(look) if look.counts.has_ended_since(before.counts) => return Ok(look),
            Ok(_) => None,
            Err(failure) => Some(failure),
        };
        if begin.elapsed() >= wait {
            let reason = format!("the configuration was neither taken over nor refused within {wait:?}");
            return Err(failure.unwrap_or_else(|| unknown(root, reason)));
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

fn unknown(root: &Root, reason: impl Into<String>) -> Failure {
    Failure::Api { url: root.to_string(), reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_reload_that_was_under_way_says_nothing() {
        let counts = |begun, ended| Counts { begun, ended };
        assert!(counts(Some(4), 4).has_ended_since(counts(Some(3), 3)));
        assert!(!counts(Some(3), 3).has_ended_since(counts(Some(3), 2)));
        assert!(!counts(Some(4), 3).has_ended_since(counts(Some(3), 2)));
        assert!(counts(Some(4), 4).has_ended_since(counts(Some(3), 2)));
        // Of one that is no longer there nothing can be said.
        assert!(!counts(Some(0), 0).has_ended_since(counts(Some(3), 3)));
        // An earlier release.
        assert!(counts(None, 4).has_ended_since(counts(None, 3)));
    }
}
