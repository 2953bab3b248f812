//! `/render`: targets to series, and these to a text.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::sync::Arc;

use coco_daemon::http::{Request, Response};
use graphite::{Error, Evaluation, Fetch, Format, Limits, Options, Progress, TimeSeries, TimeZone, Window};

use super::Graphite;
use super::answer::Text;
use super::metrics::Leaf;
use super::storage::{NoRows, Storage};
use crate::budget::{Exhausted, Reservation};
use crate::dialect::refused::Refused;

/// Targets of one request.
const MOST_TARGETS: usize = 5_000;

/// Values that a step of an evaluation may hold at first: many requests do with little more than they have fetched.
const FEW_POINTS: usize = 256 << 10;

/// Bytes of names that it may hold at first.
const FEW_NAMES: usize = 4 << 20;

/// Media types in which an answer may be wanted where the request does not name a format.
const MEDIA_TYPES: [(&str, &str); 5] = [
    ("application/json", "json"),
    ("text/csv", "csv"),
    ("application/x-msgpack", "msgpack"),
    ("application/pickle", "pickle"),
    ("text/plain", "raw"),
];

/// What a client asks for.
#[derive(Debug)]
struct Asked {
    request: graphite::Request,
    format: Format,
    options: Options,
    accepts_gzip: bool,
}

impl Asked {
    fn read(request: &Request, now: i64, limits: &Limits) -> Result<Self, Refused> {
        let (mut targets, mut names, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut first: HashMap<String, String> = HashMap::new();
        for (name, value) in request.parameters() {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            match &*name {
                b"target" | b"target[]" if value.is_empty() => {}
                b"target" | b"target[]" => {
                    bytes += value.len();
                    if bytes > limits.expression_bytes || targets.len() == MOST_TARGETS {
                        return Err(Refused::bad(format!(
                            "more than {} bytes of targets, or {MOST_TARGETS} of them",
                            limits.expression_bytes
                        )));
                    }
                    targets.push(text(&value));
                }
                name if name.starts_with(b"template[") && name.ends_with(b"]") && names.len() < 100 => {
                    names.push((text(&name[b"template[".len()..name.len() - 1]), text(&value)));
                }
                b"from" | b"until" | b"now" | b"tz" | b"format" | b"jsonp" | b"maxDataPoints"
                | b"noNullPoints" | b"xFilesFactor"
                    if !value.is_empty() && value.len() < 200 =>
                {
                    first.entry(text(&name)).or_insert_with(|| text(&value));
                }
                _ => {}
            }
        }
        let get = |name: &str| first.get(name).map(String::as_str);
        let zone = get("tz").and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
        let now = get("now").map_or(Ok(now), |text| graphite::time(text, now, &zone))?;
        let format = get("format").or_else(|| preferred(request));
        let options = Options {
            max_data_points: get("maxDataPoints").and_then(|number| number.parse().ok()),
            no_null_points: get("noNullPoints").is_some(),
            zone: zone.clone(),
        };
        let x_files_factor = get("xFilesFactor").and_then(|share| share.parse().ok()).unwrap_or(0.0);
        Ok(Self {
            format: Format::named(format, get("jsonp"))?,
            request: graphite::Request {
                targets,
                window: Window::of(get("from"), get("until"), now, &zone)?,
                zone,
                x_files_factor,
                names,
            },
            options,
            accepts_gzip: request.accepts_gzip(),
        })
    }
}

fn preferred(request: &Request) -> Option<&'static str> {
    let media_type = request.preferred(&MEDIA_TYPES.map(|(media_type, _)| media_type))?;
    MEDIA_TYPES.iter().find(|(name, _)| *name == media_type).map(|(_, format)| *format)
}

/// How far an evaluation has come.
enum Step {
    Needs(Evaluation, Vec<Fetch>),
    /// It holds more than it may so far.
    NeedsMemory(Evaluation),
    Written(Result<Text, Exhausted>),
}

impl Graphite {
    /// Series.
    pub async fn render(self: &Arc<Self>, request: &Request) -> Result<Response, Refused> {
        let asked = Asked::read(request, self.lasting.clock.seconds(), &self.limits)?;
        if matches!(asked.format, Format::Jsonp(_)) {
            self.admit(request)?;
        }
        let content_type = asked.format.content_type();
        let mut storage = self.storage();
        let text = self.evaluate(&mut storage, asked).await?;
        Ok(text.response(request, content_type, &storage))
    }

