//! What targets are asked for, and what they say, whatever is spoken with them.
//!
//! - A [`Question`] is what a target is asked for: no URL and no command, which only its upstream makes;
//! - a [`Reply`] is what it has of that, as it came or as rows or names;
//! - [`text`] is a JSON answer, [`lists`] are those that are lists of names; [`rows`] are series of a host.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ::visage::glob;
use ::visage::selection::Selection;
use hyper::http::uri::PathAndQuery;

use crate::budget::Reservation;
use rows::HostRows;
use text::Text;

pub mod lists;
pub mod rows;
pub mod text;

/// Comparing a pattern with a name takes about as long as looking through so many bytes.
const COMPARED: usize = 16;

/// What an answer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Names of hosts.
    Hosts,
    /// Metrics of hosts, in Visage's words `PLUGIN/INSTANCE`.
    Metrics,
    /// Rows.
    Series,
}

/// What to ask for.
#[derive(Debug, Clone)]
pub struct Question {
    /// What the answer must hold.
    pub want: Content,
    /// Of whom.
    pub hosts: Hosts,
    /// Which metrics, where series are wanted.
    pub metric: Metric,
    /// When, where series are wanted.
    pub window: Window,
    /// Whether it is one of many that one request asks for.
    pub of_many: bool,
    /// How a client put it, if one did.
    pub wording: Option<Wording>,
    /// Metrics that are known already, without gaps: a target that can leave them out does.
    pub known: Option<Arc<Known>>,
    /// Which targets are asked.
    pub to: Addressees,
}

/// Which targets are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressees {
    /// All.
    All,
    /// Those that are an rrdcached, which have to say of rows whether they are rates. Of others, nothing is known.
    Rrdcached,
}

/// Addressees a question is about.
#[derive(Debug, Clone)]
pub enum Hosts {
    /// A host by name: an answer is one only if it is about that.
    Named(Arc<[u8]>),
    /// All hosts that match one of these globs.
    Matching {
        /// As a client wrote them, for the log.
        shown: Arc<[u8]>,
        /// Without braces; none stand for all hosts.
        patterns: Arc<[Vec<u8>]>,
    },
}

/// Which metrics of a host.
#[derive(Debug, Clone)]
pub enum Metric {
    /// All, or as the wording says where nobody needs to know what that means.
    Any,
    /// Those that a path of Visage means.
    Selected(Arc<Selection>),
    /// These by name, of one plugin.
    Named(Arc<NamedMetrics>),
}

/// Metrics of one plugin by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedMetrics {
    /// collectd's plugin and its instance.
    pub plugin: Vec<u8>,
    /// collectd's types and their instances.
    pub instances: Vec<Vec<u8>>,
}

/// A metric of a host: what one RRD file holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct File {
    /// collectd's plugin and its instance, `cpu-0`, the name of a directory.
    pub plugin: Box<[u8]>,
    /// collectd's type and its instance, `cpu-idle`, the name of a file less `.rrd`.
    pub instance: Box<[u8]>,
}

/// Metrics of a host, by plugin and instance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known(pub HashMap<Box<[u8]>, HashSet<Box<[u8]>>>);

impl Known {
    /// Whether a metric is among them.
    pub fn contains(&self, plugin: &[u8], instance: &[u8]) -> bool {
        self.0.get(plugin).is_some_and(|instances| instances.contains(instance))
    }
}

/// From when to when, in Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first row is the one in which this lies.
    pub start: i64,
    /// The last row is the one in which this lies.
    pub finish: i64,
    /// When it was asked for.
    pub now: i64,
}

/// How a client of Visage put its question. A Visage is asked in the same words, since its versions differ in what
/// they make of others; whoever else is asked goes by what was read of them.
#[derive(Debug, Clone)]
pub enum Wording {
    /// The path and the query, as they may be sent.
    Whole(PathAndQuery),
    /// Those of many questions that differ in their hosts.
    Parts(Arc<Parts>),
}

/// What questions that differ in their hosts have in common, as it may be sent.
#[derive(Debug, PartialEq, Eq)]
pub struct Parts {
    /// What stands behind the hosts: `/PLUGIN/INSTANCES`, or nothing.
    pub rest: String,
    /// What stands behind the question mark, if there is one.
    pub query: Option<String>,
}

impl Question {
    /// For names, of hosts or of the metrics of hosts.
    pub fn for_names(want: Content, hosts: Hosts, now: i64) -> Self {
        Self {
            want,
            hosts,
            metric: Metric::Any,
            window: Window { start: now, finish: now, now },
            of_many: true,
            wording: None,
            known: None,
            to: Addressees::All,
        }
    }

