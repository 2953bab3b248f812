//! Reading without Visage: what rows from rrdcached cost.

use std::time::Instant;

use super::{Bench, Outcome};
use crate::answer::Layout;
use crate::error::Error;
use crate::proxy::REQUEST;
use crate::reads::{Node, Reader, hour, last_hour, last_hour_of_all, visage};
use crate::statistics::median;

/// Hosts that one request asks for, and nodes that have them.
const HOSTS: usize = 1_000;
const NODES: usize = 20;

/// CPU per request against that of the same answer from a Visage, requests of one series in a second, and a glob over
/// many nodes.
pub(super) fn rrdcached(bench: &Bench) -> Result<Vec<Outcome>, Error> {
    let mut outcomes = one_host(bench)?;
    outcomes.extend(rate(bench)?);
    outcomes.extend(many_hosts(bench)?);
    Ok(outcomes)
}

/// CPU per request by how the JSON of a Visage is laid out.
pub(super) fn layouts(bench: &Bench) -> Result<Vec<Outcome>, Error> {
    let reader = |layout: Layout| {
        Reader::start(&bench.place, &format!("{layout:?}"), &[visage(layout.answer().as_bytes())?])
    };
    let readers = Layout::ALL.into_iter().map(reader).collect::<Result<Vec<_>, Error>>()?;
    let mut ratios = [Vec::new(), Vec::new()];
    for round in 1..=bench.rounds {
        let costs = readers.iter().map(|reader| Ok(reader.run(bench.seconds, request)?.cpu_us_per_request));
        let costs = costs.collect::<Result<Vec<_>, Error>>()?;
        let [compact, others @ ..] = &costs[..] else { continue };
        (bench.progress)(format_args!(
            "{round}. {compact:.1} us per request of compact JSON, {others:.1?} of others"
        ));
        ratios.iter_mut().zip(others).for_each(|(ratios, cost)| ratios.push(cost / compact));
    }
    readers.into_iter().try_for_each(Reader::stop)?;
    let keys = ["layouts-blanks", "layouts-indents"];
    Ok(keys.into_iter().zip(&ratios).map(|(key, ratios)| Outcome::new(key, ratios)).collect())
}

fn request(_: u64) -> String {
    REQUEST.to_owned()
}

fn one_host(bench: &Bench) -> Result<Vec<Outcome>, Error> {
    let node = Node::start(&bench.place, "three", &["web0".to_owned()], 3)?;
    let rows = Reader::start(&bench.place, "rows", &[node.url()])?;
    let text = rows.get(&last_hour(0))?;
    let texts = Reader::start(&bench.place, "texts", &[visage(&text)?])?;
    let mut ratios = Vec::new();
    let mut runs = Vec::new();
    for round in 1..=bench.rounds {
        // Other windows for one, or all answers but the first would be those that were kept.
        let pair = [texts.run(bench.seconds, last_hour)?, rows.run(bench.seconds, hour)?];
        (bench.progress)(format_args!(
            "{round}. {:.1} us per request from rrdcached, {:.1} from Visage",
            pair[1].cpu_us_per_request, pair[0].cpu_us_per_request
        ));
        ratios.push(pair[1].cpu_us_per_request / pair[0].cpu_us_per_request);
        runs.extend(pair);
    }
    texts.stop()?;
    rows.stop()?;
    let cpu = |which: usize| {
        median(&runs.iter().skip(which).step_by(2).map(|run| run.cpu_us_per_request).collect::<Vec<_>>())
    };
    let mut outcome =
        Outcome::new("rrdcached", &ratios).note(format!("{:.1} us against {:.1}", cpu(1), cpu(0)));
    outcome.measurements = runs.iter().filter_map(|run| serde_json::to_value(run).ok()).collect();
    Ok(vec![outcome])
}

fn rate(bench: &Bench) -> Result<Vec<Outcome>, Error> {
    let node = Node::start(&bench.place, "one", &["web0".to_owned()], 1)?;
    let reader = Reader::start(&bench.place, "one-reader", &[node.url()])?;
    let mut rates = Vec::new();
    for _ in 0..bench.rounds {
        rates.push(reader.run(bench.seconds, hour)?.requests_per_second);
    }
    reader.stop()?;
    let daemon = node.cpu_time()?.as_secs_f64();
    let note = format!("none of them kept; rrdcached used {daemon:.1} s of CPU meanwhile");
    Ok(vec![Outcome::new("rrdcached-rate", &rates).note(note)])
}

fn many_hosts(bench: &Bench) -> Result<Vec<Outcome>, Error> {
    let hosts: Vec<String> = (0..HOSTS).map(|number| format!("web{number}")).collect();
    let mut nodes = Vec::new();
    for number in 0..NODES {
        nodes.push(Node::start(&bench.place, &format!("node{number}"), &hosts_of(&hosts, number)?, 1)?);
    }
    let urls: Vec<_> = nodes.iter().map(Node::url).collect();
    let mut durations = Vec::new();
    let mut memory: f64 = 0.0;
    let mut bytes = 0;
    for _ in 0..bench.rounds {
        // A new one each time, which knows no hosts yet.
        let reader = Reader::start(&bench.place, "many-reader", &urls)?;
        let start = Instant::now();
        let answer = reader.get(&last_hour_of_all())?;
        durations.push(start.elapsed().as_secs_f64() * 1e3);
        memory = memory.max(reader.peak_memory()?);
        reader.stop()?;
        bytes = answer.len();
        let found = String::from_utf8_lossy(&answer).matches("\"start\":").count();
        if found != HOSTS {
            return Err(Error::Meaningless(format!("{found} of {HOSTS} series came")));
        }
    }
    let note = format!("{:.1} MB from {NODES} nodes, which are not known before", bytes as f64 / 1e6);
    Ok(vec![
        Outcome::new("rrdcached-many", &durations).note(note),
        Outcome::new("rrdcached-many-memory", &[memory]),
    ])
}

/// The hosts of a node: those that Noodle asks it for.
fn hosts_of(hosts: &[String], number: usize) -> Result<Vec<String>, Error> {
    let names = (1..=NODES).map(|port| format!("\"127.0.0.1:{port}\"")).collect::<Vec<_>>().join(", ");
    let text = format!("[fetch]\nbind = \"127.0.0.1:0\"\n[tiers.all]\ntargets = [{names}]\n");
    let config = coco_core::config::NoodleConfig::parse(&text);
    let config = config.map_err(|problems| Error::Meaningless(problems.to_string()))?;
    let tier = config.tiers.get(0).ok_or_else(|| Error::Meaningless("no tier".to_owned()))?;
    Ok(hosts.iter().filter(|host| tier.owner(host.as_bytes()) == number).cloned().collect())
}