    async fn evaluate(&self, storage: &mut Storage, asked: Asked) -> Result<Text, Refused> {
        let Asked { request, format, options, accepts_gzip } = asked;
        let written = Arc::new((format, options));
        let limits = self.limits.clone();
        let mut held = self.fleet.budget.nothing();
        let (mut fetched, mut has_fetched, mut found_any, mut is_large) = (0, false, false, false);
        let begun = self.lasting.turns.run(self.patience, move || Evaluation::new(request, &limits)).await?;
        let mut evaluation = begun?;
        loop {
            let limits = self.limits_of_step(fetched, is_large);
            let bytes = limits.points * size_of::<f64>() + limits.text_bytes;
            let working = self.fleet.budget.lend(bytes, self.patience).await?;
            let written = Arc::clone(&written);
            let text = self.fleet.budget.nothing();
            let step = self.lasting.turns.run(self.patience, move || {
                let _working = working;
                step(evaluation, &limits, is_large, |series| {
                    let (format, options) = &*written;
                    write(series, format, options, accepts_gzip, text)
                })
            });
            match step.await?.map_err(|error| self.refused(error))? {
                Step::Written(text) => {
                    self.check(&storage.failed, has_fetched && !found_any)?;
                    return Ok(text?);
                }
                Step::NeedsMemory(same) => (evaluation, is_large) = (same, true),
                Step::Needs(next, fetches) => {
                    evaluation = next;
                    let supplies = self.fetch(storage, &evaluation, fetches, &mut held).await?;
                    has_fetched |= !supplies.is_empty();
                    for (fetch, series) in supplies {
                        let points = series.iter().map(|series| series.values().len()).sum::<usize>();
                        self.lasting.counts.read(points);
                        fetched += points;
                        found_any |= !series.is_empty();
                        evaluation.supply(fetch, series).map_err(|error| self.refused(error))?;
                    }
                }
            }
        }
    }

    /// What one step may hold: little at first.
    fn limits_of_step(&self, fetched: usize, is_large: bool) -> Limits {
        let all = &self.limits;
        if is_large {
            return all.clone();
        }
        Limits {
            points: (4 * fetched + FEW_POINTS).min(all.points),
            text_bytes: FEW_NAMES.min(all.text_bytes),
            ..all.clone()
        }
    }

    async fn fetch(
        &self,
        storage: &mut Storage,
        evaluation: &Evaluation,
        fetches: Vec<Fetch>,
        held: &mut Reservation,
    ) -> Result<Vec<(Fetch, Vec<TimeSeries>)>, Refused> {
        let mut room = evaluation.room();
        let mut windows: BTreeMap<Window, Vec<(Fetch, Vec<Leaf>)>> = BTreeMap::new();
        let mut names = self.fleet.budget.nothing();
        for fetch in fetches {
            let (leaves, named) = self.leaves(storage, &fetch.pattern, room.series).await?;
            names.take_over(named);
            room.series = room.series.checked_sub(leaves.len()).ok_or_else(|| self.too_many("series"))?;
            windows.entry(fetch.window).or_default().push((fetch, leaves));
        }
        let mut supplies = Vec::new();
        for (window, fetches) in windows {
            let mut leaves: Vec<_> = fetches.iter().flat_map(|(_, leaves)| leaves).cloned().collect();
            leaves.sort_by(|one, other| (&one.name, &one.entry).cmp(&(&other.name, &other.entry)));
            leaves.dedup();
            let rows =
                storage.rows(&leaves, window, room.points, held).await.map_err(|no_rows| match no_rows {
                    NoRows::Points => self.too_many("points"),
                    NoRows::Exhausted => Exhausted.into(),
                })?;
            room.points -= rows.iter().map(|series| series.values().len()).sum::<usize>().min(room.points);
            let mut by_name: HashMap<String, TimeSeries> = HashMap::new();
            for series in rows {
                match by_name.remove(&series.name) {
                    Some(other) => drop(by_name.insert(series.name.clone(), together(other, series))),
                    None => drop(by_name.insert(series.name.clone(), series)),
                }
            }
            for (fetch, leaves) in fetches {
                let series = leaves.iter().filter_map(|leaf| by_name.get(&leaf.name).cloned());
                let mut series: Vec<_> = series.collect();
                series.dedup_by(|one, other| one.name == other.name);
                supplies.push((fetch, series));
            }
        }
        Ok(supplies)
    }

    pub(super) fn too_many(&self, what: &'static str) -> Refused {
        let limit = if what == "series" { self.limits.series } else { self.limits.points };
        self.refused(Error::Limit { what, limit })
    }

    /// With the key that bounds it: the values of a request may be bound by memory before their own key does.
    fn refused(&self, error: Error) -> Refused {
        match &error {
            Error::Limit { what: "points", .. } if self.limits.points < self.max_points => {
                Refused::bad(format!("{error} (a quarter of fetch.max_memory)"))
            }
            _ => error.into(),
        }
    }
}

