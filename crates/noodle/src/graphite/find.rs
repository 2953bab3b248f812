//! `/metrics/find`, `/metrics/expand` and `/metrics/index.json`: which names there are.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::Arc;

use coco_core::tier::TierId;
use coco_daemon::http::{Request, Response};
use graphite::{FindFormat, Glob};
use hyper::header::CONTENT_TYPE;
use percent_encoding::percent_decode;

use super::answer::Text;
use super::directory::{EACH_BRANCH, Entry, Reached};
use super::metrics::{Files, Full, Leaf, Meant, Search};
use super::storage::Storage;
use super::{Graphite, Kept};
use crate::budget::Reservation;
use crate::dialect::refused::Refused;
use crate::fleet::Fleet;

/// Bytes of names for which there is room at first: most patterns mean few.
const FEW_NAMES: usize = 4 << 20;

/// Hosts that are looked at before others are asked for: most patterns that mean too much do so among them.
const FEW_HOSTS: usize = 512;

/// Patterns of one request.
const MOST_PATTERNS: usize = 200;

/// Bytes of names of hosts for which there is room at first.
const FEW_REACHED: usize = 256 << 10;

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
    fleet: Arc<Fleet>,
    /// Hosts, each with the nodes of the pattern that its name takes.
    hosts: Vec<(Entry, usize)>,
    files: Vec<Files>,
}

impl Looked {
    fn search(&self, search: &Search<'_>, want: Want) -> Result<Meant, Full> {
        let mut meant = Meant::default();
        for ((entry, nodes), files) in self.hosts.iter().zip(&self.files) {
            let owner = self.fleet.owner(TierId::FIRST, &entry.host).target;
            match want {
                Want::AllLeaves => search.every(entry, owner, files, &mut meant)?,
                _ => search.look(entry, owner, *nodes, files, &mut meant)?,
            }
        }
        Ok(meant)
    }
}

