//! `cococtl lookup`: who owns hosts.
//!
//! A line a host: its name, then `TIER=TARGET` for each tier, tabs between. Where collectd stores the host under another
//! name, that stands at the end.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::Args;
use coco_core::host::{is_renamed, stored_name};
use coco_core::tier::{Tier, Tiers};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use crate::api::{self, Client, Root};
use crate::configuration;
use crate::failure::{Failure, Outcome};
use crate::hosts::Names;
use crate::text::{self, write_name};

/// How many questions to a process are under way at a time.
const QUESTIONS: usize = 64;

/// What `--json` makes of it.
const JSON: &str = r#"With --json, an object a line:

  {"host": "web1", "owners": {"shortterm": "10.1.1.111:25826", ...}}

A host with a slash in its name also has "stored_as": the name under which collectd stores it."#;

/// Say which target of each tier owns hosts
///
/// Every name has an owner, seen or not. A name is that which agents send: collectd stores a host with a slash in its
/// name under another one, which is then shown too. Names are taken from standard input, one a line, when none are given.
#[derive(Debug, Args)]
#[command(after_long_help = JSON)]
pub struct Arguments {
    /// The configuration that says who owns what
    #[arg(long, value_name = "FILE", default_value = "coco.conf")]
    config: PathBuf,

    /// Ask a running Coco or Noodle instead, as http://HOST:PORT
    #[arg(long, value_name = "URL", conflicts_with = "config")]
    api: Option<Root>,

    /// Write an object of JSON a line
    #[arg(long)]
    json: bool,

    /// Names of hosts
    #[arg(value_name = "HOST")]
    hosts: Vec<OsString>,
}

/// Looks names up and writes who owns them.
pub fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    match &arguments.api {
        None => look_up(arguments, &configuration::load(&arguments.config)?.tiers, &mut out)?,
        Some(root) => api::runtime()?.block_on(ask(arguments, root, &mut out))?,
    }
    out.flush()?;
    Ok(Outcome::Fine)
}

fn look_up(arguments: &Arguments, tiers: &Tiers, out: &mut impl Write) -> Result<(), Failure> {
    let lines = Lines::new(tiers, arguments.json);
    for host in &arguments.hosts {
        lines.write(host.as_encoded_bytes(), out)?;
    }
    if arguments.hosts.is_empty() {
        let mut names = Names::new(io::stdin().lock());
        while let Some(name) = names.next_name().map_err(standard_input)? {
            lines.write(name, out)?;
            if names.would_wait() {
                out.flush()?;
            }
        }
    }
    Ok(())
}

fn standard_input(source: io::Error) -> Failure {
    Failure::file("standard input".as_ref(), source)
}

/// The lines of a ring: what is behind a name is made once a target.
struct Lines<'a> {
    json: bool,
    tiers: Vec<(&'a Tier, Vec<Vec<u8>>)>,
}

impl<'a> Lines<'a> {
    fn new(tiers: &'a Tiers, json: bool) -> Self {
        let owned = |tier: &'a Tier, target: &str| match json {
            true => format!("{}:{}", Value::from(tier.name()), Value::from(target)).into_bytes(),
            false => text_owner(tier.name(), target),
        };
        let tiers = tiers
            .iter()
            .map(|tier| (tier, tier.targets().iter().map(|target| owned(tier, &target.name)).collect()));
        Self { json, tiers: tiers.collect() }
    }

    fn write(&self, host: &[u8], out: &mut impl Write) -> io::Result<()> {
        let owners = self.tiers.iter().map(|(tier, targets)| &targets[tier.owner(host)]);
        if !self.json {
            write_name(out, host)?;
            for owner in owners {
                out.write_all(owner)?;
            }
            return end_line(host, out);
        }
        out.write_all(b"{\"host\":")?;
        serde_json::to_writer(&mut *out, &text::in_json(host))?;
        out.write_all(b",\"owners\":{")?;
        for (index, owner) in owners.enumerate() {
            out.write_all(if index > 0 { b"," } else { b"" })?;
            out.write_all(owner)?;
        }
        out.write_all(b"}")?;
        if is_renamed(host) {
            out.write_all(b",\"stored_as\":")?;
            serde_json::to_writer(&mut *out, &text::in_json(&stored_name(host)))?;
        }
        out.write_all(b"}\n")
    }
}

