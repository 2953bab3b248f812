//! What a Prometheus asks Noodle by remote read, or whatever else comes there.

use prost::Message;
use remote_write::message::{MatcherKind, ReadRequest};
use remote_write::read::{ReadError, decode};

/// Bytes that a request may have once it is unpacked.
const LIMIT: usize = 4096;

/// No more is unpacked than is allowed; what is read has matchers that there are, and is read again as the same. The
/// bytes stand for a body, and for what a body unpacks to.
pub fn holds(bytes: &[u8]) {
    let packed = snap::raw::Encoder::new().compress_vec(bytes).expect("few bytes are compressed");
    for body in [bytes, &packed] {
        match decode(body, LIMIT) {
            Ok(request) => is_read_again(&request),
            Err(ReadError::TooLarge { size, limit }) => assert!(size > limit),
            Err(ReadError::Snappy(_)) => assert_ne!(body, packed),
            Err(ReadError::Protobuf(_) | ReadError::Matcher(_)) => {}
        }
    }
}

fn is_read_again(request: &ReadRequest) {
    let matchers = request.queries.iter().flat_map(|query| &query.matchers);
    matchers.for_each(|matcher| assert!(MatcherKind::try_from(matcher.r#type).is_ok()));
    let plain = request.encode_to_vec();
    let body = snap::raw::Encoder::new().compress_vec(&plain).expect("few bytes are compressed");
    assert_eq!(decode(&body, plain.len()).as_ref(), Ok(request));
}
