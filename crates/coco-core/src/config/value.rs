//! From a value of TOML to what a key of some kind means by it.

use std::fmt::{Debug, Display};
use std::net::IpAddr;
use std::num::NonZero;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use regex::bytes::Regex;
use toml::Spanned;
use toml::de::{DeString, DeValue};

use super::keys::{Kind, LABEL_MAX};
use super::{Join, LaneThreads, Level, LogFormat, Prefer, duration, size};
use crate::address::Address;
use crate::network::{Network, NetworkError};
use crate::origin::{Origin, OriginError};
use crate::placement::Way;
use crate::placement::canary::{Percentage, PercentageError};
use crate::tier::{DaemonAddress, Endpoint, Protocol, Role};
use crate::wire::SecurityLevel;
use crate::wire::part::USER_MAX;

/// Why a value can't be taken.
#[derive(Debug)]
pub(super) enum Mismatch {
    /// Not of a type that the kind allows.
    Type,
    /// Outside of the limits that the kind states.
    Limits,
    /// As the text says, beside what was expected and found.
    Because(String),
    /// As the text says, which states what was expected and found by itself.
    Stated(String),
}

impl Mismatch {
    /// The message to the operator, who wrote `value` where `expected` belongs.
    pub(super) fn message(&self, expected: impl Display, value: &DeValue<'_>) -> String {
        let found = found(value);
        match self {
            Self::Type if value.is_array() || value.is_table() => {
                format!("expected {expected}, found {found}")
            }
            Self::Type => format!("expected {expected}, found the {} {found}", value.type_str()),
            Self::Limits => format!("expected {expected}, found {found}"),
            Self::Because(reason) => format!("expected {expected}, found {found} ({reason})"),
            Self::Stated(message) => message.clone(),
        }
    }
}

