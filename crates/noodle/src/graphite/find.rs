//! `/metrics/find`, `/metrics/expand` and `/metrics/index.json`: which names there are.

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;

use coco_daemon::http::{Request, Response};
use graphite::{FindFormat, Glob};
use hyper::header::CONTENT_TYPE;
use percent_encoding::percent_decode;

use super::Graphite;
use super::answer::{Refused, Text};
use super::directory::{Directory, Entry};
use super::metrics::{Files, Full, Leaf, Meant, Search};
use super::storage::Storage;
use crate::budget::Exhausted;

/// Bytes of names for which there is room at first: most patterns mean few.
const FEW_NAMES: usize = 4 << 20;

/// Hosts that are looked at before others are asked for: most patterns that mean too much do so among them.
const FEW_HOSTS: usize = 512;

/// Patterns of one request.
const MOST_PATTERNS: usize = 200;

/// The names of hosts that a pattern ends in, and the hosts behind whose names some of it is left.
type Reach = (BTreeSet<String>, Vec<(Entry, usize)>);

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Want {
    Nodes,
    Leaves,
    /// Whatever the pattern.
    AllLeaves,
}

/// Where names are looked for.
#[derive(Debug)]
struct Looked {
    /// Where the pattern ends within the names of hosts.
    branches: BTreeSet<String>,
    /// Hosts, each with the nodes of the pattern that its name takes.
    hosts: Vec<(Entry, usize)>,
    files: Vec<Files>,
    owners: Vec<usize>,
}

impl Looked {
    fn search(&self, search: &Search<'_>, want: Want) -> Result<Meant, Full> {
        let mut meant = Meant { branches: self.branches.clone(), ..Meant::default() };
        for (((entry, nodes), files), owner) in self.hosts.iter().zip(&self.files).zip(&self.owners) {
            match want {
                Want::AllLeaves => search.every(entry, *owner, files, &mut meant)?,
                _ => search.look(entry, *owner, *nodes, files, &mut meant)?,
            }
        }
        Ok(meant)
    }
}

impl Graphite {
    /// Nodes of names.
    pub async fn find(self: &Arc<Self>, request: &Request) -> Result<Response, Refused> {
        let query = match pattern(request).into_iter().next() {
            None => return Err(Refused::bad("the parameter query is missing")),
            Some(query) if query.is_empty() => return Err(Refused::bad("the parameter query is empty")),
            Some(query) => query,
        };
        let format = text(request, "format").filter(|format| !format.is_empty());
        let format = FindFormat::named(format.as_deref())?;
        let wildcards = text(request, "wildcards").is_some_and(|wildcards| wildcards == "1");
        let mut storage = self.storage();
        let glob = Glob::new(&format.pattern(&query), &self.limits)?;
        let meant = self.look_for(&mut storage, glob, Want::Nodes).await?;
        let found = meant.into_found();
        self.answered(request, storage, format.content_type(), found.is_empty(), move |text| {
            format.write(&query, found, wildcards, text)
        })
        .await
    }

    /// Names that patterns stand for.
    pub async fn expand(self: &Arc<Self>, request: &Request) -> Result<Response, Refused> {
        let is_set = |name| text(request, name).is_some_and(|value| value == "1");
        let (by_pattern, leaves_only) = (is_set("groupByExpr"), is_set("leavesOnly"));
        let mut storage = self.storage();
        let mut all: Vec<(String, BTreeSet<String>)> = Vec::new();
        let queries = pattern(request);
        if queries.len() > MOST_PATTERNS {
            return Err(Refused::bad(format!("more than {MOST_PATTERNS} patterns")));
        }
        for query in queries {
            let glob = Glob::new(&query, &self.limits)?;
            let want = if leaves_only { Want::Leaves } else { Want::Nodes };
            let meant = self.look_for(&mut storage, glob, want).await?;
            all.push((query, meant.into_found().into_iter().map(|found| found.path).collect()));
        }
        let is_empty = all.iter().all(|(_, paths)| paths.is_empty());
        self.answered(request, storage, "application/json", is_empty, move |text| {
            text.write_all(b"{\"results\":")?;
            if by_pattern {
                let groups: serde_json::Map<_, _> =
                    all.into_iter().map(|(query, paths)| (query, serde_json::json!(paths))).collect();
                serde_json::to_writer(&mut *text, &groups)?;
            } else {
                let paths: BTreeSet<_> = all.into_iter().flat_map(|(_, paths)| paths).collect();
                serde_json::to_writer(&mut *text, &paths)?;
            }
            text.write_all(b"}")
        })
        .await
    }

