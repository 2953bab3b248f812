//! Taking apart what may be signed or encrypted: whom a listener trusts, and datagrams opened in place.
//!
//! | listener | plain | signed | signed badly | encrypted | encrypted badly |
//! |---|---|---|---|---|---|
//! | `None`, no users | taken | taken, unverified | taken, unverified | rest refused | rest refused |
//! | `None` | taken | taken | rest refused | taken | rest refused |
//! | `Sign` | ignored | taken | rest refused | taken | rest refused |
//! | `Encrypt` | ignored | ignored | ignored | taken | rest refused |
//!
//! As collectd does it (`parse_packet` in `src/network.c` of 5.12; tried out):
//!
//! - Levels are about parts, not datagrams: what is ignored is skipped by its length, what stands behind it is looked
//!   at.
//! - A signature covers all behind it, up to the end of what it stands in. An encrypted part holds parts, among which
//!   may be signatures and encrypted parts. Nothing in force outside is in force inside, nor the other way round.
//! - An error inside of an encrypted part ends that part, not what stands behind it; a part that can't be opened ends
//!   what it stands in.
//! - Nobody checks whether a datagram has come before.
//!
//! Other than collectd, which recurses as deep as it is told to, a datagram may ask for so much work only.

use std::ops::Range;

use super::crypto::{SecurityLevel, decrypt, encryption_user, signature_user, verify};
use super::decode::{Decoder, Event, Memory};
use super::part::{NAME_MAX, PartType};
use super::reader::Reader;
use super::users::Users;
use super::{Malformed, Span, Whole};

/// Bytes that are hashed or decrypted for one datagram at most, each signature and each encrypted part counted: four
/// times the largest datagram. No sender makes more than one of either; this many can be some hundred small ones deep.
const LIMIT_OF_WORK: usize = 4 << 16;

/// The demands of a listener on parts, and the users that it knows.
#[derive(Debug, Clone)]
pub struct Guard {
    level: SecurityLevel,
    users: Option<Users>,
    /// Largest payload of a name with its final NUL.
    name_max: usize,
}

impl Default for Guard {
    fn default() -> Self {
        Self::new(SecurityLevel::None, None)
    }
}

/// The security of the bytes in which something stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trust {
    /// Not at all.
    Plain,
    /// Behind a signature that nobody has checked, as nobody is known.
    Unverified,
    /// Signed by a known user.
    Signed,
    /// Encrypted by a known user.
    Encrypted,
}

/// Why the rest of a datagram, or of an encrypted part, is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub reason: Malformed,
    /// The name of the user if there is one: what a stranger claims to be.
    pub user: Span,
}

/// The findings about a datagram as a whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Opened {
    /// Whether parts were ignored because they are not secured as the level demands.
    pub ignored: bool,
    /// Whether there is a [name with bytes behind its NUL](Decoder::has_odd_names).
    pub has_odd_names: bool,
    /// The parts that may leave as they came, up to the end of the datagram, if there is nothing besides them that had
    /// to be taken, ignored or refused.
    pub whole: Option<Whole>,
}

impl Guard {
    /// A listener of this level that knows these users. Without any, signatures are not verified, unless the level
    /// demands them: then nobody can make one.
    pub fn new(level: SecurityLevel, users: Option<Users>) -> Self {
        let users = users.or_else(|| (level != SecurityLevel::None).then(Users::default));
        Self { level, users, name_max: NAME_MAX }
    }

    /// Takes names whose payload, with the final NUL, is of up to so many bytes, in place of [`NAME_MAX`].
    #[must_use]
    pub fn with_name_max(self, name_max: usize) -> Self {
        Self { name_max, ..self }
    }

    /// The longest name's payload in bytes.
    pub fn name_max(&self) -> usize {
        self.name_max
    }

    /// The level that it demands.
    pub fn level(&self) -> SecurityLevel {
        self.level
    }

    /// Whether there is nothing that a plain [`Decoder`] would not do.
    pub fn is_open(&self) -> bool {
        self.level == SecurityLevel::None && self.users.is_none()
    }

    /// Takes a datagram apart and decrypts it in place. `visit` gets what stands in it, in order, with the bytes as
    /// they are by then, which do not change any more where its spans point to.
    ///
    /// # Panics
    ///
    /// Of more than 65,535 bytes, which no UDP datagram has.
    pub fn decode<V>(&self, datagram: &mut [u8], visit: V) -> Opened
    where
        V: FnMut(&[u8], Trust, Result<Event, Refused>),
    {
        let section = 0..datagram.len();
        let mut walk = Walk {
            guard: self,
            datagram,
            visit,
            work: 0,
            occupied: 0,
            refused: false,
            opened: Opened::default(),
        };
        walk.section(section, Trust::Plain);
        let Walk { occupied, refused, opened, .. } = walk;
        let is_whole = occupied == 1 && !refused && !opened.ignored;
        Opened { whole: opened.whole.filter(|_| is_whole), ..opened }
    }

    fn takes(&self, trust: Trust) -> bool {
        match self.level {
            SecurityLevel::None => true,
            SecurityLevel::Sign => trust >= Trust::Signed,
            SecurityLevel::Encrypt => trust >= Trust::Encrypted,
        }
    }
}

