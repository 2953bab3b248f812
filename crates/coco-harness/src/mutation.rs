//! Datagrams made wrong: at random, and the same in every run.

/// Numbers that look random and are the same for the same seed: SplitMix64.
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 if that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end.max(1) as u64) as usize
    }

    /// One of these.
    ///
    /// # Panics
    /// When there is none.
    pub fn one_of<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// Bytes that lengths, kinds and characters change their meaning at.
const TELLING: [u8; 8] = [0, 1, 3, 4, 6, 12, 0x7f, 0xff];

/// A datagram with one to four things wrong, or odd, or only other.
#[must_use]
pub fn mutated(datagram: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = datagram.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        let end = (at + 1 + random.below(24)).min(bytes.len());
        match random.below(8) {
            0 | 1 if at < end => bytes[at] ^= 1 << random.below(8),
            2 if at < end => bytes[at] = *random.one_of(&TELLING),
            3 if at < end => bytes[at..end].fill_with(|| random.number() as u8),
            4 => drop(bytes.drain(at..end)),
            5 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            6 => bytes.truncate(at),
            _ => bytes.extend((0..=random.below(12)).map(|_| *random.one_of(&TELLING))),
        }
    }
    bytes
}

/// As many whole parts of a datagram as fit into so many bytes, from its beginning.
#[must_use]
pub fn beginning(datagram: &[u8], limit: usize) -> &[u8] {
    let mut end = 0;
    while let Some([_, _, high, low]) = datagram.get(end..end + 4) {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if length < 4 || end + length > limit.min(datagram.len()) {
            break;
        }
        end += length;
    }
    &datagram[..end]
}
