//! What `/metrics/find` answers: nodes below which there are others, branches, and those that are series, leaves.

use std::collections::BTreeSet;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::{msgpack, pickle};
use crate::error::Error;

/// A node that a query has found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// From the first node to this one, `alpha.load`.
    pub path: String,
    /// Whether it is a series.
    pub is_leaf: bool,
}

impl Found {
    fn as_pair(&self) -> (&str, bool) {
        (&self.path, self.is_leaf)
    }

    /// The last node of the path.
    fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or_default()
    }
}

/// How found nodes are written.
///
/// ```
/// use graphite::{FindFormat, Found};
///
/// let found = ["alpha.load", "beta.load"].map(|path| Found { path: path.to_owned(), is_leaf: false });
/// let mut tree = Vec::new();
/// FindFormat::named(None)?.write("*.load", found.to_vec(), false, &mut tree).unwrap();
/// let row = r#"[{"text":"load","id":"*.load","allowChildren":1,"expandable":1,"leaf":0}]"#;
/// assert_eq!(String::from_utf8(tree).unwrap(), row);
/// # Ok::<(), graphite::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindFormat {
    /// A row for each last node, branches first: what editors of queries show.
    Tree,
    /// A row for each path.
    Json,
    /// What completes what somebody types.
    Completer,
    /// The last nodes alone.
    Nodes,
    /// Paths, as graphite-web asks its cluster servers for.
    Pickle,
    /// The same in another notation.
    Msgpack,
}

impl FindFormat {
    /// By the request's `format`, a tree if there is none.
    pub fn named(name: Option<&str>) -> Result<Self, Error> {
        Ok(match name.unwrap_or("treejson") {
            "treejson" => Self::Tree,
            "json" => Self::Json,
            "completer" => Self::Completer,
            "nodelist" => Self::Nodes,
            "pickle" => Self::Pickle,
            "msgpack" => Self::Msgpack,
            other => return Err(Error::FindFormat(other.chars().take(20).collect())),
        })
    }

    /// For the header of the answer.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Pickle => "application/pickle",
            Self::Msgpack => "application/x-msgpack",
            _ => "application/json",
        }
    }

    /// The pattern to look for: what completes a text begins with it, and `a..b` is a beginning of two nodes.
    pub fn pattern(self, query: &str) -> String {
        let completed = query.replace("..", "*.");
        match self {
            Self::Completer if completed.ends_with('*') => completed,
            Self::Completer => completed + "*",
            _ => query.to_owned(),
        }
    }

    /// Writes what was found for a query, in the order of the last nodes. With `wildcards` there also is a row for all
    /// of them, if there are several.
    ///
    /// # Errors
    ///
    /// What `to` says when it does not take more.
    pub fn write(
        self,
        query: &str,
        mut found: Vec<Found>,
        wildcards: bool,
        to: &mut impl Write,
    ) -> io::Result<()> {
        found.sort_by(|one, other| (one.name(), one).cmp(&(other.name(), other)));
        found.dedup();
        let has_wildcard = wildcards && found.len() > 1;
        match self {
            Self::Tree => write_tree(query, &found, has_wildcard, to),
            Self::Json => {
                list(found.iter().map(|one| json!({ "path": one.path, "is_leaf": one.is_leaf })), to)
            }
            Self::Completer => {
                let all = has_wildcard.then(|| json!({ "name": "*" }));
                to.write_all(b"{\"metrics\":")?;
                list(found.iter().map(completion).chain(all), to)?;
                to.write_all(b"}")
            }
            Self::Nodes => {
                let nodes: BTreeSet<_> = found.iter().map(Found::name).collect();
                Ok(serde_json::to_writer(to, &json!({ "nodes": nodes }))?)
            }
            Self::Pickle => pickle::write_found(found.iter().map(Found::as_pair), to),
            Self::Msgpack => msgpack::write_found(found.iter().map(Found::as_pair), to),
        }
    }
}

fn list(rows: impl Iterator<Item = Value>, to: &mut impl Write) -> io::Result<()> {
    to.write_all(b"[")?;
    for (place, row) in rows.enumerate() {
        to.write_all(if place > 0 { b"," } else { b"" })?;
        serde_json::to_writer(&mut *to, &row)?;
    }
    to.write_all(b"]")
}

/// What a row says of a series, and of what has others below it.
const LEAF: &[u8] = b",\"allowChildren\":0,\"expandable\":0,\"leaf\":1}";
const BRANCH: &[u8] = b",\"allowChildren\":1,\"expandable\":1,\"leaf\":0}";

/// The first of each last node, branches before leaves, under what stands before the last node of the query. Written as it
/// is: a fleet has thousands of hosts.
fn write_tree(query: &str, found: &[Found], has_wildcard: bool, to: &mut impl Write) -> io::Result<()> {
    let base = query.rfind('.').map_or("", |dot| &query[..=dot]);
    // They stand in the order of their last nodes.
    let each = found.chunk_by(|one, other| one.name() == other.name()).map(|group| &group[0]);
    let (leaves, branches): (Vec<_>, Vec<_>) = each.partition(|one| one.is_leaf);
    let are_leaves = found.iter().all(|one| one.is_leaf);
    let all = has_wildcard.then_some(("*", are_leaves));
    let each = branches.into_iter().chain(leaves).map(|one| (one.name(), one.is_leaf));
    let (mut quoted_base, mut quoted_name, mut row) = (Vec::new(), Vec::new(), Vec::new());
    serde_json::to_writer(&mut quoted_base, base)?;
    // It goes on with the name.
    quoted_base.pop();
    to.write_all(b"[")?;
    for (place, (name, is_leaf)) in all.into_iter().chain(each).enumerate() {
        quoted_name.clear();
        serde_json::to_writer(&mut quoted_name, name)?;
        row.clear();
        row.extend_from_slice(if place > 0 { b",{\"text\":" } else { b"{\"text\":" });
        row.extend_from_slice(&quoted_name);
        row.extend_from_slice(b",\"id\":");
        row.extend_from_slice(&quoted_base);
        row.extend_from_slice(&quoted_name[1..]);
        row.extend_from_slice(if is_leaf { LEAF } else { BRANCH });
        to.write_all(&row)?;
    }
    to.write_all(b"]")
}

fn completion(found: &Found) -> Value {
    let path = if found.is_leaf { found.path.clone() } else { format!("{}.", found.path) };
    json!({ "path": path, "name": found.name(), "is_leaf": u8::from(found.is_leaf).to_string() })
}
