//! Lists of plain numbers (`12.5,-3, 0.25,`), with or without blanks behind the commas, 64 bytes at a time.
//!
//! What a byte is becomes a bit of a map, and each rule of the grammar becomes a few operations on whole maps: "a
//! point stands behind a digit" is `points & !behind(digits) == 0`. Nothing in here branches on where a byte stands, so
//! that numbers of any length take the same time: a few cycles each.

use super::block::{Block, LENGTH};

/// Reads a list block by block.
#[derive(Debug)]
pub(crate) struct Numbers {
    /// Of the block before: of what it held, the last bit of each map is still looked at.
    digits: u64,
    points: u64,
    gaps: u64,
    begins: u64,
    leading_zeros: u64,
    /// Whether it ended among digits behind a point.
    is_in_fraction: bool,
}

/// What a block holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Passed {
    /// How many of its bytes there are up to the last comma behind a good number; 0 if there is none.
    pub(crate) length: usize,
    /// Whether something stands in it, behind that, that is no part of a plain number.
    pub(crate) is_end: bool,
}

impl Numbers {
    /// A list that begins with the next block, at its first byte.
    pub(crate) fn new() -> Self {
        const COMMA: u64 = 1 << 63;
        Self { digits: 0, points: 0, gaps: COMMA, begins: COMMA, leading_zeros: 0, is_in_fraction: false }
    }

    /// Reads the next block. None may follow one with an end in it.
    #[inline]
    pub(crate) fn pass(&mut self, block: &[u8; LENGTH]) -> Passed {
        let block = Block::new(block);
        let digits = block.digits();
        let [points, commas, zeros] = [b'.', b',', b'0'].map(|byte| block.equal(byte));
        // Many blocks have nothing else.
        let has_others = digits | points | commas != u64::MAX;
        let [signs, blanks] = [b'-', b' '].map(|byte| if has_others { block.equal(byte) } else { 0 });
        // Blanks stand behind a comma, or another blank.
        let gaps = commas | blanks;
        let begins = gaps | signs;
        let leading_zeros = zeros & behind(begins, self.begins);
        // The sum carries a bit through the digits behind a point, to what ends them.
        let fractions = behind(points, self.points) | u64::from(self.is_in_fraction);
        let (sum, is_in_fraction) = digits.overflowing_add(fractions);
        let faults = !(digits | points | gaps | signs)
            | (points | commas) & !behind(digits, self.digits)
            | (signs | blanks) & !behind(gaps, self.gaps)
            | digits & behind(leading_zeros, self.leading_zeros)
            | points & sum & !digits;
        *self = Self { digits, points, gaps, begins, leading_zeros, is_in_fraction };
        let before_fault = (faults & faults.wrapping_neg()).wrapping_sub(1);
        let length = 64 - (commas & before_fault).leading_zeros() as usize;
        Passed { length, is_end: faults != 0 }
    }
}

/// A bit for each byte behind one of the map; `last` is the map of the block before.
#[inline]
fn behind(map: u64, last: u64) -> u64 {
    map << 1 | last >> 63
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The length of what is passed of a list, however it lies in the blocks.
    fn passed(text: &str) -> usize {
        let mut numbers = Numbers::new();
        let mut length = 0;
        for start in (0..).step_by(64) {
            let mut block = [0; 64];
            let rest = &text.as_bytes()[start..];
            let present = rest.len().min(64);
            block[..present].copy_from_slice(&rest[..present]);
            let passed = numbers.pass(&block);
            if passed.length > 0 {
                length = start + passed.length;
            }
            if passed.is_end {
                return length;
            }
        }
        unreachable!("NUL is an end")
    }

    #[test]
    fn a_number_is_passed_with_its_comma_wherever_it_lies() {
        for number in [
            "0",
            "-0",
            "7",
            "10",
            "0.5",
            "-0.05",
            "123.456",
            "-1.0",
            "100.001",
            &"1".repeat(200),
            "1.1234567890123456",
            " 1",
            "  -0.5",
            &format!("{}10.25", " ".repeat(130)),
        ] {
            for lead in 0..70 {
                let before = format!("{},", "1".repeat(lead + 1));
                let text = format!("{before}{number},");
                assert_eq!(passed(&text), text.len(), "{text}");
                assert_eq!(passed(&format!("{before}{number}")), before.len(), "{text}");
                assert_eq!(passed(&format!("{before}{number}]")), before.len(), "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_plain_number_is_not_passed_wherever_it_lies() {
        for number in [
            "", "-", ".", ".5", "5.", "-.5", "-5.", "00", "01", "-01", "00.5", "1.2.3", "1..2", "1-", "--1",
            "1.-2", "+1", "1e5", "1 ", "1 ,", "1 1", "- 1", "1. 5", " ", " ,1", "\n1", "null", "1x",
            "\u{b2}", "\"1\"",
        ] {
            for lead in 0..70 {
                let before = format!("{},", "1".repeat(lead + 1));
                assert_eq!(passed(&format!("{before}{number},1,1,")), before.len(), "{before}{number}");
                let before = format!("1.{},", "1".repeat(lead + 1));
                assert_eq!(passed(&format!("{before}{number},1,1,")), before.len(), "{before}{number}");
            }
        }
    }
}
