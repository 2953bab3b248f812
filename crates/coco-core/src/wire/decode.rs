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

/// Who sees what a datagram holds, as it is found.
pub trait Visitor {
    /// What the iterator would yield.
    fn visit(&mut self, event: Result<Event, Malformed>);
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
    has_odd_names: bool,
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
            has_odd_names: false,
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

    /// Whether there has been a name with bytes behind its NUL, which must not leave as it came.
    pub fn has_odd_names(&self) -> bool {
        self.has_odd_names
    }

    /// The datagram as one that may leave as it came: once it is read to its end, and if it holds no error, no
    /// notification and no security part.
    pub fn whole(&self, datagram: &[u8]) -> Option<Whole> {
        let is_whole = !self.is_broken && self.reader.is_at_end();
        is_whole.then(|| Whole { start: self.start, carried: self.memory.state.carried(datagram) })
    }

    /// Has a visitor see all that is left.
    ///
    /// Where an event is made, it is known which one it is: who visits need not ask again, and the event is not copied
    /// from hand to hand.
    #[inline(always)]
    pub fn show(&mut self, visitor: &mut impl Visitor) {
        // One that no other function sees stays in registers.
        let mut reader = self.reader.clone();
        let refused = loop {
            let taken = match reader.part() {
                Ok(None) => break None,
                Ok(Some(part)) => self.take(part, visitor),
                Err(error) => Err(error),
            };
            if let Err(error) = taken {
                break Some(error);
            }
        };
        self.reader = reader;
        if let Some(error) = refused {
            self.fail();
            visitor.visit(Err(error));
        }
    }

    #[cold]
    fn fail(&mut self) {
        self.is_broken = true;
        self.reader.stop();
    }

    /// Takes in one part. There is nothing to visit if it only changes the state.
    #[inline(always)]
    fn take(&mut self, part: Part<'_>, visitor: &mut impl Visitor) -> Result<(), Malformed> {
        let names = &mut self.memory.state.identifier;
        let mut name = || part.string_or_odd(self.name_max, &mut self.has_odd_names);
        match part.kind {
            PartType::VALUES => self.values(part, visitor)?,
            PartType::TYPE_INSTANCE => names.type_instance = name()?,
            PartType::TYPE => names.type_name = name()?,
            PartType::PLUGIN_INSTANCE => names.plugin_instance = name()?,
            PartType::PLUGIN => names.plugin = name()?,
            PartType::HOST => names.host = name()?,
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
            _ => {
                if let Some(event) = self.seldom(part.kind, part.start, part.payload)? {
                    visitor.visit(Ok(event));
                }
            }
        }
        Ok(())
    }

    #[inline(always)]
    fn values(&mut self, part: Part<'_>, visitor: &mut impl Visitor) -> Result<(), Malformed> {
        let Some((count, values)) = part.payload.split_first_chunk() else {
            return Err(Malformed::ValuesLength);
        };
        let count = usize::from(u16::from_be_bytes(*count));
        if values.len() != count * 9 {
            return Err(Malformed::ValuesLength);
        }
        if !ValuesRef::are_kinds(&values[..count]) {
            return Err(Malformed::ValueKind);
        }
        let Memory { state, has_time, .. } = &self.memory;
        let names = &state.identifier;
        let is_named = !names.host.is_empty() && !names.plugin.is_empty() && !names.type_name.is_empty();
        if is_named && *has_time && count > 0 {
            visitor.visit(Ok(Event::ValueList(ValueListSpans { values: part.span(), ..*state })));
        } else {
            visitor.visit(Ok(Event::RefusedValueList(self.refusal(), part.span())));
        }
        Ok(())
    }

    /// What a value list lacks that is not complete.
    #[cold]
    fn refusal(&self) -> ListRefusal {
        let names = &self.memory.state.identifier;
        if names.host.is_empty() {
            ListRefusal::NoHost
        } else if names.plugin.is_empty() {
            ListRefusal::NoPlugin
        } else if names.type_name.is_empty() {
            ListRefusal::NoType
        } else if !self.memory.has_time {
            ListRefusal::NoTime
        } else {
            ListRefusal::NoValues
        }
    }

    /// A part that is in few datagrams. It is handed over in registers: one in memory, all would be.
    #[cold]
    fn seldom(&mut self, kind: PartType, start: u16, payload: &[u8]) -> Result<Option<Event>, Malformed> {
        let part = Part::new(kind, start, payload);
        match part.kind {
            PartType::MESSAGE => self.message(part).map(Some),
            PartType::SEVERITY => {
                self.memory.severity = part.number()?;
                Ok(None)
            }
            PartType::SIGN_SHA256 => {
                self.unverified = true;
                self.is_broken = true;
                self.security = part.span();
                Ok(Some(Event::Signature))
            }
            PartType::ENCR_AES256 => {
                self.security = part.span();
                Err(Malformed::Encrypted)
            }
            unknown => Ok(Some(Event::Unknown(unknown))),
        }
    }

    fn message(&mut self, part: Part<'_>) -> Result<Event, Malformed> {
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

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let mut found = Found(None);
            let taken = match self.reader.part() {
                Ok(None) => return None,
                Ok(Some(part)) => self.take(part, &mut found),
                Err(error) => Err(error),
            };
            if let Err(error) = taken {
                self.fail();
                return Some(Err(error));
            }
            if found.0.is_some() {
                return found.0;
            }
        }
    }
}

/// What the iterator yields next.
struct Found(Option<Result<Event, Malformed>>);

impl Visitor for Found {
    #[inline]
    fn visit(&mut self, event: Result<Event, Malformed>) {
        self.0 = Some(event);
    }
}
