//! Comparing names: so short that a call of the C library takes longer than the work itself.

/// Whether two strings of bytes are equal.
#[inline]
pub fn equal(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let (words, rest) = one.as_chunks::<8>();
    let (other_words, other_rest) = other.as_chunks::<8>();
    if let (Some(last), Some(other_last)) = (one.last_chunk::<8>(), other.last_chunk::<8>()) {
        // The last eight bytes overlap those before, so no byte is left over.
        return words.iter().zip(other_words).all(|(word, other)| word == other) && last == other_last;
    }
    if let (Some(first), Some(other_first), Some(last), Some(other_last)) = (
        rest.first_chunk::<4>(),
        other_rest.first_chunk::<4>(),
        rest.last_chunk::<4>(),
        other_rest.last_chunk::<4>(),
    ) {
        return first == other_first && last == other_last;
    }
    rest.iter().zip(other_rest).all(|(byte, other)| byte == other)
}

#[cfg(test)]
mod tests {
    use super::equal;

    #[test]
    fn agrees_with_the_standard_library() {
        for length in 0..40 {
            let one: Vec<u8> = (0..length).collect();
            assert!(equal(&one, &one.clone()));
            assert!(!equal(&one, &[&one[..], b"x"].concat()));
            for position in 0..one.len() {
                let mut other = one.clone();
                other[position] ^= 0x80;
                assert!(!equal(&one, &other), "length {length}, position {position}");
            }
        }
    }
}
