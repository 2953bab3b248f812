//! What a storage node says around its answer to Noodle, as HTTP: a head, and chunks behind it.

use noodle::upstream::visage::chunks::Chunks;
use noodle::upstream::visage::head::Head;
use noodle::upstream::visage::malformed::Malformed;

/// A head ends where an empty line does, and is the same whatever follows; chunks are the same however they come.
pub fn holds(bytes: &[u8]) {
    let mut behind = bytes;
    while let Ok(Some((length, head))) = Head::parse(behind) {
        assert!((1..=behind.len()).contains(&length));
        assert_eq!(Head::parse(&behind[..length]), Ok(Some((length, head))));
        assert!(!matches!(Head::parse(&behind[..length - 1]), Ok(Some(_))), "it ends before");
        assert!((0..length).all(|before| Head::is_due(&behind[..length], before)), "nobody looks at it");
        behind = &behind[length..];
    }
    let whole = body(behind, behind.len());
    for piece in [1, 7] {
        assert_eq!(body(behind, piece), whole, "in pieces of {piece}");
    }
}

/// What stands in chunks, and how many bytes are behind them; none where they have no end.
fn body(bytes: &[u8], piece: usize) -> Result<Option<(Vec<u8>, usize)>, Malformed> {
    let (mut chunks, mut body, mut rest) = (Chunks::default(), Vec::new(), bytes);
    while !chunks.is_over() && !rest.is_empty() {
        let came = &rest[..piece.min(rest.len())];
        let (passed, length) = chunks.next(came)?;
        body.extend_from_slice(&came[passed..passed + length]);
        rest = &rest[passed + length..];
    }
    Ok(chunks.is_over().then_some((body, rest.len())))
}