/// A type that the value of a key turns into.
pub(super) trait FromToml: Sized + Debug {
    fn from_toml(kind: &Kind, value: &DeValue<'_>) -> Result<Self, Mismatch>;
}

impl FromToml for String {
    fn from_toml(_: &Kind, value: &DeValue<'_>) -> Result<Self, Mismatch> {
        match text(value)? {
            "" => Err(Mismatch::Limits),
            text => Ok(text.to_owned()),
        }
    }
}

impl FromToml for PathBuf {
    fn from_toml(kind: &Kind, value: &DeValue<'_>) -> Result<Self, Mismatch> {
        String::from_toml(kind, value).map(Self::from)
    }
}

impl FromToml for Vec<PathBuf> {
    fn from_toml(kind: &Kind, value: &DeValue<'_>) -> Result<Self, Mismatch> {
        match value.as_array() {
            Some(paths) => paths.iter().map(|path| PathBuf::from_toml(kind, path.get_ref())).collect(),
            None => PathBuf::from_toml(kind, value).map(|path| vec![path]),
        }
    }
}

impl FromToml for IpAddr {
    fn from_toml(_: &Kind, value: &DeValue<'_>) -> Result<Self, Mismatch> {
        let address: Self = text(value)?.parse().map_err(|_| Mismatch::Limits)?;
        match address.is_unspecified() || address.is_multicast() {
            true => Err(Mismatch::Because("not the address of one machine".to_owned())),
            false => Ok(address),
        }
    }
}

impl FromToml for Address {
    fn from_toml(_: &Kind, value: &DeValue<'_>) -> Result<Self, Mismatch> {
        text(value)?.parse().map_err(|error| Mismatch::Stated(format!("{error}")))
    }
}

/// An address that can be sent to, and how it was written.
#[derive(Debug)]
pub(super) struct Destination {
    pub(super) name: String,
    pub(super) address: Address,
}

impl FromToml for Destination {
    fn from_toml(_: &Kind, value: &DeValue<'_>) -> Result<Self, Mismatch> {
        let name = text(value)?;
        Ok(Self { address: destination(name)?, name: name.to_owned() })
    }
}

/// A table of strings, in the file's order.
#[derive(Debug, Default)]
pub(super) struct Pairs(pub(super) Vec<(String, String)>);

impl FromToml for Pairs {
    fn from_toml(_: &Kind, value: &DeValue<'_>) -> Result<Self, Mismatch> {
        let table = value.as_table().ok_or(Mismatch::Type)?;
        let pair = |(name, value): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| {
            let value = value
                .get_ref()
                .as_str()
                .ok_or_else(|| Mismatch::Because(format!("`{}` is no string", name.get_ref())))?;
            Ok((name.get_ref().to_string(), value.to_owned()))
        };
        table.iter().map(pair).collect::<Result<_, _>>().map(Self)
    }
}

/// The name of a target or a zone.
#[derive(Debug)]
pub(super) struct Label(pub(super) String);

impl FromToml for Label {
    fn from_toml(_: &Kind, value: &DeValue<'_>) -> Result<Self, Mismatch> {
        let label = text(value)?;
        let is_usable = (1..=LABEL_MAX).contains(&label.len()) && !label.contains(char::is_control);
        if is_usable { Ok(Self(label.to_owned())) } else { Err(Mismatch::Limits) }
    }
}

impl FromToml for Way {
    fn from_toml(_: &Kind, value: &DeValue<'_>) -> Result<Self, Mismatch> {
        let name = text(value)?;
        Self::ALL.into_iter().find(|way| way.as_str() == name).ok_or(Mismatch::Limits)
    }
}

impl FromToml for i64 {
    fn from_toml(_: &Kind, value: &DeValue<'_>) -> Result<Self, Mismatch> {
        let written = value.as_integer().ok_or(Mismatch::Type)?;
        Self::from_str_radix(written.as_str(), written.radix()).map_err(|_| Mismatch::Limits)
    }
}

impl FromToml for Percentage {
    fn from_toml(_: &Kind, value: &DeValue<'_>) -> Result<Self, Mismatch> {
        text(value)?.parse().map_err(|PercentageError| Mismatch::Limits)
    }
}

impl FromToml for Role {
    fn from_toml(_: &Kind, value: &DeValue<'_>) -> Result<Self, Mismatch> {
        let name = text(value)?;
        let written = [Self::Active, Self::Draining];
        written.into_iter().find(|role| role.as_str() == name).ok_or(Mismatch::Limits)
    }
}

/// None for the empty expression, which would match everything and so refuse everything.
impl FromToml for Option<Regex> {
    fn from_toml(_: &Kind, value: &DeValue<'_>) -> Result<Self, Mismatch> {
        let expression = text(value)?;
        if expression.is_empty() {
            return Ok(None);
        }
        Regex::new(expression).map(Some).map_err(|error| {
            // A syntax error is drawn over several lines, the last of which says what is wrong.
            let drawing = error.to_string();
            let last = drawing.lines().last().unwrap_or_default();
            Mismatch::Because(last.trim_start_matches("error: ").to_owned())
        })
    }
}

impl FromToml for usize {
    fn from_toml(kind: &Kind, value: &DeValue<'_>) -> Result<Self, Mismatch> {
        match kind {
            Kind::Integer(limits) => integer(limits, value),
            Kind::Size(limits) => bytes(limits, value),
            _ => Err(Mismatch::Type),
        }
    }
}

impl FromToml for NonZero<usize> {
    fn from_toml(kind: &Kind, value: &DeValue<'_>) -> Result<Self, Mismatch> {
        Self::new(usize::from_toml(kind, value)?).ok_or(Mismatch::Limits)
    }
}

impl FromToml for LaneThreads {
    fn from_toml(kind: &Kind, value: &DeValue<'_>) -> Result<Self, Mismatch> {
        Self::new(usize::from_toml(kind, value)?).ok_or(Mismatch::Limits)
    }
}

impl FromToml for u32 {
    fn from_toml(kind: &Kind, value: &DeValue<'_>) -> Result<Self, Mismatch> {
        let number = usize::from_toml(kind, value)?;
        Self::try_from(number).map_err(|_| Mismatch::Limits)
    }
}

/// A port; the empty string means that of the protocol, as it meant 80 in Noodle's first version.
#[derive(Debug)]
pub(super) struct Port(pub(super) Option<NonZero<u16>>);

impl FromToml for Port {
    fn from_toml(_: &Kind, value: &DeValue<'_>) -> Result<Self, Mismatch> {
        let port: u16 = match value {
            DeValue::Integer(_) => integer(&(1..=u64::from(u16::MAX)), value)?,
            DeValue::String(text) if text.is_empty() => return Ok(Self(None)),
            DeValue::String(text) => text.parse().map_err(|_| Mismatch::Limits)?,
            _ => return Err(Mismatch::Type),
        };
        NonZero::new(port).map(|port| Self(Some(port))).ok_or(Mismatch::Limits)
    }
}

impl FromToml for Protocol {
    fn from_toml(_: &Kind, value: &DeValue<'_>) -> Result<Self, Mismatch> {
        let word = text(value)?;
        Self::ALL.into_iter().find(|protocol| protocol.as_str() == word).ok_or(Mismatch::Limits)
    }
}

impl FromToml for Join {
    fn from_toml(_: &Kind, value: &DeValue<'_>) -> Result<Self, Mismatch> {
        match text(value)? {
            "gaps" => Ok(Self::Gaps),
            "never" => Ok(Self::Never),
            "always" => Ok(Self::Always),
            _ => Err(Mismatch::Limits),
        }
    }
}

impl FromToml for Prefer {
    fn from_toml(_: &Kind, value: &DeValue<'_>) -> Result<Self, Mismatch> {
        match text(value)? {
            "first" => Ok(Self::First),
            "any" => Ok(Self::Any),
            _ => Err(Mismatch::Limits),
        }
    }
}

impl FromToml for LogFormat {
    fn from_toml(_: &Kind, value: &DeValue<'_>) -> Result<Self, Mismatch> {
        match text(value)? {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            "journald" => Ok(Self::Journald),
            _ => Err(Mismatch::Limits),
        }
    }
}

impl FromToml for Duration {
    fn from_toml(kind: &Kind, value: &DeValue<'_>) -> Result<Self, Mismatch> {
        let allowed = match kind {
            Kind::Duration(least) => *least..=Self::MAX,
            Kind::DurationUpTo(most) => Self::ZERO..=*most,
            _ => return Err(Mismatch::Type),
        };
        match duration::parse(text(value)?) {
            Ok(duration) if allowed.contains(&duration) => Ok(duration),
            Ok(_) => Err(Mismatch::Limits),
            Err(error) => Err(Mismatch::Because(error.to_string())),
        }
    }
}

impl FromToml for bool {
    fn from_toml(_: &Kind, value: &DeValue<'_>) -> Result<Self, Mismatch> {
        value.as_bool().ok_or(Mismatch::Type)
    }
}

impl FromToml for Level {
    fn from_toml(_: &Kind, value: &DeValue<'_>) -> Result<Self, Mismatch> {
        let name = text(value)?;
        Self::ALL.into_iter().find(|level| level.as_str() == name).ok_or(Mismatch::Limits)
    }
}

impl FromToml for SecurityLevel {
    fn from_toml(_: &Kind, value: &DeValue<'_>) -> Result<Self, Mismatch> {
        let name = text(value)?;
        let is_meant = |level: &Self| level.as_str().eq_ignore_ascii_case(name);
        Self::ALL.into_iter().find(is_meant).ok_or(Mismatch::Limits)
    }
}

impl FromToml for Network {
    fn from_toml(_: &Kind, value: &DeValue<'_>) -> Result<Self, Mismatch> {
        text(value)?.parse().map_err(|error: NetworkError| Mismatch::Because(error.to_string()))
    }
}

impl FromToml for Origin {
    fn from_toml(_: &Kind, value: &DeValue<'_>) -> Result<Self, Mismatch> {
        text(value)?.parse().map_err(|error: OriginError| Mismatch::Because(error.to_string()))
    }
}

/// The name of a user. In collectd's AuthFile a name starts with no white space and ends at the first colon.
#[derive(Debug)]
pub(super) struct User(pub(super) String);

impl FromToml for User {
    fn from_toml(_: &Kind, value: &DeValue<'_>) -> Result<Self, Mismatch> {
        let name = text(value)?;
        let is_usable = (1..=USER_MAX).contains(&name.len())
            && !name.contains([':', '\0', '\n', '\r'])
            && !name.starts_with(|first: char| first.is_ascii_whitespace() || first == '#');
        if is_usable { Ok(Self(name.to_owned())) } else { Err(Mismatch::Limits) }
    }
}

impl FromToml for Endpoint {
    fn from_toml(_: &Kind, value: &DeValue<'_>) -> Result<Self, Mismatch> {
        let written = text(value)?;
        let because = |reason: &str| Mismatch::Because(reason.to_owned());
        if let Some(rest) = written.strip_prefix(Protocol::Rrdcached.scheme()) {
            return daemon_address(rest).map(Self::Rrdcached);
        }
        let authority = written
            .strip_prefix(Protocol::Visage.scheme())
            .ok_or_else(|| because("it must start with http:// or rrdcached://"))?;
        let authority = authority.trim_end_matches('/');
        if authority.contains(['/', '?', '#']) {
            return Err(because("the path is Noodle's to add"));
        }
        destination(authority).map(Self::Visage)
    }
}

/// Where an rrdcached listens, as its URL has it behind the scheme.
fn daemon_address(rest: &str) -> Result<DaemonAddress, Mismatch> {
    if rest.starts_with('/') {
        return match rest.len() {
            1 => Err(Mismatch::Because("missing path of a socket".to_owned())),
            _ => Ok(DaemonAddress::Unix(rest.into())),
        };
    }
    let authority = rest.trim_end_matches('/');
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    let address = if has_port {
        destination(authority)
    } else {
        destination(&format!("{authority}:{}", Protocol::Rrdcached.port()))
    };
    address.map(DaemonAddress::Internet)
}

fn destination(text: &str) -> Result<Address, Mismatch> {
    let address: Address = text.parse().map_err(|error| Mismatch::Stated(format!("{error}")))?;
    match &address {
        all if all.is_all() => Err(Mismatch::Because("missing host".to_owned())),
        unusable if unusable.port() == 0 => Err(Mismatch::Because("port 0".to_owned())),
        _ => Ok(address),
    }
}

pub(super) fn text<'v>(value: &'v DeValue<'_>) -> Result<&'v str, Mismatch> {
    value.as_str().ok_or(Mismatch::Type)
}

fn integer<T: TryFrom<u64>>(limits: &RangeInclusive<u64>, value: &DeValue<'_>) -> Result<T, Mismatch> {
    let written = value.as_integer().ok_or(Mismatch::Type)?;
    // A number that is negative or larger than 64 bits is no `u64`, and outside of all limits.
    let number = u64::from_str_radix(written.as_str(), written.radix()).map_err(|_| Mismatch::Limits)?;
    within(limits, number)
}

fn bytes<T: TryFrom<u64>>(limits: &RangeInclusive<u64>, value: &DeValue<'_>) -> Result<T, Mismatch> {
    match value {
        DeValue::String(text) => match size::parse(text) {
            Ok(number) => within(limits, number),
            Err(error) => Err(Mismatch::Because(error.to_string())),
        },
        _ => integer(limits, value),
    }
}

fn within<T: TryFrom<u64>>(limits: &RangeInclusive<u64>, number: u64) -> Result<T, Mismatch> {
    let number = Some(number).filter(|number| limits.contains(number)).ok_or(Mismatch::Limits)?;
    T::try_from(number).map_err(|_| Mismatch::Limits)
}

/// A value as it is shown in a message, on one line.
pub(super) fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => shown(text),
        DeValue::Integer(integer) => integer.to_string(),
        DeValue::Float(float) => float.to_string(),
        DeValue::Boolean(boolean) => boolean.to_string(),
        DeValue::Datetime(datetime) => datetime.to_string(),
        DeValue::Array(_) => "an array".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// Quoted, and cut where it would fill the screen.
fn shown(text: &str) -> String {
    const MOST: usize = 80;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}
