//! The form of a line of the log: text for people, an object for programs, or as systemd's journal takes it.

use std::env;
use std::fmt::{self, Debug};
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use coco_core::config::LogFormat;
use coco_core::text::in_json;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::{Format, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// The form of lines from now on.
#[derive(Debug, Clone)]
pub(super) struct Shape(Arc<AtomicU8>);

impl Shape {
    pub(super) fn new(format: LogFormat) -> Self {
        Self(Arc::new(AtomicU8::new(format as u8)))
    }

    pub(super) fn set(&self, format: LogFormat) {
        self.0.store(format as u8, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> LogFormat {
        let now = self.0.load(Ordering::Relaxed);
        let is_now = |format: &LogFormat| *format as u8 == now;
        [LogFormat::Json, LogFormat::Journald].into_iter().find(is_now).unwrap_or(LogFormat::Text)
    }
}

/// The format that fits where standard output leads.
pub(super) fn fitting() -> LogFormat {
    let stream = env::var("JOURNAL_STREAM").ok();
    if stream.is_some_and(|stream| is_standard_output(&stream)) {
        LogFormat::Journald
    } else {
        LogFormat::Text
    }
}

/// Whether this device and inode are those of standard output, which may have been led elsewhere since they were told
/// (systemd.exec(5)).
fn is_standard_output(stream: &str) -> bool {
    let Ok(status) = nix::sys::stat::fstat(io::stdout().as_fd()) else { return false };
    stream == format!("{}:{}", status.st_dev, status.st_ino)
}

/// Makes lines of events.
pub(super) struct Lines {
    shape: Shape,
    text: Format,
}

impl Lines {
    pub(super) fn new(shape: Shape) -> Self {
        Self { shape, text: Format::default().with_target(false) }
    }
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        match self.shape.get() {
            LogFormat::Text => self.text.format_event(context, writer, event),
            LogFormat::Journald => {
                write!(writer, "<{}>", priority(*event.metadata().level()))?;
                context.format_fields(writer.by_ref(), event)?;
                writeln!(writer)
            }
            LogFormat::Json => write_object(writer, event),
        }
    }
}

/// As syslog(3) has them.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

fn write_object(mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
    let mut time = String::new();
    SystemTime.format_time(&mut Writer::new(&mut time))?;
    let level = event.metadata().level().as_str().to_ascii_lowercase();
    let mut members = Members(Map::new());
    members.0.insert("time".to_owned(), time.into());
    members.0.insert("level".to_owned(), level.into());
    // Stands in front of the fields, whatever the order in which they come.
    members.0.insert("message".to_owned(), Value::Null);
    event.record(&mut members);
    for character in Value::Object(members.0).to_string().chars() {
        match character {
            // Nothing that does anything to a terminal, or turns the text around: other characters than those of ASCII
            // stand as JSON may have them, too.
            ' '..='~' => writer.write_char(character)?,
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
    }
    writeln!(writer)
}

/// Fields as members of an object.
struct Members(Map<String, Value>);

impl Members {
    fn add(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Members {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value);
    }

    /// Names, which are bytes.
    fn record_bytes(&mut self, field: &Field, value: &[u8]) {
        self.add(field, in_json(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use tracing::{error, info, warn};
    use tracing_subscriber::fmt::layer;
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::registry;

    use super::super::fields::{Fields, Memory};
    use super::*;

    fn logged(format: LogFormat, log: impl FnOnce()) -> String {
        let memory = Memory::default();
        let written = memory.clone();
        let lines = Lines::new(Shape::new(format));
        let layer = layer().with_ansi(false).fmt_fields(Fields).event_format(lines);
        let layer = layer.with_writer(move || memory.clone());
        tracing::subscriber::with_default(registry().with(layer), log);
        written.text()
    }

    #[test]
    fn an_object_has_time_level_message_and_fields_with_their_types() {
        let line = logged(LogFormat::Json, || {
            warn!(count = 7, rate = 0.5, is_up = true, host = &b"h\xe9"[..], path = "/\u{9b}\"\n\u{1f980}", cause = %"why", "odd\n{}", 1);
        });
        assert!(line.is_ascii() && line.ends_with("}\n") && line.lines().count() == 1, "{line}");
        let object: Map<_, _> = serde_json::from_str(&line).unwrap();
        let keys: Vec<_> = object.keys().map(String::as_str).collect();
        assert_eq!(keys, ["time", "level", "message", "count", "rate", "is_up", "host", "path", "cause"]);
        let time = object["time"].as_str().unwrap();
        assert!(time.len() == 27 && time.contains('T') && time.ends_with('Z'), "{time}");
        let mut object = Value::Object(object);
        object["time"].take();
        let expected = serde_json::json!({
            "time": null, "level": "warn", "message": "odd\n1", "count": 7, "rate": 0.5, "is_up": true,
            "host": "h\0e9", "path": "/\u{9b}\"\n\u{1f980}", "cause": "why",
        });
        assert_eq!(object, expected);
    }

    #[test]
    fn the_journal_gets_a_priority_and_no_time() {
        let lines = logged(LogFormat::Journald, || {
            error!("of no use");
            warn!(host = "a\n<0>b", "odd");
            info!("well");
            tracing::debug!("why");
        });
        assert_eq!(lines, "<3>of no use\n<4>odd host=\"a\\n<0>b\"\n<6>well\n<7>why\n");
    }

    #[test]
    fn text_has_time_and_level() {
        let line = logged(LogFormat::Text, || info!(count = 1, "well"));
        let (time, rest) = line.split_once(' ').unwrap();
        assert!(time.ends_with('Z') && time.len() == 27, "{line}");
        assert_eq!(rest, " INFO well count=1\n");
    }

    #[test]
    fn only_what_standard_output_is_can_be_the_journal() {
        let status = nix::sys::stat::fstat(io::stdout().as_fd()).unwrap();
        assert!(is_standard_output(&format!("{}:{}", status.st_dev, status.st_ino)));
        for other in [format!("{}:{}", status.st_dev, status.st_ino + 1), String::new(), "1".to_owned()] {
            assert!(!is_standard_output(&other), "{other}");
        }
    }
}
