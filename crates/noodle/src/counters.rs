//! Everything that Noodle counts: one table of names, and the cells behind it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use coco_core::config::Program;
use coco_core::tier::{Target, Tier, Tiers};
use coco_daemon::counters::{Definition, Snapshot, View};
use coco_daemon::http::refusals;
use coco_daemon::latency::Histogram;
use coco_daemon::logging;
use coco_daemon::lookup::{HASH_GET, LOOKUP};
use coco_daemon::reload;
use hyper::StatusCode;

use crate::failure::{ErrorCount, Failure, Reason};

/// Bytes passed on.
pub static BYTES_PROXIED: Definition = Definition::counter(
    &["noodle", "fetch.bytes.proxied"],
    "Number of bytes proxied from targets to Noodle clients.",
);
/// Requests sent.
pub static TARGET_REQUESTS: Definition = Definition::counter(
    &["noodle", "fetch.target.requests", "{target}"],
    "Number of requests proxied to a target.",
);
/// The sum of them.
pub static TARGET_REQUESTS_TOTAL: Definition = Definition::counter(
    &["noodle", "fetch.target.requests", "total"],
    "Number of requests proxied to all targets.",
)
.only(View::Json);
/// Answers given.
pub static RESPONSE_CODES: Definition = Definition::counter(
    &["noodle", "fetch.target.response.codes", "{code}"],
    "Number of responses served to Noodle clients with a specific status code, below `/data`.",
);
/// Answers of targets that were used.
pub static TIER_REQUESTS: Definition = Definition::counter(
    &["noodle", "fetch.tier.requests", "{tier}"],
    "Number of responses routed and proxied from a tier.",
);
/// How long targets take.
pub static TIER_LATENCY: Definition = Definition::histogram(
    &["noodle", "fetch.tier.latency_seconds", "{tier}"],
    "Time from asking a target of a tier until its answer is complete or has failed, in seconds.",
);
/// Failures by reason.
pub static FAILURES: Definition = Definition::counter(
    &["noodle", "fetch.target.failures", "{target}", "{reason}"],
    "Requests to a target that failed, by reason.",
);
/// How targets are.
pub static TARGET_STATE: Definition = Definition::gauge(
    &["noodle", "fetch.target.state", "{target}", "{state}"],
    "1 for the state that a target is in, 0 for the others.",
);
/// Answers with a share missing.
pub static PARTIAL: Definition = Definition::counter(
    &["noodle", "fetch.partial"],
    "Joined answers that lack the share of a target because no tier had it.",
);
/// Bytes that were used, by tier.
pub static TIER_BYTES: Definition = Definition::counter(
    &["noodle", "fetch.tier.bytes", "{tier}"],
    "Bytes of answers from a tier: of JSON as it came, of rows 8 for each value.",
);
/// Values of rows.
pub static TIER_ROWS: Definition = Definition::counter(
    &["noodle", "fetch.tier.rows", "{tier}"],
    "Rows from rrdcached targets of a tier, known or not, of each data source.",
);
/// Rows joined.
pub static TIER_JOINED: Definition = Definition::counter(
    &["noodle", "fetch.tier.joined", "{tier}"],
    "Hosts whose rows from earlier targets were joined with those of a tier.",
);
/// Rows that a later target knew.
pub static TIER_FILLED: Definition = Definition::counter(
    &["noodle", "fetch.tier.filled", "{tier}"],
    "Rows that were unknown to earlier targets and known to one of a tier.",
);
/// How old lists of hosts are.
pub static TIER_TREE_AGE: Definition = Definition::gauge(
    &["noodle", "fetch.tier.tree_age", "{tier}"],
    "Seconds since the oldest remembered list of hosts of an rrdcached of a tier was asked for.",
);
/// Answers to Graphite's clients.
pub static GRAPHITE_CODES: Definition = Definition::counter(
    &["noodle", "graphite.response.codes", "{code}"],
    "Number of responses to clients of Graphite's API, by status code.",
);
/// Those with a share missing.
pub static GRAPHITE_PARTIAL: Definition = Definition::counter(
    &["noodle", "graphite.partial"],
    "Answers to clients of Graphite's API that may lack something of a target that failed.",
);
/// What was read for them.
pub static GRAPHITE_POINTS: Definition = Definition::counter(
    &["noodle", "graphite.points"],
    "Values that were read from targets for clients of Graphite's API.",
);
/// Memory lent.
pub static MEMORY: Definition = Definition::gauge(
    &["noodle", "fetch.memory"],
    "Memory of requests to targets and of answers on their way to clients, in bytes.",
);

