//! `cococtl top`: what goes to which target now, what is lost, what waits.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::api::{self, Client, Root};
use crate::failure::{Failure, Outcome};
use crate::load::time;
use crate::text;

/// What `--json` makes of it.
const JSON: &str = r#"With --json, an object, once:

  {"targets": [{"program", "tier", "target", "state", "rate", "hosts", "problem"}],
   "coco": {"received", "decoded", "dropped", "errors", "waiting"}, "noodle": {"answers", "errors"}}

All rates are per second: of a target of Coco value lists, of one of Noodle, which has no tier there, requests; received
and dropped are datagrams, decoded are value lists, and waiting is how many of these wait in queues."#;

/// Show what running Cocos and Noodles send, ask for and lose now
///
/// Figures of several processes are added up. A target is in the worst state that one of them says. On a terminal the
/// table is shown anew at each interval, elsewhere it is written once.
#[derive(Debug, Args)]
#[command(after_long_help = JSON)]
pub struct Arguments {
    /// A running Coco or Noodle, as http://HOST:PORT; may be given several times
    #[arg(long = "api", value_name = "URL", default_value = "http://localhost:9090")]
    roots: Vec<Root>,

    /// The time between two looks
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = time)]
    interval: Duration,

    /// Write an object of JSON, once
    #[arg(long)]
    json: bool,
}

/// A process at one moment.
struct Look {
    at: Instant,
    /// Of all that its program counts.
    vars: Value,
    program: String,
    /// By program, tier and target.
    targets: BTreeMap<[String; 3], Target>,
}

/// A target at one moment.
#[derive(Clone)]
struct Target {
    state: String,
    problem: String,
    hosts: Option<u64>,
    count: u64,
}

/// A target over an interval.
struct Row {
    state: String,
    problem: String,
    hosts: Option<u64>,
    rate: f64,
}

/// All processes together, over an interval.
#[derive(Default)]
struct Table {
    rows: BTreeMap<[String; 3], Row>,
    coco: Option<BTreeMap<&'static str, f64>>,
    noodle: Option<BTreeMap<&'static str, f64>>,
}

/// `/` of a process.
#[derive(Deserialize)]
struct Program {
    program: String,
}

/// An entry of `/targets`.
#[derive(Deserialize)]
struct OfCoco {
    name: String,
    state: String,
    problem: Option<String>,
    hosts: u64,
    sent: u64,
}

/// Looks again and again, and writes what has changed.
pub fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    api::runtime()?.block_on(show(arguments, &mut io::stdout().lock()))
}

async fn show(arguments: &Arguments, out: &mut (impl Write + IsTerminal)) -> Result<Outcome, Failure> {
    let client = Client::default();
    let is_live = out.is_terminal() && !arguments.json;
    let mut before = look_at_all(&client, &arguments.roots).await?;
    loop {
        tokio::time::sleep(arguments.interval).await;
        let now = look_at_all(&client, &arguments.roots).await?;
        let table = Table::of(&before, &now);
        if is_live {
            // The cursor goes to the first line, and what is below it is cleared.
            write!(out, "\x1b[H\x1b[2J")?;
        }
        if arguments.json {
            writeln!(out, "{}", table.json())?;
        } else {
            table.write(out)?;
        }
        out.flush()?;
        if !is_live {
            return Ok(Outcome::Fine);
        }
        before = now;
    }
}

async fn look_at_all(client: &Client, roots: &[Root]) -> Result<Vec<Look>, Failure> {
    let asked: Vec<_> = roots
        .iter()
        .map(|root| {
            let (client, root) = (client.clone(), root.clone());
            tokio::spawn(async move { look_at(&client, &root).await })
        })
        .collect();
    let mut looks = Vec::new();
    for answer in asked {
        looks.push(answer.await.expect("asking does not panic")?);
    }
    Ok(looks)
}

async fn look_at(client: &Client, root: &Root) -> Result<Look, Failure> {
    let Program { program } = client.ask_for(root, "/").await?;
    let mut vars: Value = client.stream(root, "/debug/vars").await?;
    let vars = vars[&program].take();
    let mut targets = BTreeMap::new();
    if program == "coco" {
        let tiers: BTreeMap<String, Vec<OfCoco>> = client.stream(root, "/targets").await?;
        for (tier, of_tier) in tiers {
            for OfCoco { name, state, problem, hosts, sent } in of_tier {
                let target =
                    Target { state, problem: problem.unwrap_or_default(), hosts: Some(hosts), count: sent };
                targets.insert([program.clone(), tier.clone(), name], target);
            }
        }
    } else {
        for (name, count) in members(&vars["fetch.target.requests"]).filter(|(name, _)| *name != "total") {
            let states = members(&vars["fetch.target.state"][name]);
            let state = states.into_iter().find(|(_, is_in)| is_in.as_u64() > Some(0));
            let state = state.map_or("", |(state, _)| state).to_owned();
            let target = Target { state, problem: String::new(), hosts: None, count: number(count) };
            targets.insert([program.clone(), String::new(), name.to_owned()], target);
        }
    }
    Ok(Look { at: Instant::now(), vars, program, targets })
}

