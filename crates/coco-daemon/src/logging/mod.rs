//! Log lines on standard output, and fewer of them where many would say the same.
//!
//! The log is outside of the data path: nobody who logs waits for whoever reads. Lines stand in a queue, and what does
//! not fit is lost and counted.

//!
//! - `passes` tells which events become lines, [`ACCESS`] among them;
//! - `shape` is what a line is, `fields` what stands in one of text;
//! - `queue` hands lines over to whoever reads them.

mod fields;
mod passes;
mod queue;
mod shape;

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal, Write};
use std::panic::PanicHookInfo;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use coco_core::config::{Level, Log as Settings, LogFormat, Program};
use tracing::level_filters::LevelFilter;
use tracing::{Metadata, error, warn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Registry, fmt, reload};

use crate::counters::{Definition, Snapshot};
use fields::Fields;
use passes::Passes;
use queue::{Queue, StandardOutput};
use shape::Shape;

/// The target of events that are the access log.
pub const ACCESS: &str = "access";

/// The log of this process.
static LOG: OnceLock<Log> = OnceLock::new();

struct Log {
    change: Box<dyn Fn(Passes) + Send + Sync>,
    shape: Shape,
    lines: Queue,
}

static COCO: Definition = Definition::counter(&["coco", "errors", "log.dropped"], DROPPED);
static NOODLE: Definition = Definition::counter(&["noodle", "errors", "log.dropped"], DROPPED);
const DROPPED: &str = "Lines of the log that were lost because nobody read standard output in time, or it could not be written to.";

/// The row of a program's table that counts lost lines of its log.
pub fn definition(program: Program) -> &'static Definition {
    match program {
        Program::Coco => &COCO,
        Program::Noodle => &NOODLE,
    }
}

/// Adds what was lost of the log of this process.
pub fn add_to(snapshot: &mut Snapshot, program: Program) {
    snapshot.add(definition(program), &[], LOG.get().map_or(0, |log| log.lines.dropped()));
}

/// Sends every event of a level and more severe ones to standard output, one line each, coloured only on a terminal; and
/// those of the access log, if it is wanted. Panics become such lines, too: what the standard library does with them waits
/// for whoever reads standard error. A second call in one process changes nothing. Fails when there is no thread for it.
pub fn init(settings: &Settings) -> io::Result<()> {
    let (passes, handle) = reload::Layer::new(passes(settings));
    let resumed = |lost| warn!(lost, "lines of the log were lost: standard output was not read in time");
    let queue = Queue::start(StandardOutput, resumed)?;
    let shape = Shape::new(format(settings));
    let lines = fmt::layer()
        .fmt_fields(Fields)
        .with_ansi(io::stdout().is_terminal())
        // It would say so on standard error, and wait.
        .log_internal_errors(false)
        .event_format(shape::Lines::new(shape.clone()))
        .with_writer(Lines(queue.clone()));
    // Fails only when there is one already.
    if tracing::subscriber::set_global_default(Registry::default().with(passes).with(lines)).is_ok() {
        // Fails only when the subscriber is gone, which it never is.
        let change = Box::new(move |passes| _ = handle.reload(passes));
        let _ = LOG.set(Log { change, shape, lines: queue });
        std::panic::set_hook(Box::new(log_panic));
    }
    Ok(())
}

/// Goes by other settings from now on. Without [`init`] it changes nothing.
pub fn change(settings: &Settings) {
    if let Some(log) = LOG.get() {
        (log.change)(passes(settings));
        log.shape.set(format(settings));
    }
}

fn passes(settings: &Settings) -> Passes {
    Passes { level: filter(settings.level), access: settings.access }
}

fn format(settings: &Settings) -> LogFormat {
    settings.format.unwrap_or_else(shape::fitting)
}

/// The time that the end of a process waits for whoever reads its log, or why it ends.
pub(crate) const LAST_WORDS: Duration = Duration::from_millis(500);

/// Waits until all lines have been written, half a second at most. For the end of the process.
pub fn finish() {
    if let Some(log) = LOG.get() {
        log.lines.finish(LAST_WORDS);
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

/// Makes a writer for each event.
struct Lines(Queue);

struct Line<'a> {
    queue: &'a Queue,
    may_fill: bool,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { queue: &self.0, may_fill: true }
    }

    /// Clients make as many lines of the access log as they like: there is always room for what else is to be said.
    fn make_writer_for(&'a self, event: &Metadata<'_>) -> Line<'a> {
        Line { may_fill: event.target() != ACCESS, ..self.make_writer() }
    }
}

impl Write for Line<'_> {
    /// Events come whole.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.may_fill {
            self.queue.push(line);
        } else {
            self.queue.push_aside(line);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One a second: a stage that panics goes on, and may meet the same datagram again.
static PANICS: Mutex<Throttle> = Mutex::new(Throttle::every(Duration::from_secs(1)));

/// The message of a panic, if it has one.
pub fn panic_message(payload: &(dyn Any + Send)) -> &str {
    let formatted = || payload.downcast_ref::<String>().map(String::as_str);
    payload.downcast_ref::<&str>().copied().or_else(formatted).unwrap_or("no message")
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let passed = PANICS.lock().unwrap_or_else(PoisonError::into_inner).pass(Instant::now());
    let Some(suppressed) = passed else { return };
    let thread = std::thread::current();
    let (thread, message) = (thread.name().unwrap_or_default(), panic_message(panic.payload()));
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    error!(thread, place, message, suppressed, "a panic");
    let trace = Backtrace::capture();
    if let (BacktraceStatus::Captured, Some(log)) = (trace.status(), LOG.get()) {
        match log.shape.get() {
            LogFormat::Text => log.lines.push(trace.to_string().as_bytes()),
            LogFormat::Json | LogFormat::Journald => error!(%trace, "where the panic came from"),
        }
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
