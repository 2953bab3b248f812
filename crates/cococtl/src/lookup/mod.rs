//! `cococtl lookup`: who owns hosts.
//!
//! A line a host: its name, then `TIER=TARGET` for each tier, tabs between; with `--all` `TIER=TARGET,TARGET...`, by the
//! targets' names, and behind it `STAGE from=TARGET,... writes=TARGET,...` where the host is on its way. Where collectd
//! stores the host under another name, that stands at the end.

mod moving;

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
use moving::{OnItsWay, moving_in};

/// How many questions to a process are under way at a time.
const QUESTIONS: usize = 64;

/// What `--json` makes of it.
const JSON: &str = r#"With --json, an object a line:

  {"host": "web1", "owners": {"shortterm": "10.1.1.111:25826", ...}}

With --all, an array of the targets' names for each tier, the first owner first. A host that is on its way in some tiers
also has "moving": {"shortterm": {"stage", "former", "writes"}}: the stage, "old", "both" or "new", is which owners are
written to now, former those that it comes from, writes those that are written to. A host with a slash in its name also has "stored_as": the name under which collectd stores it."#;

/// Say which targets of each tier own hosts
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

    /// Tell all owners by their names, the first owner first, and not the address of the first one alone; of a host that is
    /// on its way to them its stage, those that it comes from, and those that are written to now
    #[arg(long)]
    all: bool,

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
    let mut lines = Lines::new(tiers, arguments.all, arguments.json);
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

/// The lines of a configuration: what is to be said of a target is made once.
struct Lines<'a> {
    all: bool,
    json: bool,
    tiers: Vec<LinesOfTier<'a>>,
    owners: Vec<usize>,
}

struct LinesOfTier<'a> {
    tier: &'a Tier,
    /// What stands before its owners.
    head: Vec<u8>,
    /// What each target is called.
    targets: Vec<Vec<u8>>,
}

impl<'a> Lines<'a> {
    fn new(tiers: &'a Tiers, all: bool, json: bool) -> Self {
        let written = |name: &str, start: &[u8], end: &[u8]| {
            let mut text = start.to_vec();
            match json {
                true => text.extend(Value::from(name).to_string().bytes()),
                false => write_name(&mut text, name.as_bytes()).expect("a Vec takes all that is written"),
            }
            text.extend_from_slice(end);
            text
        };
        let tiers = tiers.iter().map(|tier| LinesOfTier {
            tier,
            head: if json { written(tier.name(), b"", b":") } else { written(tier.name(), b"\t", b"=") },
            targets: tier
                .targets()
                .iter()
                .map(|target| written(if all { target.label() } else { &target.name }, b"", b""))
                .collect(),
        });
        Self { all, json, tiers: tiers.collect(), owners: Vec::new() }
    }

    fn write(&mut self, host: &[u8], out: &mut impl Write) -> io::Result<()> {
        let Self { all, json, tiers, owners } = self;
        if *json {
            out.write_all(b"{\"host\":")?;
            serde_json::to_writer(&mut *out, &text::in_json(host))?;
            out.write_all(b",\"owners\":{")?;
        } else {
            write_name(out, host)?;
        }
        let mut moving = Vec::new();
        for (index, LinesOfTier { tier, head, targets }) in tiers.iter().enumerate() {
            out.write_all(if *json && index > 0 { b"," } else { b"" })?;
            out.write_all(head)?;
            if !*all {
                out.write_all(&targets[tier.owner(host)])?;
                continue;
            }
            let on_its_way = moving_in(tier, host);
            match &on_its_way {
                Some(of) => owners.clone_from(&of.owners),
                None => tier.placement().owners(host, owners),
            }
            out.write_all(if *json { b"[" } else { b"" })?;
            write_list(owners, targets, out)?;
            out.write_all(if *json { b"]" } else { b"" })?;
            match on_its_way {
                Some(of) if *json => moving.push((tier.name(), OnItsWay::of(tier, of).object())),
                Some(of) => OnItsWay::of(tier, of).write(out)?,
                None => {}
            }
        }
        if !*json {
            return end_line(host, out);
        }
        out.write_all(b"}")?;
        if !moving.is_empty() {
            let moving: Map<_, _> = moving.into_iter().map(|(tier, of)| (tier.to_owned(), of)).collect();
            write!(out, ",\"moving\":{}", Value::from(moving))?;
        }
        if is_renamed(host) {
            out.write_all(b",\"stored_as\":")?;
            serde_json::to_writer(&mut *out, &text::in_json(&stored_name(host)))?;
        }
        out.write_all(b"}\n")
    }
}

