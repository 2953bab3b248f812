//! What holds however many sources there are, whatever their steps, and in whatever order they answer.

#![allow(clippy::unwrap_used, reason = "a test may end this way")]

use proptest::prelude::*;
use proptest::sample::Index;
use series::grid::{Grid, Step};
use series::join::{Joined, Priority};
use series::series::Series;

/// collectd's own among them, which do not divide each other.
const STEPS: [u32; 6] = [1, 3, 7, 10, 70, 500];

#[derive(Debug, Clone)]
struct Source {
    priority: Priority,
    series: Series,
}

impl Source {
    fn joined(&self) -> Joined {
        Joined::of(self.priority, &self.series)
    }

    fn step(&self) -> i64 {
        self.series.grid().step().get().into()
    }
}

/// Values are few, so that sources often agree, and often not.
fn series(steps: &'static [u32]) -> impl Strategy<Value = Series> {
    let value = prop_oneof![2 => Just(None), 3 => (-3_i8..=3).prop_map(|value| Some(f64::from(value)))];
    let values = prop::collection::vec(value, 0..60);
    (prop::sample::select(steps), -3_i64..60, values).prop_map(|(step, place, values)| {
        let step = Step::new(step).unwrap();
        // Within some hundred seconds of each other, whatever the step is.
        let start = (place * 10).div_euclid(i64::from(step.get())) * i64::from(step.get());
        Series::new(Grid::new(start, step, values.len()).unwrap(), &values).unwrap()
    })
}

/// Sources of different priorities; one may have answered several times.
fn sources(steps: &'static [u32]) -> impl Strategy<Value = Vec<Source>> {
    prop::collection::vec((0_u32..3, 0_u32..3, series(steps)), 1..6).prop_map(|sources| {
        let source = |(tier, source, series)| Source { priority: Priority { tier, source }, series };
        sources.into_iter().map(source).collect()
    })
}

/// One after the other.
fn all<'a>(sources: impl IntoIterator<Item = &'a Source>) -> Joined {
    sources.into_iter().map(Source::joined).fold(Joined::default(), Joined::join)
}

fn known(joined: &Joined, start: i64, finish: i64) -> Vec<(i64, f64)> {
    joined.series(start, finish).unwrap().map_or_else(Vec::new, |series| series.known().collect())
}

/// All that any source has.
fn window(sources: &[Source]) -> (i64, i64) {
    let grids = || sources.iter().map(|source| source.series.grid());
    (grids().map(Grid::start).min().unwrap(), grids().map(Grid::end).max().unwrap())
}