/// One step, which does not hold more than it may.
fn step(
    mut evaluation: Evaluation,
    limits: &Limits,
    is_large: bool,
    write: impl FnOnce(&[TimeSeries]) -> Result<Result<Text, Exhausted>, Error>,
) -> Result<Step, Error> {
    match evaluation.advance_within(limits) {
        Ok(Progress::Fetch(fetches)) => Ok(Step::Needs(evaluation, fetches)),
        Ok(Progress::Done(series)) => Ok(Step::Written(write(&series)?)),
        Err(Error::Limit { what: "points" | "bytes of names", .. }) if !is_large => {
            Ok(Step::NeedsMemory(evaluation))
        }
        Err(error) => Err(error),
    }
}

fn write(
    series: &[TimeSeries],
    format: &Format,
    options: &Options,
    accepts_gzip: bool,
    held: Reservation,
) -> Result<Result<Text, Exhausted>, Error> {
    let answer = format.answer(series, options)?;
    Ok(Text::written(held, accepts_gzip, |text| {
        let mut buffered = io::BufWriter::with_capacity(16 << 10, text);
        answer.write(&mut buffered)?;
        buffered.flush()
    }))
}

/// One series of two that have one name: what one does not know, the other may, where their rows are the same ones.
fn together(one: TimeSeries, other: TimeSeries) -> TimeSeries {
    let shape = |series: &TimeSeries| (series.step, series.start, series.values().len());
    let known = |series: &TimeSeries| series.values().iter().filter(|value| !value.is_nan()).count();
    if shape(&one) != shape(&other) {
        return if known(&other) > known(&one) { other } else { one };
    }
    let values = one.values().iter().zip(other.values());
    let values = values.map(|(one, other)| if one.is_nan() { *other } else { *one }).collect();
    TimeSeries::new(one.name, one.start, one.step, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(target: &str) -> Result<Asked, Refused> {
        let head = hyper::Request::get(target).header("accept", "text/csv;q=0.5, application/json").body(());
        let request = Request::new(head.unwrap().into_parts().0);
        Asked::read(&request, 1_795_289_400, &Limits::default())
    }

    #[test]
    fn a_request_says_what_when_and_how() {
        let asked =
            asked("/render?target=a.b&target=&target=c&from=-1h&format=raw&maxDataPoints=7&tz=nowhere")
                .unwrap();
        assert_eq!(asked.request.targets, ["a.b", "c"]);
        assert_eq!(asked.request.window, Window { from: 1_795_285_800, until: 1_795_289_400 });
        assert_eq!((asked.format, asked.options.max_data_points), (Format::Raw, Some(7)));
    }

    #[test]
    fn what_is_not_said_is_as_usual() {
        let asked = asked("/render?target=a&maxDataPoints=x&from=&template[host]=web1").unwrap();
        assert_eq!(asked.request.window, Window { from: 1_795_203_000, until: 1_795_289_400 });
        assert_eq!((asked.format, asked.options.max_data_points), (Format::Json, None));
        assert_eq!(asked.request.names, [("host".to_owned(), "web1".to_owned())]);
    }

    #[test]
    fn what_can_not_be_is_refused() {
        for (query, message) in [
            ("from=now&until=now", "invalid empty time range"),
            (
                "format=png",
                "unsupported format: png; png, svg and pdf are drawn by graphite-web, which can use this server",
            ),
        ] {
            assert_eq!(asked(&format!("/render?target=a&{query}")).unwrap_err(), Refused::bad(message));
        }
        let many = "target=a&".repeat(MOST_TARGETS + 1);
        assert!(asked(&format!("/render?{many}")).is_err());
    }

    /// Whatever the values are bound by.
    #[test]
    fn a_step_that_has_not_all_room_for_names_gets_it_before_it_is_refused() {
        let limits = Limits { text_bytes: 10, ..Limits::default() };
        let one = |is_large| {
            let asked = asked("/render?target=alias(constantLine(1),'a+name+of+many+letters')").unwrap();
            let evaluation = Evaluation::new(asked.request, &Limits::default()).unwrap();
            step(evaluation, &limits, is_large, |_| panic!("it has no room for the name"))
        };
        assert!(matches!(one(false), Ok(Step::NeedsMemory(_))));
        assert!(matches!(one(true), Err(Error::Limit { what: "bytes of names", .. })));
    }

    #[test]
    fn what_one_host_does_not_know_another_of_its_name_may() {
        let series = |values: &[f64]| TimeSeries::new("a", 10, 10, values.to_vec());
        let joined = together(series(&[1.0, f64::NAN]), series(&[2.0, 3.0]));
        assert_eq!(joined.values(), [1.0, 3.0]);
        let longer = TimeSeries::new("a", 10, 10, vec![1.0, 2.0, 3.0]);
        assert_eq!(together(series(&[1.0, f64::NAN]), longer).values().len(), 3);
    }
}
