//! Whether the stages go on: each leaves a sign whenever it wakes up, which it does twice a second without work, too.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The time without a sign after which a stage is taken to hang. It may have waited for a full queue, or for the
/// processor.
const PATIENCE: Duration = Duration::from_secs(1);

/// The signs of one stage, which it alone writes, in cache lines of their own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Heartbeat(AtomicU64);

impl Heartbeat {
    /// Leaves a sign.
    #[inline]
    pub fn beat(&self) {
        // No one else writes it, so nothing needs to be locked.
        self.0.store(self.0.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Number of signs so far.
    pub fn beats(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Watches over stages.
#[derive(Debug)]
pub struct Watch {
    stages: Vec<Watched>,
}

#[derive(Debug)]
struct Watched {
    name: String,
    heartbeat: Arc<Heartbeat>,
    /// Number of signs when it was last looked at.
    beats: u64,
    /// When there were fewer.
    since: Instant,
}

impl Watch {
    /// Over these, by their names.
    pub fn new(stages: Vec<(String, Arc<Heartbeat>)>, now: Instant) -> Self {
        let watched = |(name, heartbeat)| Watched { name, heartbeat, beats: 0, since: now };
        Self { stages: stages.into_iter().map(watched).collect() }
    }

    /// The name of a stage that has left no sign for a second, if there is one.
    pub fn hangs(&mut self, now: Instant) -> Option<&str> {
        let mut hangs = None;
        for stage in &mut self.stages {
            let beats = stage.heartbeat.beats();
            if beats != stage.beats {
                (stage.beats, stage.since) = (beats, now);
            } else if now.saturating_duration_since(stage.since) > PATIENCE {
                hangs = hangs.or(Some(stage.name.as_str()));
            }
        }
        hangs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_without_a_sign_for_a_second_hangs_until_it_leaves_one() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let [one, other] = [(); 2].map(|()| Arc::new(Heartbeat::default()));
        let stages = vec![("one".to_owned(), Arc::clone(&one)), ("other".to_owned(), Arc::clone(&other))];
        let mut watch = Watch::new(stages, start);
        assert_eq!(watch.hangs(at(1000)), None);
        assert_eq!(watch.hangs(at(1001)), Some("one"));
        one.beat();
        assert_eq!(watch.hangs(at(1500)), Some("other"));
        other.beat();
        assert_eq!(watch.hangs(at(2000)), None);
        for half_seconds in 5..20 {
            other.beat();
            assert_eq!(watch.hangs(at(half_seconds * 500 + 1)), Some("one"), "{half_seconds}");
        }
    }
}
