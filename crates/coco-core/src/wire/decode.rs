//! A datagram taken apart, as spans of it: nothing is copied, nothing is allocated.

use super::part::{MESSAGE_MAX, NAME_MAX, PartType};
use super::reader::{Part, Reader};
use super::spans::{NotificationSpans, ValueListSpans};
use super::{ListRefusal, Malformed, NotificationRefusal, Span, Whole};
use crate::notification::Severity;
use crate::value_list::{Time, ValuesRef};

/// A piece of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A complete value list.
    ValueList(ValueListSpans),
    /// A value list that every receiver would drop; the span is its values part.
    RefusedValueList(ListRefusal, Span),
    /// A complete notification.
    Notification(NotificationSpans),
    /// A notification that every receiver would ignore.
    RefusedNotification(NotificationRefusal),
    /// A signature, not verified. What follows is [unverified](Decoder::unverified).
    Signature,
    /// A part of unknown type, skipped by its length.
    Unknown(PartType),
}

/// Walks a datagram part by part and yields what it holds.
///
/// After an error the rest of the datagram is refused: the iterator ends. What it yielded before stays.
#[derive(Debug, Clone)]
pub struct Decoder<'a> {
    reader: Reader<'a>,
    /// Where it started.
    start: u16,
    /// Largest payload of a name with its final NUL.
    name_max: usize,
    memory: Memory,
    unverified: bool,
    security: Span,
    /// Whether there has been anything that must not leave as it came.
    is_broken: bool,
}

/// The names and times that parts have put in force.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Memory {
    state: ValueListSpans,
    has_time: bool,
    severity: u64,
}

impl<'a> Decoder<'a> {
    /// Starts at the first part.
    ///
    /// # Panics
    ///
    /// Of more than 65,535 bytes, which no UDP datagram has.
    pub fn new(datagram: &'a [u8]) -> Self {
        Self::behind(datagram, 0, Memory::default())
    }

    /// Goes on at an offset, with what is in force there.
    pub(super) fn behind(datagram: &'a [u8], offset: usize, memory: Memory) -> Self {
        Self {
            reader: Reader::behind(datagram, offset),
            start: offset as u16,
            name_max: NAME_MAX,
            memory,
            unverified: false,
            security: Span::default(),
            is_broken: false,
        }
    }

    /// Takes names whose payload, with the final NUL, is of up to so many bytes, in place of [`NAME_MAX`].
    #[must_use]
    pub fn with_name_max(self, name_max: usize) -> Self {
        Self { name_max, ..self }
    }

    /// The names and times in force.
    pub(super) fn memory(&self) -> Memory {
        self.memory
    }

    /// The last signature or encrypted part, header included.
    pub(super) fn security(&self) -> Span {
        self.security
    }

    /// Whether a signature has been skipped: what follows it claims a user that nobody has checked.
    pub fn unverified(&self) -> bool {
        self.unverified
    }

    /// The datagram as one that may leave as it came: once it is read to its end, and if it holds no error, no
    /// notification and no security part.
    pub fn whole(&self, datagram: &[u8]) -> Option<Whole> {
        let is_whole = !self.is_broken && self.reader.is_at_end();
        is_whole.then(|| Whole { start: self.start, carried: self.memory.state.carried(datagram) })
    }

    /// Takes in one part. `None` if it only changes the state.
    #[inline(always)]
    fn event(&mut self, part: &Part<'_>) -> Result<Option<Event>, Malformed> {
        let (names, name_max) = (&mut self.memory.state.identifier, self.name_max);
        match part.kind {
            PartType::VALUES => return self.values(part).map(Some),
            PartType::TYPE_INSTANCE => names.type_instance = part.string(name_max)?,
            PartType::TYPE => names.type_name = part.string(name_max)?,
            PartType::PLUGIN_INSTANCE => names.plugin_instance = part.string(name_max)?,
            PartType::PLUGIN => names.plugin = part.string(name_max)?,
            PartType::HOST => names.host = part.string(name_max)?,
            PartType::TIME | PartType::TIME_HR => {
                let number = part.number()?;
                let time = if part.kind == PartType::TIME {
                    Time::Seconds(number)
                } else {
                    Time::HighResolution(number)
                };
                self.memory.has_time = !time.is_none();
                self.memory.state.time = part.span();
            }
            PartType::INTERVAL | PartType::INTERVAL_HR => {
                part.number()?;
                self.memory.state.interval = part.span();
            }
            PartType::MESSAGE => return self.message(part).map(Some),
            PartType::SEVERITY => self.memory.severity = part.number()?,
            PartType::SIGN_SHA256 => {
                self.unverified = true;
                self.is_broken = true;
                self.security = part.span();
                return Ok(Some(Event::Signature));
            }
            PartType::ENCR_AES256 => {
                self.security = part.span();
                return Err(Malformed::Encrypted);
            }
            unknown => return Ok(Some(Event::Unknown(unknown))),
        }
        Ok(None)
    }

    #[inline]
    fn values(&mut self, part: &Part<'_>) -> Result<Event, Malformed> {
        let Some((count, values)) = part.payload.split_first_chunk() else {
            return Err(Malformed::ValuesLength);
        };
        if values.len() != usize::from(u16::from_be_bytes(*count)) * 9 {
            return Err(Malformed::ValuesLength);
        }
        if ValuesRef::new(values).is_none() {
            return Err(Malformed::ValueKind);
        }
        let names = &self.memory.state.identifier;
        let refusal = if names.host.is_empty() {
            ListRefusal::NoHost
        } else if names.plugin.is_empty() {
            ListRefusal::NoPlugin
        } else if names.type_name.is_empty() {
            ListRefusal::NoType
        } else if !self.memory.has_time {
            ListRefusal::NoTime
        } else if values.is_empty() {
            ListRefusal::NoValues
        } else {
            return Ok(Event::ValueList(ValueListSpans { values: part.span(), ..self.memory.state }));
        };
        Ok(Event::RefusedValueList(refusal, part.span()))
    }

    #[cold]
    fn message(&mut self, part: &Part<'_>) -> Result<Event, Malformed> {
        self.is_broken = true;
        let message = part.string(MESSAGE_MAX)?;
        let refusal = if self.memory.state.identifier.host.is_empty() {
            NotificationRefusal::NoHost
        } else if !self.memory.has_time {
            NotificationRefusal::NoTime
        } else if message.is_empty() {
            NotificationRefusal::NoMessage
        } else if let Some(severity) = Severity::from_wire(self.memory.severity) {
            let ValueListSpans { identifier, time, .. } = self.memory.state;
            return Ok(Event::Notification(NotificationSpans { identifier, time, severity, message }));
        } else {
            NotificationRefusal::Severity
        };
        Ok(Event::RefusedNotification(refusal))
    }
}

impl Iterator for Decoder<'_> {
    type Item = Result<Event, Malformed>;

    // Inlined, the state stays in registers and an event is not copied from hand to hand: a third less time.
    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let event = match self.reader.part() {
                Ok(None) => return None,
                Ok(Some(part)) => self.event(&part),
                Err(error) => Err(error),
            };
            match event {
                Ok(None) => {}
                Ok(Some(event)) => return Some(Ok(event)),
                Err(error) => {
                    self.is_broken = true;
                    self.reader.stop();
                    return Some(Err(error));
                }
            }
        }
    }
}
