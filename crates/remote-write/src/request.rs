//! A batch of samples as the body of a request.

use bytes::Bytes;
use prost::Message;
use prost::encoding::WireType;
use snap::raw::{Encoder, max_compress_len};

use crate::message::Label;

/// Bytes of the largest body before it is compressed. Engines refuse 32 MiB, some without an answer.
pub const MAX_PLAIN: usize = 4 << 20;

/// The media type.
pub const CONTENT_TYPE: &str = "application/x-protobuf";
/// How a body is compressed: snappy's block format.
pub const CONTENT_ENCODING: &str = "snappy";
/// The header of the version, and the version.
pub const VERSION: (&str, &str) = ("x-prometheus-remote-write-version", "0.1.0");

/// The tag of a series in a request, of labels and of samples in a series.
const TIMESERIES: u32 = 1;
const LABELS: u32 = 1;
const SAMPLES: u32 = 2;

/// Bytes of a value with its tag, and the most of a number of 64 bits.
const VALUE: usize = 1 + size_of::<f64>();
const MOST_OF_A_VARINT: usize = 10;

/// Bytes of a buffer that is kept for the next body; few bodies are larger.
pub const KEPT: usize = 1 << 20;

/// Labels as they stand in a series, which is all that is kept of them.
pub fn encode_labels(labels: &[Label]) -> Box<[u8]> {
    let mut bytes = Vec::new();
    for label in labels {
        prost::encoding::message::encode(LABELS, label, &mut bytes);
    }
    bytes.into()
}

/// Appends a series: its [labels](encode_labels), and samples as milliseconds and value, which ascend.
#[inline]
pub fn push_series(to: &mut Vec<u8>, labels: &[u8], samples: impl Iterator<Item = (i64, f64)> + Clone) {
    let length: usize = samples.clone().map(|(milliseconds, _)| sample_length(milliseconds)).sum();
    let mut head = [0; 1 + MOST_OF_A_VARINT];
    head[0] = key(TIMESERIES, WireType::LengthDelimited);
    let end = 1 + put_varint(&mut head, 1, (labels.len() + length) as u64);
    push_first(to, &head, end);
    to.extend_from_slice(labels);
    for (milliseconds, value) in samples {
        push_sample(to, milliseconds, value);
    }
}

/// Makes bodies as they are sent of such as are not compressed. What the encoder needs is kept from one to the next, so that
/// it is not zeroed each time, and the memory of a body is used again once that is sent.
#[derive(Debug)]
pub struct Compressor {
    encoder: Encoder,
    /// All of the memory of the last body.
    packed: Bytes,
}

impl Default for Compressor {
    fn default() -> Self {
        Self { encoder: Encoder::new(), packed: Bytes::new() }
    }
}

impl Compressor {
    /// The body as it is sent.
    pub fn compress(&mut self, plain: &[u8]) -> Result<Bytes, snap::Error> {
        let most = max_compress_len(plain.len());
        // Who has the last body yet keeps it.
        let mut packed = std::mem::take(&mut self.packed).try_into_mut().unwrap_or_default();
        if packed.len() < most {
            packed.resize(most, 0);
        }
        let compressed = self.encoder.compress(plain, &mut packed);
        self.packed = packed.freeze();
        Ok(self.packed.slice(..compressed?))
    }

    /// Gives memory back that only a large body needs.
    pub fn shrink(&mut self) {
        if self.packed.len() > KEPT {
            self.packed = Bytes::new();
        }
    }
}

/// The bytes of a sample in a series, its tag and its length included.
#[inline]
fn sample_length(milliseconds: i64) -> usize {
    2 + VALUE + 1 + varint_length(milliseconds as u64)
}

/// As a [`Sample`](crate::message::Sample), but that zeros are written too: one of them is below zero. Nothing is written as
/// often, so it is made in one place and appended at once.
#[inline]
fn push_sample(to: &mut Vec<u8>, milliseconds: i64, value: f64) {
    const TIME: usize = 2 + VALUE + 1;
    let mut bytes = [0; TIME + MOST_OF_A_VARINT];
    bytes[0] = key(SAMPLES, WireType::LengthDelimited);
    bytes[2] = key(1, WireType::SixtyFourBit);
    bytes[3..2 + VALUE].copy_from_slice(&value.to_le_bytes());
    bytes[TIME - 1] = key(2, WireType::Varint);
    let end = TIME + put_varint(&mut bytes, TIME, milliseconds as u64);
    bytes[1] = (end - 2) as u8;
    push_first(to, &bytes, end);
}

