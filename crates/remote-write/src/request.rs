//! A batch of samples as the body of a request.

use prost::Message;
use prost::encoding::{WireType, double, encode_key, encode_varint, encoded_len_varint, int64, key_len};

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
    let in_series = |length: usize| key_len(SAMPLES) + encoded_len_varint(length as u64) + length;
    let length: usize = samples.clone().map(|sample| in_series(sample_length(sample))).sum();
    encode_key(TIMESERIES, WireType::LengthDelimited, to);
    encode_varint((labels.len() + length) as u64, to);
    to.extend_from_slice(labels);
    for sample in samples {
        encode_key(SAMPLES, WireType::LengthDelimited, to);
        encode_varint(sample_length(sample) as u64, to);
        push_sample(to, sample);
    }
}

/// The body of a request as it is sent.
pub fn compress(plain: &[u8]) -> Result<Vec<u8>, snap::Error> {
    snap::raw::Encoder::new().compress_vec(plain)
}

fn sample_length((milliseconds, value): (i64, f64)) -> usize {
    double::encoded_len(1, &value) + int64::encoded_len(2, &milliseconds)
}

/// As a [`Sample`](crate::message::Sample), but that zeros are written too: one of them is below zero.
fn push_sample(to: &mut Vec<u8>, (milliseconds, value): (i64, f64)) {
    double::encode(1, &value, to);
    int64::encode(2, &milliseconds, to);
}

/// The series of a request that is not compressed, for who looks at one.
pub fn decode(plain: &[u8]) -> Result<crate::message::WriteRequest, prost::DecodeError> {
    crate::message::WriteRequest::decode(plain)
}
