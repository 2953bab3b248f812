//! Whether a target can be counted on: up, down or flapping, and what of it belongs into the log.

use std::fmt;
use std::time::{Duration, Instant};

use crate::damping::{Damping, Limits};

/// The half-life of a target's past, in [recovery times](Health::new).
const HALF_LIFE: u32 = 30;

/// The condition of a target. One that was not tried yet has none; each daemon has its own word for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Nothing goes wrong.
    Up,
    /// Something goes wrong.
    Down,
    /// It goes from one to the other too often.
    Flapping,
}

impl Condition {
    /// Every condition.
    pub const ALL: [Self; 3] = [Self::Up, Self::Down, Self::Flapping];

    /// The name in `/tiers` and `/metrics`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Flapping => "flapping",
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// News for the operator: not every transition of a target that flaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// It went down.
    Down,
    /// It came up.
    Up,
    /// It flaps; what it does from now on is not told until it is calm.
    Flaps,
    /// It flaps no longer, and is [`Condition::Up`] or [`Condition::Down`].
    Calm(Condition),
}

/// The health of one target. Times are passed in.
#[derive(Debug, Clone)]
pub struct Health {
    recovery: Duration,
    damping: Damping,
    is_down: bool,
    /// When something went wrong last.
    fault: Option<Instant>,
    /// Whether it was told that it flaps.
    told: bool,
}

impl Health {
    /// Up. Once down, it is up again when something goes well and nothing has gone wrong for a `recovery`.
    ///
    /// It flaps from the third time that it goes down within some 20 recoveries, and is calm when it has kept still for
    /// 30 to 90 of them, by how long it went on (see [`Limits::with_half_life`]).
    pub const fn new(recovery: Duration) -> Self {
        let limits = Limits::with_half_life(recovery.saturating_mul(HALF_LIFE));
        Self { recovery, damping: Damping::new(limits), is_down: false, fault: None, told: false }
    }

    /// Something goes wrong.
    pub fn fault(&mut self, now: Instant) -> Option<News> {
        self.fault = self.fault.max(Some(now));
        let goes_down = !std::mem::replace(&mut self.is_down, true);
        self.after(goes_down, now)
    }

    /// Something goes well.
    pub fn success(&mut self, now: Instant) -> Option<News> {
        let quiet = self.fault.is_none_or(|fault| now.saturating_duration_since(fault) >= self.recovery);
        let comes_up = self.is_down && quiet;
        self.is_down &= !quiet;
        self.after(comes_up, now)
    }

    /// Time has passed. What flaps becomes calm by that alone, see [`calm_at`](Self::calm_at).
    pub fn look(&mut self, now: Instant) -> Option<News> {
        self.after(false, now)
    }

    fn after(&mut self, is_transition: bool, now: Instant) -> Option<News> {
        if is_transition {
            self.damping.transition(now);
        }
        let flaps = self.damping.is_suppressed(now);
        match (std::mem::replace(&mut self.told, flaps), flaps) {
            (false, true) => Some(News::Flaps),
            (true, true) => None,
            (true, false) => Some(News::Calm(self.condition(now))),
            (false, false) if !is_transition => None,
            (false, false) => Some(if self.is_down { News::Down } else { News::Up }),
        }
    }

    /// The condition that all of it comes to.
    pub fn condition(&self, now: Instant) -> Condition {
        match self.is_down {
            _ if self.damping.is_suppressed(now) => Condition::Flapping,
            true => Condition::Down,
            false => Condition::Up,
        }
    }

    /// Whether something goes wrong, be it that it flaps.
    pub fn is_down(&self) -> bool {
        self.is_down
    }

    /// The penalty for flapping: 1 for each time that it went down or came up, which halves every 30 recoveries. It
    /// flaps above 4, and until it is below 2.
    pub fn flap_penalty(&self, now: Instant) -> f64 {
        self.damping.penalty(now)
    }

    /// When to [`look`](Self::look) at it because it will be calm; none when it does not flap.
    pub fn calm_at(&self) -> Option<Instant> {
        self.damping.calm_at().filter(|_| self.told)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RECOVERY: Duration = Duration::from_secs(10);

    #[test]
    fn one_line_down_and_one_up_however_much_goes_wrong() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut health = Health::new(RECOVERY);
        assert_eq!((health.success(at(0)), health.condition(at(0))), (None, Condition::Up));
        assert_eq!(health.fault(at(1)), Some(News::Down));
        for now in (1..500).map(at) {
            assert_eq!(
                (health.fault(now), health.success(now), health.condition(now)),
                (None, None, Condition::Down)
            );
        }
        assert_eq!(health.success(at(508)), None);
        assert_eq!((health.success(at(509)), health.condition(at(509))), (Some(News::Up), Condition::Up));
        assert_eq!(health.success(at(510)), None);
    }

    #[test]
    fn what_flaps_is_told_once_and_once_that_it_is_calm() {
        let mut now = Instant::now();
        let mut health = Health::new(RECOVERY);
        let mut news = Vec::new();
        for _ in 0..50 {
            news.extend(health.fault(now));
            now += RECOVERY;
            news.extend(health.success(now));
        }
        assert_eq!(news, [News::Down, News::Up, News::Down, News::Up, News::Flaps]);
        assert_eq!((health.condition(now), health.is_down()), (Condition::Flapping, false));
        let calm = health.calm_at().unwrap();
        let limits = Limits::with_half_life(HALF_LIFE * RECOVERY);
        assert!(health.flap_penalty(now) > limits.suppress && health.flap_penalty(calm) < limits.reuse);
        assert_eq!(health.look(now), None);
        assert_eq!(
            (health.look(calm), health.condition(calm)),
            (Some(News::Calm(Condition::Up)), Condition::Up)
        );
        assert_eq!((health.look(calm), health.calm_at()), (None, None));
    }

    #[test]
    fn what_becomes_calm_unseen_is_told_with_what_it_does_next() {
        let mut now = Instant::now();
        let mut health = Health::new(RECOVERY);
        for _ in 0..3 {
            health.fault(now);
            now += RECOVERY;
            health.success(now);
        }
        now += 100 * HALF_LIFE * RECOVERY;
        assert_eq!(health.fault(now), Some(News::Calm(Condition::Down)));
        assert_eq!(health.fault(now), None);
    }

    proptest! {
        /// Whatever happens, what is told makes sense read from top to bottom, and ends where the condition is.
        #[test]
        fn the_news_tell_the_condition(steps in proptest::collection::vec((0..3_u8, 0..40_000_u64), 0..200)) {
            let mut now = Instant::now();
            let mut health = Health::new(RECOVERY);
            let mut told = Condition::Up;
            for (step, gap) in steps {
                now += Duration::from_millis(gap);
                let news = match step {
                    0 => health.fault(now),
                    1 => health.success(now),
                    _ => health.look(now),
                };
                told = match (told, news) {
                    (_, None) => told,
                    (Condition::Up, Some(News::Down)) => Condition::Down,
                    (Condition::Down, Some(News::Up)) => Condition::Up,
                    (Condition::Up | Condition::Down, Some(News::Flaps)) => Condition::Flapping,
                    (Condition::Flapping, Some(News::Calm(state))) => state,
                    (told, news) => panic!("{news:?} behind {told:?}"),
                };
                prop_assert_eq!(told, health.condition(now));
            }
        }
    }
}
