//! Log lines on standard output, and fewer of them where many would say the same.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use coco_core::config::Level;
use tracing::level_filters::LevelFilter;

/// Sends every event of `level` and more severe ones to standard output, one line each, coloured only on a terminal.
/// A second call in one process changes nothing.
pub fn init(level: Level) {
    let level = match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .with_ansi(io::stdout().is_terminal())
        .with_writer(io::stdout)
        .finish();
    // Fails only when there is one already.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Holds back repetitions of a message: the first passes at once, then one a period.
#[derive(Debug)]
pub struct Throttle {
    period: Duration,
    last: Option<Instant>,
    suppressed: u64,
}

impl Throttle {
    /// One message a minute.
    pub const fn new() -> Self {
        Self::every(Duration::from_secs(60))
    }

    /// One message a `period`.
    pub const fn every(period: Duration) -> Self {
        Self { period, last: None, suppressed: 0 }
    }

    /// Whether a message may be logged at `now`: the number of those held back since the last, if so.
    pub fn pass(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now.saturating_duration_since(last) < self.period) {
            self.suppressed += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.suppressed))
    }
}

impl Default for Throttle {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_passes_and_then_one_a_minute_with_the_number_of_the_others() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut throttle = Throttle::new();
        assert_eq!(throttle.pass(at(0)), Some(0));
        assert_eq!(throttle.pass(at(0)), None);
        assert_eq!(throttle.pass(at(59)), None);
        assert_eq!(throttle.pass(at(60)), Some(2));
        assert_eq!(throttle.pass(at(61)), None);
        assert_eq!(throttle.pass(at(600)), Some(1));
        assert_eq!(throttle.pass(at(700)), Some(0));
    }

    #[test]
    fn time_that_went_back_holds_back() {
        let start = Instant::now();
        let mut throttle = Throttle::new();
        assert_eq!(throttle.pass(start + Duration::from_secs(100)), Some(0));
        assert_eq!(throttle.pass(start), None);
    }
}
