//! Fetching rates as Visage serves them, from Noodle or from a Visage itself.
//!
//! `GET /data/HOST/PLUGIN/INSTANCES?start=SECONDS&finish=SECONDS` answers
//!
//! ```text
//! {HOST: {PLUGIN: {INSTANCE: {"value": {"start": ..., "finish": ..., "data": [1.5, null, ...]}}}}}
//! ```
//!
//! and `{}` where it finds nothing. INSTANCES is a glob. Noodle has `{"error": "..."}` for what fails.

use std::error::Error;
use std::time::SystemTime;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::header::{ACCEPT, USER_AGENT};
use hyper::{Request as HttpRequest, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use crate::question::{Problem, Rates, Request, Series};

/// The data source of collectd's type `operations`.
const DATA_SOURCE: &str = "value";

/// The largest answer: more than the 2,000 points of a series that Visage gives, for hundreds of series.
const LARGEST: usize = 16 << 20;

/// What stands in a path as it is.
const PLAIN: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':').remove(b'*');

/// Asks for the rates of the window that ends now.
pub async fn fetch(request: &Request, now: SystemTime) -> Result<Rates, Problem> {
    let endpoint = request.endpoint.to_string();
    let path = path(request);
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let start = now.saturating_sub(request.window).as_secs();
    let url = format!("http://{endpoint}{path}?start={start}&finish={}", now.as_secs());
    let Ok(answer) = tokio::time::timeout(request.timeout, get(&endpoint, &url)).await else {
        return Err(Problem::Timeout { endpoint, timeout: request.timeout });
    };
    let (status, body) = answer?;
    let object = object(&endpoint, status, &body)?;
    let found = match series(&object, request) {
        Some(found) if !found.is_empty() => found,
        _ => return Err(Problem::NoSeries { endpoint, path }),
    };
    let (names, points): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    let points: Option<Vec<_>> = points.into_iter().collect();
    let points = points.ok_or_else(|| Problem::NotVisage {
        endpoint,
        cause: format!("no numbers in the data source `{DATA_SOURCE}` of {path}"),
    })?;
    let points = sum(&names, points)?;
    Ok(Rates { path, names, points })
}

/// The path of the series. What a glob would take for its own is asked for as any character: the answer has names.
fn path(request: &Request) -> String {
    let literal = |name: &str| name.replace(['[', ']', '{', '}', '*', '?', '\\', ','], "?");
    let instances = match &request.series {
        Series::One(name) => literal(name),
        Series::Sum(start) => literal(start) + "*",
    };
    let parts = [literal(&request.host), literal(&request.plugin), instances];
    parts
        .iter()
        .fold("/data".to_owned(), |path, part| path + "/" + &utf8_percent_encode(part, PLAIN).to_string())
}

async fn get(endpoint: &str, url: &str) -> Result<(StatusCode, Bytes), Problem> {
    let unreachable = |cause: String| Problem::Unreachable { endpoint: endpoint.to_owned(), cause };
    let request = HttpRequest::get(url)
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, concat!("coco-checks/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())
        .map_err(|problem| unreachable(problem.to_string()))?;
    let client = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request).await.map_err(|problem| unreachable(cause(&problem)))?;
    let status = response.status();
    match Limited::new(response.into_body(), LARGEST).collect().await {
        Ok(body) => Ok((status, body.to_bytes())),
        Err(problem) if problem.is::<LengthLimitError>() => Err(Problem::NotVisage {
            endpoint: endpoint.to_owned(),
            cause: format!("the answer is larger than {} MiB", LARGEST >> 20),
        }),
        Err(problem) => Err(unreachable(cause(&*problem))),
    }
}

