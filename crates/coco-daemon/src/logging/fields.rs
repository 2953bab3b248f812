//! The rest of a line behind the level: the message, and fields that nobody can forge.
//!
//! A field's value is in quotes unless it is one plain word, and what is not printable in it is escaped, whoever chose
//! it.

use std::fmt::{self, Debug};

use coco_core::text::{Line, Quoted};
use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

#[derive(Debug)]
pub(super) struct Fields;

impl<'w> FormatFields<'w> for Fields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut visitor = Visitor { writer, is_first: true, result: Ok(()) };
        fields.record(&mut visitor);
        visitor.result
    }
}

struct Visitor<'w> {
    writer: Writer<'w>,
    is_first: bool,
    result: fmt::Result,
}

impl Visitor<'_> {
    fn write(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let space = if std::mem::take(&mut self.is_first) { "" } else { " " };
        let (italic, dimmed, plain) = if self.writer.has_ansi_escapes() {
            ("\x1b[3m", "\x1b[0m\x1b[2m", "\x1b[0m")
        } else {
            ("", "", "")
        };
        let written = match field.name() {
            "message" => write!(self.writer, "{space}{value}"),
            name => write!(self.writer, "{space}{italic}{name}{dimmed}={plain}{value}"),
        };
        self.result = self.result.and(written);
    }
}

impl Visit for Visitor<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_bytes(field, value.as_bytes());
    }

    fn record_bytes(&mut self, field: &Field, value: &[u8]) {
        self.write(field, format_args!("{}", Quoted(value)));
    }

    /// Numbers, and whatever else was given for its `Display` or `Debug`.
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.write(field, format_args!("{}", Line(&text)));
        } else if is_word(&text) {
            self.write(field, format_args!("{text}"));
        } else {
            self.write(field, format_args!("{}", Quoted(text.as_bytes())));
        }
    }
}

/// Whether a value can't be taken for more than one, or for part of one.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() && !['"', '\\', '='].contains(&c))
}

/// Lines that were logged, for tests.
#[cfg(test)]
#[derive(Clone, Default)]
pub(super) struct Memory(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

#[cfg(test)]
impl Memory {
    pub(super) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[cfg(test)]
impl std::io::Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tracing::warn;
    use tracing_subscriber::fmt::layer;
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::registry;

    use super::*;

    fn logged(log: impl FnOnce()) -> String {
        let memory = Memory::default();
        let written = memory.clone();
        let layer = layer().with_target(false).without_time().with_ansi(false).fmt_fields(Fields);
        let layer = layer.with_writer(move || memory.clone());
        tracing::subscriber::with_default(registry().with(layer), log);
        written.text()
    }

    #[test]
    fn values_of_strangers_are_quoted_and_escaped() {
        let forged = "a\u{9b}31m\u{202e}b\u{2028}c\" target=x\n";
        let escaped = r#""a\u{9b}31m\u{202e}b\u{2028}c\" target=x\n""#;
        let line =
            logged(|| warn!(host = &b"h\xe9"[..], text = forged, cause = %forged, count = 7, "of {forged}"));
        let message = r#"of a\u{9b}31m\u{202e}b\u{2028}c" target=x\n"#;
        assert_eq!(line, format!(" WARN {message} host=\"h\\xe9\" text={escaped} cause={escaped} count=7\n"));
    }

    #[test]
    fn plain_words_stand_as_they_are_where_they_are_no_texts() {
        let line = logged(
            || warn!(address = %"[::1]:25826", is_up = true, state = %"", took = ?1.5, text = "one", "m"),
        );
        assert_eq!(line, " WARN m address=[::1]:25826 is_up=true state=\"\" took=1.5 text=\"one\"\n");
    }
}
