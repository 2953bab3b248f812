//! A window of rates, cut in two, and how much the halves differ.

use std::time::Duration;

use crate::kolmogorov_smirnov::KolmogorovSmirnov;
use crate::question::{FEWEST, Problem};

/// The rates of a window that are known: those of its first half, and those of its second.
#[derive(Debug, PartialEq)]
pub struct Halves {
    /// The older ones.
    pub before: Vec<f64>,
    /// The newer ones; one more where the number is odd.
    pub after: Vec<f64>,
}

/// How much two halves differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// The mean of the first half.
    pub before: f64,
    /// The mean of the second.
    pub after: f64,
    /// How their distributions differ.
    pub test: KolmogorovSmirnov,
}

impl Halves {
    /// Drops what is not known and cuts the rest in the middle.
    ///
    /// # Errors
    /// When fewer than [`FEWEST`] are known, [`Problem::TooFew`] with a window that should have enough.
    pub fn of(points: &[Option<f64>], window: Duration) -> Result<Self, Problem> {
        let mut before: Vec<_> = points.iter().copied().flatten().filter(|point| point.is_finite()).collect();
        let found = before.len();
        if found < FEWEST {
            // One more, since the last is often not there yet.
            let needed = (FEWEST + 1) as f64 * window.as_secs_f64();
            let window = (found > 0).then(|| Duration::from_secs((needed / found as f64).ceil() as u64));
            return Err(Problem::TooFew { found, window });
        }
        let after = before.split_off(found / 2);
        Ok(Self { before, after })
    }

    /// Compares them.
    #[must_use]
    pub fn difference(&self) -> Difference {
        let test = KolmogorovSmirnov::test(&self.before, &self.after).expect("no half is empty");
        Difference { before: mean(&self.before), after: mean(&self.after), test }
    }
}

impl Difference {
    /// By which part of it the mean has changed: -0.5 when it is half of what it was, infinite when it was 0.
    #[must_use]
    pub fn change(&self) -> f64 {
        if self.after == self.before { 0.0 } else { (self.after - self.before) / self.before }
    }
}

fn mean(sample: &[f64]) -> f64 {
    // Each part first, so that the sum does not overflow.
    let length = sample.len() as f64;
    sample.iter().map(|value| value / length).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn gaps_are_dropped_before_the_cut() {
        let points: Vec<_> = (0..63).map(|i| (i % 3 != 0).then_some(f64::from(i))).collect();
        let halves = Halves::of(&points, MINUTE).unwrap();
        assert_eq!((halves.before.len(), halves.after.len()), (21, 21));
        assert!(halves.before.iter().all(|rate| *rate < halves.after[0]));

        let odd = Halves::of(&vec![Some(1.0); 21], MINUTE).unwrap();
        assert_eq!((odd.before.len(), odd.after.len()), (10, 11));
    }

    #[test]
    fn twenty_points_are_enough_and_fewer_say_how_to_have_more() {
        let too_few = |points: &[Option<f64>], window| match Halves::of(points, Duration::from_secs(window)) {
            Err(Problem::TooFew { found, window }) => (found, window.map(|window| window.as_secs())),
            other => panic!("{other:?}"),
        };
        assert!(Halves::of(&[Some(1.0); 20], MINUTE).is_ok());
        assert_eq!(too_few(&[Some(1.0); 12], 120), (12, Some(210)));
        assert_eq!(too_few(&[[Some(1.0); 19].as_slice(), &[None; 40]].concat(), 590), (19, Some(653)));
        assert_eq!(too_few(&[None; 60], 600), (0, None));
        assert_eq!(too_few(&[Some(f64::NAN); 60], 600), (0, None));
    }

    #[test]
    fn the_change_is_a_part_of_what_was() {
        let change = |before: f64, after: f64| {
            let points = [vec![Some(before); 10], vec![Some(after); 10]].concat();
            Halves::of(&points, MINUTE).unwrap().difference().change()
        };
        assert!((change(10.0, 5.0) + 0.5).abs() < 1e-12);
        assert!((change(10.0, 30.0) - 2.0).abs() < 1e-12);
        assert_eq!(change(3.0, 0.0), -1.0);
        assert_eq!(change(0.0, 0.0), 0.0);
        assert_eq!(change(0.0, 1e-9), f64::INFINITY);
        assert_eq!(change(f64::MAX, f64::MAX), 0.0);
    }
}
