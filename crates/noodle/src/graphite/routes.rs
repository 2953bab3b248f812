//! The paths of Graphite's API.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use coco_daemon::http::{Answer, Request, Response, Route, body};
use hyper::StatusCode;
use hyper::header::HeaderMap;

use super::Graphite;
use crate::dialect::refused::Refused;

/// The Graphite whose functions these are, as far as clients ask.
const VERSION: &str = "1.1.10\n";

/// As graphite-web sends JSON.
const JSON: &str = "application/json";

/// Who has a Graphite.
pub trait AnswersGraphite: Send + Sync + 'static {
    /// The one that answers as of now.
    fn graphite(&self) -> Arc<Graphite>;
}

/// The table of paths.
pub fn routes<S: AnswersGraphite>() -> Vec<Route<S>> {
    let all = [
        Route::new("/render", "Graphite: series of targets.", render as fn(&Arc<S>, Request) -> Answer),
        Route::new("/metrics/find", "Graphite: nodes of names.", find),
        Route::new("/metrics/expand", "Graphite: names that patterns stand for.", expand),
        Route::new("/metrics/index.json", "Graphite: the names of all metrics.", index),
        Route::new("/functions", "Graphite: the functions that /render knows.", functions),
        Route::new("/version", "Graphite: the version whose functions these are.", version),
        Route::new("/tags", "Graphite: tags, of which there are none.", nothing),
        Route::new("/events/get_data", "Graphite: events, of which there are none.", nothing),
    ];
    let below = [
        Route::new(
            "/functions/",
            "/functions/NAME: one of them.",
            functions as fn(&Arc<S>, Request) -> Answer,
        ),
        Route::new("/tags/", "Graphite: tags, of which there are none.", nothing),
    ];
    all.into_iter()
        .map(Route::with_slash)
        .chain(below)
        .map(|route| route.with_forms().with_preflight(preflight))
        .collect()
}

fn preflight<S: AnswersGraphite>(state: &S, request: &Request) -> HeaderMap {
    state.graphite().pages.preflight(request.headers())
}

fn render<S: AnswersGraphite>(state: &Arc<S>, request: Request) -> Answer {
    let graphite = state.graphite();
    Answer::later(async move {
        let answer = graphite.render(&request).await;
        graphite.sent(&request, answer)
    })
}

fn find<S: AnswersGraphite>(state: &Arc<S>, request: Request) -> Answer {
    let graphite = state.graphite();
    Answer::later(async move {
        let answer = graphite.find(&request).await;
        graphite.sent(&request, answer)
    })
}

fn expand<S: AnswersGraphite>(state: &Arc<S>, request: Request) -> Answer {
    let graphite = state.graphite();
    Answer::later(async move {
        let answer = graphite.expand(&request).await;
        graphite.sent(&request, answer)
    })
}

fn index<S: AnswersGraphite>(state: &Arc<S>, request: Request) -> Answer {
    let graphite = state.graphite();
    Answer::later(async move {
        let answer = graphite.index(&request).await;
        graphite.sent(&request, answer)
    })
}

/// What is said of functions, which never changes: a text that takes milliseconds to write.
static ALL: LazyLock<Bytes> = LazyLock::new(|| graphite::functions_as_json().to_string().into());
static BY_GROUP: LazyLock<Bytes> =
    LazyLock::new(|| graphite::functions_by_group_as_json().to_string().into());
static EACH: LazyLock<BTreeMap<String, Bytes>> = LazyLock::new(|| {
    let all = graphite::functions_as_json();
    let all = all.as_object().into_iter().flatten();
    all.map(|(name, function)| (name.clone(), function.to_string().into())).collect()
});

#[expect(clippy::needless_pass_by_value, reason = "a handler")]
fn functions<S: AnswersGraphite>(state: &Arc<S>, request: Request) -> Answer {
    let name = request.path().trim_matches('/').strip_prefix("functions/");
    let text = match name {
        Some(name) => EACH.get(name).ok_or_else(|| Refused {
            status: StatusCode::NOT_FOUND,
            message: format!("no function is called {name} (/functions lists all)"),
        }),
        None if request.parameter("grouped").is_some_and(|value| value == b"1") => Ok(&*BY_GROUP),
        None => Ok(&*ALL),
    };
    let answer = text.map(|text| body::bytes(StatusCode::OK, JSON, text.clone()));
    state.graphite().sent(&request, answer).into()
}

#[expect(clippy::needless_pass_by_value, reason = "a handler")]
fn version<S: AnswersGraphite>(state: &Arc<S>, request: Request) -> Answer {
    let answer = body::bytes(StatusCode::OK, "text/plain; charset=utf-8", VERSION);
    state.graphite().sent(&request, Ok(answer)).into()
}

#[expect(clippy::needless_pass_by_value, reason = "a handler")]
fn nothing<S: AnswersGraphite>(state: &Arc<S>, request: Request) -> Answer {
    state.graphite().sent(&request, Ok(body::bytes(StatusCode::OK, JSON, "[]"))).into()
}

impl Graphite {
    /// An answer as it leaves, counted.
    fn sent(&self, request: &Request, answer: Result<Response, Refused>) -> Response {
        let mut response = answer.unwrap_or_else(|refused| refused.response());
        self.lasting.counts.answered(response.status());
        let has_callback = request.parameter("jsonp").is_some();
        self.pages.add_to(response.headers_mut(), request.headers(), has_callback);
        response
    }
}