proptest! {
    #[test]
    fn joining_is_commutative_associative_and_idempotent(
        a in sources(&STEPS), b in sources(&STEPS), c in sources(&STEPS),
    ) {
        let [a, b, c] = [a, b, c].map(|sources| all(&sources));
        prop_assert_eq!(a.clone().join(b.clone()), b.clone().join(a.clone()));
        let [left, right] = [
            a.clone().join(b.clone()).join(c.clone()),
            a.clone().join(b.clone().join(c)),
        ];
        prop_assert_eq!(&left, &right);
        prop_assert_eq!(a.clone().join(a.clone()), a.clone());
        prop_assert_eq!(left.clone().join(a), left.clone());
        prop_assert_eq!(left.clone().join(Joined::default()), left);
    }

    #[test]
    fn the_order_of_arrival_never_matters(
        arrived in sources(&STEPS).prop_flat_map(|sources| (Just(sources.clone()), Just(sources).prop_shuffle())),
        again in any::<Index>(),
        start in -50_i64..600,
        length in 0_i64..900,
    ) {
        let (sources, mut shuffled) = arrived;
        let expected = all(&sources).series(start, start + length).unwrap();
        // A request that was sent twice is answered twice.
        shuffled.push(shuffled[again.index(shuffled.len())].clone());
        prop_assert_eq!(all(&shuffled).series(start, start + length).unwrap(), expected);
    }

    #[test]
    fn no_known_row_is_lost(sources in sources(&STEPS)) {
        let (start, end) = window(&sources);
        let series = all(&sources).series(start, end).unwrap().unwrap();
        let step = i64::from(series.grid().step().get());
        let rows: Vec<_> = series.known().collect();
        for source in &sources {
            for (end, value) in source.series.known() {
                let begin = end - source.step();
                let told = rows.iter().filter(|(last, _)| *last > begin && last - step < end);
                prop_assert!(told.clone().count() > 0, "{value} from {begin} to {end} of {source:?} in {series:?}");
                if source.step() == step {
                    prop_assert!(told.clone().any(|(last, _)| *last == end));
                }
            }
        }
        // And nothing is made up: every value lies between those of sources at that time.
        for (last, value) in &rows {
            let of_all = sources.iter().flat_map(|source| {
                let of_time = source.series.known().filter(move |(end, _)| *end > last - step && end - source.step() < *last);
                of_time.map(|(_, value)| value)
            });
            let (least, most) = of_all.fold((f64::MAX, f64::MIN), |(least, most), one| (least.min(one), most.max(one)));
            prop_assert!((least..=most).contains(value), "{value} until {last} of {sources:?}");
        }
    }

    #[test]
    fn rows_of_one_step_are_those_of_the_first_source_that_knows_them(sources in sources(&[10])) {
        let (start, end) = window(&sources);
        let series = all(&sources).series(start, end).unwrap().unwrap();
        for (last, value) in series.grid().ends().zip(series.values()) {
            let said = |source: &Source| {
                let row = source.series.grid().row_at(last)?;
                Some((source.priority, source.series.values().nth(row)??))
            };
            let first = sources.iter().filter_map(said).map(|(priority, _)| priority).min();
            // The larger, where one source said both.
            let of_first = sources.iter().filter_map(said).filter(|(priority, _)| Some(*priority) == first);
            prop_assert_eq!(value, of_first.map(|(_, value)| value).reduce(f64::max));
        }
    }

    #[test]
    fn the_step_is_one_that_a_source_has_and_the_rows_are_those_of_the_window(
        sources in sources(&STEPS), start in -50_i64..600, length in 0_i64..900,
    ) {
        let finish = start + length;
        let series = all(&sources).series(start, finish).unwrap().unwrap();
        let step = series.grid().step();
        prop_assert!(sources.iter().any(|source| source.series.grid().step() == step));
        prop_assert_eq!(series.grid(), &Grid::covering(start, finish, step).unwrap());
        // A part of the window tells the same, as far as it is told in that step.
        let part = known(&all(&sources), start, start + length / 2);
        let whole: Vec<_> = series.known().collect();
        let is_of_part = part.iter().all(|(end, value)| whole.contains(&(*end, *value)));
        let part_step = all(&sources).series(start, start + length / 2).unwrap().unwrap().grid().step();
        prop_assert!(part_step != step || is_of_part, "{part:?} of {whole:?}");
    }

    #[test]
    fn consolidating_keeps_the_area_under_known_rows(
        values in prop::collection::vec(-100.0_f64..100.0, 1..80), place in -5_i64..5,
        steps in prop::sample::select(&[(1, 7), (10, 70), (10, 35), (7, 10), (70, 500)]),
    ) {
        let (step, longer) = (Step::new(steps.0).unwrap(), Step::new(steps.1).unwrap());
        let grid = Grid::new(place * i64::from(steps.0), step, values.len()).unwrap();
        let series = Series::from_nan(grid, values.clone()).unwrap();
        let consolidated = series.consolidated(longer).unwrap();
        prop_assert!(consolidated.grid().start() <= grid.start() && consolidated.grid().end() >= grid.end());
        prop_assert!(consolidated.values().all(|value| value.is_some()));
        // Longer rows at both ends are known in part only, and count by that.
        let area: f64 = consolidated
            .known()
            .map(|(end, value)| {
                let begin = (end - i64::from(steps.1)).max(grid.start());
                value * (end.min(grid.end()) - begin) as f64
            })
            .sum();
        let expected = values.iter().sum::<f64>() * f64::from(steps.0);
        prop_assert!((area - expected).abs() < 1e-6, "{area} for {expected}");
    }
}
