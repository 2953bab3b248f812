//! Flap damping: how unsteady something is, as RFC 2439 has it for routes.
//!
//! Every transition adds 1 to a penalty, which halves with every half-life. What has come above the suppress limit is
//! suppressed until the penalty falls below the reuse limit, which is lower: at one limit, suppression itself would
//! flap. A ceiling bounds how long the past counts.
//!
//! ```text
//! penalty
//!   16 ........................ ceiling
//!
//!    4 ....../|................ suppress: from here on
//!          /| | \
//!    2 .. / |/    `-._......... reuse: until here
//!        |             `--..__
//!      --+-----+----+--------------- time
//! ```

use std::time::{Duration, Instant};

/// When something is unsteady, and for how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// The time in which a penalty halves; not zero.
    pub half_life: Duration,
    /// Suppressed is what gets above.
    pub suppress: f64,
    /// Suppressed no longer is what gets below; more than 0, less than `suppress`.
    pub reuse: f64,
    /// The penalty gets no higher; more than `suppress`. Behind the last transition nothing is suppressed for longer
    /// than `half_life * log2(ceiling / reuse)`.
    pub ceiling: f64,
}

impl Limits {
    /// The fifth transition within less than a half-life suppresses (two restarts do not), for three half-lives behind
    /// the last one at most. What changes less often than every half-life or so is never suppressed.
    pub const fn with_half_life(half_life: Duration) -> Self {
        Self { half_life, suppress: 4.0, reuse: 2.0, ceiling: 16.0 }
    }
}

/// The penalty of one thing. Times are passed in; one that lies before an earlier one counts as the same.
#[derive(Debug, Clone)]
pub struct Damping {
    limits: Limits,
    /// At the last transition, itself included.
    penalty: f64,
    last: Option<Instant>,
    /// At the last transition, itself included.
    suppressed: bool,
}

impl Damping {
    /// Steady so far.
    pub const fn new(limits: Limits) -> Self {
        Self { limits, penalty: 0.0, last: None, suppressed: false }
    }

    /// A transition, of whatever kind.
    pub fn transition(&mut self, now: Instant) {
        let was_suppressed = self.is_suppressed(now);
        self.penalty = (self.penalty(now) + 1.0).min(self.limits.ceiling);
        self.last = self.last.max(Some(now));
        self.suppressed = was_suppressed || self.penalty > self.limits.suppress;
    }

    /// The penalty: from 0 to the ceiling.
    pub fn penalty(&self, now: Instant) -> f64 {
        let passed = self.last.map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        self.penalty * (-passed.div_duration_f64(self.limits.half_life)).exp2()
    }

    /// Whether it is too unsteady to count on.
    pub fn is_suppressed(&self, now: Instant) -> bool {
        self.suppressed && self.penalty(now) >= self.limits.reuse
    }