/// What stands behind the owners in a line of text.
fn end_line(host: &[u8], out: &mut impl Write) -> io::Result<()> {
    if is_renamed(host) {
        out.write_all(b"\tstored as ")?;
        write_name(out, &stored_name(host))?;
    }
    out.write_all(b"\n")
}

fn text_owner(tier: &str, target: &str) -> Vec<u8> {
    let mut text = b"\t".to_vec();
    for (name, end) in [(tier, &b"="[..]), (target, b"")] {
        write_name(&mut text, name.as_bytes()).expect("a Vec takes all that is written");
        text.extend_from_slice(end);
    }
    text
}

/// Asks a process for every name, many at a time, and writes the answers in the order of the names.
async fn ask(arguments: &Arguments, root: &Root, out: &mut impl Write) -> Result<(), Failure> {
    let mut names = names(&arguments.hosts)?;
    let client = Client::default();
    let mut asked = VecDeque::with_capacity(QUESTIONS);
    let mut more = true;
    loop {
        tokio::select! {
            name = names.recv(), if more && asked.len() < QUESTIONS => match name.transpose().map_err(standard_input)? {
                Some(name) => asked.push_back(tokio::spawn(owners(client.clone(), root.clone(), name))),
                None => more = false,
            },
            answer = async { asked.front_mut().expect("something was asked").await }, if !asked.is_empty() => {
                asked.pop_front();
                let (name, owners) = answer.expect("asking does not panic");
                write_answer(&name, &owners?, arguments.json, out)?;
                if asked.is_empty() {
                    out.flush()?;
                }
            }
            else => return Ok(()),
        }
    }
}

type Owners = Map<String, Value>;

async fn owners(client: Client, root: Root, name: Vec<u8>) -> (Vec<u8>, Result<Owners, Failure>) {
    let path = format!("/lookup?name={}", percent_encode(&name, NON_ALPHANUMERIC));
    let owners = client.ask_for(&root, &path).await.map(|mut owners: Owners| {
        // It says what is stored where, which we know; a tier of that name is an owner.
        owners.retain(|_, owner| owner.is_string());
        owners
    });
    (name, owners)
}

fn write_answer(host: &[u8], owners: &Owners, json: bool, out: &mut impl Write) -> io::Result<()> {
    if json {
        let mut line = json!({ "host": text::in_json(host), "owners": owners });
        if is_renamed(host) {
            line["stored_as"] = text::in_json(&stored_name(host)).into();
        }
        return writeln!(out, "{line}");
    }
    write_name(out, host)?;
    for (tier, target) in owners {
        out.write_all(&text_owner(tier, target.as_str().unwrap_or_default()))?;
    }
    end_line(host, out)
}

/// Names as they come: reading them must not hold up answers.
fn names(given: &[OsString]) -> Result<mpsc::Receiver<io::Result<Vec<u8>>>, Failure> {
    let (send, names) = mpsc::channel(QUESTIONS);
    let given: Vec<Vec<u8>> = given.iter().map(|name| name.as_encoded_bytes().to_vec()).collect();
    let read = move || {
        if !given.is_empty() {
            given.into_iter().try_for_each(|name| send.blocking_send(Ok(name)).ok());
            return;
        }
        let mut names = Names::new(io::stdin().lock());
        while let Some(name) = names.next_name().map(|name| name.map(<[_]>::to_vec)).transpose() {
            if send.blocking_send(name).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("names".to_owned()).spawn(read).map_err(Failure::System)?;
    Ok(names)
}
