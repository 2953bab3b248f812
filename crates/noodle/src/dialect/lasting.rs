//! What stays over reloads with whoever answers in a dialect.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::counts::{Counts, Rows};
use crate::budget::turns::Turns;

/// Which time it is.
#[derive(Debug, Clone, Copy)]
pub struct Clock(fn() -> SystemTime);

impl Clock {
    /// That of the system.
    pub const SYSTEM: Self = Self(SystemTime::now);

    /// Another one.
    pub fn new(clock: fn() -> SystemTime) -> Self {
        Self(clock)
    }

    /// Now, in Unix seconds.
    pub fn seconds(self) -> i64 {
        let now = (self.0)().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        i64::try_from(now).unwrap_or(i64::MAX)
    }
}

/// What stays.
#[derive(Debug, Clone)]
pub struct Lasting {
    /// By which questions are understood.
    pub clock: Clock,
    /// For what takes processor time.
    pub turns: Arc<Turns>,
    /// What is counted.
    pub counts: Arc<Counts>,
}

impl Lasting {
    /// From the start, by the clock of the system, counted in these rows.
    pub fn new(rows: &'static Rows) -> Self {
        Self { clock: Clock::SYSTEM, turns: Arc::default(), counts: Arc::new(Counts::new(rows)) }
    }
}
