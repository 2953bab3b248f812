//! `cococtl check`: whether running processes route alike.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{self, Client, Root};
use crate::configuration;
use crate::disjoint;
use crate::failure::{Failure, Outcome};
use crate::hosts::MADE_UP;
use crate::text;
use crate::tier_state::{TierState, difference_of};

/// What `--json` makes of it.
const JSON: &str = r#"With --json, one object:

  {"same", "processes": [{"name", "program", "version", "status", "fingerprint"} or {"name", "error"}],
   "differences": [{"name", "there", "difference", "disjoint"}]}

disjoint: by the name of each tier, the share of 20,000 made-up hosts, from 0 to 1, that the two send to none of the
same targets, so that a reader by the one misses what is sent by the other; null where it can't be said."#;

/// Compare what running Cocos and Noodles route by
///
/// Equal fingerprints mean that every host has the same owners everywhere. Of those that differ it is said in what, and how
/// many hosts they send to none of the same targets. Exit status 1 means that they differ, 2 that not everybody could be asked.
#[derive(Debug, Args)]
#[command(after_long_help = JSON)]
pub struct Arguments {
    /// Compare with what a configuration says, too; may be given several times
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,

    /// Write an object of JSON
    #[arg(long)]
    json: bool,

    /// Running processes, as http://HOST:PORT
    #[arg(value_name = "URL", required_unless_present = "config")]
    urls: Vec<Root>,
}

/// Who takes part in the comparison.
struct Party {
    /// The URL, or the name of the file.
    name: String,
    /// Where to ask further; the file needs no asking.
    source: Source,
    program: String,
    version: String,
    status: String,
    fingerprint: String,
}

enum Source {
    File(Vec<TierState>),
    Process(Root),
}

/// `/` of a process.
#[derive(Deserialize)]
struct Program {
    program: String,
    version: String,
}

/// `/healthz` of a process.
#[derive(Deserialize)]
struct Health {
    status: String,
    fingerprint: String,
}

/// Asks all of them and writes what they said.
pub fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    api::runtime()?.block_on(check(arguments, &mut io::stdout().lock()))
}

async fn check(arguments: &Arguments, out: &mut impl Write) -> Result<Outcome, Failure> {
    let client = Client::default();
    let mut parties = Vec::new();
    for path in &arguments.config {
        parties.push(Ok(of_file(path)?));
    }
    let asked: Vec<_> =
        arguments.urls.iter().map(|root| tokio::spawn(of_process(client.clone(), root.clone()))).collect();
    for (answer, root) in asked.into_iter().zip(&arguments.urls) {
        let party = answer.await.expect("asking does not panic");
        parties.push(party.map_err(|failure| (root.to_string(), failure)));
    }
    let known: Vec<&Party> = parties.iter().flatten().collect();
    let mut differences = Vec::new();
    if let Some((first, others)) = known.split_first() {
        for other in others.iter().filter(|other| other.fingerprint != first.fingerprint) {
            let difference = difference(&client, other, first).await;
            differences.push((other.name.clone(), first.name.clone(), difference));
        }
    }
    let same = differences.is_empty();
    if arguments.json {
        let parties: Vec<_> = parties.iter().map(object).collect();
        let differences = differences.iter().map(
            |(name, there, Difference { what, disjoint })| json!({ "name": name, "there": there, "difference": what, "disjoint": disjoint }),
        );
        let differences: Vec<_> = differences.collect();
        writeln!(out, "{}", json!({ "same": same, "processes": parties, "differences": differences }))?;
    } else {
        // What processes say is shown as what strangers sent: nobody knows what answers there.
        for Party { name, program, version, status, fingerprint, .. } in &known {
            let line = format!("{fingerprint}  {program} {version}  {status}  {name}");
            writeln!(out, "{}", text::name(line.as_bytes()))?;
        }
        for (name, there, Difference { what, disjoint }) in &differences {
            let line = format!("{name} differs from {there}: {what}");
            writeln!(out, "{}", text::name(line.as_bytes()))?;
            for (tier, share) in disjoint.iter().flatten() {
                let share = share * 100.0;
                let line = format!(
                    "  tier {tier}: {share:.2} % of {MADE_UP} made-up hosts are sent to none of the same targets"
                );
                writeln!(out, "{}", text::name(line.as_bytes()))?;
            }
        }
    }
    let failures: Vec<_> = parties.into_iter().filter_map(|party| Some(party.err()?.1)).collect();
    if failures.is_empty() { Ok(Outcome::finding(!same)) } else { Err(Failure::Several(failures)) }
}

fn object(party: &Result<Party, (String, Failure)>) -> Value {
    match party {
        Ok(Party { name, program, version, status, fingerprint, .. }) => json!({
            "name": name, "program": program, "version": version, "status": status, "fingerprint": fingerprint,
        }),
        Err((name, failure)) => json!({ "name": name, "error": failure.to_string() }),
    }
}

fn of_file(path: &Path) -> Result<Party, Failure> {
    let tiers = configuration::load(path)?.tiers;
    Ok(Party {
        name: path.display().to_string(),
        source: Source::File(TierState::of(&tiers)),
        program: "configuration".to_owned(),
        version: String::new(),
        status: "ok".to_owned(),
        fingerprint: tiers.fingerprint().to_string(),
    })
}

async fn of_process(client: Client, root: Root) -> Result<Party, Failure> {
    let Program { program, version } = client.ask_for(&root, "/").await?;
    // Whoever is stopping says so with 503, and is asked all the same.
    let Health { status, fingerprint } = client.ask_whatever_the_status(&root, "/healthz").await?;
    Ok(Party { name: root.to_string(), source: Source::Process(root), program, version, status, fingerprint })
}

/// In what one party differs from another.
struct Difference {
    /// For people.
    what: String,
    /// See [`disjoint::shares`].
    disjoint: Option<BTreeMap<String, f64>>,
}

async fn difference(client: &Client, party: &Party, other: &Party) -> Difference {
    match (tiers(client, party).await, tiers(client, other).await) {
        (Ok(here), Ok(there)) => Difference {
            what: difference_of(&here, &there).unwrap_or_else(|| "the tiers are alike now".to_owned()),
            disjoint: disjoint::shares(&here, &there),
        },
        (Err(failure), _) | (_, Err(failure)) => {
            Difference { what: format!("cannot say in what: {failure}"), disjoint: None }
        }
    }
}

async fn tiers(client: &Client, party: &Party) -> Result<Vec<TierState>, Failure> {
    match &party.source {
        Source::File(tiers) => Ok(tiers.clone()),
        Source::Process(root) => client.stream(root, "/tiers").await,
    }
}