    /// When it will no longer be suppressed if nothing happens; none when it is not.
    pub fn calm_at(&self) -> Option<Instant> {
        let half_lives = (self.penalty / self.limits.reuse).log2();
        // A moment later, so that rounding can't make it too early.
        let calm = self.last? + self.limits.half_life.mul_f64(half_lives.max(0.0)) + Duration::from_millis(1);
        self.suppressed.then_some(calm)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits = Limits::with_half_life(Duration::from_secs(300));

    /// After transitions with these milliseconds between them, and the time of the last.
    fn after(gaps: &[u32]) -> (Damping, Instant) {
        let (mut damping, mut now) = (Damping::new(LIMITS), Instant::now());
        for gap in gaps {
            now += Duration::from_millis((*gap).into());
            damping.transition(now);
        }
        (damping, now)
    }

    fn gaps() -> impl Strategy<Value = Vec<u32>> {
        // From bursts to many half-lives of quiet.
        proptest::collection::vec(prop_oneof![0..50_u32, 0..60_000_u32, 0..3_000_000_u32], 0..60)
    }

    proptest! {
        #[test]
        fn a_penalty_is_never_negative_nor_above_the_ceiling(gaps in gaps(), later in any::<u32>()) {
            let (damping, now) = after(&gaps);
            for now in [now, now + Duration::from_millis(later.into())] {
                prop_assert!((0.0..=LIMITS.ceiling).contains(&damping.penalty(now)));
            }
        }

        #[test]
        fn it_decays_monotonically_by_half_every_half_life(gaps in gaps(), times in proptest::collection::vec(any::<u32>(), 2)) {
            let (damping, now) = after(&gaps);
            let at = |milliseconds: u32| now + Duration::from_millis(milliseconds.into());
            let (early, late) = (at(times[0].min(times[1])), at(times[0].max(times[1])));
            prop_assert!(damping.penalty(late) <= damping.penalty(early));
            let halved = damping.penalty(early + LIMITS.half_life);
            prop_assert!((halved - damping.penalty(early) / 2.0).abs() < 1e-9);
        }

        #[test]
        fn another_transition_never_lowers_it(gaps in gaps(), gap in any::<u32>()) {
            let (mut damping, now) = after(&gaps);
            let now = now + Duration::from_millis(gap.into());
            let (penalty, suppressed) = (damping.penalty(now), damping.is_suppressed(now));
            damping.transition(now);
            prop_assert!(damping.penalty(now) >= penalty);
            prop_assert!(damping.is_suppressed(now) || !suppressed);
        }

        /// Against the rule as the RFC tells it, step by step.
        #[test]
        fn suppression_begins_above_one_limit_and_ends_below_the_other(gaps in gaps()) {
            let (mut damping, mut now) = (Damping::new(LIMITS), Instant::now());
            let (mut penalty, mut suppressed) = (0.0_f64, false);
            for gap in gaps {
                now += Duration::from_millis(gap.into());
                penalty *= (-f64::from(gap) / 300_000.0).exp2();
                suppressed &= penalty >= LIMITS.reuse;
                prop_assert_eq!(damping.is_suppressed(now), suppressed);
                damping.transition(now);
                penalty = (penalty + 1.0).min(LIMITS.ceiling);
                suppressed |= penalty > LIMITS.suppress;
                prop_assert_eq!(damping.is_suppressed(now), suppressed);
                prop_assert!((damping.penalty(now) - penalty).abs() < 1e-6);
            }
        }

        #[test]
        fn it_calms_when_it_says_and_within_three_half_lives(gaps in gaps()) {
            let (damping, now) = after(&gaps);
            let calm = damping.calm_at();
            prop_assert_eq!(calm.is_some(), damping.is_suppressed(now));
            if let Some(calm) = calm {
                prop_assert!(!damping.is_suppressed(calm));
                prop_assert!(damping.is_suppressed(calm.checked_sub(Duration::from_millis(3)).unwrap().max(now)) || calm < now + Duration::from_millis(3));
                prop_assert!(calm <= now + 3 * LIMITS.half_life + Duration::from_millis(1));
            }
        }
    }

    #[test]
    fn two_restarts_are_no_flapping_and_a_third_is() {
        let (two, now) = after(&[0, 10_000, 60_000, 10_000]);
        assert!(!two.is_suppressed(now));
        let (three, now) = after(&[0, 10_000, 60_000, 10_000, 60_000]);
        assert!(three.is_suppressed(now));
    }

    #[test]
    fn what_changes_every_half_life_is_never_suppressed() {
        let (damping, now) = after(&[300_000; 1000]);
        assert!(!damping.is_suppressed(now));
    }

    #[test]
    fn a_time_that_went_back_counts_as_the_same() {
        let (mut damping, now) = after(&[0, 0]);
        damping.transition(now.checked_sub(Duration::from_secs(1)).unwrap());
        assert_eq!(damping.penalty(now), 3.0);
    }
}