/// The definition of each [`ErrorCount`], in their order, and of what no longer happens.
pub static ERRORS: [Definition; 5] = [
    Definition::counter(
        &["noodle", "errors", "fetch.con.get"],
        "Unsuccessful hash lookups: the host part of a path is no host, or too many.",
    ),
    Definition::counter(
        &["noodle", "errors", "fetch.http.get"],
        "Unsuccessful HTTP GET requests to a target: refused, reset, no answer in time, or a status other than 200 and 404.",
    ),
    Definition::counter(
        &["noodle", "errors", "fetch.ioutil.readall"],
        "Unsuccessful reads of a response from a target: broken off, stalled, or larger than `fetch.max_body`.",
    ),
    Definition::counter(
        &["noodle", "errors", "fetch.json.unmarshal"],
        "Responses of a target with status 200 that are not a JSON object, or are about another host.",
    ),
    Definition::counter(
        &["noodle", "errors", "fetch.json.marshal"],
        "Unsuccessful marshalings of JSON for a response to a Noodle client. Stays 0: nothing is marshaled any more. It is kept for dashboards.",
    ),
];

/// The whole table, in the order in which the manual shows it. What Noodle shares with coco is in it.
pub fn definitions() -> impl Iterator<Item = &'static Definition> {
    let fetched = [
        &TIER_REQUESTS,
        &TIER_LATENCY,
        &TARGET_REQUESTS,
        &TARGET_REQUESTS_TOTAL,
        &RESPONSE_CODES,
        &FAILURES,
        &TARGET_STATE,
        &TIER_BYTES,
        &TIER_ROWS,
        &TIER_JOINED,
        &TIER_FILLED,
        &TIER_TREE_AGE,
        &PARTIAL,
        &BYTES_PROXIED,
        &MEMORY,
        &GRAPHITE_CODES,
        &GRAPHITE_PARTIAL,
        &GRAPHITE_POINTS,
    ];
    fetched
        .into_iter()
        .chain(&ERRORS)
        .chain([&LOOKUP, &HASH_GET])
        .chain(reload::definitions(Program::Noodle))
        .chain([logging::definition(Program::Noodle), refusals::definition(Program::Noodle)])
}

/// Every status below `/data`, also where a function is called with it; the router answers other methods by itself.
const STATUSES: [StatusCode; 7] = [
    StatusCode::OK,
    StatusCode::BAD_REQUEST,
    StatusCode::FORBIDDEN,
    StatusCode::URI_TOO_LONG,
    StatusCode::BAD_GATEWAY,
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::GATEWAY_TIMEOUT,
];

/// What is counted.
#[derive(Debug)]
pub struct Counters {
    overall: Arc<Overall>,
    /// In the order of the configuration, and behind them those that were removed: sums must not go back.
    tiers: Vec<TierCounters>,
}

#[derive(Debug)]
struct Overall {
    bytes_proxied: AtomicU64,
    partial: AtomicU64,
    errors: [AtomicU64; ERRORS.len()],
    codes: [(Arc<str>, AtomicU64); STATUSES.len()],
}

#[derive(Clone, Debug)]
struct TierCounters {
    name: Arc<str>,
    cells: Arc<TierCells>,
    /// In the order of the configuration, and behind them those that were removed.
    targets: Vec<Arc<TargetCounters>>,
}

#[derive(Debug, Default)]
struct TierCells {
    used: AtomicU64,
    bytes: AtomicU64,
    rows: AtomicU64,
    joined: AtomicU64,
    filled: AtomicU64,
    latency: Histogram,
}

#[derive(Debug)]
struct TargetCounters {
    name: Arc<str>,
    requests: AtomicU64,
    failures: [AtomicU64; Reason::ALL.len()],
}

impl TierCounters {
    fn new(name: &str) -> Self {
        Self { name: name.into(), cells: Arc::default(), targets: Vec::new() }
    }

    /// The same cells for other targets.
    fn renewed(&self, tier: &Tier) -> Self {
        let new = |name: &str| TargetCounters {
            name: name.into(),
            requests: AtomicU64::new(0),
            failures: Default::default(),
        };
        let of = |target: &Target| {
            let known = self.targets.iter().find(|known| *known.name == *target.name);
            known.map_or_else(|| Arc::new(new(&target.name)), Arc::clone)
        };
        let mut targets: Vec<_> = tier.targets().iter().map(of).collect();
        let is_gone = |old: &&Arc<_>| !targets.iter().any(|new| Arc::ptr_eq(old, new));
        let gone: Vec<_> = self.targets.iter().filter(is_gone).cloned().collect();
        targets.extend(gone);
        Self { name: Arc::clone(&self.name), cells: Arc::clone(&self.cells), targets }
    }
}

impl Counters {
    /// All zero.
    pub fn new(tiers: &Tiers) -> Self {
        let overall = Overall {
            bytes_proxied: AtomicU64::new(0),
            partial: AtomicU64::new(0),
            errors: Default::default(),
            codes: STATUSES.map(|status| (status.as_str().into(), AtomicU64::new(0))),
        };
        Self { overall: Arc::new(overall), tiers: Vec::new() }.renewed(tiers)
    }

