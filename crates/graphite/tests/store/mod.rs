//! The made-up series of the vectors, and evaluating over them.

use std::fs;
use std::path::PathBuf;

use graphite::{Error, Evaluation, Fetch, Glob, Limits, Progress, Request, TimeSeries};
use serde_json::Value;

pub(crate) fn testdata(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/vectors").join(name)
}

/// One made-up series.
struct Stored {
    name: String,
    step: i64,
    values: Vec<f64>,
    outside: f64,
}

pub(crate) struct Store {
    pub(crate) base: i64,
    series: Vec<Stored>,
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

impl Store {
    pub(crate) fn read() -> Self {
        let text = fs::read_to_string(testdata("series.json")).expect("testdata is there");
        let document: Value = serde_json::from_str(&text).expect("series.json is JSON");
        let stored = |series: &Value| Stored {
            name: series["name"].as_str().expect("a name").to_owned(),
            step: series["step"].as_i64().expect("a step"),
            values: series["values"].as_array().expect("values").iter().map(number).collect(),
            outside: number(&series["outside"]),
        };
        Self {
            base: document["base"].as_i64().expect("a base"),
            series: document["series"].as_array().expect("series").iter().map(stored).collect(),
        }
    }

    pub(crate) fn fetch(&self, fetch: &Fetch) -> Vec<TimeSeries> {
        let glob = Glob::new(&fetch.pattern, &Limits::default()).expect("a pattern");
        let matching = self.series.iter().filter(|series| glob.is_match(series.name.as_bytes()));
        matching.map(|series| self.rows(series, fetch)).collect()
    }

    fn rows(&self, series: &Stored, fetch: &Fetch) -> TimeSeries {
        let step = series.step;
        let next = |time: i64| time.div_euclid(step) * step + step;
        let (start, mut end) = (next(fetch.window.from), next(fetch.window.until));
        if start == end {
            end += step;
        }
        let value = |time: i64| {
            let row = usize::try_from((time - self.base) / step - 1).ok();
            row.and_then(|row| series.values.get(row)).copied().unwrap_or(series.outside)
        };
        let values = (start..end).step_by(step as usize).map(value).collect();
        TimeSeries::new(series.name.clone(), start, step, values)
    }

    /// The series of a request, and how often series were fetched for it.
    pub(crate) fn evaluate(
        &self,
        request: Request,
        limits: &Limits,
    ) -> Result<(Vec<TimeSeries>, usize), Error> {
        let mut evaluation = Evaluation::new(request, limits)?;
        for rounds in 0..100 {
            match evaluation.advance()? {
                Progress::Done(series) => return Ok((series, rounds)),
                Progress::Fetch(fetches) => {
                    assert!(!fetches.is_empty(), "an evaluation waits for nothing");
                    for fetch in fetches {
                        let found = self.fetch(&fetch);
                        evaluation.supply(fetch, found)?;
                    }
                }
            }
        }
        panic!("an evaluation does not end");
    }
}
