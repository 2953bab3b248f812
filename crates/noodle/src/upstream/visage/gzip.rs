//! Answers that a node compresses all the same.

use std::io::Read;

use flate2::read::MultiGzDecoder;

use crate::budget::Held;
use crate::failure::Failure;

/// How gzip begins (RFC 1952, 2.3.1), and no JSON does: what a node says in its header fields may be wrong.
const MAGIC: &[u8] = b"\x1f\x8b";

/// Bytes that are decompressed at a time.
const PIECE: usize = 16 * 1024;

/// Room behind an answer for what is added to it.
const ROOM: usize = 512;

/// Whether an answer is compressed.
pub fn is_compressed(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// What is compressed, at most `most` bytes of it; anything else as it is. What it takes is lent before it is taken.
pub fn decompress(mut held: Held, most: usize) -> Result<Held, Failure> {
    if !is_compressed(&held.bytes) {
        return Ok(held);
    }
    let mut text: Vec<u8> = Vec::new();
    let mut decoder = MultiGzDecoder::new(&held.bytes[..]);
    let mut piece = [0; PIECE];
    loop {
        let length = decoder.read(&mut piece).map_err(|error| Failure::Compressed(error.to_string()))?;
        if length == 0 {
            break;
        }
        if text.len() + length > most {
            return Err(Failure::TooLarge(most));
        }
        if text.len() + length + ROOM > text.capacity() {
            let (old, new) = (text.capacity(), (2 * (text.len() + length)).min(most) + ROOM);
            held.reservation.grow(new)?;
            text.reserve_exact(new - text.len());
            held.reservation.give_back(old);
        }
        text.extend_from_slice(&piece[..length]);
    }
    drop(decoder);
    let compressed = std::mem::replace(&mut held.bytes, text);
    held.reservation.give_back(compressed.capacity());
    Ok(held)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::budget::Budget;

    fn compressed(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn decompressed(bytes: Vec<u8>, most: usize, budget: &Budget) -> Result<Vec<u8>, Failure> {
        let reservation = budget.reserve(bytes.capacity()).unwrap();
        let held = decompress(Held { bytes, reservation }, most)?;
        assert!(budget.lent() >= held.bytes.capacity());
        Ok(held.bytes)
    }

    #[test]
    fn it_is_what_was_compressed_and_no_more_than_may_be() {
        let budget = Budget::new(1 << 20);
        let text = b"{\"web1\":1}".repeat(10_000);
        assert_eq!(decompressed(compressed(&text), text.len(), &budget), Ok(text.clone()));
        let most = text.len() - 1;
        assert_eq!(decompressed(compressed(&text), most, &budget), Err(Failure::TooLarge(most)));
        assert_eq!(decompressed(b"{}".to_vec(), 10, &budget), Ok(b"{}".to_vec()));
        let cut = compressed(&text)[..100].to_vec();
        assert!(matches!(decompressed(cut, text.len(), &budget), Err(Failure::Compressed(_))));
        assert_eq!(budget.lent(), 0);
    }

    #[test]
    fn a_little_that_becomes_much_is_paid_for() {
        let budget = Budget::new(1 << 20);
        let bomb = compressed(&vec![b' '; 10 << 20]);
        assert!(bomb.len() < 20_000);
        assert_eq!(decompressed(bomb, 16 << 20, &budget), Err(Failure::Memory));
        assert_eq!(budget.lent(), 0);
    }
}
