//! `cococtl move plan`: what there is to move.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io::{self, BufWriter, Write};

use coco_core::placement::migration::Stage;
use serde_json::json;

use super::crew::{Crew, Desk};
use super::options::Options;
use super::survey::{Load, Survey, left_out, loads};
use super::way::{Node, Passage, Ways};
use crate::failure::{Failure, Outcome};

/// Seconds that a file is assumed to take, with its way there and back and waiting for it to be written.
const SECONDS_PER_FILE: f64 = 0.02;

/// A file system stays as empty as this part of it.
const KEPT_FREE: u64 = 100;

/// Surveys the nodes and says what they have.
pub(super) fn run(options: &Options) -> Result<Outcome, Failure> {
    let tiers = options.tiers()?;
    let ways = options.ways(&tiers, None)?;
    let launcher = options.launcher(&ways)?;
    let crew = Crew::new(&launcher, options.parallel.into());
    let mut desk = crew.desk();
    let survey = Survey::take(&ways, &mut desk)?;
    let mut told = survey.told()?;
    // All that is left to do, whether it may begin already or not.
    let passages = survey.passages(&ways, |stage| matches!(stage, Stage::Old | Stage::Both));
    let plan = Plan::new(&mut desk, &passages)?;
    told.extend(plan.silent.clone());
    let mut out = BufWriter::new(io::stdout().lock());
    match options.json {
        true => plan.write_objects(&survey, options.parallel, &mut out)?,
        false => plan.write(&ways, &survey, options.parallel, &mut out)?,
    }
    out.flush()?;
    warn(&told)?;
    Ok(Outcome::finding(plan.full().next().is_some() || !told.is_empty()))
}

/// What passes between which nodes, and what room there is.
pub(super) struct Plan {
    loads: BTreeMap<(Node, Node), Load>,
    rooms: HashMap<Node, (u64, u64)>,
    /// What is said of nodes that do not answer, for whose hosts nothing is planned.
    pub(super) silent: Vec<String>,
}

impl Plan {
    pub(super) fn new(desk: &mut Desk<'_>, passages: &[Passage]) -> Result<Self, Failure> {
        let (loads, silent) = loads(desk, passages);
        let mut rooms = HashMap::new();
        for (_, to) in loads.keys() {
            rooms.insert(to.clone(), desk.room(to)?);
        }
        let silent = silent.values().map(left_out).collect();
        Ok(Self { loads, rooms, silent })
    }

    /// Whether it has what a passage brings.
    pub(super) fn has(&self, passage: &Passage) -> bool {
        self.loads.contains_key(&(passage.from[0].clone(), passage.to.clone()))
    }

    /// Nodes that have no room for what is to come.
    pub(super) fn full(&self) -> impl Iterator<Item = Full<'_>> {
        let mut arriving: BTreeMap<&Node, u64> = BTreeMap::new();
        for ((_, to), load) in &self.loads {
            *arriving.entry(to).or_default() += load.arriving;
        }
        arriving.into_iter().filter_map(|(to, arriving)| {
            let (available, total) = self.rooms.get(to).copied().unwrap_or_default();
            let is_full = available.saturating_sub(arriving) < total / KEPT_FREE;
            is_full.then_some(Full { node: to, arriving, available })
        })
    }

    fn total(&self) -> Load {
        self.loads.values().fold(Load::default(), |sum, load| Load {
            hosts: sum.hosts + load.hosts,
            files: sum.files + load.files,
            bytes: sum.bytes + load.bytes,
            arriving: sum.arriving + load.arriving,
        })
    }

    /// As long as the busiest node takes.
    fn seconds(&self, parallel: u16) -> u64 {
        let mut files: BTreeMap<&Node, u64> = BTreeMap::new();
        for ((from, to), load) in &self.loads {
            *files.entry(from).or_default() += load.files;
            *files.entry(to).or_default() += load.files;
        }
        let most = files.into_values().max().unwrap_or(0);
        (most as f64 * SECONDS_PER_FILE / f64::from(parallel)).ceil() as u64
    }

    fn write(&self, ways: &Ways<'_>, survey: &Survey, parallel: u16, out: &mut impl Write) -> io::Result<()> {
        for tier in ways.moving_tiers() {
            let Some(moving) = tier.moving() else { continue };
            let (both, new) = (moving.headway().both(), moving.headway().new_only());
            writeln!(out, "tier {}: both = {both}, new = {new}", coco_core::text::Line(tier.name()))?;
        }
        let standing = survey.standing;
        writeln!(
            out,
            "hosts: {} at their former owners, {} at both, {} at the new ones alone; {} directories are of no tier here",
            standing.old, standing.both, standing.new, survey.strays
        )?;
        for ((from, to), load) in &self.loads {
            let (hosts, files) = (load.hosts, load.files);
            writeln!(out, "  {from} -> {to}  {hosts} hosts, {files} files, {}", bytes(load.bytes))?;
        }
        let total = self.total();
        writeln!(
            out,
            "in all {} hosts, {} files, {}, {} of them new where they go; about {} s with {parallel} hosts at a time",
            total.hosts,
            total.files,
            bytes(total.bytes),
            bytes(total.arriving),
            self.seconds(parallel)
        )?;
        for full in self.full() {
            writeln!(out, "{full}")?;
        }
        Ok(())
    }

    fn write_objects(&self, survey: &Survey, parallel: u16, out: &mut impl Write) -> io::Result<()> {
        for ((from, to), load) in &self.loads {
            let Load { hosts, files, bytes, arriving } = load;
            let available = self.rooms.get(to).map(|room| room.0);
            writeln!(
                out,
                "{}",
                json!({"from": from, "to": to, "hosts": hosts, "files": files, "bytes": bytes, "arriving": arriving,
                       "available": available})
            )?;
        }
        let (Load { hosts, files, bytes, arriving }, standing) = (self.total(), survey.standing);
        writeln!(
            out,
            "{}",
            json!({"old": standing.old, "both": standing.both, "new": standing.new, "strays": survey.strays, "hosts": hosts,
                   "files": files, "bytes": bytes, "arriving": arriving, "seconds": self.seconds(parallel)})
        )
    }
}

/// A node without room for what is to come.
pub(super) struct Full<'a> {
    node: &'a Node,
    /// Bytes that come.
    arriving: u64,
    /// Bytes that are free.
    available: u64,
}

impl fmt::Display for Full<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, arriving, available } = self;
        write!(formatter, "no room on {node}: {} come, {} are free", bytes(*arriving), bytes(*available))
    }
}

/// Says on standard error what nobody should miss, whatever standard output is for.
pub(super) fn warn(lines: &[String]) -> io::Result<()> {
    lines.iter().try_for_each(|line| writeln!(io::stderr(), "cococtl: {}", coco_core::text::Line(line)))
}

/// Bytes as people read them.
pub(super) fn bytes(count: u64) -> String {
    match count {
        0..10_000 => format!("{count} bytes"),
        10_000..10_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        10_000_000..10_000_000_000 => format!("{:.1} MB", count as f64 / 1e6),
        _ => format!("{:.1} GB", count as f64 / 1e9),
    }
}
