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

/// Numbers that are written at a time, before they go behind the text together.
const AT_ONCE: usize = 64;

/// What a number may take with the comma behind it: 24 bytes where its shortest form is looked for. Short ones are
/// written several digits at a time, of which those behind the last one are written over by the next.
const MOST: usize = 32;

/// Appends values with commas between them. JSON has no NaN and no infinities: `null`.
pub(crate) fn write(values: &[f64], text: &mut Vec<u8>) {
    text.reserve(values.len() * NUMBER);
    let mut buffer = zmij::Buffer::new();
    let mut written = [0; AT_ONCE * MOST];
    for some in values.chunks(AT_ONCE) {
        let mut length = 0;
        for value in some {
            let place = written[length..].first_chunk_mut::<MOST>().expect("each takes no more than MOST");
            length += short(*value, place).unwrap_or_else(|| {
                let number = if value.is_finite() { buffer.format_finite(*value) } else { "null" };
                put(number.as_bytes(), place)
            });
        }
        text.extend_from_slice(&written[..length]);
    }
    if !values.is_empty() {
        text.pop();
    }
}

/// Puts a text of no more than 24 bytes there, with a comma behind it, and says how many bytes that takes. Most have 16 at
/// least, and are copied as two parts that may overlap: lengths that are known beforehand need no call.
#[inline]
fn put(text: &[u8], place: &mut [u8; MOST]) -> usize {
    if let (Some(front), Some(back)) = (text.first_chunk::<16>(), text.last_chunk::<8>()) {
        put_at(place, 0, *front);
        put_at(place, text.len() - 8, *back);
    } else {
        place[..text.len()].copy_from_slice(text);
    }
    place[text.len()] = b',';
    text.len() + 1
}

/// As one store, which a slice of a length that is no part of its type is not always.
#[inline]
fn put_at<const N: usize>(place: &mut [u8], at: usize, bytes: [u8; N]) {
    *place[at..].first_chunk_mut().expect("nothing is put beyond MOST") = bytes;
}

/// Writes a number of few digits, with a comma behind it, and says how many bytes that takes. None of other numbers.
#[inline]
fn short(value: f64, place: &mut [u8; MOST]) -> Option<usize> {
    let size = value.abs();
    let shifted = size * SCALE + WHOLE;
    let scaled = shifted.to_bits().wrapping_sub(WHOLE.to_bits());
    // Both are whole numbers that a float holds, so this is the float next to their quotient: what would be read.
    let is_read_back = size < SHORT && (shifted - WHOLE) / SCALE == size;
    if !is_read_back || scaled < SMALL && value.to_bits() != 0 {
        return None;
    }
    let (whole, decimals) = (scaled / 1_000_000, scaled % 1_000_000);
    let front = BEHIND_POINT[(decimals / 1000) as usize];
    let back = BEHIND_POINT[(decimals % 1000) as usize];
    place[0] = b'-';
    let sign = usize::from(value < 0.0);
    let point = sign + write_whole(whole, place[sign..].first_chunk_mut().expect("it is longer"));
    // Four bytes at a time, of which the last is no digit, and written over.
    put_at(place, point + 1, front);
    put_at(place, point + 4, back);
    // Up to the last digit that is no zero, one at least.
    let behind = if back[3] == 0 { usize::from(front[3].max(1)) } else { 3 + usize::from(back[3]) };
    place[point] = b'.';
    place[point + 1 + behind] = b',';
    Some(point + 2 + behind)
}

/// Writes a number of eight digits at most, and says how many it has.
#[inline]
fn write_whole(number: u64, place: &mut [u8; 8]) -> usize {
    match BEFORE_POINT.get(number as usize) {
        Some(few @ [.., length]) => {
            put_at(place, 0, *few);
            usize::from(*length)
        }
        None => {
            let digits = digits(number);
            let zeros = digits.trailing_zeros() as usize / 8;
            *place = ((digits | ZEROS) >> (8 * zeros)).to_le_bytes();
            8 - zeros
        }
    }
}

/// Of each number below a thousand its three digits, and which of them is the last that is no zero.
static BEHIND_POINT: [[u8; 4]; 1000] = {
    let mut all = [[0; 4]; 1000];
    let mut number = 0;
    while number < 1000 {
        let [hundreds, tens, ones] = [number / 100, number / 10 % 10, number % 10];
        let last = match (hundreds, tens, ones) {
            (0, 0, 0) => 0,
            (_, 0, 0) => 1,
            (_, _, 0) => 2,
            (_, _, _) => 3,
        };
        all[number] = [b'0' + hundreds as u8, b'0' + tens as u8, b'0' + ones as u8, last];
        number += 1;
    }
    all
};

/// Of each of them its digits without zeros in front, and how many there are.
static BEFORE_POINT: [[u8; 4]; 1000] = {
    let mut all = [[0; 4]; 1000];
    let mut number = 0;
    while number < 1000 {
        let [hundreds, tens, ones, _] = BEHIND_POINT[number];
        all[number] = match number {
            0..10 => [ones, 0, 0, 1],
            10..100 => [tens, ones, 0, 2],
            _ => [hundreds, tens, ones, 3],
        };
        number += 1;
    }
    all
};

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
        let is_short = |value| short(value, &mut [0; MOST]).is_some();
        assert!(is_short(0.5) && is_short(12_345_678.25) && !is_short(1.0 / 3.0));
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
