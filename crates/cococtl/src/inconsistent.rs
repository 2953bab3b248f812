//! `cococtl inconsistent`: which hosts lie on nodes that do not own them.

use std::collections::HashMap;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use coco_core::config::{Config, Fetch};
use coco_core::tier::Tiers;
use noodle::budget::Budget;
use noodle::upstream::{Shared, Terms, Upstream};
use serde_json::{Map, Value, json};

use crate::api;
use crate::configuration;
use crate::dates;
use crate::failure::{Failure, Outcome};
use crate::text;

/// What `--json` makes of it.
const JSON: &str = r#"With --json, an object a line:

  {"host": "web1", "node": "rrdcached://10.1.1.113:42217", "owners": {"longterm": ["s1", "s2"], ...}, "files": 34, "newest": 1795311454}

owners: in each tier that the node is in, the targets that own the host, by their names, the first owner first. newest:
the last update of the newest file, in Unix seconds; null where the node does not tell, as no Visage does. files: null where
the node does not tell of this host."#;

/// Find hosts that lie on nodes that do not own them
///
/// Every node is asked at its `fetch` for the hosts that it has, and for those that no tier has it keep, how many files
/// there are and when the newest was updated. Exit status 1 means that there are such hosts, 2 that not every node could be
/// asked. Nodes are asked within the limits of `fetch.*`, as Noodle asks them.
#[derive(Debug, Args)]
#[command(after_long_help = JSON)]
pub struct Arguments {
    /// The configuration that says who owns what, and where nodes are read
    #[arg(long, value_name = "FILE", default_value = "coco.conf")]
    config: PathBuf,

    /// Write an object of JSON a line
    #[arg(long)]
    json: bool,
}

/// Asks all nodes and writes what lies where it should not.
pub fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let Config { tiers, fetch, .. } = configuration::load(&arguments.config)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let found = api::runtime()?.block_on(find(Arc::new(tiers), &fetch, arguments.json, &mut out));
    out.flush()?;
    found
}

/// What serves the files of a node, and which targets store theirs there.
struct Node {
    upstream: Upstream,
    /// The number of a tier, and of a target in it.
    targets: Vec<(usize, usize)>,
}

/// A host on a node that does not own it.
struct Stray {
    host: Vec<u8>,
    /// The name of a tier, and of its targets that own the host.
    owners: Vec<(String, Vec<String>)>,
    files: Option<usize>,
    newest: Option<i64>,
}

/// What one node has.
struct Stored {
    hosts: usize,
    strays: Vec<Stray>,
    /// Why not all is known of them.
    failure: Option<noodle::failure::Failure>,
}

async fn find(
    tiers: Arc<Tiers>,
    fetch: &Fetch,
    in_json: bool,
    out: &mut impl Write,
) -> Result<Outcome, Failure> {
    let budget = Budget::new(fetch.max_memory);
    let mut asked = Vec::new();
    for node in nodes(&tiers, fetch) {
        let (tiers, budget, url) = (Arc::clone(&tiers), budget.clone(), node.upstream.root().to_owned());
        asked.push((url, tokio::spawn(async move { look(&node, &tiers, &budget).await })));
    }
    let (mut answered, mut hosts, mut strays, mut failures) = (0, 0, 0, Vec::new());
    for (url, asked) in asked {
        match asked.await.expect("asking does not panic") {
            Ok(stored) => {
                answered += 1;
                hosts += stored.hosts;
                strays += stored.strays.len();
                for stray in &stored.strays {
                    if in_json { writeln!(out, "{}", stray.object(&url))? } else { stray.write(&url, out)? }
                }
                let failure = stored.failure.map(|failure| failure.to_string());
                failures.extend(failure.map(|reason| Failure::Api { url, reason }));
            }
            Err(failure) => failures.push(Failure::Api { url, reason: failure.to_string() }),
        }
    }
    if !in_json {
        writeln!(
            out,
            "{strays} of {hosts} hosts, each counted on every node, lie on one of {answered} nodes that does not own them"
        )?;
    }
    if failures.is_empty() { Ok(Outcome::finding(strays > 0)) } else { Err(Failure::Several(failures)) }
}

