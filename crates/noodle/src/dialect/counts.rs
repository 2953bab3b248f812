//! What is counted of the answers in one dialect.

use std::sync::atomic::{AtomicU64, Ordering};

use coco_daemon::counters::{Definition, Snapshot};
use hyper::StatusCode;

use crate::counters::table;

/// Every status that answers have, and where they are counted. The HTTP front answers other methods, and forms and bodies
/// that it does not take, by itself.
#[derive(Debug)]
pub struct Rows {
    /// 200 is the first.
    statuses: &'static [StatusCode],
    codes: &'static Definition,
    partial: &'static Definition,
    values: &'static Definition,
}

/// Of Graphite's clients.
pub static GRAPHITE: Rows = Rows {
    statuses: &[
        StatusCode::OK,
        StatusCode::BAD_REQUEST,
        StatusCode::FORBIDDEN,
        StatusCode::NOT_FOUND,
        StatusCode::URI_TOO_LONG,
        StatusCode::BAD_GATEWAY,
        StatusCode::SERVICE_UNAVAILABLE,
        StatusCode::GATEWAY_TIMEOUT,
    ],
    codes: &table::GRAPHITE_CODES,
    partial: &table::GRAPHITE_PARTIAL,
    values: &table::GRAPHITE_POINTS,
};

/// Of remote read.
pub static PROMETHEUS: Rows = Rows {
    statuses: &[
        StatusCode::OK,
        StatusCode::BAD_REQUEST,
        StatusCode::BAD_GATEWAY,
        StatusCode::SERVICE_UNAVAILABLE,
        StatusCode::GATEWAY_TIMEOUT,
    ],
    codes: &table::READ_CODES,
    partial: &table::READ_PARTIAL,
    values: &table::READ_SAMPLES,
};

/// What is counted.
#[derive(Debug)]
pub struct Counts {
    rows: &'static Rows,
    codes: Box<[AtomicU64]>,
    partial: AtomicU64,
    values: AtomicU64,
}

impl Counts {
    /// Nothing yet.
    pub fn new(rows: &'static Rows) -> Self {
        let codes = rows.statuses.iter().map(|_| AtomicU64::new(0)).collect();
        Self { rows, codes, partial: AtomicU64::new(0), values: AtomicU64::new(0) }
    }

    /// A request was answered so.
    pub fn answered(&self, status: StatusCode) {
        if let Some(place) = self.rows.statuses.iter().position(|known| *known == status) {
            self.codes[place].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many requests were answered with 200, and how many otherwise.
    pub fn answers(&self) -> [u64; 2] {
        let mut counts = self.codes.iter().map(|cell| cell.load(Ordering::Relaxed));
        [counts.next().unwrap_or_default(), counts.sum()]
    }

    /// An answer lacks what a target has.
    pub fn partial(&self) {
        self.partial.fetch_add(1, Ordering::Relaxed);
    }

    /// So many values were read for an answer.
    pub fn read(&self, values: usize) {
        self.values.fetch_add(u64::try_from(values).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Adds what was counted.
    pub fn add_to(&self, snapshot: &mut Snapshot) {
        for (status, count) in self.rows.statuses.iter().zip(&self.codes) {
            let code = status.as_str().into();
            snapshot.add(self.rows.codes, &[("code", &code)], count.load(Ordering::Relaxed));
        }
        snapshot.add(self.rows.partial, &[], self.partial.load(Ordering::Relaxed));
        snapshot.add(self.rows.values, &[], self.values.load(Ordering::Relaxed));
    }
}
