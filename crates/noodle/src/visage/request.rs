//! From the URI of a request below `/data` to what targets are asked for.

use std::borrow::Cow;
use std::sync::Arc;

use ::visage::glob::TooMuch;
use ::visage::selection::Selection;
use hyper::{StatusCode, Uri};
use percent_encoding::percent_decode_str;
use thiserror::Error;

use super::hosts::{self, Hosts, HostsError, MOST_LENGTH};
use super::path::{DataPath, PathError};
use super::query::{Query, QueryError};
use crate::ask::{Addressees, Content, Hosts as Whose, Metric, Parts, Question, Window, Wording};
use crate::upstream::visage::url::{self, TooLong};

/// Patterns that the metrics of a request may stand for.
const MOST_PATTERNS: usize = 10_000;

/// Patterns are asked for together as long as their path is no longer; WEBrick takes 2083 bytes.
const PATTERNS_LENGTH: usize = 1024;

/// No expanded part of a path that names hosts is longer, with what stands around it: neither patterns together nor one
/// name or pattern, of which each byte may take three.
const HOSTS_LENGTH: usize =
    16 + if PATTERNS_LENGTH > 3 * MOST_LENGTH { PATTERNS_LENGTH } else { 3 * MOST_LENGTH };

/// What one request may ask for.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Hosts that it may name.
    pub max_hosts: usize,
    /// Longest window, in seconds.
    pub max_window: i64,
    /// Whether anyone is asked who does not read paths, but goes by what they mean.
    pub has_rows: bool,
}

/// A request below `/data`, found fit to be passed on.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Which answer is wanted.
    pub path: DataPath<'a>,
    /// Who is asked.
    pub whom: Whom,
    /// When, as far as it is answered.
    pub window: Window,
    /// Whether percentiles are wanted.
    pub percentiles: bool,
    metric: Metric,
    /// What stands behind the hosts, and the query, as they may be sent, where there are many hosts.
    parts: Option<Arc<Parts>>,
}

/// Whose business a request is.
#[derive(Debug)]
pub enum Whom {
    /// That of the owner of a host.
    Owner(Question),
    /// That of many targets.
    Many {
        /// Hosts by name. Their owners are asked for [`Asked::name`].
        names: Vec<Vec<u8>>,
        /// Patterns that are asked for together. All targets are asked for [`Asked::patterns`].
        patterns: Vec<Vec<Vec<u8>>>,
    },
}

/// Why a request is not passed on.
#[derive(Debug, Error)]
pub enum Refused {
    /// The path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The hosts in it.
    #[error(transparent)]
    Hosts(#[from] HostsError),
    /// The metrics in it.
    #[error("the metrics {0}")]
    Metrics(TooMuch),
    /// The query.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// All of it together.
    #[error(transparent)]
    TooLong(#[from] TooLong),
}

impl Refused {
    /// What it is answered with.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Path(_) | Self::Hosts(_) | Self::Metrics(_) | Self::Query(_) => StatusCode::BAD_REQUEST,
            Self::TooLong(_) => StatusCode::URI_TOO_LONG,
        }
    }

    /// Whether there is no host to look up.
    pub fn is_about_hosts(&self) -> bool {
        matches!(self, Self::Path(PathError::Host(_)) | Self::Hosts(_))
    }
}

