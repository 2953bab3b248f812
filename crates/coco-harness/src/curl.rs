//! HTTP as operators speak it: with curl.

use std::process::Command;

use serde_json::Value;

/// An answer, whatever its status.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The header `Content-Type`.
    pub content_type: String,
    /// The body.
    pub body: String,
}

impl Response {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is something else.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.body))
    }
}

/// GETs a URL.
///
/// # Panics
/// When nobody answers.
#[must_use]
pub fn get(url: &str) -> Response {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--globoff", "--noproxy", "*", "--max-time", "30"])
        .args(["--write-out", "\n%{http_code} %{content_type}", url])
        .output()
        .expect("curl is installed");
    assert!(output.status.success(), "curl {url}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("the answers are UTF-8");
    let (body, line) = text.rsplit_once('\n').expect("the line of --write-out");
    let (status, content_type) = line.split_once(' ').expect("two words");
    Response {
        status: status.parse().expect("a status code"),
        content_type: content_type.to_owned(),
        body: body.to_owned(),
    }
}

/// The JSON behind each of many URLs, by one process.
///
/// # Panics
/// When one of the statuses isn't 200.
#[must_use]
pub fn json_each(urls: &[String]) -> Vec<Value> {
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--globoff", "--noproxy", "*", "--max-time", "30"])
        .args(["--write-out", "\n%{http_code}\n"])
        .args(urls)
        .output()
        .expect("curl is installed");
    assert!(output.status.success(), "curl {urls:?}: {}", String::from_utf8_lossy(&output.stderr));
    let values = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
    let values: Vec<_> = values.map(|value| value.expect("JSON")).collect();
    assert_eq!(values.len(), 2 * urls.len());
    let answer = |(pair, url): (&[Value], &String)| {
        assert_eq!(pair[1], 200, "GET {url}: {}", pair[0]);
        pair[0].clone()
    };
    values.chunks(2).zip(urls).map(answer).collect()
}

/// The JSON behind a URL.
///
/// # Panics
/// When the status isn't 200.
#[must_use]
pub fn json(url: &str) -> Value {
    let response = get(url);
    assert_eq!(response.status, 200, "GET {url}: {}", response.body);
    response.json()
}
