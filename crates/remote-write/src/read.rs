//! Remote read 1.0: what a Prometheus asks, and what it is answered. Bytes of strangers: how much they come to is known
//! before anything is unpacked.

use prost::Message;
use thiserror::Error;

use crate::message::{MatcherKind, ReadRequest, ReadResponse};

/// Why a body is no question.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum ReadError {
    /// It is larger than it may be, once unpacked.
    #[error("the request is {size} bytes when unpacked, expected at most {limit}")]
    TooLarge {
        /// Bytes that it says it has.
        size: usize,
        /// Bytes that it may have.
        limit: usize,
    },
    /// It is not snappy's block format.
    #[error("the request is not compressed by snappy's block format: {0}")]
    Snappy(String),
    /// It is no message.
    #[error("the request is no ReadRequest: {0}")]
    Protobuf(String),
    /// A way to compare that there is not.
    #[error("{0} is no kind of matcher, expected 0 to 3")]
    Matcher(i32),
}

/// What a request takes while it is unpacked and read, for each byte of it: a matcher of two bytes is three strings, in a
/// list that grows.
const READING: usize = 64;

/// The memory that it takes to [decode] a request of at most so many bytes, which is known without unpacking it.
pub fn memory(body: &[u8], limit: usize) -> Result<usize, ReadError> {
    Ok(READING * size(body, limit)?)
}

fn size(body: &[u8], limit: usize) -> Result<usize, ReadError> {
    let size = snap::raw::decompress_len(body).map_err(|problem| snappy(&problem))?;
    if size > limit { Err(ReadError::TooLarge { size, limit }) } else { Ok(size) }
}

fn snappy(problem: &snap::Error) -> ReadError {
    ReadError::Snappy(problem.to_string())
}

/// Unpacks a request of at most so many bytes.
pub fn decode(body: &[u8], limit: usize) -> Result<ReadRequest, ReadError> {
    size(body, limit)?;
    let plain = snap::raw::Decoder::new().decompress_vec(body).map_err(|problem| snappy(&problem))?;
    let request =
        ReadRequest::decode(&plain[..]).map_err(|problem| ReadError::Protobuf(problem.to_string()))?;
    let mut kinds = request.queries.iter().flat_map(|query| &query.matchers).map(|matcher| matcher.r#type);
    match kinds.find(|kind| MatcherKind::try_from(*kind).is_err()) {
        Some(kind) => Err(ReadError::Matcher(kind)),
        None => Ok(request),
    }
}

/// The memory that it takes to [encode] an answer, beside itself.
pub fn memory_of_answer(response: &ReadResponse) -> usize {
    let plain = response.encoded_len();
    plain.saturating_add(snap::raw::max_compress_len(plain))
}

/// Packs an answer.
pub fn encode(response: &ReadResponse) -> Result<Vec<u8>, snap::Error> {
    snap::raw::Encoder::new().compress_vec(&response.encode_to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Label, LabelMatcher, Query, QueryResult, ResponseType, Sample, TimeSeries};

    fn packed(plain: &[u8]) -> Vec<u8> {
        snap::raw::Encoder::new().compress_vec(plain).unwrap()
    }

    fn request(kind: i32) -> ReadRequest {
        let matcher = LabelMatcher { r#type: kind, name: "__name__".into(), value: "up".into() };
        let query = Query { start_timestamp_ms: 1, end_timestamp_ms: 2, matchers: vec![matcher] };
        let accepted = [ResponseType::StreamedXorChunks as i32, ResponseType::Samples as i32];
        ReadRequest { queries: vec![query], accepted_response_types: accepted.into() }
    }

    #[test]
    fn what_is_asked_is_read() {
        for kind in 0..4 {
            let request = request(kind);
            assert_eq!(decode(&packed(&request.encode_to_vec()), 1024), Ok(request));
        }
    }

    #[test]
    fn what_is_no_question_is_refused() {
        assert_eq!(decode(&packed(&request(4).encode_to_vec()), 1024), Err(ReadError::Matcher(4)));
        assert!(matches!(decode(b"\xff\xff\xff\xff\xff", 1024), Err(ReadError::Snappy(_))));
        assert!(matches!(decode(b"", 1024), Err(ReadError::Snappy(_))));
        assert!(matches!(decode(&packed(b"\x0a\xff"), 1024), Err(ReadError::Protobuf(_))));
    }

    /// A gibibyte in six bytes is refused by what it says of itself.
    #[test]
    fn what_unpacks_to_too_much_is_not_unpacked() {
        let bomb = [0x80, 0x80, 0x80, 0x80, 0x04, 0x00];
        assert_eq!(decode(&bomb, 1 << 20), Err(ReadError::TooLarge { size: 1 << 30, limit: 1 << 20 }));
        let large = packed(&[0; 1025]);
        assert_eq!(decode(&large, 1024), Err(ReadError::TooLarge { size: 1025, limit: 1024 }));
    }

    #[test]
    fn an_answer_is_packed() {
        let label = Label { name: "__name__".into(), value: "up".into() };
        let sample = Sample { value: 1.5, timestamp: 7 };
        let series = TimeSeries { labels: vec![label], samples: vec![sample] };
        let response = ReadResponse { results: vec![QueryResult { timeseries: vec![series] }] };
        let plain = snap::raw::Decoder::new().decompress_vec(&encode(&response).unwrap()).unwrap();
        assert_eq!(ReadResponse::decode(&plain[..]), Ok(response));
    }
}