impl<'a> Asked<'a> {
    /// Reads the URI of a request at `now`, in Unix seconds.
    pub fn read(uri: &'a Uri, now: i64, bounds: Bounds) -> Result<Self, Refused> {
        let path = DataPath::parse(uri.path())?;
        let Query { forwarded: query, window, percentiles } =
            Query::parse(uri.query(), now, bounds.max_window)?;
        let (rest, query) = (url::path(path.rest), query.map(url::query));
        url::bound(HOSTS_LENGTH + rest.len() + query.as_ref().map_or(0, |query| query.len()))?;
        let metric = if bounds.has_rows { selected(&path)? } else { Metric::Any };
        let asked = |whom, parts| Self {
            path: path.clone(),
            whom,
            window,
            percentiles,
            metric: metric.clone(),
            parts,
        };
        let owner = |host: &[u8], wording| {
            Whom::Owner(question(path.content, Whose::Named(host.into()), &metric, window, wording))
        };
        if path.content != Content::Hosts && hosts::is_plain(&path.host) {
            let whole = url::as_it_came(uri, &url::path(path.whole), query.as_ref())?;
            return Ok(asked(owner(&path.host, Wording::Whole(whole)), None));
        }
        let parts = Arc::new(Parts { rest: rest.into_owned(), query: query.map(Cow::into_owned) });
        if path.content == Content::Hosts {
            // No pattern stands for every host there is.
            let whom = Whom::Many { names: Vec::new(), patterns: vec![Vec::new()] };
            return Ok(asked(whom, Some(parts)));
        }
        let Hosts { mut names, patterns } = Hosts::expand(&path.host, bounds.max_hosts)?;
        let whom = match names.pop() {
            Some(name) if names.is_empty() && patterns.is_empty() => {
                owner(&name, Wording::Parts(Arc::clone(&parts)))
            }
            last => {
                names.extend(last);
                Whom::Many { names, patterns: together(patterns) }
            }
        };
        Ok(asked(whom, Some(parts)))
    }

    /// What the owner of one of many hosts is asked for.
    pub fn name(&self, name: &[u8]) -> Question {
        self.of_many(Whose::Named(name.into()))
    }

    /// What all targets are asked for.
    pub fn patterns(&self, patterns: &[Vec<u8>]) -> Question {
        self.of_many(Whose::Matching { shown: (&*self.path.host).into(), patterns: patterns.into() })
    }

    fn of_many(&self, hosts: Whose) -> Question {
        let parts =
            self.parts.clone().unwrap_or_else(|| Arc::new(Parts { rest: String::new(), query: None }));
        let question = question(self.path.content, hosts, &self.metric, self.window, Wording::Parts(parts));
        Question { of_many: true, ..question }
    }

    /// Bytes of all that is asked for at a time: a list may be much longer when expanded than it came, and what
    /// stands behind it goes with each part of it.
    pub fn bytes(&self) -> usize {
        let metric = match &self.metric {
            Metric::Selected(selection) => selection.bytes(),
            Metric::Any | Metric::Named(_) => 0,
        };
        let Whom::Many { names, patterns } = &self.whom else { return metric };
        let behind = |parts: &Arc<Parts>| parts.rest.len() + parts.query.as_ref().map_or(0, String::len);
        let each = self.path.host.len() + self.path.whole.len() + self.parts.as_ref().map_or(0, behind);
        let names: usize = names.iter().map(|name| size_of::<Vec<u8>>() + name.len()).sum();
        // Each byte may take three in a URL.
        let length =
            |patterns: &Vec<Vec<u8>>| patterns.iter().map(|pattern| 3 * pattern.len() + 8).sum::<usize>();
        let patterns: usize =
            patterns.iter().map(|patterns| size_of::<Question>() + length(patterns) + each).sum();
        metric + names + patterns
    }
}

fn question(want: Content, hosts: Whose, metric: &Metric, window: Window, wording: Wording) -> Question {
    let (metric, wording) = (metric.clone(), Some(wording));
    Question { want, hosts, metric, window, of_many: false, wording, known: None, to: Addressees::All }
}

/// What stands behind the hosts, by what it means.
fn selected(path: &DataPath<'_>) -> Result<Metric, Refused> {
    let Some(rest) = path.rest.strip_prefix('/') else { return Ok(Metric::Any) };
    let (plugin, instances) =
        rest.split_once('/').map_or((rest, None), |(plugin, rest)| (plugin, Some(rest)));
    let decoded = |part| percent_decode_str(part).collect::<Vec<u8>>();
    let instances = instances.map(decoded);
    let selection = Selection::parse(&decoded(plugin), instances.as_deref(), MOST_PATTERNS);
    selection.map(|selection| Metric::Selected(Arc::new(selection))).map_err(Refused::Metrics)
}

