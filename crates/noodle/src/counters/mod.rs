//! What Noodle counts: the cells behind the [table] of names.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use coco_core::tier::{Target, TargetId, Tier, TierId, Tiers};
use coco_daemon::counters::Snapshot;
use coco_daemon::latency::Histogram;
use hyper::StatusCode;

use crate::failure::{ErrorCount, Failure, Reason};
use table::{
    BYTES_PROXIED, ERRORS, FAILURES, MEMORY, PARTIAL, RESPONSE_CODES, TARGET_REQUESTS, TARGET_REQUESTS_TOTAL,
    TIER_BYTES, TIER_FILLED, TIER_JOINED, TIER_LATENCY, TIER_LEFT_BEHIND, TIER_LEFT_OUT, TIER_REQUESTS,
    TIER_ROWS,
};

pub mod table;

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
    left_behind: AtomicU64,
    left_out: AtomicU64,
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

    fn cells(&self, tier: TierId) -> &TierCells {
        &self.tiers[tier.number()].cells
    }

    fn target(&self, tier: TierId, target: TargetId) -> &TargetCounters {
        &self.tiers[tier.number()].targets[target.number()]
    }

    /// A request leaves for a target.
    pub fn asked(&self, tier: TierId, target: TargetId) {
        count(&self.target(tier, target).requests, 1);
    }

    /// A target failed.
    pub fn failed(&self, tier: TierId, target: TargetId, failure: &Failure) {
        if let Some(reason) = failure.reason() {
            count(&self.target(tier, target).failures[reason as usize], 1);
        }
        if let Some(error) = failure.error_count() {
            self.error(error);
        }
    }

    /// Where durations of requests to a tier are counted.
    pub fn latency(&self, tier: TierId) -> &Histogram {
        &self.cells(tier).latency
    }

    /// A target's answer of so many bytes goes into one for a client.
    pub fn used(&self, tier: TierId, bytes: usize) {
        count(&self.cells(tier).used, 1);
        count(&self.cells(tier).bytes, bytes as u64);
        count(&self.overall.bytes_proxied, bytes as u64);
    }

    /// So many rows came from a tier.
    pub fn rows(&self, tier: TierId, rows: usize) {
        count(&self.cells(tier).rows, rows as u64);
    }

    /// Rows of a tier were joined with those of earlier targets, of which they filled so many.
    pub fn joined(&self, tier: TierId, filled: usize) {
        count(&self.cells(tier).joined, 1);
        count(&self.cells(tier).filled, filled as u64);
    }

    /// Former owners of a tier had so many rows that new ones lack.
    pub fn left_behind(&self, tier: TierId, rows: usize) {
        count(&self.cells(tier).left_behind, rows as u64);
    }

    /// A target of a tier was not asked, because it is no rrdcached.
    pub fn left_out(&self, tier: TierId) {
        count(&self.cells(tier).left_out, 1);
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

    /// How many requests below `/data` were answered with 200, and how many otherwise.
    pub fn answers(&self) -> [u64; 2] {
        let counts = STATUSES.iter().zip(&self.overall.codes);
        counts.fold([0; 2], |[well, ill], (status, (_, count))| {
            if *status == StatusCode::OK { [well + get(count), ill] } else { [well, ill + get(count)] }
        })
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
                (&TIER_LEFT_BEHIND, &tier.cells.left_behind),
                (&TIER_LEFT_OUT, &tier.cells.left_out),
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
