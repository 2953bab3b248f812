//! What is counted of remote read.

use std::sync::atomic::{AtomicU64, Ordering};

use coco_daemon::counters::Snapshot;
use hyper::StatusCode;

use crate::counters::table::{READ_CODES, READ_PARTIAL, READ_SAMPLES};

/// Every status of an answer; the HTTP front answers other methods and bodies that are too large by itself.
const STATUSES: [StatusCode; 5] = [
    StatusCode::OK,
    StatusCode::BAD_REQUEST,
    StatusCode::BAD_GATEWAY,
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::GATEWAY_TIMEOUT,
];

/// What is counted.
#[derive(Debug, Default)]
pub struct Counts {
    codes: [AtomicU64; STATUSES.len()],
    partial: AtomicU64,
    samples: AtomicU64,
}

impl Counts {
    /// A request was answered so.
    pub fn answered(&self, status: StatusCode) {
        if let Some(place) = STATUSES.iter().position(|known| *known == status) {
            self.codes[place].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many requests were answered with 200, and how many otherwise.
    pub fn answers(&self) -> [u64; 2] {
        let [well, ill @ ..] = &self.codes;
        let count = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        [count(well), ill.iter().map(count).sum()]
    }

    /// An answer lacks what a target has.
    pub fn partial(&self) {
        self.partial.fetch_add(1, Ordering::Relaxed);
    }

    /// So many samples are in an answer.
    pub fn sent(&self, samples: usize) {
        self.samples.fetch_add(u64::try_from(samples).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Adds what was counted.
    pub fn add_to(&self, snapshot: &mut Snapshot) {
        for (status, count) in STATUSES.iter().zip(&self.codes) {
            let code = status.as_str().into();
            snapshot.add(&READ_CODES, &[("code", &code)], count.load(Ordering::Relaxed));
        }
        snapshot.add(&READ_PARTIAL, &[], self.partial.load(Ordering::Relaxed));
        snapshot.add(&READ_SAMPLES, &[], self.samples.load(Ordering::Relaxed));
    }
}
