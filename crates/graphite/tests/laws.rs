//! What holds for any expression of the table over any series.

use std::collections::BTreeMap;

use graphite::{
    Error, Evaluation, Fetch, Format, Glob, Limits, Options, Progress, Request, Target, TimeSeries, Window,
};
use proptest::prelude::*;
use serde_json::Value;

use expressions::expression;

mod expressions;

const WINDOW: Window = Window { from: 1_795_289_400, until: 1_795_289_520 };

/// Any values of a name: a step, and a seed from which all rows follow, whatever the window.
#[derive(Debug, Clone)]
struct Stored {
    name: String,
    step: i64,
    seed: u64,
}

impl Stored {
    fn rows(&self, window: Window) -> TimeSeries {
        let next = |time: i64| time.div_euclid(self.step) * self.step + self.step;
        let (start, end) = (next(window.from), next(window.until));
        let value = |time: i64| {
            let mixed = (time as u64 ^ self.seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
            match mixed % 7 {
                0 => f64::NAN,
                1 => 0.0,
                _ => (mixed % 2000) as f64 / 8.0 - 100.0,
            }
        };
        let values = (start..end).step_by(self.step as usize).map(value).collect();
        TimeSeries::new(self.name.clone(), start, self.step, values)
    }
}

fn stored() -> impl Strategy<Value = Vec<Stored>> {
    let name = (0..4_u8, prop_oneof!["load", "cpu-0", "df"], prop_oneof!["short", "mid", "used"]);
    let one = (name, prop_oneof![Just(10_i64), Just(30), Just(60), Just(20)], any::<u64>());
    let one = one.prop_map(|((host, plugin, kind), step, seed)| Stored {
        name: format!("web-{host}.{plugin}.{kind}"),
        step,
        seed,
    });
    let by_name = |all: Vec<Stored>| {
        let all: BTreeMap<_, _> = all.into_iter().map(|one| (one.name.clone(), one)).collect();
        all.into_values().collect()
    };
    prop::collection::vec(one, 0..8).prop_map(by_name)
}

/// What is answered if `found` is what a fetch finds.
fn answer(targets: &[&str], found: impl Fn(&Fetch) -> Vec<TimeSeries>) -> Result<Vec<u8>, Error> {
    let limits = Limits::default();
    let mut evaluation = Evaluation::new(Request::new(targets.iter().copied(), WINDOW), &limits)?;
    for _ in 0..50 {
        match evaluation.advance()? {
            Progress::Fetch(fetches) => {
                for fetch in fetches {
                    let found = found(&fetch);
                    evaluation.supply(fetch, found)?;
                }
            }
            Progress::Done(series) => {
                return Ok(Format::Json.answer(&series, &Options::default())?.to_bytes());
            }
        }
    }
    panic!("an evaluation does not end");
}

fn find(stored: &[Stored], fetch: &Fetch) -> Vec<TimeSeries> {
    let glob = Glob::new(&fetch.pattern, &Limits::default()).expect("a pattern");
    let matching = stored.iter().filter(|series| glob.is_match(series.name.as_bytes()));
    matching.map(|series| series.rows(fetch.window)).collect()
}

/// The same series as another replica has them, which missed some rows.
fn with_holes(series: &TimeSeries) -> TimeSeries {
    let values =
        series.values().iter().enumerate().map(|(row, value)| if row % 3 == 0 { f64::NAN } else { *value });
    TimeSeries::new(series.name.clone(), series.start, series.step, values.collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(800))]

    #[test]
    fn the_order_of_nodes_and_the_replica_that_answered_do_not_matter(
        target in expression(),
        stored in stored(),
        turn in 0..8_usize,
    ) {
        let plainly = answer(&[&target], |fetch| find(&stored, fetch));
        let otherwise = answer(&[&target], |fetch| {
            let mut found = find(&stored, fetch);
            let holes: Vec<_> = found.iter().map(with_holes).collect();
            found.splice(0..0, holes);
            found.reverse();
            let length = found.len().max(1);
            found.rotate_left(turn % length);
            found
        });
        prop_assert_eq!(plainly, otherwise);
    }

    #[test]
    fn it_does_not_matter_how_targets_are_split_over_requests(
        one in expression(),
        other in expression(),
        stored in stored(),
    ) {
        let alone = |target: &str| answer(&[target], |fetch| find(&stored, fetch));
        let together = answer(&[&one, &other], |fetch| find(&stored, fetch));
        match (alone(&one), alone(&other)) {
            (Ok(first), Ok(second)) => {
                let parse = |written: &[u8]| serde_json::from_slice::<Vec<Value>>(written).expect("JSON");
                let joined = [parse(&first), parse(&second)].concat();
                let together = parse(&together.expect("both are answered alone"));
                // Nothing is shown where no series has a value, and what has none is shown along with what has.
                let shown = |series: Vec<Value>| -> Vec<Value> {
                    series.into_iter().filter(|series| series["datapoints"] != serde_json::json!([])).collect()
                };
                prop_assert_eq!(shown(together), shown(joined));
            }
            _ => prop_assert!(together.is_err()),
        }
    }

    #[test]
    fn answers_are_strict_and_times_ascend(target in expression(), stored in stored()) {
        let Ok(written) = answer(&[&target], |fetch| find(&stored, fetch)) else { return Ok(()) };
        let series: Vec<Value> = serde_json::from_slice(&written).expect("strict JSON");
        for one in series {
            prop_assert!(one["tags"]["name"].is_string());
            let times: Vec<_> = one["datapoints"].as_array().expect("points").iter().map(|point| point[1].as_i64()).collect();
            prop_assert!(times.is_sorted() && times.iter().all(Option::is_some));
        }
    }

    #[test]
    fn what_is_printed_reads_as_the_same(target in expression()) {
        let limits = Limits::default();
        let read = Target::parse(&target, &limits).expect("it is an expression");
        prop_assert!(read.rest.is_none());
        let printed = read.expression.as_ref().map(ToString::to_string).unwrap_or_default();
        prop_assert_eq!(Target::parse(&printed, &limits), Ok(read));
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[a-z0-9*.,(){}=\"'|\\\\ $;\u{e4}-]{0,60}") {
        let limits = Limits::default();
        if let Ok(Target { expression: Some(expression), .. }) = Target::parse(&text, &limits) {
            let again = Target::parse(&expression.to_string(), &limits).expect("it prints as an expression");
            prop_assert_eq!(again.expression, Some(expression));
            prop_assert_eq!(again.rest, None);
        }
    }
}
