//! One route: a path, who answers it, and by which methods.

use std::pin::Pin;
use std::sync::Arc;

use hyper::HeaderMap;

use super::body::Response;
use super::form::Takes;
use super::request::Request;

/// An answer, or one in the making.
pub enum Answer {
    /// At hand.
    Ready(Response),
    /// To come.
    Later(Pin<Box<dyn Future<Output = Response> + Send>>),
}

impl Answer {
    /// The answer that this will come to.
    pub fn later(answer: impl Future<Output = Response> + Send + 'static) -> Self {
        Self::Later(Box::pin(answer))
    }

    /// Waits for it.
    pub async fn response(self) -> Response {
        match self {
            Self::Ready(response) => response,
            Self::Later(answer) => answer.await,
        }
    }
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        Self::Ready(response)
    }
}

/// Answers the requests of a route, on the thread that serves all clients: it must not block (see
/// [`body::stream`](super::body::stream)).
pub type Handler<S> = fn(&Arc<S>, Request) -> Answer;

/// Makes header fields for an answer to OPTIONS.
pub type Preflight<S> = fn(&S, &Request) -> HeaderMap;

/// Says whether all is well.
pub type Health<S> = fn(&S) -> Response;

/// A path and who answers it.
pub struct Route<S> {
    pub(super) path: &'static str,
    pub(super) summary: &'static str,
    pub(super) handler: Handler<S>,
    pub(super) takes: Takes,
    with_slash: bool,
    pub(super) preflight: Option<Preflight<S>>,
}

impl<S> Route<S> {
    /// A route that is read: GET and HEAD. A `path` that ends in `/` stands for everything below it, any other for
    /// itself alone. `summary` is a line for people who look at `/`.
    pub const fn new(path: &'static str, summary: &'static str, handler: Handler<S>) -> Self {
        Self { path, summary, handler, takes: Takes::Nothing, with_slash: false, preflight: None }
    }

    /// The same, for who writes a `/` behind the path, too.
    #[must_use]
    pub const fn with_slash(mut self) -> Self {
        self.with_slash = true;
        self
    }

    /// The same, and POST with a form.
    #[must_use]
    pub const fn with_forms(mut self) -> Self {
        self.takes = Takes::Forms;
        self
    }

    /// The same, by POST alone, with a body of this media type, which is bound as forms are.
    #[must_use]
    pub const fn with_messages(mut self, media_type: &'static str) -> Self {
        self.takes = Takes::Messages(media_type);
        self
    }

    /// Has OPTIONS answered with the fields that `fields` makes of the request: what a browser asks before it lets a
    /// page of another host ask (CORS).
    #[must_use]
    pub const fn with_preflight(mut self, fields: Preflight<S>) -> Self {
        self.preflight = Some(fields);
        self
    }

    pub(super) fn is_at(&self, path: &str) -> bool {
        match path.strip_prefix(self.path) {
            Some("") => true,
            Some(below) => self.path.ends_with('/') || self.with_slash && below == "/",
            None => false,
        }
    }

    pub(super) const fn methods(&self) -> &'static str {
        match self.takes {
            Takes::Nothing => READ,
            Takes::Forms => READ_AND_FORMS,
            Takes::Messages(_) => MESSAGES,
        }
    }
}

/// The methods that every path answers.
pub(super) const READ: &str = "GET, HEAD, OPTIONS";

/// The methods of a path that takes forms.
pub(super) const READ_AND_FORMS: &str = "GET, HEAD, POST, OPTIONS";

/// The methods of a path that takes messages.
pub(super) const MESSAGES: &str = "POST, OPTIONS";
