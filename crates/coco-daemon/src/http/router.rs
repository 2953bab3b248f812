//! The table of routes.
//!
//! ```
//! use std::sync::Arc;
//!
//! use coco_daemon::http::{Answer, Request, Route, Router, body};
//!
//! struct Api {
//!     name: &'static str,
//! }
//!
//! fn greet(api: &Arc<Api>, _: Request) -> Answer {
//!     body::text("text/plain", format!("this is {}", api.name)).into()
//! }
//!
//! let router = Router::new("example", "1.0", Arc::new(Api { name: "an example" }))
//!     .routes([Route::new("/greeting", "says what it is", greet)]);
//! assert!(router.paths().any(|path| path == "/greeting"));
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::header::{ACCEPT, ALLOW, HeaderName, HeaderValue, VARY};
use hyper::{Method, StatusCode};
use serde_json::json;

use super::body::{self, Response};
use super::form::{FormTerms, Takes};
use super::refusals::Refusals;
use super::request::Request;
use super::route::{Answer, Handler, Health, MESSAGES, READ, Route};

/// Which handler answers which path, and what all of them look at. Most routes answer GET and HEAD, some POST; `/` lists
/// the routes. OPTIONS says so.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use coco_daemon::http::{Answer, Request, Route, Router, body};
///
/// fn count(counter: &Arc<AtomicU64>, _: Request) -> Answer {
///     body::json(&counter.fetch_add(1, Ordering::Relaxed)).into()
/// }
///
/// let router = Router::new("counter", "1.0.0", Arc::<AtomicU64>::default())
///     .routes([Route::new("/count", "How often this was asked.", count)]);
/// assert!(router.paths().eq(["/count", "/"]));
/// ```
pub struct Router<S> {
    program: &'static str,
    version: &'static str,
    state: Arc<S>,
    routes: Vec<Route<S>>,
    health: Option<(&'static str, Health<S>)>,
    page: Option<Handler<S>>,
    forms: Option<fn(&S) -> FormTerms>,
    leaving: Arc<AtomicBool>,
    refusals: Arc<Refusals>,
    tier_field: Option<HeaderName>,
}

impl<S> Router<S> {
    /// A table with `/` in it; `state` is what handlers look at.
    pub fn new(program: &'static str, version: &'static str, state: Arc<S>) -> Self {
        Self {
            program,
            version,
            state,
            routes: Vec::new(),
            health: None,
            page: None,
            forms: None,
            leaving: Arc::default(),
            refusals: Arc::default(),
            tier_field: None,
        }
    }

    /// Adds routes. Of two that answer one path the first does.
    #[must_use]
    pub fn routes(mut self, routes: impl IntoIterator<Item = Route<S>>) -> Self {
        self.routes.extend(routes);
        self
    }

    /// Adds `/healthz`, which is answered by a thread that answers nothing else: `health` must be quick.
    ///
    /// OPTIONS of `/`, with which balancers look whether a server is there, has the status of it unless that is 200.
    #[must_use]
    pub fn health(self, summary: &'static str, health: Health<S>) -> Self {
        Self { health: Some((summary, health)), ..self }
    }

    /// Adds the page that browsers get at `/`, which prefer HTML to JSON; all other clients get the list of routes.
    #[must_use]
    pub fn page(self, page: Handler<S>) -> Self {
        Self { page: Some(page), ..self }
    }

    /// The memory that forms may take; without it no route takes one.
    #[must_use]
    pub fn forms(self, terms: fn(&S) -> FormTerms) -> Self {
        Self { forms: Some(terms), ..self }
    }

    /// Once `leaving` is set each answer is the last of its connection.
    #[must_use]
    pub fn leaving(self, leaving: Arc<AtomicBool>) -> Self {
        Self { leaving, ..self }
    }

    /// Counts in `refusals` who is refused whatever it asks for.
    #[must_use]
    pub fn count_refusals(self, refusals: Arc<Refusals>) -> Self {
        Self { refusals, ..self }
    }

    /// Which field of an answer says what tier it came from, for the access log.
    #[must_use]
    pub fn tier_field(self, field: HeaderName) -> Self {
        Self { tier_field: Some(field), ..self }
    }

    /// The paths of all routes, `/` included.
    pub fn paths(&self) -> impl Iterator<Item = &'static str> {
        self.summaries().map(|(path, _)| path).chain(["/"])
    }

    fn summaries(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let health = self.health.iter().map(|(summary, _)| (HEALTHZ, *summary));
        self.routes.iter().map(|route| (route.path, route.summary)).chain(health)
    }

