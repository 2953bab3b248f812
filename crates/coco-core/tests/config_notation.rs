//! How durations and sizes are written.

use std::time::Duration;

use coco_core::config::duration::{self, DurationError};
use coco_core::config::size::{self, SizeError};
use proptest::prelude::*;

/// From the examples and tests of Go's `time.ParseDuration`.
#[test]
fn durations_as_go_reads_them() {
    for (text, nanoseconds) in [
        ("0", 0),
        ("+0", 0),
        ("-0", 0),
        ("0s", 0),
        ("5s", 5_000_000_000),
        ("+5s", 5_000_000_000),
        ("1478s", 1_478_000_000_000),
        ("5.0s", 5_000_000_000),
        ("5.6s", 5_600_000_000),
        ("5.s", 5_000_000_000),
        (".5s", 500_000_000),
        ("1.004s", 1_004_000_000),
        ("100.00100s", 100_001_000_000),
        ("10ns", 10),
        ("11us", 11_000),
        ("12\u{b5}s", 12_000),
        ("12\u{3bc}s", 12_000),
        ("13ms", 13_000_000),
        ("15m", 900_000_000_000),
        ("16h", 57_600_000_000_000),
        ("3h30m", 12_600_000_000_000),
        ("10.5s4m", 250_500_000_000),
        ("1h2m3s4ms5us6ns", 3_723_004_005_006),
        ("39h9m14.425s", 140_954_425_000_000),
        ("0.3333333333333333333h", 1_199_999_999_999),
        ("0.100000000000000000000h", 360_000_000_000),
        ("9223372036854775807ns", i64::MAX as u64),
        ("9223372036.854775807s", i64::MAX as u64),
    ] {
        assert_eq!(duration::parse(text), Ok(Duration::from_nanos(nanoseconds)), "{text}");
    }
}

#[test]
fn texts_that_are_no_durations() {
    use DurationError::*;
    for (text, error) in [
        ("", Empty),
        ("-", Empty),
        ("3", MissingUnit),
        ("1m30", MissingUnit),
        ("s", NotANumber("s".to_owned())),
        (".", NotANumber(".".to_owned())),
        (".s", NotANumber(".s".to_owned())),
        ("10 s", UnknownUnit(" s".to_owned())),
        ("1d", UnknownUnit("d".to_owned())),
        ("1S", UnknownUnit("S".to_owned())),
        ("-1s", Negative),
        ("9223372036854775808ns", TooLong),
        ("9223372036854775807ns1ns", TooLong),
        ("99999999999999999999s", TooLong),
        ("2562048h", TooLong),
    ] {
        assert_eq!(duration::parse(text), Err(error), "{text}");
    }
}

#[test]
fn durations_are_written_short() {
    for text in ["0s", "1ns", "2µs", "1.5ms", "500ms", "1.5s", "4s", "1m30s", "1h", "24h", "1h0.000000001s"]
    {
        assert_eq!(duration::format(duration::parse(text).unwrap()), text);
    }
}

#[test]
fn sizes() {
    for (text, bytes) in
        [("0", 0), ("1452", 1452), ("512B", 512), ("64KiB", 65_536), ("16 MiB", 16 << 20), ("1GiB", 1 << 30)]
    {
        assert_eq!(size::parse(text), Ok(bytes), "{text}");
    }
    for (text, error) in [
        ("", SizeError::NotANumber),
        ("MiB", SizeError::NotANumber),
        ("-1", SizeError::NotANumber),
        ("1.5MiB", SizeError::UnknownUnit(".5MiB".to_owned())),
        ("16MB", SizeError::UnknownUnit("MB".to_owned())),
        ("16M", SizeError::UnknownUnit("M".to_owned())),
        ("18446744073709551616", SizeError::TooLarge),
        ("99999999999GiB", SizeError::TooLarge),
    ] {
        assert_eq!(size::parse(text), Err(error), "{text}");
    }
}

proptest! {
    #[test]
    fn a_duration_reads_back(nanoseconds in prop_oneof![0..=i64::MAX as u64, 0..10_000_000_000u64]) {
        let duration = Duration::from_nanos(nanoseconds);
        prop_assert_eq!(duration::parse(&duration::format(duration)), Ok(duration));
    }

    #[test]
    fn a_size_reads_back(bytes in prop_oneof![any::<u64>(), (0..1u64 << 34).prop_map(|kib| kib << 10)]) {
        prop_assert_eq!(size::parse(&size::format(bytes)), Ok(bytes));
    }

    #[test]
    fn any_text_is_a_duration_and_a_size_or_not(text in "\\PC*|[+-]?([0-9]{0,25}[.]?[0-9]{0,25}(ns|us|µs|ms|s|m|h|KiB)?){0,3}") {
        if let Ok(duration) = duration::parse(&text) {
            prop_assert_eq!(duration::parse(&duration::format(duration)), Ok(duration));
        }
        if let Ok(bytes) = size::parse(&text) {
            prop_assert_eq!(size::parse(&size::format(bytes)), Ok(bytes));
        }
    }
}
