//! What a client gets: the text, its status, and the function that it is passed to.
//!
//! Browsers run no script with an error's status, so a function is called with 200 whatever there is to say.

use std::fmt::Display;

use bytes::Bytes;
use coco_core::text::Line;
use coco_daemon::http::{Request, Response, body};
use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderValue, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use serde_json::json;

use super::script;
use crate::budget::{Exhausted, Held};
use crate::failure::Failure;

/// When to ask again whoever has too much to do, in seconds.
const SOON: HeaderValue = HeaderValue::from_static("1");

/// Most answers have no more header fields.
const FIELDS: usize = 8;

/// What a client is told, in whatever form.
#[derive(Debug)]
pub struct Reply {
    /// What it says, also where a function is called.
    pub status: StatusCode,
    text: Text,
    is_script: bool,
    /// Header fields of its own.
    pub fields: HeaderMap,
}

#[derive(Debug)]
enum Text {
    /// Paid for until it has left.
    Held(Held),
    Small(Vec<u8>),
    Error(String),
}

impl Reply {
    /// 200 with the text of an object.
    pub fn found(held: Held) -> Self {
        Self::new(StatusCode::OK, Text::Held(held))
    }

    /// 200 with the text of an object in which there is nothing.
    pub fn nothing(text: Vec<u8>) -> Self {
        Self::new(StatusCode::OK, Text::Small(text))
    }

    /// An error.
    pub fn error(status: StatusCode, message: impl Display) -> Self {
        let mut reply = Self::new(status, Text::Error(Line(&message.to_string()).to_string()));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            reply.fields.insert(RETRY_AFTER, SOON);
        }
        reply
    }

    fn new(status: StatusCode, text: Text) -> Self {
        Self { status, text, is_script: false, fields: HeaderMap::with_capacity(FIELDS) }
    }

    /// A call of a function with this. Errors say their status there, too.
    #[must_use]
    pub fn called(mut self, function: &str) -> Self {
        self.text = match self.text {
            Text::Held(mut held) => {
                if let Err(exhausted) = held.reservation.grow(script::growth(function, &held.bytes)) {
                    return Self::from(exhausted).called(function);
                }
                script::call(function, &mut held.bytes);
                Text::Held(held)
            }
            Text::Small(mut text) => {
                script::call(function, &mut text);
                Text::Small(text)
            }
            Text::Error(message) => {
                let argument = json!({ "error": message, "status": self.status.as_u16() });
                let mut text = argument.to_string().into_bytes();
                script::call(function, &mut text);
                Text::Small(text)
            }
        };
        Self { is_script: true, ..self }
    }

    /// It waits for who sent this request to take it.
    pub fn hold_for(&mut self, request: &Request) {
        if let (Text::Held(held), Some(hang_up)) = (&mut self.text, request.hang_up()) {
            held.reservation.hold_for(hang_up);
        }
    }

    /// What is sent.
    pub fn respond(self) -> Response {
        let text = match self.text {
            Text::Held(held) => Bytes::from_owner(held),
            Text::Small(text) => text.into(),
            Text::Error(message) => format!("{}\n", json!({ "error": message })).into(),
        };
        let (status, media_type) =
            if self.is_script { (StatusCode::OK, script::MEDIA_TYPE) } else { (self.status, body::JSON) };
        let mut response = body::bytes_with(status, self.fields, media_type, text);
        // A browser must not take JSON for a script, whatever page asks for it.
        response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response
    }
}

impl From<Exhausted> for Reply {
    fn from(exhausted: Exhausted) -> Self {
        Self::error(StatusCode::SERVICE_UNAVAILABLE, Failure::from(exhausted))
    }
}
