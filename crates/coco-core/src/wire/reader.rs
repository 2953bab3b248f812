//! The only place that slices bytes from the network.

use wide::u8x16;

use super::part::{HEADER, PartType};
use super::{Malformed, Span};

/// A datagram and how far it has been read.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    /// What is behind the last part.
    left: &'a [u8],
}

/// One part, its length already checked against the datagram.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) kind: PartType,
    /// The payload behind the header.
    pub(super) payload: &'a [u8],
    /// The same and all that is behind it.
    rest: &'a [u8],
    /// Where the header starts.
    pub(super) start: u16,
}

impl<'a> Reader<'a> {
    /// Starts at an offset. Offsets are of 16 bits, as is the length of any UDP datagram.
    pub(super) fn behind(bytes: &'a [u8], offset: usize) -> Self {
        assert!(bytes.len() <= usize::from(u16::MAX), "no UDP datagram is this long");
        Self { bytes, left: bytes.get(offset..).unwrap_or_default() }
    }

    /// The next part, `None` at the end of the datagram.
    #[inline]
    pub(super) fn part(&mut self) -> Result<Option<Part<'a>>, Malformed> {
        let Some((header, rest)) = self.left.split_first_chunk::<HEADER>() else {
            return if self.left.is_empty() { Ok(None) } else { Err(Malformed::StrayBytes) };
        };
        let header = u32::from_be_bytes(*header);
        let Some(payload_length) = ((header & 0xffff) as usize).checked_sub(HEADER) else {
            return Err(Malformed::PartTooShort);
        };
        let Some((payload, left)) = rest.split_at_checked(payload_length) else {
            return Err(Malformed::PartTooLong);
        };
        let start = (self.bytes.len() - self.left.len()) as u16;
        self.left = left;
        Ok(Some(Part { kind: PartType((header >> 16) as u16), payload, rest, start }))
    }

    /// Whether nothing is left to read.
    pub(super) fn is_at_end(&self) -> bool {
        self.left.is_empty()
    }

    /// Reads nothing more.
    pub(super) fn stop(&mut self) {
        self.left = &[];
    }
}

/// Bytes that are looked at at once.
const CHUNK: usize = 16;

#[inline]
fn nul_in(chunk: &[u8; CHUNK]) -> Option<usize> {
    let zeros = u8x16::new(*chunk).simd_eq(u8x16::ZERO).to_bitmask();
    (zeros != 0).then(|| zeros.trailing_zeros() as usize)
}

impl<'a> Part<'a> {
    /// A part of which nothing is known behind the payload.
    pub(super) fn new(kind: PartType, start: u16, payload: &'a [u8]) -> Self {
        Self { kind, payload, rest: payload, start }
    }

    /// A string's bytes up to its first NUL; `max` bounds the payload, final NUL included.
    pub(super) fn string(self, max: usize) -> Result<Span, Malformed> {
        self.string_or_odd(max, &mut false)
    }

    /// The same, which takes note if there are bytes behind the first NUL.
    #[inline]
    pub(super) fn string_or_odd(self, max: usize, is_odd: &mut bool) -> Result<Span, Malformed> {
        if self.payload.len() > max {
            return Err(Malformed::StringTooLong);
        }
        let length = self.first_nul();
        if length + 1 != self.payload.len() {
            if self.payload.last() != Some(&0) {
                return Err(Malformed::StringWithoutNul);
            }
            *is_odd = true;
        }
        Ok(Span::new(self.start + HEADER as u16, length as u16))
    }

    /// Where the first NUL is, in the payload or behind it.
    ///
    /// Names are short and their lengths vary, so a look at sixteen bytes at once is faster than a loop over bytes whose
    /// end no processor foresees.
    #[inline]
    fn first_nul(self) -> usize {
        if let Some(start) = self.rest.first_chunk()
            && let Some(place) = nul_in(start)
        {
            return place;
        }
        let mut chunks = self.rest.as_chunks().0.iter().enumerate().skip(1);
        let found = chunks.find_map(|(index, chunk)| Some(index * CHUNK + nul_in(chunk)?));
        found.unwrap_or_else(|| self.payload.iter().position(|&byte| byte == 0).unwrap_or(self.payload.len()))
    }

    /// A number's 64 bits.
    #[inline]
    pub(super) fn number(self) -> Result<u64, Malformed> {
        self.payload.try_into().map(u64::from_be_bytes).map_err(|_| Malformed::NumberLength)
    }

    /// The whole part, header included.
    #[inline]
    pub(super) fn span(self) -> Span {
        Span::new(self.start, (HEADER + self.payload.len()) as u16)
    }
}

impl Span {
    /// The bytes that this span names in the datagram that it was made from; in any other, perhaps none.
    #[inline]
    pub fn of(self, datagram: &[u8]) -> &[u8] {
        datagram.get(self.start()..self.end()).unwrap_or_default()
    }

    /// Where the span ends: the offset of the first byte behind it.
    #[inline]
    pub fn end(self) -> usize {
        self.start() + self.length()
    }
}
