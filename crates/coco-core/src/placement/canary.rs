//! The hosts that a change of placement begins with.
//!
//! Every host has a fixed point between 0 and 1, the same in all tiers and processes, and is among so many percent of
//! the hosts if its point lies below. Who is in 1 % is in 10 %.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use thiserror::Error;
use xxhash_rust::xxh64::xxh64;

use crate::host::stored_name;

/// A seed that makes points independent of the owners of hosts.
static SEED: LazyLock<u64> = LazyLock::new(|| xxh64(b"coco migration", 0));

/// A part of all hosts, in hundredths of a percent: `0%` to `100%`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percentage(u16);

impl Percentage {
    /// No host.
    pub const NONE: Self = Self(0);

    /// Every host.
    pub const ALL: Self = Self(10_000);

    /// In hundredths of a percent: 0 to 10,000.
    pub fn hundredths(self) -> u16 {
        self.0
    }

    /// Whether the host is in it.
    pub fn contains(self, host: &[u8]) -> bool {
        u128::from(point(host)) * u128::from(Self::ALL.0) < u128::from(self.0) << 64
    }
}

/// The point of a host, in units of 2^-64.
pub fn point(host: &[u8]) -> u64 {
    xxh64(&stored_name(host), *SEED)
}

/// A text that is no percentage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected \"0%\" to \"100%\", with at most two decimals")]
pub struct PercentageError;

impl FromStr for Percentage {
    type Err = PercentageError;

    fn from_str(text: &str) -> Result<Self, PercentageError> {
        let number = text.strip_suffix('%').ok_or(PercentageError)?;
        let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str, most| {
            (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !digits(whole, 3) || !digits(decimals, 2) {
            return Err(PercentageError);
        }
        // Three digits and two: at most 99,999.
        let hundredths: u32 = format!("{whole}{decimals:0<2}").parse().map_err(|_| PercentageError)?;
        let percentage = u16::try_from(hundredths).map(Self).map_err(|_| PercentageError)?;
        if percentage > Self::ALL { Err(PercentageError) } else { Ok(percentage) }
    }
}

impl Percentage {
    /// The part that these are of all, rounded to the nearest; none of none.
    pub fn of(part: u64, all: u64) -> Self {
        let hundredths = (u128::from(part) * 10_000 + u128::from(all) / 2).checked_div(u128::from(all));
        Self(hundredths.map_or(0, |hundredths| hundredths.min(10_000) as u16))
    }
}

impl fmt::Display for Percentage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, hundredths) = (self.0 / 100, self.0 % 100);
        match hundredths {
            0 => write!(f, "{whole}%"),
            tenths if tenths % 10 == 0 => write!(f, "{whole}.{}%", tenths / 10),
            _ => write!(f, "{whole}.{hundredths:02}%"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_read_as_they_are_written() {
        for (text, hundredths) in [
            ("0%", 0),
            ("0.01%", 1),
            ("0.1%", 10),
            ("5%", 500),
            ("12.34%", 1234),
            ("99.99%", 9999),
            ("100%", 10_000),
        ] {
            assert_eq!(text.parse(), Ok(Percentage(hundredths)), "{text}");
            assert_eq!(Percentage(hundredths).to_string(), text);
        }
        assert_eq!("007.50%".parse(), Ok(Percentage(750)));
    }

    #[test]
    fn what_is_no_percentage_is_refused() {
        for text in [
            "", "%", "5", "5 %", " 5%", "-1%", "+1%", "100.01%", "101%", "999%", "0.001%", "1.%", ".5%",
            "1e1%", "1000%", "٣%",
        ] {
            assert_eq!(text.parse::<Percentage>(), Err(PercentageError), "{text}");
        }
    }

    #[test]
    fn none_is_no_host_and_all_is_every_host() {
        for host in 0..10_000 {
            let host = format!("host{host}");
            assert!(!Percentage::NONE.contains(host.as_bytes()));
            assert!(Percentage::ALL.contains(host.as_bytes()));
        }
    }

    /// The larger holds whom the smaller holds, and each as many as it says, within three standard deviations.
    #[test]
    fn a_smaller_part_is_within_a_larger_one_and_of_its_size() {
        const HOSTS: u32 = 100_000;
        let percentages =
            ["0.1%", "1%", "5%", "10%", "50%", "99%"].map(|text| text.parse::<Percentage>().unwrap());
        let mut counts = [0_u32; 6];
        for host in 0..HOSTS {
            let host = format!("host{host}.example.org");
            let within = percentages.map(|percentage| percentage.contains(host.as_bytes()));
            assert!(within.is_sorted(), "{host}");
            counts.iter_mut().zip(within).for_each(|(count, is_within)| *count += u32::from(is_within));
        }
        for (percentage, count) in percentages.iter().zip(counts) {
            let share = f64::from(percentage.0) / f64::from(Percentage::ALL.0);
            let deviation = (f64::from(HOSTS) * share * (1.0 - share)).sqrt();
            assert!(
                (f64::from(count) - f64::from(HOSTS) * share).abs() < 3.0 * deviation,
                "{percentage}: {count}"
            );
        }
    }

    #[test]
    fn a_host_has_the_point_of_the_name_it_is_stored_under() {
        assert_eq!(point(b"/rack/web1"), point(b"rack_web1"));
        assert_ne!(point(b"web1"), point(b"web2"));
    }
}
