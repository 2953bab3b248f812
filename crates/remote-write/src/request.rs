//! A batch of samples as the body of a request.

use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

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

/// Labels as they stand in a series, which is all that is kept of them.
pub fn encode_labels(labels: &[Label]) -> Box<[u8]> {
    let mut bytes = Vec::new();
    for label in labels {
        prost::encoding::message::encode(LABELS, label, &mut bytes);
    }
    bytes.into()
}

/// Appends a series: its [labels](encode_labels), and samples as milliseconds and value, which ascend.
pub fn push_series(to: &mut Vec<u8>, labels: &[u8], samples: impl Iterator<Item = (i64, f64)> + Clone) {
    let length: usize = samples.clone().map(|(milliseconds, _)| sample_length(milliseconds)).sum();
    encode_key(TIMESERIES, WireType::LengthDelimited, to);
    encode_varint((labels.len() + length) as u64, to);
    to.extend_from_slice(labels);
    for sample in samples {
        push_sample(to, sample);
    }
}

/// The body of a request as it is sent.
pub fn compress(plain: &[u8]) -> Result<Vec<u8>, snap::Error> {
    snap::raw::Encoder::new().compress_vec(plain)
}

/// The bytes of a sample in a series, its tag and its length included.
fn sample_length(milliseconds: i64) -> usize {
    2 + VALUE + 1 + encoded_len_varint(milliseconds as u64)
}

/// As a [`Sample`](crate::message::Sample), but that zeros are written too: one of them is below zero. Nothing is written as
/// often, so it is made in one place and appended at once.
fn push_sample(to: &mut Vec<u8>, (milliseconds, value): (i64, f64)) {
    let mut bytes = [0; 2 + VALUE + 1 + MOST_OF_A_VARINT];
    bytes[0] = key(SAMPLES, WireType::LengthDelimited);
    bytes[2] = key(1, WireType::SixtyFourBit);
    bytes[3..2 + VALUE].copy_from_slice(&value.to_le_bytes());
    bytes[2 + VALUE] = key(2, WireType::Varint);
    let (mut end, mut rest) = (2 + VALUE + 1, milliseconds as u64);
    while rest >= 0x80 {
        bytes[end] = rest as u8 | 0x80;
        (end, rest) = (end + 1, rest >> 7);
    }
    bytes[end] = rest as u8;
    bytes[1] = (end + 1 - 2) as u8;
    to.extend_from_slice(&bytes[..=end]);
}

/// The tag of a field whose number is below 16.
const fn key(number: u32, wire_type: WireType) -> u8 {
    (number << 3) as u8 | wire_type as u8
}

/// The series of a request that is not compressed, for who looks at one.
pub fn decode(plain: &[u8]) -> Result<crate::message::WriteRequest, prost::DecodeError> {
    crate::message::WriteRequest::decode(plain)
}