fn write_list(places: &[usize], targets: &[Vec<u8>], out: &mut impl Write) -> io::Result<()> {
    for (place, &owner) in places.iter().enumerate() {
        out.write_all(if place > 0 { b"," } else { b"" })?;
        out.write_all(&targets[owner])?;
    }
    Ok(())
}

/// What stands behind the owners in a line of text.
fn end_line(host: &[u8], out: &mut impl Write) -> io::Result<()> {
    if is_renamed(host) {
        out.write_all(b"\tstored as ")?;
        write_name(out, &stored_name(host))?;
    }
    out.write_all(b"\n")
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
                Some(name) => asked.push_back(tokio::spawn(owners(client.clone(), root.clone(), name, arguments.all))),
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

/// What a process says of a host, by tier.
#[derive(Default)]
struct Told {
    owners: Map<String, Value>,
    moving: Vec<(String, OnItsWay)>,
}

async fn owners(client: Client, root: Root, name: Vec<u8>, all: bool) -> (Vec<u8>, Result<Told, Failure>) {
    let all_owners = if all { "&all=1" } else { "" };
    let path = format!("/lookup?name={}{all_owners}", percent_encode(&name, NON_ALPHANUMERIC));
    let told = client.ask_for(&root, &path).await.map(|answer: Map<String, Value>| {
        let mut told = Told::default();
        // It says what is stored where, which we know; a tier of that name is an owner. Who knows of no copies tells the
        // first owner.
        for (tier, owner) in answer {
            match owner {
                Value::String(target) if all => drop(told.owners.insert(tier, json!([target]))),
                Value::String(_) => drop(told.owners.insert(tier, owner)),
                Value::Object(mut placed) => {
                    let on_its_way = OnItsWay::told(&placed);
                    let Some(owners) = placed.remove("owners") else { continue };
                    told.moving.extend(on_its_way.map(|of| (tier.clone(), of)));
                    told.owners.insert(tier, owners);
                }
                _ => {}
            }
        }
        told
    });
    (name, told)
}

fn write_answer(host: &[u8], told: &Told, json: bool, out: &mut impl Write) -> io::Result<()> {
    let Told { owners, moving } = told;
    if json {
        let mut line = json!({ "host": text::in_json(host), "owners": owners });
        if !moving.is_empty() {
            let moving: Map<_, _> = moving.iter().map(|(tier, of)| (tier.clone(), of.object())).collect();
            line["moving"] = moving.into();
        }
        if is_renamed(host) {
            line["stored_as"] = text::in_json(&stored_name(host)).into();
        }
        return writeln!(out, "{line}");
    }
    write_name(out, host)?;
    for (tier, told) in owners {
        out.write_all(b"\t")?;
        write_name(out, tier.as_bytes())?;
        let targets = told.as_array().map_or(std::slice::from_ref(told), Vec::as_slice);
        for (place, target) in targets.iter().enumerate() {
            out.write_all(if place == 0 { b"=" } else { b"," })?;
            write_name(out, target.as_str().unwrap_or_default().as_bytes())?;
        }
        let on_its_way = moving.iter().find(|(known, _)| known == tier);
        on_its_way.map_or(Ok(()), |(_, of)| of.write(out))?;
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
