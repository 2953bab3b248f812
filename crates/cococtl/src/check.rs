//! `cococtl check`: whether running processes route alike.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{self, Client, Root};
use crate::configuration;
use crate::failure::{Failure, Outcome};
use crate::hosts::MADE_UP;
use crate::text;
use crate::tier_state::TierState;
use crate::verdict::Difference;

/// What `--json` makes of it.
const JSON: &str = r#"With --json, one object:

  {"same", "safe", "processes": [{"name", "program", "version", "status", "fingerprint"} or {"name", "error"}],
   "differences": [{"name", "there", "difference", "verdict", "disjoint"}]}

safe: all fingerprints are the same, or all that differ are in the middle of a step of a migration that is safe. verdict:
"safe" where two are in the middle of such a step; "unsafe" where hosts are on the same way, and some are written to
disjoint owners; "apart" where hosts are placed otherwise; "alike" where they are the same by now. disjoint: by the name of each tier, the share of 20,000 made-up hosts, from 0 to 1, that the two send to none of the
same targets, so that a reader by the one misses what is sent by the other; null where it can't be said."#;

/// Compare what running Cocos and Noodles route by
///
/// Equal fingerprints mean that every host has the same owners everywhere. Of those that differ it is said in what, and how
/// many hosts they send to none of the same targets. Those that differ in no more than how far a migration is, so that each
/// host has a whole set of owners that all write to, are in the middle of a step, and well. Exit status 1 means that others
/// differ, 2 that not everybody could be asked.
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
    let differences = differences(&client, &known).await;
    let same = known.windows(2).all(|two| two[0].fingerprint == two[1].fingerprint);
    let safe = differences.iter().all(|(_, _, difference)| difference.verdict.is_fine());
    if arguments.json {
        let parties: Vec<_> = parties.iter().map(object).collect();
        let differences = differences.iter().map(|(name, there, Difference { what, verdict, disjoint })| {
            json!({
                "name": name, "there": there, "difference": what, "verdict": verdict, "disjoint": disjoint,
            })
        });
        let differences: Vec<_> = differences.collect();
        let answer = json!({ "same": same, "safe": safe, "processes": parties, "differences": differences });
        writeln!(out, "{answer}")?;
    } else {
        // What processes say is shown as what strangers sent: nobody knows what answers there.
        for Party { name, program, version, status, fingerprint, .. } in &known {
            let line = format!("{fingerprint}  {program} {version}  {status}  {name}");
            writeln!(out, "{}", text::name(line.as_bytes()))?;
        }
        for (name, there, Difference { what, verdict, disjoint }) in &differences {
            let line = format!("{name} differs from {there}: {what}");
            writeln!(out, "{}", text::name(line.as_bytes()))?;
            for (tier, share) in disjoint.iter().flatten().filter(|_| !verdict.is_fine()) {
                let share = share * 100.0;
                let line = format!(
                    "  tier {tier}: {share:.2} % of {MADE_UP} made-up hosts are sent to none of the same targets"
                );
                writeln!(out, "{}", text::name(line.as_bytes()))?;
            }
        }
    }
    let failures: Vec<_> = parties.into_iter().filter_map(|party| Some(party.err()?.1)).collect();
    if failures.is_empty() { Ok(Outcome::finding(!safe)) } else { Err(Failure::Several(failures)) }
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

/// What each differs in from the first, and, of those that are well beside it, what is wrong between them.
async fn differences<'a>(client: &Client, parties: &[&'a Party]) -> Vec<(&'a str, &'a str, Difference)> {
    let mut differences = Vec::new();
    let Some((first, others)) = parties.split_first() else { return differences };
    if others.iter().all(|other| other.fingerprint == first.fingerprint) {
        return differences;
    }
    let mut asked = Vec::new();
    for party in parties {
        asked.push((*party, tiers(client, party).await));
    }
    let between = |(one, here): &(&Party, _), (other, there): &(&Party, _)| {
        (one.fingerprint != other.fingerprint).then(|| match (here, there) {
            (Ok::<Vec<TierState>, Failure>(here), Ok::<Vec<TierState>, Failure>(there)) => {
                Difference::between(here, there)
            }
            (Err(failure), _) | (_, Err(failure)) => Difference::unknown(&failure.to_string()),
        })
    };
    let mut well = Vec::new();
    for other in &asked[1..] {
        let difference = between(other, &asked[0]);
        if difference.as_ref().is_none_or(|difference| difference.verdict.is_fine()) {
            well.push(other);
        }
        differences
            .extend(difference.map(|difference| (other.0.name.as_str(), first.name.as_str(), difference)));
    }
    for (place, one) in well.iter().enumerate() {
        for other in &well[..place] {
            let difference = between(one, other).filter(|difference| !difference.verdict.is_fine());
            differences.extend(
                difference.map(|difference| (one.0.name.as_str(), other.0.name.as_str(), difference)),
            );
        }
    }
    differences
}

async fn tiers(client: &Client, party: &Party) -> Result<Vec<TierState>, Failure> {
    match &party.source {
        Source::File(tiers) => Ok(tiers.clone()),
        Source::Process(root) => client.stream(root, "/tiers?routes=false").await,
    }
}