/// The innermost reason, which is the system's.
fn cause(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

/// The answer, unless it is an error. Visage's errors are HTML; the Noodle of Go gave its own status 200.
fn object(endpoint: &str, status: StatusCode, body: &[u8]) -> Result<Map<String, Value>, Problem> {
    let object = serde_json::from_slice::<Map<_, _>>(body);
    let error = object.as_ref().ok().and_then(|object| object.get("error")?.as_str());
    let endpoint = endpoint.to_owned();
    match (object.as_ref(), error) {
        (_, Some(error)) => Err(Problem::Refused { endpoint, answer: format!("{status}: {error}") }),
        _ if status != StatusCode::OK => Err(Problem::Refused { endpoint, answer: status.to_string() }),
        _ => object.map_err(|problem| Problem::NotVisage { endpoint, cause: problem.to_string() }),
    }
}

/// A name, and its points if it has the right data source.
type Named = (String, Option<Vec<Option<f64>>>);

/// The series that were asked for, of all that an answer holds.
fn series(answer: &Map<String, Value>, request: &Request) -> Option<Vec<Named>> {
    let instances = answer.get(&request.host)?.get(&request.plugin)?.as_object()?;
    let wanted = |name: &str| match &request.series {
        Series::One(wanted) => name == wanted,
        Series::Sum(start) => name.starts_with(start),
    };
    let points = |instance: &Value| {
        let data = instance.get(DATA_SOURCE)?.get("data")?.as_array()?;
        Some(data.iter().map(Value::as_f64).collect())
    };
    let found = instances.iter().filter(|(name, _)| wanted(name));
    Some(found.map(|(name, instance)| (name.clone(), points(instance))).collect())
}

/// Adds series up, point by point. What one of them doesn't know counts for nothing: a counter that is new, or gone.
fn sum(names: &[String], series: Vec<Vec<Option<f64>>>) -> Result<Vec<Option<f64>>, Problem> {
    let mut all = series.into_iter().enumerate();
    let (_, mut sums) = all.next().unwrap_or_default();
    for (index, points) in all {
        if points.len() != sums.len() {
            return Err(Problem::Uneven { first: names[0].clone(), second: names[index].clone() });
        }
        for (sum, point) in sums.iter_mut().zip(points) {
            *sum = match (*sum, point) {
                (Some(sum), Some(point)) => Some(sum + point),
                (known, None) | (None, known) => known,
            };
        }
    }
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::question::Check;

    fn request(check: Check, arguments: &str) -> Request {
        let arguments = ["check"].into_iter().chain(arguments.split(' ')).map(OsString::from);
        check.parse(arguments).unwrap()
    }

    #[test]
    fn names_are_literal_in_a_path() {
        for (check, arguments, expected) in [
            (
                Check::Send,
                "--host coco1.example.org --target 10.1.1.111",
                "/data/coco1.example.org/curl_json-coco/operations-send-10.1.1.111:25826",
            ),
            (
                Check::Send,
                "--host h --target 2001:db8::1 --port 1 --plugin-instance b,{x}",
                "/data/h/curl_json-b%3F%3Fx%3F/operations-send-%3F2001:db8::1%3F:1",
            ),
            (Check::Errors, "--host h%*", "/data/h%25%3F/curl_json-coco/operations-errors-*"),
            (Check::Errors, "--host h --error a*", "/data/h/curl_json-coco/operations-errors-a%3F"),
        ] {
            assert_eq!(path(&request(check, arguments)), expected);
        }
    }

    #[test]
    fn series_that_only_look_alike_are_left_out() {
        let request = request(Check::Send, "--host h --target ::1");
        let text = r#"{"_meta": {}, "h": {"curl_json-coco": {
            "operations-send-[::1]:25826": {"value": {"data": [1, null]}},
            "operations-send-(::1):25826": {"value": {"data": [3]}}}}}"#;
        let answer = object("e:1", StatusCode::OK, text.as_bytes()).unwrap();
        let expected = ("operations-send-[::1]:25826".to_owned(), Some(vec![Some(1.0), None]));
        assert_eq!(series(&answer, &request).unwrap(), [expected]);
    }

    #[test]
    fn sums_take_what_is_known() {
        let names = ["a", "b"].map(str::to_owned);
        let series = vec![vec![Some(1.0), None, None], vec![Some(2.0), Some(3.0), None]];
        assert_eq!(sum(&names, series), Ok(vec![Some(3.0), Some(3.0), None]));
        let uneven = sum(&names, vec![vec![None], vec![None; 2]]).unwrap_err().to_string();
        assert_eq!(uneven, "a and b are of different resolution: check one of them, with --error");
    }
}
