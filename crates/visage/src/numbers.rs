//! Numbers as JSON, in the shortest form that is read back as the same.

/// What most numbers take at most, with the comma behind them.
const NUMBER: usize = 20;

/// Numbers of so many decimals, if they have no more, are written without looking for a shorter form: there is none.
const DECIMALS: usize = 6;

/// Ten to that power.
const SCALE: u32 = 1_000_000;

/// Where the point stands: behind a sign and as many digits as [`SHORT`] numbers have.
const POINT: usize = 10;

/// Numbers of a size below this, and of one from [`SMALL`] on, with so many decimals have at most 15 digits: no other
/// number of 15 digits or fewer is read back as the same one.
const SHORT: f64 = 1e8;

/// Smaller ones may have an exponent.
const SMALL: f64 = 1e-3;

const DIGITS: &[u8; 10] = b"0123456789";

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
fn short(value: f64) -> Option<([u8; POINT + 1 + NUMBER], usize, usize)> {
    let size = value.abs();
    let is_short = (SMALL..SHORT).contains(&size) || value.to_bits() == 0;
    let scaled = (size * f64::from(SCALE) + 0.5) as u64;
    // Both are whole numbers that a float holds, so this is the float next to their quotient: what would be read.
    if !is_short || scaled as f64 / f64::from(SCALE) != size {
        return None;
    }
    let (mut whole, mut decimals) = ((scaled / u64::from(SCALE)) as u32, (scaled % u64::from(SCALE)) as u32);
    let mut number = [b'0'; POINT + 1 + NUMBER];
    number[POINT] = b'.';
    for place in (POINT + 1..=POINT + DECIMALS).rev() {
        number[place] = DIGITS[(decimals % 10) as usize];
        decimals /= 10;
    }
    let mut end = POINT + 1 + DECIMALS;
    while end > POINT + 2 && number[end - 1] == b'0' {
        end -= 1;
    }
    number[end] = b',';
    let mut start = POINT - 1;
    number[start] = DIGITS[(whole % 10) as usize];
    whole /= 10;
    while whole > 0 && start > 1 {
        start -= 1;
        number[start] = DIGITS[(whole % 10) as usize];
        whole /= 10;
    }
    if value < 0.0 {
        start -= 1;
        number[start] = b'-';
    }
    Some((number, start, end + 1))
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
            0.0, -0.0, 1.0, -1.0, 0.001, 0.000_999, 0.001_000_1, 0.1, 0.3, 0.1 + 0.2, 99_999_999.999_999,
            99_999_999.999_999_9, 1e8, 12_345_678.0, -0.5, 1e16, 1e-7, f64::MAX, f64::MIN_POSITIVE, 5e-324,
            123_456.789_012, 0.999_999_9, 0.999_999_95, 9.5, f64::NAN, f64::INFINITY, 1.0 / 3.0,
        ];
        assert_eq!(written(&edges), expected(&edges));
        assert_eq!(written(&[]), "");
        assert!(short(0.5).is_some() && short(12_345_678.25).is_some() && short(1.0 / 3.0).is_none());
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
