//! A form of a client: its media type, a line feed, and its body.

use coco_daemon::http::parameters::{Encoding, Parameters};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// What is read is no more than what came, and reads as the same when it is written again, in either encoding.
pub fn holds(input: &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (media_type, body) = (&input[..end], input.get(end + 1..).unwrap_or_default());
    let media_type = (!media_type.is_empty()).then_some(media_type);
    let Some(encoding) = Encoding::of(media_type) else { return };
    let pairs = all(encoding.parameters(body));
    let bytes: usize = pairs.iter().map(|(name, value)| name.len() + value.len()).sum();
    assert!(bytes <= body.len() && pairs.len() <= body.len(), "{} pairs of {bytes} bytes", pairs.len());

    let encode = |text: &[u8]| percent_encode(text, NON_ALPHANUMERIC).to_string();
    let query: Vec<_> =
        pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
    assert_eq!(all(Parameters::of_query(query.join("&").as_bytes())), pairs);
    reads_as_parts(&pairs);
}

/// Names that can stand in quotation marks, and values without the boundary.
fn reads_as_parts(pairs: &Pairs) {
    const BOUNDARY: &[u8] = b"no value has this";
    let is_plain = |name: &[u8]| name.iter().all(u8::is_ascii_alphanumeric);
    let has_boundary = |value: &[u8]| value.windows(BOUNDARY.len()).any(|window| window == BOUNDARY);
    if !pairs.iter().all(|(name, value)| is_plain(name) && !has_boundary(value)) {
        return;
    }
    let mut body = Vec::new();
    for (name, value) in pairs {
        for piece in [
            b"--",
            BOUNDARY,
            b"\r\nContent-Disposition: form-data; name=\"",
            name,
            b"\"\r\n\r\n",
            value,
            b"\r\n",
        ] {
            body.extend_from_slice(piece);
        }
    }
    for piece in [b"--", BOUNDARY, b"--"] {
        body.extend_from_slice(piece);
    }
    let media_type = [b"multipart/form-data; boundary=\"", BOUNDARY, b"\""].concat();
    let encoding = Encoding::of(Some(&media_type)).expect("it is a form");
    assert_eq!(all(encoding.parameters(&body)), *pairs);
}

fn all(parameters: Parameters<'_>) -> Pairs {
    parameters.map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}