    /// For other tiers: whatever was counted is counted on.
    #[must_use]
    pub fn renewed(&self, tiers: &Tiers) -> Self {
        let of = |tier: &Tier| {
            let known = self.tiers.iter().find(|known| *known.name == *tier.name());
            known.map_or_else(|| TierCounters::new(tier.name()).renewed(tier), |known| known.renewed(tier))
        };
        let mut renewed: Vec<_> = tiers.iter().map(of).collect();
        let is_gone = |old: &&TierCounters| !renewed.iter().any(|new| new.name == old.name);
        let gone: Vec<_> = self.tiers.iter().filter(is_gone).cloned().collect();
        renewed.extend(gone);
        Self { overall: Arc::clone(&self.overall), tiers: renewed }
    }

    /// A request leaves for a target.
    pub fn asked(&self, tier: usize, target: usize) {
        count(&self.tiers[tier].targets[target].requests, 1);
    }

    /// A target failed.
    pub fn failed(&self, tier: usize, target: usize, failure: &Failure) {
        if let Some(reason) = failure.reason() {
            count(&self.tiers[tier].targets[target].failures[reason as usize], 1);
        }
        if let Some(error) = failure.error_count() {
            self.error(error);
        }
    }

    /// Where durations of requests to a tier are counted.
    pub fn latency(&self, tier: usize) -> &Histogram {
        &self.tiers[tier].cells.latency
    }

    /// A target's answer of so many bytes goes into one for a client.
    pub fn used(&self, tier: usize, bytes: usize) {
        count(&self.tiers[tier].cells.used, 1);
        count(&self.tiers[tier].cells.bytes, bytes as u64);
        count(&self.overall.bytes_proxied, bytes as u64);
    }

    /// So many rows came from a tier.
    pub fn rows(&self, tier: usize, rows: usize) {
        count(&self.tiers[tier].cells.rows, rows as u64);
    }

    /// Rows of a tier were joined with those of earlier targets, of which they filled so many.
    pub fn joined(&self, tier: usize, filled: usize) {
        count(&self.tiers[tier].cells.joined, 1);
        count(&self.tiers[tier].cells.filled, filled as u64);
    }

    /// An error happened.
    pub fn error(&self, error: ErrorCount) {
        count(&self.overall.errors[error as usize], 1);
    }

    /// A joined answer lacks something.
    pub fn partial(&self) {
        count(&self.overall.partial, 1);
    }

    /// An answer is made.
    pub fn answered(&self, status: StatusCode) {
        let index = STATUSES.iter().position(|known| *known == status);
        debug_assert!(index.is_some(), "{status} is not in the table");
        if let Some(index) = index {
            count(&self.overall.codes[index].1, 1);
        }
    }

    /// Adds all that was counted, and the memory lent now.
    pub fn add_to(&self, snapshot: &mut Snapshot, memory: usize) {
        snapshot.add(&BYTES_PROXIED, &[], get(&self.overall.bytes_proxied));
        let mut total = 0;
        for tier in &self.tiers {
            for target in &tier.targets {
                let requests = get(&target.requests);
                total += requests;
                snapshot.add(&TARGET_REQUESTS, &[("tier", &tier.name), ("target", &target.name)], requests);
            }
        }
        snapshot.add(&TARGET_REQUESTS_TOTAL, &[], total);
        for (code, answers) in &self.overall.codes {
            snapshot.add(&RESPONSE_CODES, &[("code", code)], get(answers));
        }
        for tier in &self.tiers {
            let cells = [
                (&TIER_REQUESTS, &tier.cells.used),
                (&TIER_BYTES, &tier.cells.bytes),
                (&TIER_ROWS, &tier.cells.rows),
                (&TIER_JOINED, &tier.cells.joined),
                (&TIER_FILLED, &tier.cells.filled),
            ];
            for (definition, cell) in cells {
                snapshot.add(definition, &[("tier", &tier.name)], get(cell));
            }
            snapshot.add_distribution(
                &TIER_LATENCY,
                &[("tier", &tier.name)],
                tier.cells.latency.distribution(),
            );
        }
        let reasons = Reason::ALL.map(|(_, name)| Arc::from(name));
        for tier in &self.tiers {
            for target in &tier.targets {
                for (reason, failures) in reasons.iter().zip(&target.failures) {
                    let labels = [("tier", &tier.name), ("target", &target.name), ("reason", reason)];
                    snapshot.add(&FAILURES, &labels, get(failures));
                }
            }
        }
        snapshot.add(&PARTIAL, &[], get(&self.overall.partial));
        snapshot.add(&MEMORY, &[], memory as u64);
        for (definition, errors) in ERRORS.iter().zip(&self.overall.errors) {
            snapshot.add(definition, &[], get(errors));
        }
    }
}

fn count(cell: &AtomicU64, by: u64) {
    cell.fetch_add(by, Ordering::Relaxed);
}

fn get(cell: &AtomicU64) -> u64 {
    cell.load(Ordering::Relaxed)
}
