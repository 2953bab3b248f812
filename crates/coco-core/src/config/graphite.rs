//! `[graphite]`: how hosts and metrics are named for Graphite's clients, as collectd's write_graphite names them.

use toml::de::DeValue;

use super::document::Section;
use super::keys::Kind;
use super::value::{FromToml, Mismatch, text};

/// Characters that mean something else in a target or in a pattern, so that a name with one could not be asked for.
const SPECIAL: &[char] =
    &['*', '?', '[', ']', '{', '}', '(', ')', ',', ';', '|', '"', '\'', '$', '\\', '=', '#'];

/// Signs for which the escape character stands, as for dots, white space and control characters: collectd's
/// `GRAPHITE_FORBIDDEN`. None of them can be that character.
pub const ESCAPED: &[char] = &['"', '\\', ':', '!', ',', '/', '(', ')'];

/// `[graphite]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graphite {
    /// In front of every host.
    pub prefix: String,
    /// Behind every host.
    pub postfix: String,
    /// Stands for dots, white space, control characters and what is [`ESCAPED`] in names.
    pub escape_character: u8,
    /// Whether instances are nodes of their own.
    pub separate_instances: bool,
    /// Whether the only data source of a metric has its name behind that.
    pub always_append_ds: bool,
    /// Whether dots in names stay, so that they part nodes.
    pub preserve_separator: bool,
    /// Whether dots in the names of hosts stay.
    pub host_in_dots: bool,
    /// Series that one request may have.
    pub max_series: usize,
    /// Values of all series that one request may have.
    pub max_points: usize,
    /// Whether a target that does not answer makes it no answer at all.
    pub require_all: bool,
}

impl Graphite {
    pub(super) fn read(section: &mut Section<'_, '_>) -> Self {
        let EscapeCharacter(escape_character) = section.read("escape_character");
        let affix = |affix: Option<Affix>| affix.map(|Affix(text)| text).unwrap_or_default();
        let preserve_separator = section.read("preserve_separator");
        let (prefix, postfix) = (affix(section.optional("prefix")), affix(section.optional("postfix")));
        if prefix.starts_with('.') {
            section.report("prefix", "can't begin with a dot: the first node of a name would be empty");
        }
        if postfix.ends_with('.') {
            section.report(
                "postfix",
                "can't end with a dot: a plugin's node follows it, behind a dot of its own",
            );
        }
        let keeps_dots = preserve_separator || escape_character == b'.';
        let host_in_dots = section.optional("host_in_dots");
        if host_in_dots == Some(false) && keeps_dots {
            let why =
                if preserve_separator { "preserve_separator = true" } else { "escape_character = \".\"" };
            section.report(
                "host_in_dots",
                &format!("can't be false beside {why}, which keeps the dots of hosts"),
            );
        }
        Self {
            prefix,
            postfix,
            escape_character,
            separate_instances: section.read("separate_instances"),
            always_append_ds: section.read("always_append_ds"),
            preserve_separator,
            host_in_dots: host_in_dots.unwrap_or(keeps_dots),
            max_series: section.read("max_series"),
            max_points: section.read("max_points"),
            require_all: section.read("require_all"),
        }
    }
}

/// The text in front of or behind the name of a host.
#[derive(Debug)]
struct Affix(String);

impl FromToml for Affix {
    fn from_toml(_: &Kind, value: &DeValue<'_>) -> Result<Self, Mismatch> {
        let text = text(value)?;
        let is_odd = |character: char| !character.is_ascii_graphic() || SPECIAL.contains(&character);
        match text.chars().find(|character| is_odd(*character)) {
            Some(odd) => Err(Mismatch::Because(format!("{odd:?} can't stand in a name"))),
            None if text.contains("..") => Err(Mismatch::Because("a node would be empty".to_owned())),
            None => Ok(Self(text.to_owned())),
        }
    }
}

/// One character.
#[derive(Debug)]
struct EscapeCharacter(u8);

impl FromToml for EscapeCharacter {
    fn from_toml(_: &Kind, value: &DeValue<'_>) -> Result<Self, Mismatch> {
        match text(value)?.as_bytes() {
            [byte]
                if byte.is_ascii_graphic()
                    && !SPECIAL.contains(&char::from(*byte))
                    && !ESCAPED.contains(&char::from(*byte)) =>
            {
                Ok(Self(*byte))
            }
            _ => Err(Mismatch::Limits),
        }
    }
}
