//! `cococtl move clean`: what former owners have is removed, once it was verified twice and is once more.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::slice;

use coco_core::placement::migration::Stage;
use coco_core::text;
use serde_json::json;

use super::carry::{FileWay, ask, list, take, unexpected};
use super::crew::{Crew, Desk};
use super::journal::{Entry, Journal};
use super::options::{Options, Purpose};
use super::plan::{bytes, warn};
use super::record::Record;
use super::steps::Course;
use super::survey::{Survey, extents, left_out};
use super::way::{Node, Passage, Ways};
use crate::failure::{Failure, Outcome};
use crate::node::protocol::{Answer, Ask, Extent, Listed, Text};

/// A host that a node no longer has to have.
#[derive(Debug)]
struct Removal {
    host: Vec<u8>,
    from: Node,
    /// Those that have it now.
    to: Vec<Node>,
    extent: Extent,
}

/// Removes what may be removed.
pub(super) fn run(options: &Options) -> Result<Outcome, Failure> {
    if options.back {
        return Err(Failure::Refused(
            "after a move back, remove the migration first: nothing is removed".to_owned(),
        ));
    }
    let tiers = options.tiers()?;
    let ways = options.ways(&tiers, Some(Purpose::Remove))?;
    let launcher = options.launcher(&ways)?;
    let crew = Crew::new(&launcher, options.parallel.into());
    let mut desk = crew.desk();
    let survey = Survey::take(&ways, &mut desk)?;
    let silent = survey.told()?;
    warn(&silent)?;
    let way = ways.label();
    let journal = Record::look(&options.journal, &way)?;
    let (mut removals, kept) = removals(&ways, &survey, &journal);
    let lost = measure(&mut removals, &mut desk);
    warn(&lost)?;
    let all = removals
        .iter()
        .fold((0, 0), |sum, removal| (sum.0 + removal.extent.files, sum.1 + removal.extent.bytes));
    if !options.json {
        let (hosts, (files, size)) = (removals.len(), all);
        say(&format!(
            "{hosts} hosts to remove at former owners: {files} files, {}; {kept} are not verified twice, or kept by another tier",
            bytes(size)
        ))?;
    }
    if options.dry_run {
        return Ok(Outcome::Fine);
    }
    let mut record = Record::open(&options.journal, &way)?;
    let (mut files, mut size, mut hosts_kept) = (0, 0, 0);
    for removal in &removals {
        let removed = remove(removal, &mut desk);
        let (host, from) = (Text(removal.host.clone()), removal.from.clone());
        (files, size) = (files + removed.files, size + removed.bytes);
        hosts_kept += u64::from(!removed.wrong.is_empty());
        tell(removal, &removed, options.json)?;
        record.write(&Entry::Removed { host, from, files: removed.files, bytes: removed.bytes })?;
    }
    match options.json {
        true => say(&json!({"event": "done", "hosts": removals.len(), "kept": hosts_kept, "files": files, "bytes": size}).to_string())?,
        false => say(&format!("removed {files} files, {}; {hosts_kept} hosts were not as they should be", bytes(size)))?,
    }
    Ok(Outcome::finding(hosts_kept > 0 || !silent.is_empty() || !lost.is_empty()))
}

/// The hosts that may be removed where they were, and how many may not yet.
fn removals(ways: &Ways<'_>, survey: &Survey, journal: &Journal) -> (Vec<Removal>, u64) {
    let mut of_node: BTreeMap<(Vec<u8>, Node), Vec<Node>> = BTreeMap::new();
    for Passage { host, from, to } in survey.passages(ways, |stage| stage == Stage::New) {
        for from in from {
            of_node.entry((host.clone(), from)).or_default().push(to.clone());
        }
    }
    let (mut removals, mut kept) = (Vec::new(), 0);
    for ((host, from), to) in of_node {
        let owner = slice::from_ref(&from);
        let is_verified = to.iter().all(|to| journal.state(&host, owner, to).verified.len() >= 2);
        if is_verified && !ways.is_kept(&host, &from) {
            removals.push(Removal { host, from, to, extent: Extent::default() });
        } else {
            kept += 1;
        }
    }
    (removals, kept)
}

/// Learns how much there is to remove. What is at nodes that have stopped to answer is left out; what is said of them.
fn measure(removals: &mut Vec<Removal>, desk: &mut Desk<'_>) -> Vec<String> {
    let mut silent = BTreeMap::new();
    for removal in removals.iter_mut() {
        if silent.contains_key(&removal.from) {
            continue;
        }
        match extents(desk, &removal.from, slice::from_ref(&removal.host)) {
            Ok(found) => removal.extent = found.first().copied().unwrap_or_default(),
            Err(reason) => drop(silent.insert(removal.from.clone(), reason)),
        }
    }
    removals.retain(|removal| !silent.contains_key(&removal.from));
    silent.values().map(left_out).collect()
}

/// What became of a host where it was.
#[derive(Debug, Default)]
struct Removed {
    files: u64,
    bytes: u64,
    wrong: Vec<String>,
}

/// Removes a host where it was, as far as all who have part in it are there.
fn remove(removal: &Removal, desk: &mut Desk<'_>) -> Removed {
    let mut removed = Removed::default();
    if let Err(reason) = remove_files(removal, desk, &mut removed) {
        removed.wrong.push(reason.to_string());
    }
    removed
}

fn remove_files(removal: &Removal, desk: &mut Desk<'_>, removed: &mut Removed) -> Result<(), Failure> {
    'files: for Listed { file, .. } in list(desk, &removal.from, &removal.host)? {
        let from = removal.from.as_str();
        let last = match ask(desk, from, &Ask::Export { file: file.clone() }, &[])?.0 {
            Answer::Copy(copied) => copied.last,
            Answer::Absent => continue,
            other => {
                removed.wrong.push(unexpected(from, other).to_string());
                continue;
            }
        };
        for to in &removal.to {
            let way = FileWay { file: &file, from, to, counts: false };
            let verdict = take(desk, &way, Course::of_a_comparison(true))?;
            if !verdict.wrong.is_empty() {
                removed.wrong.extend(verdict.wrong.iter().map(|wrong| format!("{file}: {wrong}")));
                continue 'files;
            }
        }
        match ask(desk, from, &Ask::Remove { file: file.clone(), last }, &[])?.0 {
            Answer::Removed { bytes } => {
                removed.files += 1;
                removed.bytes += bytes;
            }
            Answer::Absent => {}
            Answer::Changed => removed.wrong.push(format!("{file}: somebody still writes it")),
            other => removed.wrong.push(unexpected(from, other).to_string()),
        }
    }
    Ok(())
}

fn tell(removal: &Removal, removed: &Removed, is_json: bool) -> io::Result<()> {
    let Removed { files, bytes, wrong } = removed;
    if is_json {
        let event = if wrong.is_empty() { "removed" } else { "kept" };
        let host = text::in_json(&removal.host);
        let object = json!({"event": event, "host": host, "from": removal.from, "files": files, "bytes": bytes, "wrong": wrong});
        return say(&object.to_string());
    }
    for wrong in wrong {
        say(&format!("{} at {}: {}", text::name(&removal.host), removal.from, text::Line(wrong)))?;
    }
    Ok(())
}

fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
