//! `/healthz`: 200 while every stage runs, 503 while stopping or when one hangs or has died.

use crate::heartbeat::Watch;
use coco_core::tier::Tiers;
use coco_daemon::http::{Response, body};
use hyper::StatusCode;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tracing::{error, info};

/// What a process says of itself.
#[derive(Debug, Default)]
pub struct Health {
    /// Set when others are to look elsewhere: a stop is near.
    pub draining: Arc<AtomicBool>,
    /// Set when the lanes are to stop.
    pub stopping: Arc<AtomicBool>,
    /// Set when a thread that carries stages has ended before that.
    pub dead: AtomicBool,
    hangs: AtomicBool,
}

impl Health {
    /// Takes note of whether a stage hangs, and returns whether none does.
    pub fn look(&self, stages: &mut Watch, now: Instant) -> bool {
        let stage = stages.hangs(now);
        let hung = self.hangs.swap(stage.is_some(), Ordering::Relaxed);
        match stage {
            Some(stage) if !hung => error!(stage, "a stage hangs"),
            None if hung => info!("all stages go on"),
            _ => {}
        }
        stage.is_none()
    }

    /// `last_datagram_age` is in seconds. It is told, not judged: nobody knows how often agents send.
    pub(super) fn answer(&self, tiers: &Tiers, last_datagram_age: u64) -> Response {
        let (status, state) = if self.dead.load(Ordering::Relaxed) {
            (StatusCode::SERVICE_UNAVAILABLE, "a stage has died")
        } else if self.stopping.load(Ordering::Relaxed) {
            (StatusCode::SERVICE_UNAVAILABLE, "stopping")
        } else if self.draining.load(Ordering::Relaxed) {
            (StatusCode::SERVICE_UNAVAILABLE, "draining")
        } else if self.hangs.load(Ordering::Relaxed) {
            (StatusCode::SERVICE_UNAVAILABLE, "a stage hangs")
        } else {
            (StatusCode::OK, "ok")
        };
        let fingerprint = tiers.fingerprint().to_string();
        let body =
            json!({ "status": state, "fingerprint": fingerprint, "last_datagram_age": last_datagram_age });
        body::json_with_status(status, &body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heartbeat::Heartbeat;
    use coco_core::tier::{Target, Tier};
    use http_body_util::BodyExt;
    use std::time::Duration;

    #[test]
    fn whoever_balances_load_sees_trouble_by_the_status() {
        let target = Target { name: "a:1".to_owned(), address: "a:1".parse().unwrap(), fetch: None };
        let tiers = Tiers::new(vec![Tier::new("t".to_owned(), vec![target], None).unwrap()]).unwrap();
        let health = Health::default();
        let ask = || {
            let (head, body) = health.answer(&tiers, 7).into_parts();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let body = runtime.block_on(body.collect()).unwrap().to_bytes();
            (head.status.as_u16(), String::from_utf8(body.to_vec()).unwrap())
        };
        let expected = |state: &str| {
            let fingerprint = tiers.fingerprint().to_string();
            let body = json!({ "status": state, "fingerprint": fingerprint, "last_datagram_age": 7 });
            format!("{body}\n")
        };
        assert_eq!(ask(), (200, expected("ok")));
        let start = Instant::now();
        let heartbeat = Arc::<Heartbeat>::default();
        let mut stages = Watch::new(vec![("filter 0".to_owned(), Arc::clone(&heartbeat))], start);
        assert!(!health.look(&mut stages, start + Duration::from_secs(2)));
        assert_eq!(ask(), (503, expected("a stage hangs")));
        heartbeat.beat();
        assert!(health.look(&mut stages, start + Duration::from_secs(3)));
        assert_eq!(ask(), (200, expected("ok")));
        health.draining.store(true, Ordering::Relaxed);
        assert_eq!(ask(), (503, expected("draining")));
        health.stopping.store(true, Ordering::Relaxed);
        assert_eq!(ask(), (503, expected("stopping")));
        health.dead.store(true, Ordering::Relaxed);
        assert_eq!(ask(), (503, expected("a stage has died")));
    }
}