    /// Which methods there are, and whatever else the route tells who asks before it asks.
    fn options(&self, found: &Found<'_, S>, request: &Request) -> Response {
        let trouble = match found {
            Found::Route(_) => None,
            Found::List | Found::Health(_) => {
                let health = self.health.iter().map(|(_, health)| health(&self.state));
                health.into_iter().find(|health| health.status() != StatusCode::OK)
            }
        };
        let mut response = trouble.unwrap_or_else(|| body::empty(StatusCode::NO_CONTENT));
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(found.methods()));
        if let Found::Route(Route { preflight: Some(fields), .. }) = found {
            response.headers_mut().extend(fields(&self.state, request));
        }
        response
    }

    fn find(&self, path: &str) -> Option<Found<'_, S>> {
        match (path, self.health) {
            ("/" | "*", _) => return Some(Found::List),
            (HEALTHZ, Some((_, health))) => return Some(Found::Health(health)),
            _ => {}
        }
        self.routes.iter().find(|route| route.is_at(path)).map(Found::Route)
    }

    fn list(&self, request: Request) -> Answer {
        let prefers_html = request.preferred(&["application/json", "text/html"]) == Some("text/html");
        let Some(page) = self.page else { return self.list_as_json().into() };
        let answer =
            if prefers_html { page(&self.state, request) } else { Answer::from(self.list_as_json()) };
        Answer::later(async {
            let mut response = answer.response().await;
            response.headers_mut().append(VARY, HeaderValue::from(ACCEPT));
            response
        })
    }

    fn list_as_json(&self) -> Response {
        let routes: BTreeMap<_, _> = self.summaries().collect();
        body::json(&json!({ "program": self.program, "version": self.version, "routes": routes }))
    }
}

/// A table of routes, whatever its routes look at.
pub(super) trait Routes: Send + Sync {
    /// What may come with this, and the memory that it may take; none where nothing may.
    fn body_terms(&self, method: &Method, path: &str) -> Option<(Takes, FormTerms)>;

    /// The answer to a request.
    fn answer(&self, request: Request) -> Answer;

    /// The count of clients that are refused whatever they ask for.
    fn refusals(&self) -> &Arc<Refusals>;

    /// Whether each answer is the last of its connection.
    fn is_leaving(&self) -> bool;

    /// Which field of an answer says what tier it came from.
    fn tier_field(&self) -> Option<&HeaderName>;
}

impl<S: Send + Sync> Routes for Router<S> {
    fn body_terms(&self, method: &Method, path: &str) -> Option<(Takes, FormTerms)> {
        let terms = self.forms.filter(|_| method == Method::POST)?;
        let Some(Found::Route(Route { takes, .. })) = self.find(path) else { return None };
        if *takes == Takes::Nothing {
            return None;
        }
        Some((*takes, terms(&self.state)))
    }

    fn answer(&self, request: Request) -> Answer {
        let path = request.path();
        let Some(found) = self.find(path) else {
            return body::error(StatusCode::NOT_FOUND, format!("no such path: {path} (/ lists all)")).into();
        };
        let methods = found.methods();
        match *request.method() {
            Method::GET | Method::HEAD if methods != MESSAGES => {}
            Method::POST if methods != READ => {}
            Method::OPTIONS => return self.options(&found, &request).into(),
            _ => {
                let verbs = methods.trim_end_matches(", OPTIONS").replace(", ", " and ");
                let message = format!("{path} answers {verbs}, not {}", request.method());
                let mut response = body::error(StatusCode::METHOD_NOT_ALLOWED, message);
                response.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
                return response.into();
            }
        }
        match found {
            Found::Route(route) => (route.handler)(&self.state, request),
            Found::Health(health) => health(&self.state).into(),
            Found::List => self.list(request),
        }
    }

    fn refusals(&self) -> &Arc<Refusals> {
        &self.refusals
    }

    fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    fn tier_field(&self) -> Option<&HeaderName> {
        self.tier_field.as_ref()
    }
}

/// Where balancers look whether all is well.
const HEALTHZ: &str = "/healthz";

/// The part of the table that answers a path.
enum Found<'a, S> {
    Route(&'a Route<S>),
    Health(Health<S>),
    List,
}

