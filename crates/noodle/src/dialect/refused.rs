//! Why a client that asks for many hosts has no answer, or not all of one; and which tiers it is of.

use std::collections::BTreeSet;

use coco_core::text::Line;
use coco_core::tier::TierId;
use coco_daemon::http::{Response, body};
use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use crate::budget::Exhausted;
use crate::budget::turns::Busy;
use crate::failure::Failure;
use crate::fleet::{Failed, Fleet};

/// The field of an answer that says which tier it is of; several with commas.
pub const TIER: HeaderName = HeaderName::from_static("x-noodle-tier");

/// The one that says that some of it is missing.
pub const PARTIAL: HeaderName = HeaderName::from_static("x-noodle-partial");

/// Who failed, and why: once for each target.
pub const ERROR: HeaderName = HeaderName::from_static("x-noodle-error");

/// Failures that an answer tells of.
const MOST_ERRORS: usize = 10;

/// Longest value of a field.
const MOST_VALUE: usize = 256;

/// What errors are, one line each.
const TEXT: &str = "text/plain; charset=utf-8";

/// Why there is no answer: a status, and a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// 400 where the client is to ask otherwise.
    pub status: StatusCode,
    /// What is wrong.
    pub message: String,
}

impl Refused {
    /// The client is to ask otherwise.
    pub fn bad(message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, message: message.into() }
    }

    /// Nobody has it, and not all say so.
    pub fn failed(fleet: &Fleet, failed: &[Failed]) -> Self {
        let status = Failure::status(failed.iter().map(|(_, failure)| failure));
        Self { status, message: reasons(fleet, failed).join("; ") }
    }

    /// As it is sent.
    pub fn response(&self) -> Response {
        body::bytes(self.status, TEXT, format!("{}\n", Line(&self.message)))
    }
}

impl From<Exhausted> for Refused {
    fn from(_: Exhausted) -> Self {
        let message = "too many large answers are under way (fetch.max_memory): try again later";
        Self { status: StatusCode::SERVICE_UNAVAILABLE, message: message.to_owned() }
    }
}

impl From<Busy> for Refused {
    fn from(_: Busy) -> Self {
        let message = "too many requests are being calculated: try again later";
        Self { status: StatusCode::SERVICE_UNAVAILABLE, message: message.to_owned() }
    }
}

/// Says which tiers an answer is of, and whose share is missing.
pub fn tell(fields: &mut HeaderMap, fleet: &Fleet, tiers: &BTreeSet<TierId>, failed: &[Failed]) {
    let names: Vec<_> = tiers.iter().map(|tier| fleet.tiers[*tier].name()).collect();
    if let Some(value) = value(&names.join(", ")) {
        fields.insert(TIER, value);
    }
    if failed.is_empty() {
        return;
    }
    fields.insert(PARTIAL, HeaderValue::from_static("true"));
    for reason in reasons(fleet, failed) {
        if let Some(value) = value(&reason) {
            fields.append(ERROR, value);
        }
    }
}

/// What of a text stands in a field, if there is any.
fn value(text: &str) -> Option<HeaderValue> {
    let shown: String = Line(text).to_string().chars().take(MOST_VALUE).collect();
    HeaderValue::from_str(&shown).ok().filter(|value| !value.is_empty())
}

/// Whom to blame, each once.
fn reasons(fleet: &Fleet, failed: &[Failed]) -> Vec<String> {
    let reason = |(node, failure): &Failed| format!("{}: {failure}", fleet.upstream(*node).root());
    let mut reasons: Vec<_> = failed.iter().map(reason).collect();
    reasons.sort_unstable();
    reasons.dedup();
    let more = reasons.len().saturating_sub(MOST_ERRORS);
    reasons.truncate(MOST_ERRORS);
    if more > 0 {
        reasons.push(format!("and {more} more"));
    }
    reasons
}
