//! What is counted of Graphite's clients.

use std::sync::atomic::{AtomicU64, Ordering};

use coco_daemon::counters::Snapshot;
use hyper::StatusCode;

use crate::counters::table::{GRAPHITE_CODES, GRAPHITE_PARTIAL, GRAPHITE_POINTS};

/// Every status of an answer; the HTTP front answers other methods and forms that are none by itself.
const STATUSES: [StatusCode; 8] = [
    StatusCode::OK,
    StatusCode::BAD_REQUEST,
    StatusCode::FORBIDDEN,
    StatusCode::NOT_FOUND,
    StatusCode::URI_TOO_LONG,
    StatusCode::BAD_GATEWAY,
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::GATEWAY_TIMEOUT,
];

/// What is counted.
#[derive(Debug, Default)]
pub struct Counts {
    codes: [AtomicU64; STATUSES.len()],
    partial: AtomicU64,
    points: AtomicU64,
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
        let counts = STATUSES.iter().zip(&self.codes);
        counts.fold([0; 2], |[well, ill], (status, count)| {
            let count = count.load(Ordering::Relaxed);
            if *status == StatusCode::OK { [well + count, ill] } else { [well, ill + count] }
        })
    }

    /// An answer lacks what a target has.
    pub fn partial(&self) {
        self.partial.fetch_add(1, Ordering::Relaxed);
    }

    /// So many values were read.
    pub fn fetched(&self, points: usize) {
        self.points.fetch_add(u64::try_from(points).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Adds what was counted.
    pub fn add_to(&self, snapshot: &mut Snapshot) {
        for (status, count) in STATUSES.iter().zip(&self.codes) {
            let code = status.as_str().into();
            snapshot.add(&GRAPHITE_CODES, &[("code", &code)], count.load(Ordering::Relaxed));
        }
        snapshot.add(&GRAPHITE_PARTIAL, &[], self.partial.load(Ordering::Relaxed));
        snapshot.add(&GRAPHITE_POINTS, &[], self.points.load(Ordering::Relaxed));
    }
}