    /// The names of all metrics.
    pub async fn index(self: &Arc<Self>, request: &Request) -> Result<Response, Refused> {
        let mut storage = self.storage();
        let glob = Glob::new("*", &self.limits)?;
        let meant = self.look_for(&mut storage, glob, Want::AllLeaves).await?;
        let mut names: Vec<_> = meant.leaves.into_iter().map(|leaf| leaf.name).collect();
        self.answered(request, storage, "application/json", names.is_empty(), move |text| {
            names.sort_unstable();
            names.dedup();
            Ok(serde_json::to_writer(text, &names)?)
        })
        .await
    }

    /// The metrics that a pattern stands for, if there are no more than `most`.
    pub(super) async fn leaves(
        &self,
        storage: &mut Storage,
        pattern: &str,
        most: usize,
    ) -> Result<Vec<Leaf>, Refused> {
        let glob = Glob::new(pattern, &self.limits)?;
        Ok(self.look_for_some(storage, glob, Want::Leaves, most).await?.leaves)
    }

    async fn look_for(&self, storage: &mut Storage, glob: Glob, want: Want) -> Result<Meant, Refused> {
        self.look_for_some(storage, glob, want, usize::MAX).await
    }

    async fn look_for_some(
        &self,
        storage: &mut Storage,
        glob: Glob,
        want: Want,
        most: usize,
    ) -> Result<Meant, Refused> {
        let kept = self.directory(storage).await?;
        let glob = Arc::new(glob);
        let pattern = Arc::clone(&glob);
        let reached = self.turns.run(self.patience, move || reach(&kept.directory, &pattern, want)).await?;
        let (branches, hosts) = reached;
        // Too many are told before the files of all hosts are asked for.
        let mut some = FEW_HOSTS;
        while most < usize::MAX && some < hosts.len() {
            self.look_at(storage, &glob, want, most, BTreeSet::new(), hosts[..some].to_vec()).await?;
            some *= 4;
        }
        self.look_at(storage, &glob, want, most, branches, hosts).await
    }

    /// What a pattern stands for among hosts that it reaches.
    async fn look_at(
        &self,
        storage: &mut Storage,
        glob: &Arc<Glob>,
        want: Want,
        most: usize,
        branches: BTreeSet<String>,
        hosts: Vec<(Entry, usize)>,
    ) -> Result<Meant, Refused> {
        if hosts.is_empty() {
            return Ok(Meant { branches, ..Meant::default() });
        }
        let entries: Vec<Entry> = hosts.iter().map(|(entry, _)| entry.clone()).collect();
        let files = storage.files(&self.naming, &entries).await?;
        let owners: Vec<usize> = entries.iter().map(|entry| storage.owner(&entry.host)).collect();
        let looked = Arc::new(Looked { branches, hosts, files, owners });
        let most_room = self.fleet.budget.limit() / 4;
        let (mut room, mut has_learnt) = (FEW_NAMES.min(most_room), false);
        loop {
            let working = self.fleet.budget.lend(room, self.patience).await?;
            let (naming, sources) = (self.naming.clone(), Arc::clone(&self.sources));
            let (looked, glob) = (Arc::clone(&looked), Arc::clone(glob));
            let found = self.turns.run(self.patience, move || {
                let pattern = glob.nodes();
                let wants_branches = want == Want::Nodes;
                let search =
                    Search { naming: &naming, pattern, sources: &sources, wants_branches, room, most };
                // What it takes stays lent until it is held, or given up.
                (looked.search(&search, want), working)
            });
            let (found, _working) = found.await?;
            match found {
                Err(Full::Metrics) => return Err(self.too_many("series")),
                Err(Full::Bytes) if room < most_room => room = most_room,
                Err(Full::Bytes) => return Err(Exhausted.into()),
                Ok(found) if has_learnt || found.unknown.is_empty() => {
                    storage.hold(found.bytes).await?;
                    return Ok(found);
                }
                // Data sources have to be learnt first, once: what has no rows has none then, either.
                Ok(found) => {
                    storage.learn(&self.sources, found.unknown).await?;
                    has_learnt = true;
                }
            }
        }
    }

