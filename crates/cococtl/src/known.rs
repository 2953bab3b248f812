//! What running Cocos know of hosts: `/hosts` of each, joined.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use coco_core::config::duration;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::api::{Client, Root};
use crate::failure::Failure;
use crate::text;

/// Questions to processes that are under way at a time.
const QUESTIONS: usize = 32;

/// Hosts that a process shows at most.
pub const MOST: usize = 10_000;

/// Whom to ask.
#[derive(Debug, Clone, Args)]
pub struct Processes {
    /// Ask this running Coco, as http://HOST:PORT; may be given several times, and what they know is joined
    #[arg(long = "api", value_name = "URL", default_value = "http://localhost:9090")]
    pub roots: Vec<Root>,
}

/// A host as a Coco knows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
pub struct Host {
    /// Its name, as JSON has it.
    pub name: String,
    /// When one of its metrics was last seen, in Unix seconds.
    pub last_seen: u64,
    /// How many of its metrics are sent.
    pub metrics: u64,
    /// How many of its metrics the blacklist refuses.
    pub dropped: u64,
    /// The targets of each tier that own it, the first owner first.
    pub owners: serde_json::Map<String, serde_json::Value>,
}

/// `/hosts`.
#[derive(Debug, Deserialize)]
pub struct Hosts {
    /// The first of them, by name.
    pub hosts: Vec<Host>,
    /// How many there are.
    pub total: u64,
}

/// What `/hosts` is asked for: names and values of parameters.
pub type Query<'a> = [(&'static str, &'a str)];

/// Asks a process.
pub async fn ask(client: &Client, root: &Root, query: &Query<'_>) -> Result<Hosts, Failure> {
    let parameters: Vec<_> = query
        .iter()
        .map(|(name, value)| format!("{name}={}", percent_encode(value.as_bytes(), NON_ALPHANUMERIC)))
        .collect();
    client.stream(root, &format!("/hosts?{}", parameters.join("&"))).await
}

/// The host of exactly this name, if a process knows it.
pub async fn ask_of(client: &Client, root: &Root, name: &str) -> Result<Option<Host>, Failure> {
    // Names travel as their bytes, whatever JSON makes of them.
    let name = percent_encode(&text::from_json(name), NON_ALPHANUMERIC).to_string();
    let hosts: Hosts = client.stream(root, &format!("/hosts?exact=true&limit=1&name={name}")).await?;
    Ok(hosts.hosts.into_iter().next())
}

/// Joins what processes know of hosts: of one that several know, the latest time and the largest numbers count, and
/// the owners that the first has.
pub fn joined(hosts: impl IntoIterator<Item = Host>) -> BTreeMap<String, Host> {
    let mut all: BTreeMap<String, Host> = BTreeMap::new();
    for host in hosts {
        let Some(known) = all.get_mut(&host.name) else {
            all.insert(host.name.clone(), host);
            continue;
        };
        known.last_seen = known.last_seen.max(host.last_seen);
        known.metrics = known.metrics.max(host.metrics);
        known.dropped = known.dropped.max(host.dropped);
    }
    all
}

/// Asks processes for hosts by their names, all at a time as far as they take it.
pub async fn ask_all(
    client: &Client,
    questions: impl IntoIterator<Item = (Root, String)>,
) -> Result<Vec<Host>, Failure> {
    let turns = Arc::new(Semaphore::new(QUESTIONS));
    let asked: Vec<_> = questions
        .into_iter()
        .map(|(root, name)| {
            let (client, turns) = (client.clone(), Arc::clone(&turns));
            tokio::spawn(async move {
                let _turn = turns.acquire().await;
                ask_of(&client, &root, &name).await
            })
        })
        .collect();
    let mut hosts = Vec::new();
    for answer in asked {
        hosts.extend(answer.await.expect("asking does not panic")?);
    }
    Ok(hosts)
}

/// Unix seconds.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

impl Host {
    /// For how many seconds it has been silent.
    pub fn silence(&self, now: u64) -> u64 {
        now.saturating_sub(self.last_seen)
    }

    /// A line for people: name, how long ago it was seen, its metrics, its owners.
    pub fn line(&self, now: u64) -> String {
        let ago = duration::format(Duration::from_secs(self.silence(now)));
        let mut line =
            format!("{}\t{ago} ago\tmetrics {}\tdropped {}", self.name, self.metrics, self.dropped);
        for (tier, owners) in &self.owners {
            let owners = owners.as_array().into_iter().flatten().filter_map(|owner| owner.as_str());
            line.push_str(&format!("\t{tier}={}", owners.collect::<Vec<_>>().join(",")));
        }
        // Tabs are between the fields; what stands in them is what strangers sent.
        line.split('\t').map(|field| text::name(&text::from_json(field))).collect::<Vec<_>>().join("\t")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn host(name: &str, last_seen: u64, metrics: u64) -> Host {
        let owners = json!({ "short": ["a:1", "b:1"] }).as_object().unwrap().clone();
        Host { name: name.to_owned(), last_seen, metrics, dropped: 1, owners }
    }

    #[test]
    fn the_latest_counts_of_a_host_that_several_know() {
        let all = joined([host("b", 5, 7), host("a", 1, 1), host("b", 9, 3)]);
        assert_eq!(all.into_values().collect::<Vec<_>>(), [host("a", 1, 1), host("b", 9, 7)]);
    }

    #[test]
    fn a_name_does_nothing_to_a_terminal() {
        let line = host("web\u{1b}[2J\u{0}ff", 40, 2).line(100);
        assert_eq!(line, "web\\u{1b}[2J\\xff\t1m ago\tmetrics 2\tdropped 1\tshort=a:1,b:1");
    }
}