impl<S> Found<'_, S> {
    fn methods(&self) -> &'static str {
        match self {
            Self::Route(route) => route.methods(),
            Self::Health(_) | Self::List => READ,
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use hyper::HeaderMap;

    use super::*;
    use crate::http::route::READ_AND_FORMS;

    fn request(method: &str, target: &str) -> Request {
        Request::new(hyper::Request::builder().method(method).uri(target).body(()).unwrap().into_parts().0)
    }

    const ROUTES: [Route<&str>; 4] = [
        Route::new("/read", "Messages.", |_, _| body::json(&json!("read")).into()).with_messages("x/y"),
        Route::new("/tiers", "All tiers.", |tiers, _| body::json(&json!([**tiers])).into()),
        Route::new("/data/", "Metrics.", |_, request| {
            Answer::later(std::future::ready(body::text("text/plain", request.path().to_owned())))
        })
        .with_preflight(|_, request| {
            HeaderMap::from_iter([("x-asked".parse().unwrap(), request.path().parse().unwrap())])
        }),
        Route::new("/render", "Graphs.", |_, _| body::json(&json!("graph")).into()).with_forms().with_slash(),
    ];

    fn router() -> Router<&'static str> {
        Router::new("coco", "1.2.3", Arc::new("tiers")).routes(ROUTES)
    }

    fn ask(method: &str, target: &str) -> (StatusCode, HeaderMap, String) {
        let router = router();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (head, body) = router.answer(request(method, target)).response().await.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            (head.status, head.headers, String::from_utf8(body.to_vec()).unwrap())
        })
    }

    #[test]
    fn paths_are_exact_and_prefixes_end_in_a_slash() {
        assert_eq!(ask("GET", "/tiers").2, "[\"tiers\"]\n");
        assert_eq!(ask("GET", "/tiers?x=/y").2, "[\"tiers\"]\n");
        assert_eq!(ask("GET", "/data/a%20b/load").2, "/data/a%20b/load");
        for missing in ["/tiers/", "/tiersx", "/tiers/x", "/data", "//", "/Tiers", "/tiers%2F"] {
            let (status, _, text) = ask("GET", missing);
            assert_eq!(status, StatusCode::NOT_FOUND, "{missing}");
            assert!(text.starts_with("{\"error\":\"no such path: "), "{text}");
        }
    }

    #[test]
    fn the_root_lists_the_routes() {
        let expected = json!({
            "program": "coco", "version": "1.2.3",
            "routes": {"/tiers": "All tiers.", "/data/": "Metrics.", "/render": "Graphs.", "/read": "Messages."},
        });
        let (status, _, text) = ask("GET", "/");
        assert_eq!(status, StatusCode::OK);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), expected);
    }

    #[test]
    fn browsers_get_a_page_and_everyone_else_the_list() {
        let router = router().page(|_, _| body::text("text/html", "page".to_owned()).into());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let ask = |accept: &str| {
            let (mut head, ()) = hyper::Request::get("/?name=x").body(()).unwrap().into_parts();
            head.headers.insert(ACCEPT, accept.parse().unwrap());
            let (head, body) = runtime.block_on(router.answer(Request::new(head)).response()).into_parts();
            assert_eq!(head.headers[VARY], "accept");
            let body = runtime.block_on(body.collect()).unwrap().to_bytes();
            *body == *b"page"
        };
        // As Chromium and Firefox ask, then curl and programs.
        assert!(ask("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"));
        assert!(ask("text/html"));
        for other in ["*/*", "application/json", "application/json, text/html", "text/html;q=0", ""] {
            assert!(!ask(other), "{other}");
        }
    }

    #[test]
    fn other_methods_are_told_which_are_allowed() {
        for path in ["/", "/tiers", "/data/x"] {
            let (status, headers, text) = ask("POST", path);
            assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
            assert_eq!(headers[ALLOW], "GET, HEAD, OPTIONS");
            assert!(text.contains("not POST"), "{text}");
        }
        assert_eq!(ask("POST", "/nowhere").0, StatusCode::NOT_FOUND);
        for path in ["/render", "/render/"] {
            assert_eq!(ask("POST", path).2, "\"graph\"\n");
            let (status, headers, text) = ask("PUT", path);
            assert_eq!(
                (status, &headers[ALLOW]),
                (StatusCode::METHOD_NOT_ALLOWED, &READ_AND_FORMS.parse().unwrap())
            );
            assert!(text.contains("answers GET and HEAD and POST, not PUT"), "{text}");
        }
        assert_eq!(ask("POST", "/render/x").0, StatusCode::NOT_FOUND);
        assert_eq!(ask("POST", "/read").2, "\"read\"\n");
        let (status, headers, text) = ask("GET", "/read");
        assert_eq!(
            (status, &headers[ALLOW]),
            (StatusCode::METHOD_NOT_ALLOWED, &"POST, OPTIONS".parse().unwrap())
        );
        assert!(text.contains("answers POST, not GET"), "{text}");
    }

    #[test]
    fn options_are_told_without_a_handler() {
        for path in ["/", "*", "/tiers", "/data/x"] {
            let (status, headers, text) = ask("OPTIONS", path);
            assert_eq!((status, &*text), (StatusCode::NO_CONTENT, ""), "{path}");
            assert_eq!(headers[ALLOW], "GET, HEAD, OPTIONS");
            assert_eq!(headers.contains_key("x-asked"), path == "/data/x");
        }
        assert_eq!(ask("OPTIONS", "/nowhere").0, StatusCode::NOT_FOUND);
        let router = router().health("Well?", |_| body::error(StatusCode::SERVICE_UNAVAILABLE, "no"));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let status =
            |path| runtime.block_on(router.answer(request("OPTIONS", path)).response()).status().as_u16();
        assert_eq!(["/", "/healthz", "/tiers"].map(status), [503, 503, 204], "balancers ask by it");
    }
}
