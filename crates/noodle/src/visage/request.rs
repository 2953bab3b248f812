//! From the URI of a request below `/data` to what targets are asked for.

use std::borrow::Cow;

use hyper::http::uri::PathAndQuery;
use hyper::{StatusCode, Uri};
use thiserror::Error;

use crate::ask::Content;
use crate::fleet::Wanted;
use crate::upstream::visage::url::{self, TooLong};
use crate::visage::hosts::{self, Hosts, HostsError, MOST_LENGTH};
use crate::visage::path::{DataPath, PathError};
use crate::visage::query::{Query, QueryError};

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
}

/// A request below `/data`, found fit to be passed on.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Which answer is wanted.
    pub path: DataPath<'a>,
    /// Who is asked.
    pub whom: Whom,
    /// What stands behind the hosts, and the query, as they may be sent.
    rest: Cow<'a, str>,
    query: Option<Cow<'a, str>>,
}

/// Whose business a request is.
#[derive(Debug)]
pub enum Whom {
    /// That of the owner of a host.
    Owner(Wanted),
    /// That of many targets.
    Many {
        /// Hosts by name. Their owners are asked for [`Asked::name`].
        names: Vec<Vec<u8>>,
        /// Parts of paths that stand for several hosts, encoded. All targets are asked for [`Asked::pattern`].
        patterns: Vec<String>,
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
            Self::Path(_) | Self::Hosts(_) | Self::Query(_) => StatusCode::BAD_REQUEST,
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
        let Query { forwarded: query } = Query::parse(uri.query(), now, bounds.max_window)?;
        let (rest, query) = (url::path(path.rest), query.map(url::query));
        url::bound(HOSTS_LENGTH + rest.len() + query.as_ref().map_or(0, |query| query.len()))?;
        let wanted = |host: &[u8], path_and_query| Wanted {
            content: path.content,
            host: host.into(),
            by_name: true,
            of_many: false,
            path: path_and_query,
        };
        let whom = if path.content == Content::Hosts {
            // An empty part stands for every host there is.
            Whom::Many { names: Vec::new(), patterns: vec![String::new()] }
        } else if hosts::is_plain(&path.host) {
            Whom::Owner(wanted(&path.host, forwarded(uri, &url::path(path.whole), query.as_ref())?))
        } else {
            let Hosts { mut names, patterns } = Hosts::expand(&path.host, bounds.max_hosts)?;
            match names.pop() {
                Some(name) if names.is_empty() && patterns.is_empty() => {
                    Whom::Owner(wanted(&name, composed(&url::name(&name), &rest, query.as_deref())))
                }
                last => {
                    names.extend(last);
                    Whom::Many { names, patterns: together(&patterns) }
                }
            }
        };
        Ok(Self { path, whom, rest, query })
    }

    /// What the owner of one of many hosts is asked for.
    pub fn name(&self, name: &[u8]) -> Wanted {
        Wanted {
            content: self.path.content,
            host: name.into(),
            by_name: true,
            of_many: true,
            path: composed(&url::name(name), &self.rest, self.query.as_deref()),
        }
    }

    /// What all targets are asked for.
    pub fn pattern(&self, pattern: &str) -> Wanted {
        let path = match self.path.content {
            Content::Hosts => fitting(self.path.whole, self.query.as_deref()),
            _ => composed(pattern, &self.rest, self.query.as_deref()),
        };
        Wanted {
            content: self.path.content,
            host: (&*self.path.host).into(),
            by_name: false,
            of_many: true,
            path,
        }
    }

    /// Bytes of all that is asked for at a time: a list may be much longer when expanded than it came, and what
    /// stands behind it goes with each part of it.
    pub fn bytes(&self) -> usize {
        let Whom::Many { names, patterns } = &self.whom else { return 0 };
        let each =
            self.path.host.len() + self.rest.len() + self.query.as_ref().map_or(0, |query| query.len());
        let names: usize = names.iter().map(|name| size_of::<Vec<u8>>() + name.len()).sum();
        let patterns: usize = patterns.iter().map(|part| size_of::<Wanted>() + part.len() + each).sum();
        names + patterns
    }
}

/// The path and query as they came, less what is Noodle's and what may not stand there.
fn forwarded(uri: &Uri, path: &str, query: Option<&Cow<'_, str>>) -> Result<PathAndQuery, TooLong> {
    if let Some(as_it_came) = uri.path_and_query()
        && as_it_came.path() == path
        && !matches!(query, Some(Cow::Owned(_)))
        && query.is_some() == as_it_came.query().is_some()
    {
        return Ok(as_it_came.clone());
    }
    url::with_query(path, query.map(|query| &**query))
}

/// A path with another part for hosts, which is encoded.
fn composed(host: &str, rest: &str, query: Option<&str>) -> PathAndQuery {
    fitting(&format!("/data/{host}{rest}"), query)
}

fn fitting(path: &str, query: Option<&str>) -> PathAndQuery {
    url::with_query(path, query).expect("it was read, so that is bounded")
}

/// Parts of paths that stand for all of these patterns: in braces, as Visage takes several.
fn together(patterns: &[Vec<u8>]) -> Vec<String> {
    let mut parts: Vec<Vec<String>> = Vec::new();
    let mut length = 0;
    for pattern in patterns {
        let pattern = url::name(pattern);
        length += pattern.len() + 1;
        match parts.last_mut() {
            Some(part) if length <= PATTERNS_LENGTH => part.push(pattern),
            _ => {
                length = pattern.len();
                parts.push(vec![pattern]);
            }
        }
    }
    let part =
        |part: Vec<String>| if part.len() == 1 { part.concat() } else { format!("%7B{}%7D", part.join(",")) };
    parts.into_iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn patterns_share_a_path_as_long_as_it_is_short() {
        let together = |patterns: &[&str]| {
            super::together(&patterns.iter().map(|pattern| pattern.as_bytes().to_vec()).collect::<Vec<_>>())
        };
        assert_eq!(together(&["web*"]), ["web*"]);
        assert_eq!(together(&["web?", "db[12]*"]), ["%7Bweb%3F,db%5B12%5D*%7D"]);
        let long = format!("{}*", "a".repeat(700));
        assert_eq!(together(&[&long, "b*", &long]), [format!("%7B{long},b*%7D"), long]);
        assert!(together(&[]).is_empty());
    }
}