fn members(object: &Value) -> impl Iterator<Item = (&str, &Value)> {
    object.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

/// All numbers below a value, added up.
fn sum(value: &Value) -> u64 {
    match value {
        Value::Object(members) => members.values().map(sum).sum(),
        other => number(other),
    }
}

/// How bad it is to be in a state.
fn badness(state: &str) -> u8 {
    match state {
        "down" => 3,
        "flapping" => 2,
        "up" => 0,
        _ => 1,
    }
}

impl Table {
    fn of(before: &[Look], now: &[Look]) -> Self {
        let mut table = Self::default();
        for (before, now) in before.iter().zip(now) {
            let seconds = now.at.saturating_duration_since(before.at).as_secs_f64().max(1e-3);
            // Whoever was started anew has counted all of it since.
            let rate =
                |earlier: u64, later: u64| later.checked_sub(earlier).unwrap_or(later) as f64 / seconds;
            for (key, target) in &now.targets {
                let earlier = before.targets.get(key).map_or(target.count, |known| known.count);
                table.add(key, target, rate(earlier, target.count));
            }
            let grown = |of: fn(&Value) -> u64| rate(of(&before.vars), of(&now.vars));
            let (totals, figures) = if now.program == "coco" {
                let figures = vec![
                    ("received", grown(|vars| number(&vars["listen"]["raw"]))),
                    ("decoded", grown(|vars| number(&vars["listen"]["decoded"]))),
                    ("dropped", grown(|vars| number(&vars["listen"]["kernel_drops"]))),
                    ("errors", grown(|vars| sum(&vars["errors"]))),
                    ("waiting", sum(&now.vars["queues"]) as f64),
                ];
                (&mut table.coco, figures)
            } else {
                let figures = vec![
                    (
                        "answers",
                        grown(|vars| {
                            sum(&vars["fetch.target.response.codes"]) + sum(&vars["graphite.response.codes"])
                        }),
                    ),
                    ("errors", grown(|vars| sum(&vars["errors"]) + sum(&vars["fetch.target.failures"]))),
                ];
                (&mut table.noodle, figures)
            };
            let totals = totals.get_or_insert_default();
            figures.into_iter().for_each(|(name, figure)| *totals.entry(name).or_default() += figure);
        }
        table
    }

    fn add(&mut self, key: &[String; 3], target: &Target, rate: f64) {
        let Some(row) = self.rows.get_mut(key) else {
            let Target { state, problem, hosts, .. } = target.clone();
            self.rows.insert(key.clone(), Row { state, problem, hosts, rate });
            return;
        };
        row.rate += rate;
        row.hosts = row.hosts.zip(target.hosts).map(|(one, other)| one + other);
        if badness(&target.state) > badness(&row.state) {
            row.state.clone_from(&target.state);
            row.problem.clone_from(&target.problem);
        }
    }

    fn write(&self, out: &mut impl Write) -> Result<(), Failure> {
        // What processes say is shown as what strangers sent: nobody knows what answers there.
        let shown = |text: &str| text::name(text.as_bytes());
        for (program, heads) in
            [("coco", ["tier", "target", "value lists/s"]), ("noodle", ["", "target", "requests/s"])]
        {
            let rows: Vec<_> = self.rows.iter().filter(|(key, _)| key[0] == program).collect();
            if rows.is_empty() {
                continue;
            }
            let width = |place: usize| {
                let widths = rows.iter().map(|(key, _)| shown(&key[place]).chars().count());
                widths.chain([heads[place - 1].len()]).max().unwrap_or_default()
            };
            let (tier, target) = (width(1), width(2));
            writeln!(
                out,
                "{:tier$}  {:target$}  {:10} {:>15}  {:>8}  problem",
                heads[0], heads[1], "state", heads[2], "hosts"
            )?;
            for ([_, of, name], Row { state, problem, hosts, rate }) in rows {
                let hosts = hosts.map_or_else(String::new, |hosts| hosts.to_string());
                let line = format!(
                    "{:tier$}  {:target$}  {:10} {rate:>15.1}  {hosts:>8}  {}",
                    shown(of),
                    shown(name),
                    shown(state),
                    shown(problem)
                );
                writeln!(out, "{}", line.trim_end())?;
            }
        }
        if let Some(of) = &self.coco {
            writeln!(
                out,
                "Coco: {:.1} datagrams/s, {:.1} value lists/s decoded, {:.1} datagrams/s dropped, {:.1} errors/s, \
                 {:.0} value lists waiting",
                of["received"], of["decoded"], of["dropped"], of["errors"], of["waiting"]
            )?;
        }
        if let Some(of) = &self.noodle {
            writeln!(out, "Noodle: {:.1} answers/s, {:.1} errors/s", of["answers"], of["errors"])?;
        }
        Ok(())
    }

    fn json(&self) -> Value {
        let targets = self.rows.iter().map(|([program, tier, target], Row { state, problem, hosts, rate })| {
            json!({
                "program": program, "tier": tier, "target": target, "state": state, "rate": rate, "hosts": hosts,
                "problem": problem,
            })
        });
        json!({ "targets": targets.collect::<Vec<_>>(), "coco": self.coco, "noodle": self.noodle })
    }
}
