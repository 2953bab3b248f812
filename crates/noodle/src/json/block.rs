//! 64 bytes at a time: which of them are of a kind, as a map of bits, the first byte's the lowest.

use wide::u8x16;

/// As many bytes as a map has bits.
pub(crate) const LENGTH: usize = 64;

/// This many bytes, in registers.
#[derive(Clone, Copy)]
pub(crate) struct Block([u8x16; LENGTH / 16]);

impl Block {
    #[inline]
    pub(crate) fn new(bytes: &[u8; LENGTH]) -> Self {
        let (parts, _) = bytes.as_chunks();
        Self([0, 1, 2, 3].map(|index| u8x16::new(parts[index])))
    }

    /// Those that are this byte.
    #[inline]
    pub(crate) fn equal(self, byte: u8) -> u64 {
        self.map(|bytes| bytes.simd_eq(u8x16::splat(byte)))
    }

    /// Those from `0` to `9`.
    #[inline]
    pub(crate) fn digits(self) -> u64 {
        self.map(|bytes| {
            let above_zero = bytes - u8x16::splat(b'0');
            above_zero.min(u8x16::splat(9)).simd_eq(above_zero)
        })
    }

    #[inline]
    fn map(self, is: impl Fn(u8x16) -> u8x16) -> u64 {
        self.0.into_iter().rev().fold(0, |map, bytes| map << 16 | u64::from(is(bytes).to_bitmask()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_bit() {
        let mut bytes = [0; LENGTH];
        for start in 0..=u8::MAX {
            for (index, byte) in bytes.iter_mut().enumerate() {
                *byte = start.wrapping_mul(31).wrapping_add((index as u8).wrapping_mul(17));
            }
            let expected = |is: &dyn Fn(u8) -> bool| {
                let bits = bytes.iter().enumerate().map(|(index, byte)| u64::from(is(*byte)) << index);
                bits.sum::<u64>()
            };
            let block = Block::new(&bytes);
            assert_eq!(block.digits(), expected(&|byte| byte.is_ascii_digit()));
            for wanted in [b'0', b',', b'-', b'.', 0, 0x80, 0xff, bytes[63]] {
                assert_eq!(block.equal(wanted), expected(&|byte| byte == wanted), "{wanted}");
            }
        }
    }
}
