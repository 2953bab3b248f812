//! Percentiles as Graphite counts them.

use crate::aggregate::known;

/// The value below which `n` percent of the known values are; `Ok(NaN)` if none is known, an error if there is none of
/// that rank.
///
/// The rank is n/100 * (count + 1), rounded up, or with `is_interpolated` between its neighbours. A negative one counts
/// from the end.
pub(crate) fn percentile(values: &[f64], n: f64, is_interpolated: bool) -> Result<f64, NoSuchRank> {
    let mut sorted: Vec<_> = known(values).collect();
    sorted.sort_by(f64::total_cmp);
    if sorted.is_empty() {
        return Ok(f64::NAN);
    }
    let fractional = n / 100.0 * (sorted.len() as f64 + 1.0);
    let (whole, fraction) = (fractional.trunc(), fractional - fractional.trunc());
    let rank = if is_interpolated { whole } else { whole + fraction.ceil() };
    if !rank.is_finite() || rank.abs() > sorted.len() as f64 + 1.0 {
        return Err(NoSuchRank);
    }
    let rank = rank as i64;
    let count = sorted.len() as i64;
    let at = |index: i64| {
        let index = if index < 0 { index + count } else { index };
        let found = usize::try_from(index).ok().and_then(|index| sorted.get(index));
        found.copied().ok_or(NoSuchRank)
    };
    let found = match rank {
        0 => sorted[0],
        rank if rank - 1 == count => at(count - 1)?,
        rank => at(rank - 1)?,
    };
    if is_interpolated && rank != count {
        return Ok(found + fraction * (at(rank)? - found));
    }
    Ok(found)
}

/// There are not so many values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoSuchRank;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rank_is_rounded_up_or_lies_between() {
        let values = [3.0, f64::NAN, 1.0, 2.0, 4.0];
        for (n, is_interpolated, expected) in [
            (50.0, false, Ok(3.0)),
            (50.0, true, Ok(2.5)),
            (1.0, false, Ok(1.0)),
            (100.0, false, Ok(4.0)),
            (100.0, true, Err(NoSuchRank)),
            (150.0, false, Err(NoSuchRank)),
            (-3.0, false, Ok(1.0)),
            (f64::INFINITY, false, Err(NoSuchRank)),
        ] {
            assert_eq!(percentile(&values, n, is_interpolated), expected, "{n} {is_interpolated}");
        }
        assert!(percentile(&[f64::NAN], 50.0, false).unwrap().is_nan());
    }
}