/// Appends the first bytes of some. All of them are copied, as for so few and always as many nothing is called.
#[inline]
fn push_first<const N: usize>(to: &mut Vec<u8>, bytes: &[u8; N], count: usize) {
    let end = to.len() + count;
    to.extend_from_slice(bytes);
    to.truncate(end);
}

/// Writes a number at a place. How many bytes it is.
#[inline]
fn put_varint<const N: usize>(to: &mut [u8; N], at: usize, number: u64) -> usize {
    let length = varint_length(number);
    if length > size_of::<u64>() {
        let mut rest = number;
        for byte in &mut to[at..at + length] {
            *byte = rest as u8 | 0x80;
            rest >>= 7;
        }
        to[at + length - 1] &= 0x7f;
        return length;
    }
    // Eight sevens of bits, two at first, then four, then each of them in a byte of its own.
    let halves = (number & 0x0fff_ffff) | ((number & (0x0fff_ffff << 28)) << 4);
    let quarters = (halves & 0x3fff_0000_3fff) | ((halves & (0x3fff_0000_3fff << 14)) << 2);
    let bytes = (quarters & 0x007f_007f_007f_007f) | ((quarters & (0x007f_007f_007f_007f << 7)) << 1);
    let all_but_last = (1_u64 << (8 * (length - 1))) - 1;
    let bytes = bytes | (0x8080_8080_8080_8080 & all_but_last);
    to[at..at + size_of::<u64>()].copy_from_slice(&bytes.to_le_bytes());
    length
}

#[inline]
fn varint_length(number: u64) -> usize {
    (u64::BITS - (number | 1).leading_zeros()).div_ceil(7) as usize
}

/// The tag of a field whose number is below 16.
const fn key(number: u32, wire_type: WireType) -> u8 {
    (number << 3) as u8 | wire_type as u8
}

/// The series of a request that is not compressed, for who looks at one.
pub fn decode(plain: &[u8]) -> Result<crate::message::WriteRequest, prost::DecodeError> {
    crate::message::WriteRequest::decode(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_written_as_protobuf_has_them(number: u64, shift in 0u32..64) {
            for number in [number >> shift, 0, 1 << shift, (1 << shift) - 1] {
                let (mut bytes, mut expected) = ([0; 1 + MOST_OF_A_VARINT], Vec::new());
                prost::encoding::encode_varint(number, &mut expected);
                let length = put_varint(&mut bytes, 1, number);
                prop_assert_eq!(&bytes[1..=length], &expected[..]);
                prop_assert_eq!(varint_length(number), expected.len());
            }
        }
    }

    #[test]
    fn a_small_body_behind_a_large_one_is_compressed_by_itself() {
        let mut compressor = Compressor::default();
        let unpack = |packed: &[u8]| snap::raw::Decoder::new().decompress_vec(packed).unwrap();
        let bodies = [
            (0_u32..2 << 20).map(|at| (at.wrapping_mul(at) >> 7) as u8).collect(),
            b"ab".repeat(40),
            Vec::new(),
        ];
        for body in &bodies {
            assert_eq!(unpack(&compressor.compress(body).unwrap()), *body);
        }
        compressor.shrink();
        assert!(compressor.packed.len() <= KEPT);
        for body in &bodies {
            assert_eq!(unpack(&compressor.compress(body).unwrap()), *body);
        }
    }

    #[test]
    fn the_memory_of_a_body_is_used_again_once_nobody_has_it_and_not_before() {
        let mut compressor = Compressor::default();
        let [one, other] = [b"one".repeat(50), b"other".repeat(30)];
        let first = compressor.compress(&one).unwrap();
        let second = compressor.compress(&other).unwrap();
        let unpack = |packed: &[u8]| snap::raw::Decoder::new().decompress_vec(packed).unwrap();
        assert_eq!((unpack(&first), unpack(&second)), (one.clone(), other));
        let place = second.as_ptr();
        drop(second);
        assert_eq!(compressor.compress(&one).unwrap().as_ptr(), place);
    }
}