/// On the way through a datagram.
struct Walk<'a, V> {
    guard: &'a Guard,
    datagram: &'a mut [u8],
    visit: V,
    work: usize,
    /// Stretches without a security part in which something was found.
    occupied: usize,
    /// Whether there is something that must not leave as it came.
    refused: bool,
    opened: Opened,
}

impl<V> Walk<'_, V>
where
    V: FnMut(&[u8], Trust, Result<Event, Refused>),
{
    /// The whole datagram, what is signed, or the payload of an encrypted part.
    ///
    /// The depth of its calls of itself is bounded by [`LIMIT_OF_WORK`], as every level is at least 37 bytes longer
    /// than the next.
    fn section(&mut self, section: Range<usize>, trust: Trust) {
        let Range { mut start, end } = section;
        let mut memory = Memory::default();
        let beginning = start;
        while let Some(part) = match self.guard.takes(trust) {
            true => self.read(start..end, &mut memory, trust, start == beginning),
            false => self.skip(start..end),
        } {
            match self.open(part, end) {
                Ok((inner, Trust::Signed)) => return self.section(inner, trust.max(Trust::Signed)),
                Ok((inner, inner_trust)) => self.section(inner, inner_trust),
                Err(refused) => return self.refuse(refused, trust),
            }
            start = part.end();
        }
    }

    /// Visits what stands in front of the next part that is to be opened, and returns that.
    ///
    /// Nothing is in force where it `is_fresh`.
    fn read(
        &mut self,
        section: Range<usize>,
        memory: &mut Memory,
        trust: Trust,
        is_fresh: bool,
    ) -> Option<Span> {
        let bytes = &self.datagram[..section.end];
        let mut decoder = Decoder::behind(bytes, section.start, *memory).with_name_max(self.guard.name_max);
        let mut found = false;
        while let Some(event) = decoder.next() {
            let opens = matches!(event, Ok(Event::Signature) | Err(Malformed::Encrypted));
            self.opened.has_odd_names |= decoder.has_odd_names();
            if opens && self.guard.users.is_some() {
                *memory = decoder.memory();
                self.occupied += usize::from(found);
                return Some(decoder.security());
            }
            found = true;
            self.refused |= matches!(event, Ok(Event::Signature) | Err(_));
            let event = event.map_err(|reason| Refused { reason, user: Span::default() });
            let trust = if decoder.unverified() { Trust::Unverified } else { trust };
            (self.visit)(bytes, trust, event);
        }
        self.occupied += usize::from(found);
        if found && is_fresh && section.end == self.datagram.len() {
            self.opened.whole = decoder.whole(bytes);
        }
        None
    }

    /// Ignores what stands in front of the next part that is to be opened, and returns that.
    fn skip(&mut self, section: Range<usize>) -> Option<Span> {
        let mut reader = Reader::behind(&self.datagram[..section.end], section.start);
        loop {
            match reader.part() {
                Ok(Some(part)) => match part.kind {
                    PartType::ENCR_AES256 => return Some(part.span()),
                    PartType::SIGN_SHA256 if self.guard.level == SecurityLevel::Sign => {
                        return Some(part.span());
                    }
                    _ => self.opened.ignored = true,
                },
                Ok(None) => return None,
                Err(reason) => {
                    self.refuse(Refused { reason, user: Span::default() }, Trust::Plain);
                    return None;
                }
            }
        }
    }

    /// Opens a part of a section that ends at `end`. Returns what is inside, [`Trust::Signed`] for what stands behind a
    /// signature.
    fn open(&mut self, part: Span, end: usize) -> Result<(Range<usize>, Trust), Refused> {
        let Some(users) = &self.guard.users else {
            return Err(Refused { reason: Malformed::Encrypted, user: Span::default() });
        };
        let bytes = &mut self.datagram[..end];
        let signs = bytes[part.start()..part.start() + 2] == PartType::SIGN_SHA256.0.to_be_bytes();
        let user = if signs { signature_user(part.of(bytes)) } else { encryption_user(part.of(bytes)) };
        let user = user.map_err(|reason| Refused { reason, user: Span::default() })?;
        let name = Span::new((part.start() + user.start) as u16, user.len() as u16);
        let refused = |reason| Refused { reason, user: name };
        let key = users.key(name.of(bytes)).ok_or(refused(Malformed::UnknownUser))?;
        self.work += if signs { end - part.start() } else { part.length() };
        if self.work > LIMIT_OF_WORK {
            return Err(refused(Malformed::Nesting));
        }
        if signs {
            let verified = verify(key, &bytes[part.start()..]);
            let signed = (part.end()..end, Trust::Signed);
            verified.then_some(signed).ok_or(refused(Malformed::SignatureMismatch))
        } else {
            let payload = decrypt(key, &mut bytes[part.start()..part.end()], user).map_err(refused)?;
            Ok((part.start() + payload.start..part.start() + payload.end, Trust::Encrypted))
        }
    }

    fn refuse(&mut self, refused: Refused, trust: Trust) {
        self.refused = true;
        (self.visit)(self.datagram, trust, Err(refused));
    }
}
