//! The table of routes.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::header::{ALLOW, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode, Uri};
use percent_encoding::percent_decode;
use serde_json::json;

use super::body::{self, Response};
use super::connections::HangUp;
use super::refusals::Refusals;

/// A request without its body: no route takes one.
#[derive(Debug)]
pub struct Request(hyper::http::request::Parts);

impl Request {
    /// The head of a request.
    pub fn new(head: hyper::http::request::Parts) -> Self {
        Self(head)
    }

    /// GET or HEAD by the time a handler sees it.
    pub fn method(&self) -> &Method {
        &self.0.method
    }

    /// What is asked for, as it came.
    pub fn uri(&self) -> &Uri {
        &self.0.uri
    }

    /// The path as it came, percent-encoded.
    pub fn path(&self) -> &str {
        self.0.uri.path()
    }

    /// What follows the question mark, as it came.
    pub fn query(&self) -> Option<&str> {
        self.0.uri.query()
    }

    /// The first query parameter called `name`, decoded as forms are: `%41` is a byte, `+` a space, and a
    /// `%` without two hexadecimal digits stands for itself. Host names are bytes, so this is too.
    pub fn parameter(&self, name: &str) -> Option<Vec<u8>> {
        self.query()?.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (form_decode(key) == name.as_bytes()).then(|| form_decode(value))
        })
    }

    /// Ends the connection that it came by; none where it came by none.
    pub fn hang_up(&self) -> Option<HangUp> {
        self.0.extensions.get().cloned()
    }

    /// The header fields.
    pub fn headers(&self) -> &HeaderMap {
        &self.0.headers
    }
}

fn form_decode(text: &str) -> Vec<u8> {
    percent_decode(text.replace('+', " ").as_bytes()).collect()
}

/// An answer in the making.
pub type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;

/// Makes header fields for an answer to OPTIONS.
type Preflight = Box<dyn Fn(&Request) -> HeaderMap + Send + Sync>;

struct Route {
    path: &'static str,
    summary: &'static str,
    handler: Box<dyn Fn(Request) -> Answer + Send + Sync>,
    preflight: Option<Preflight>,
}

/// What every path answers.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// What `/healthz` answers.
type Health = Box<dyn Fn() -> Response + Send + Sync>;

/// Which handler answers which path. Every route answers GET and HEAD; `/` lists the routes. OPTIONS says so.
pub struct Router {
    program: &'static str,
    version: &'static str,
    routes: Vec<Route>,
    health: Option<(&'static str, Health)>,
    leaving: Arc<AtomicBool>,
    refusals: Arc<Refusals>,
}

impl Router {
    /// A table with `/` in it.
    pub fn new(program: &'static str, version: &'static str) -> Self {
        Self {
            program,
            version,
            routes: Vec::new(),
            health: None,
            leaving: Arc::default(),
            refusals: Arc::default(),
        }
    }