/// Paths, and what they take.
type Paths = (BTreeSet<String>, usize);

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
        let (meant, held) = self.look_for(&mut storage, glob, Want::Nodes, usize::MAX).await?;
        self.answered(request, storage, format.content_type(), meant.is_empty(), move |text| {
            let _held = held;
            format.write(&query, meant.into_found(), wildcards, text)
        })
        .await
    }

    /// Names that patterns stand for.
    pub async fn expand(self: &Arc<Self>, request: &Request) -> Result<Response, Refused> {
        let is_set = |name| text(request, name).is_some_and(|value| value == "1");
        let (by_pattern, leaves_only) = (is_set("groupByExpr"), is_set("leavesOnly"));
        let mut storage = self.storage();
        let queries = pattern(request);
        if queries.len() > MOST_PATTERNS {
            return Err(Refused::bad(format!("more than {MOST_PATTERNS} patterns")));
        }
        let queries: BTreeSet<String> = queries.into_iter().collect();
        let mut groups: BTreeMap<String, Paths> = BTreeMap::new();
        let mut held = self.fleet.budget.nothing();
        for query in queries {
            let glob = Glob::new(&query, &self.limits)?;
            let want = if leaves_only { Want::Leaves } else { Want::Nodes };
            let (meant, names) = self.look_for(&mut storage, glob, want, usize::MAX).await?;
            held.take_over(names);
            let group = if by_pattern { query } else { String::new() };
            let paths = groups.remove(&group).unwrap_or_default();
            groups.insert(group, self.lasting.turns.run(self.patience, move || joined(paths, meant)).await?);
            let bytes = groups.values().map(|(_, bytes)| bytes).sum();
            if bytes > self.most_names() {
                return Err(self.too_many_names());
            }
            held.resize(bytes)?;
        }
        let is_empty = groups.values().all(|(paths, _)| paths.is_empty());
        self.answered(request, storage, "application/json", is_empty, move |text| {
            let _held = held;
            text.write_all(b"{\"results\":")?;
            let mut groups = groups.into_iter().map(|(query, (paths, _))| (query, paths));
            if by_pattern {
                serde_json::to_writer(&mut *text, &groups.collect::<BTreeMap<_, _>>())?;
            } else {
                serde_json::to_writer(&mut *text, &groups.next().unwrap_or_default().1)?;
            }
            text.write_all(b"}")
        })
        .await
    }

    /// The names of all metrics.
    pub async fn index(self: &Arc<Self>, request: &Request) -> Result<Response, Refused> {
        let mut storage = self.storage();
        let glob = Glob::new("*", &self.limits)?;
        let (meant, held) = self.look_for(&mut storage, glob, Want::AllLeaves, usize::MAX).await?;
        self.answered(request, storage, "application/json", meant.is_empty(), move |text| {
            let _held = held;
            let mut names: Vec<_> = meant.leaves.into_iter().map(|leaf| leaf.name).collect();
            names.sort_unstable();
            names.dedup();
            Ok(serde_json::to_writer(text, &names)?)
        })
        .await
    }

    /// The metrics that a pattern stands for, if there are no more than `most`, with the memory that they take.
    pub(super) async fn leaves(
        &self,
        storage: &mut Storage,
        pattern: &str,
        most: usize,
    ) -> Result<(Vec<Leaf>, Reservation), Refused> {
        let glob = Glob::new(pattern, &self.limits)?;
        let (meant, held) = self.look_for(storage, glob, Want::Leaves, most).await?;
        Ok((meant.leaves, held))
    }

    /// What a pattern stands for, with the memory that it takes.
    async fn look_for(
        &self,
        storage: &mut Storage,
        glob: Glob,
        want: Want,
        most: usize,
    ) -> Result<(Meant, Reservation), Refused> {
        let kept = self.directory(storage).await?;
        storage.compare(kept.directory.candidates_of(&glob))?;
        let glob = Arc::new(glob);
        let (Reached { mut branches, hosts, .. }, mut held) = self.reach(kept, &glob, want).await?;
        // Too many are told before the files of all hosts are asked for.
        let mut some = FEW_HOSTS;
        while most < usize::MAX && some < hosts.len() {
            self.look_at(storage, &glob, want, most, hosts[..some].to_vec()).await?;
            some *= 4;
        }
        let (mut meant, names) = self.look_at(storage, &glob, want, most, hosts).await?;
        if want == Want::Nodes {
            meant.bytes += branches.iter().map(|branch| branch.len() + EACH_BRANCH).sum::<usize>();
            meant.branches.append(&mut branches);
        }
        held.take_over(names);
        held.resize(meant.bytes)?;
        Ok((meant, held))
    }

    /// What a pattern reaches among hosts, with the memory that it takes.
    async fn reach(
        &self,
        kept: Arc<Kept>,
        glob: &Arc<Glob>,
        want: Want,
    ) -> Result<(Reached, Reservation), Refused> {
        let mut room = FEW_REACHED.min(self.most_names());
        loop {
            let mut held = self.fleet.budget.lend(room, self.patience).await?;
            let (kept, glob) = (Arc::clone(&kept), Arc::clone(glob));
            let found = self.lasting.turns.run(self.patience, move || {
                let reached = match want {
                    Want::AllLeaves => kept.directory.all(room),
                    Want::Nodes | Want::Leaves => kept.directory.reach(&glob, room),
                };
                if let Ok(reached) = &reached {
                    held.give_back(room.saturating_sub(reached.bytes));
                }
                (reached, held)
            });
            match found.await? {
                (Ok(reached), held) => return Ok((reached, held)),
                (Err(needed), _) if needed > self.most_names() => return Err(self.too_many_names()),
                (Err(needed), _) => room = needed,
            }
        }
    }

    /// What a pattern stands for among hosts that it reaches.
    async fn look_at(
        &self,
        storage: &mut Storage,
        glob: &Arc<Glob>,
        want: Want,
        most: usize,
        hosts: Vec<(Entry, usize)>,
    ) -> Result<(Meant, Reservation), Refused> {
        if hosts.is_empty() {
            return Ok((Meant::default(), self.fleet.budget.nothing()));
        }
        let entries: Vec<Entry> = hosts.iter().map(|(entry, _)| entry.clone()).collect();
        let files = storage.files(&self.naming, &entries).await?;
        let looked = Arc::new(Looked { fleet: Arc::clone(&self.fleet), hosts, files });
        let most_room = self.most_names();
        let (mut room, mut has_learnt) = (FEW_NAMES.min(most_room), false);
        loop {
            storage.compare(looked.files.iter().map(|files| files.len()).sum())?;
            let mut working = self.fleet.budget.lend(room, self.patience).await?;
            let (naming, sources) = (self.naming.clone(), Arc::clone(&self.sources));
            let (looked, glob) = (Arc::clone(&looked), Arc::clone(glob));
            let found = self.lasting.turns.run(self.patience, move || {
                let pattern = glob.nodes();
                let wants_branches = want == Want::Nodes;
                let search =
                    Search { naming: &naming, pattern, sources: &sources, wants_branches, room, most };
                let found = looked.search(&search, want);
                if let Ok(found) = &found {
                    working.give_back(room.saturating_sub(found.bytes));
                }
                (found, working)
            });
            let (found, held) = found.await?;
            match found {
                Err(Full::Metrics) => return Err(self.too_many("series")),
                Err(Full::Bytes) if room < most_room => room = most_room,
                Err(Full::Bytes) => return Err(self.too_many_names()),
                Ok(found) if has_learnt || found.unknown.is_empty() => return Ok((found, held)),
                // Data sources have to be learnt first, once: what has no rows has none then, either.
                Ok(found) => {
                    storage.learn(&self.sources, found.unknown).await?;
                    has_learnt = true;
                }
            }
        }
    }

    /// Bytes that the names of one request may take.
    fn most_names(&self) -> usize {
        self.fleet.budget.limit() / 4
    }

    fn too_many_names(&self) -> Refused {
        let most = self.most_names();
        Refused::bad(format!(
            "the names take more than {most} bytes, a quarter of fetch.max_memory: ask for fewer"
        ))
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
        let text =
            self.lasting.turns.run(self.patience, move || Text::written(held, accepts_gzip, write)).await??;
        Ok(text.response(request, content_type, &storage))
    }
}

/// Paths of several patterns, each once.
fn joined((mut paths, mut bytes): Paths, meant: Meant) -> Paths {
    let leaves = meant.leaves.into_iter().map(|leaf| leaf.name);
    for path in meant.branches.into_iter().chain(leaves) {
        let more = path.len() + EACH_BRANCH;
        if paths.insert(path) {
            bytes += more;
        }
    }
    (paths, bytes)
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