    /// The name that an answer must hold.
    pub fn name(&self) -> Option<&Arc<[u8]>> {
        match (&self.hosts, self.want) {
            (Hosts::Named(name), Content::Series) => Some(name),
            _ => None,
        }
    }
}

impl Hosts {
    /// The name, or the patterns as a client wrote them.
    pub fn shown(&self) -> &[u8] {
        match self {
            Self::Named(name) => name,
            Self::Matching { shown, .. } => shown,
        }
    }

    /// The hosts that are meant of these, which are sorted, by their numbers.
    pub fn of<N: AsRef<[u8]>>(&self, hosts: &[N]) -> Vec<usize> {
        let patterns = match self {
            Self::Named(name) => {
                return hosts.binary_search_by(|host| host.as_ref().cmp(name)).into_iter().collect();
            }
            Self::Matching { patterns, .. } if patterns.is_empty() => return (0..hosts.len()).collect(),
            Self::Matching { patterns, .. } => patterns,
        };
        let mut is_meant = vec![false; hosts.len()];
        for pattern in patterns.iter() {
            for index in glob::candidates(pattern, hosts) {
                is_meant[index] = is_meant[index] || glob::matches(pattern, hosts[index].as_ref());
            }
        }
        (0..hosts.len()).filter(|index| is_meant[*index]).collect()
    }

    /// Bytes of as much work as it is to find those that are meant of so many.
    pub fn work(&self, hosts: usize) -> usize {
        match self {
            Self::Matching { patterns, .. } => (patterns.len() + 1) * hosts * COMPARED,
            Self::Named(_) => COMPARED,
        }
    }
}

impl Metric {
    /// The only metric that can be meant: its plugin and its instance.
    pub fn only(&self) -> Option<(&[u8], &[u8])> {
        match self {
            Self::Any => None,
            Self::Selected(selection) => selection.only(),
            Self::Named(named) => match &*named.instances {
                [instance] => Some((&named.plugin, instance)),
                _ => None,
            },
        }
    }

    /// Bytes of as much work as it is to find those that are meant of so many.
    pub fn work(&self, files: usize) -> usize {
        match self {
            Self::Any => files,
            Self::Selected(selection) => (selection.globs() + 2) * files * COMPARED,
            Self::Named(named) => (named.instances.len() + files) * COMPARED,
        }
    }

    /// The metrics that are meant, by their numbers, in the order of an answer. `files` are the plugin and the instance of
    /// each.
    pub fn of(&self, files: &[(&[u8], &[u8])]) -> Vec<usize> {
        match self {
            Self::Any => (0..files.len()).collect(),
            Self::Selected(selection) => selection.of(files),
            Self::Named(named) => {
                let of_plugin = files.iter().enumerate().filter(|(_, (plugin, _))| *plugin == named.plugin);
                let places: HashMap<_, _> =
                    of_plugin.map(|(index, (_, instance))| (*instance, index)).collect();
                named.instances.iter().filter_map(|instance| places.get(&**instance).copied()).collect()
            }
        }
    }
}

/// What a target has of what was asked for; something there is in it.
#[derive(Debug)]
pub enum Reply {
    /// JSON, which is passed on as it came.
    Text(Text),
    /// Rows of a host.
    Series(HostRows),
    /// Names, each once.
    Names(Names),
}

/// Names that a target has.
#[derive(Debug)]
pub struct Names {
    /// As the target has them.
    pub names: Vec<Vec<u8>>,
    /// Seconds since the target was asked for them.
    pub age: u64,
    /// What they take.
    pub reservation: Reservation,
}

impl Reply {
    /// The names in it.
    pub fn names(&self) -> Vec<Vec<u8>> {
        match self {
            Self::Text(answer) => answer.names.iter().map(|name| name.clone().into_bytes()).collect(),
            Self::Names(names) => names.names.clone(),
            Self::Series(_) => Vec::new(),
        }
    }

    /// How many bytes copies of all names take, each in some lists.
    pub fn copies(&self) -> usize {
        let each = |length: usize| 2 * length + 8 * size_of::<Vec<u8>>();
        match self {
            Self::Text(answer) => answer.names.iter().map(|name| each(name.len())).sum(),
            Self::Names(names) => names.names.iter().map(|name| each(name.len())).sum(),
            Self::Series(_) => 0,
        }
    }

    /// How many bytes it came to.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Text(answer) => answer.body.bytes.len(),
            Self::Series(rows) => rows.bytes(),
            Self::Names(names) => names.names.iter().map(Vec::len).sum(),
        }
    }
}
