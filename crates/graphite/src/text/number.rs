//! Numbers as Python prints and rounds them.

/// What `repr(number)` says of a float: the shortest digits that read back as the same number.
pub(crate) fn repr(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = split(&scientific);
    if (-4..16).contains(&exponent) {
        let fixed = number.to_string();
        return if fixed.contains('.') { fixed } else { fixed + ".0" };
    }
    with_exponent(mantissa, exponent)
}

/// What `"%g" % number` says: six significant digits, no zeros at the end.
pub(crate) fn general(number: f64) -> String {
    if !number.is_finite() {
        return repr(number);
    }
    let scientific = format!("{number:.5e}");
    let (mantissa, exponent) = split(&scientific);
    if (-4..6).contains(&exponent) {
        // The guard says that this is 0 to 9.
        let digits = usize::try_from(5 - exponent).unwrap_or_default();
        return without_zeros(&format!("{number:.digits$}")).to_owned();
    }
    with_exponent(without_zeros(mantissa), exponent)
}

/// What `round(number, digits)` says: the nearest number of so many decimal digits, by what is exactly stored.
pub(crate) fn round(number: f64, digits: i64) -> f64 {
    if !number.is_finite() || digits > 17 + 308 {
        return number;
    }
    let Ok(places) = usize::try_from(digits) else { return round_to_tens(number, digits) };
    quickly(number, digits).unwrap_or_else(|| format!("{number:.places$}").parse().unwrap_or(number))
}

/// The same where a product with a power of ten is far enough from half of a unit that its error cannot matter.
fn quickly(number: f64, digits: i64) -> Option<f64> {
    let power = 10_f64.powi(i32::try_from(digits).ok().filter(|digits| *digits <= 15)?);
    let scaled = number * power;
    let fraction = (scaled - scaled.floor() - 0.5).abs();
    (scaled.abs() < 1e9 && fraction > 1e-5).then(|| scaled.round() / power)
}

fn round_to_tens(number: f64, digits: i64) -> f64 {
    let Ok(power) = i32::try_from(-digits) else { return 0.0 * number };
    if power > 308 {
        return 0.0 * number;
    }
    let power = 10_f64.powi(power);
    (number / power).round_ties_even() * power
}

fn split(scientific: &str) -> (&str, i32) {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    (mantissa, exponent.parse().unwrap_or_default())
}

fn with_exponent(mantissa: &str, exponent: i32) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

fn without_zeros(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Python 3.11 prints.
    #[test]
    fn numbers_are_printed_as_python_does() {
        for (number, as_repr, as_general) in [
            (0.0, "0.0", "0"),
            (-0.0, "-0.0", "-0"),
            (1.0, "1.0", "1"),
            (0.1, "0.1", "0.1"),
            (100.0, "100.0", "100"),
            (1e5, "100000.0", "100000"),
            (1e6, "1000000.0", "1e+06"),
            (123_456_789.0, "123456789.0", "1.23457e+08"),
            (999_999.5, "999999.5", "1e+06"),
            (0.000_1, "0.0001", "0.0001"),
            (0.000_012_345_678, "1.2345678e-05", "1.23457e-05"),
            (1e15, "1000000000000000.0", "1e+15"),
            (1e16, "1e+16", "1e+16"),
            (1.5e300, "1.5e+300", "1.5e+300"),
            (0.333_333_333, "0.333333333", "0.333333"),
            (f64::INFINITY, "inf", "inf"),
            (f64::NAN, "nan", "nan"),
        ] {
            assert_eq!(repr(number), as_repr);
            assert_eq!(general(number), as_general, "{number}");
        }
    }

    /// What Python 3.11 says; 2.675 is stored as a little less, 0.5 exactly.
    #[test]
    fn rounding_goes_by_what_is_stored() {
        for (number, digits, expected) in [
            (2.675, 2, 2.67),
            (0.5, 0, 0.0),
            (1.5, 0, 2.0),
            (2.5, 0, 2.0),
            (-9.125, 2, -9.12),
            (15.0, -1, 20.0),
            (25.0, -1, 20.0),
            (1.0 / 3.0, 6, 0.333_333),
            (0.000_000_5, 6, 0.0),
            (0.000_001_5, 6, 0.000_002),
            (123_456_789_012.5, 0, 123_456_789_012.0),
            (1.0, 400, 1.0),
            (1.0, -400, 0.0),
        ] {
            assert_eq!(round(number, digits), expected, "{number} {digits}");
        }
    }
}