/// Patterns that are asked for together: as many as go into one URL.
fn together(patterns: Vec<Vec<u8>>) -> Vec<Vec<Vec<u8>>> {
    let mut parts: Vec<Vec<Vec<u8>>> = Vec::new();
    let mut length = 0;
    for pattern in patterns {
        let written = url::name(&pattern).len();
        length += written + 1;
        match parts.last_mut() {
            Some(part) if length <= PATTERNS_LENGTH => part.push(pattern),
            _ => {
                length = written;
                parts.push(vec![pattern]);
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_share_a_path_as_long_as_it_is_short() {
        let joined = |patterns: &[&str]| {
            let together = together(patterns.iter().map(|pattern| pattern.as_bytes().to_vec()).collect());
            let text = |pattern: &Vec<u8>| String::from_utf8(pattern.clone()).unwrap();
            together
                .iter()
                .map(|part| part.iter().map(text).collect::<Vec<_>>().join(" "))
                .collect::<Vec<_>>()
        };
        assert_eq!(joined(&["web*"]), ["web*"]);
        assert_eq!(joined(&["web?", "db[12]*"]), ["web? db[12]*"]);
        let long = format!("{}*", "a".repeat(700));
        assert_eq!(joined(&[&long, "b*", &long]), [format!("{long} b*"), long]);
        assert!(joined(&[]).is_empty());
    }

    #[test]
    fn what_is_asked_for_is_told_by_what_it_means_and_in_the_same_words() {
        let bounds = Bounds { max_hosts: 10, max_window: 86_400, has_rows: true };
        let uri: Uri = "/data/web1,%7Bdb%3F%7D/cpu-0/cpu-idle,cpu-user?finish=1000000".parse().unwrap();
        let asked = Asked::read(&uri, 2_000_000, bounds).unwrap();
        let question = asked.patterns(&[b"db?".to_vec()]);
        assert_eq!(question.hosts.of(&["db", "db1", "db12"]), [1]);
        assert_eq!(question.window, Window { start: 996_400, finish: 1_000_000, now: 2_000_000 });
        let files =
            [(b"cpu-0".as_slice(), b"cpu-user".as_slice()), (b"cpu-0", b"cpu-wait"), (b"cpu-0", b"cpu-idle")];
        assert_eq!(question.metric.of(&files), [2, 0]);
        let written = url::of(&question).unwrap();
        assert_eq!(written, "/data/db%3F/cpu-0/cpu-idle,cpu-user?finish=1000000");
        assert_eq!(url::of(&asked.name(b"web1")).unwrap().path(), "/data/web1/cpu-0/cpu-idle,cpu-user");
    }
    #[test]
    fn what_braces_stand_for_is_paid_for_or_refused() {
        let bounds = Bounds { max_hosts: 10, max_window: 86_400, has_rows: true };
        let read = |path: String| {
            let uri: Uri = path.parse().unwrap();
            Asked::read(&uri, 2_000_000, bounds)
                .map(|asked| asked.bytes())
                .map_err(|refused| refused.status())
        };
        let ten = "%7B0,1,2,3,4,5,6,7,8,9%7D";
        assert!(read(format!("/data/web1/cpu/{ten}{ten}{ten}")).unwrap() > 1000 * 24);
        assert!(read(format!("/data/web1,web2/cpu/{ten}{ten}{ten}")).unwrap() > 1000 * 24);
        let long = "a".repeat(50_000);
        assert_eq!(read(format!("/data/web1/cpu/{ten}{ten}{ten}{ten}{long}")), Err(StatusCode::BAD_REQUEST));
        assert_eq!(read(format!("/data/web1/{long}")), Err(StatusCode::BAD_REQUEST));
    }
}
