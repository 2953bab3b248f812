//! Comparing names: so short that a call of the C library takes longer than the work itself.

/// Whether two strings of bytes are equal.
#[inline]
pub fn equal(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    if let Some(ends) = ends::<16>(one, other) {
        return ends && (one.len() <= 32 || equal_words(one, other));
    }
    if let Some(ends) = ends::<8>(one, other) {
        return ends;
    }
    if let Some(ends) = ends::<4>(one, other) {
        return ends;
    }
    // Of three bytes at most.
    let middle = one.len() / 2;
    ends::<1>(one, other).is_none_or(|ends| ends && one.get(middle) == other.get(middle))
}

/// Whether the first so many bytes are equal, and the last. Of no more than twice as many, that is all of them.
#[inline]
fn ends<const N: usize>(one: &[u8], other: &[u8]) -> Option<bool> {
    let first = one.first_chunk::<N>()? == other.first_chunk::<N>()?;
    let last = one.last_chunk::<N>()? == other.last_chunk::<N>()?;
    Some(first & last)
}

/// But for what is behind the last whole word.
fn equal_words(one: &[u8], other: &[u8]) -> bool {
    let (words, others) = (one.as_chunks::<8>().0, other.as_chunks::<8>().0);
    words.iter().zip(others).all(|(word, other)| word == other)
}

#[cfg(test)]
mod tests {
    use super::equal;

    #[test]
    fn agrees_with_the_standard_library() {
        for length in 0..70 {
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
