//! `cococtl host`: whether hosts still report.

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use serde_json::json;

use crate::api::{self, Client};
use crate::failure::{Failure, Outcome};
use crate::known::{self, Processes};
use crate::load::time;
use crate::text;

/// What `--json` makes of it.
const JSON: &str = r#"With --json, an object a line:

  {"name", "known", "silent"}, and of a host that is known {"last_seen", "metrics", "dropped", "owners": {"shortterm": ["10.1.1.111:25826"], ...}}

last_seen: Unix seconds; metrics: those that are sent; dropped: those that the blacklist refuses."#;

/// Say whether hosts still report, and who owns them
///
/// Asks running Cocos for hosts of exactly these names. Exit status 1 means that one is not known, or has been silent for
/// longer than --for.
#[derive(Debug, Args)]
#[command(after_long_help = JSON)]
pub struct Arguments {
    #[command(flatten)]
    processes: Processes,

    /// Count a host as silent that was not seen for so long
    #[arg(long = "for", value_name = "DURATION", default_value = "5m", value_parser = time)]
    silence: Duration,

    /// Write an object of JSON a line
    #[arg(long)]
    json: bool,

    /// Names of hosts
    #[arg(value_name = "HOST", required = true)]
    hosts: Vec<String>,
}

/// Asks for them and writes what is known.
pub fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    api::runtime()?.block_on(tell(arguments, &mut io::stdout().lock()))
}

async fn tell(arguments: &Arguments, out: &mut impl Write) -> Result<Outcome, Failure> {
    let questions = arguments
        .hosts
        .iter()
        .flat_map(|name| arguments.processes.roots.iter().map(move |root| (root.clone(), name.clone())));
    let known = known::joined(known::ask_all(&Client::default(), questions).await?);
    let now = known::now();
    let mut is_well = true;
    for name in &arguments.hosts {
        let host = known.get(name);
        let is_silent = host.is_none_or(|host| host.silence(now) >= arguments.silence.as_secs());
        is_well &= !is_silent;
        if arguments.json {
            let mut object = json!({ "name": name, "known": host.is_some(), "silent": is_silent });
            if let (Some(host), Some(object)) = (host, object.as_object_mut()) {
                let members = serde_json::to_value(host).unwrap_or_default();
                object.extend(members.as_object().cloned().unwrap_or_default());
            }
            writeln!(out, "{object}")?;
        } else if let Some(host) = host {
            writeln!(out, "{}{}", host.line(now), if is_silent { "\tsilent" } else { "" })?;
        } else {
            writeln!(
                out,
                "{}\tnot known: never seen, or not since it was forgotten",
                text::name(name.as_bytes())
            )?;
        }
    }
    Ok(Outcome::finding(!is_well))
}