    async fn answered(
        &self,
        request: &Request,
        storage: Storage,
        content_type: &'static str,
        is_empty: bool,
        write: impl FnOnce(&mut Text) -> std::io::Result<()> + Send + 'static,
    ) -> Result<Response, Refused> {
        self.check(&storage.failed, is_empty)?;
        let (held, accepts_gzip) = (self.fleet.budget.nothing(), request.accepts_gzip());
        let text = self.turns.run(self.patience, move || Text::written(held, accepts_gzip, write)).await??;
        Ok(text.response(request, content_type, &self.fleet, &storage.failed))
    }
}

fn reach(directory: &Directory, pattern: &Glob, want: Want) -> Reach {
    if want == Want::AllLeaves {
        return (BTreeSet::new(), directory.all().collect());
    }
    let reached = directory.reach(pattern);
    let branches = if want == Want::Nodes { reached.branches } else { Vec::new() };
    // Of what is sorted, a set is made without a search.
    (branches.into_iter().collect(), reached.hosts)
}

/// A parameter as text.
fn text(request: &Request, name: &str) -> Option<String> {
    request.parameter(name).map(|value| String::from_utf8_lossy(&value).into_owned())
}

/// The patterns that are asked for.
///
/// Grafana sends them in a form without encoding them, so that `+` is one and `&` may be one: no name has a blank, and a
/// parameter has a `=`. What looks encoded is decoded.
fn pattern(request: &Request) -> Vec<String> {
    let shown = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    let media_type = request.headers().get(CONTENT_TYPE).map(|value| value.as_bytes().to_ascii_lowercase());
    if request.form().is_some() && media_type.is_some_and(|text| text.starts_with(b"multipart/")) {
        let of_form = request.parameters().filter(|(name, _)| **name == *b"query");
        return of_form.map(|(_, value)| shown(&value)).take(MOST_PATTERNS + 1).collect();
    }
    let mut patterns: Vec<Vec<u8>> = Vec::new();
    for source in [request.query().map(str::as_bytes), request.form()].into_iter().flatten() {
        let mut is_open = false;
        for piece in source.split(|byte| *byte == b'&') {
            let value = piece.strip_prefix(b"query=");
            match (value, patterns.last_mut()) {
                (Some(value), _) => {
                    patterns.push(value.to_vec());
                    is_open = true;
                }
                (None, Some(last)) if is_open && !piece.is_empty() && !piece.contains(&b'=') => {
                    last.push(b'&');
                    last.extend_from_slice(piece);
                }
                _ => is_open = false,
            }
            if patterns.len() > MOST_PATTERNS {
                break;
            }
        }
    }
    patterns.iter().map(|pattern| shown(&percent_decode(pattern).collect::<Vec<_>>())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(target: &str) -> Vec<String> {
        pattern(&Request::new(hyper::Request::get(target).body(()).unwrap().into_parts().0))
    }

    #[test]
    fn patterns_are_read_as_grafana_writes_them() {
        assert_eq!(patterns("/metrics/find?local=1&query=%7Ba,b%7D.*&from=x"), ["{a,b}.*"]);
        assert_eq!(patterns("/metrics/find?query=df-a%b+c%20d&e.*&format=x"), ["df-a%b+c d&e.*"]);
        assert_eq!(patterns("/metrics/find?query=a&query=b&&c"), ["a", "b"]);
        assert_eq!(patterns("/metrics/find?format=x"), [""; 0]);
        assert_eq!(patterns("/metrics/find?query="), [""]);
    }
}
