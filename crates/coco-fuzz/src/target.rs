//! A target that somebody wrote in a dashboard, and whatever else a client sends for one.

use graphite::{Evaluation, Format, Limits, Options, Progress, Request, Target, TimeSeries, Window};
use serde_json::Value;

/// Little, so that nothing takes long.
fn limits() -> Limits {
    Limits {
        calls: 500,
        fetches: 50,
        series: 200,
        points: 20_000,
        work: 1_000_000,
        name_bytes: 20_000,
        text_bytes: 200_000,
        regex_bytes: 100_000,
        ..Limits::default()
    }
}

/// What is read prints as what is read as the same. What is evaluated ends, asks for nothing twice, and is written as
/// strict JSON and without an error in every other format.
pub fn holds(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let limits = limits();
    let target = match Target::parse(text, &limits) {
        Ok(target) => target,
        Err(error) => return assert!(!error.to_string().contains('\n'), "an error is a line"),
    };
    if let Some(expression) = target.expression {
        let again = Target::parse(&expression.to_string(), &limits);
        assert_eq!(again, Ok(Target { expression: Some(expression), rest: None }));
    }
    let Some(series) = evaluated(text, &limits) else { return };
    for name in ["json", "raw", "csv", "pickle", "msgpack"] {
        for most in [None, Some(1), Some(3)] {
            let options = Options { max_data_points: most, ..Options::default() };
            let format = Format::named(Some(name), None).expect("it is a format");
            let answer = format.answer(&series, &options);
            assert!(answer.is_ok() || name == "json", "only JSON has fewer points");
            let Ok(answer) = answer else { continue };
            let written = answer.to_bytes();
            assert!(
                name != "json" || serde_json::from_slice::<Vec<Value>>(&written).is_ok(),
                "JSON is strict"
            );
        }
    }
}

fn evaluated(text: &str, limits: &Limits) -> Option<Vec<TimeSeries>> {
    let window = Window { from: 1_795_289_400, until: 1_795_289_520 };
    let mut evaluation = Evaluation::new(Request::new([text], window), limits).ok()?;
    let mut asked = Vec::new();
    loop {
        match evaluation.advance() {
            Ok(Progress::Done(series)) => return Some(series),
            Ok(Progress::Fetch(fetches)) => {
                assert!(!fetches.is_empty(), "it waits for something");
                for fetch in fetches {
                    assert!(!asked.contains(&fetch), "{fetch:?} is asked for twice");
                    asked.push(fetch.clone());
                    let found = found(fetch.window);
                    if evaluation.supply(fetch, found).is_err() {
                        return None;
                    }
                }
            }
            Err(error) => {
                assert!(!error.to_string().contains('\n'), "an error is a line");
                return None;
            }
        }
    }
}

/// Whatever is asked for: some series of different steps, of as many rows as fit the limits.
fn found(window: Window) -> Vec<TimeSeries> {
    let series = [("a.s10.ramp", 10), ("a.s10.gaps", 10), ("b.s30.slow", 30), ("c.x.none", 60)];
    let made = series.map(|(name, step)| {
        let start = window.from.div_euclid(step) * step + step;
        let rows = usize::try_from((window.until - start) / step + 1).unwrap_or_default().min(1_000);
        let value = |row: usize| match (name, row % 5) {
            ("c.x.none", _) | ("a.s10.gaps", 1 | 2) => f64::NAN,
            ("b.s30.slow", 3) => f64::INFINITY,
            (_, rest) => row as f64 - 3.5 * rest as f64,
        };
        TimeSeries::new(name, start, step, (0..rows).map(value).collect())
    });
    made.to_vec()
}