/// All nodes, each once: targets of several tiers may store their files in one place.
fn nodes(tiers: &Tiers, fetch: &Fetch) -> Vec<Node> {
    let (mut nodes, mut places, shared) = (Vec::<Node>::new(), HashMap::new(), Shared::default());
    for (tier_number, tier) in tiers.iter().enumerate() {
        for (number, target) in tier.targets().iter().enumerate() {
            let place = *places.entry(fetch.endpoint(target)).or_insert_with_key(|endpoint| {
                let upstream = Upstream::new(endpoint, Terms::from(fetch), shared.clone());
                nodes.push(Node { upstream, targets: Vec::new() });
                nodes.len() - 1
            });
            nodes[place].targets.push((tier_number, number));
        }
    }
    nodes
}

/// What a node has. One question after the other: it has others to answer. What it does not tell of one host leaves what it
/// tells of the others; whether a host lies where it should not needs its name alone.
async fn look(
    Node { upstream, targets }: &Node,
    tiers: &Tiers,
    budget: &Budget,
) -> Result<Stored, noodle::failure::Failure> {
    let hosts = upstream.stored_hosts(budget).await?;
    let mut stored = Stored { hosts: hosts.len(), strays: Vec::new(), failure: None };
    let mut is_silent = false;
    for host in hosts {
        let Some(owners) = other_owners(&host, targets, tiers) else { continue };
        let mut stray = Stray { host, owners, files: None, newest: None };
        // Who is silent is not waited for host by host.
        if !is_silent && let Err(failure) = look_at(&mut stray, upstream, budget).await {
            is_silent = failure.is_outage();
            stored.failure.get_or_insert(failure);
        }
        stored.strays.push(stray);
    }
    Ok(stored)
}

/// Adds what a node tells of the files of a host.
async fn look_at(
    stray: &mut Stray,
    upstream: &Upstream,
    budget: &Budget,
) -> Result<(), noodle::failure::Failure> {
    let metrics = upstream.stored_metrics(&stray.host, budget).await?;
    stray.files = Some(metrics.len());
    stray.newest = upstream.newest_update(&stray.host, &metrics).await?;
    Ok(())
}

/// Who owns a host in the tiers of these targets; none if one of them does.
fn other_owners(
    host: &[u8],
    targets: &[(usize, usize)],
    tiers: &Tiers,
) -> Option<Vec<(String, Vec<String>)>> {
    let mut all: Vec<(String, Vec<String>)> = Vec::new();
    let mut owners = Vec::new();
    for &(tier_number, number) in targets {
        let tier = tiers.get(tier_number)?;
        tier.placement().owners(host, &mut owners);
        if owners.contains(&number) {
            return None;
        }
        if all.iter().all(|(name, _)| name != tier.name()) {
            let names = owners.iter().map(|&owner| tier.targets()[owner].label().to_owned());
            all.push((tier.name().to_owned(), names.collect()));
        }
    }
    Some(all)
}

impl Stray {
    fn object(&self, url: &str) -> Value {
        let Self { host, owners, files, newest } = self;
        let owners: Map<_, _> = owners.iter().map(|(tier, names)| (tier.clone(), json!(names))).collect();
        json!({ "host": text::in_json(host), "node": url, "owners": owners, "files": files, "newest": newest })
    }

    /// The host, where it lies, and its owners, tabs between; names can't be taken for the end of a line.
    fn write(&self, url: &str, out: &mut impl Write) -> io::Result<()> {
        let Self { host, owners, files, newest } = self;
        text::write_name(out, host)?;
        write!(out, "\t{}\t", text::name(url.as_bytes()))?;
        match files {
            Some(files) => write!(out, "{files} files\t")?,
            None => out.write_all(b"files unknown\t")?,
        }
        match newest.and_then(|newest| u64::try_from(newest).ok()).filter(|newest| *newest < 1 << 34) {
            Some(newest) => write!(out, "updated {}", dates::time(newest << 30))?,
            None => out.write_all(b"last update unknown")?,
        }
        for (tier, names) in owners {
            let owners = format!("{tier}={}", names.join(","));
            write!(out, "\t{}", text::name(owners.as_bytes()))?;
        }
        out.write_all(b"\n")
    }
}
