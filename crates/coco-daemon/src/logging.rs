//! Log lines on standard output, and fewer of them where many would say the same.

use std::io::{self, IsTerminal};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use coco_core::config::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Registry, fmt, reload};

/// Changes the level of the log of this process.
static CHANGE: OnceLock<Box<dyn Fn(LevelFilter) + Send + Sync>> = OnceLock::new();

/// Sends every event of `level` and more severe ones to standard output, one line each, coloured only on a terminal.
/// A second call in one process changes nothing.
pub fn init(level: Level) {
    let (level, handle) = reload::Layer::new(filter(level));
    let lines = fmt::layer().with_target(false).with_ansi(io::stdout().is_terminal()).with_writer(io::stdout);
    // Fails only when there is one already.
    if tracing::subscriber::set_global_default(Registry::default().with(level).with(lines)).is_ok() {
        let _ = CHANGE.set(Box::new(move |level| {
            // Fails only when the subscriber is gone, which it never is.
            let _ = handle.reload(level);
        }));
    }
}

/// Sends events of another `level` and more severe ones from now on. Without [`init`] it changes nothing.
pub fn set_level(level: Level) {
    if let Some(change) = CHANGE.get() {
        change(filter(level));
    }
}

fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    }
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