    /// Adds `/healthz`, which is answered by a thread that answers nothing else: `health` must be quick.
    ///
    /// OPTIONS of `/`, with which balancers look whether a server is there, has the status of it unless that is 200.
    #[must_use]
    pub fn health(
        self,
        summary: &'static str,
        health: impl Fn() -> Response + Send + Sync + 'static,
    ) -> Self {
        Self { health: Some((summary, Box::new(health))), ..self }
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

    pub(super) fn refusals(&self) -> &Arc<Refusals> {
        &self.refusals
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// Adds a route. A `path` that ends in `/` stands for everything below it, any other for itself alone.
    /// `summary` is a line for people who look at `/`.
    ///
    /// The handler runs on the thread that serves all clients: it must not block (see [`body::stream`]).
    #[must_use]
    pub fn route<F, A>(mut self, path: &'static str, summary: &'static str, handler: F) -> Self
    where
        F: Fn(Request) -> A + Send + Sync + 'static,
        A: Future<Output = Response> + Send + 'static,
    {
        let handler = Box::new(move |request| Box::pin(handler(request)) as Answer);
        self.routes.push(Route { path, summary, handler, preflight: None });
        self
    }

    /// Has OPTIONS on a route, which is there already, answered with the fields that `fields` makes of the request: what
    /// a browser asks before it lets a page of another host ask (CORS).
    ///
    /// # Panics
    /// If there is no such route.
    #[must_use]
    pub fn preflight(
        mut self,
        path: &'static str,
        fields: impl Fn(&Request) -> HeaderMap + Send + Sync + 'static,
    ) -> Self {
        let route = self.routes.iter_mut().find(|route| route.path == path).expect("a route of this table");
        route.preflight = Some(Box::new(fields));
        self
    }

    /// The paths of all routes, `/` included.
    pub fn paths(&self) -> impl Iterator<Item = &'static str> {
        self.summaries().map(|(path, _)| path).chain(["/"])
    }

    fn summaries(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let health = self.health.iter().map(|(summary, _)| (HEALTHZ, *summary));
        self.routes.iter().map(|route| (route.path, route.summary)).chain(health)
    }

    /// The answer to a request whose body, if any, is not looked at.
    pub async fn answer(&self, request: Request) -> Response {
        let path = request.path();
        let Some(found) = self.find(path) else {
            return body::error(StatusCode::NOT_FOUND, format!("no such path: {path} (/ lists all)"));
        };
        match *request.method() {
            Method::GET | Method::HEAD => {}
            Method::OPTIONS => return self.options(&found, &request),
            _ => {
                let message = format!("{path} answers GET and HEAD, not {}", request.method());
                let mut response = body::error(StatusCode::METHOD_NOT_ALLOWED, message);
                response.headers_mut().insert(ALLOW, METHODS);
                return response;
            }
        }
        match found {
            Found::Route(route) => (route.handler)(request).await,
            Found::Health(health) => health(),
            Found::List => self.list(),
        }
    }

    /// Which methods there are, and whatever else the route tells who asks before it asks.
    fn options(&self, found: &Found<'_>, request: &Request) -> Response {
        let (preflight, trouble) = match found {
            Found::Route(route) => (route.preflight.as_ref(), None),
            Found::List | Found::Health(_) => {
                let health = self.health.iter().map(|(_, health)| health());
                (None, health.into_iter().find(|health| health.status() != StatusCode::OK))
            }
        };
        let mut response = trouble.unwrap_or_else(|| body::empty(StatusCode::NO_CONTENT));
        response.headers_mut().insert(ALLOW, METHODS);
        if let Some(fields) = preflight {
            response.headers_mut().extend(fields(request));
        }
        response
    }

    fn find(&self, path: &str) -> Option<Found<'_>> {
        match (path, &self.health) {
            ("/" | "*", _) => return Some(Found::List),
            (HEALTHZ, Some((_, health))) => return Some(Found::Health(health)),
            _ => {}
        }
        let matches =
            |route: &&Route| route.path == path || route.path.ends_with('/') && path.starts_with(route.path);
        self.routes.iter().find(matches).map(Found::Route)
    }

    fn list(&self) -> Response {
        let routes: BTreeMap<_, _> = self.summaries().collect();
        body::json(&json!({ "program": self.program, "version": self.version, "routes": routes }))
    }
}

/// Where balancers look whether all is well.
const HEALTHZ: &str = "/healthz";

/// Who answers a path.
enum Found<'a> {
    Route(&'a Route),
    Health(&'a Health),
    List,
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn request(method: &str, target: &str) -> Request {
        Request::new(hyper::Request::builder().method(method).uri(target).body(()).unwrap().into_parts().0)
    }

    fn ask(method: &str, target: &str) -> (StatusCode, HeaderMap, String) {
        let router = Router::new("coco", "1.2.3")
            .route("/tiers", "All tiers.", |_| async { body::json(&json!(["tiers"])) })
            .route("/data/", "Metrics.", |request| {
                std::future::ready(body::text("text/plain", request.path().to_owned()))
            })
            .preflight("/data/", |request| {
                HeaderMap::from_iter([("x-asked".parse().unwrap(), request.path().parse().unwrap())])
            });
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (head, body) = router.answer(request(method, target)).await.into_parts();
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
            "routes": {"/tiers": "All tiers.", "/data/": "Metrics."},
        });
        let (status, _, text) = ask("GET", "/");
        assert_eq!(status, StatusCode::OK);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), expected);
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
        let router = Router::new("coco", "1.2.3")
            .route("/tiers", "All tiers.", |_| async { body::json(&json!(["tiers"])) })
            .health("Well?", || body::error(StatusCode::SERVICE_UNAVAILABLE, "no"));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let status = |path| runtime.block_on(router.answer(request("OPTIONS", path))).status().as_u16();
        assert_eq!(["/", "/healthz", "/tiers"].map(status), [503, 503, 204], "balancers ask by it");
    }

    #[test]
    fn parameters_are_decoded_to_bytes() {
        let parameter = |query: &str| request("GET", &format!("/lookup?{query}")).parameter("name");
        assert_eq!(parameter("name=web%2D1.example.org"), Some(b"web-1.example.org".to_vec()));
        assert_eq!(parameter("x=1&n%61me=a+b&name=second"), Some(b"a b".to_vec()));
        assert_eq!(parameter("name=%ff%zz%4"), Some(b"\xff%zz%4".to_vec()));
        assert_eq!(parameter("name=a=b"), Some(b"a=b".to_vec()));
        assert_eq!(parameter("name"), Some(Vec::new()));
        assert_eq!(parameter("names=a"), None);
        assert_eq!(request("GET", "/lookup").parameter("name"), None);
    }
}
