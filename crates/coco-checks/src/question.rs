//! A check's question, and its answer as it comes: the words that all other modules share.

use std::time::Duration;

use coco_core::address::Address;
use coco_core::config::duration;
use thiserror::Error;

/// The fewest points that a window must have. With 10 in each half, a D of 0.7 has a p-value of 0.012.
pub const FEWEST: usize = 20;

/// One of the two programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    /// `anomalous_coco_send`
    Send,
    /// `anomalous_coco_errors`
    Errors,
}

/// What a run is to find out.
#[derive(Debug)]
pub struct Request {
    /// What it is about, for people: `10.1.1.111:25826 from coco1`.
    pub subject: String,
    /// The host that Coco runs on.
    pub host: String,
    /// collectd's plugin and its instance: `curl_json-coco`.
    pub plugin: String,
    /// The type and its instance: `operations-send-10.1.1.111:25826`.
    pub series: Series,
    /// Whom to ask.
    pub endpoint: Address,
    /// How far to look back.
    pub window: Duration,
    /// How long to wait.
    pub timeout: Duration,
    /// What is too much.
    pub limits: Limits,
    /// Whether to explain.
    pub debug: bool,
}

/// Which rates to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Series {
    /// This one.
    One(String),
    /// The sum of all whose names begin so.
    Sum(String),
}

/// The limits of a check. A rate has changed only when all three are exceeded: halves of a steady rate may differ in
/// rank by a trifle, and by chance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// The largest statistic D, from 0 to 1.
    pub maximum_deviation: f64,
    /// The least probability of such a D, from 0 to 1.
    pub significance: f64,
    /// The largest change of the mean, as a part of what it was.
    pub minimum_change: f64,
}

/// The rates of a window.
#[derive(Debug)]
pub struct Rates {
    /// What was asked for.
    pub path: String,
    /// The series that are in it, by name.
    pub names: Vec<String>,
    /// In the order of time, in events a second; none where nothing is known.
    pub points: Vec<Option<f64>>,
}

/// Why there is nothing to compare.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum Problem {
    /// The system lacks something.
    #[error("{0}")]
    System(String),
    /// No connection, or one that broke.
    #[error("cannot ask {endpoint}: {cause}")]
    Unreachable {
        /// Who was asked.
        endpoint: String,
        /// What the system says.
        cause: String,
    },
    /// It takes too long.
    #[error("{endpoint} did not answer within {}", duration::format(*.timeout))]
    Timeout {
        /// Who was asked.
        endpoint: String,
        /// How long.
        timeout: Duration,
    },
    /// A status other than 200, or an error with 200.
    #[error("{endpoint} answers {answer}")]
    Refused {
        /// Who was asked.
        endpoint: String,
        /// The status, and the error if there is one.
        answer: String,
    },
    /// Not the JSON of Visage.
    #[error("{endpoint} does not answer as Visage: {cause}")]
    NotVisage {
        /// Who was asked.
        endpoint: String,
        /// What is wrong.
        cause: String,
    },
    /// It has no such series.
    #[error(
        "{endpoint} has no {path}: does collectd on that host read Coco's counters, and under this name?"
    )]
    NoSeries {
        /// Who was asked.
        endpoint: String,
        /// What for.
        path: String,
    },
    /// Series that can't be added up.
    #[error("{first} and {second} are of different resolution: check one of them, with --error")]
    Uneven {
        /// The name of one.
        first: String,
        /// The name of another.
        second: String,
    },
    /// Too few points are known.
    #[error("{found} points are too few, at least {FEWEST} are needed{}", longer(*.window))]
    TooFew {
        /// So many.
        found: usize,
        /// A window that should have enough, where there are some.
        window: Option<Duration>,
    },
}

fn longer(window: Option<Duration>) -> String {
    window.map_or_else(String::new, |window| format!(": try --window {}", duration::format(window)))
}
