//! Numbers as JSON, in the shortest form that is read back as the same.

/// What most numbers take at most, with the comma behind them.
const NUMBER: usize = 20;

/// Numbers of six decimals, if they have no more, are written without looking for a shorter form: there is none.
const SCALE: f64 = 1e6;

/// Numbers of a size below this, and of one from [`SMALL`] on, with so many decimals have at most 15 digits: no other
/// number of 15 digits or fewer is read back as the same one.
const SHORT: f64 = 1e8;

/// A thousandth, [scaled](SCALE): smaller ones may have an exponent.
const SMALL: u64 = 1000;

/// A float of this size and the next has steps of one.
const WHOLE: f64 = (1_u64 << 52) as f64;

/// Where the point stands: behind a sign, and as many digits as [`SHORT`] numbers have.
const POINT: usize = 9;

/// Appends values with commas between them. JSON has no NaN and no infinities: `null`.
pub(crate) fn write(values: &[f64], text: &mut Vec<u8>) {
    text.reserve(values.len() * NUMBER);
    let mut buffer = zmij::Buffer::new();
    for value in values {
        if let Some((number, start, end)) = short(*value) {
            // So many bytes are copied faster than a few, and those behind the comma are taken off again.
            let length = text.len() + end - start;
            text.extend_from_slice(&number[start..][..NUMBER]);
            text.truncate(length);
            continue;
        }
        let number = if value.is_finite() { buffer.format_finite(*value) } else { "null" };
        text.extend_from_slice(number.as_bytes());
        text.push(b',');
    }
    if !values.is_empty() {
        text.pop();
    }
}

/// A number of few digits, with a comma behind it: where it stands. None of other numbers.
#[inline]
fn short(value: f64) -> Option<([u8; 64], usize, usize)> {
    let size = value.abs();
    let shifted = size * SCALE + WHOLE;
    let scaled = shifted.to_bits().wrapping_sub(WHOLE.to_bits());
    // Both are whole numbers that a float holds, so this is the float next to their quotient: what would be read.
    let is_read_back = size < SHORT && (shifted - WHOLE) / SCALE == size;
    if !is_read_back || scaled < SMALL && value.to_bits() != 0 {
        return None;
    }
    let (whole, decimals) = (digits(scaled / 1_000_000), digits(scaled % 1_000_000 * 100));
    let mut number = [b'0'; 64];
    number[POINT - 8..POINT].copy_from_slice(&(whole | ZEROS).to_le_bytes());
    number[POINT] = b'.';
    number[POINT + 1..POINT + 9].copy_from_slice(&(decimals | ZEROS).to_le_bytes());
    // One digit in front of the point and one behind it, at least.
    let before = 8 - (whole.trailing_zeros() as usize / 8).min(7);
    let behind = (8 - decimals.leading_zeros() as usize / 8).max(1);
    let end = POINT + 1 + behind;
    number[end % 64] = b',';
    let mut start = POINT - before;
    if value < 0.0 {
        start -= 1;
        number[start % 64] = b'-';
    }
    Some((number, start % 32, end + 1))
}

const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);

/// The eight digits of a number, a byte each, the first one the lowest: pairs of four, then of two, then each by itself,
/// all pairs at the same time.
#[inline]
fn digits(number: u64) -> u64 {
    let fours = (number / 10_000) | (number % 10_000) << 32;
    let hundreds = ((fours * 10_486) >> 20) & 0x7f_0000_007f;
    let twos = hundreds | (fours - 100 * hundreds) << 16;
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | (twos - 10 * tens) << 8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(values: &[f64]) -> String {
        let mut text = Vec::new();
        write(values, &mut text);
        String::from_utf8(text).unwrap()
    }

    fn expected(values: &[f64]) -> String {
        let text = serde_json::to_string(values).unwrap();
        text[1..text.len() - 1].to_owned()
    }

    #[test]
    fn numbers_at_the_edges_are_written_as_everywhere_else() {
        let edges = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            0.001,
            0.000_999,
            0.001_000_1,
            0.1,
            0.3,
            0.1 + 0.2,
            99_999_999.999_999,
            99_999_999.999_999_9,
            1e8,
            12_345_678.0,
            -0.5,
            1e16,
            1e-7,
            f64::MAX,
            f64::MIN_POSITIVE,
            5e-324,
            123_456.789_012,
            0.999_999_9,
            0.999_999_95,
            9.5,
            f64::NAN,
            f64::INFINITY,
            1.0 / 3.0,
        ];
        assert_eq!(written(&edges), expected(&edges));
        assert_eq!(written(&[]), "");
        assert!(short(0.5).is_some() && short(12_345_678.25).is_some() && short(1.0 / 3.0).is_none());
    }

    #[test]
    fn digits_are_those_that_are_written() {
        for number in (0..100_000_000).step_by(9_973).chain([9, 10, 99, 9_999, 10_000, 99_999_999]) {
            let text = String::from_utf8((digits(number) | ZEROS).to_le_bytes().to_vec()).unwrap();
            assert_eq!(text, format!("{number:08}"));
        }
    }

    proptest! {
        #[test]
        fn numbers_are_written_as_everywhere_else(bits: u64, many in 0_i64..2_000_000_000_000_000, decimals in 0_i32..9) {
            let few = many as f64 / 10_f64.powi(decimals);
            let values = [f64::from_bits(bits), few, -few, few.next_up(), few.next_down(), few / 1e6, many as f64 / 1e10];
            prop_assert_eq!(written(&values), expected(&values));
        }
    }
}
