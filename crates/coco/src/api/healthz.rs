//! `/healthz`: 200 while every stage runs, 503 while stopping or when one has died.

use coco_core::tier::Tiers;
use coco_daemon::http::{Response, body};
use hyper::StatusCode;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a process says of itself.
#[derive(Debug, Default)]
pub struct Health {
    /// Set when the lanes are to stop.
    pub stopping: Arc<AtomicBool>,
    /// Set when a thread that carries stages has ended before that.
    pub dead: AtomicBool,
}

impl Health {
    pub(super) fn answer(&self, tiers: &Tiers) -> Response {
        let (status, state) = if self.dead.load(Ordering::Relaxed) {
            (StatusCode::SERVICE_UNAVAILABLE, "a stage has died")
        } else if self.stopping.load(Ordering::Relaxed) {
            (StatusCode::SERVICE_UNAVAILABLE, "stopping")
        } else {
            (StatusCode::OK, "ok")
        };
        let fingerprint = tiers.fingerprint().to_string();
        body::json_with_status(status, &json!({ "status": state, "fingerprint": fingerprint }))
    }
}
