//! `/healthz`: 200 while every stage runs, 503 while stopping or when one hangs or has died.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tracing::{error, info};

use crate::lane::Watch;

/// The health of a process.
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

    /// Why no more should be sent here; none while all is well.
    pub(super) fn trouble(&self) -> Option<&'static str> {
        let is_set = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        if is_set(&self.dead) {
            Some("a stage has died")
        } else if is_set(&self.stopping) {
            Some("stopping")
        } else if is_set(&self.draining) {
            Some("draining")
        } else if is_set(&self.hangs) {
            Some("a stage hangs")
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::lane::Heartbeat;

    #[test]
    fn whoever_balances_load_hears_of_the_worst_trouble() {
        let health = Health::default();
        assert_eq!(health.trouble(), None);
        let start = Instant::now();
        let heartbeat = Arc::<Heartbeat>::default();
        let mut stages = Watch::new(vec![("filter 0".to_owned(), Arc::clone(&heartbeat))], start);
        assert!(!health.look(&mut stages, start + Duration::from_secs(2)));
        assert_eq!(health.trouble(), Some("a stage hangs"));
        heartbeat.beat();
        assert!(health.look(&mut stages, start + Duration::from_secs(3)));
        assert_eq!(health.trouble(), None);
        health.draining.store(true, Ordering::Relaxed);
        assert_eq!(health.trouble(), Some("draining"));
        health.stopping.store(true, Ordering::Relaxed);
        assert_eq!(health.trouble(), Some("stopping"));
        health.dead.store(true, Ordering::Relaxed);
        assert_eq!(health.trouble(), Some("a stage has died"));
    }
}
